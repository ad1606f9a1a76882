"""The contract of every operator when it is compiled: traced, optimised and written as a NumPy program it does what it does eagerly."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.samples import NOT_BY_DIFFERENCES, Projected, as_arrays, cases, holds_floats, run, wide

from hybridnet import autograd, dtypes
from hybridnet.compile import jit
from hybridnet.config import config
from hybridnet.core import NDArray, Op, Sample, array, call, wrap
from hybridnet.device import cpu
from hybridnet.errors import DtypeError, HybridnetError
from hybridnet.graph.interpret import interpret
from hybridnet.graph.passes import PASSES
from hybridnet.ops.array.creation import full
from hybridnet.ops.array.shape import reshape

GOOD = cases(lambda op, s: s.error is None)
DIFFERENTIABLE = cases(
    lambda op, s: (
        s.error is None and op.grad is not None and any(map(holds_floats, s.inputs)) and (s.differentiable or op.name in NOT_BY_DIFFERENCES)
    )
)
WRONG = cases(lambda op, s: s.error is not None)
TOLERANCE = {dtypes.float64: 1e-12, dtypes.float32: 1e-6, dtypes.float16: 2e-3, dtypes.bfloat16: 2e-2}


@pytest.fixture(autouse=True)
def verified(monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph is verified after every pass."""
    monkeypatch.setattr(config, "debug", 1)


def function_of(op: Op, sample: Sample) -> Callable[..., Any]:
    """The operator as a function of the sample's arrays; its numbers and attributes are constants."""
    places = [i for i, x in enumerate(sample.inputs) if isinstance(x, np.ndarray)]

    def fn(*arrays: Any) -> Any:
        operands = list(sample.inputs)
        for place, x in zip(places, arrays, strict=True):
            operands[place] = x
        return run(op, operands, sample.attrs)

    return fn


def arrays_only(sample: Sample, dtype: Any = None) -> list[Any]:
    return [x for x in as_arrays(sample.inputs, dtype) if isinstance(x, NDArray)]


def equal(found: Any, expected: Any) -> None:
    assert len(found) == len(expected)
    for y, e in zip(found, expected, strict=True):
        assert (y.shape, y.dtype) == (e.shape, e.dtype)
        tolerance = TOLERANCE.get(e.dtype, 0)
        # A library adds up in another order: what a sum is off by goes with its terms, which may cancel, and not with it.
        largest = np.max(np.abs(wide(e)), initial=1, where=np.isfinite(wide(e))) if tolerance else 0
        np.testing.assert_allclose(wide(y), wide(e), rtol=tolerance, atol=tolerance * largest)


@pytest.mark.parametrize("dtype", dtypes.FLOATS, ids=str)
@pytest.mark.parametrize(("op", "sample"), GOOD)
def test_compiled(op: Op, sample: Sample, dtype: Any) -> None:
    """The program gives what eager execution gives, at its first call and at later ones, and leaves its inputs alone."""
    fn, arrays = function_of(op, sample), arrays_only(sample, dtype)
    try:
        expected = fn(*arrays)
    except DtypeError:
        return  # test_infer_is_compute sees to it that this is rightly refused
    before = [wide(x).copy() for x in arrays]
    compiled = jit(fn, name=op.name)
    equal(compiled(*arrays), expected)
    equal(compiled(*arrays), expected)
    for x, old in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(wide(x), old, "an input was modified")


