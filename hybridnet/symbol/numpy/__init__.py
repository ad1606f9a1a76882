"""``sym.np``: symbols of NumPy's functions, with MXNet's names, parameters and operators in files.

Its symbols are ``_Symbol``, whose operators and methods are NumPy's; ``x.as_np_ndarray()`` makes one of any symbol. Their arrays follow
NumPy's rules wherever they are bound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridnet import absent
from hybridnet.symbol.numpy import elementwise, linalg, methods, random, register
from hybridnet.symbol.numpy.creation import (
    arange,
    blackman,
    empty_like,
    eye,
    full,
    full_like,
    hamming,
    hanning,
    identity,
    indices,
    linspace,
    logspace,
    ones,
    ones_like,
    zeros,
    zeros_like,
)
from hybridnet.symbol.numpy.reductions import (
    argmax,
    argmin,
    argsort,
    around,
    average,
    bincount,
    clip,
    diff,
    ediff1d,
    einsum,
    histogram,
    inner,
    matmul,
    mean,
    nan_to_num,
    outer,
    percentile,
    polyval,
    quantile,
    round,
    round_,
    sort,
    std,
    tensordot,
    var,
    vdot,
    where,
)
from hybridnet.symbol.numpy.shapes import (
    append,
    array_split,
    atleast_1d,
    atleast_2d,
    atleast_3d,
    broadcast_to,
    column_stack,
    concatenate,
    delete,
    diag_indices_from,
    dsplit,
    dstack,
    expand_dims,
    flip,
    fliplr,
    flipud,
    hsplit,
    hstack,
    insert,
    may_share_memory,
    pad,
    ravel,
    resize,
    rot90,
    row_stack,
    shares_memory,
    split,
    stack,
    swapaxes,
    take,
    tile,
    tril,
    unique,
    unravel_index,
    vsplit,
    vstack,
)
from hybridnet.symbol.symbol import _Symbol

globals().update(elementwise.FUNCTIONS)
globals().update(register.FUNCTIONS)
_internal = register.namespace(f"{__name__}._internal", "_npi_")
_op = register.namespace(f"{__name__}._op", "_np_")

__all__ = [
    *elementwise.FUNCTIONS, *register.FUNCTIONS, "_Symbol", "append", "arange", "argmax", "argmin", "argsort", "around", "array_split",
    "atleast_1d", "atleast_2d", "atleast_3d", "average", "bincount", "blackman", "broadcast_to", "clip", "column_stack", "concatenate",
    "delete", "diag_indices_from", "diff", "dsplit", "dstack", "ediff1d", "einsum", "empty_like", "expand_dims", "eye", "flip",
    "fliplr", "flipud", "full", "full_like", "hamming", "hanning", "histogram", "hsplit", "hstack", "identity", "indices", "inner",
    "insert", "linalg", "linspace", "logspace", "matmul", "may_share_memory", "mean", "methods", "nan_to_num", "ones", "ones_like",
    "outer", "pad", "percentile", "polyval", "quantile", "random", "ravel", "resize", "rot90", "round", "round_", "row_stack",
    "shares_memory", "sort", "split", "stack", "std", "swapaxes", "take", "tensordot", "tile", "tril", "unique", "unravel_index", "var",
    "vdot", "vsplit", "vstack", "where", "zeros", "zeros_like",
]  # fmt: skip

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
else:
    __getattr__ = absent.teller(__name__)
