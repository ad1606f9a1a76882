"""``nd.NDArray``: the array with MXNet 1.x's rules, over the same core.

What differs from NumPy's rules, and so from the core array: results keep the dtype of their
input (comparisons and integer division included), a number next to integers is cut to an
integer, no result has zero dimensions, a remainder by 0 is 0, ``dtype`` is a NumPy type, integers
may be variables, and ``reshape`` knows special codes. The classic functions
of this package become its methods in :mod:`hybridnet.ndarray.methods`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet import core, dtypes
from hybridnet.core import OPS, apply, as_class, call, local, wrap

_FLOATS = frozenset(dtypes.FLOATS)


def _in_place(name: str, plain: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """An in-place operator: what the operator gives by the rules here, written to the array; ``plain`` where NumPy's are the same."""

    def method(self: Any, other: Any) -> Any:
        if name != "mod" and self._data.dtype in _FLOATS:
            return plain(self, other)
        result = _operator(name, self, other)
        if result is NotImplemented:
            return result
        self._assign(result)
        return self

    return method


def _arithmetic(name: str) -> tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]:
    """An operator and its reflection. Of floating arrays of this class, or one and a number, NumPy's rules are those here."""

    def forward(self: Any, other: Any) -> Any:
        kind = other.__class__
        if (kind is NDArray or kind is float or kind is int) and self._data.dtype.kind == "f" and self._data.shape and name != "mod":
            return apply(OPS[name], (self, other))
        return _operator(name, self, other)

    def reflected(self: Any, other: Any) -> Any:
        kind = other.__class__
        if (kind is float or kind is int) and self._data.dtype.kind == "f" and self._data.shape and name != "mod":
            return apply(OPS[name], (other, self))
        return _operator(name, other, self)

    return forward, reflected


class NDArray(core.NDArray):
    """An array on a device with the interface and the rules of MXNet 1.x's ``mx.nd.NDArray``."""

    __slots__ = ()
    _integer_variables = True

    @property
    def dtype(self) -> Any:
        """The element type as MXNet 1.x gives it, a NumPy type: ``x.dtype is np.float32``."""
        return self._data.dtype.type

    def __repr__(self) -> str:
        if self._is_traced():
            return super().__repr__()
        shape = "x".join(map(str, self.shape))
        return f"\n{self.asnumpy()}\n<NDArray {shape} @{self._device}>"

    __str__ = __repr__
    __hash__ = object.__hash__

    def __getitem__(self, key: Any) -> Any:
        found = finish(core.NDArray.__getitem__(self, key), NDArray)
        if core.local.trace is None and not found._data.flags.c_contiguous:
            return apart(found)  # a view is what lies in one piece, in MXNet
        return found

    @property
    def T(self) -> Any:
        """A copy with the axes in reverse order."""
        return apart(core.NDArray.T.__get__(self))

    def tostype(self, stype: str) -> Any:
        """The same elements in storage ``default``, ``csr`` (of matrices) or ``row_sparse``: a copy, of its own storage too."""
        return self.copy() if stype == self.stype else super().tostype(stype)

    __add__, __radd__ = _arithmetic("add")
    __sub__, __rsub__ = _arithmetic("subtract")
    __mul__, __rmul__ = _arithmetic("multiply")
    __truediv__, __rtruediv__ = _arithmetic("true_divide")
    __mod__, __rmod__ = _arithmetic("mod")
    __pow__, __rpow__ = _arithmetic("power")

    __iadd__ = _in_place("add", core.NDArray.__iadd__)
    __isub__ = _in_place("subtract", core.NDArray.__isub__)
    __imul__ = _in_place("multiply", core.NDArray.__imul__)
    __itruediv__ = _in_place("true_divide", core.NDArray.__itruediv__)
    __imod__ = _in_place("mod", core.NDArray.__imod__)
    __ipow__ = _in_place("power", core.NDArray.__ipow__)

    def __lt__(self, other: Any) -> Any:
        return _operator("less", self, other)

    def __le__(self, other: Any) -> Any:
        return _operator("less_equal", self, other)

    def __gt__(self, other: Any) -> Any:
        return _operator("greater", self, other)

    def __ge__(self, other: Any) -> Any:
        return _operator("greater_equal", self, other)

    def __eq__(self, other: Any) -> Any:
        return _operator("equal", self, other)

    def __ne__(self, other: Any) -> Any:
        return _operator("not_equal", self, other)


core.NDArray.as_nd_ndarray = lambda self: as_class(self, NDArray)  # type: ignore[attr-defined]
core.NDArray.as_np_ndarray = lambda self: as_class(self, core.NDArray)  # type: ignore[attr-defined]


def finish(result: Any, cls: type[core.NDArray]) -> Any:
    """A classic result: of the class of the inputs, and of one dimension where NumPy's has none."""
    if result.__class__ is cls:
        if result._data.shape or cls is core.NDArray:
            return result
        if not local.special and result._device.is_host:  # the reshape of below, without a call of it
            made = wrap(cls, result._data.reshape(1), result._device)
            made._storage = storage = result.storage()
            storage.viewed = storage.viewed or id(result)
            return made
    if isinstance(result, core.NDArray):
        if cls is not type(result):
            result = as_class(result, cls)
        if not result._data.shape and cls is not core.NDArray:
            return apply(OPS["reshape"], (result,), {"shape": (1,)})
        return result
    if isinstance(result, (list, tuple)):
        return [finish(r, cls) for r in result]
    return result


