"""The arguments with which NumPy's functions are called at random: by function what it must have, by name what keywords may be."""

from __future__ import annotations

from typing import Any

import numpy as np
from support.numpy_draws import Draws, Value

Arguments = Value  # Draws -> tuple of positional arguments


def _each(names: str, arguments: Arguments) -> dict[str, Arguments]:
    return dict.fromkeys(names.split(), arguments)


def _square_axes(d: Draws) -> tuple[Any, ...]:
    return (d.array(2, 3),)


def _matrices(d: Draws) -> tuple[Any, ...]:
    n, k, m = d.integer(0, 3), d.integer(0, 4), d.integer(0, 3)
    lead = d.shape(0, 1)
    return d.array(shape=(*lead, n, k), odd=0), d.array(shape=(*d.beside(lead), k if d.chance(0.95) else k + 1, m), odd=0)


def _product(d: Draws) -> tuple[Any, ...]:
    k = d.integer(0, 4)
    a = d.array(shape=(*d.shape(0, 2), k), odd=0)
    return a, d.array(shape=(k,) if d.chance(0.4) else (*d.shape(0, 1), k, d.integer(1, 3)), odd=0)


def _same_last(d: Draws) -> tuple[Any, ...]:
    k = d.integer(0, 4)
    return d.array(shape=(*d.shape(0, 2), k), odd=0), d.array(shape=(*d.shape(0, 2), k), odd=0)


def _matrix_and_vector(d: Draws, turned: bool = False) -> tuple[Any, ...]:
    n, k = d.integer(0, 3), d.integer(0, 4)
    matrix = d.array(shape=(*d.shape(0, 1), *((k, n) if turned else (n, k))), odd=0)
    vector = d.array(shape=(k,), odd=0)
    return (vector, matrix) if turned else (matrix, vector)


def _along(d: Draws) -> tuple[Any, ...]:
    a = d.array(1, 3)
    axis = d.integer(-a.ndim, a.ndim - 1)
    shape = list(a.shape)
    shape[axis] = d.integer(1, 3)
    n = a.shape[axis]
    return a, d.rng.integers(-n, n, shape) if n else np.zeros(shape, np.int64), axis


def _reshaped(d: Draws) -> tuple[Any, ...]:
    a = d.array()
    shape = [int(n) for n in d.rng.permutation(a.shape)] + ([1] if d.chance(0.3) else [])
    if shape and d.chance(0.5):
        shape[d.integer(0, len(shape) - 1)] = -1
    return a, tuple(shape)


def _joined(d: Draws) -> tuple[Any, ...]:
    return (d.several(1, 3),)


def _indices(d: Draws, n: int, shape: Any = None) -> Any:
    shape = d.shape(0, 2) if shape is None else shape
    return d.rng.integers(-n, n, shape) if n else np.zeros((0,), np.int64)


def _take(d: Draws) -> tuple[Any, ...]:
    a = d.array(1, 3)
    return a, _indices(d, a.size if d.chance(0.5) else min(a.shape))


def _pieces(d: Draws) -> Any:
    return d.integer(1, 3) if d.chance(0.6) else sorted(d.integer(0, 4) for _ in range(d.integer(1, 2)))


def _histogram(d: Draws) -> tuple[Any, ...]:
    return (d.array(0, 2, odd=0),)


def _solved(d: Draws) -> tuple[Any, ...]:
    a = d.square()
    n = a.shape[-1]
    return a, d.array(shape=(*a.shape[:-2], n, d.integer(1, 3)) if a.ndim > 2 or d.chance(0.5) else (n,), kinds="f", odd=0)


def _fitted(d: Draws) -> tuple[Any, ...]:
    n = d.integer(4, 7)
    return d.array(shape=(n, 3), kinds="f", odd=0), d.array(shape=(n, 2) if d.chance(0.5) else (n,), kinds="f", odd=0)


def _weights(d: Draws) -> Any:
    return d.rng.integers(0, 4, d.first.shape) / 4


