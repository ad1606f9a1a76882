"""The contract of operators at the edges of their domains and of their types: kinks, no gradient, 16 bits, long sums."""

import math
from typing import Any

import numpy as np
import pytest
from support.samples import ALL_OPS, Projected, as_array, as_arrays, cases, holds_floats, reached, run, wide

import hybridnet as hn
from hybridnet import autograd, dtypes
from hybridnet.compile import jit
from hybridnet.core import Kind, NDArray, Op, Sample, call
from hybridnet.errors import HybridnetError

Data = np.ndarray[Any, Any]

AT_KINKS = cases(lambda op, s: s.gradients is not None)
DIFFERENTIABLE = cases(lambda op, s: s.error is None and s.differentiable and op.grad is not None and any(map(holds_floats, s.inputs)))


# -- kinks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("dtype", dtypes.FLOATS, ids=str)
@pytest.mark.parametrize(("op", "sample"), AT_KINKS)
def test_gradient_at_kinks(op: Op, sample: Sample, dtype: Any, compiled: bool) -> None:
    """Where an operator has no slope, its gradient is the one that its sample gives; the second one is finite."""
    assert sample.gradients is not None
    places = [i for i, x in enumerate(sample.inputs) if holds_floats(x)]

    def gradients(*xs: Any) -> list[Any]:
        inputs = as_arrays(sample.inputs)
        for place, x in zip(places, xs, strict=True):
            x.attach_grad()
            inputs[place] = x
        with autograd.record():
            ys = [y for y in run(op, inputs, sample.attrs) if y._tape is not None]
            first = reached(ys, list(xs), None, create_graph=True)
            heads = [g for g in first if g is not None and g._tape is not None]
            second = reached(heads, list(xs), None, create_graph=False) if heads else []
        return [*first, *second]

    found = (jit(gradients) if compiled else gradients)(*as_arrays([sample.inputs[i] for i in places], dtype))
    tolerance = {dtypes.float16: 2e-3, dtypes.bfloat16: 2e-2}.get(dtype, 1e-6)
    for g, expected in zip(found, sample.gradients, strict=False):
        np.testing.assert_allclose(wide(g), expected, rtol=tolerance, atol=tolerance)
    assert all(g is None or np.isfinite(wide(g)).all() for g in found)


# -- no gradient ------------------------------------------------------------------------------------------

#: Finite points in and out of all domains, with the ends of the usual ones.
EDGES = np.array([-1e38, -1e30, -2, -1, -0.5, -0.0, 0, 0.5, 1, 2, 100, 1e30, 1e38], np.float32)
UNARY = [op for op in ALL_OPS if op.kind is Kind.POINTWISE and op.grad is not None]


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("op", UNARY, ids=lambda op: op.name)
def test_nothing_comes_of_no_gradient(op: Op, compiled: bool) -> None:
    """An element whose result is not used has the gradient 0, be the slope there infinite or NaN: ``where`` around a domain error."""
    sample = next(s for s in op.sample() if s.error is None)  # type: ignore[misc]
    places = [i for i, x in enumerate(sample.inputs) if holds_floats(x)]
    grid = np.meshgrid(*[EDGES] * len(places), indexing="ij")
    points = [np.ascontiguousarray(x.ravel()) for x in grid]

    def gradients(*xs: Any) -> list[Any]:
        inputs = [np.full(points[0].shape, x.flat[0]) if isinstance(x, np.ndarray) else x for x in sample.inputs]
        operands = as_arrays(inputs)
        for place, x in zip(places, xs, strict=True):
            x.attach_grad()
            operands[place] = x
        with autograd.record():
            (y,) = run(op, operands, sample.attrs)
        if y._tape is None:
            return []
        return [g for g in reached([y], list(xs), [zeros(y)], create_graph=False) if g is not None]

    def zeros(y: Any) -> Any:
        return as_array(np.zeros(y.shape, y.dtype))

    with np.errstate(all="ignore"):
        for g in (jit(gradients) if compiled else gradients)(*as_arrays(points)):
            bad = ~(wide(g) == 0)
            assert not bad.any(), [p[bad].tolist()[:5] for p in points]


