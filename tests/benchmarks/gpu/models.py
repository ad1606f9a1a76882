"""The networks in hybridnet, as ordinary Gluon code: ResNet-50, GPT-2, and a language model with LSTM layers.

``ctx`` is where the parameters lie. All begin with the weights that ``sizes`` gives every peer.
"""

from __future__ import annotations

from typing import Any

import numpy

import hybridnet as hn
from gpu import sizes
from gpu.sizes import GPT2_LAYERS
from hybridnet import npx
from hybridnet.gluon import HybridBlock, nn, rnn


def _normalised(c: sizes.Convolution) -> tuple[Any, Any]:
    convolution = nn.Conv2D(
        c.outputs,
        c.kernel,
        strides=c.stride,
        padding=c.kernel // 2,
        use_bias=False,
        layout="NHWC",
        in_channels=c.inputs,
        weight_initializer=hn.init.Constant(c.weight().transpose(0, 2, 3, 1)),
    )
    return convolution, nn.BatchNorm(axis=3, in_channels=c.outputs)


class Bottleneck(HybridBlock):
    """Three convolutions beside a shortcut."""

    def __init__(self, block: sizes.Bottleneck) -> None:
        super().__init__()
        self.body = nn.HybridSequential()
        for i, c in enumerate(block.body):
            self.body.add(*_normalised(c))
            if i < 2:
                self.body.add(nn.Activation("relu"))
        self.shortcut: Any = nn.Identity()
        if block.shortcut is not None:
            self.shortcut = nn.HybridSequential()
            self.shortcut.add(*_normalised(block.shortcut))

    def forward(self, x: Any) -> Any:
        return npx.relu(self.body(x) + self.shortcut(x))


def resnet(size: sizes.ResNet, ctx: Any) -> Any:
    """A residual network of bottlenecks (v1), channels last."""
    net = nn.HybridSequential()
    net.add(*_normalised(sizes.stem(size)), nn.Activation("relu"), nn.MaxPool2D(3, 2, 1, layout="NHWC"))
    net.add(*map(Bottleneck, sizes.bottlenecks(size)))
    head = hn.init.Constant(sizes.resnet_head(size))
    net.add(nn.GlobalAvgPool2D(layout="NHWC"), nn.Dense(size.classes, in_units=sizes.features(size), weight_initializer=head))
    net.initialize(ctx=ctx)
    return net


class Block(HybridBlock):
    """A transformer's block: causal attention and a network of two layers, each after layer norm and added to its input."""

    def __init__(self, size: sizes.GPT2, weights: dict[str, numpy.ndarray], name: str) -> None:
        super().__init__()
        self.heads = size.heads
        self.before_attention, self.before_network = nn.LayerNorm(in_channels=size.units), nn.LayerNorm(in_channels=size.units)
        self.qkv, self.mix, self.widen, self.narrow = (
            nn.Dense(
                outputs * size.units,
                flatten=False,
                in_units=inputs * size.units,
                weight_initializer=hn.init.Constant(weights[f"{name}.{layer}"]),
            )
            for layer, (outputs, inputs) in GPT2_LAYERS.items()
        )

    def forward(self, x: Any) -> Any:
        batch, length, units = x.shape
        qkv = self.qkv(self.before_attention(x)).reshape((batch, length, 3, self.heads, units // self.heads))
        q, k, v = (qkv[:, :, i] for i in range(3))
        mixed = npx.scaled_dot_product_attention(q, k, v, causal=True, layout="BSHD")
        x = x + self.mix(mixed.reshape(x.shape))
        return x + self.narrow(npx.gelu(self.widen(self.before_network(x)), approximation="tanh"))


class GPT2(HybridBlock):
    """Tokens (batch, length) to scores of the next one (batch, length, words); the scores' weight is the embedding's."""

    def __init__(self, size: sizes.GPT2) -> None:
        super().__init__()
        weights = sizes.gpt2_weights(size)
        self.words = self.params.get("words", shape=(size.words, size.units), init=hn.init.Constant(weights["words"]))
        self.places = self.params.get("places", shape=(size.length, size.units), init=hn.init.Constant(weights["places"]))
        self.blocks = nn.HybridSequential()
        self.blocks.add(*(Block(size, weights, f"block{i}") for i in range(size.layers)), nn.LayerNorm(in_channels=size.units))

    def hybrid_forward(self, F: Any, tokens: Any, words: Any, places: Any) -> Any:
        x = self.blocks(npx.embedding(tokens, words) + places)
        return npx.fully_connected(x, words, no_bias=True, flatten=False)


def gpt2(size: sizes.GPT2, ctx: Any) -> Any:
    net = GPT2(size)
    net.initialize(ctx=ctx)
    return net


class LanguageModel(HybridBlock):
    """Words (steps, batch) and states to scores of the next word and the last states."""

    def __init__(self, size: sizes.LSTM) -> None:
        super().__init__()
        weights = {name: hn.init.Constant(value) for name, value in sizes.lstm_weights(size).items()}
        self.embedding = nn.Embedding(size.words, size.units, weight_initializer=weights["embedding"])
        self.lstm = rnn.LSTM(size.units, size.layers, input_size=size.units)
        for layer in range(size.layers):
            for part in ("i2h", "h2h"):
                getattr(self.lstm, f"l{layer}_{part}_weight").init = weights[f"l{layer}.{part}"]
        self.scores = nn.Dense(size.words, flatten=False, in_units=size.units, weight_initializer=weights["scores"])

    def forward(self, words: Any, states: Any) -> tuple[Any, Any]:
        outputs, states = self.lstm(self.embedding(words), states)
        return self.scores(outputs), states


def language_model(size: sizes.LSTM, ctx: Any) -> Any:
    net = LanguageModel(size)
    net.initialize(ctx=ctx)
    return net
