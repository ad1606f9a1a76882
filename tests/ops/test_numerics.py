"""Functions of arrays where numbers get difficult: zeros and ties, 16 bits, long axes, nothing at all.

Random programs: a function, a shape (with axes of length 0 and 1, and long ones), values (ordinary, with zeros and ties, constant, far
from 0, large in 16 bits) and a mode. What NumPy gives in float64 is right, and so is a gradient of float64 differences or, where
there is no slope, any that is finite. A few hundred run every time, thousands in the slow suite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from support.samples import as_array, wide

from hybridnet import autograd, dtypes, gluon, nd, npx
from hybridnet import numpy as hnp
from hybridnet.compile import jit
from hybridnet.ops.math.sums import add_up
from hybridnet.ops.nn import norm as norms
from hybridnet.ops.nn import softmax

Data = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Function:
    """A function over some axes, and what NumPy has for it. ``slopes``: whether its gradient is looked at."""

    name: str
    ours: Callable[..., Any]
    theirs: Callable[..., Any]
    slopes: bool = True


def _lse(x: Data, axis: Any, keepdims: bool = False) -> Data:
    largest = x.max(axis, keepdims=True, initial=-np.inf)
    shift = np.where(np.isfinite(largest), largest, 0)
    found = np.log(np.exp(x - shift).sum(axis, keepdims=True)) + shift
    return found if keepdims else np.squeeze(found, axis)


def _softmax(x: Data, axis: int) -> Data:
    return np.exp(x - _lse(x, axis, True))


def _trapezoid(x: Data, axis: int) -> Data:
    n = x.shape[axis]
    return (x.take(range(1, n), axis) + x.take(range(max(n - 1, 0)), axis)).sum(axis) / 2


def _p_norm(p: float) -> Callable[..., Data]:
    return lambda x, axis: (np.abs(x) ** p).sum(axis) ** (1 / p)


def _layer_norm(x: Data, axis: int) -> Data:
    if not x.shape[axis]:
        return x
    return (x - x.mean(axis, keepdims=True)) / np.sqrt(x.var(axis, keepdims=True) + 1e-2)


def _ours_layer_norm(x: Any, axis: int) -> Any:
    ones = as_array(np.ones(x.shape[axis]), x.dtype)
    return norms.layer_norm(x, ones, ones * 0, axis=axis, eps=1e-2)


#: Over any axis or axes.
OVER_AXES = [
    Function("sum", hnp.sum, np.sum),
    Function("mean", hnp.mean, np.mean),
    Function("prod", hnp.prod, np.prod),
    Function("var", hnp.var, np.var),
    Function("std", hnp.std, np.std),
    Function("std, ddof 1", lambda x, axis: hnp.std(x, axis, ddof=1), lambda x, axis: np.std(x, axis, ddof=1)),
    Function("nansum", hnp.nansum, np.nansum),
    Function("nanprod", hnp.nanprod, np.nanprod),
    Function("nanmean", hnp.nanmean, np.nanmean),
    Function("nanvar", hnp.nanvar, np.nanvar),
    Function("nanstd", hnp.nanstd, np.nanstd),
    Function("median", hnp.median, np.median, slopes=False),
    Function("average", hnp.average, np.mean),
    Function("logsumexp", hnp.logsumexp, _lse),
    Function("einsum", lambda x, axis: _einsum(hnp.einsum, x, axis), lambda x, axis: _einsum(np.einsum, x, axis)),
]
#: Over one axis.
OVER_ONE = [
    *(Function(f"norm {p}", lambda x, axis, p=p: hnp.linalg.norm(x, p, axis), _p_norm(p)) for p in (1, 2, 3)),
    Function("norm", lambda x, axis: hnp.linalg.norm(x, axis=axis), _p_norm(2)),
    Function("nd.norm", lambda x, axis: hnp.sum(nd.norm(x, axis=axis), axis=()), _p_norm(2)),
    Function("cumsum", hnp.cumsum, np.cumsum),
    Function("cumprod", hnp.cumprod, np.cumprod),
    Function("trapezoid", lambda x, axis: hnp.trapezoid(x, axis=axis), _trapezoid),
    Function("softmax", lambda x, axis: npx.softmax(x, axis=axis), _softmax),
    Function("log_softmax", lambda x, axis: npx.log_softmax(x, axis=axis), lambda x, axis: x - _lse(x, axis, True)),
    Function("softmax, cold", lambda x, axis: softmax.softmax(x, axis=axis, temperature=0.25), lambda x, axis: _softmax(x * 4, axis)),
    Function("layer norm", _ours_layer_norm, _layer_norm, slopes=False),
]  # fmt: skip


def _einsum(einsum: Callable[..., Any], x: Any, axis: Any) -> Any:
    axes = range(x.ndim) if axis is None else [a % x.ndim for a in np.atleast_1d(axis)]
    labels = "abcdefg"[: x.ndim]
    return einsum(f"{labels}->{''.join(c for i, c in enumerate(labels) if i not in axes)}", x)


@dataclass
class Program:
    function: Function
    x: Data
    axis: Any
    dtype: Any
    compiled: bool

    def __str__(self) -> str:
        return f"{self.function.name} over {self.axis} of {self.dtype}{self.x.shape}, {'compiled' if self.compiled else 'eager'}:\n{self.x}"


def values(rng: np.random.Generator, shape: tuple[int, ...], kind: str) -> Data:
    x = rng.normal(size=shape)
    match kind:
        case "zeros":
            x *= rng.random(shape) < 0.5
        case "ties":
            x = np.rint(x)
        case "constant":
            x = np.full(shape, rng.normal() * 100)
        case "far":
            x = 1000 + x
        case "steady":
            x = np.full(shape, 0.1)
        case "large":
            x = np.clip(x * 3e3, -6e3, 6e3)
    return np.asarray(x)


def programs(seed: int, count: int) -> Iterator[Program]:
    rng = np.random.default_rng(seed)
    for _ in range(count):
        shape = tuple(int(n) for n in rng.choice([0, 1, 2, 3, 4, 7], size=rng.integers(1, 4), p=[0.05, 0.15, 0.2, 0.25, 0.2, 0.15]))
        one = rng.random() < 0.5
        function = rng.choice(OVER_ONE if one else OVER_AXES)  # type: ignore[arg-type]
        axis: Any = int(rng.integers(-len(shape), len(shape)))
        if not one and rng.random() < 0.5:
            axis = None if rng.random() < 0.3 else tuple(int(a) for a in rng.permutation(len(shape))[: rng.integers(1, len(shape) + 1)])
        dtype = rng.choice([dtypes.float16, dtypes.float32, dtypes.float64])
        kind = str(rng.choice(["ordinary", "zeros", "ties", "constant", "far", "large", "steady"]))
        if kind == "steady" and dtype == dtypes.float32 and function.name not in ("cumsum", "cumprod", "prod", "nanprod", "trapezoid"):
            shape = (20_000, *shape[1:])
        x = values(rng, shape, kind).astype(dtype)
        if function.name.startswith("nan") and rng.random() < 0.5:
            x[rng.random(shape) < 0.3] = np.nan
        yield Program(function, x, axis, dtype, bool(rng.random() < 0.5))


LARGEST = {np.dtype(np.float16): 6.5e4, np.dtype(np.float32): 1e38, np.dtype(np.float64): 1e300}
TOLERANCE = {np.dtype(np.float16): 4e-3, np.dtype(np.float32): 2e-5, np.dtype(np.float64): 1e-9}


def check(program: Program) -> None:
    """The value is NumPy's in float64; the gradient is finite where the value fits, and the slope where there is one."""
    ours, theirs, axis = program.function.ours, program.function.theirs, program.axis

    def step(x: Any) -> list[Any]:
        x.attach_grad()
        with autograd.record():
            y = ours(x, axis=axis)
        return [y, *(autograd.grad(y, [x]) if y._tape is not None else [])]

    wide_x = program.x.astype(np.float64)
    tolerance, largest = TOLERANCE[program.x.dtype], LARGEST[program.x.dtype]
    with np.errstate(all="ignore"):
        expected = np.asarray(theirs(wide_x, axis=axis))
        y, *gradients = (jit(step) if program.compiled else step)(as_array(program.x))
    found = wide(y).astype(np.float64)
    assert found.shape == expected.shape, f"{program}\n{found.shape} for {expected.shape}"
    fits = ~(np.abs(expected) > largest)
    size = np.abs(wide_x[np.isfinite(wide_x)]).max(initial=1e-3)
    np.testing.assert_allclose(found[fits], expected[fits], rtol=tolerance, atol=tolerance * size, err_msg=str(program))
    if not program.function.slopes or not gradients or not fits.all() or not np.isfinite(expected).all():
        return
    (g,) = gradients
    slopes = differences(lambda x: float(np.asarray(theirs(x, axis=axis)).sum()), wide_x)
    g, finite = wide(g).astype(np.float64), np.isfinite(wide_x)
    fits = np.abs(slopes) < largest
    assert np.isfinite(g[fits]).all(), f"{program}\n{g}"
    smooth = fits & finite & (np.abs(slopes - differences(lambda x: float(np.asarray(theirs(x, axis=axis)).sum()), wide_x, -1)) < 1e-4)
    loose = max(tolerance * 10, 1e-3) * np.abs(slopes[fits & finite]).max(initial=1)
    np.testing.assert_allclose(g[smooth], slopes[smooth], rtol=1e-2, atol=loose, err_msg=str(program))


