"""Blocks side by side, pixel shuffling, a table of rows, batch norm over devices."""

from __future__ import annotations

import math
from typing import Any

from hybridnet import ndarray
from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.block import Block, HybridBlock
from hybridnet.gluon.nn.basic import Identity
from hybridnet.gluon.nn.containers import Concatenate, HybridConcatenate
from hybridnet.gluon.nn.normalization import BatchNorm

__all__ = [
    "Concurrent", "HybridConcurrent", "Identity", "PixelShuffle1D", "PixelShuffle2D", "PixelShuffle3D", "SparseEmbedding", "SyncBatchNorm",
]  # fmt: skip


class Concurrent(Concatenate):
    """Blocks side by side: each gets the input, and their results are joined along ``axis``."""


class HybridConcurrent(HybridConcatenate):
    """Blocks side by side, compiled as one after ``hybridize()``."""


class SparseEmbedding(Block):
    """Rows of a large table of shape (``input_dim``, ``output_dim``) by their numbers; table and gradient are of row_sparse storage.

    A block that no program contains: a hybridized network computes imperatively where it has one.
    """

    def __init__(self, input_dim: int, output_dim: int, dtype: Any = "float32", weight_initializer: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._kwargs = {"input_dim": input_dim, "output_dim": output_dim, "dtype": dtype, "sparse_grad": True}
        self.weight = self.params.get(
            "weight",
            shape=(input_dim, output_dim),
            init=weight_initializer,
            dtype=dtype,
            grad_stype="row_sparse",
            stype="row_sparse",
        )

    def forward(self, x: Any) -> Any:
        """The rows that ``x``, an array of numbers, names: of shape (*x.shape, output_dim)."""
        return ndarray.FUNCTIONS["Embedding"](x, self.weight.row_sparse_data(x), **self._kwargs)

    def __repr__(self) -> str:
        return "{}({input_dim} -> {output_dim}, {dtype})".format(type(self).__name__, **self._kwargs)


class SyncBatchNorm(BatchNorm):
    """Batch norm (axis 1) by the statistics of the batches of all ranks together (``hybridnet.distributed``).

    Batches on several devices of one process are not brought together: that is refused at the first call, whatever ``num_devices`` says.
    """

    def __init__(
        self,
        in_channels: int = 0,
        num_devices: int | None = None,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = True,
        use_global_stats: bool = False,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        running_mean_initializer: Any = "zeros",
        running_variance_initializer: Any = "ones",
        **kwargs: Any,
    ) -> None:
        initializers = beta_initializer, gamma_initializer, running_mean_initializer, running_variance_initializer
        super().__init__(1, momentum, epsilon, center, scale, use_global_stats, *initializers, in_channels, **kwargs)
        del self._kwargs["axis"]
        self._kwargs.update(ndev=num_devices or 1, key=self.prefix)

    def _alias(self) -> str:
        return "syncbatchnorm"

    def hybrid_forward(self, F: Any, x: Any, gamma: Any, beta: Any, running_mean: Any, running_var: Any) -> Any:
        if (self.gamma._data or ())[1:]:
            got, fix = str(self.gamma.list_ctx()), "the whole batch on one device, or BatchNorm"
            fail(ArgumentError, "SyncBatchNorm", expected="parameters on one device", got=got, fix=fix)
        return F.contrib.SyncBatchNorm(x, gamma, beta, running_mean, running_var, name="fwd", **self._kwargs)


class _PixelShuffle(HybridBlock):
    """What the three share: (batch, factors · channels, *size) to (batch, channels, *(factor · size)); ``nd`` is the number of axes."""

    nd: int

    def __init__(self, factor: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._factors = (factor,) * self.nd if isinstance(factor, int) else tuple(map(int, factor))
        if len(self._factors) != self.nd:
            fail(ArgumentError, type(self).__name__, expected=f"a number or {self.nd} of them", got=repr(factor))

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        # In a reshape 0 keeps an axis, -4 splits one into the two lengths that follow, -3 joins two.
        sizes = (0,) * self.nd
        x = F.reshape(x, shape=(0, -4, -1, math.prod(self._factors), *sizes))
        for i, factor in enumerate(self._factors[:-1]):
            x = F.reshape(x, shape=(*(0,) * (2 + i), -4, factor, -1, *sizes))
        pairs = ((2 + self.nd + i, 2 + i) for i in range(self.nd))  # each size, and its factor behind it
        x = F.transpose(x, axes=(0, 1, *(axis for pair in pairs for axis in pair)))
        return F.reshape(x, shape=(0, 0, *(-3,) * self.nd))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._factors if self.nd > 1 else self._factors[0]})"


class PixelShuffle1D(_PixelShuffle):
    """(batch, factor · channels, width) to (batch, channels, factor · width): neighbouring channels become neighbouring pixels."""

    nd = 1


class PixelShuffle2D(_PixelShuffle):
    """(batch, f1 · f2 · channels, height, width) to (batch, channels, f1 · height, f2 · width); ``factor`` is one number or (f1, f2)."""

    nd = 2


class PixelShuffle3D(_PixelShuffle):
    """(batch, f1 · f2 · f3 · channels, depth, height, width) to images of f1, f2, f3 times that size; ``factor``: a number or three."""

    nd = 3
