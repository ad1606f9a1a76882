"""Inception v3: "Rethinking the Inception architecture for computer vision" (arXiv:1512.00567)."""

from __future__ import annotations

from typing import Any

from hybridnet.device import cpu
from hybridnet.gluon import nn
from hybridnet.gluon.block import HybridBlock
from hybridnet.gluon.model_zoo.model_store import load_pretrained

__all__ = ["Inception3", "inception_v3"]

#: A convolution: channels, kernel, stride, padding.
Conv = tuple[int, Any, int, Any]


def _conv(channels: int, kernel: Any, stride: int = 1, padding: Any = 0) -> nn.HybridSequential:
    """A convolution with its norm and a relu."""
    conv = nn.HybridSequential(prefix="")
    conv.add(nn.Conv2D(channels, kernel, stride, padding, use_bias=False), nn.BatchNorm(epsilon=0.001), nn.Activation("relu"))
    return conv


def _branch(*convs: Conv, pool: str | None = None) -> nn.HybridSequential:
    """A pooling, "avg" or "max", if there is one, then convolutions."""
    branch = nn.HybridSequential(prefix="")
    if pool is not None:
        branch.add(nn.AvgPool2D(3, 1, 1) if pool == "avg" else nn.MaxPool2D(3, 2))
    branch.add(*[_conv(*conv) for conv in convs])
    return branch


def _wide(channels: int) -> Conv:
    return channels, (1, 7), 1, (0, 3)


def _high(channels: int) -> Conv:
    return channels, (7, 1), 1, (3, 0)


def _one(channels: int) -> Conv:
    return channels, 1, 1, 0


def _module_a(pooled: int, prefix: str) -> nn.HybridConcatenate:
    """Convolutions of 1, 5 and twice 3 side by side; ``pooled``: the channels of the branch with a pooling."""
    module = nn.HybridConcatenate(axis=1, prefix=prefix)
    with module.name_scope():
        module.add(
            _branch(_one(64)),
            _branch(_one(48), (64, 5, 1, 2)),
            _branch(_one(64), (96, 3, 1, 1), (96, 3, 1, 1)),
            _branch(_one(pooled), pool="avg"),
        )
    return module


def _module_b(prefix: str) -> nn.HybridConcatenate:
    """Half of height and width."""
    module = nn.HybridConcatenate(axis=1, prefix=prefix)
    with module.name_scope():
        module.add(_branch((384, 3, 2, 0)), _branch(_one(64), (96, 3, 1, 1), (96, 3, 2, 0)), _branch(pool="max"))
    return module


def _module_c(inner: int, prefix: str) -> nn.HybridConcatenate:
    """Convolutions of 7 by 7, each written as two, with ``inner`` channels between."""
    module = nn.HybridConcatenate(axis=1, prefix=prefix)
    with module.name_scope():
        module.add(
            _branch(_one(192)),
            _branch(_one(inner), _wide(inner), _high(192)),
            _branch(_one(inner), _high(inner), _wide(inner), _high(inner), _wide(192)),
            _branch(_one(192), pool="avg"),
        )
    return module


def _module_d(prefix: str) -> nn.HybridConcatenate:
    """Half of height and width."""
    module = nn.HybridConcatenate(axis=1, prefix=prefix)
    with module.name_scope():
        module.add(
            _branch(_one(192), (320, 3, 2, 0)),
            _branch(_one(192), _wide(192), _high(192), (192, 3, 2, 0)),
            _branch(pool="max"),
        )
    return module


def _forked(*convs: Conv) -> nn.HybridSequential:
    """Convolutions, and after them two side by side, of 1 by 3 and of 3 by 1."""
    forked = nn.HybridSequential(prefix="")
    forked.add(_branch(*convs))
    fork = nn.HybridConcatenate(axis=1, prefix="")
    fork.add(_branch((384, (1, 3), 1, (0, 1))), _branch((384, (3, 1), 1, (1, 0))))
    forked.add(fork)
    return forked


def _module_e(prefix: str) -> nn.HybridConcatenate:
    """Branches that fork at their ends."""
    module = nn.HybridConcatenate(axis=1, prefix=prefix)
    with module.name_scope():
        module.add(_branch(_one(320)), _forked(_one(384)), _forked(_one(448), (384, 3, 1, 1)), _branch(_one(192), pool="avg"))
    return module


class Inception3(HybridBlock):
    """Images (batch, 3, 299, 299) to scores (batch, ``classes``)."""

    def __init__(self, classes: int = 1000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.features = nn.HybridSequential(prefix="")
            self.features.add(_conv(32, 3, 2), _conv(32, 3), _conv(64, 3, 1, 1), nn.MaxPool2D(3, 2))
            self.features.add(_conv(80, 1), _conv(192, 3), nn.MaxPool2D(3, 2))
            self.features.add(*[_module_a(pooled, f"A{i + 1}_") for i, pooled in enumerate((32, 64, 64))], _module_b("B_"))
            self.features.add(*[_module_c(inner, f"C{i + 1}_") for i, inner in enumerate((128, 160, 160, 192))], _module_d("D_"))
            self.features.add(_module_e("E1_"), _module_e("E2_"), nn.AvgPool2D(8), nn.Dropout(0.5))
            self.output = nn.Dense(classes)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return self.output(self.features(x))


def inception_v3(pretrained: bool = False, ctx: Any = cpu(), root: str | None = None, **kwargs: Any) -> Inception3:
    """Inception v3; ``classes`` as of :class:`Inception3`."""
    return load_pretrained(Inception3(**kwargs), "inceptionv3", pretrained, ctx, root)
