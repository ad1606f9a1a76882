"""How large each workload is, and what its parameters begin with: all that the peers must have in common.

``FULL`` is what the bars are about; ``TINY`` shows on a CPU, in seconds, that everything runs. Weights are drawn by
name, so that each peer can make them in its own order and layout.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

Data = np.ndarray


@dataclass(frozen=True)
class Pointwise:
    """Arrays of ``rows`` by ``columns``."""

    rows: int
    columns: int


@dataclass(frozen=True)
class Adam:
    """An update of ``tensors`` parameters of ``elements`` each."""

    tensors: int
    elements: int


@dataclass(frozen=True)
class Rows:
    """Arrays of about ``elements`` numbers, for each width of a row in ``widths``."""

    elements: int
    widths: tuple[int, ...]

    def shape(self, width: int) -> tuple[int, int]:
        return max(self.elements // width, 1), width


@dataclass(frozen=True)
class LSTM:
    words: int
    units: int
    layers: int
    steps: int
    batch: int
    rate: float = 1.0
    clip: float = 5.0


@dataclass(frozen=True)
class ResNet:
    stages: tuple[int, ...]
    width: int
    classes: int
    image: int
    batch: int
    rate: float = 0.02
    momentum: float = 0.9


@dataclass(frozen=True)
class GPT2:
    layers: int
    units: int
    heads: int
    words: int
    length: int
    batch: int
    rate: float = 3e-4
    decay: float = 0.1
    beta2: float = 0.95


@dataclass(frozen=True)
class Llama:
    layers: int
    units: int
    heads: int
    kv_heads: int
    hidden: int
    words: int
    length: int
    batch: int


@dataclass(frozen=True)
class Sizes:
    pointwise: Pointwise
    adam: Adam
    norm: Rows
    loss: Rows
    lstm: LSTM
    resnet: ResNet
    gpt2: GPT2
    llama: Llama
    checked_steps: int  # losses of so many steps of training are compared


FULL = Sizes(
    pointwise=Pointwise(1 << 16, 1 << 12),  # 1 GiB of float32
    adam=Adam(96, 1 << 20),
    norm=Rows(1 << 26, (1 << 10, 1 << 12, 1 << 14)),
    # 8 sequences of 1024: GPT-2's vocabulary as it is mostly padded, and Llama 3's.
    loss=Rows(8192 * 50304, (50304, 128256)),
    lstm=LSTM(words=10_000, units=650, layers=2, steps=35, batch=64),
    resnet=ResNet(stages=(3, 4, 6, 3), width=64, classes=1000, image=224, batch=128),
    gpt2=GPT2(layers=12, units=768, heads=12, words=50304, length=1024, batch=8),
    llama=Llama(layers=12, units=768, heads=12, kv_heads=4, hidden=2048, words=32000, length=1024, batch=8),  # 124 million parameters
    checked_steps=5,
)

TINY = Sizes(
    pointwise=Pointwise(64, 128),
    adam=Adam(3, 1000),
    norm=Rows(4096, (128, 512)),
    loss=Rows(6400, (100, 640)),
    lstm=LSTM(words=50, units=16, layers=2, steps=5, batch=4),
    resnet=ResNet(stages=(1, 1, 1, 1), width=8, classes=10, image=32, batch=16, rate=0.002),
    gpt2=GPT2(layers=2, units=32, heads=4, words=64, length=16, batch=2),
    llama=Llama(layers=2, units=32, heads=4, kv_heads=2, hidden=64, words=64, length=16, batch=2),
    checked_steps=3,
)

#: The perceptron is the same at every size, and its losses are compared over so many steps.
PERCEPTRON_STEPS = 20

SIZES = {"full": FULL, "tiny": TINY}


# -- data -----------------------------------------------------------------------------------------


def _rng(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(name.encode()))


def normal(name: str, *shape: int, scale: float = 1.0) -> Data:
    """Normal numbers that depend on the name alone."""
    return _rng(name).standard_normal(shape, "float32") * np.float32(scale)


def integers(name: str, below: int, *shape: int) -> Data:
    """Numbers from 0 to ``below`` - 1, int32."""
    return _rng(name).integers(0, below, shape).astype("int32")


def tile(rows: int, columns: int, name: str) -> tuple[Data, int]:
    """A few random rows, and how often they are to be repeated to be ``rows``: drawing 1 GiB takes too long."""
    few = min(rows, 256)
    while rows % few:
        few //= 2
    return normal(name, few, columns), rows // few


# -- networks: names, shapes and first values of their parameters ----------------------------------


@dataclass(frozen=True)
class Convolution:
    """Of a residual network, without bias and followed by batch normalisation."""

    name: str
    inputs: int
    outputs: int
    kernel: int
    stride: int

    def weight(self) -> Data:
        """(outputs, inputs, kernel, kernel), after He."""
        fan = self.inputs * self.kernel**2
        return normal(self.name, self.outputs, self.inputs, self.kernel, self.kernel, scale=(2 / fan) ** 0.5)


@dataclass(frozen=True)
class Bottleneck:
    """Three convolutions beside a shortcut, which is a convolution where the shape changes."""

    body: tuple[Convolution, Convolution, Convolution]
    shortcut: Convolution | None


def stem(size: ResNet) -> Convolution:
    """What a residual network begins with."""
    return Convolution("stem", 3, size.width, 7, 2)


def bottlenecks(size: ResNet) -> Iterator[Bottleneck]:
    """ResNet v1: the stride of a stage is in its first convolution, as in Gluon's model zoo."""
    inputs = size.width
    for stage, blocks in enumerate(size.stages):
        middle, outputs = size.width << stage, 4 * size.width << stage
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            name = f"stage{stage}.block{block}"
            yield Bottleneck(
                (
                    Convolution(f"{name}.a", inputs, middle, 1, stride),
                    Convolution(f"{name}.b", middle, middle, 3, 1),
                    Convolution(f"{name}.c", middle, outputs, 1, 1),
                ),
                None if inputs == outputs and stride == 1 else Convolution(f"{name}.shortcut", inputs, outputs, 1, stride),
            )
            inputs = outputs


