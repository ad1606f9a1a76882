"""Operators of MXNet's that are about storage: ``cast_storage``, ``sparse_retain``, ``square_sum``, and ``adagrad_update``."""

from __future__ import annotations

from typing import Any, Literal

from hybridnet.core import call
from hybridnet.errors import ArgumentError, fail
from hybridnet.ndarray.attributes import Array, Shape
from hybridnet.ndarray.reduce import axes_of
from hybridnet.ndarray.register import classic
from hybridnet.ndarray.row_updates import by_rows
from hybridnet.ndarray.updates import scaled
from hybridnet.ops import sparse as _rules  # noqa: F401  (what operators do with arrays that are not dense)


@classic("cast_storage", shares=True)
def cast_storage(data: Array, stype: Literal["csr", "default", "row_sparse"]) -> Any:
    """``data`` in another storage: from ``default`` to ``csr`` (a matrix) or ``row_sparse``, and from those to ``default``."""
    return data.tostype(stype)


@classic("_sparse_retain")
def retain(data: Array, indices: Array) -> Any:
    """Of ``data`` the rows that are named by ``indices``, as an array of row_sparse storage; the others are 0."""
    return call("sparse_retain", data, indices)


@classic("_square_sum")
def square_sum(data: Array, axis: Shape | None = None, keepdims: bool = False, exclude: bool = False) -> Any:
    """The sum of squares over axes. Of row_sparse storage, as its input, where the rows stay, with ``keepdims``."""
    total = call("sum", call("square", data), axis=axes_of("square_sum", axis, data.ndim, exclude), keepdims=bool(keepdims))
    return total.tostype(data.stype) if data.stype == "row_sparse" and total.shape == (data.shape[0],) + (1,) * (data.ndim - 1) else total


@classic("_sparse_adagrad_update", aux=("history",))
def adagrad_update(
    weight: Array,
    grad: Array,
    history: Array,
    lr: float,
    epsilon: float = 1e-7,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
) -> Any:
    """history += grad²; gives weight - lr · grad / sqrt(history + epsilon). All are of one shape; a decay is refused, as in MXNet."""
    if wd:
        fail(ArgumentError, "sparse.adagrad_update", expected="wd=0", got=str(wd), fix="the optimizer AdaGrad, which has a weight decay")

    def rule(w: Any, g: Any, h: Any) -> Any:
        g = scaled(g, rescale_grad, clip_gradient)
        h._assign(h + call("square", g))
        return w - g * lr / call("sqrt", h + epsilon)

    return by_rows(weight, grad, (history,), rule)
