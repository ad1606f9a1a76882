"""DenseNet: "Densely connected convolutional networks" (arXiv:1608.06993), with bottlenecks and halved channels (BC)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hybridnet.device import cpu
from hybridnet.gluon import nn
from hybridnet.gluon.block import HybridBlock
from hybridnet.gluon.model_zoo.model_store import load_pretrained
from hybridnet.ops.nn.common import one_of

__all__ = ["DenseNet", "densenet121", "densenet161", "densenet169", "densenet201"]

#: number of layers -> channels of the first convolution, channels that a layer adds, layers of each stage
densenet_spec = {
    121: (64, 32, [6, 12, 24, 16]),
    161: (96, 48, [6, 12, 36, 24]),
    169: (64, 32, [6, 12, 32, 32]),
    201: (64, 32, [6, 12, 48, 32]),
}


def _layer(growth_rate: int, bn_size: int, dropout: float) -> nn.HybridConcatenate:
    """Its input, and ``growth_rate`` channels more."""
    new = nn.HybridSequential(prefix="")
    new.add(nn.BatchNorm(), nn.Activation("relu"), nn.Conv2D(bn_size * growth_rate, 1, use_bias=False))
    new.add(nn.BatchNorm(), nn.Activation("relu"), nn.Conv2D(growth_rate, 3, padding=1, use_bias=False))
    if dropout:
        new.add(nn.Dropout(dropout))
    both = nn.HybridConcatenate(axis=1, prefix="")
    both.add(nn.Identity(), new)
    return both


def _stage(number: int, layers: int, growth_rate: int, bn_size: int, dropout: float) -> nn.HybridSequential:
    stage = nn.HybridSequential(prefix=f"stage{number}_")
    with stage.name_scope():
        stage.add(*[_layer(growth_rate, bn_size, dropout) for _ in range(layers)])
    return stage


def _transition(channels: int) -> nn.HybridSequential:
    """To ``channels``, and half of height and width."""
    transition = nn.HybridSequential(prefix="")
    transition.add(nn.BatchNorm(), nn.Activation("relu"), nn.Conv2D(channels, 1, use_bias=False), nn.AvgPool2D(2, 2))
    return transition


class DenseNet(HybridBlock):
    """Images (batch, 3, 224, 224) to scores (batch, ``classes``).

    ``num_init_features``: channels of the first convolution; ``growth_rate``: channels that each layer adds to its input;
    ``block_config``: the number of layers of each stage; ``bn_size``: the bottleneck in a layer has that many times the growth
    rate; ``dropout``: after each layer.
    """

    def __init__(
        self,
        num_init_features: int,
        growth_rate: int,
        block_config: Sequence[int],
        bn_size: int = 4,
        dropout: float = 0,
        classes: int = 1000,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.features = nn.HybridSequential(prefix="")
            self.features.add(nn.Conv2D(num_init_features, 7, 2, 3, use_bias=False), nn.BatchNorm(), nn.Activation("relu"))
            self.features.add(nn.MaxPool2D(3, 2, 1))
            channels = num_init_features
            for i, layers in enumerate(block_config):
                self.features.add(_stage(i + 1, layers, growth_rate, bn_size, dropout))
                channels += layers * growth_rate
                if i != len(block_config) - 1:
                    channels //= 2
                    self.features.add(_transition(channels))
            self.features.add(nn.BatchNorm(), nn.Activation("relu"), nn.AvgPool2D(7), nn.Flatten())
            self.output = nn.Dense(classes)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return self.output(self.features(x))


def get_densenet(num_layers: int, pretrained: bool = False, ctx: Any = cpu(), root: str | None = None, **kwargs: Any) -> DenseNet:
    """DenseNet of 121, 161, 169 or 201 layers; other arguments as of :class:`DenseNet`."""
    spec = densenet_spec[one_of("get_densenet", "num_layers", num_layers, densenet_spec)]
    return load_pretrained(DenseNet(*spec, **kwargs), f"densenet{num_layers}", pretrained, ctx, root)


def densenet121(**kwargs: Any) -> DenseNet:
    """DenseNet of 121 layers."""
    return get_densenet(121, **kwargs)


def densenet161(**kwargs: Any) -> DenseNet:
    """DenseNet of 161 layers."""
    return get_densenet(161, **kwargs)


def densenet169(**kwargs: Any) -> DenseNet:
    """DenseNet of 169 layers."""
    return get_densenet(169, **kwargs)


def densenet201(**kwargs: Any) -> DenseNet:
    """DenseNet of 201 layers."""
    return get_densenet(201, **kwargs)
