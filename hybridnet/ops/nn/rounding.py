"""Numbers as they are after a way through few whole ones: what QuantizeLinear and DequantizeLinear do one after the other."""

from __future__ import annotations

from typing import Any

from hybridnet.core import ArrayLike, Kind, Op, Sample, apply, call, register
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.common import normal, tensor, uniform

#: What whole numbers a type has.
ENDS = {"int8": (-128.0, 127.0), "uint8": (0.0, 255.0)}


def _rounded(x: Any, scale: Any, *, axis: int, dtype: str) -> Any:
    low, high = ENDS[dtype]
    along = call("reshape", scale, shape=tuple(scale.shape[0] if i == axis else 1 for i in range(x.ndim)))
    return call("clip", call("rint", x / along), a_min=low, a_max=high) * along


QUANTIZE_DEQUANTIZE = register(
    Op(
        "quantize_dequantize",
        Kind.OPAQUE,
        lambda x, scale, *, axis, dtype: x,
        decomposition=_rounded,
        promote="float",
        sample=lambda: [
            Sample((normal(2, 3, 4), uniform(0.2, 0.5, 1)), {"axis": 0, "dtype": "int8"}),
            Sample((normal(2, 3, 4), uniform(0.2, 0.5, 3)), {"axis": 1, "dtype": "int8"}),
            Sample((normal(4, 3), uniform(0.2, 0.5, 1)), {"axis": 0, "dtype": "uint8"}),
        ],
    )
)


def quantize_dequantize(x: ArrayLike, scale: ArrayLike, axis: int = 0, dtype: str = "int8") -> Any:
    """The nearest of the numbers that ``dtype``, int8 or uint8, has in steps of ``scale``: one, (1,), or one for each along ``axis``.

    The shape stays; there is no gradient. ArgumentError for another type, ShapeError for another number of steps.
    """
    x, scale = tensor(x), tensor(scale)
    if dtype not in ENDS:
        fail(ArgumentError, "quantize_dequantize", expected=" or ".join(ENDS), got=repr(dtype))
    if scale.ndim != 1 or not -x.ndim <= axis < x.ndim or scale.shape[0] not in (1, x.shape[axis]):
        fail(ShapeError, "quantize_dequantize", expected=f"scale (1,), or one along axis {axis} of {x.shape}", got=str(scale.shape))
    return apply(QUANTIZE_DEQUANTIZE, (x, scale), {"axis": axis % x.ndim, "dtype": dtype})
