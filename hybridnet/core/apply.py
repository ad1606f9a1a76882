"""``apply``: the one point that every operator call goes through.

With concrete arrays it computes. While recording it also writes a tape node. While tracing it
emits a graph node in place of computing. Nothing else in the package runs an operator.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import storage, tape
from hybridnet.core.array import Array, spec_of, wrap
from hybridnet.core.elsewhere import function_on, whole
from hybridnet.core.failure import explain, fail_complex, fail_two_devices
from hybridnet.core.handles import as_class, plain
from hybridnet.core.hooks import hooked
from hybridnet.core.numpy_functions import NUMPY_FUNCTION_OF
from hybridnet.core.op import OPS, Op, find
from hybridnet.core.promotion import promote
from hybridnet.core.state import COMPUTING, ELSEWHERE, computing_in, local, paused_recording
from hybridnet.core.stored import KINDS
from hybridnet.core.straight import composite
from hybridnet.device import Device
from hybridnet.errors import HybridnetError, fail

_NONE: dict[str, Any] = {}
_ndarray, _number, _asarray = np.ndarray, np.generic, np.asarray
_new = object.__new__
_function_of = NUMPY_FUNCTION_OF.get  # None of composites, and of an operator that was never called


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
    if attrs and "dtype" in attrs and isinstance(attrs["dtype"], type):
        attrs = {**attrs, "dtype": dtypes.as_dtype(attrs["dtype"])}
    # Most calls are of one or two arrays of one floating dtype in the host's memory, or of such an array and a number: they need
    # no promotion, and are done here; so are those of no arrays. All others go the way that asks everything.
    run = _function_of(op)
    special = local.special
    count = len(arrays)
    if (run is None and op.decomposition is None) or special == ELSEWHERE or out is not None or count > 2 or local.precision is not None:
        return _in_general(op, arrays, attrs, device, cls, out)
    if not count:
        if device is None or not device.is_host or op.promote is not None or run is None:
            return _in_general(op, arrays, attrs, device, cls, out)
        try:
            made = run(**attrs)
        except Exception as error:
            explain(op, arrays, attrs, error, device)
        return _results(made, cls, device)
    lead = arrays[0]
    other = None
    if count == 2:
        other = arrays[1]
        if not isinstance(lead, Array):
            lead, other = other, lead
    if not isinstance(lead, Array) or (data := lead._data).__class__ is not _ndarray or not (here := lead._device).is_host:
        return _in_general(op, arrays, attrs, device, cls, out)
    kind = data.dtype.kind
    direct = kind == "f" or (op.complex is not None if kind == "c" else op.promote is None)
    if count == 1:
        operands: tuple[Any, ...] = (data,)
    elif isinstance(other, Array):
        beside = other._data
        direct = direct and beside.__class__ is _ndarray
        direct = direct and (beside.dtype is data.dtype or (op.promote is None and (op.complex is not None or beside.dtype.kind != "c")))
        direct = direct and other._device is here
        operands = (data, beside)
    else:
        direct = kind == "f" and (other.__class__ is float or other.__class__ is int) and not op.promote_from
        operands = (data, other) if lead is arrays[0] else (other, data)
    if not direct:
        return _in_general(op, arrays, attrs, device, cls, out)
    if run is None:
        made = composite(op, operands, attrs)
    else:
        try:
            made = run(*operands, **attrs) if attrs else run(*operands)
        except Exception as error:
            explain(op, arrays, attrs, error, here)
        if made.__class__ is not _ndarray and isinstance(made, _number):
            made = _asarray(made)
    if made.__class__ is _ndarray:
        result: Any = _new(lead.__class__)
        result._data = made
        result._device = here
        result._tape = result._storage = result._behind = None
        if op.is_view:
            _alias_on_host(lead, result)
    elif made is None:
        result = _in_parts(op, arrays, operands, attrs, here, lead.__class__)
    else:
        result = _results(made, lead.__class__, here)
    if special:
        tape.record(op, arrays, operands, attrs, result)
    return result


def call(name: str, *arrays: Any, **attrs: Any) -> Any:
    """Call an operator by name; how array methods reach operators that are defined above them."""
    return apply(OPS.get(name) or find(name), arrays, attrs)


def _in_general(op: Op, arrays: Sequence[Any], attrs: dict[str, Any], device: Any, cls: Any, out: Any) -> Any:
    """A call of any operator with any operands, in any mode."""
    if (policy := local.precision) is not None and out is None:
        arrays = policy.operands(op, arrays, _cast)
    dtype: Any = None
    alike = True  # arrays of one dtype, and no numbers: the common case needs no promotion
    stored = False  # whether one is of another storage than dense
    for x in arrays:
        if isinstance(x, Array):
            stored = stored or x._dense is not None
            if dtype is None:
                dtype, device, cls = x._data.dtype, x._device, type(x)
            else:
                if x._device is not device:
                    fail_two_devices(op, arrays)
                alike = alike and x._data.dtype is dtype
        elif isinstance(x, np.generic):
            # As NumPy's own number it would widen the arrays beside it.
            return apply(op, [a.item() if isinstance(a, np.generic) else a for a in arrays], attrs, device, cls, out)
        else:
            alike = False
    if op.promote is not None and not (alike and dtype is not None and dtype.kind == "f"):
        arrays = promote(op, arrays, apply)
    if op.complex is None and any(x._data.dtype.kind == "c" for x in arrays if isinstance(x, Array)):
        fail_complex(op, arrays)
    special = local.special
    if special == ELSEWHERE:
        if local.trace is None:
            return hooked(op, arrays, attrs, lambda: apply(op, arrays, attrs, device, cls))
        return _traced(op, arrays, attrs, device, cls)
    if stored:
        return _in_storage(op, arrays, attrs, device, out)
    operands = [x._data if isinstance(x, Array) else x for x in arrays]
    if special or op.decomposition is not None:
        _check_concrete(op, operands)
    if op.decomposition is not None:
        made = composite(op, operands, attrs) if device.is_host else None
        result = _in_parts(op, arrays, operands, attrs, device, cls) if made is None else _results(made, cls, device)
    else:
        try:
            run = NUMPY_FUNCTION_OF[op] if device.is_host else function_on(op, device)
            if out is not None:
                storage_of_out = out._before_write()
                run(*operands, out=out._data, **attrs)
                if storage_of_out is not None:
                    storage_of_out.after_write()
                return out
            made = run(*operands, **attrs)
        except Exception as error:
            explain(op, arrays, attrs, error, device)
        result = _results(made, cls, device)
        if op.is_view:
            _alias(arrays[0], result)
    if special:
        tape.record(op, arrays, operands, attrs, result)
    return result


def _in_storage(op: Op, arrays: Sequence[Any], attrs: dict[str, Any], device: Any, out: Any) -> Any:
    """A call with arrays of which some are not dense: by the operator's rule for their storages, or with dense ones in their place."""
    specs = [spec_of(x) for x in arrays]
    op.infer(*specs, **attrs)  # its errors come first
    cls = next((x._dense or type(x) for x in arrays if isinstance(x, Array)), None)
    if (rule := storage.rule_of(op, specs, attrs)) is None:
        result = apply(op, storage.dense_forms(op, arrays, apply), attrs, device, cls)
    else:
        operands = [x._data if isinstance(x, Array) else x for x in arrays]
        try:
            result = _results(rule.compute(device.xp, *operands, **attrs), cls, device)
        except Exception as error:
            explain(op, arrays, attrs, error, device)
        if local.special:
            tape.record(op, arrays, operands, attrs, result)
    if out is None:
        return result
    out._assign(result)
    return out


