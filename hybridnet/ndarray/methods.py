"""The methods of ``nd.NDArray``: classic operators whose first argument is the array itself."""

from __future__ import annotations

from hybridnet.ndarray import creation, elementwise, indexing, nn, reduce, shape  # noqa: F401  (they fill OPERATORS)
from hybridnet.ndarray.classic import NDArray
from hybridnet.ndarray.register import OPERATORS

_NAMES = """
    abs arccos arccosh arcsin arcsinh arctan arctanh argmax argmax_channel argmin argsort broadcast_axes broadcast_like broadcast_to
    cbrt ceil clip cos cosh cumsum degrees depth_to_space diag dot exp expand_dims expm1 fix flatten flip floor log log10 log1p log2
    log_softmax max mean min nanprod nansum norm one_hot ones_like pad pick prod radians rcbrt reciprocal relu repeat reshape reshape_like
    rint round rsqrt shape_array sigmoid sign sin sinh size_array slice slice_axis slice_like softmax softmin sort space_to_depth split
    split_v2 sqrt square squeeze sum swapaxes take tan tanh tile topk transpose trunc zeros_like
"""

for _name in _NAMES.split():
    setattr(NDArray, _name, OPERATORS[_name])
