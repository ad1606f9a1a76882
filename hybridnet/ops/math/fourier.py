"""Discrete Fourier transforms by NumPy and CuPy: of complex numbers over several axes, of real ones along one, and back.

All are linear. The gradient of a linear map is its adjoint: a transform the other way, whose ``norm`` says where the division by the
length is, so that ``backward`` and ``forward`` change places. Lengths are made right before a transform (:func:`resized`).
"""

from __future__ import annotations

import math
from typing import Any

from hybridnet import dtypes
from hybridnet.core import ArrayLike, Kind, NDArray, Op, Sample, Spec, apply, call, register
from hybridnet.errors import ArgumentError, DtypeError, ShapeError, fail
from hybridnet.ops.array.shape import concatenate, reshape, slice_axis, stack
from hybridnet.ops.common import normal, tensor
from hybridnet.ops.math.complex_parts import COMPLEX

#: What ``norm`` of a transform becomes in its adjoint.
ADJOINT = {"backward": "forward", "forward": "backward", "ortho": "ortho"}

_WHOLE = ("slice", None, None, None)


def _check_lengths(op: str, x: Spec, axes: tuple[int, ...]) -> None:
    if any(x.shape[a] < 1 for a in axes):
        fail(ShapeError, op, expected="a length of 1 or more along the axes to transform", got=str(x.shape))


def _infer_fft(x: Spec, *, axes: tuple[int, ...], inverse: bool, norm: str) -> Spec:
    _check_lengths("fft", x, axes)
    if not dtypes.is_complex(x.dtype):
        fail(DtypeError, "fft", expected="complex numbers", got=str(x.dtype), fix="rfft")
    return x


def _fft(xp: Any, x: Any, *, axes: tuple[int, ...], inverse: bool, norm: str) -> Any:
    _infer_fft(Spec(x.shape, x.dtype), axes=axes, inverse=inverse, norm=norm)
    return (xp.fft.ifftn if inverse else xp.fft.fftn)(x, axes=axes, norm=norm).astype(x.dtype, copy=False)


def _z(*shape: int) -> Any:
    return normal(*shape) + 1j * normal(*shape, seed=1)


FFT = register(
    Op(
        "fft",
        Kind.OPAQUE,
        _infer_fft,
        compute=_fft,
        complex="direct",
        grad=(lambda g, y, x, *, axes, inverse, norm: call("fft", g, axes=axes, inverse=not inverse, norm=ADJOINT[norm]),),
        precision="float32",
        sample=lambda: [
            Sample((_z(2, 5),), {"axes": (1,), "inverse": False, "norm": "backward"}),
            Sample((_z(4, 3),), {"axes": (0, 1), "inverse": True, "norm": "backward"}),
            Sample((_z(2, 3, 4),), {"axes": (0, 2), "inverse": False, "norm": "ortho"}),
            Sample((_z(6),), {"axes": (0,), "inverse": True, "norm": "forward"}),
            Sample((_z(2, 0),), {"axes": (1,), "inverse": False, "norm": "backward"}, error=ValueError),
        ],
    )
)


