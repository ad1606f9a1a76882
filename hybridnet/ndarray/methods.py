"""The methods of ``nd.NDArray``: functions of ``nd`` whose first argument is the array itself."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from hybridnet import core
from hybridnet.core import Op, apply
from hybridnet.ndarray import activations, creation, elementwise, indexing, layers, reduce  # noqa: F401  (they fill FUNCTIONS)
from hybridnet.ndarray import shape as _shape  # noqa: F401
from hybridnet.ndarray.classic import NDArray, finish_fresh
from hybridnet.ndarray.creation import to_dlpack_for_read, to_dlpack_for_write
from hybridnet.ndarray.internal import slice_assign, slice_assign_scalar
from hybridnet.ndarray.register import CLASSIC, FUNCTIONS, OPERATORS
from hybridnet.ops.common import normalize_axes
from hybridnet.ops.math import reduction

_NAMES = """
    abs arccos arccosh arcsin arcsinh arctan arctanh argmax argmax_channel argmin argsort broadcast_axes broadcast_like
    cbrt ceil clip cos cosh cumsum degrees depth_to_space diag dot exp expand_dims expm1 fix flatten flip floor log log10 log1p log2
    log_softmax max mean min nanprod nansum norm one_hot ones_like pad pick prod radians rcbrt reciprocal relu repeat reshape_like
    rint round rsqrt shape_array sigmoid sign sin sinh size_array slice slice_axis slice_like softmax softmin sort space_to_depth split
    split_v2 sqrt square squeeze sum swapaxes take tan tanh tile topk trunc zeros_like
"""

for _name in _NAMES.split():
    setattr(NDArray, _name, FUNCTIONS[_name])

_AXIS = frozenset({int, type(None)})


def _reducing(op: Op, function: Callable[..., Any]) -> Callable[..., Any]:
    """The method of a reduction: of floating arrays along one axis or all the operator itself, else ``function``."""

    @functools.wraps(function)
    def method(x: NDArray, axis: Any = None, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs or axis.__class__ not in _AXIS or x.__class__ is not NDArray or x._data.dtype.kind != "f":
            return function(x, axis, *args, **kwargs)
        return finish_fresh(apply(op, (x,), {"axis": normalize_axes(op.name, axis, len(x._data.shape)), "keepdims": False}))

    return method


for _op in (reduction.SUM, reduction.PROD, reduction.MAX, reduction.MIN):
    setattr(NDArray, _op.name, _reducing(_op, FUNCTIONS[_op.name]))


def _listed(items: tuple[Any, ...], named: Any) -> Any:
    """What ``f(2, 3)``, ``f((2, 3))`` and ``f(shape=(2, 3))`` all mean."""
    return named if named is not None else items[0] if len(items) == 1 and not isinstance(items[0], int) else items


#: ``nd.reshape`` whose result shares the array's memory.
_view = CLASSIC.wrap(OPERATORS["reshape"].function, "reshape", thin=True)


def _reshape(x: NDArray, *codes: Any, shape: Any = None, reverse: bool = False) -> Any:
    """The same elements, not copied, in another shape, given as integers or as one sequence; see ``nd.reshape``."""
    return _view(x, _listed(codes, shape), reverse)


def _expand_dims(x: NDArray, axis: int, inplace: bool = False) -> Any:
    """A new axis of length 1, in a copy, or with ``inplace`` in a view."""
    made = FUNCTIONS["expand_dims"](x, axis)
    return _view(x, made.shape) if inplace else made


def _flatten(x: NDArray, inplace: bool = False) -> Any:
    """(n, ...) as (n, elements), in a copy, or with ``inplace`` in a view."""
    made = FUNCTIONS["flatten"](x)
    return _view(x, made.shape) if inplace else made


def _squeeze(x: NDArray, axis: Any = None, inplace: bool = False) -> Any:
    """Without axes of length 1, in a copy, or with ``inplace`` in a view."""
    made = FUNCTIONS["squeeze"](x, axis)
    return _view(x, made.shape) if inplace else made


def _broadcast_like(x: NDArray, other: NDArray, lhs_axes: Any = None, rhs_axes: Any = None) -> Any:
    """Axes of length 1 repeated to the lengths of another array; see ``nd.broadcast_like``."""
    return FUNCTIONS["broadcast_like"](x, other, lhs_axes, rhs_axes)


def _slice_assign(x: NDArray, rhs: NDArray, begin: Any, end: Any, step: Any) -> Any:
    """Writes ``rhs``, of the shape of that part, to ``x[begin[0]:end[0]:step[0], ...]``; gives the array itself."""
    return slice_assign(x, rhs, begin, end, step, out=x)


def _slice_assign_scalar(x: NDArray, value: float, begin: Any, end: Any, step: Any) -> Any:
    """Writes a number to ``x[begin[0]:end[0]:step[0], ...]``; gives the array itself, in its shape."""
    return slice_assign_scalar(x, value, begin=begin, end=end, step=step, out=x)


def _at(x: NDArray, index: int) -> Any:
    """A view of ``x[index]``, without the first axis unless it is the only one."""
    return x[index]


def _slice(x: NDArray, start: int, stop: int) -> Any:
    """A view of the rows from ``start`` to before ``stop``."""
    return x[start:stop]


def _astype(x: NDArray, dtype: Any, copy: bool = True) -> Any:
    """The values cast to ``dtype``, in the same shape; the array itself if nothing changes and ``copy`` is false."""
    return core.NDArray.astype(x, dtype, copy=copy)


def _transpose(x: NDArray, *order: Any, axes: Any = None) -> Any:
    """The axes in another order, given as integers or as one sequence; reversed if none is given."""
    return FUNCTIONS["transpose"](x, _listed(order, axes))


def _broadcast_to(x: NDArray, *lengths: Any, shape: Any = None) -> Any:
    """Axes of length 1 repeated to a shape, given as integers or as one sequence; see ``nd.broadcast_to``."""
    return FUNCTIONS["broadcast_to"](x, _listed(lengths, shape))


_METHODS: dict[str, Any] = {
    "reshape": _reshape, "transpose": _transpose, "broadcast_to": _broadcast_to, "expand_dims": _expand_dims, "flatten": _flatten,
    "squeeze": _squeeze, "broadcast_like": _broadcast_like, "slice_assign": _slice_assign, "slice_assign_scalar": _slice_assign_scalar,
    "to_dlpack_for_read": to_dlpack_for_read, "to_dlpack_for_write": to_dlpack_for_write, "_at": _at,
    "_slice": _slice, "astype": _astype,
}  # fmt: skip
for _name, _method in _METHODS.items():
    setattr(NDArray, _name, _method)

#: Methods of 1.x's arrays that those of ``np`` have too, as MXNet lists them.
_OF_BOTH = """
    argmax_channel broadcast_axes depth_to_space nanprod nansum ones_like rcbrt rsqrt shape_array size_array slice slice_like softmin
    space_to_depth split_v2 zeros_like
"""
for _name in _OF_BOTH.split():
    setattr(core.NDArray, _name, FUNCTIONS[_name])
for _name in ("slice_assign", "slice_assign_scalar"):
    setattr(core.NDArray, _name, _METHODS[_name])
