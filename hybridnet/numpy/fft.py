"""``np.fft``: discrete Fourier transforms under NumPy's names, with gradients.

float64 and complex128 are transformed as such; what else there is becomes float32 or complex64. ``norm`` says which way the result is
divided by the length: ``backward`` (the inverse, the default), ``forward``, or ``ortho`` (by its root, both).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridnet import core
from hybridnet.core import ArrayLike, DeviceLike, DTypeLike, apply, call
from hybridnet.errors import ArgumentError, AxisError, fail
from hybridnet.ops.array import creation
from hybridnet.ops.array.rearrange import roll
from hybridnet.ops.array.shape import concatenate
from hybridnet.ops.common import normalize_axes, normalize_axis, tensor
from hybridnet.ops.math.fourier import ADJOINT, FFT, IRFFT, RFFT, as_complex, as_real, norm_of, resized
from hybridnet.ops.vocabulary import NUMPY


def _lengths(op: str, x: Any, s: Sequence[int] | None, axes: Sequence[int] | None) -> tuple[list[int], list[int]]:
    """The axes to transform, and their lengths: without ``axes`` the last ones, as many as ``s`` has, or all; -1 is the axis's own."""
    if axes is None:
        over = list(range(x.ndim if s is None else x.ndim - len(s), x.ndim)) if s is not None else list(range(x.ndim))
    else:
        over = [normalize_axis(op, a, x.ndim) for a in axes]
    if len(set(over)) != len(over) or any(a < 0 for a in over) or not over:
        fail(AxisError, op, expected=f"one axis or more, all different, of {x.ndim}", got=f"axes={axes}, s={s}")
    if s is not None and len(s) != len(over):
        fail(ArgumentError, op, expected=f"a length for each of {len(over)} axes", got=f"s={s}")
    lengths = [x.shape[a] for a in over] if s is None else [x.shape[a] if n == -1 else int(n) for n, a in zip(s, over, strict=True)]
    if any(n < 1 for n in lengths):
        fail(ArgumentError, op, expected="lengths of 1 or more", got=str(lengths))
    return over, lengths


def _complex(op: str, a: ArrayLike, s: Sequence[int] | None, axes: Sequence[int] | None, norm: str | None, inverse: bool) -> Any:
    x = as_complex(a)
    over, lengths = _lengths(op, x, s, axes)
    for axis, n in zip(over, lengths, strict=True):
        x = resized(x, axis, n)
    return apply(FFT, (x,), {"axes": tuple(sorted(over)), "inverse": inverse, "norm": norm_of(op, norm)})


def _real(op: str, a: ArrayLike, s: Sequence[int] | None, axes: Sequence[int] | None, norm: str | None) -> Any:
    """Of real numbers along the last of the axes, of what that gives over the others."""
    x, norm = as_real(op, a), norm_of(op, norm)
    over, lengths = _lengths(op, x, s, axes)
    for axis, n in zip(over, lengths, strict=True):
        x = resized(x, axis, n)
    y = apply(RFFT, (x,), {"axis": over[-1], "norm": norm})
    return apply(FFT, (y,), {"axes": tuple(sorted(over[:-1])), "inverse": False, "norm": norm}) if over[1:] else y


