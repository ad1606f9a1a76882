"""The parts of complex numbers: real and imaginary part, the conjugate, the angle.

None of the operators is holomorphic: their gradients are written for complex numbers, those of the parts being real.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, Kind, NDArray, Op, Sample, Spec, apply, call, infer_pointwise, on_cuda, register
from hybridnet.ops.common import NONE, normal, tensor

FUNCTIONS: dict[str, Callable[..., Any]] = {}


def _complex(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return normal(*shape, seed=seed) + 1j * normal(*shape, seed=seed + 1)


def _samples() -> list[Sample]:
    return [Sample((_complex(2, 3),)), Sample((_complex(4, seed=2),)), Sample((normal(3),))]


def _part(name: str, rule: Any, cuda: str) -> Op:
    def compute(xp: Any, x: Any, *, out: Any = None) -> Any:
        part = getattr(xp, name)(x)  # a view, which a pointwise operator must not give
        if out is None:
            return part.copy()
        out[...] = part
        return out

    op = Op(
        name,
        Kind.POINTWISE,
        infer_pointwise(name, "real"),
        compute=compute,
        out=True,
        complex="direct",
        grad=(rule,),
        sample=_samples,
    )
    return on_cuda(register(op), functor=cuda)


#: Their gradients become complex where the operand is, as those of all operators do (``tape.fit``).
REAL = _part("real", lambda g, y, x: g, "hn_real({0})")
IMAG = _part("imag", lambda g, y, x: g * 1j if dtypes.is_complex(x.dtype) else None, "hn_imag({0})")
CONJUGATE = register(
    Op(
        "conjugate",
        Kind.POINTWISE,
        infer_pointwise("conjugate"),
        ufunc="conjugate",
        complex="direct",
        promote="number",
        grad=(lambda g, y, x: call("conjugate", g) if dtypes.is_complex(x.dtype) else g,),
        sample=_samples,
    )
)
on_cuda(CONJUGATE, functor="hn_conjugate({0})")


def _infer_complex(a: Any, b: Any) -> Spec:
    spec = infer_pointwise("complex")(a, b)
    return Spec(spec.shape, dtypes.complex_of(spec.dtype))


def _complex_of(xp: Any, a: Any, b: Any, *, out: Any = None) -> Any:
    if out is None:
        found = [x for x in (a, b) if hasattr(x, "dtype")]
        out = xp.empty(np.broadcast_shapes(*(x.shape for x in found)), dtypes.complex_of(found[0].dtype))
    out.real[...], out.imag[...] = a, b  # apart: an infinite part times i would be NaN in the other
    return out


COMPLEX = register(
    Op(
        "complex",
        Kind.POINTWISE,
        _infer_complex,
        compute=_complex_of,
        grad=(lambda g, y, a, b: real(g), lambda g, y, a, b: imag(g)),
        promote="float",
        sample=lambda: [
            Sample((normal(2, 3), normal(3, seed=1))),
            Sample((normal(4), 1.5)),
            Sample((np.array([np.inf, 0.0]), np.array([1.0, np.nan])), differentiable=False),
        ],
    )
)
on_cuda(COMPLEX, functor="hn_joined({0}, {1})")


def of_parts(function: Callable[[Any], Any], x: Any) -> Any:
    """What a function of real arrays makes of both parts, as one complex array."""
    return apply(COMPLEX, (function(real(x)), function(imag(x))), NONE)


def real(val: ArrayLike) -> Any:
    """The real part of each number, a new array; a real array as it is."""
    val = tensor(val)
    return apply(REAL, (val,), NONE) if dtypes.is_complex(val.dtype) else val


def imag(val: ArrayLike) -> Any:
    """The imaginary part of each number, a new array; zeros of real ones."""
    return apply(IMAG, (tensor(val),), NONE)


def conjugate(x: ArrayLike) -> Any:
    """Each number with its imaginary part negated, a new array; a real array is copied."""
    return apply(CONJUGATE, (tensor(x),), NONE)


def conjugated(x: Any) -> Any:
    """The conjugate of a complex array; a real one as it is, of any shape."""
    return call("conjugate", x) if dtypes.is_complex(x.dtype) else x


def angle(z: ArrayLike, deg: bool = False) -> Any:
    """The angle of each number in the complex plane, in radians from -π to π, or in degrees."""
    z = tensor(z)
    found = call("arctan2", imag(z), real(z))
    return found * (180 / math.pi) if deg else found


def iscomplexobj(x: Any) -> bool:
    """Whether ``x`` is of a complex type, whatever its imaginary parts are."""
    return dtypes.is_complex(x.dtype) if isinstance(x, NDArray) else bool(np.iscomplexobj(x))


def isrealobj(x: Any) -> bool:
    """Whether ``x`` is of no complex type."""
    return not iscomplexobj(x)


def iscomplex(x: ArrayLike) -> Any:
    """Whether the imaginary part of each number is not 0."""
    return call("not_equal", imag(x), 0)


def isreal(x: ArrayLike) -> Any:
    """Whether the imaginary part of each number is 0."""
    return call("equal", imag(x), 0)