# -- 16 bits ----------------------------------------------------------------------------------------------

LARGEST = 65504.0
#: What float16 inputs of thousands mean nothing to, or what makes parts for others, which widen them.
NOT_OF_THOUSANDS = {
    "eig": "eigenvalues that are no longer real",
    "eigh": "the gradient of eigenvectors is the difference of large numbers",
    "svd": "the same",
    "qr": "the same",
    "rnn_sequence": "it hands over the gradients of its gates in 16 bits, which these are beyond",
    "cholesky": "the sample is no longer definite in 16 bits",
}


def _large(sample: Sample) -> list[Any]:
    """The sample with its floating inputs scaled to a tenth of float16's range."""
    found = []
    for x in sample.inputs:
        size = np.abs(x[np.isfinite(x)]).max(initial=0) if holds_floats(x) and x.dtype.kind != "c" else 0
        found.append(np.asarray(x * (6e3 / size), np.float16) if size else x)
    return found


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize(("op", "sample"), cases(lambda op, s: s.error is None and any(map(holds_floats, s.inputs))))
def test_a_tenth_of_float16(op: Op, sample: Sample, compiled: bool) -> None:
    """What fits in 16 bits comes out, whatever lies between."""
    if op.name in NOT_OF_THOUSANDS or op.name.startswith("random_"):
        return
    inputs = _large(sample)

    def of(dtype: Any) -> list[Any]:
        places = [i for i, x in enumerate(inputs) if isinstance(x, np.ndarray)]

        def fn(*arrays: Any) -> Any:
            operands = list(inputs)
            for place, x in zip(places, arrays, strict=True):
                operands[place] = x
            return run(op, operands, sample.attrs)

        return [wide(y) for y in (jit(fn) if compiled else fn)(*as_arrays([inputs[i] for i in places], dtype))]

    with np.errstate(all="ignore"):
        try:
            expected, found = of(np.float64), of(np.float16)
        except HybridnetError:
            return  # out of the operator's domain, or a type that it does not take
    for y, e in zip(found, expected, strict=True):
        if not np.issubdtype(e.dtype, np.floating):
            continue
        fits = np.abs(e) < LARGEST
        np.testing.assert_allclose(y[fits].astype(np.float64), e[fits], rtol=5e-3, atol=1e-7 + 5e-3 * np.abs(e[fits]).max(initial=0))


@pytest.mark.parametrize(("op", "sample"), DIFFERENTIABLE)
def test_gradient_at_a_tenth_of_float16(op: Op, sample: Sample) -> None:
    """So do gradients."""
    if op.name in NOT_OF_THOUSANDS:
        return
    inputs = _large(sample)

    def of(dtype: Any) -> list[Any]:
        f = Projected(op, Sample(tuple(x.astype(dtype) if holds_floats(x) and x.dtype.kind != "c" else x for x in inputs), sample.attrs))
        return f.gradients(f.variables(f.point()))

    with np.errstate(all="ignore"):
        try:
            expected, found = of(np.float64), of(np.float16)
        except HybridnetError:
            return
    for g, e in zip(found, expected, strict=True):
        if e is None or g is None:
            continue
        fits = np.isfinite(wide(e)) & (np.abs(wide(e)) < LARGEST)
        assert np.isfinite(wide(g)[fits]).all()


# -- long sums --------------------------------------------------------------------------------------------