def finish_fresh(result: Any) -> Any:
    """As :func:`finish`, of an array of ``nd`` that an operator has just made, so that nobody else has its handle."""
    if result._data.shape:
        return result
    if local.special or not result._device.is_host:
        return apply(OPS["reshape"], (result,), {"shape": (1,)})
    result._data = result._data.reshape(1)
    return result


def finish_apart(result: Any, cls: type[core.NDArray]) -> Any:
    """As :func:`finish`, of an operator whose results may be views of an input, or an input itself."""
    result = finish(result, cls)
    if cls is core.NDArray:
        return result  # by NumPy's rules a view is a view
    return [apart(r) for r in result] if isinstance(result, list) else apart(result)


def apart(x: Any) -> Any:
    """The array with memory that no other has, at the same place on the tape: what MXNet's operators give."""
    if x._is_traced() or core.local.trace is not None:
        made = wrap(type(x), x._data, x._device)  # which the trace does not know to be a view
    elif x.stype == "default" and x._data.base is None and x._storage is None:
        return x
    else:
        made = wrap(type(x), x._data.copy(), x._device)
    made._tape, made._behind = x._tape, x._behind
    return made


_NUMBERS = (int, float, complex, np.generic)


def _operator(name: str, lhs: Any, rhs: Any) -> Any:
    for x in (lhs, rhs):
        if not isinstance(x, (core.NDArray, np.ndarray, *_NUMBERS)):
            return NotImplemented
    return combine(name, lhs, rhs)


def combine(name: str, lhs: Any, rhs: Any) -> Any:
    """The operator ``name`` on two arrays, or an array and a number, by 1.x's dtype rules. Two arrays broadcast."""
    array = lhs if isinstance(lhs, core.NDArray) else rhs
    if not isinstance(array, core.NDArray):
        lhs = array = core.array(lhs, dtypes.float32, cls=NDArray)
    if _is_complex(lhs) or _is_complex(rhs):  # which MXNet does not have: by NumPy's rules, but for comparisons, which give numbers
        result = call(
            name, *(wrap(NDArray, array._device.xp.asarray(x), array._device) if isinstance(x, np.ndarray) else x for x in (lhs, rhs))
        )
        truth = result._data.dtype == dtypes.bool_
        return finish(result.astype(dtypes.float32) if truth else result, NDArray)
    lhs, rhs = _beside(array, lhs), _beside(array, rhs)
    dtype = array._data.dtype
    if dtype in _FLOATS:
        result = _applied(name, lhs, rhs)
    else:
        numbers = not (isinstance(lhs, core.NDArray) and isinstance(rhs, core.NDArray))
        if not numbers and lhs._data.dtype != rhs._data.dtype:
            dtype = dtypes.promote(lhs._data.dtype, rhs._data.dtype)
        # Through float64, which holds the quotients of all but the largest integers exactly, and has negative powers.
        if dtype not in _FLOATS and (name == "true_divide" or (name == "power" and not (isinstance(rhs, int) and rhs >= 0))):
            lhs = lhs.astype(dtypes.float64) if isinstance(lhs, core.NDArray) else float(lhs)
            rhs = rhs.astype(dtypes.float64) if isinstance(rhs, core.NDArray) else float(rhs)
        result = _applied(name, lhs, rhs)
    found = result._data.dtype
    if found == dtypes.bool_ or (found != dtype and dtype not in _FLOATS):
        result = result.astype(dtype, copy=False)
    return finish(result, NDArray) if NDArray in (type(lhs), type(rhs)) else result


def _is_complex(x: Any) -> bool:
    return dtypes.is_complex(x.dtype) if hasattr(x, "dtype") else isinstance(x, complex)


def _applied(name: str, lhs: Any, rhs: Any) -> Any:
    """The operator, with MXNet's answer where it has one of its own: what remains of a division by 0 is 0."""
    if name != "mod" or (not isinstance(rhs, core.NDArray) and rhs != 0):
        return call(name, lhs, rhs)
    if not isinstance(rhs, core.NDArray):
        return lhs * 0
    zero = call("equal", rhs, 0)
    return call("where", zero, 0, call(name, lhs, call("where", zero, 1, rhs)))


def _beside(array: Any, x: Any) -> Any:
    """The other operand: a number as it is next to floats, cut to the array's integers next to those."""
    if isinstance(x, core.NDArray):
        return x
    if isinstance(x, np.ndarray):
        return wrap(NDArray, array._device.xp.asarray(x), array._device)
    if isinstance(x, np.generic):
        x = x.item()
    dtype = array._data.dtype
    if dtype in _FLOATS or dtype == dtypes.bool_:
        return x
    return np.asarray(int(x)).astype(dtype).item()