def differences(f: Callable[[Data], float], x: Data, side: int = 1) -> Data:
    """One-sided differences, of as many elements as are worth it; NaN elsewhere, which fits nowhere."""
    found = np.full(x.shape, np.inf)
    step = side * 1e-6 * max(1.0, float(np.abs(x[np.isfinite(x)]).max(initial=0)))
    with np.errstate(all="ignore"):
        before = f(x)
        for at in list(np.ndindex(*x.shape))[:24]:
            if np.isfinite(x[at]):
                moved = x.copy()
                moved[at] += step
                found[at] = (f(moved) - before) / step
    return found


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("seed", range(4))
def test_random_programs(seed: int) -> None:
    for program in programs(seed, 80):
        check(program)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("seed", range(100, 120))
def test_many_random_programs(seed: int) -> None:
    for program in programs(seed, 500):
        check(program)


# -- 16 bits ----------------------------------------------------------------------------------------------

_X = np.random.default_rng(3).normal(size=(2, 4, 5, 6)) * 300
_Y = np.random.default_rng(4).normal(size=(2, 4, 5, 6)) * 300


def _of_loss(loss: Any) -> Callable[..., Any]:
    return lambda x, y: loss(x, y)


#: Composites of one or two arrays whose results fit in float16 though the parts of some do not.
HALF: dict[str, Callable[..., Any]] = {
    "mean": lambda x, y: hnp.mean(hnp.abs(x) * 20, axis=(0, 3)),
    "nanmean": lambda x, y: hnp.nanmean(hnp.abs(x) * 20),
    "global average": lambda x, y: npx.pooling(x, global_pool=True, pool_type="avg"),
    "average of windows": lambda x, y: npx.pooling(x, kernel=(5, 6), pool_type="avg"),
    "root of squares of windows": lambda x, y: npx.pooling(x, kernel=(2, 2), pool_type="lp"),
    "L2Normalization": lambda x, y: nd.L2Normalization(x),
    "LRN": lambda x, y: nd.LRN(x, nsize=3),
    "corrcoef": lambda x, y: hnp.corrcoef(x.reshape(8, 30)),
    "weighted average": lambda x, y: hnp.average(x, weights=hnp.abs(y) + 1),
    "interp": lambda x, y: hnp.interp(x.reshape(-1), hnp.array([-6e4, 6e4], dtype=x.dtype), hnp.array([-6e4, 6e4], dtype=x.dtype)),
    "median": lambda x, y: hnp.median(x * 60, axis=0),
    "matrix power": lambda x, y: hnp.linalg.matrix_power(x[0, 0, :, :5] / 60, 3),
    "three factors": lambda x, y: hnp.einsum("ij,jk,kl->il", x[0, 0], y[0, 0].T, x[0, 0] * 1e-4),
    "multi_dot": lambda x, y: hnp.linalg.multi_dot([x[0, 0], y[0, 0].T, x[0, 0] * 1e-4]),
    "L2Loss": _of_loss(gluon.loss.L2Loss(weight=1e-2)),
    "L1Loss": _of_loss(gluon.loss.L1Loss()),
    "HuberLoss": _of_loss(gluon.loss.HuberLoss(rho=50)),
    "SquaredHingeLoss": lambda x, y: gluon.loss.SquaredHingeLoss(weight=1e-2)(x, hnp.sign(y)),
    "LogisticLoss": lambda x, y: gluon.loss.LogisticLoss()(x, hnp.sign(y)),
    "KLDivLoss": lambda x, y: gluon.loss.KLDivLoss(from_logits=False)(x[:, 0, 0], npx.softmax(y[:, 0, 0])),
    "CosineEmbeddingLoss": lambda x, y: gluon.loss.CosineEmbeddingLoss()(x[:, 0, 0], y[:, 0, 0], hnp.ones((2,), dtype=x.dtype)),
    "TripletLoss": lambda x, y: gluon.loss.TripletLoss()(x, x + 1, x + 2),
    "PoissonNLLLoss": lambda x, y: gluon.loss.PoissonNLLLoss(from_logits=False)(hnp.abs(x), hnp.abs(y)),
    "GroupNorm": lambda x, y: nd.GroupNorm(x, hnp.ones((4,), dtype=x.dtype), hnp.zeros((4,), dtype=x.dtype), num_groups=2),
    "InstanceNorm": lambda x, y: nd.InstanceNorm(x, hnp.ones((4,), dtype=x.dtype), hnp.zeros((4,), dtype=x.dtype)),
}


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("name", HALF)
def test_composites_of_16_bits(name: str, compiled: bool) -> None:
    function = HALF[name]
    x, y = _X.astype(np.float16), _Y.astype(np.float16)
    expected = wide(function(as_array(x, np.float64), as_array(y, np.float64)))
    found = (jit(function) if compiled else function)(as_array(x), as_array(y))
    assert found.dtype == np.float16 and np.abs(expected).max() < 65504
    np.testing.assert_allclose(wide(found).astype(np.float64), expected, rtol=5e-3, atol=5e-3 * np.abs(expected).max())


