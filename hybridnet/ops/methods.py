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
from hybridnet.ops.array import gather, rearrange, selection, selective, sorting, writing
from hybridnet.ops.array import shape as core_shape
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


def _reshape(x: Any, *lengths: Any, shape: Any = None, newshape: Any = None, order: str = "C", copy: bool | None = None) -> Any:
    """The same elements in another shape: integers, or one sequence of them."""
    named = newshape if shape is None else shape
    return core_shape.reshape(x, _listed(lengths) if named is None else named, order, copy)


def _transpose(x: Any, *order: Any, axes: Any = None) -> Any:
    """The axes in another order: integers, or one sequence of them; reversed without any."""
    return core_shape.transpose(x, _listed(order) if order else axes)


def _broadcast_to(x: Any, *lengths: Any, shape: Any = None) -> Any:
    """Repeated along new and length-1 axes to a shape."""
    return core_shape.broadcast_to(x, _listed(lengths) if shape is None else shape)


def _tile(x: Any, *counts: Any, reps: Any = None) -> Any:
    """Laid side by side as often as ``reps`` says along each axis."""
    return rearrange.tile(x, _listed(counts) if reps is None else reps)


def _flatten(x: Any, order: str = "C") -> Any:
    """A copy in one dimension."""
    return rearrange.ravel(x, order).copy()


def _reshape_like(x: Any, other: Any) -> Any:
    """The same elements in the shape of ``other``."""
    return core_shape.reshape(x, other.shape)


def _broadcast_like(x: Any, other: Any) -> Any:
    """Broadcast to the shape of ``other``."""
    return core_shape.broadcast_to(x, other.shape)


def _fill(x: Any, value: Any) -> None:
    """Make every element ``value``, in place."""
    x[...] = value


def _sort(x: Any, axis: int = -1, kind: str | None = None, order: Any = None, stable: bool | None = None) -> None:
    """Sort along an axis, in place."""
    x[...] = sorting.sort(x, axis, kind, order, stable=stable)


def _partition(x: Any, kth: Any, axis: int = -1, kind: str = "introselect", order: Any = None) -> None:
    """Put the elements at ``kth`` along an axis where sorting would put them, in place."""
    x[...] = sorting.partition(x, kth, axis, kind, order)


def _tobytes(x: Any, order: str | None = "C") -> bytes:
    """The elements as bytes, in C order (``F``: the first axis runs fastest)."""
    return x.asnumpy().tobytes(order)  # type: ignore[no-any-return]


def _tofile(x: Any, fid: Any, sep: str = "", format: str = "%s") -> None:
    """Write the elements to a file: as bytes, or as text with ``sep`` between them."""
    x.asnumpy().tofile(fid, sep, format)


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
    "reshape_view": _reshape,
    "transpose": _transpose,
    "swapaxes": rearrange.swapaxes,
    "broadcast_to": _broadcast_to,
    "broadcast_like": _broadcast_like,
    "flatten": _flatten,
    "ravel": rearrange.ravel,
    "squeeze": core_shape.squeeze,
    "expand_dims": core_shape.expand_dims,
    "split": core_shape.split,
    "slice_axis": core_shape.slice_axis,
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
    "argpartition": sorting.argpartition,
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
_WRITING: dict[str, Callable[..., Any]] = {
    "fill": _fill, "sort": _sort, "partition": _partition, "put": writing.put, "tobytes": _tobytes, "tofile": _tofile,
}  # fmt: skip
for _name, _method in _WRITING.items():
    setattr(NDArray, _name, _method)
