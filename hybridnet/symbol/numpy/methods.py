"""Python's operators, indexing and methods of ``sym.np``'s symbols."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hybridnet import dtypes
from hybridnet.errors import ArgumentError, fail
from hybridnet.symbol.numpy import elementwise, reductions, shapes
from hybridnet.symbol.symbol import NotImplementedForSymbol, Symbol, _Symbol, called_numpy

for _python, _name in {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "mod": "mod", "pow": "power", "eq": "equal",
    "ne": "not_equal", "gt": "greater", "ge": "greater_equal", "lt": "less", "le": "less_equal",
}.items():  # fmt: skip
    setattr(_Symbol, f"__{_python}__", elementwise.operator(_name))
    if _python in ("add", "sub", "mul", "truediv", "mod", "pow"):
        setattr(_Symbol, f"__r{_python}__", elementwise.reflection(_name))


def _negative(self: _Symbol) -> Any:
    return elementwise.with_number("_npi_multiply_scalar", self, -1.0, is_int=False)


def _absolute(self: _Symbol) -> Any:
    return called_numpy("_npi_abs", (self,), {})


def _matmul(self: _Symbol, other: Any) -> Any:
    return reductions.matmul(self, other) if isinstance(other, Symbol) else NotImplemented


# -- indexing -------------------------------------------------------------------------------------


def _indexed(self: _Symbol, key: Any) -> Any:
    """Elements by integers and slices, or, of a symbol of several outputs, one of those; by a name, the output of that name.

    As in MXNet. NotImplementedForSymbol for other keys.
    """
    if isinstance(key, str) or len(self) > 1:
        return Symbol.__getitem__(self, key)
    if isinstance(key, tuple):
        return _of_tuple(self, key)
    if isinstance(key, slice):
        bounds = {"begin": key.start, "end": key.stop, "step": key.step}
        return called_numpy("slice", (self,), {name: "None" if n is None else n for name, n in bounds.items()})
    if not isinstance(key, int):
        fail(NotImplementedForSymbol, "indexing", expected="integers and slices", got=type(key).__name__, fix="np.take, npx.slice")
    part = called_numpy("slice", (self,), {"begin": [key], "end": [key + 1] if key != -1 else [None]})
    return called_numpy("_npx_reshape", (part,), {"newshape": (-3, -4)})


def _of_tuple(self: _Symbol, key: tuple[Any, ...]) -> Any:
    begin: list[int | None] = []
    end: list[int | None] = []
    step: list[int | None] = []
    codes: list[int] = []
    for item in key:
        if isinstance(item, int):
            begin.append(item)
            end.append(item + 1 if item != -1 else None)
            step.append(1)
            codes.append(-3)
        elif isinstance(item, slice):
            begin.append(item.start)
            end.append(item.stop)
            step.append(item.step)
            codes.append(-2)
        else:
            fail(
                NotImplementedForSymbol, "indexing", expected="integers and slices", got=type(item).__name__, fix="np.expand_dims, np.take"
            )
    part = called_numpy("slice", (self,), {"begin": begin, "end": end, "step": step})
    return called_numpy("_npx_reshape", (part,), {"newshape": (*codes, -4)})


def _elements(self: _Symbol) -> Any:
    """Its outputs. TypeError of one output, whose length nobody knows yet."""
    if len(self) == 1:
        raise TypeError(f"{self!r} is one array of a shape that is not known yet: it cannot be iterated over")
    return (Symbol.__getitem__(self, i) for i in range(len(self)))


# -- methods --------------------------------------------------------------------------------------


def _reshape(self: _Symbol, *shape: Any, order: str = "C", newshape: Any = None) -> Any:
    """The same elements in another shape, given as numbers or as one tuple. ArgumentError for another order than C."""
    if order != "C":
        fail(ArgumentError, "reshape", expected="the order C", got=repr(order))
    lengths = shape if newshape is None else (newshape,)
    if len(lengths) == 1 and not isinstance(lengths[0], int):
        lengths = tuple(lengths[0])
    return called_numpy("_np_reshape", (self,), {"newshape": lengths, "order": order})


def _transpose(self: _Symbol, *axes: Any) -> Any:
    """The axes in another order, given as numbers or as one tuple; by default reversed."""
    given = axes[0] if len(axes) == 1 and (axes[0] is None or not isinstance(axes[0], int)) else axes
    return called_numpy("_np_transpose", (self,), {"axes": None if not given else tuple(given)})


def _flatten(self: _Symbol, order: str = "C") -> Any:
    """All elements in a row."""
    return _reshape(self, -1, order=order)


def _astype(self: _Symbol, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True) -> Any:
    """Cast to a dtype."""
    return called_numpy("Cast", (self,), {"dtype": str(dtypes.as_dtype(dtype))}, "cast")


def _sum(self: _Symbol, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    """The sum over axes, by default all."""
    return called_numpy("_np_sum", (self,), {"axis": axis, **reductions._typed(dtype), "keepdims": keepdims})


def _prod(self: _Symbol, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    """The product over axes, by default all."""
    return called_numpy("_np_prod", (self,), {"axis": axis, **reductions._typed(dtype), "keepdims": keepdims})


def _max(self: _Symbol, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    """The largest element over axes, by default all."""
    return called_numpy("_np_max", (self,), {"axis": axis, "keepdims": keepdims})


def _min(self: _Symbol, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    """The smallest element over axes, by default all."""
    return called_numpy("_np_min", (self,), {"axis": axis, "keepdims": keepdims})


def _cumsum(self: _Symbol, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    """Sums of all elements up to each, along an axis; without one of all in a row."""
    return called_numpy("_np_cumsum", (self,), {"axis": axis, **reductions._typed(dtype)})


def _dot(self: _Symbol, b: Any, out: Any = None) -> Any:
    """The product of NumPy's ``dot``."""
    return called_numpy("_np_dot", (self, b), {})


