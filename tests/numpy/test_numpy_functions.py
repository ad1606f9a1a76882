"""Functions that random calls do not draw: those that write to an argument, call functions, or index; modules, signatures, names."""

import inspect
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import hybridnet as hn
import hybridnet.numpy as hnp
import hybridnet.numpy_extension as npx
from hybridnet import autograd, jit
from hybridnet.core import NDArray
from hybridnet.errors import ArgumentError, DtypeError, HybridnetError, ShapeError

A = np.arange(12.0).reshape(3, 4)


def same(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, (tuple, list)):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            same(a, b)
        return
    theirs = np.asarray(theirs)
    assert isinstance(ours, NDArray) and ours.shape == theirs.shape and ours.dtype.kind == theirs.dtype.kind
    np.testing.assert_allclose(ours.asnumpy(), theirs, rtol=1e-6, atol=1e-6)


# -- writing to an argument ------------------------------------------------------------------------

WRITES: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("copyto", (7.0,), {}),
    ("copyto", (A[0],), {"where": A > 4}),
    ("place", (A % 3 == 0, [1.0, 2.0, 3.0]), {}),
    ("putmask", (A > 5, [-1.0, -2.0]), {}),
    ("put", ([0, 5, -1], [9.0, 8.0]), {}),
    ("put", ([0, 20], 7.0), {"mode": "clip"}),
    ("put", ([0, 20], 7.0), {"mode": "wrap"}),
    ("fill_diagonal", (5.0,), {}),
    ("fill_diagonal", ([1.0, 2.0],), {"wrap": True}),
    ("put_along_axis", (np.array([[1], [0], [3]]), 50.0, 1), {}),
]


@pytest.mark.parametrize(("name", "args", "kwargs"), WRITES)
@pytest.mark.parametrize("shape", [(3, 4), (4, 3)])
def test_writes(name: str, args: Any, kwargs: Any, shape: tuple[int, int]) -> None:
    if shape == (4, 3) and name not in ("fill_diagonal", "put"):
        return
    theirs = A.reshape(shape).copy()
    getattr(np, name)(theirs, *args, **kwargs)
    given = [hnp.array(x) if isinstance(x, np.ndarray) else x for x in args]
    keywords = {key: hnp.array(x) if isinstance(x, np.ndarray) else x for key, x in kwargs.items()}

    def write(x: Any) -> Any:
        x = x.copy()
        getattr(hnp, name)(x, *given, **keywords)
        return x

    same(write(hnp.array(A.reshape(shape))), theirs)
    same(jit(write)(hnp.array(A.reshape(shape))), theirs)


def test_writes_that_are_refused() -> None:
    x = hnp.array(A)
    with pytest.raises(DtypeError, match="same_kind"):
        hnp.copyto(x.astype("int32"), hnp.array(A))
    for call in (lambda: hnp.place(x, [True], 1), lambda: hnp.fill_diagonal(hnp.ones((2, 3, 3)), 1), lambda: hnp.fill_diagonal(x[0], 1)):
        with pytest.raises(ArgumentError):
            call()
    with pytest.raises(ArgumentError, match="a value or more"):
        hnp.place(x, x > 3, [])


# -- functions of functions --------------------------------------------------------------------------


def test_functions_over_axes() -> None:
    for axes in (0, (0, 1), -1):
        same(hnp.apply_over_axes(hnp.sum, hnp.array(A), axes), np.apply_over_axes(np.sum, A, axes))
    with pytest.raises(ShapeError, match="one fewer"):
        hnp.apply_over_axes(lambda x, axis: x.sum(), hnp.array(A), 0)
    square: Any = lambda v: np.outer(v, v)
    ours: Any = lambda v: hnp.outer(v, v)
    for axis in (0, 1):
        same(hnp.apply_along_axis(ours, axis, hnp.array(A)), np.apply_along_axis(square, axis, A))
    with pytest.raises(ShapeError, match="one slice"):
        hnp.apply_along_axis(hnp.sum, 1, hnp.zeros((0, 3)))


