"""How operators run on devices other than the CPU: on a GPU, and to results in page-locked memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hybridnet.core.array import wrap
from hybridnet.core.cuda_rules import cuda_rule
from hybridnet.core.numpy_functions import NUMPY_FUNCTION_OF
from hybridnet.core.op import Kind, Op
from hybridnet.device import Device
from hybridnet.device.transfer import before_write, page_locked

#: Runs an operator's hand-written kernels or library call on a GPU: ``(op, data, attrs, device) -> data, a tuple of
#: data, or None`` where it has neither for these arrays. The runtime, which is above, binds it.
Accelerator = Callable[[Op, Sequence[Any], dict[str, Any], Device], Any]
_accelerator: Accelerator | None = None


def bind_accelerator(run: Accelerator) -> None:
    """Tell ``apply`` how operators run on a GPU where they do not run through CuPy."""
    global _accelerator
    _accelerator = run


def whole(op: Op, operands: Sequence[Any], attrs: dict[str, Any], device: Device, cls: Any) -> Any:
    """A composite that a GPU computes in one step; None where it is to be written out."""
    if device.device_type != "gpu" or _accelerator is None:
        return None
    data = _accelerator(op, operands, attrs, device)
    if data is None:
        return None
    return tuple(wrap(cls, d, device) for d in data) if type(data) is tuple else wrap(cls, data, device)


def function_on(op: Op, device: Device) -> Any:
    """How an operator runs on a device other than the CPU: on a GPU, or to results in page-locked memory."""
    if device.is_gpu:
        return _on_gpu(op, device)

    function = NUMPY_FUNCTION_OF[op]

    def pinned(*data: Any, out: Any = None, **attrs: Any) -> Any:
        if out is not None:
            before_write(device)
            return function(*data, out=out, **attrs)
        result = function(*data, **attrs)
        if op.is_view and np.may_share_memory(result, data[0]):
            return result
        return tuple(map(page_locked, result)) if type(result) is tuple else page_locked(result)

    return pinned


def _on_gpu(op: Op, device: Device) -> Any:
    """How an operator runs on a GPU: by kernels of its own or a library where it has them, else through CuPy."""
    xp = device.xp
    compute = op.compute
    assert compute is not None
    rule = cuda_rule(op)
    if _accelerator is None or (rule.kernels is None and rule.library is None and (op.kind is not Kind.RANDOM or rule.functor is None)):
        return lambda *data, **attrs: compute(xp, *data, **attrs)
    run = _accelerator

    def accelerated(*data: Any, out: Any = None, **attrs: Any) -> Any:
        result = run(op, data, attrs, device) if out is None else None
        if result is not None:
            return result
        return compute(xp, *data, **attrs) if out is None else compute(xp, *data, out=out, **attrs)

    return accelerated