def test_bias_gradients_keep_their_digits() -> None:
    """A dense layer's over half a million rows, in float32."""
    layer = gluon.nn.Dense(2, in_units=2)
    layer.initialize()
    for hybrid in (False, True):
        layer.hybridize(hybrid)
        with autograd.record():
            y = layer(hnp.ones((500_000, 2)))
        y.backward(hnp.full(y.shape, 0.1))
        np.testing.assert_allclose(layer.bias.grad().asnumpy(), 500_000 * np.float64(np.float32(0.1)), rtol=1e-5)


def test_norms_beyond_the_squares_range() -> None:
    for x in ([1e30, 1e30], [1e-30, 1e-30], [3e38, 0], [1e-42, 0], [0, 0], [np.inf, 1], [np.nan, 1]):
        for of in (nd.norm, hnp.linalg.norm):
            found = wide(of(as_array(np.array(x, np.float32)))).ravel()
            np.testing.assert_allclose(found, [np.linalg.norm(np.float32(x).astype(np.float64)).astype(np.float32)], rtol=1e-5)


def test_the_spread_of_a_large_constant_is_0() -> None:
    for constant in (1e8 / 3, 123456.789, 0.1, -1e30):
        x = as_array(np.full(1001, constant, np.float32))
        x.attach_grad()
        for of in (hnp.var, hnp.std, hnp.nanstd):
            with autograd.record():
                y = of(x)
            y.backward()
            assert y.item() == 0 and not wide(x.grad).any()