def test_fromfunction_and_vectorize() -> None:
    same(hnp.fromfunction(lambda i, j: i * 2 + j, (3, 2), dtype="float32"), np.fromfunction(lambda i, j: i * 2 + j, (3, 2)))
    step = hnp.vectorize(lambda x, y=1: x + y if x > 0 else -1.5)
    found = step(hnp.array([[-1.0, 2.0]]), y=hnp.array([[3.0], [4.0]]))
    assert found.tolist() == [[-1.5, 5], [-1.5, 6]] and found.dtype == np.float32
    assert hnp.vectorize(lambda x: x > 1, otypes=[bool])(hnp.array([1.0, 2.0])).tolist() == [False, True]


def test_piecewise_with_functions() -> None:
    x = np.array([-2.0, -0.5, 0.0, 3.0])
    conditions = lambda v: [v < -1, v > 0]
    functions = [lambda v: -v, lambda v, k=2: v * k, 7.0]
    for count in (2, 3):
        theirs = np.piecewise(x, conditions(x), functions[:count])
        same(hnp.piecewise(hnp.array(x), conditions(hnp.array(x)), functions[:count]), theirs)
        same(jit(lambda v, n=count: hnp.piecewise(v, conditions(v), functions[:n]))(hnp.array(x)), theirs)
    with pytest.raises(ArgumentError, match="2 functions, or one more"):
        hnp.piecewise(hnp.array(x), conditions(hnp.array(x)), [1])


def test_asarray_chkfinite() -> None:
    assert hnp.asarray_chkfinite([1.0, 2.0]).tolist() == [1, 2]
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="finite"):
            hnp.asarray_chkfinite([1.0, bad])


# -- grids and windows -------------------------------------------------------------------------------


def test_grids_by_indexing() -> None:
    same(hnp.mgrid[0:3], np.mgrid[0:3])
    same(hnp.mgrid[0:2, 1:4:0.5], np.mgrid[0:2, 1:4:0.5])
    same(hnp.ogrid[0:2, 1:2:3j], np.ogrid[0:2, 1:2:3j])
    x = np.array([1.0, 2.0])
    same(hnp.r_[hnp.array(x), 0:3, 5.0], np.r_[x, 0:3, 5.0])
    same(hnp.c_[hnp.array(x), hnp.array(x) * 2], np.c_[x, x * 2])
    with pytest.raises(ArgumentError, match="slices"):
        hnp.r_["0,2", 1]
    assert hnp.s_[1:2, ...] == np.s_[1:2, ...]


@pytest.mark.parametrize(("window", "axis"), [((2,), 0), (3, 1), ((2, 2), None), ((2, 3), (1, 1)), ((1,), -1)])
def test_sliding_windows(window: Any, axis: Any) -> None:
    theirs = np.lib.stride_tricks.sliding_window_view(A, window, axis)
    same(hnp.lib.stride_tricks.sliding_window_view(hnp.array(A), window, axis), theirs)
    same(jit(lambda x: hnp.stride_tricks.sliding_window_view(x, window, axis))(hnp.array(A)), theirs)


def test_sliding_windows_that_are_refused() -> None:
    for kwargs in ({"window_shape": 9, "axis": 0}, {"window_shape": 2}, {"window_shape": (2, 2), "writeable": True}):
        with pytest.raises(HybridnetError):
            hnp.lib.stride_tricks.sliding_window_view(hnp.array(A), **kwargs)


def test_padding_by_pairs_and_dicts() -> None:
    for mode, key, value in (
        ("constant", "constant_values", ((1, 2), (3, 4))),
        ("linear_ramp", "end_values", (5, -1)),
        ("mean", "stat_length", 2),
    ):
        same(hnp.pad(hnp.array(A), ((1, 2), (0, 1)), mode, **{key: value}), np.pad(A, ((1, 2), (0, 1)), mode, **{key: value}))  # type: ignore[call-overload]
    same(hnp.pad(hnp.array(A), {-1: (1, 2)}), np.pad(A, ((0, 0), (1, 2))))