def features(size: ResNet) -> int:
    """Channels of the last stage."""
    return 4 * size.width << (len(size.stages) - 1)


def resnet_head(size: ResNet) -> Data:
    """The last layer's weight (classes, features); its bias begins with 0, gammas with 1 and betas with 0."""
    return normal("head", size.classes, features(size), scale=features(size) ** -0.5)


def resnet_batch(size: ResNet) -> tuple[Data, Data]:
    """Images (batch, height, width, 3) and labels."""
    return normal("images", size.batch, size.image, size.image, 3), integers("labels", size.classes, size.batch)


#: The matrices of a transformer's block, each (outputs, inputs) in units.
GPT2_LAYERS = {"qkv": (3, 1), "mix": (1, 1), "widen": (4, 1), "narrow": (1, 4)}


def gpt2_weights(size: GPT2) -> dict[str, Data]:
    """The embeddings of words and places, and each block's matrices; biases and betas begin with 0, gammas with 1."""
    found = {
        "words": normal("words", size.words, size.units, scale=0.02),
        "places": normal("places", size.length, size.units, scale=0.02),
    }
    for i in range(size.layers):
        for name, (outputs, inputs) in GPT2_LAYERS.items():
            key = f"block{i}.{name}"
            found[key] = normal(key, outputs * size.units, inputs * size.units, scale=0.02)
    return found


def gpt2_batch(size: GPT2 | Llama) -> tuple[Data, Data]:
    """Tokens (batch, length), and for each the next one."""
    tokens = integers("tokens", size.words, size.batch, size.length + 1)
    return np.ascontiguousarray(tokens[:, :-1]), np.ascontiguousarray(tokens[:, 1:])


def lstm_weights(size: LSTM) -> dict[str, Data]:
    """``embedding``, for each layer ``l0.i2h`` and ``l0.h2h`` (4 units, units), and ``scores`` (words, units); biases are 0.

    The gates are input, forget, cell, output.
    """
    found = {name: normal(name, size.words, size.units, scale=0.05) for name in ("embedding", "scores")}
    for layer in range(size.layers):
        for part in ("i2h", "h2h"):
            key = f"l{layer}.{part}"
            found[key] = normal(key, 4 * size.units, size.units, scale=size.units**-0.5)
    return found


def lstm_batch(size: LSTM) -> tuple[Data, Data]:
    """Words (steps, batch), and for each the next one."""
    words = integers("text", size.words, size.steps + 1, size.batch)
    return words[:-1].copy(), words[1:].copy()