def _traced(op: Op, arrays: Sequence[Any], attrs: dict[str, Any], device: Any, cls: Any) -> Any:
    """A node of the graph that is being traced, in place of a computation."""
    trace: Any = local.trace
    operands = [trace.read(x) if isinstance(x, Array) else x for x in arrays]
    values = trace.emit(op, operands, attrs, device)
    if isinstance(values, tuple):
        result: Any = tuple(wrap(cls, v, device) for v in values)
    else:
        result = wrap(cls, values, device)
        if op.is_view:
            trace.alias(arrays[0], result)
    if local.recording:
        tape.record(op, arrays, operands, attrs, result)
    return result


def _in_parts(op: Op, arrays: Sequence[Any], operands: Sequence[Any], attrs: dict[str, Any], device: Any, cls: Any) -> Any:
    """What an operator computes that is written in others: these are no part of the tape, and choose their types themselves."""
    op.infer(*map(spec_of, arrays), **attrs)  # its errors speak of this operator, not of a part
    if (result := whole(op, operands, attrs, device, cls)) is not None:
        return result
    decomposition: Any = op.decomposition
    if local.special == COMPUTING and local.precision is None:
        result = decomposition(*map(plain, arrays), **attrs)
    else:
        with paused_recording(), computing_in(None):
            result = decomposition(*map(plain, arrays), **attrs)
    return tuple(as_class(y, cls) for y in result) if isinstance(result, tuple) else as_class(result, cls)


def _check_concrete(op: Op, operands: Sequence[Any]) -> None:
    for x in operands:
        if x.__class__ is not _ndarray and hasattr(x, "node"):
            fail(
                HybridnetError,
                op.name,
                expected="arrays",
                got="a traced array outside its trace",
                fix="returning it from the traced function instead of storing it",
            )


def _results(made: Any, cls: Any, device: Device) -> Any:
    """Handles to what an operator gave, which of NumPy's may be scalars in place of arrays without dimensions."""
    kind = made.__class__
    if kind is tuple:
        return tuple([_results(d, cls, device) for d in made])
    if kind in KINDS:
        return wrap(cls._stored_as[kind], made, device)
    return wrap(cls._dense or cls, np.asarray(made) if isinstance(made, np.generic) else made, device)


def _cast(x: Any, dtype: dtypes.Dtype) -> Any:
    return apply(OPS["cast"], (x,), {"dtype": dtype})


def _alias_on_host(source: Array, result: Array) -> None:
    """:func:`_alias` of NumPy's arrays: what is a view of an array says so, mostly; what has its own memory does."""
    base = result._data.base
    if base is source._data or (base is not None and base is source._data.base):
        result._storage = storage = source._storage or source.storage()
        if not storage.viewed:
            storage.viewed = id(source)
    elif base is not None or result._data is source._data:
        _alias(source, result)


def _alias(source: Array, result: Array) -> None:
    """A view's handle shares the alias record of what it is a view of."""
    if source._device.xp.may_share_memory(source._data, result._data):
        result._storage = storage = source.storage()
        storage.viewed = storage.viewed or id(source)