def _repeat(self: _Symbol, repeats: int, axis: int | None = None) -> Any:
    """Each element so many times, along an axis or of all in a row."""
    return called_numpy("repeat", (self,), {"repeats": repeats, "axis": axis})


def _squeeze(self: _Symbol, axis: Any = None) -> Any:
    """Without axes of length 1: all, or those given."""
    return called_numpy("_np_squeeze", (self,), {"axis": axis})


def _clip(self: _Symbol, min: Any = None, max: Any = None, out: Any = None) -> Any:
    """No less than ``min`` and no more than ``max``."""
    return reductions.clip(self, min, max)


def _diag(self: _Symbol, k: int = 0, **kwargs: Any) -> Any:
    """The ``k``-th diagonal of a matrix, or the matrix that has it."""
    return called_numpy("_np_diag", (self,), {"k": k, **kwargs})


_WRITTEN: dict[str, Callable[..., Any]] = {
    "__neg__": _negative, "__abs__": _absolute, "__matmul__": _matmul, "__getitem__": _indexed, "__iter__": _elements,
    "reshape": _reshape, "transpose": _transpose, "flatten": _flatten, "astype": _astype, "sum": _sum, "prod": _prod, "max": _max,
    "min": _min, "cumsum": _cumsum, "dot": _dot, "repeat": _repeat, "squeeze": _squeeze, "clip": _clip, "diag": _diag,
    "mean": reductions.mean, "std": reductions.std, "var": reductions.var, "argmax": reductions.argmax, "argmin": reductions.argmin,
    "sort": reductions.sort, "argsort": reductions.argsort, "round": reductions.around, "take": shapes.take, "swapaxes": shapes.swapaxes,
}  # fmt: skip
for _name, _function in _WRITTEN.items():
    setattr(_Symbol, _name, _function)
setattr(_Symbol, "T", property(_transpose, doc="The axes in reverse order."))  # noqa: B010

#: Methods that are functions of an element each.
_ELEMENTWISE = """
    abs sign rint fix floor ceil trunc sin cos tan arcsin arccos arctan degrees radians sinh cosh tanh arcsinh arccosh arctanh exp expm1
    log log10 log2 log1p sqrt cbrt square reciprocal
"""


def _elementwise(name: str) -> Callable[..., Any]:
    function = elementwise.FUNCTIONS[name]

    def method(self: _Symbol, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    method.__name__, method.__doc__ = name, function.__doc__
    return method


for _name in _ELEMENTWISE.split():
    setattr(_Symbol, _name, _elementwise(_name))


def _named(op: str, name: str) -> Callable[..., Any]:
    def method(self: _Symbol, *args: Any, **kwargs: Any) -> Any:
        return called_numpy(op, (self, *args), kwargs)

    method.__name__, method.__doc__ = name, f"``{op}`` of the symbol."
    return method


for _name, _op in {"relu": "_npx_relu", "sigmoid": "_npx_sigmoid"}.items():
    setattr(_Symbol, _name, _named(_op, _name))