@pytest.mark.parametrize(("op", "sample"), GOOD)
def test_unoptimised(op: Op, sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same without any pass; and the traced graph means it to the interpreter."""
    monkeypatch.setattr(config, "disabled_passes", frozenset(p.name for p in PASSES))
    fn, arrays = function_of(op, sample), arrays_only(sample)
    expected = fn(*arrays)
    compiled = jit(fn, name=op.name)
    equal(compiled(*arrays), expected)
    equal(interpret(compiled.graph(*arrays), [x._data for x in arrays]), expected)


@pytest.mark.parametrize(("op", "sample"), [c for c in GOOD if c.values[1].inputs])
def test_compiled_strides(op: Op, sample: Sample) -> None:
    fn, arrays = function_of(op, sample), arrays_only(sample)
    expected = fn(*arrays)
    for x in arrays:
        x._data = x._data.copy(order="F")
    equal(jit(fn, name=op.name)(*arrays), expected)


def apart(shape: tuple[int, ...], dtype: Any) -> NDArray:
    """An array with gaps, and without the axes of one element."""
    kept = [n for n in shape if n != 1]
    return wrap(NDArray, np.zeros([2 * n for n in kept], dtype)[(..., *[slice(None, None, 2)] * len(kept))], cpu())


@pytest.mark.parametrize("makes_states", [lambda shape, dtype: wrap(NDArray, np.zeros(shape, dtype), cpu()), apart], ids=["whole", "apart"])
@pytest.mark.parametrize("dtype", [dtypes.float64, dtypes.float32], ids=str)
@pytest.mark.parametrize(("op", "sample"), GOOD)
def test_into_states(op: Op, sample: Sample, dtype: Any, makes_states: Callable[..., NDArray]) -> None:
    """Results that states become, and what is then computed of all states together, as an update of parameters is."""
    fn, arrays = function_of(op, sample), arrays_only(sample, dtype)
    expected = fn(*arrays)
    states = [makes_states(y.shape, y.dtype) for y in expected]
    moments = [makes_states(y.shape, y.dtype) for y in expected]
    numbers = [dtypes.is_floating(y.dtype) for y in expected]

    def step(*arrays: Any) -> None:
        for state, y in zip(states, fn(*arrays), strict=True):
            state[...] = reshape(y, state.shape)
        for state, moment, is_number in zip(states, moments, numbers, strict=True):
            if is_number:
                moment[...] = moment * 0.5 + state

    compiled = jit(step, name=op.name)
    for _ in range(2):
        compiled(*arrays)
    equal([reshape(x, y.shape) for x, y in zip(states, expected, strict=True)], expected)
    for moment, state, is_number in zip(moments, states, numbers, strict=True):
        if is_number:
            with np.errstate(all="ignore"):
                equal([moment], [state * 0.5 + state])


@pytest.mark.parametrize(("op", "sample"), DIFFERENTIABLE)
def test_backward_inside(op: Op, sample: Sample) -> None:
    """Forward and backward compiled as one program."""
    f = Projected(op, sample)
    if not f.floating:
        return

    def step(*arrays: Any) -> Any:
        count = len(f.places)
        for x in arrays[:count]:
            x.attach_grad()
        with autograd.record():
            ys = f.outputs(arrays[:count])
        heads = [(y, w) for y, w in zip(ys, arrays[count:], strict=True) if y._tape is not None]
        if heads:
            autograd.backward(*map(list, zip(*heads, strict=True)))
        return [*ys, *(x.grad for x in arrays[:count])]

    point = as_arrays(f.point())
    expected = step(*point)
    for x in point:
        x._tape = None
    compiled = jit(step, name=op.name)
    equal(compiled(*point), expected)
    equal(compiled(*point), expected)


@pytest.mark.parametrize(("op", "sample"), DIFFERENTIABLE)
def test_backward_outside(op: Op, sample: Sample) -> None:
    """A compiled forward called under ``record``: its backward is a program of its own; second order works too."""
    f = Projected(op, sample)
    if not f.floating:
        return
    compiled = jit(lambda *xs: f.outputs(xs), name=op.name)
    weights = as_arrays(f.weights)

    def gradients(function: Callable[..., Any], second: bool) -> Any:
        xs = as_arrays(f.point()[: len(f.places)])
        for x in xs:
            x.attach_grad()
        with autograd.record():
            ys = function(*xs)
            heads = [(y, w) for y, w in zip(ys, weights, strict=True) if y._tape is not None]
            if heads and second:
                first = autograd.tape.propagate(*map(list, zip(*heads, strict=True)), targets=[x._tape for x in xs], retain_graph=True)  # type: ignore[misc]
                heads = [(g, g.detach()) for g in first.values() if g._tape is not None]
        if heads:
            autograd.backward(*map(list, zip(*heads, strict=True)))
        return [x.grad for x in xs]

    expected = gradients(lambda *xs: f.outputs(xs), False)
    equal(gradients(compiled, False), expected)
    equal(gradients(compiled, False), expected)
    equal(gradients(compiled, True), gradients(lambda *xs: f.outputs(xs), True))


@pytest.mark.parametrize(("op", "sample"), WRONG)
def test_errors_are_the_same(op: Op, sample: Sample) -> None:
    fn, arrays = function_of(op, sample), arrays_only(sample)
    with pytest.raises(HybridnetError) as eager:
        fn(*arrays)
    with pytest.raises(HybridnetError) as traced:
        jit(fn, name=op.name)(*arrays)
    assert type(traced.value) is type(eager.value)
    assert str(traced.value) == str(eager.value)


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: full((3,), 1.5, "int32") * x,  # a float among integers is cut off as NumPy does
        lambda x: full((3,), 2.7, "uint8") + x.astype("uint8"),
        lambda x: full((3,), True, "bool") * x,
        lambda x: x.astype("float64") ** full((3,), 0.5, "int32"),
        lambda x: 1 / (x.astype("float32") * 0.0 + 1) + call("copysign", x, -0.0) * call("copysign", x, 0.0),
        lambda x: x.astype("bfloat16") * 0.1 + 1,
        lambda x: full((3,), float("nan")) + full((3,), float("inf")) * x.astype("float32"),
    ],
)
def test_constants(fn: Callable[[Any], Any]) -> None:
    x = array([1, 2, 3], "int32")
    equal([jit(fn)(x)], [fn(x)])