def _polynomials(d: Draws) -> tuple[Any, ...]:
    return d.array(1, 1, odd=0), d.array(1, 1, odd=0)


UNARY = """
    abs absolute cbrt ceil conjugate cos cosh deg2rad degrees exp exp2 expm1 fabs floor frexp invert bitwise_invert bitwise_not isfinite
    isinf isnan log log10 log1p log2 logical_not modf negative positive rad2deg radians reciprocal rint sign signbit sin sinh spacing sqrt
    square tan tanh trunc real imag angle isreal iscomplex conj isrealobj iscomplexobj
    arccos arccosh arcsin arcsinh arctan arctanh acos acosh asin asinh atan atanh bitwise_count
"""
BINARY = """
    add arctan2 atan2 copysign divide divmod equal float_power floor_divide fmax fmin fmod greater greater_equal heaviside hypot less
    less_equal logaddexp logaddexp2 logical_and logical_or logical_xor maximum minimum mod multiply not_equal remainder
    subtract true_divide nextafter
"""
OF_INTEGERS = "bitwise_and bitwise_or bitwise_xor gcd lcm"
REDUCTIONS = """
    all amax amin any max mean min prod std sum var nanmax nanmean nanmin nanprod nanstd nansum nanvar median nanmedian ptp
    count_nonzero average
"""
#: Reductions and scans along one axis, or all of the array.
ALONG = "argmax argmin nanargmax nanargmin cumsum cumprod nancumsum nancumprod"
ALONG_ONE = "argsort sort diff trapezoid unwrap gradient"
WHOLE = """
    argwhere around atleast_1d atleast_2d atleast_3d copy diagflat ediff1d fix flatnonzero flip flipud isneginf isposinf
    nan_to_num ndim nonzero ravel round shape sinc size squeeze transpose permute_dims tril triu unique
    empty_like ones_like zeros_like ascontiguousarray array asarray i0 asanyarray asfortranarray
"""
ARGUMENTS: dict[str, Arguments] = {
    **_each(UNARY, lambda d: (d.array(),)),
    **_each(BINARY, lambda d: (d.array(), d.operand())),
    **_each(OF_INTEGERS, lambda d: (d.array(kinds="iub", span=(0, 9)), d.operand(kinds="iub", span=(0, 9)))),
    **_each(
        "left_shift right_shift bitwise_left_shift bitwise_right_shift",
        lambda d: (d.array(kinds="iu"), d.operand(kinds="iu", span=(0, 3))),
    ),
    **_each("floor_divide mod remainder fmod divmod", lambda d: (d.quarters(d.array()), d.quarters(d.operand()))),
    **_each("power pow", lambda d: (d.array(span=(0.25, 3)), d.operand(span=(0, 3)))),
    "ldexp": lambda d: (d.array(kinds="f"), d.operand(kinds="i", span=(-3, 3))),
    **_each(REDUCTIONS, lambda d: (d.array(),)),
    **_each(ALONG, lambda d: (d.array(),)),
    **_each(ALONG_ONE, lambda d: (d.array(),)),
    **_each(WHOLE, lambda d: (d.array(),)),
    "fliplr": lambda d: (d.array(2, 3),),
    "rot90": lambda d: (d.array(2, 3),),
    "diag": lambda d: (d.array(1, 2),),
    **_each("diagonal trace", _square_axes),
    "matrix_transpose": lambda d: (d.array(2, 3),),
    "diag_indices_from": lambda d: (d.array(shape=(d.integer(0, 3),) * d.integer(1, 3)),),
    **_each("tril_indices_from triu_indices_from", lambda d: (d.array(2, 2),)),
    **_each("concatenate concat stack hstack vstack row_stack column_stack dstack", _joined),
    "block": lambda d: ([d.several(1, 2)],),
    "append": lambda d: (d.array(), d.array(shape=d.first.shape) if d.chance(0.6) else d.number()),
    "array_split": lambda d: (d.array(1, 3), _pieces(d)),
    "split": lambda d: (d.array(1, 3), _pieces(d)),
    "hsplit": lambda d: (d.array(1, 3), _pieces(d)),
    "vsplit": lambda d: (d.array(2, 3), _pieces(d)),
    "dsplit": lambda d: (d.array(3, 3), _pieces(d)),
    "unstack": lambda d: (d.array(1, 3),),
    **_each("blackman hamming hanning bartlett", lambda d: (d.integer(0, 7),)),
    "kaiser": lambda d: (d.integer(0, 7), d.number()),
    "identity": lambda d: (d.integer(0, 4),),
    "eye": lambda d: (d.integer(0, 4),),
    "tri": lambda d: (d.integer(0, 4),),
    **_each("tril_indices triu_indices diag_indices", lambda d: (d.integer(0, 4),)),
    "mask_indices": lambda d: (d.integer(0, 4), d.one(np.triu, np.tril)),
    **_each("zeros ones empty indices", lambda d: (d.shape(),)),
    "full": lambda d: (d.shape(), d.number() if d.chance(0.6) else d.array(0, 0)),
    "full_like": lambda d: (d.array(), d.number()),
    "arange": lambda d: (d.number(), d.number() * 3),
    **_each("linspace", lambda d: (d.number(), d.number()) if d.chance(0.6) else (d.array(0, 2, odd=0), d.like(odd=0))),
    "logspace": lambda d: (d.number(), d.number()),
    "geomspace": lambda d: (d.one(1, 2.5, 4), d.one(8, 0.5, 100)),
    **_each("allclose isclose array_equal array_equiv", lambda d: (d.array(), d.like() if d.chance(0.6) else d.first)),
    "argpartition": lambda d: (d.array(1, 1, odd=0), 0),
    "partition": lambda d: (d.array(1, 3, odd=0), 0),
    "astype": lambda d: (d.array(odd=0), str(d.dtype())),
    "bincount": lambda d: (d.array(1, 1, kinds="iub", span=(0, 5)),),
    "broadcast_arrays": lambda d: (d.array(), d.like()),
    "broadcast_to": lambda d: (
        d.array(shape=d.beside(d.shape())),
        (*d.shape(0, 1), *(d.integer(2, 3) if n == 1 else n for n in d.first.shape)),
    ),
    "broadcast_shapes": lambda d: (d.shape(), d.shape()),
    "choose": lambda d: (d.array(kinds="i", span=(0, 2)), [d.like() for _ in range(3)]),
    "clip": lambda d: (d.array(), d.one(None, -1.5, -2, d.like(odd=0)), d.one(1, 2.5, d.like(odd=0))),
    "compress": lambda d: (d.values((d.integer(0, 3),), "bool"), d.array(1, 3)),
    "convolve": lambda d: (d.array(1, 1, odd=0), d.array(1, 1, odd=0)),
    "correlate": lambda d: (d.array(1, 1, odd=0), d.array(1, 1, odd=0)),
    **_each("cov corrcoef", lambda d: (d.array(1, 2, odd=0),)),
    "cross": lambda d: (d.array(shape=(*d.shape(0, 1), 3), odd=0), d.array(shape=(3,), odd=0)),
    "delete": lambda d: (d.array(1, 3), d.one(0, -1, [0, 0], slice(0, 2))),
    "digitize": lambda d: (d.array(), np.sort(d.array(1, 1, odd=0))),
    "searchsorted": lambda d: (d.sorted_vector(), d.array(0, 2)),
    "dot": _product,
    "matmul": _matrices,
    "inner": _same_last,
    "vdot": lambda d: (d.array(1, 2, odd=0), d.array(shape=d.first.shape, odd=0)),
    **_each("vecdot linalg.vecdot", _same_last),
    "matvec": lambda d: _matrix_and_vector(d),
    "vecmat": lambda d: _matrix_and_vector(d, True),
    **_each("cumulative_sum cumulative_prod", lambda d: (d.array(0, 1),)),
    **_each("unique_all unique_counts unique_inverse unique_values", lambda d: (d.array(odd=0),)),
    **_each("sort_complex real_if_close require", lambda d: (d.array(0, 2),)),
    "common_type": lambda d: tuple(d.several(1, 3)),
    "isdtype": lambda d: (d.dtype(), d.one("bool", "integral", "real floating", "numeric", ("bool", "signed integer"))),
    "outer": lambda d: (d.array(0, 2, odd=0), d.array(0, 2, odd=0)),
    "kron": lambda d: (d.array(0, 2, odd=0), d.array(0, 2, odd=0)),
    "tensordot": lambda d: (
        d.array(shape=(2, 3, d.integer(0, 2)), odd=0),
        d.array(shape=(3, 2), odd=0),
        d.one(0, ([1], [0]), ([0, 1], [1, 0])),
    ),
    "einsum": lambda d: (d.one("ij,jk->ik", "ij,jk", "ij,jk->", "ij,jk->kij"), d.array(shape=(2, 3), odd=0), d.array(shape=(3, 2), odd=0)),
    "expand_dims": lambda d: (d.array(), d.axis() if d.chance(0.7) else (0, -1)),
    "extract": lambda d: (d.values(d.shape(), "bool"), d.array(shape=d.shape(0, 2))),
    **_each("histogram histogram_bin_edges", _histogram),
    "histogram2d": lambda d: (d.array(shape=(d.integer(0, 5),), odd=0), d.array(shape=d.first.shape, odd=0)),
    "histogramdd": lambda d: (d.array(shape=(d.integer(1, 5), d.integer(1, 3)), odd=0),),
    "insert": lambda d: (d.array(1, 3), d.one(0, -1, 1), d.number()),
    "interp": lambda d: (d.array(0, 2, odd=0), np.arange(4.0) - d.integer(0, 3), d.array(shape=(4,), kinds="f", odd=0)),
    **_each("intersect1d setdiff1d setxor1d union1d", lambda d: (d.array(1, 1), d.array(1, 1))),
    **_each("isin in1d", lambda d: (d.array(), d.array())),
    "ix_": lambda d: (d.array(1, 1, kinds="i"), d.array(1, 1, kinds="ib")),
    "lexsort": lambda d: (d.several(1, 2),),
    "may_share_memory": lambda d: (d.array(), d.array()),
    "shares_memory": lambda d: (d.array(), d.array()),
    "meshgrid": lambda d: tuple(d.array(1, 1) for _ in range(d.integer(1, 3))),
    "moveaxis": lambda d: (d.array(1, 3), d.axis(), d.axis()),
    "rollaxis": lambda d: (d.array(1, 3), d.axis()),
    "swapaxes": lambda d: (d.array(1, 3), d.axis(), d.axis()),
    **_each("packbits", lambda d: (d.array(kinds="ub", span=(0, 1)).astype(d.one("uint8", "bool")),)),
    "unpackbits": lambda d: (d.array(kinds="u", span=(0, 255)).astype("uint8"),),
    "pad": lambda d: (d.array(1, 3), d.one(1, 0, (1, 2), 2)),
    **_each("quantile nanquantile", lambda d: (d.array(odd=0.2), d.one(0.3, 0.0, 1.0, [0.25, 0.5]))),
    **_each("percentile nanpercentile", lambda d: (d.array(odd=0.2), d.one(30, 0, 100, [25, 50]))),
    "piecewise": lambda d: (d.array(), [d.first > 1, d.first < 0], [d.number(), d.number(), d.number()][: d.integer(2, 3)]),
    "poly": lambda d: (d.array(1, 1, odd=0),),
    "roots": lambda d: (np.poly(d.array(1, 1, kinds="f", odd=0)),),
    **_each("polyadd polymul polysub", _polynomials),
    "polydiv": lambda d: (d.whole(d.integer(0, 4)), d.whole(d.integer(1, 3), first=1)),
    "polyder": lambda d: (d.array(1, 1, odd=0),),
    "polyint": lambda d: (d.array(1, 1, odd=0),),
    "polyfit": lambda d: (np.arange(6.0), d.array(shape=(6,) if d.chance(0.7) else (6, 2), kinds="f", odd=0), d.integer(0, 2)),
    "polyval": lambda d: (d.array(1, 1, odd=0), d.array(odd=0)),
    "ravel_multi_index": lambda d: ((d.rng.integers(0, 2, (3,)), d.rng.integers(0, 3, (3,))), (2, 3)),
    "unravel_index": lambda d: (d.rng.integers(0, 6, d.shape(0, 2)), (2, 3)),
    "repeat": lambda d: (d.array(), d.integer(0, 3)),
    "reshape": _reshaped,
    "resize": lambda d: (d.array(), d.shape(1, 2)),
    "roll": lambda d: (d.array(), d.integer(-4, 4)),
    "select": lambda d: ([d.values(d.shape(), "bool")], [d.array()]),
    "take": _take,
    "take_along_axis": _along,
    "tile": lambda d: (d.array(), d.one(2, (2, 1), (1, 2, 2), 0)),
    "trim_zeros": lambda d: (d.array(1, 1, span=(-1, 1)),),
    "vander": lambda d: (d.array(1, 1, odd=0),),
    "where": lambda d: (d.values(d.shape(), "bool"), d.array(), d.operand()),
    "apply_along_axis": lambda d: (np.sum, d.axis(), d.array(1, 3)),
    **_each("result_type promote_types can_cast", lambda d: (d.dtype(), d.dtype())),
    **_each("linalg.diagonal linalg.trace linalg.matrix_transpose", lambda d: (d.array(2, 3),)),
    "linalg.outer": lambda d: (d.array(1, 1, odd=0), d.array(1, 1, odd=0)),
    "linalg.cross": lambda d: (d.array(shape=(*d.shape(0, 1), 3), odd=0), d.array(shape=(3,), odd=0)),
    "linalg.matmul": _matrices,
    "linalg.tensordot": lambda d: (d.array(shape=(2, 3, d.integer(0, 2)), odd=0), d.array(shape=(3, 2), odd=0)),
    "linalg.cholesky": lambda d: (d.square(symmetric=True),),
    **_each(
        "linalg.det linalg.inv linalg.slogdet linalg.pinv linalg.qr linalg.svdvals linalg.cond linalg.matrix_rank",
        lambda d: (d.square(),),
    ),
    "linalg.svd": lambda d: (d.square(),),
    **_each("linalg.eigh linalg.eigvalsh", lambda d: (d.square(symmetric=True),)),
    **_each("linalg.eig linalg.eigvals", lambda d: (d.square(symmetric=True),)),
    "linalg.lstsq": _fitted,
    "linalg.matrix_norm": lambda d: (d.array(2, 3, odd=0),),
    "linalg.vector_norm": lambda d: (d.array(odd=0),),
    "linalg.norm": lambda d: (d.array(odd=0),),
    "linalg.matrix_power": lambda d: (d.square(), d.integer(-2, 3)),
    "linalg.solve": _solved,
    "linalg.tensorinv": lambda d: (d.square(lead=0),),
    "linalg.tensorsolve": lambda d: (d.square(lead=0), d.array(shape=d.first.shape[:1], kinds="f", odd=0)),
    "linalg.multi_dot": lambda d: ([d.array(shape=(2, 3), odd=0), d.array(shape=(3, 2), odd=0), d.array(shape=(2, 2), odd=0)],),
}

