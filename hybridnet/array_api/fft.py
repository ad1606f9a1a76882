"""The standard's extension of Fourier transforms: ``np.fft``, with its keywords."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hybridnet import dtypes
from hybridnet.device import Device
from hybridnet.errors import DtypeError, fail
from hybridnet.numpy import fft as _fft

__all__ = [
    "fft", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifftn", "ifftshift", "ihfft", "irfft", "irfftn", "rfft", "rfftfreq", "rfftn",
]  # fmt: skip


def _inexact(op: str, x: Any) -> Any:
    if not dtypes.is_inexact(x.dtype):
        fail(DtypeError, op, expected="floating or complex numbers", got=str(x.dtype))
    return x


def fft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
    """The transform along an axis."""
    return _fft.fft(_inexact("fft", x), n, axis, norm)


def ifft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
    """The inverse of :func:`fft` along an axis."""
    return _fft.ifft(_inexact("ifft", x), n, axis, norm)


def fftn(x: Any, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str = "backward") -> Any:
    """The transform over several axes."""
    return _fft.fftn(_inexact("fftn", x), s, axes, norm)


def ifftn(x: Any, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str = "backward") -> Any:
    """The inverse of :func:`fftn` over several axes."""
    return _fft.ifftn(_inexact("ifftn", x), s, axes, norm)


def rfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
    """The transform of a real array along an axis."""
    return _fft.rfft(_inexact("rfft", x), n, axis, norm)


def irfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
    """The inverse of :func:`rfft` along an axis."""
    return _fft.irfft(_inexact("irfft", x), n, axis, norm)


def rfftn(x: Any, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str = "backward") -> Any:
    """The transform of a real array over several axes."""
    return _fft.rfftn(_inexact("rfftn", x), s, axes, norm)


def irfftn(x: Any, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str = "backward") -> Any:
    """The inverse of :func:`rfftn` over several axes."""
    return _fft.irfftn(_inexact("irfftn", x), s, axes, norm)


def hfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
    """The transform along an axis of what is its own conjugate read backwards."""
    return _fft.hfft(_inexact("hfft", x), n, axis, norm)


def ihfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
    """The inverse of :func:`hfft` along an axis."""
    return _fft.ihfft(_inexact("ihfft", x), n, axis, norm)


def fftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Any:
    """The frequencies of a transform of ``n`` numbers that are ``d`` apart."""
    return _fft.fftfreq(n, d, dtype, None if device is None else Device(device))


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Any:
    """The frequencies of a real transform of ``n`` numbers that are ``d`` apart."""
    return _fft.rfftfreq(n, d, dtype, None if device is None else Device(device))


def fftshift(x: Any, /, *, axes: int | Sequence[int] | None = None) -> Any:
    """The frequency 0 moved to the middle of axes."""
    return _fft.fftshift(x, axes)


def ifftshift(x: Any, /, *, axes: int | Sequence[int] | None = None) -> Any:
    """The inverse of :func:`fftshift`."""
    return _fft.ifftshift(x, axes)
