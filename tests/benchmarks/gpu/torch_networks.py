"""The networks in PyTorch, as a good user writes them: channels last, fused attention, cuDNN's LSTM."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from gpu import sizes
from gpu.sizes import GPT2_LAYERS


def _filled(module: Any, weight: np.ndarray) -> Any:
    """A layer with this weight, and a bias of zero if it has one."""
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight)))
        if getattr(module, "bias", None) is not None:
            module.bias.zero_()
    return module


def mlp(weights: list[tuple[np.ndarray, np.ndarray]]) -> nn.Module:
    """Linear layers with relu between them."""
    layers: list[nn.Module] = []
    for weight, _ in weights:
        layers += [_filled(nn.Linear(weight.shape[1], weight.shape[0]), weight), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _normalised(c: sizes.Convolution) -> nn.Module:
    convolution = nn.Conv2d(c.inputs, c.outputs, c.kernel, c.stride, c.kernel // 2, bias=False)
    return nn.Sequential(_filled(convolution, c.weight()), nn.BatchNorm2d(c.outputs))


class Bottleneck(nn.Module):
    """Three convolutions beside a shortcut."""

    def __init__(self, block: sizes.Bottleneck) -> None:
        super().__init__()
        a, b, c = map(_normalised, block.body)
        self.body = nn.Sequential(a, nn.ReLU(inplace=True), b, nn.ReLU(inplace=True), c)
        self.shortcut = nn.Identity() if block.shortcut is None else _normalised(block.shortcut)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.body(x) + self.shortcut(x), inplace=True)


def resnet(size: sizes.ResNet) -> nn.Module:
    """A residual network of bottlenecks (v1)."""
    blocks = map(Bottleneck, sizes.bottlenecks(size))
    start = (_normalised(sizes.stem(size)), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
    head = _filled(nn.Linear(sizes.features(size), size.classes), sizes.resnet_head(size))
    return nn.Sequential(*start, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head).to(memory_format=torch.channels_last)


class Block(nn.Module):
    """A transformer's block."""

    def __init__(self, size: sizes.GPT2, weights: dict[str, np.ndarray], name: str) -> None:
        super().__init__()
        self.heads = size.heads
        self.before_attention, self.before_network = nn.LayerNorm(size.units), nn.LayerNorm(size.units)
        self.qkv, self.mix, self.widen, self.narrow = (
            _filled(nn.Linear(inputs * size.units, outputs * size.units), weights[f"{name}.{layer}"])
            for layer, (outputs, inputs) in GPT2_LAYERS.items()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, units = x.shape
        q, k, v = self.qkv(self.before_attention(x)).view(batch, length, 3, self.heads, units // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.mix(mixed.transpose(1, 2).reshape(batch, length, units))
        return x + self.narrow(F.gelu(self.widen(self.before_network(x)), approximate="tanh"))


class GPT2(nn.Module):
    """Tokens to scores of the next one, the weight of which is the embedding's."""

    def __init__(self, size: sizes.GPT2) -> None:
        super().__init__()
        weights = sizes.gpt2_weights(size)
        self.words = _filled(nn.Embedding(size.words, size.units), weights["words"])
        self.places = nn.Parameter(torch.from_numpy(weights["places"]))
        self.blocks = nn.Sequential(*(Block(size, weights, f"block{i}") for i in range(size.layers)), nn.LayerNorm(size.units))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return F.linear(self.blocks(self.words(tokens) + self.places), self.words.weight)


class LanguageModel(nn.Module):
    """Words (steps, batch) and states to scores of the next word and the last states."""

    def __init__(self, size: sizes.LSTM) -> None:
        super().__init__()
        weights = sizes.lstm_weights(size)
        self.embedding = _filled(nn.Embedding(size.words, size.units), weights["embedding"])
        self.lstm = nn.LSTM(size.units, size.units, size.layers)
        with torch.no_grad():
            for layer in range(size.layers):
                for ours, theirs in (("i2h", "ih"), ("h2h", "hh")):
                    getattr(self.lstm, f"weight_{theirs}_l{layer}").copy_(torch.from_numpy(weights[f"l{layer}.{ours}"]))
                    getattr(self.lstm, f"bias_{theirs}_l{layer}").zero_()
        self.scores = _filled(nn.Linear(size.units, size.words), weights["scores"])

    def forward(self, words: torch.Tensor, states: Any) -> tuple[torch.Tensor, Any]:
        outputs, states = self.lstm(self.embedding(words), states)
        return self.scores(outputs), states
