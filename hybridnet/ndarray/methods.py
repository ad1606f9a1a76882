"""The methods of ``nd.NDArray``: functions of ``nd`` whose first argument is the array itself."""

from __future__ import annotations

from typing import Any

from hybridnet.ndarray import activations, creation, elementwise, indexing, layers, reduce  # noqa: F401  (they fill FUNCTIONS)
from hybridnet.ndarray import shape as _shape  # noqa: F401
from hybridnet.ndarray.classic import NDArray
from hybridnet.ndarray.register import FUNCTIONS

_NAMES = """
    abs arccos arccosh arcsin arcsinh arctan arctanh argmax argmax_channel argmin argsort broadcast_axes broadcast_like
    cbrt ceil clip cos cosh cumsum degrees depth_to_space diag dot exp expand_dims expm1 fix flatten flip floor log log10 log1p log2
    log_softmax max mean min nanprod nansum norm one_hot ones_like pad pick prod radians rcbrt reciprocal relu repeat reshape_like
    rint round rsqrt shape_array sigmoid sign sin sinh size_array slice slice_axis slice_like softmax softmin sort space_to_depth split
    split_v2 sqrt square squeeze sum swapaxes take tan tanh tile topk trunc zeros_like
"""

for _name in _NAMES.split():
    setattr(NDArray, _name, FUNCTIONS[_name])


def _listed(items: tuple[Any, ...], named: Any) -> Any:
    """What ``f(2, 3)``, ``f((2, 3))`` and ``f(shape=(2, 3))`` all mean."""
    return named if named is not None else items[0] if len(items) == 1 and not isinstance(items[0], int) else items


def _reshape(x: NDArray, *codes: Any, shape: Any = None, reverse: bool = False) -> Any:
    """The same elements in another shape, given as integers or as one sequence; see ``nd.reshape``."""
    return FUNCTIONS["reshape"](x, _listed(codes, shape), reverse)


def _transpose(x: NDArray, *order: Any, axes: Any = None) -> Any:
    """The axes in another order, given as integers or as one sequence; reversed if none is given."""
    return FUNCTIONS["transpose"](x, _listed(order, axes))


def _broadcast_to(x: NDArray, *lengths: Any, shape: Any = None) -> Any:
    """Axes of length 1 repeated to a shape, given as integers or as one sequence; see ``nd.broadcast_to``."""
    return FUNCTIONS["broadcast_to"](x, _listed(lengths, shape))


for _name, _method in {"reshape": _reshape, "transpose": _transpose, "broadcast_to": _broadcast_to}.items():
    setattr(NDArray, _name, _method)
