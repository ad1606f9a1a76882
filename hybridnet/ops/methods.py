"""The methods of ``NDArray`` that are operators: one table from a method's name to its function.

The core knows no operator, so they are attached to the class here, above the operators. Most are
the public functions themselves; those that take an argument list (``x.reshape(2, 3)``), or write
to the array, are written out below.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet.core import NDArray, Op, apply
from hybridnet.ops.array import gather, rearrange, selection, selective, shape, sorting
from hybridnet.ops.common import reduced_axes
from hybridnet.ops.linalg import matmul, products
from hybridnet.ops.linalg import numpy_linalg as linalg
from hybridnet.ops.math import complex_parts, pointwise, reduction, scan, statistics
from hybridnet.ops.nn import activation, softmax
from hybridnet.ops.vocabulary import NUMPY

_math = pointwise.FUNCTIONS


def _listed(items: tuple[Any, ...]) -> Any:
    """What ``f(2, 3)`` and ``f((2, 3))`` both mean."""
    return items[0] if len(items) == 1 else items


def _reshape(x: Any, *newshape: Any, order: str = "C", **kwargs: Any) -> Any:
    """The same elements in another shape: integers, or one sequence of them."""
    return shape.reshape(x, kwargs.get("shape", kwargs.get("newshape")) if kwargs else _listed(newshape), order)


def _transpose(x: Any, *axes: Any) -> Any:
    """The axes in another order: integers, or one sequence of them; reversed without any."""
    return shape.transpose(x, _listed(axes) if axes else None)


def _broadcast_to(x: Any, *newshape: Any) -> Any:
    """Repeated along new and length-1 axes to a shape."""
    return shape.broadcast_to(x, _listed(newshape))


def _tile(x: Any, *reps: Any, **kwargs: Any) -> Any:
    """Laid side by side as often as ``reps`` says along each axis."""
    return rearrange.tile(x, kwargs["reps"] if kwargs else _listed(reps))


def _flatten(x: Any, order: str = "C") -> Any:
    """A copy in one dimension."""
    return rearrange.ravel(x, order).copy()


def _reshape_like(x: Any, other: Any) -> Any:
    """The same elements in the shape of ``other``."""
    return shape.reshape(x, other.shape)


def _broadcast_like(x: Any, other: Any) -> Any:
    """Broadcast to the shape of ``other``."""
    return shape.broadcast_to(x, other.shape)


def _fill(x: Any, value: Any) -> None:
    """Make every element ``value``, in place."""
    x[...] = value


def _sort(x: Any, axis: int = -1, kind: str | None = None, order: Any = None) -> None:
    """Sort along an axis, in place."""
    x[...] = sorting.sort(x, axis, kind, order)


def _matmul(x: Any, other: Any) -> Any:
    """x @ other."""
    return matmul.matmul(x, other) if isinstance(other, (NDArray, np.ndarray)) else NotImplemented


def _rmatmul(x: Any, other: Any) -> Any:
    """other @ x."""
    return matmul.matmul(other, x) if isinstance(other, np.ndarray) else NotImplemented


METHODS: dict[str, Callable[..., Any]] = {
    "__matmul__": _matmul,
    "__rmatmul__": _rmatmul,
    # reductions
    "sum": selective.sum,
    "prod": selective.prod,
    "max": selective.max,
    "min": selective.min,
    "any": selective.any,
    "all": selective.all,
    "mean": selective.mean,
    "var": selective.var,
    "std": selective.std,
    "norm": linalg.norm,
    "ptp": statistics.ptp,
    "trace": rearrange.trace,
    # shapes and order
    "reshape": _reshape,
    "reshape_like": _reshape_like,
    "transpose": _transpose,
    "swapaxes": rearrange.swapaxes,
    "broadcast_to": _broadcast_to,
    "broadcast_like": _broadcast_like,
    "flatten": _flatten,
    "ravel": rearrange.ravel,
    "squeeze": shape.squeeze,
    "expand_dims": shape.expand_dims,
    "split": shape.split,
    "slice_axis": shape.slice_axis,
    "repeat": rearrange.repeat,
    "tile": _tile,
    "flip": rearrange.flip,
    "pad": rearrange.pad,
    "diag": rearrange.diag,
    "diagonal": rearrange.diagonal,
    # choosing and ordering elements
    "take": gather.take,
    "pick": gather.pick,
    "choose": gather.choose,
    "compress": gather.compress,
    "one_hot": gather.one_hot,
    "nonzero": selection.nonzero,
    "argmax": sorting.argmax,
    "argmin": sorting.argmin,
    "argsort": sorting.argsort,
    "topk": sorting.topk,
    "searchsorted": sorting.searchsorted,
    "cumsum": scan.cumsum,
    "cumprod": scan.cumprod,
    # products and element by element
    "dot": products.dot,
    "conj": complex_parts.conjugate,
    "conjugate": complex_parts.conjugate,
    "clip": selection.clip,
    "round": statistics.around,
    "fix": statistics.fix,
    "abs": _math["absolute"],
    **{name: _math[name] for name in ("exp", "expm1", "log", "log2", "log10", "log1p", "sqrt", "cbrt", "square", "reciprocal")},
    **{name: _math[name] for name in ("sign", "floor", "ceil", "trunc", "rint", "degrees", "radians")},
    **{name: _math[name] for name in ("sin", "cos", "tan", "arcsin", "arccos", "arctan")},
    **{name: _math[name] for name in ("sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh")},
    "relu": activation.relu,
    "sigmoid": activation.sigmoid,
    "softmax": softmax.softmax,
    "log_softmax": softmax.log_softmax,
}


def _reducing(op: Op, function: Callable[..., Any]) -> Callable[..., Any]:
    """The method of a reduction: the operator itself where only axes are named, else ``function``."""

    @functools.wraps(function)
    def method(x: NDArray, axis: Any = None, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs:
            return function(x, axis, *args, **kwargs)
        return apply(op, (x,), {"axis": reduced_axes(op.name, axis, len(x._data.shape)), "keepdims": False})

    return method


for _name, _function in METHODS.items():
    setattr(NDArray, _name, NUMPY.wrap(_function))
for _op in (reduction.SUM, reduction.PROD, reduction.MAX, reduction.MIN, reduction.ANY, reduction.ALL):
    setattr(NDArray, _op.name, _reducing(_op, getattr(NDArray, _op.name)))
for _part in (complex_parts.real, complex_parts.imag):
    setattr(NDArray, _part.__name__, property(NUMPY.wrap(_part)))
_WRITING: dict[str, Callable[..., None]] = {"fill": _fill, "sort": _sort}
for _name, _method in _WRITING.items():
    setattr(NDArray, _name, _method)