# -- nothing, and numbers without dimensions ----------------------------------------------------------------

NUMBERS = [
    "sum", "prod", "max", "min", "all", "any", "argmax", "argmin", "cumsum", "cumprod", "squeeze", "nansum", "nanprod", "nanmax",
    "nanmin", "nanmean", "nanvar", "nanstd", "nancumsum", "nancumprod", "ptp", "argsort", "count_nonzero", "repeat", "mean",
    "var", "std", "median", "sort",
]  # fmt: skip


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("axis", [0, -1, 1, (0,), ()], ids=str)
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_have_the_axes_that_numpy_gives_them(name: str, axis: Any, compiled: bool) -> None:
    x = np.asarray(1.5, np.float32)
    more = (2,) if name == "repeat" else ()
    ours = lambda x: getattr(hnp, name)(x, *more, axis=axis)
    try:
        expected = getattr(np, name)(x, *more, axis=axis)
    except (TypeError, ValueError):  # AxisError is one
        if axis != ():
            with pytest.raises((TypeError, ValueError)):
                ours(as_array(x))
        return
    if axis == () and name in ("argmax", "argmin"):
        return
    found = (jit(ours) if compiled else ours)(as_array(x))
    assert found.shape == np.shape(expected)
    np.testing.assert_array_equal(wide(found), expected)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3)], ids=str)
