"""``apply``: the one point that every operator call goes through.

With concrete arrays it computes. While recording it also writes a tape node. While tracing it
emits a graph node in place of computing. Nothing else in the package runs an operator.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from hybridnet import dtypes
from hybridnet.core import tape
from hybridnet.core.array import Array, Spec, spec_of, wrap
from hybridnet.core.cuda_rules import cuda_rule
from hybridnet.core.failure import failure
from hybridnet.core.handles import as_class, plain
from hybridnet.core.hooks import hooked
from hybridnet.core.numpy_functions import NUMPY_FUNCTION_OF
from hybridnet.core.op import OPS, Kind, Op, find
from hybridnet.core.state import computing_in, local, paused_recording
from hybridnet.device import Device
from hybridnet.device.failures import raise_if_missing, raise_if_out_of_memory
from hybridnet.device.transfer import before_write, page_locked
from hybridnet.errors import DeviceError, DtypeError, HybridnetError, fail

_NONE: dict[str, Any] = {}
_ndarray = np.ndarray

#: Runs an operator's hand-written kernels or library call on a GPU: ``(op, data, attrs, device) -> data, a tuple of
#: data, or None`` where it has neither for these arrays. The runtime, which is above, binds it.
Accelerator = Callable[[Op, Sequence[Any], dict[str, Any], Device], Any]
_accelerator: Accelerator | None = None


def bind_accelerator(run: Accelerator) -> None:
    """Tell ``apply`` how operators run on a GPU where they do not run through CuPy."""
    global _accelerator
    _accelerator = run


def apply(
    op: Op,
    arrays: Sequence[Any],
    attrs: dict[str, Any] = _NONE,
    device: Device | None = None,
    cls: type[Array] | None = None,
    out: Any = None,
) -> Any:
    """Call an operator.

    ``arrays`` are :class:`Array` s, or Python numbers where the operator takes them; ``attrs``
    are hashable values. ``device`` and ``cls`` are for operators without array inputs; otherwise
    results are on the device, and of the class, of the first array. Gives one array or a tuple.
    ``out`` is an array of the result's shape and dtype to compute into, for plain eager calls of
    operators with ``Op.out``: what Python's in-place operators are.
    """
    if attrs and isinstance(attrs.get("dtype"), type):
        attrs = {**attrs, "dtype": dtypes.as_dtype(attrs["dtype"])}
    if (policy := local.precision) is not None and out is None:
        arrays = policy.operands(op, arrays, _cast)
    operands = []
    dtype: Any = None
    alike = True  # arrays of one dtype, and no numbers: the common case needs no promotion
    for x in arrays:
        if isinstance(x, Array):
            data = x._data
            operands.append(data)
            if dtype is None:
                dtype = data.dtype
                device = x._device
                cls = type(x)
            else:
                if x._device is not device:
                    _two_devices(op, arrays)
                if data.dtype is not dtype:
                    alike = False
        elif isinstance(x, np.generic):
            # As NumPy's own number it would widen the arrays beside it.
            return apply(op, [a.item() if isinstance(a, np.generic) else a for a in arrays], attrs, device, cls, out)
        else:
            operands.append(x)
            alike = False
    if op.promote is not None and not (alike and dtype is not None and dtype.kind == "f"):
        promoted = _promote(op, arrays)
        if promoted is not arrays:
            arrays = promoted
            operands = [x._data if isinstance(x, Array) else x for x in arrays]
    if local.special or op.decomposition is not None:
        return _apply_special(op, arrays, operands, attrs, device, cls)
    try:
        run = NUMPY_FUNCTION_OF[op] if device.device_type == "cpu" else _elsewhere(op, device)  # type: ignore[union-attr, arg-type]
        if out is not None:
            out._before_write()
            run(*operands, out=out._data, **attrs)
            return out
        data = run(*operands, **attrs)
    except Exception as error:
        _explain(op, arrays, attrs, error, device)
    if type(data) is tuple:
        return tuple(wrap(cls, d if type(d) is _ndarray else _as_data(d), device) for d in data)  # type: ignore[arg-type]
    result = wrap(cls, data if type(data) is _ndarray else _as_data(data), device)  # type: ignore[type-var, arg-type]
    if op.is_view:
        _alias(arrays, result)
    return result


def call(name: str, *arrays: Any, **attrs: Any) -> Any:
    """Call an operator by name; how array methods reach operators that are defined above them."""
    return apply(OPS.get(name) or find(name), arrays, attrs)


def _apply_special(op: Op, arrays: Sequence[Any], operands: list[Any], attrs: dict[str, Any], device: Any, cls: Any) -> Any:
    """Tracing, recording, hooks, and composites, each of which is rarer or dearer than plain computing."""
    trace = local.trace
    if local.hooks and trace is None:
        return hooked(op, arrays, attrs, lambda: apply(op, arrays, attrs, device, cls))
    if trace is None:
        for x in arrays:
            if isinstance(x, Array) and not isinstance(x._data, (_ndarray, np.generic)) and hasattr(x._data, "node"):
                fail(
                    HybridnetError,
                    op.name,
                    expected="arrays",
                    got="a traced array outside its trace",
                    fix="returning it from the traced function instead of storing it",
                )
        with paused_recording():
            if op.decomposition is not None:
                op.infer(*map(spec_of, arrays), **attrs)  # its errors speak of this operator, not of a part
                result = _whole(op, operands, attrs, device, cls)
                if result is None:
                    with computing_in(None):
                        result = op.decomposition(*map(plain, arrays), **attrs)
                    result = tuple(as_class(y, cls) for y in result) if isinstance(result, tuple) else as_class(result, cls)
            else:
                result = apply(op, arrays, attrs, device, cls)
    else:
        operands = [trace.read(x) if isinstance(x, Array) else x for x in arrays]
        values = trace.emit(op, operands, attrs, device)
        if isinstance(values, tuple):
            result = tuple(wrap(cls, v, device) for v in values)
        else:
            result = wrap(cls, values, device)
            if op.is_view:
                trace.alias(arrays[0], result)
    if local.recording:
        tape.record(op, arrays, operands, attrs, result)
    return result


def _whole(op: Op, operands: Sequence[Any], attrs: dict[str, Any], device: Device, cls: Any) -> Any:
    """A composite that a GPU computes in one step; None where it is to be written out."""
    if device.device_type != "gpu" or _accelerator is None:
        return None
    data = _accelerator(op, operands, attrs, device)
    if data is None:
        return None
    return tuple(wrap(cls, d, device) for d in data) if type(data) is tuple else wrap(cls, data, device)


def _elsewhere(op: Op, device: Device) -> Any:
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


def _as_data(data: Any) -> Any:
    """NumPy gives scalars for zero-dimensional results; handles hold arrays only."""
    return np.asarray(data) if isinstance(data, np.generic) else data


def _promote(op: Op, arrays: Sequence[Any]) -> Sequence[Any]:
    """Bring the operands to one dtype, through the ``cast`` operator so that gradients follow."""
    start = op.promote_from
    common: Any = None
    settled = op.promote != "float"
    for x in arrays[start:] if start else arrays:
        if isinstance(x, Array):
            dtype = x._data.dtype
            if common is None:
                common = dtype
            elif dtype is not common:
                settled = False
        elif type(x) is not int and type(x) is not bool:
            settled = settled and common is not None and common.kind == "f"
    if settled and common is not None and common.kind in "fiu" and (common.kind == "f" or _hold(arrays[start:], common)):
        return arrays
    return _promoted(op, arrays, start)


def _promoted(op: Op, arrays: Sequence[Any], start: int) -> Sequence[Any]:
    common: Any = None
    for x in arrays[start:]:
        if isinstance(x, Array):
            common = x._data.dtype if common is None else dtypes.promote(common, x._data.dtype)
    if common is None:
        fail(DtypeError, op.name, expected="at least one array", got=", ".join(type(x).__name__ for x in arrays))
    for x in arrays[start:]:
        if not isinstance(x, Array):
            if not isinstance(x, (int, float, bool, np.generic)):
                fail(DtypeError, op.name, expected="arrays and numbers", got=type(x).__name__)
            common = dtypes.promote_scalar(common, type(x))  # type: ignore[arg-type]
    if op.promote == "float":
        common = dtypes.floating(common)
    elif op.promote == "number" and common == dtypes.bool_:
        common = dtypes.int8
    if not _hold(arrays[start:], common):
        common = _holding(op, arrays[start:], common)
    head = list(arrays[:start])
    for x in arrays[start:]:
        if isinstance(x, Array):
            head.append(_cast(x, common) if x._data.dtype != common else x)
        elif common == dtypes.bfloat16:
            # To NumPy a number is float64 to a type that is not its own: give it the type.
            like = next(a for a in arrays if isinstance(a, Array))
            head.append(apply(OPS["full"], (), {"shape": (), "value": x, "dtype": common}, like._device, type(like)))
        else:
            head.append(x)
    return head


def _hold(operands: Sequence[Any], dtype: dtypes.Dtype) -> bool:
    """Whether a dtype, if it is one of integers, holds the Python integers among operands."""
    if dtype.kind not in "iu":
        return True
    limits = np.iinfo(dtype)
    return all(limits.min <= x <= limits.max for x in operands if type(x) is int)


def _holding(op: Op, operands: Sequence[Any], common: dtypes.Dtype) -> dtypes.Dtype:
    """A type for a comparison of integers with a number beyond their type's range; of other operators an error."""
    numbers = [x for x in operands if type(x) is int]
    result = op.infer(*[Spec((), common) for _ in operands])
    if not isinstance(result, Spec) or result.dtype != dtypes.bool_:
        limits = np.iinfo(common)
        fail(DtypeError, op.name, expected=f"numbers from {limits.min} to {limits.max} beside {common}", got=", ".join(map(str, numbers)))
    return next((t for t in (dtypes.int64, dtypes.uint64) if np.can_cast(common, t) and _hold(numbers, t)), dtypes.float64)


def _cast(x: Any, dtype: dtypes.Dtype) -> Any:
    return apply(OPS["cast"], (x,), {"dtype": dtype})


def _two_devices(op: Op, arrays: Sequence[Any]) -> NoReturn:
    got = " and ".join(f"{spec_of(a)} on {a._device}" for a in arrays if isinstance(a, Array))
    fail(DeviceError, op.name, expected="arrays on one device", got=got, fix="x.as_in_context(device)")


def _alias(arrays: Sequence[Any], result: Array) -> None:
    """A view's handle shares the alias record of what it is a view of."""
    source = arrays[0]
    if source._device.xp.may_share_memory(source._data, result._data):
        result._storage = storage = source.storage()
        storage.viewed = storage.viewed or id(source)


def _explain(op: Op, arrays: Sequence[Any], attrs: dict[str, Any], error: Exception, device: Any) -> NoReturn:
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