_MANY = set(REDUCTIONS.split()) | {"flip", "squeeze", "linalg.vector_norm", "quantile", "percentile", "nanquantile", "nanpercentile"}

#: What a keyword may be; a function's own in :data:`OWN`.
KEYWORDS: dict[str, Value] = {
    "axis": Draws.axis_or_none,
    "axis1": Draws.axis,
    "axis2": Draws.axis,
    "keepdims": lambda d: True,
    "dtype": lambda d: d.one("float32", "float64", "float16", "int64", "int32", "uint8", "bool"),
    "ddof": lambda d: d.one(0, 1, 2),
    "correction": lambda d: d.one(0, 1),
    "where": Draws.mask,
    "initial": lambda d: d.one(0, 1, 3, 0.5),
    "casting": lambda d: d.one("same_kind", "unsafe", "safe", "equiv", "no"),
    "order": lambda d: d.one("C", "F", "A", "K"),
    "k": lambda d: d.integer(-2, 2),
    "offset": lambda d: d.integer(-2, 2),
    "decimals": lambda d: d.integer(-1, 2),
    "copy": lambda d: True,
    "rtol": lambda d: d.one(1e-2, 0.5),
    "atol": lambda d: d.one(1e-2, 0.5),
    "equal_nan": lambda d: d.chance(0.7),
    "return_index": lambda d: True,
    "return_inverse": lambda d: True,
    "return_counts": lambda d: True,
    "return_indices": lambda d: True,
    "assume_unique": lambda d: False,
    "stable": lambda d: True,
    "side": lambda d: d.one("left", "right"),
    "invert": lambda d: True,
    "minlength": lambda d: d.integer(0, 8),
    "rowvar": lambda d: False,
    "density": lambda d: True,
    "sparse": lambda d: True,
    "endpoint": lambda d: False,
    "retstep": lambda d: True,
    "num": lambda d: d.integer(0, 6),
    "overwrite_input": lambda d: False,
    "max_work": lambda d: 0,
    "hermitian": lambda d: False,
    "indexing": lambda d: d.one("xy", "ij"),
    "right": lambda d: True,
    "bias": lambda d: True,
    "sorted": lambda d: True,
    "returned": lambda d: True,
    "increasing": lambda d: True,
    "include_initial": lambda d: True,
    "tol": lambda d: d.one(100, 0.5),
    "requirements": lambda d: d.one("C", ["A", "W"], "C_CONTIGUOUS"),
}
OWN: dict[str, Value] = {
    "angle.deg": lambda d: d.one(True, False),
    **{f"{name}.axis": Draws.axes for name in _MANY},
    **{f"{name}.axis": Draws.axis for name in ["concatenate", "concat", "stack", "diff", "split", "array_split", "unstack", "trapezoid"]},
    **{f"{name}.axis": lambda d: d.one(0, 1, -1) for name in ("linspace", "logspace", "geomspace", "unwrap")},
    **{
        f"{name}.weights": lambda d: d.array(shape=d.first.shape, kinds="fi", span=(0.5, 3), odd=0)
        for name in ("average", "bincount", "histogram")
    },
    "histogramdd.weights": lambda d: d.array(shape=d.first.shape[:1], kinds="f", span=(0.5, 3), odd=0),
    "histogram2d.weights": lambda d: d.array(shape=d.first.shape[:1], kinds="f", span=(0.5, 3), odd=0),
    **{f"{name}.bins": lambda d: d.one(4, 3, np.array([-5.0, 0.0, 1.5, 6.0])) for name in ("histogram", "histogram_bin_edges")},
    **{f"{name}.range": lambda d: (-2.0, 2.5) for name in ("histogram", "histogram_bin_edges")},
    **{f"{name}.bins": lambda d: d.one(3, 2) for name in ("histogram2d", "histogramdd")},
    **{
        f"{name}.method": lambda d: d.one("linear", "lower", "higher", "nearest", "midpoint", "weibull", "hazen", "median_unbiased")
        for name in ("quantile", "percentile", "nanquantile", "nanpercentile")
    },
    "arange.stop": lambda d: d.number(),
    "array.ndmax": lambda d: None,
    "clip.a_min": lambda d: -1.5,
    "clip.a_max": lambda d: 2.5,
    "clip.min": lambda d: d.one(-1.5, d.like(odd=0)),
    "clip.max": lambda d: d.one(2, d.like(odd=0)),
    "cross.axisa": lambda d: d.one(-1, 0),
    "cross.axisb": lambda d: -1,
    "cross.axisc": lambda d: d.one(-1, 0),
    "einsum.optimize": lambda d: d.one(True, False),
    **{f"{name}.shape": lambda d: d.shape() for name in ("empty_like", "full_like", "ones_like", "zeros_like")},
    "partition.kind": lambda d: "introselect",
    "argpartition.kind": lambda d: "introselect",
    **{f"{name}.weights": _weights for name in ("quantile", "percentile", "nanquantile", "nanpercentile")},
    "histogram2d.range": lambda d: [(-2.0, 2.0), (-3.0, 1.5)],
    "histogramdd.range": lambda d: [(-2.0, 2.0)] * d.first.shape[1],
    "histogram_bin_edges.weights": lambda d: None,
    "nanstd.mean": lambda d: np.nanmean(d.first, keepdims=True) if d.first.size else 0,
    "nanvar.mean": lambda d: np.nanmean(d.first, keepdims=True) if d.first.size else 0,
    "linalg.cholesky.upper": lambda d: True,
    "linalg.tensorsolve.axes": lambda d: None,
    "polyfit.rcond": lambda d: 1e-6,
    "trapezoid.x": lambda d: np.cumsum(d.values((max(d.first.shape[-1:] or (1,)),), "float32", 1, 2, 0)),
    "arange.step": lambda d: d.one(1, 2, -1, 0.5),
    "argsort.kind": lambda d: d.one("stable", "quicksort", "mergesort", "heapsort"),
    "sort.kind": lambda d: d.one("stable", "quicksort", "mergesort", "heapsort"),
    "isin.kind": lambda d: d.one("sort", "table"),
    "array.ndmin": lambda d: d.integer(0, 3),
    "bincount.weights": lambda d: d.array(shape=d.first.shape, kinds="fi", odd=0),
    **{f"{name}.order": lambda d: None for name in ("sort", "argsort", "partition", "argpartition")},
    "copy.order": lambda d: d.one("C", "F"),
    "cov.y": lambda d: d.array(shape=d.first.shape, odd=0),
    "corrcoef.y": lambda d: d.array(shape=d.first.shape, odd=0),
    "cov.fweights": lambda d: d.rng.integers(1, 4, (max(d.first.shape[-1:] or (1,)),)),
    "cov.aweights": lambda d: d.rng.integers(2, 8, (max(d.first.shape[-1:] or (1,)),)) / 4,
    "convolve.mode": lambda d: d.one("full", "same", "valid"),
    "correlate.mode": lambda d: d.one("full", "same", "valid"),
    "choose.mode": lambda d: d.one("raise", "wrap", "clip"),
    "take.mode": lambda d: d.one("raise", "wrap", "clip"),
    "pad.mode": lambda d: d.one("constant", "edge", "reflect", "symmetric", "wrap", "maximum", "minimum", "mean", "linear_ramp", "median"),
    "ravel_multi_index.mode": lambda d: d.one("raise", "wrap", "clip"),
    "ravel_multi_index.order": lambda d: d.one("C", "F"),
    "unravel_index.order": lambda d: d.one("C", "F"),
    "cumsum.dtype": lambda d: d.one("float32", "float64", "int64"),
    "diff.n": lambda d: d.integer(0, 3),
    "diff.prepend": lambda d: d.number(),
    "diff.append": lambda d: d.number(),
    "ediff1d.to_end": lambda d: d.array(1, 1, odd=0).astype(d.first.dtype),
    "ediff1d.to_begin": lambda d: d.array(1, 1, odd=0).astype(d.first.dtype),
    "eye.M": lambda d: d.integer(0, 4),
    "tri.M": lambda d: d.integer(0, 4),
    "tril_indices.m": lambda d: d.integer(0, 4),
    "triu_indices.m": lambda d: d.integer(0, 4),
    "diag_indices.ndim": lambda d: d.integer(1, 3),
    "rot90.k": lambda d: d.integer(-2, 5),
    "rot90.axes": lambda d: d.one((0, 1), (1, 0), (-1, 0)),
    "gradient.edge_order": lambda d: d.one(1, 2),
    "interp.left": Draws.number,
    "interp.right": Draws.number,
    "interp.period": lambda d: 3.5,
    "logspace.base": lambda d: d.one(2.0, 10.0),
    "nan_to_num.nan": Draws.number,
    "nan_to_num.posinf": Draws.number,
    "nan_to_num.neginf": Draws.number,
    "polyder.m": lambda d: d.integer(0, 2),
    "polyint.m": lambda d: d.integer(0, 2),
    "polyint.k": lambda d: 1.5,
    "polyfit.w": lambda d: d.rng.uniform(0.5, 2, 6),
    "polyfit.full": lambda d: False,
    "polyfit.cov": lambda d: False,
    "rollaxis.start": lambda d: d.integer(-3, 3),
    "roll.axis": Draws.axis_or_none,
    "searchsorted.sorter": lambda d: np.arange(d.first.size),
    "select.default": Draws.number,
    "tensordot.axes": lambda d: 1,
    "linalg.tensordot.axes": lambda d: 1,
    "trapezoid.dx": lambda d: 0.5,
    "trim_zeros.trim": lambda d: d.one("f", "b", "fb"),
    "trim_zeros.axis": lambda d: None,
    "unwrap.period": lambda d: 3.0,
    "unwrap.discont": lambda d: 2.0,
    "vander.N": lambda d: d.integer(0, 4),
    "std.mean": lambda d: d.first.mean(keepdims=True) if d.first.size else 0,
    "var.mean": lambda d: d.first.mean(keepdims=True) if d.first.size else 0,
    "transpose.axes": lambda d: tuple(int(i) for i in d.rng.permutation(d.first.ndim)),
    "permute_dims.axes": lambda d: tuple(int(i) for i in d.rng.permutation(d.first.ndim)),
    "unpackbits.count": lambda d: d.one(None, 5, -2),
    "packbits.bitorder": lambda d: d.one("big", "little"),
    "unpackbits.bitorder": lambda d: d.one("big", "little"),
    "linalg.cond.p": lambda d: d.one(None, 1, 2, "fro", np.inf, -2),
    "linalg.norm.ord": lambda d: d.one(None, 1, 2, np.inf, -np.inf, "fro", "nuc", 3, -1, 0),
    "linalg.norm.axis": Draws.axes,
    "linalg.matrix_norm.ord": lambda d: d.one("fro", 1, 2, np.inf, "nuc", -2),
    "linalg.vector_norm.ord": lambda d: d.one(1, 2, np.inf, -np.inf, 3, 0, 0.5),
    "linalg.eigh.UPLO": lambda d: d.one("L", "U"),
    "linalg.eigvalsh.UPLO": lambda d: d.one("L", "U"),
    "linalg.qr.mode": lambda d: d.one("reduced", "complete", "r"),
    "linalg.svd.full_matrices": lambda d: False,
    "linalg.svd.compute_uv": lambda d: False,
    "linalg.pinv.rcond": lambda d: 1e-3,
    "linalg.pinv.rtol": lambda d: 1e-3,
    "linalg.matrix_rank.tol": lambda d: d.one(1e-3, 2.0),
    "linalg.matrix_rank.rtol": lambda d: 1e-3,
    "linalg.lstsq.rcond": lambda d: 1e-6,
    "linalg.tensorinv.ind": lambda d: 1,
}

#: Keywords that are not drawn, everywhere or of one function: NumPy's memory layout and subclasses, places, what writes to its argument.
LEFT = {"out", "like", "subok", "device", "corrcoef.bias", "corrcoef.ddof"}  # the last two without effect, and gone in NumPy 2.4

#: Functions that are not called at random, and where they are tested.
_WRITING = "apply_over_axes asarray_chkfinite copyto fill_diagonal from_dlpack fromfunction put put_along_axis place putmask"
_READING = "frombuffer fromfile fromiter fromstring genfromtxt load loadtxt save savetxt savez savez_compressed"
UNDRAWN: dict[str, str] = {
    **dict.fromkeys(_WRITING.split(), "test_numpy_functions.py: they write to an argument, or take functions"),
    **dict.fromkeys(_READING.split(), "test_numpy_files.py"),
}
