"""Python's operators on arrays: each is a call of the operator of that name."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet.core.apply import apply
from hybridnet.core.array import Array, is_writable, wrap
from hybridnet.core.op import OPS
from hybridnet.core.state import local
from hybridnet.device.transfer import placed

_NUMBERS = (int, float, bool, np.number, np.bool_)
_empty: dict[str, Any] = {}


def _operand(self: Array, other: Any) -> Any:
    """The other operand as an array or number; ``NotImplemented`` if it is neither."""
    if isinstance(other, np.generic):
        return other.item()
    if isinstance(other, np.ndarray):
        return wrap(type(self), placed(other, self._device), self._device)
    return NotImplemented


def _fits(self: Any, other: Any) -> bool:
    """Whether an in-place result has this array's shape and dtype, so that it can be computed into it."""
    data = self._data
    if isinstance(other, Array) and (other._data.dtype is not data.dtype or other._data.shape != data.shape):
        return False
    return (data.dtype.kind == "c" or (data.dtype.kind == "f" and other.__class__ is not complex)) and is_writable(data)


def _binary(name: str) -> tuple[Any, Any, Any]:
    def forward(self: Any, other: Any) -> Any:
        if not isinstance(other, (Array, int, float, complex)):
            other = _operand(self, other)
            if other is NotImplemented:
                return other
        return apply(OPS[name], (self, other), _empty)

    def reflected(self: Any, other: Any) -> Any:
        if not isinstance(other, (Array, int, float, complex)):
            other = _operand(self, other)
            if other is NotImplemented:
                return other
        return apply(OPS[name], (other, self), _empty)

    def inplace(self: Any, other: Any) -> Any:
        if not isinstance(other, (Array, int, float, complex)):
            other = _operand(self, other)
            if other is NotImplemented:
                return other
        if not local.special and _fits(self, other):
            apply(OPS[name], (self, other), _empty, out=self)
            return self
        self._assign(apply(OPS[name], (self, other), _empty))
        return self

    return forward, reflected, inplace


def _unary(name: str) -> Any:
    def method(self: Any) -> Any:
        return apply(OPS[name], (self,), _empty)

    return method


class Operators:
    """The operator methods, as a mixin of ``NDArray``."""

    __slots__ = ()

    __add__, __radd__, __iadd__ = _binary("add")
    __sub__, __rsub__, __isub__ = _binary("subtract")
    __mul__, __rmul__, __imul__ = _binary("multiply")
    __truediv__, __rtruediv__, __itruediv__ = _binary("true_divide")
    __floordiv__, __rfloordiv__, __ifloordiv__ = _binary("floor_divide")
    __mod__, __rmod__, __imod__ = _binary("mod")
    __pow__, __rpow__, __ipow__ = _binary("power")
    __and__, __rand__, __iand__ = _binary("bitwise_and")
    __or__, __ror__, __ior__ = _binary("bitwise_or")
    __xor__, __rxor__, __ixor__ = _binary("bitwise_xor")
    __lshift__, __rlshift__, __ilshift__ = _binary("left_shift")
    __rshift__, __rrshift__, __irshift__ = _binary("right_shift")
    __lt__, _, _ = _binary("less")
    __le__, _, _ = _binary("less_equal")
    __gt__, _, _ = _binary("greater")
    __ge__, _, _ = _binary("greater_equal")
    __eq__, _, _ = _binary("equal")
    __ne__, _, _ = _binary("not_equal")
    __neg__ = _unary("negative")
    __pos__ = _unary("copy")
    __abs__ = _unary("absolute")
    __invert__ = _unary("invert")
