"""A convolution by NumPy as a planned call, so that programs may compute it by Winograd's transform where the weight stays the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from hybridnet.device import onednn, threads, winograd
from hybridnet.device.host_calls import bound
from hybridnet.ops.nn.convolve import forward
from hybridnet.ops.nn.windows import Geometry


class Plain:
    """A convolution as NumPy computes it, in whose place the transform's is given where the weight is packed and that is faster."""

    session: ClassVar[Any] = threads.one_thread
    name = "NumPy"
    workspace = 0

    def __init__(self, asked: onednn.Convolution) -> None:
        self.description = asked
        (batch, channels, *size), (filters, _, *kernel), (_, _, *out) = asked.data, asked.weight, asked.result
        sizes = tuple(size), tuple(out), tuple(kernel), asked.stride, asked.pad, asked.dilate
        self._geometry = Geometry(batch, 1, channels, filters, *sizes, asked.last)

    def __call__(self, *arrays: Any, scratch: Any = None) -> None:
        """Compute the last of the arrays from the others, of any strides."""
        x, w, out = arrays
        result = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)
        forward(np, np.ascontiguousarray(x), np.ascontiguousarray(w), self._geometry, result)
        if result is not out:
            out[...] = result

    def bind(self, arrays: Sequence[Any], scratch: Any) -> Callable[..., None]:
        """The call on arrays that stay the same, but for those that are None, which each run is given."""
        return bound(self, arrays, scratch)

    def packing(self, i: int) -> tuple[Any, Any] | None:
        """How the weight is packed for the transform, and the call that takes it; None where NumPy is to compute this one directly."""
        asked = self.description
        name = f"{winograd.by_numpy.NAME}, NumPy {np.__version__}"
        way = (self.name, (None, self)), (name, lambda: winograd.by_numpy.planned(asked))
        return winograd.faster(asked, *way) if i == 1 else None


def offered(asked: onednn.Convolution) -> Plain | None:
    """The call of a convolution with the transform as an offer; None where that cannot compute it."""
    return Plain(asked) if winograd.is_open(asked) and winograd.by_numpy.takes(asked) else None
