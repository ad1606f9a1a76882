"""The errors for an operator that cannot compute: one that failed at it, eager or as a line of a program, or was given two devices."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from hybridnet.core.array import Array, spec_of
from hybridnet.core.op import Op
from hybridnet.device.failures import raise_if_missing, raise_if_out_of_memory
from hybridnet.errors import DeviceError, DtypeError, HybridnetError, Site, fail, message


def failure(op: str, operands: Sequence[Any], attrs: Mapping[str, Any], error: Exception, site: Site | None = None) -> HybridnetError:
    """What to raise from ``error``: the operator, its operands (specs and numbers), and what NumPy said."""
    got = ", ".join(map(str, operands)) + "".join(f", {k}={v!r}" for k, v in attrs.items())
    return HybridnetError(
        message(op, expected="operands that it can compute with", got=f"{got} ({type(error).__name__}: {error})", site=site)
    )


def explain(op: Op, arrays: Sequence[Any], attrs: dict[str, Any], error: Exception, device: Any) -> NoReturn:
    """Say in the user's terms why an operator failed: ``infer`` finds the reason if it can."""
    if isinstance(error, HybridnetError) or _of_a_signal(error):
        raise error
    if device.is_gpu:
        raise_if_missing(op.name, error)
        raise_if_out_of_memory(op.name, error, device.device_id)
    if isinstance(error, MemoryError):
        raise error
    specs = [spec_of(x) for x in arrays]
    op.infer(*specs, **attrs)
    raise failure(op.name, specs, attrs, error) from error


def _of_a_signal(error: Exception) -> bool:
    """Whether a signal's handler raised it (a time-out, say), which has nothing to do with the operator that it met."""
    codes = {getattr(signal.getsignal(s), "__code__", None) for s in signal.valid_signals()}
    frames = error.__traceback__
    while frames is not None:
        if frames.tb_frame.f_code in codes:
            return True
        frames = frames.tb_next
    return False


def fail_two_devices(op: Op, arrays: Sequence[Any]) -> NoReturn:
    """Raise the DeviceError for operands on several devices, each with its shape and dtype."""
    got = " and ".join(f"{spec_of(a)} on {a._device}" for a in arrays if isinstance(a, Array))
    fail(DeviceError, op.name, expected="arrays on one device", got=got, fix="x.as_in_context(device)")


def fail_complex(op: Op, arrays: Sequence[Any]) -> NoReturn:
    """Raise the DtypeError of an operator whose record does not say that it takes complex numbers."""
    got = " and ".join(str(spec_of(a)) if isinstance(a, Array) else repr(a) for a in arrays)
    fail(DtypeError, op.name, expected="real numbers", got=got, fix="np.abs(x), or np.real(x) and np.imag(x) by themselves")
