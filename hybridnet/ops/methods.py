"""The methods of ``NDArray`` that are operators: one table from a method's name to its function.

The core knows no operator, so they are attached to the class here, above the operators. Most are
the public functions themselves; those that take an argument list (``x.reshape(2, 3)``) are
written out below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet.core import NDArray
from hybridnet.ops import matmul, pointwise, reduction, shape
from hybridnet.ops.out import with_out

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


def _flatten(x: Any, order: str = "C") -> Any:
    """A copy in one dimension."""
    return shape.reshape(x, -1, order).copy()


def _ravel(x: Any, order: str = "C") -> Any:
    """The elements in one dimension."""
    return shape.reshape(x, -1, order)


def _reshape_like(x: Any, other: Any) -> Any:
    """The same elements in the shape of ``other``."""
    return shape.reshape(x, other.shape)


def _broadcast_like(x: Any, other: Any) -> Any:
    """Broadcast to the shape of ``other``."""
    return shape.broadcast_to(x, other.shape)


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
    "sum": with_out(reduction.sum),
    "prod": with_out(reduction.prod),
    "max": with_out(reduction.max),
    "min": with_out(reduction.min),
    "any": with_out(reduction.any),
    "all": with_out(reduction.all),
    "mean": with_out(reduction.mean),
    "var": with_out(reduction.var),
    "std": with_out(reduction.std),
    # shapes
    "reshape": _reshape,
    "reshape_like": _reshape_like,
    "transpose": _transpose,
    "broadcast_to": _broadcast_to,
    "broadcast_like": _broadcast_like,
    "flatten": _flatten,
    "ravel": _ravel,
    "squeeze": shape.squeeze,
    "expand_dims": shape.expand_dims,
    "split": shape.split,
    "slice_axis": shape.slice_axis,
    # element by element
    "clip": with_out(pointwise.clip),
    "nonzero": pointwise.nonzero,
    **{name: _math[name] for name in ("exp", "expm1", "log", "log2", "log10", "log1p", "sqrt", "cbrt", "square", "reciprocal")},
    **{name: _math[name] for name in ("sign", "floor", "ceil", "trunc", "rint", "degrees", "radians")},
    **{name: _math[name] for name in ("sin", "cos", "tan", "arcsin", "arccos", "arctan")},
    **{name: _math[name] for name in ("sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh")},
    "abs": _math["absolute"],
}

for _name, _function in METHODS.items():
    setattr(NDArray, _name, _function)