SUMMING = {
    "sum": ([(40_000, 3)], {"axis": (0,), "keepdims": False}),
    "squared_distances": ([(40_000, 3)], {"axis": (0,), "keepdims": False}),
    "norm": ([(40_000, 3)], {"ord": 1.0, "axis": (0,), "keepdims": True}),
    "moments": ([(40_000, 3)], {"axis": (0,)}),
    "centred_sums": ([(40_000, 3), (40_000, 3), (1, 3)], {"axis": (0,)}),
    "matmul_sums": ([(40_000, 2), (40_000, 3)], {"of": "b", "transpose_a": True}),
    "layer_norm_grad": ([(40_000, 2), (40_000, 2), (40_000, 1), (40_000, 1), (2,)], {"axis": 1, "eps": 1e-3}),
}


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("name", SUMMING)
def test_sums_along_a_leading_axis(name: str, compiled: bool) -> None:
    """In float32 within a few roundings of float64, where one by one they would be off by 1e-3."""
    op = next(o for o in ALL_OPS if o.name == name)
    shapes, attrs = SUMMING[name]
    rng = np.random.default_rng(5)
    inputs = [(0.1 + 1e-3 * rng.random(s)).astype(np.float32) for s in shapes]
    if name == "layer_norm_grad":
        inputs[1] = rng.random(shapes[1]).astype(np.float32)

    def of(dtype: Any) -> list[Any]:
        fn = lambda *xs: run(op, xs, attrs)
        return [wide(y) for y in (jit(fn) if compiled else fn)(*as_arrays(inputs, dtype))]

    for y, e in zip(of(np.float32), of(np.float64), strict=True):
        np.testing.assert_allclose(y, e, rtol=1e-5, atol=1e-5 * np.abs(e).max())


def test_rows_of_one_number() -> None:
    """What an embedding's gradient is made of: most of the positions hold the same word."""
    op = next(o for o in ALL_OPS if o.name == "index_add")
    g = np.full((200_000, 2), 0.1, np.float32)
    rows = np.where(np.arange(200_000) % 100, 1, np.arange(200_000) % 5)
    (y,) = run(op, [as_array(g), as_array(rows)], {"shape": (5, 2), "key": (("array",), ("slice", None, None, None))})
    expected = np.bincount(rows, minlength=5) * np.float64(np.float32(0.1))
    np.testing.assert_allclose(wide(y)[:, 1], expected, rtol=1e-5)
    assert isinstance(y, NDArray)


@pytest.mark.parametrize("slope", [0.0, math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("name", ["quotient", "product"])
def test_no_gradient_whatever_the_slope(name: str, slope: float) -> None:
    """Each kind of slope by itself: of some the processor tells nothing."""
    g = hn.np.array([0.0, 0.0]).astype("float32")
    assert call(name, g, hn.np.full((2,), slope)).asnumpy().tolist() == [0, 0]
    with np.errstate(all="ignore"):
        used = call(name, g + 1, hn.np.full((2,), slope)).asnumpy()
        np.testing.assert_array_equal(used, np.divide(1, slope) if name == "quotient" else slope)


# -- numbers as operands ----------------------------------------------------------------------------------

SPECIAL = [0.0, -0.0, 1.0, -1.5, math.inf, -math.inf, math.nan]
CHOOSING = ["where", "maximum", "minimum", "add", "subtract", "multiply", "divide", "copysign"]


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("dtype", dtypes.FLOATS, ids=str)
@pytest.mark.parametrize("name", CHOOSING)
def test_a_number_gives_what_an_array_of_it_gives(name: str, dtype: Any, compiled: bool) -> None:
    """To the bit, signs of zero included, on either side."""
    x = hn.np.array(SPECIAL, dtype=dtype)
    first = [hn.np.array([True, False, False, True, False, True, False])] if name == "where" else []
    for value in SPECIAL:
        for number_first in (False, True):

            def computed(x: Any, number: Any, *first: Any, turned: bool = number_first) -> Any:
                operands = (number, x) if turned else (x, number)
                return getattr(hn.np, name)(*first, *operands)

            def with_number(x: Any, *first: Any, value: float = value, computed: Any = computed) -> Any:
                return computed(x, value, *first)

            with np.errstate(all="ignore"):
                found = (jit(with_number) if compiled else with_number)(x, *first).asnumpy()
                expected = computed(x, hn.np.array([value] * len(SPECIAL), dtype=dtype), *first).asnumpy()
            kept = ~np.isnan(expected.astype(np.float64))  # a NaN has many bits
            assert (np.isnan(found.astype(np.float64)) == ~kept).all()
            assert found[kept].tobytes() == expected[kept].tobytes(), (value, number_first)
