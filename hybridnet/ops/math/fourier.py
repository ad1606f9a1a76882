"""Fourier transforms along the last axis, complex numbers as pairs of real ones: what MXNet's ``contrib.fft`` and ``ifft`` are.

Neither is divided by the length, so that each is the other's gradient.
"""

from __future__ import annotations

from typing import Any

from hybridnet import dtypes
from hybridnet.core import ArrayLike, Kind, Op, Sample, Spec, apply, call, register
from hybridnet.errors import DtypeError, ShapeError, fail
from hybridnet.ops.common import normal, tensor


def _check(op: str, x: Any) -> None:
    if not x.ndim:
        fail(ShapeError, op, expected="an axis to transform", got="no dimensions")
    if x.dtype not in (dtypes.float32, dtypes.float64):
        fail(DtypeError, op, expected="float32 or float64", got=str(x.dtype))


def _infer_fft(x: Spec) -> Spec:
    _check("fft", x)
    return Spec((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)


def _infer_ifft(x: Spec) -> Spec:
    _check("ifft", x)
    if x.shape[-1] % 2:
        fail(ShapeError, "ifft", expected="pairs of numbers along the last axis", got=str(x.shape))
    return Spec((*x.shape[:-1], x.shape[-1] // 2), x.dtype)


def _fft(xp: Any, x: Any) -> Any:
    found = _infer_fft(Spec(x.shape, x.dtype))
    if not x.size:
        return xp.zeros(found.shape, x.dtype)
    y = xp.fft.fft(x, axis=-1)
    return xp.stack([y.real, y.imag], -1).reshape(found.shape).astype(x.dtype)


def _ifft(xp: Any, x: Any) -> Any:
    found = _infer_ifft(Spec(x.shape, x.dtype))
    if not x.size:
        return xp.zeros(found.shape, x.dtype)
    pairs = x.reshape(*found.shape, 2)
    return (xp.fft.ifft(pairs[..., 0] + 1j * pairs[..., 1], axis=-1).real * found.shape[-1]).astype(x.dtype)


FFT = register(
    Op(
        "fft",
        Kind.OPAQUE,
        _infer_fft,
        compute=_fft,
        grad=(lambda g, y, x: call("ifft", g),),
        sample=lambda: [Sample((normal(2, 5),)), Sample((normal(2, 3, 4),))],
    )
)
IFFT = register(
    Op(
        "ifft",
        Kind.OPAQUE,
        _infer_ifft,
        compute=_ifft,
        grad=(lambda g, y, x: call("fft", g),),
        sample=lambda: [Sample((normal(2, 6),)), Sample((normal(2, 5),), error=ValueError)],
    )
)


def fft(data: ArrayLike) -> Any:
    """The discrete Fourier transform of real ``data`` (…, n): (…, 2n), real and imaginary parts by turns.

    ShapeError without an axis, DtypeError for other dtypes than float32 and float64.
    """
    return apply(FFT, (tensor(data),))


def ifft(data: ArrayLike) -> Any:
    """The real part of the inverse of :func:`fft`, times n: (…, 2n) to (…, n). Errors as there, and ShapeError for an odd length."""
    return apply(IFFT, (tensor(data),))
