"""The networks of the suite in hybridnet, and small data for them."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import gluon_networks
import numpy
from workloads import SIZES, Weights, batch, chain_data, image, perceptron_batch, perceptron_weights

import hybridnet as hn
from hybridnet.gluon import nn
from hybridnet.ops.nn.rnn import rnn


class Task(NamedTuple):
    """A network with its loss, and one batch."""

    network: Any
    loss: Any  # (output, label) -> loss of each sample; None: the output itself
    x: Any
    y: Any


def _random(*shape: int) -> Any:
    return hn.nd.array(numpy.random.RandomState(1).uniform(-1, 1, shape).astype("float32"))


def _labels(classes: int, *shape: int) -> Any:
    return hn.nd.array(numpy.random.RandomState(2).randint(0, classes, shape).astype("int32"), dtype="int32")


def _started(network: Any, x: Any) -> Any:
    """Initialise with equal values each time, the deferred shapes included."""
    hn.random.seed(0)
    network.initialize(hn.init.Xavier())
    network(x)
    return network


def perceptron() -> Task:
    """784-128-128-128-10 with the weights that all peers start from."""
    weights = perceptron_weights()
    network = nn.HybridSequential()
    for i, size in enumerate(SIZES[1:]):
        network.add(nn.Dense(size, activation="relu" if i < len(weights) - 1 else None, in_units=SIZES[i]))
    network.initialize()
    for layer, (weight, bias) in zip(network, weights, strict=True):
        layer.weight.set_data(hn.nd.array(weight))
        layer.bias.set_data(hn.nd.array(bias))
    x, y = perceptron_batch()
    return Task(network, hn.gluon.loss.SoftmaxCrossEntropyLoss(), hn.nd.array(x), hn.nd.array(y, dtype="int32"))


def _convolutional(channels: tuple[int, ...], x: Any) -> Task:
    network = nn.HybridSequential()
    for c in channels:
        network.add(nn.Conv2D(c, 3, padding=1, use_bias=False), nn.BatchNorm(), nn.Activation("relu"), nn.MaxPool2D(2))
    network.add(nn.Dense(64, activation="relu"), nn.Dense(10))
    return Task(_started(network, x), hn.gluon.loss.SoftmaxCrossEntropyLoss(), x, _labels(10, x.shape[0]))


def digits() -> Task:
    """A small convolutional network on images of 8 by 8."""
    return _convolutional((16, 32), _random(64, 1, 8, 8))


def images() -> Task:
    """A convolutional network on coloured images of 32 by 32."""
    return _convolutional((16, 32, 64), _random(64, 3, 32, 32))


class LanguageModel(nn.HybridBlock):
    """Embedding, LSTM, and a score for every word at every place."""

    def __init__(self, words: int, size: int, state: int, batch: int) -> None:
        super().__init__()
        self.state_size, self.state_shape = state, (1, batch, state)
        with self.name_scope():
            self.embedding = nn.Embedding(words, size)
            self.scores = nn.Dense(words, flatten=False, in_units=state)
            count = 4 * state * (size + state + 2)
            self.rnn_weight = self.params.get("rnn_weight", shape=(count,), init=hn.init.Uniform(0.08))

    def hybrid_forward(self, F: Any, x: Any, rnn_weight: Any) -> Any:
        zeros = F.zeros(self.state_shape)
        states = rnn(self.embedding(x), rnn_weight, zeros, zeros, mode="lstm", state_size=self.state_size, num_layers=1)
        return self.scores(states)


def language() -> Task:
    """A language model: 24 words in 16 sequences of a vocabulary of 1,000."""
    steps, batch, words = 24, 16, 1000
    x = _labels(words, steps, batch)
    return Task(_started(LanguageModel(words, 64, 96, batch), x), hn.gluon.loss.SoftmaxCrossEntropyLoss(), x, _labels(words, steps, batch))


class AttentionBlock(nn.HybridBlock):
    """A transformer's block: layer norm and attention, layer norm and two dense layers, each added to its input."""

    def __init__(self, units: int, heads: int) -> None:
        super().__init__()
        self.units, self.heads = units, heads
        with self.name_scope():
            self.norm1, self.norm2 = nn.LayerNorm(in_channels=units), nn.LayerNorm(in_channels=units)
            self.queries, self.keys, self.values, self.out = (nn.Dense(units, flatten=False, in_units=units) for _ in range(4))
            self.wide = nn.Dense(4 * units, flatten=False, in_units=units)
            self.narrow = nn.Dense(units, flatten=False, in_units=4 * units)

    def _split(self, x: Any) -> Any:
        """(batch, length, units) to (batch, heads, length, units a head)."""
        return x.reshape((*x.shape[:2], self.heads, -1)).transpose((0, 2, 1, 3))

    def forward(self, x: Any) -> Any:
        normed = self.norm1(x)
        q, k, v = self._split(self.queries(normed)), self._split(self.keys(normed)), self._split(self.values(normed))
        weights = hn.npx.softmax(hn.np.matmul(q, k.transpose((0, 1, 3, 2))) * (self.units / self.heads) ** -0.5, axis=-1)
        mixed = hn.np.matmul(weights, v).transpose((0, 2, 1, 3)).reshape(x.shape)
        x = x + self.out(mixed)
        return x + self.narrow(hn.npx.gelu(self.wide(self.norm2(x))))


