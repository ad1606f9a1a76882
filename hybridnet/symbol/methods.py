"""Python's operators of symbols, and the operators that are their methods."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Number
from typing import Any

from hybridnet.ndarray.register import OPERATORS
from hybridnet.symbol.creation import split_v2
from hybridnet.symbol.symbol import Symbol, called

# -- Python's operators: the names that MXNet's nodes get come from which of an operator's names is used -------------------


def _binary(both: str, scalar: str) -> Callable[[Symbol, Any], Any]:
    def operator(self: Symbol, other: Any) -> Any:
        if isinstance(other, Symbol):
            return called(both, (self, other), {})
        if isinstance(other, Number):
            return called(scalar, (self,), {"scalar": other})
        return NotImplemented

    return operator


_METHODS = {
    "add": ("_Plus", "_PlusScalar"), "radd": ("_Plus", "_PlusScalar"), "sub": ("_Minus", "_MinusScalar"),
    "rsub": ("_Minus", "_RMinusScalar"), "mul": ("_Mul", "_MulScalar"), "rmul": ("_Mul", "_MulScalar"),
    "truediv": ("_Div", "_DivScalar"), "rtruediv": ("_Div", "_RDivScalar"), "mod": ("_Mod", "_ModScalar"), "rmod": ("_Mod", "_RModScalar"),
    "pow": ("_Power", "_PowerScalar"), "rpow": ("_Power", "_rpower_scalar"), "eq": ("_equal", "_equal_scalar"),
    "ne": ("_not_equal", "_not_equal_scalar"), "gt": ("_greater", "_greater_scalar"), "ge": ("_greater_equal", "_greater_equal_scalar"),
    "lt": ("_lesser", "_lesser_scalar"), "le": ("_lesser_equal", "_lesser_equal_scalar"),
}  # fmt: skip

for _name, (_both, _scalar) in _METHODS.items():
    setattr(Symbol, f"__{_name}__", _binary(_both, _scalar))


def _negative(self: Symbol) -> Symbol:
    return called("_MulScalar", (self,), {"scalar": -1.0})


def _absolute(self: Symbol) -> Symbol:
    return called("abs", (self,), {})


setattr(Symbol, "__neg__", _negative)  # noqa: B010  (as all others here)
setattr(Symbol, "__abs__", _absolute)  # noqa: B010

# -- operators as methods -------------------------------------------------------------------------

_FLUENT = """
    abs arccos arccosh arcsin arcsinh arctan arctanh argmax argmax_channel argmin argsort broadcast_axes broadcast_like cbrt ceil
    clip cos cosh degrees depth_to_space diag exp expand_dims expm1 fix flatten flip floor log log10 log1p log2 log_softmax max
    mean min nanprod nansum norm one_hot ones_like pad pick prod radians rcbrt reciprocal relu repeat reshape_like rint round
    rsqrt shape_array sigmoid sign sin sinh size_array slice slice_axis slice_like softmax softmin sort space_to_depth split sqrt
    square squeeze sum swapaxes take tan tanh tile topk trunc zeros_like
"""
FLUENT = _FLUENT.split()


def _fluent(op: str, name: str) -> Callable[..., Symbol]:
    def method(self: Symbol, *args: Any, **kwargs: Any) -> Symbol:
        return called(op, (self, *args), kwargs)

    method.__name__ = name
    method.__doc__ = f"``sym.{op}`` of the symbol."
    return method


for _name in FLUENT:
    setattr(Symbol, _name, _fluent(_name, _name))
setattr(Symbol, "astype", _fluent("cast", "astype"))  # noqa: B010


def _lengths(op: str, attribute: str, name: str) -> Callable[..., Symbol]:
    """A method whose lengths may be given one by one: ``reshape(2, 3)``, ``reshape((2, 3))``, ``reshape(shape=(2, 3))``."""

    def method(self: Symbol, *lengths: Any, **kwargs: Any) -> Symbol:
        if lengths:
            kwargs[attribute] = lengths[0] if len(lengths) == 1 and not isinstance(lengths[0], int) else lengths
        return called(op, (self,), kwargs)

    method.__name__ = name
    method.__doc__ = f"``sym.{op}`` of the symbol; {attribute} may be given as numbers or as one tuple."
    return method


for _op, _attribute in (("reshape", "shape"), ("transpose", "axes"), ("broadcast_to", "shape")):
    setattr(Symbol, _op, _lengths(_op, _attribute, _op))


def _split_v2(self: Symbol, indices_or_sections: Any, axis: int = 0, squeeze_axis: bool = False) -> Symbol:
    """``sym.split_v2`` of the symbol."""
    return split_v2(self, indices_or_sections, axis, squeeze_axis)


setattr(Symbol, "split_v2", _split_v2)  # noqa: B010

assert OPERATORS.keys() >= {*FLUENT, *(name for names in _METHODS.values() for name in names)}
