"""Networks written once for two libraries: what is given is ``hybridnet.gluon`` or ``mxnet.gluon``.

Nothing here knows which of the two it is.
"""

from collections.abc import Callable
from typing import Any

from workloads import HEADS, LAYERS, MOBILENET, UNITS


def lenet(gluon: Any) -> Any:
    """For images of 28 by 28 in one channel."""
    nn = gluon.nn
    network = nn.HybridSequential()
    network.add(nn.Conv2D(20, 5, activation="relu", in_channels=1), nn.MaxPool2D(2, 2))
    network.add(nn.Conv2D(50, 5, activation="relu", in_channels=20), nn.MaxPool2D(2, 2), nn.Flatten())
    network.add(nn.Dense(500, activation="relu", in_units=800), nn.Dense(10, in_units=500))
    return network


def recurrent(gluon: Any) -> Any:
    """An LSTM of 256 units over sequences (time, batch, 256), and classes from its last output."""

    class Last(gluon.HybridBlock):  # type: ignore[misc, name-defined]
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            with self.name_scope():
                self.lstm = gluon.rnn.LSTM(256, input_size=256)
                self.classes = gluon.nn.Dense(10, in_units=256)

        def hybrid_forward(self, F: Any, x: Any) -> Any:
            return self.classes(F.squeeze(F.slice_axis(self.lstm(x), axis=0, begin=-1, end=None), axis=0))

    return Last()


def resnet18(gluon: Any) -> Any:
    """ResNet-18 with 10 classes, of two convolutions and a shortcut a block."""
    nn = gluon.nn

    def convolution(inputs: int, outputs: int, kernel: int, stride: int) -> list[Any]:
        pad = kernel // 2
        return [nn.Conv2D(outputs, kernel, stride, pad, use_bias=False, in_channels=inputs), nn.BatchNorm(in_channels=outputs)]

    class Block(gluon.HybridBlock):  # type: ignore[misc, name-defined]
        def __init__(self, inputs: int, outputs: int, stride: int, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            with self.name_scope():
                self.body = nn.HybridSequential()
                self.body.add(*convolution(inputs, outputs, 3, stride), nn.Activation("relu"), *convolution(outputs, outputs, 3, 1))
                self.shortcut = None
                if stride != 1 or inputs != outputs:
                    self.shortcut = nn.HybridSequential()
                    self.shortcut.add(*convolution(inputs, outputs, 1, stride))

        def hybrid_forward(self, F: Any, x: Any) -> Any:
            return F.relu(self.body(x) + (x if self.shortcut is None else self.shortcut(x)))

    network = nn.HybridSequential()
    network.add(*convolution(3, 64, 7, 2), nn.Activation("relu"), nn.MaxPool2D(3, 2, 1))
    inputs = 64
    for outputs in (64, 128, 256, 512):
        for stride in (1 if outputs == 64 else 2, 1):
            network.add(Block(inputs, outputs, stride))
            inputs = outputs
    network.add(nn.GlobalAvgPool2D(), nn.Flatten(), nn.Dense(10, in_units=512))
    return network


def mobilenet(gluon: Any) -> Any:
    """MobileNet 1.0 with 10 classes."""
    nn = gluon.nn
    network = nn.HybridSequential()

    def add(inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1) -> None:
        options = {"groups": groups, "use_bias": False, "in_channels": inputs}
        network.add(nn.Conv2D(outputs, kernel, stride, kernel // 2, **options), nn.BatchNorm(in_channels=outputs), nn.Activation("relu"))

    inputs = 32
    add(3, inputs, 3, 2)
    for outputs, stride in MOBILENET:
        add(inputs, inputs, 3, stride, groups=inputs)
        add(inputs, outputs, 1, 1)
        inputs = outputs
    network.add(nn.GlobalAvgPool2D(), nn.Flatten(), nn.Dense(10, in_units=inputs))
    return network


def transformer(gluon: Any) -> Any:
    """An encoder over sequences (batch, time, 256), normalised before each part, and classes of every place."""
    nn = gluon.nn

    class Layer(gluon.HybridBlock):  # type: ignore[misc, name-defined]
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            with self.name_scope():
                for name in ("queries", "keys", "values", "out"):
                    setattr(self, name, nn.Dense(UNITS, flatten=False, in_units=UNITS))
                self.wide = nn.Dense(4 * UNITS, flatten=False, in_units=UNITS, activation="relu")
                self.narrow = nn.Dense(UNITS, flatten=False, in_units=4 * UNITS)
                self.norm1, self.norm2 = nn.LayerNorm(in_channels=UNITS), nn.LayerNorm(in_channels=UNITS)

        def hybrid_forward(self, F: Any, x: Any) -> Any:
            def heads(y: Any) -> Any:
                """(batch, time, units) as (batch · heads, time, units a head)."""
                return F.reshape(F.transpose(F.reshape(y, shape=(0, 0, HEADS, -1)), axes=(0, 2, 1, 3)), shape=(-3, 0, 0))

            normed = self.norm1(x)
            q, k, v = heads(self.queries(normed)), heads(self.keys(normed)), heads(self.values(normed))
            weights = F.softmax(F.batch_dot(q, k, transpose_b=True) * (UNITS / HEADS) ** -0.5)
            mixed = F.reshape(F.batch_dot(weights, v), shape=(-4, -1, HEADS, 0, 0))
            x = x + self.out(F.reshape(F.transpose(mixed, axes=(0, 2, 1, 3)), shape=(0, 0, -3)))
            return x + self.narrow(self.wide(self.norm2(x)))

    class Encoder(gluon.HybridBlock):  # type: ignore[misc, name-defined]
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            with self.name_scope():
                self.layers = nn.HybridSequential()
                for _ in range(LAYERS):
                    self.layers.add(Layer())
                self.norm = nn.LayerNorm(in_channels=UNITS)
                self.classes = nn.Dense(10, flatten=False, in_units=UNITS)

        def hybrid_forward(self, F: Any, x: Any) -> Any:
            return F.reshape(self.classes(self.norm(self.layers(x))), shape=(-3, 0))

    return Encoder()


def chain(gluon: Any) -> Any:
    """Eight pointwise operators, one after another."""

    class Chain(gluon.HybridBlock):  # type: ignore[misc, name-defined]
        def hybrid_forward(self, F: Any, x: Any) -> Any:
            return F.relu(F.square(F.sqrt(F.abs(x * 1.5 + 0.25)) * 0.5 - 0.3))

    return Chain()


NETWORKS: dict[str, Callable[[Any], Any]] = {"lenet": lenet, "lstm": recurrent, "resnet18": resnet18, "transformer": transformer}
#: Run forward, in inference.
INFERENCE: dict[str, Callable[[Any], Any]] = {"resnet18": resnet18, "mobilenet": mobilenet}
