"""Rearranging, gathering, sorting, scans, special functions and statistics against NumPy (values) and finite differences (gradients)."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special
from support.against_numpy import Data, check_gradient, rand, same, same_eager_and_compiled

from hybridnet import autograd, dtypes
from hybridnet.compile import jit
from hybridnet.core import array
from hybridnet.errors import AxisError, ShapeError, TraceError
from hybridnet.ops.array import gather, joining, rearrange, selective, sets, sorting
from hybridnet.ops.math import histograms, quantiles, reduction, scan, special, statistics

A, V = rand(3, 4), rand(6, seed=2)
C = rand(2, 3, 4, seed=3)
W = rand(3, 3, seed=4) + 3 * np.eye(3)
NAN = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan], [4.0, -np.inf, np.inf]])
INTS = np.array([[3, 1, 2], [0, 3, 1]])

# (name, ours, NumPy's, inputs): one line a case; results must be equal, and so must compiled ones.
CASES: list[tuple[str, Callable[..., Any], Callable[..., Any], tuple[Any, ...]]] = [
    # rearrange
    ("swapaxes", lambda x: rearrange.swapaxes(x, 0, -1), lambda x: np.swapaxes(x, 0, -1), (C,)),
    ("moveaxis", lambda x: rearrange.moveaxis(x, (0, 1), (-1, 0)), lambda x: np.moveaxis(x, (0, 1), (-1, 0)), (C,)),
    ("rollaxis", lambda x: rearrange.rollaxis(x, 2, 1), lambda x: np.rollaxis(x, 2, 1), (C,)),
    ("rollaxis-back", lambda x: rearrange.rollaxis(x, 0, 3), lambda x: np.rollaxis(x, 0, 3), (C,)),
    ("ravel-F", lambda x: rearrange.ravel(x, "F"), lambda x: np.ravel(x, "F"), (C,)),
    ("flip", rearrange.flip, np.flip, (C,)),
    ("flip-axes", lambda x: rearrange.flip(x, (0, 2)), lambda x: np.flip(x, (0, 2)), (C,)),
    ("fliplr", rearrange.fliplr, np.fliplr, (A,)),
    *[(f"rot90-{k}", lambda x, k=k: rearrange.rot90(x, k, (1, 2)), lambda x, k=k: np.rot90(x, k, (1, 2)), (C,)) for k in (-1, 0, 1, 2, 3)],
    ("roll", lambda x: rearrange.roll(x, 5), lambda x: np.roll(x, 5), (A,)),
    ("roll-axes", lambda x: rearrange.roll(x, (1, -6), (0, 1)), lambda x: np.roll(x, (1, -6), (0, 1)), (A,)),
    ("roll-empty", lambda x: rearrange.roll(x, 2, 0), lambda x: np.roll(x, 2, 0), (np.zeros((0, 2)),)),
    ("tile", lambda x: rearrange.tile(x, (2, 3)), lambda x: np.tile(x, (2, 3)), (A,)),
    ("tile-more", lambda x: rearrange.tile(x, (2, 1, 2)), lambda x: np.tile(x, (2, 1, 2)), (V,)),
    ("tile-fewer", lambda x: rearrange.tile(x, 2), lambda x: np.tile(x, 2), (C,)),
    ("repeat", lambda x: rearrange.repeat(x, 3, 1), lambda x: np.repeat(x, 3, 1), (C,)),
    ("repeat-flat", lambda x: rearrange.repeat(x, 2), lambda x: np.repeat(x, 2), (A,)),
    ("repeat-each", lambda x: rearrange.repeat(x, [1, 0, 2], 0), lambda x: np.repeat(x, [1, 0, 2], 0), (A,)),
    ("resize", lambda x: rearrange.resize(x, (5, 4)), lambda x: np.resize(x, (5, 4)), (A,)),
    ("pad", lambda x: rearrange.pad(x, ((1, 2), (0, 3))), lambda x: np.pad(x, ((1, 2), (0, 3))), (A,)),
    ("pad-value", lambda x: rearrange.pad(x, 1, constant_values=2.5), lambda x: np.pad(x, 1, constant_values=2.5), (A,)),
    *[
        (f"pad-{mode}", lambda x, m=mode: rearrange.pad(x, ((2, 3), (7, 9)), m), lambda x, m=mode: np.pad(x, ((2, 3), (7, 9)), m), (A,))
        for mode in ("edge", "reflect", "symmetric", "wrap")
    ],
    ("diag-matrix", lambda x: rearrange.diag(x, 1), lambda x: np.diag(x, 1), (A,)),
    ("diag-vector", lambda x: rearrange.diag(x, -2), lambda x: np.diag(x, -2), (V,)),
    ("diag-outside", lambda x: rearrange.diag(x, 9), lambda x: np.diag(x, 9), (A,)),
    ("diagflat", rearrange.diagflat, np.diagflat, (A,)),
    *[
        (f"diagonal{k}", lambda x, k=k: rearrange.diagonal(x, k, 2, 1), lambda x, k=k: np.diagonal(x, k, 2, 1), (C,))
        for k in (-3, -1, 0, 1, 2)
    ],
    ("trace", lambda x: rearrange.trace(x, 1, 1, 2), lambda x: np.trace(x, 1, 1, 2), (C,)),
    *[(f"tril{k}", lambda x, k=k: rearrange.tril(x, k), lambda x, k=k: np.tril(x, k), (C,)) for k in (-1, 0, 2)],
    *[(f"triu{k}", lambda x, k=k: rearrange.triu(x, k), lambda x, k=k: np.triu(x, k), (C,)) for k in (-1, 0, 2)],
    ("tril-vector", rearrange.tril, np.tril, (V,)),
    ("meshgrid", lambda x, y: rearrange.meshgrid(x, y, y), lambda x, y: list(np.meshgrid(x, y, y)), (V, A[0])),
    (
        "meshgrid-ij",
        lambda x, y: rearrange.meshgrid(x, y, indexing="ij", sparse=True),
        lambda x, y: list(np.meshgrid(x, y, indexing="ij", sparse=True)),
        (V, A[0]),
    ),
    ("broadcast_arrays", rearrange.broadcast_arrays, lambda *x: list(np.broadcast_arrays(*x)), (A, C, A[0])),
    # joining
    ("vstack", lambda *x: joining.vstack(x), lambda *x: np.vstack(x), (A[0], A)),
    ("hstack", lambda *x: joining.hstack(x), lambda *x: np.hstack(x), (A, A)),
    ("hstack-vectors", lambda *x: joining.hstack(x), lambda *x: np.hstack(x), (V, A[0])),
    ("dstack", lambda *x: joining.dstack(x), lambda *x: np.dstack(x), (A, A)),
    ("column_stack", lambda *x: joining.column_stack(x), lambda *x: np.column_stack(x), (A[:, 0], A)),
    ("append", lambda *x: joining.append(*x), lambda *x: np.append(*x), (A, V)),
    ("atleast_1d", joining.atleast_1d, np.atleast_1d, (np.array(2.0),)),
    ("atleast_2d", joining.atleast_2d, np.atleast_2d, (V,)),
    ("atleast_3d", joining.atleast_3d, np.atleast_3d, (A,)),
    ("array_split", lambda x: joining.array_split(x, 4), lambda x: np.array_split(x, 4), (V,)),
    ("array_split-at", lambda x: joining.array_split(x, [1, 3], 1), lambda x: np.array_split(x, [1, 3], 1), (A,)),
    ("hsplit", lambda x: joining.hsplit(x, 2), lambda x: np.hsplit(x, 2), (A,)),
    ("vsplit", lambda x: joining.vsplit(x, [1]), lambda x: np.vsplit(x, [1]), (A,)),
    ("dsplit", lambda x: joining.dsplit(x, 2), lambda x: np.dsplit(x, 2), (C,)),
    ("delete", lambda x: joining.delete(x, [0, -1], 1), lambda x: np.delete(x, [0, -1], 1), (A,)),
    ("delete-slice", lambda x: joining.delete(x, slice(None, None, 2)), lambda x: np.delete(x, slice(None, None, 2)), (A,)),
    ("delete-all", lambda x: joining.delete(x, slice(None), 0), lambda x: np.delete(x, slice(None), 0), (A,)),
    ("insert", lambda x: joining.insert(x, 1, 7, 1), lambda x: np.insert(x, 1, 7, 1), (A,)),
    ("insert-row", lambda x, y: joining.insert(x, -1, y, 0), lambda x, y: np.insert(x, -1, y, 0), (A, A[0])),
    ("insert-several", lambda x, y: joining.insert(x, [4, 0, 4], y), lambda x, y: np.insert(x, [4, 0, 4], y), (V, V[:3])),
    ("insert-more", lambda x, y: joining.insert(x, [1], y), lambda x, y: np.insert(x, [1], y), (V, V[:3])),
    ("unstack", joining.unstack, lambda x: tuple(x), (C,)),
    # scan
    ("cumsum", lambda x: scan.cumsum(x, 1), lambda x: np.cumsum(x, 1), (C,)),
    ("cumsum-flat", scan.cumsum, np.cumsum, (A,)),
    ("cumsum-ints", lambda x: scan.cumsum(x, 0), lambda x: np.cumsum(x, 0), (INTS,)),
    ("cumprod", lambda x: scan.cumprod(x, 2), lambda x: np.cumprod(x, 2), (C,)),
    ("diff", lambda x: scan.diff(x, 2, 1), lambda x: np.diff(x, 2, 1), (C,)),
    ("diff-ends", lambda x: scan.diff(x, prepend=0, append=[1, 2]), lambda x: np.diff(x, prepend=0, append=[1, 2]), (V,)),
    ("diff-bool", lambda x: scan.diff(x > 0), lambda x: np.diff(x > 0), (A,)),
    ("ediff1d", lambda x: scan.ediff1d(x, [9.0], 0.0), lambda x: np.ediff1d(x, [9.0], 0.0), (A,)),
    ("trapezoid", lambda y: scan.trapezoid(y, dx=0.5, axis=1), lambda y: np.trapezoid(y, dx=0.5, axis=1), (C,)),
    ("trapezoid-x", lambda y, x: scan.trapezoid(y, x, axis=0), lambda y, x: np.trapezoid(y, x, axis=0), (A, np.sort(V[:3]))),
    # special
    *[
        (name, getattr(special, name), getattr(scipy.special, name), (np.abs(A) / 3 + 0.05,))
        for name in ("erf", "erfc", "erfinv", "gamma", "gammaln", "digamma")
    ],
    ("polygamma", lambda x: special.polygamma(3, x), lambda x: scipy.special.polygamma(3, x), (np.abs(A) + 1,)),
    # sorting
    ("sort", lambda x: sorting.sort(x, 1), lambda x: np.sort(x, 1), (C,)),
    ("sort-flat", lambda x: sorting.sort(x, None), lambda x: np.sort(x, None), (A,)),
    ("sort-down", lambda x: sorting.sort(x, 0, descending=True), lambda x: -np.sort(-x, 0), (A,)),
    ("argsort", lambda x: sorting.argsort(x, 0), lambda x: np.argsort(x, 0, kind="stable"), (INTS,)),
    ("argsort-down", lambda x: sorting.argsort(x, descending=True), lambda x: np.argsort(-x, kind="stable"), (INTS,)),
    ("argmax", sorting.argmax, np.argmax, (A,)),
    ("argmax-keepdims", lambda x: sorting.argmax(x, keepdims=True), lambda x: np.argmax(x, keepdims=True), (A,)),
    ("argmin", lambda x: sorting.argmin(x, 1, True), lambda x: np.argmin(x, 1, keepdims=True), (C,)),
    (
        "searchsorted",
        lambda a, v: sorting.searchsorted(a, v, "right"),
        lambda a, v: np.searchsorted(a, v, "right"),
        (np.array([1, 2, 2, 3]), INTS),
    ),
    ("digitize", lambda x, b: sorting.digitize(x, b), lambda x, b: np.digitize(x, b), (A, np.array([-1.0, 0.0, 1.0]))),
    ("lexsort", lambda a, b: sorting.lexsort((a, b)), lambda a, b: np.lexsort((a, b)), (V, np.array([1, 0, 1, 0, 2, 1]))),
    ("isin", lambda x: sets.isin(x, [1, 3]), lambda x: np.isin(x, [1, 3]), (INTS,)),
    # gather
    ("take", lambda x, i: gather.take(x, i, 1), lambda x, i: np.take(x, i, 1), (C, INTS % 3)),
    ("take-flat", gather.take, np.take, (A, INTS)),
    ("take-clip", lambda x: gather.take(x, [-5, 1, 9], 0, "clip"), lambda x: np.take(x, [-5, 1, 9], 0, mode="clip"), (A,)),
    ("take-wrap", lambda x: gather.take(x, [-5, 1, 9], 0, "wrap"), lambda x: np.take(x, [-5, 1, 9], 0, mode="wrap"), (A,)),
    ("take-scalar", lambda x: gather.take(x, 2, 1), lambda x: np.take(x, 2, 1), (A,)),
    ("take_along_axis", lambda x, i: gather.take_along_axis(x, i, 1), lambda x, i: np.take_along_axis(x, i, 1), (A[:2], INTS)),
    (
        "take_along_axis-wide",
        lambda x, i: gather.take_along_axis(x, i, 0),
        lambda x, i: np.take_along_axis(x, i, 0),
        (A, np.array([[2], [0]])),
    ),
    ("choose", lambda i, x, y: gather.choose(i, [x, y]), lambda i, x, y: np.choose(i, [x, y]), (INTS % 2, INTS, INTS + 9)),
    ("unravel_index", lambda i: gather.unravel_index(i, (2, 4)), lambda i: np.unravel_index(i, (2, 4)), (INTS,)),
    (
        "ravel_multi_index",
        lambda i, j: gather.ravel_multi_index((i, j), (4, 4)),
        lambda i, j: np.ravel_multi_index((i, j), (4, 4)),
        (INTS, INTS),
    ),
    # statistics
    ("average", lambda x: statistics.average(x, (0, 2)), lambda x: np.average(x, (0, 2)), (C,)),
    ("average-weights", lambda x, w: statistics.average(x, 1, w, True), lambda x, w: np.average(x, 1, w, True), (A, np.abs(A[0]))),
    ("median", lambda x: quantiles.median(x, (0, 2)), lambda x: np.median(x, (0, 2)), (C,)),
    ("median-odd", lambda x: quantiles.median(x, 1, keepdims=True), lambda x: np.median(x, 1, keepdims=True), (C,)),
    ("median-nan", lambda x: quantiles.median(x, 1), lambda x: np.array([np.nan, np.nan, 4.0]), (NAN,)),
    *[
        (
            f"quantile-{m}",
            lambda x, m=m: quantiles.quantile(x, [[0, 0.3], [0.5, 1]], 1, m),
            lambda x, m=m: np.quantile(x, [[0, 0.3], [0.5, 1]], 1, method=m),
            (A,),
        )
        for m in ("linear", "lower", "higher", "nearest", "midpoint")
    ],
    ("percentile", lambda x: quantiles.percentile(x, 35, keepdims=True), lambda x: np.percentile(x, 35, keepdims=True), (A,)),
    ("ptp", lambda x: statistics.ptp(x, 0), lambda x: np.ptp(x, 0), (A,)),
    ("count_nonzero", lambda x: statistics.count_nonzero(x, 1), lambda x: np.count_nonzero(x, 1), (INTS,)),
    ("cov", statistics.cov, np.cov, (A,)),
    ("cov-columns", lambda x: statistics.cov(x, rowvar=False, bias=True), lambda x: np.cov(x, rowvar=False, bias=True), (A,)),
    ("cov-vector", statistics.cov, np.cov, (V,)),
    ("corrcoef", statistics.corrcoef, np.corrcoef, (A,)),
    ("histogram-range", lambda x: histograms.histogram(x, 4, (-1, 1)), lambda x: np.histogram(x, 4, (-1, 1)), (C,)),
    (
        "histogram-edges",
        lambda x, e: histograms.histogram(x, e, density=True)[0],
        lambda x, e: np.histogram(x, e, density=True)[0],
        (C, np.array([-1.0, 0, 0.5, 2])),
    ),
    (
        "histogram-weights",
        lambda x, w: histograms.histogram(x, 4, (-1, 1), w)[0],
        lambda x, w: np.histogram(x, 4, (-1, 1), weights=w)[0],
        (V, V + 3),
    ),
    ("around", lambda x: statistics.around(x, 2), lambda x: np.around(x, 2), (A,)),
    ("around-left", lambda x: statistics.around(x * 100, -1), lambda x: np.around(x * 100, -1), (A,)),
    ("around-ints", lambda x: statistics.around(x * 7, -1), lambda x: np.around(x * 7, -1), (INTS,)),
    ("fix", statistics.fix, np.fix, (A * 3,)),
    ("interp", lambda x, p, f: statistics.interp(x, p, f), np.interp, (C, np.array([-1.0, 0.0, 2.0]), V[:3])),
    (
        "interp-ends",
        lambda x, p, f: statistics.interp(x, p, f, -9, 9),
        lambda x, p, f: np.interp(x, p, f, -9, 9),
        (C, np.array([-1.0, 0.0, 2.0]), V[:3]),
    ),
    (
        "interp-period",
        lambda x, p, f: statistics.interp(x, p, f, period=3),
        lambda x, p, f: np.interp(x, p, f, period=3),
        (C * 9, np.array([5.0, 0.0, 1.0]), V[:3]),
    ),
    ("interp-one", lambda x, p, f: statistics.interp(x, p, f), np.interp, (V, V[:1], V[1:2])),
    ("nan_to_num", statistics.nan_to_num, np.nan_to_num, (NAN,)),
    ("nan_to_num-values", lambda x: statistics.nan_to_num(x, True, 1, 2, 3), lambda x: np.nan_to_num(x, True, 1, 2, 3), (NAN,)),
    ("nansum", lambda x: selective.nansum(x, 1), lambda x: np.nansum(x, 1), (NAN[:2],)),
    ("nanprod", lambda x: selective.nanprod(x, 1), lambda x: np.nanprod(x, 1), (NAN[:2],)),
    ("nanmean", lambda x: statistics.nanmean(x, 1, True), lambda x: np.nanmean(x, 1, keepdims=True), (NAN[:1],)),
    ("nanvar", lambda x: statistics.nanvar(x, 1, 1), lambda x: np.nanvar(x, 1, ddof=1), (NAN[:1],)),
    ("nanmax", lambda x: selective.nanmax(x, 1), lambda x: np.array([3, np.nan, np.inf]), (NAN,)),
    ("nanmin", lambda x: selective.nanmin(x, 1), lambda x: np.array([1, np.nan, -np.inf]), (NAN,)),
    ("nancumsum", lambda x: statistics.nancumsum(x, 1), lambda x: np.nancumsum(x, 1), (NAN[:2],)),
    ("nanargmax", lambda x: statistics.nanargmax(x, 1), lambda x: np.nanargmax(x, 1), (NAN[::2],)),
    ("isclose", lambda a, b: statistics.isclose(a, b, equal_nan=True), lambda a, b: np.isclose(a, b, equal_nan=True), (NAN, NAN + 1e-9)),
]


@pytest.mark.parametrize(("ours", "theirs", "inputs"), [pytest.param(*c[1:], id=c[0]) for c in CASES])
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_values_are_numpys(ours: Callable[..., Any], theirs: Callable[..., Any], inputs: tuple[Any, ...]) -> None:
    same_eager_and_compiled(ours, theirs, inputs)


GRADIENTS: list[tuple[str, Callable[..., Any], tuple[Data, ...]]] = [
    ("flip", lambda x: rearrange.flip(x, 1), (A,)),
    ("roll", lambda x: rearrange.roll(x, 2, 1), (A,)),
    ("tile", lambda x: rearrange.tile(x, (2, 2)), (A,)),
    ("repeat", lambda x: rearrange.repeat(x, 2, 0), (A,)),
    ("pad", lambda x: rearrange.pad(x, 2), (A,)),
    ("pad-value", lambda x: rearrange.pad(x, 2, constant_values=1.5), (A,)),
    ("pad-reflect", lambda x: rearrange.pad(x, 2, "reflect"), (A,)),
    ("diagonal", lambda x: rearrange.diagonal(x, 1), (A,)),
    ("diag", lambda x: rearrange.diag(x, 1), (V,)),
    ("tril", rearrange.tril, (A,)),
    ("insert", lambda x, y: joining.insert(x, 1, y, 0), (A, A[0])),
    ("take", lambda x: gather.take(x, np.array([[2, 0], [2, 2]]), 0), (A,)),
    ("pick", lambda x: gather.pick(x, np.array([1, 0, 3])), (A,)),
    ("gather_nd", lambda x: gather.gather_nd(x, np.array([[0, 0, 2], [1, 1, 0]])), (A,)),
    ("scatter_nd", lambda x: gather.scatter_nd(x, np.array([[0, 2], [1, 0]]), (3, 4)), (V[:2],)),
    ("sort", lambda x: sorting.sort(x, 0), (A,)),
    ("topk", lambda x: sorting.topk(x, k=2, ret_typ="value"), (A,)),
    ("average", lambda x, w: statistics.average(x, 0, w), (A, np.abs(A[:, 0]))),
    ("quantile", lambda x: quantiles.quantile(x, [0.2, 0.7], 1), (A,)),
    ("corrcoef", statistics.corrcoef, (A,)),
    ("interp", lambda x, f: statistics.interp(x, np.array([-1.0, 0.0, 2.0]), f), (V, V[:3])),
    ("nanmean", lambda x: statistics.nanmean(joining.append(x, np.full((3, 1), np.nan), 1), 1), (A,)),
    ("trapezoid", lambda y, x: scan.trapezoid(y, x), (A, np.sort(A[0]))),
]


@pytest.mark.parametrize(("function", "points"), [pytest.param(*c[1:], id=c[0]) for c in GRADIENTS])
def test_gradients_of_composites(function: Callable[..., Any], points: tuple[Data, ...]) -> None:
    check_gradient(function, *points)


# -- what NumPy has no counterpart of -------------------------------------------------------------


def test_topk_returns_what_it_is_asked_for() -> None:
    x = array(np.array([[3.0, 1.0, 3.0, 2.0], [0.0, 5.0, 5.0, 1.0]]))
    same(sorting.topk(x, k=2), np.array([[0, 2], [1, 2]]))
    assert sorting.topk(x, k=2).dtype == dtypes.float32
    same(sorting.topk(x, k=3, ret_typ="value"), np.array([[3.0, 3, 2], [5, 5, 1]]))
    values, indices = sorting.topk(x, k=1, ret_typ="both", dtype="int64", axis=0, is_ascend=True)
    same(values, np.array([[0.0, 1, 3, 1]]))
    same(indices, np.array([[1, 0, 0, 1]]))
    same(sorting.topk(x, k=2, ret_typ="mask"), np.array([[1, 0, 1, 0], [0, 1, 1, 0]]))
    same(sorting.topk(x, axis=None, k=2), np.array([5, 6]))
    same(sorting.topk(x, axis=None, k=2, ret_typ="mask"), np.array([[0, 0, 0, 0], [0, 1, 1, 0]]))
    assert sorting.topk(x, k=0).shape == (2, 4)
    with pytest.raises(ValueError, match="k from 0 to 4"):
        sorting.topk(x, k=5)


@pytest.mark.parametrize("seed", range(20))
def test_indices_that_are_the_same_along_the_last_axes(seed: int) -> None:
    """They take rows whole, and their gradients are sums of rows."""
    rng = np.random.RandomState(seed)
    shape = tuple(rng.randint(1, 5, rng.randint(2, 5)))
    axis = rng.randint(0, len(shape) - 1)
    stop = rng.randint(axis + 1, len(shape))
    along = (*shape[:axis], rng.randint(0, 6), *shape[axis + 1 : stop])
    indices = rng.randint(-shape[axis], shape[axis], (*along, *[1] * (len(shape) - stop))).astype(rng.choice(["int32", "int64"]))
    x, g = rng.randn(*shape), rng.randn(*along, *shape[stop:])
    full = np.broadcast_to(indices, g.shape)
    given = array(x)
    given.attach_grad()
    with autograd.record():
        y = gather.take_along_axis(given, array(indices), axis)
    y.backward(array(g))
    np.testing.assert_array_equal(y.asnumpy(), np.take_along_axis(x, full, axis))
    wanted = np.zeros_like(x)
    grid = np.indices(g.shape)
    np.add.at(wanted, tuple(full if i == axis else grid[i] for i in range(len(shape))), g)
    np.testing.assert_allclose(given.grad.asnumpy(), wanted, rtol=1e-12, atol=1e-12)
    if indices.size:
        with pytest.raises(AxisError, match="indices from"):
            gather.take_along_axis(given, array(indices + 2 * shape[axis]), axis)


def test_pick_brings_indices_into_range_and_takes_float_indices() -> None:
    x = array(np.array([[1.0, 2, 3], [4, 5, 6]]))
    same(gather.pick(x, array(np.float32([9, -1]))), np.array([3.0, 4]))
    same(gather.pick(x, array([4, -1]), mode="wrap"), np.array([2.0, 6]))
    same(gather.pick(x, array([[1], [2]]), keepdims=True), np.array([[2.0], [6]]))
    same(gather.pick(x, array([0, 1, 0]), axis=0), np.array([1.0, 5, 3]))
    same(gather.pick(x, array(4), axis=None), np.array(5.0))
    with pytest.raises(AxisError, match="indices from -3 to 2"):
        gather.pick(x, array([0, 3]), mode="raise")
    with pytest.raises(ShapeError, match=r"index of shape \(2,\)"):
        gather.pick(x, array([0, 1, 0]))


def test_gather_and_scatter_nd() -> None:
    x = array(np.arange(6.0).reshape(2, 3))
    same(gather.gather_nd(x, array([[0, -1], [1, -1]])), np.array([1.0, 5]))
    same(gather.gather_nd(x, array([[1, 0, 1]])), np.arange(6.0).reshape(2, 3)[[1, 0, 1]])
    same(gather.scatter_nd(array([1.0, 2, 3]), array([[0, 0, 2]]), (4,)), np.array([2.0, 0, 3, 0]))
    same(gather.scatter_nd(x, array([[2, 0]]), (3, 3)), np.array([[3.0, 4, 5], [0, 0, 0], [0, 1, 2]]))
    with pytest.raises(ShapeError, match="m from 1 to 2"):
        gather.gather_nd(x, array(np.zeros((3, 1), np.int64)))


def test_one_hot() -> None:
    hot = gather.one_hot(array(np.array([1.6, -1, 5, 0])), 3)
    same(hot, np.array([[0.0, 1, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0]]))
    assert hot.dtype == dtypes.float32
    same(gather.one_hot(array([[1], [0]]), 2, 5, -1, "int32"), np.array([[[-1, 5]], [[5, -1]]]))
    same(gather.one_hot(array(2), 3), np.array([0.0, 0, 1]))


def test_put_along_axis_writes_in_place() -> None:
    x, expected = array(A), A.copy()
    gather.put_along_axis(x, array(INTS[:, :1].repeat(2, 0)[:3]), 9.0, 1)
    np.put_along_axis(expected, INTS[:, :1].repeat(2, 0)[:3], 9.0, 1)
    same(x, expected)


def test_results_whose_shape_depends_on_values_are_eager_only() -> None:
    x = array(np.array([[1.0, 0, 2], [0, 0, 3]]))
    same(gather.argwhere(x), np.array([[0, 0], [0, 2], [1, 2]]))
    same(gather.flatnonzero(x), np.array([0, 2, 5]))
    same(gather.boolean_mask(x, array([1, 0, 1]), 1), np.array([[1.0, 2], [0, 3]]))
    same(gather.extract(x > 0, x), np.array([1.0, 2, 3]))
    same(sets.unique(array([3, 1, 3, 2]), return_inverse=True, return_counts=True), ([1, 2, 3], [2, 0, 2, 1], [1, 1, 2]))
    same(sets.union1d(array([3, 1]), array([2, 3])), [1, 2, 3])
    same(sets.intersect1d(array([3, 1, 3]), array([2, 3])), [3])
    same(sets.setdiff1d(array([3, 1, 0]), array([2, 3])), [0, 1])
    same(sets.setxor1d(array([3, 1]), array([2, 3])), [1, 2])
    same(histograms.bincount(array([3, 1, 3]), minlength=6), np.bincount([3, 1, 3], minlength=6))
    same(histograms.bincount(array([3, 1, 3]), array([1.0, 2, 3])), np.bincount([3, 1, 3], [1.0, 2, 3]))
    same(histograms.histogram(x), np.histogram(x.asnumpy()))
    for function in (gather.argwhere, sets.unique, histograms.histogram, lambda v: gather.boolean_mask(v, v[:, 0])):
        with pytest.raises(TraceError):
            jit(function)(x)


def test_boolean_mask_has_a_gradient() -> None:
    x = array(A)
    x.attach_grad()
    with autograd.record():
        y = reduction.sum(gather.boolean_mask(x, array([1, 0, 1])) * 2)
    y.backward()
    same(x.grad, np.array([[2.0] * 4, [0.0] * 4, [2.0] * 4]))


def test_comparisons_give_python_bools() -> None:
    x = array(A)
    assert statistics.allclose(x, x + 1e-9) is True
    assert statistics.allclose(x, x + 1) is False
    assert statistics.array_equal(x, A) is True
    assert statistics.array_equal(x, A[:1]) is False
    assert statistics.array_equal(array(NAN), array(NAN)) is False
    assert statistics.array_equal(array(NAN), array(NAN), equal_nan=True) is True
    assert statistics.array_equiv(array(np.ones((2, 3))), array(np.ones(3))) is True
    assert statistics.array_equiv(array(np.ones(3)), array(np.ones(2))) is False


def test_static_indices() -> None:
    same(rearrange.tril_indices(3, 1, 4), np.tril_indices(3, 1, 4))
    same(rearrange.triu_indices(3), np.triu_indices(3))
    same(rearrange.tri(2, 3, 1), np.tri(2, 3, 1))
    same(rearrange.indices((2, 3)), np.indices((2, 3)))
    same(rearrange.diag_indices_from(array(W)), np.diag_indices_from(W))


def test_repeated_indices_sum_their_gradients_in_every_dtype() -> None:
    rows = np.random.default_rng(0).integers(0, 5, 4000)
    for dtype, tolerance in ((np.float16, 1e-3), (np.float32, 2e-5), (np.float64, 1e-12)):
        for width in (1, 3):
            x = array(np.zeros((5, width), dtype))
            x.attach_grad()
            with autograd.record():
                y = reduction.sum(x[rows] * 0.1)
            y.backward()
            expected = np.bincount(rows)[:, None].repeat(width, 1) * 0.1
            np.testing.assert_allclose(x.grad.asnumpy().astype(np.float64), expected, rtol=tolerance)


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        (lambda x: gather.take(x, [7], 0), AxisError, "in range"),
        (lambda x: gather.take(x, [0], 3), AxisError, "axis from -2 to 1"),
        (lambda x: rearrange.swapaxes(x, 0, 5), AxisError, "axis from -2 to 1"),
        (lambda x: rearrange.pad(x, 1, "sideways"), ValueError, "mode constant, edge"),
        (lambda x: joining.vsplit(x[0], 2), ShapeError, "2 dimensions or more"),
        (lambda x: sorting.argmax(x[:, :0], 1), ShapeError, "something to choose from"),
        (lambda x: quantiles.quantile(x, 1.5), ValueError, "from 0 to 1"),
        (lambda x: histograms.bincount(x), TypeError, "integers"),
        (lambda x: scan.cumsum(x, 2), AxisError, "axis from -2 to 1"),
    ],
)
def test_errors_say_what_was_expected(wrong: Callable[[Any], Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        wrong(array(A))