@pytest.mark.parametrize("name", ["mean", "var", "std", "median", "nanmean", "nanvar", "nanstd", "sum", "prod"])
def test_statistics_of_nothing(name: str, shape: tuple[int, ...], compiled: bool) -> None:
    x = np.zeros(shape, np.float32)
    for attrs in ({}, {"axis": 0}, {"axis": -1}, *([{"ddof": 1}, {"ddof": 1, "axis": -1}] if name in ("var", "std") else [])):
        ours = lambda x, attrs=attrs: getattr(hnp, name)(x, **attrs)
        expected = getattr(np, name)(x, **attrs)
        found = (jit(ours) if compiled else ours)(as_array(x))
        assert found.shape == expected.shape
        np.testing.assert_array_equal(wide(found), expected)


@pytest.mark.parametrize("seed", range(40))
def test_sums_of_any_layout_keep_their_digits(seed: int) -> None:
    """Axes in any order of memory, some of them cut or of length 1, over any of them."""
    rng = np.random.default_rng(seed)
    shape = [int(n) for n in rng.choice([1, 2, 7, 30, 65], rng.integers(1, 5))]
    x = rng.uniform(size=shape).astype(np.float32).transpose(rng.permutation(len(shape)))
    x = x[tuple(slice(int(rng.integers(0, n)) // 3, None, int(rng.integers(1, 3))) for n in x.shape)]
    axis = tuple(sorted(int(a) for a in rng.permutation(x.ndim)[: rng.integers(1, x.ndim + 1)]))
    expected = x.sum(axis, dtype=np.float64, keepdims=True)
    out = np.empty(expected.shape, np.float32)
    assert add_up(x, axis, True, out) is out
    np.testing.assert_allclose(out, expected, rtol=1e-6)
    np.testing.assert_allclose(add_up(x, axis), np.squeeze(expected, axis), rtol=1e-6)