def test_names_of_numpy_1() -> None:
    x = np.array([[3.0, 1.0], [0.5, 2.0]])
    same(hnp.msort(hnp.array(x)), np.sort(x, 0))
    same(hnp.in1d(hnp.array(x), [1.0, 2.0]), np.isin(x, [1.0, 2.0]).ravel())
    same(hnp.in1d(hnp.array(x), [1.0], invert=True), ~np.isin(x, [1.0]).ravel())


# -- gradients -----------------------------------------------------------------------------------------

GRADIENTS: dict[str, Any] = {
    "convolve": lambda np, x: np.convolve(x, x[:2], "same"),
    "correlate": lambda np, x: np.correlate(x, x[1:3], "full"),
    "gradient": lambda np, x: np.gradient(x * x, 0.5, edge_order=2),
    "unwrap": lambda np, x: np.unwrap(x * 4),
    "i0": lambda np, x: np.i0(x),
    "frexp": lambda np, x: np.frexp(x)[0],
    "logaddexp2": lambda np, x: np.logaddexp2(x, x[::-1]),
    "polyfit": lambda np, x: np.polyfit(np.arange(4.0), x * x, 1),
    "polydiv": lambda np, x: np.polymul(np.polyint(x), np.polyder(x)),
    "poly": lambda np, x: np.poly(x),
    "nanquantile": lambda np, x: np.nanquantile(np.where(x > 1.5, np.nan, x), [0.3, 0.8]),
    "quantile": lambda np, x: np.quantile(x, 0.3, method="hazen"),
    "histogram2d": lambda np, x: np.histogram2d(x, x, 2, [(0, 2), (0, 2)], weights=x * x)[0],
    "block": lambda np, x: np.block([[x, x * 2], [x * 3, x]]),
    "pad": lambda np, x: np.pad(x, 2, "median"),
    "geomspace": lambda np, x: np.geomspace(x, x * 3, 4),
    "linspace": lambda np, x: np.linspace(x, x * x, 4, axis=-1),
    "cov": lambda np, x: np.cov(x, x * x, aweights=[1.0, 2.0, 1.0, 0.5]),
    "piecewise": lambda np, x: np.piecewise(x, [x > 1], [lambda v: v * v, lambda v: -v]),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients(name: str) -> None:
    """Of the sum of squares, against differences, imperatively and compiled."""
    function, point = GRADIENTS[name], np.array([0.7, 1.9, 1.2, 0.4])
    loss = lambda x: (function(hnp, x) ** 2).sum()
    found = []
    for run in (loss, jit(loss)):
        x = hnp.array(point)
        x.attach_grad()
        with autograd.record():
            y = run(x)
        y.backward()
        found.append(x.grad.asnumpy())
    steps = np.eye(4) * 1e-6
    theirs = [(np.square(function(np, point + s)).sum() - np.square(function(np, point - s)).sum()) / 2e-6 for s in steps]
    np.testing.assert_allclose(found[0], theirs, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[1], found[0], rtol=1e-9, atol=1e-12)


# -- names, signatures, modules --------------------------------------------------------------------


def test_signatures_say_what_wrappers_take() -> None:
    parameters = inspect.signature(hnp.sum).parameters
    assert "out" in parameters and parameters["out"].kind is inspect.Parameter.KEYWORD_ONLY
    assert [*inspect.signature(hnp.add).parameters] == ["x1", "x2", "out", "where", "casting", "order", "dtype", "subok", "signature"]
    assert "where" not in inspect.signature(hnp.matmul).parameters
    assert {"dtype", "casting", "arrays"} <= set(inspect.signature(hnp.concatenate).parameters)
    assert str(inspect.signature(npx.erf).parameters["data"]) == "data=x"
    assert {"out", "name"} <= set(inspect.signature(npx.relu).parameters)
    assert inspect.unwrap(hnp.sum).__module__ == "hybridnet.ops.array.selective"
    help_text = subprocess.run([sys.executable, "-m", "pydoc", "hybridnet.numpy.cumsum"], capture_output=True, text=True, check=True).stdout
    assert "out=None" in help_text


@pytest.mark.parametrize("name", ["order", "A"])
def test_orders_that_numpy_does_not_know_are_refused(name: str) -> None:
    for call in (lambda: hnp.zeros(2, order=name), lambda: hnp.full(2, 1, order=name), lambda: hnp.eye(2, order=name)):
        with pytest.raises(ArgumentError, match="order C, F"):
            call()
    assert hnp.zeros_like(hnp.ones(2), order="A").tolist() == [0, 0]


def test_methods_take_numpys_parameters() -> None:
    x = hnp.array(A)
    assert x.astype("int32", "C", "unsafe", True, False).dtype == np.int32
    with pytest.raises(DtypeError, match="safe"):
        x.astype("int32", casting="safe")
    assert x.copy(order="F").shape == x.reshape(shape=(3, 4)).shape == x.transpose(axes=(1, 0)).T.shape == (3, 4)
    assert x.as_in_ctx(ctx=hn.cpu()) is x.as_in_context(context=hn.cpu()) is x
    assert hn.nd.array(A).astype("int32", False).dtype == np.int32


def test_methods_that_mxnet_lists() -> None:
    x = hnp.array(A) + 1
    assert x.nansum().item() == A.sum() + 12 and x.zeros_like().shape == x.ones_like().shape == (3, 4)
    assert x.rsqrt().shape == x.softmin().shape == x.slice_like(x).shape == (3, 4) and x.shape_array().tolist() == [3, 4]
    assert x.slice(begin=(0, 1), end=(2, 3)).shape == (2, 2) and x.reshape_view(4, 3).shape == (4, 3)
    assert type(x.rcbrt()) is NDArray


def test_modules_that_mxnet_has() -> None:
    assert hnp.fallback.frexp is hnp.frexp and hnp.fallback_linalg.qr is hnp.linalg.qr
    assert hnp.function_base.meshgrid is hnp.meshgrid and hnp.stride_tricks.broadcast_arrays is hnp.broadcast_arrays
    assert hnp.multiarray.add is hnp.add and hnp.utils.float32 is np.float32 and hnp.arrayprint.set_printoptions is np.set_printoptions
    assert npx.utils.save is npx.save and npx.Context is hn.Context
    with pytest.raises(HybridnetError, match="a GPU"):
        npx.get_cuda_compute_capability(hn.cpu())
    hn.cpu().empty_cache()


# -- random ------------------------------------------------------------------------------------------


def test_random_states_and_bytes() -> None:
    hnp.random.seed(5)
    state, first = hnp.random.get_state(), hnp.random.normal(size=3)
    hnp.random.set_state(state)
    np.testing.assert_array_equal(hnp.random.normal(size=3).asnumpy(), first.asnumpy())
    hnp.random.seed(seed=5)
    some = hnp.random.bytes(7)
    hnp.random.seed(5)
    assert len(some) == 7 and hnp.random.bytes(7) == some
    hnp.random.seed()
    assert hnp.random.bytes(7) != some
    npx.random.seed(seed=3, ctx=hn.cpu())


def test_draws_from_several_classes() -> None:
    shares = hnp.random.dirichlet([1.0, 2.0, 5.0], size=4000)
    assert shares.shape == (4000, 3)
    np.testing.assert_allclose(shares.sum(1).asnumpy(), 1, rtol=1e-5)
    np.testing.assert_allclose(shares.mean(0).asnumpy(), [0.125, 0.25, 0.625], atol=0.02)
    whole = hnp.random.random_integers(2, 4, size=1000)
    assert set(whole.tolist()) == {2, 3, 4} and whole.dtype == np.int64
    drawn = hnp.random.hypergeometric(hnp.array([7.0, 3.0]), 5, hnp.array([6.0, 2.0]), size=(4000, 2))
    np.testing.assert_allclose(drawn.mean(0).asnumpy(), [3.5, 0.75], atol=0.1)
    for call in (
        lambda: hnp.random.hypergeometric(2, 2, 9),
        lambda: hnp.random.multivariate_normal([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]], check_valid="raise"),
        lambda: hnp.random.multivariate_normal([0.0], [[1.0]], check_valid="perhaps"),
    ):
        with pytest.raises(ArgumentError):
            call()
    with pytest.raises(ShapeError, match="one dimension"):
        hnp.random.dirichlet([[1.0]])