def attention() -> Task:
    """One block of a transformer of 64 units and 4 heads on 8 sequences of 32."""
    x = hn.np.array(numpy.random.RandomState(1).uniform(-1, 1, (8, 32, 64)).astype("float32"))
    return Task(_started(AttentionBlock(64, 4), x), hn.gluon.loss.L2Loss(), x, x)


class Chain(nn.HybridBlock):
    """Many pointwise operators, one after another, over a large array; the scale is learnt."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = self.params.get("scale", shape=(1, 1024), init=hn.init.One())

    def hybrid_forward(self, F: Any, x: Any, scale: Any) -> Any:
        for _ in range(3):
            y = F.tanh(x * scale + 0.5)
            x = y * F.sigmoid(x) + F.relu(x) * 0.25
        return x * x - y


def pointwise() -> Task:
    """A chain of pointwise operators over a million elements."""
    x = _random(1024, 1024)
    return Task(_started(Chain(), x), None, x, None)


def _of_all_peers(network: Any) -> Any:
    """A network with the weights that all peers start from."""
    weights = Weights()
    network.initialize()
    for parameter in network.collect_params().values():
        if len(parameter.shape) > 1:
            parameter.set_data(hn.nd.array(weights.of(parameter.shape)))
    return network


def inference(name: str) -> Task:
    """A network that all peers run forward, and one image."""
    return Task(_of_all_peers(gluon_networks.INFERENCE[name](hn.gluon)), None, hn.nd.array(image(name)), None)


def chain() -> Task:
    """Eight pointwise operators over 16 M numbers, which all peers run."""
    return Task(gluon_networks.chain(hn.gluon), None, hn.nd.array(chain_data()), None)


def shared(name: str) -> Task:
    """A network that all peers train, from the same weights."""
    x, y = batch(name)
    return Task(
        _of_all_peers(gluon_networks.NETWORKS[name](hn.gluon)),
        hn.gluon.loss.SoftmaxCrossEntropyLoss(),
        hn.nd.array(x),
        hn.nd.array(y, dtype="int32"),
    )


TASKS: dict[str, Callable[[], Task]] = {
    "mlp": perceptron,
    "digits": digits,
    "images": images,
    "language": language,
    "attention": attention,
    "pointwise": pointwise,
    **{name: partial(shared, name) for name in gluon_networks.NETWORKS},
}


class Bottleneck(nn.HybridBlock):
    """Three convolutions beside a shortcut: the block of which deep residual networks are made."""

    def __init__(self, inputs: int, middle: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.HybridSequential()
        self.body.add(*_convolution(inputs, middle, 1), nn.Activation("relu"))
        self.body.add(*_convolution(middle, middle, 3, stride), nn.Activation("relu"))
        self.body.add(*_convolution(middle, outputs, 1))
        self.shortcut: Any = None
        if inputs != outputs or stride != 1:
            self.shortcut = nn.HybridSequential()
            self.shortcut.add(*_convolution(inputs, outputs, 1, stride))

    def forward(self, x: Any) -> Any:
        return hn.npx.relu(self.body(x) + (x if self.shortcut is None else self.shortcut(x)))


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> tuple[Any, Any]:
    convolution = nn.Conv2D(outputs, kernel, strides=stride, padding=kernel // 2, use_bias=False, in_channels=inputs)
    return convolution, nn.BatchNorm(in_channels=outputs)


def resnet50(classes: int = 1000) -> Any:
    """ResNet-50 for images of 224 by 224, initialised: stages of 3, 4, 6 and 3 bottlenecks, 25.6 million parameters."""
    network = nn.HybridSequential()
    network.add(*_convolution(3, 64, 7, 2), nn.Activation("relu"), nn.MaxPool2D(3, 2, 1))
    inputs = 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        middle = 64 << stage
        for block in range(blocks):
            network.add(Bottleneck(inputs, middle, 4 * middle, 2 if stage and not block else 1))
            inputs = 4 * middle
    network.add(nn.GlobalAvgPool2D(), nn.Flatten(), nn.Dense(classes, in_units=inputs))
    network.initialize()
    return network