def _to_real(op: str, a: ArrayLike, s: Sequence[int] | None, axes: Sequence[int] | None, norm: str | None) -> Any:
    """Back over all axes but the last, then along that one, of which half is given: 2 (m - 1) numbers of m, where ``s`` is silent."""
    x, norm = as_complex(a), norm_of(op, norm)
    over, lengths = _lengths(op, x, s, axes)
    if s is None or s[-1] == -1:
        lengths[-1] = 2 * (x.shape[over[-1]] - 1)
        if lengths[-1] < 1:
            fail(ArgumentError, op, expected="two numbers or more along the last axis, or its length", got=str(x.shape))
    for axis, n in zip(over[:-1], lengths[:-1], strict=True):
        x = resized(x, axis, n)
    if over[1:]:
        x = apply(FFT, (x,), {"axes": tuple(sorted(over[:-1])), "inverse": True, "norm": norm})
    x = resized(x, over[-1], lengths[-1] // 2 + 1)
    return apply(IRFFT, (x,), {"n": lengths[-1], "axis": over[-1], "norm": norm})


def _one(n: int | None) -> tuple[int, ...] | None:
    return None if n is None else (n,)


def fft(a: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The transform along an axis, cut off or filled up with zeros to length ``n``; complex, of the same shape but for that."""
    return _complex("fft", a, _one(n), (axis,), norm, False)


def ifft(a: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The inverse of :func:`fft`, along an axis of length ``n``."""
    return _complex("ifft", a, _one(n), (axis,), norm, True)


def rfft(a: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The first n // 2 + 1 numbers of the transform of a real array along an axis, of which the others are the conjugates."""
    return _real("rfft", a, _one(n), (axis,), norm)


def irfft(a: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The inverse of :func:`rfft`, real, of length ``n`` along an axis: without it 2 (m - 1) for m numbers."""
    return _to_real("irfft", a, _one(n), (axis,), norm)


def hfft(a: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The transform along an axis of what is its own conjugate read backwards, given by its first half; real, of length ``n``."""
    return _to_real("hfft", call("conjugate", as_complex(a)), _one(n), (axis,), ADJOINT[norm_of("hfft", norm)])


def ihfft(a: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The inverse of :func:`hfft`: the first n // 2 + 1 numbers along an axis of length ``n``."""
    return call("conjugate", _real("ihfft", a, _one(n), (axis,), ADJOINT[norm_of("ihfft", norm)]))


def fftn(a: ArrayLike, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = None) -> Any:
    """The transform over several axes, all of them without ``axes``, of lengths ``s``."""
    return _complex("fftn", a, s, axes, norm, False)


def ifftn(a: ArrayLike, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = None) -> Any:
    """The inverse of :func:`fftn`, over axes of lengths ``s``."""
    return _complex("ifftn", a, s, axes, norm, True)


def rfftn(a: ArrayLike, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = None) -> Any:
    """The transform of a real array over several axes of lengths ``s``; of the last the first n // 2 + 1 numbers."""
    return _real("rfftn", a, s, axes, norm)


def irfftn(a: ArrayLike, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = None) -> Any:
    """The inverse of :func:`rfftn`, real, over axes of lengths ``s``: without it 2 (m - 1) for m numbers along the last."""
    return _to_real("irfftn", a, s, axes, norm)


def fft2(a: ArrayLike, s: Sequence[int] | None = None, axes: Sequence[int] = (-2, -1), norm: str | None = None) -> Any:
    """The transform over two axes, of lengths ``s``."""
    return _complex("fft2", a, s, axes, norm, False)


def ifft2(a: ArrayLike, s: Sequence[int] | None = None, axes: Sequence[int] = (-2, -1), norm: str | None = None) -> Any:
    """The inverse of :func:`fft2`, over axes of lengths ``s``."""
    return _complex("ifft2", a, s, axes, norm, True)


def rfft2(a: ArrayLike, s: Sequence[int] | None = None, axes: Sequence[int] = (-2, -1), norm: str | None = None) -> Any:
    """The transform of a real array over two axes of lengths ``s``; of the last the first n // 2 + 1 numbers."""
    return _real("rfft2", a, s, axes, norm)


def irfft2(a: ArrayLike, s: Sequence[int] | None = None, axes: Sequence[int] = (-2, -1), norm: str | None = None) -> Any:
    """The inverse of :func:`rfft2`, real, over axes of lengths ``s``."""
    return _to_real("irfft2", a, s, axes, norm)


def _spacing(op: str, n: int, d: float) -> float:
    if n < 1:
        fail(ArgumentError, op, expected="a length of 1 or more", got=str(n))
    return 1.0 / (n * d)


def fftfreq(n: int, d: float = 1.0, dtype: DTypeLike = None, device: DeviceLike = None) -> Any:
    """The frequencies of the ``n`` numbers of a transform, in cycles a unit of the spacing ``d``: (n,), 0 first, negative ones last."""
    by, half = _spacing("fftfreq", n, d), (n + 1) // 2
    parts = [creation.arange(0, half, dtype=dtype, device=device), creation.arange(half - n, 0, dtype=dtype, device=device)]
    return concatenate([part for part in parts if part.size]) * by


def rfftfreq(n: int, d: float = 1.0, dtype: DTypeLike = None, device: DeviceLike = None) -> Any:
    """The frequencies of the n // 2 + 1 numbers of a real transform of length ``n``, from 0 up: shape (n // 2 + 1,)."""
    by = _spacing("rfftfreq", n, d)
    return creation.arange(0, n // 2 + 1, dtype=dtype, device=device) * by


def _shifted(op: str, x: ArrayLike, axes: Any, forward: bool) -> Any:
    x = tensor(x)
    over = normalize_axes(op, axes, x.ndim)
    if not over:
        return x
    return roll(x, [x.shape[a] // 2 if forward else -(x.shape[a] // 2) for a in over], over)


def fftshift(x: ArrayLike, axes: int | Sequence[int] | None = None) -> Any:
    """The frequency 0 moved to the middle of the axes, all of them without ``axes``."""
    return _shifted("fftshift", x, axes, True)


def ifftshift(x: ArrayLike, axes: int | Sequence[int] | None = None) -> Any:
    """The inverse of :func:`fftshift`, over the axes that are given, or all."""
    return _shifted("ifftshift", x, axes, False)


_OF_ARRAYS: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (fft, ifft, rfft, irfft, hfft, ihfft, fftn, ifftn, rfftn, irfftn, fft2, ifft2, rfft2, irfft2, fftshift, ifftshift)
}
__all__ = [*_OF_ARRAYS, "fftfreq", "rfftfreq"]

globals().update({name: NUMPY.wrap(function) for name, function in _OF_ARRAYS.items()})
core.NUMPY_FUNCTIONS.update({getattr(np.fft, name): globals()[name] for name in _OF_ARRAYS})

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