def _infer_rfft(x: Spec, *, axis: int, norm: str) -> Spec:
    _check_lengths("rfft", x, (axis,))
    if x.dtype not in (dtypes.float32, dtypes.float64):
        fail(DtypeError, "rfft", expected="float32 or float64", got=str(x.dtype))
    return Spec((*x.shape[:axis], x.shape[axis] // 2 + 1, *x.shape[axis + 1 :]), dtypes.complex_of(x.dtype))


def _rfft(xp: Any, x: Any, *, axis: int, norm: str) -> Any:
    made = _infer_rfft(Spec(x.shape, x.dtype), axis=axis, norm=norm)
    return xp.fft.rfft(x, axis=axis, norm=norm).astype(made.dtype, copy=False)


def _rfft_rule(g: Any, y: Any, x: Any, *, axis: int, norm: str) -> Any:
    """The half that is left out has no gradient; what is real of the whole transform back."""
    whole = resized(g, axis, x.shape[axis])
    return call("real", call("fft", whole, axes=(axis,), inverse=True, norm=ADJOINT[norm]))


RFFT = register(
    Op(
        "rfft",
        Kind.OPAQUE,
        _infer_rfft,
        compute=_rfft,
        grad=(_rfft_rule,),
        precision="float32",
        sample=lambda: [
            Sample((normal(2, 5),), {"axis": 1, "norm": "backward"}),
            Sample((normal(4, 3),), {"axis": 0, "norm": "ortho"}),
            Sample((normal(1),), {"axis": 0, "norm": "forward"}),
            Sample((normal(0, 2),), {"axis": 0, "norm": "backward"}, error=ValueError),
        ],
    )
)


def _infer_irfft(x: Spec, *, n: int, axis: int, norm: str) -> Spec:
    _check_lengths("irfft", x, (axis,))
    if not dtypes.is_complex(x.dtype):
        fail(DtypeError, "irfft", expected="complex numbers", got=str(x.dtype))
    if n < 1 or x.shape[axis] != n // 2 + 1:
        fail(
            ShapeError, "irfft", expected=f"{n // 2 + 1} numbers along axis {axis} for a result of length {n}, 1 or more", got=str(x.shape)
        )
    return Spec((*x.shape[:axis], n, *x.shape[axis + 1 :]), dtypes.real_of(x.dtype))


def _irfft(xp: Any, x: Any, *, n: int, axis: int, norm: str) -> Any:
    made = _infer_irfft(Spec(x.shape, x.dtype), n=n, axis=axis, norm=norm)
    return xp.fft.irfft(x, n=n, axis=axis, norm=norm).astype(made.dtype, copy=False)


def _irfft_rule(g: Any, y: Any, x: Any, *, n: int, axis: int, norm: str) -> Any:
    """Each number but the first, and the last of an even length, also stands for its conjugate in the other half."""
    half = call("rfft", g, axis=axis, norm=ADJOINT[norm])
    last = x.shape[axis] - (n % 2 == 0)
    inner = slice_axis(half, axis, 1, last) * 2
    parts = [slice_axis(half, axis, 0, 1), inner, slice_axis(half, axis, last, None)]
    return concatenate([part for part in parts if part.shape[axis]], axis)


IRFFT = register(
    Op(
        "irfft",
        Kind.OPAQUE,
        _infer_irfft,
        compute=_irfft,
        complex="direct",
        grad=(_irfft_rule,),
        precision="float32",
        sample=lambda: [
            Sample((_z(2, 3),), {"n": 4, "axis": 1, "norm": "backward"}),
            Sample((_z(3, 2),), {"n": 5, "axis": 0, "norm": "ortho"}),
            Sample((_z(1),), {"n": 1, "axis": 0, "norm": "forward"}),
            Sample((_z(2),), {"n": 2, "axis": 0, "norm": "backward"}),
            Sample((_z(2, 3),), {"n": 7, "axis": 1, "norm": "backward"}, error=ValueError),
        ],
    )
)


def resized(x: Any, axis: int, n: int) -> Any:
    """``x`` of length ``n`` along ``axis``: cut off, or with zeros behind it."""
    length = x.shape[axis]
    if length == n:
        return x
    if length > n:
        return slice_axis(x, axis, 0, n)
    shape = (*x.shape[:axis], n, *x.shape[axis + 1 :])
    return call("slice_grad", x, shape=shape, key=((_WHOLE,) * axis) + (("slice", 0, length, None),))


def norm_of(op: str, norm: str | None) -> str:
    """The ``norm`` that is asked for, ``backward`` where none is. ArgumentError for another than NumPy's three."""
    if norm is not None and norm not in ADJOINT:
        fail(ArgumentError, op, expected="norm backward, ortho or forward", got=repr(norm))
    return norm or "backward"


def as_real(op: str, x: ArrayLike) -> NDArray:
    """``x`` in float32 or float64, integers in the default type. DtypeError for complex numbers."""
    x = tensor(x)
    if dtypes.is_complex(x.dtype):
        fail(DtypeError, op, expected="real numbers", got=str(x.dtype), fix="np.fft.fft")
    return x.astype(dtypes.float64 if dtypes.floating(x.dtype) == dtypes.float64 else dtypes.float32, copy=False)


def as_complex(x: ArrayLike) -> NDArray:
    """``x`` in complex64 or complex128; integers in the default type."""
    x = tensor(x)
    return x.astype(dtypes.complex_of(x.dtype), copy=False)


def _pairs(op: str, x: Any) -> None:
    if not x.ndim:
        fail(ShapeError, op, expected="an axis to transform", got="no dimensions")
    if x.dtype not in (dtypes.float32, dtypes.float64):
        fail(DtypeError, op, expected="float32 or float64", got=str(x.dtype))


def fft_in_pairs(data: ArrayLike) -> Any:
    """MXNet's ``contrib.fft``, the transform of real ``data`` (…, n): (…, 2n), real and imaginary parts by turns.

    ShapeError without an axis, DtypeError for other dtypes than float32 and float64.
    """
    x = tensor(data)
    _pairs("fft", x)
    shape = (*x.shape[:-1], 2 * x.shape[-1])
    if not math.prod(shape):
        return reshape(x, shape)
    y = apply(FFT, (as_complex(x),), {"axes": (x.ndim - 1,), "inverse": False, "norm": "backward"})
    return reshape(stack([call("real", y), call("imag", y)], -1), shape)


def ifft_in_pairs(data: ArrayLike) -> Any:
    """MXNet's ``contrib.ifft``, the real part of the inverse of :func:`fft_in_pairs`, times n: (…, 2n) to (…, n).

    Errors as there, and ShapeError for an odd length.
    """
    x = tensor(data)
    _pairs("ifft", x)
    if x.shape[-1] % 2:
        fail(ShapeError, "ifft", expected="pairs of numbers along the last axis", got=str(x.shape))
    shape = (*x.shape[:-1], x.shape[-1] // 2)
    if not math.prod(shape):
        return reshape(x, shape)
    pairs = reshape(x, (*shape, 2))
    real, imaginary = (reshape(slice_axis(pairs, x.ndim, i, i + 1), shape) for i in (0, 1))
    return call("real", apply(FFT, (apply(COMPLEX, (real, imaginary)),), {"axes": (x.ndim - 1,), "inverse": True, "norm": "forward"}))
