"""The contract with complex numbers: operators whose records say that they take them do so in every way; others refuse them by name."""

from typing import Any

import numpy as np
import pytest
from support.gradients import check_gradient, check_second_gradient
from support.samples import ALL_OPS, NOT_BY_DIFFERENCES, Projected, as_arrays, holds_floats, in_complex, run, samples_of, wide

from hybridnet import autograd
from hybridnet.compile import jit
from hybridnet.config import config
from hybridnet.core import NDArray, Op, Sample, asarray, call, spec_of
from hybridnet.core.apply import apply
from hybridnet.core.promotion import promote
from hybridnet.dtypes import float32
from hybridnet.errors import DtypeError, HybridnetError
from hybridnet.graph.interpret import interpret
from hybridnet.graph.passes import PASSES


def _cases(op: Op) -> list[Sample]:
    """Its good samples that hold numbers of which some become complex."""
    return [in_complex(s) for s in samples_of(op) if s.error is None and s.gradients is None and any(map(holds_floats, s.inputs))]


TAKE = [pytest.param(op, s, id=f"{op.name}-{i}") for op in ALL_OPS if op.complex is not None for i, s in enumerate(_cases(op))]
#: The phases of their vectors are free: functions of them that depend on these have no gradient. See ``test_phases_are_free``.
PHASES = {"eigh", "svd"}
SMOOTH = [
    c for c in TAKE if c.values[0].grad is not None and c.values[1].differentiable and c.values[0].name not in NOT_BY_DIFFERENCES | PHASES
]
REFUSE = [pytest.param(op, _cases(op)[0], id=op.name) for op in ALL_OPS if op.complex is None and _cases(op)]


def test_every_operator_says() -> None:
    """What the record says is one of two words, and no more; what adds and multiplies is among those that take complex numbers."""
    assert {op.complex for op in ALL_OPS} == {None, "holomorphic", "direct"}
    assert {"add", "multiply", "exp", "sum", "matmul", "reshape", "index"} <= {c.values[0].name for c in TAKE}


@pytest.mark.parametrize(("op", "sample"), TAKE)
def test_infer_is_compute(op: Op, sample: Sample) -> None:
    """Shapes and dtypes are as foretold, values those of complex128, whatever the strides; no input is changed, ``out`` is filled."""
    arrays = as_arrays(sample.inputs, float32)
    before = [wide(x).copy() for x in arrays]
    operands = list(promote(op, arrays, apply)) if op.promote is not None else arrays
    specs = op.infer(*map(spec_of, operands), **sample.attrs)
    outputs = run(op, arrays, sample.attrs)
    assert [(y.shape, y.dtype) for y in outputs] == [(s.shape, s.dtype) for s in ((specs,) if hasattr(specs, "dtype") else specs)]
    for y, exact in zip(outputs, run(op, as_arrays(sample.inputs), sample.attrs), strict=True):
        np.testing.assert_allclose(wide(y), wide(exact), rtol=2e-5, atol=2e-5)
    for x, old in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(wide(x), old, "an input was modified")
    turned = [wide(x).copy(order="F") if isinstance(x, NDArray) else x for x in arrays]
    for y, z in zip(run(op, as_arrays(turned, float32), sample.attrs), outputs, strict=True):
        np.testing.assert_allclose(wide(y), wide(z), rtol=1e-6, atol=1e-6)
    if op.out and op.compute is not None:
        buffer = np.full(outputs[0].shape, 77).astype(outputs[0].dtype)
        op.compute(np, *[x._data if isinstance(x, NDArray) else x for x in operands], out=buffer, **sample.attrs)
        np.testing.assert_allclose(buffer, wide(outputs[0]), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("op", "sample"), SMOOTH)
def test_gradient(op: Op, sample: Sample) -> None:
    """By PyTorch's convention: the inner product with a direction is the slope, along real and imaginary ones."""
    check_gradient(op, sample)


@pytest.mark.parametrize(("op", "sample"), SMOOTH)
def test_second_gradient(op: Op, sample: Sample) -> None:
    check_second_gradient(op, sample)


@pytest.mark.parametrize(("op", "sample"), [c for c in SMOOTH if c.values[0].promote and len(c.values[1].inputs) > 1])
@pytest.mark.parametrize("place", [0, 1])
def test_gradient_of_a_real_operand_is_real(op: Op, sample: Sample, place: int) -> None:
    inputs = list(sample.inputs)
    if op.promote_from > place or not holds_floats(inputs[place]):
        return
    inputs[place] = inputs[place].real.copy()
    mixed = Sample(tuple(inputs), sample.attrs)
    check_gradient(op, mixed)


@pytest.mark.parametrize(("op", "sample"), TAKE)
def test_compiled(op: Op, sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all passes and without any, and by the interpreter of the graph; the graph is verified after each pass."""
    monkeypatch.setattr(config, "debug", 1)
    places = [i for i, x in enumerate(sample.inputs) if isinstance(x, np.ndarray)]

    def fn(*arrays: Any) -> Any:
        operands: list[Any] = list(sample.inputs)
        for place, x in zip(places, arrays, strict=True):
            operands[place] = x
        return run(op, operands, sample.attrs)

    arrays = [x for x in as_arrays(sample.inputs, float32) if isinstance(x, NDArray)]
    expected = fn(*arrays)
    compiled = jit(fn, name=op.name)
    found = [compiled(*arrays), compiled(*arrays)]
    monkeypatch.setattr(config, "disabled_passes", frozenset(p.name for p in PASSES))
    plain = jit(fn, name=op.name)
    found += [plain(*arrays), interpret(plain.graph(*arrays), [x._data for x in arrays])]
    for ys in found:
        for y, e in zip(ys, expected, strict=True):
            assert (y.shape, y.dtype) == (e.shape, e.dtype)
            np.testing.assert_allclose(wide(y), wide(e), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize(("op", "sample"), SMOOTH)
def test_backward_compiled(op: Op, sample: Sample) -> None:
    """Forward and backward as one program, and the backward of a compiled forward."""
    f = Projected(op, sample)
    point = f.point()
    count = len(f.places)
    expected = f.gradients(f.variables(point))

    def step(*arrays: Any) -> Any:
        for x in arrays[:count]:
            x.attach_grad()
        with autograd.record():
            ys = f.outputs(arrays[:count])
        autograd.backward(ys, list(arrays[count:]))
        return [x.grad for x in arrays[:count]]

    inside = jit(step, name=op.name)(*as_arrays(point))
    xs = as_arrays(point)
    for x in xs[:count]:
        x.attach_grad()
    forward = jit(lambda *arrays: f.outputs(arrays), name=op.name)
    with autograd.record():
        ys = forward(*xs[:count])
    autograd.backward(ys, xs[count:])
    for e, a, b in zip(expected, inside, (x.grad for x in xs), strict=False):
        np.testing.assert_allclose(wide(a), 0 if e is None else wide(e), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(wide(b), 0 if e is None else wide(e), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("op", "sample"), REFUSE)
def test_refused(op: Op, sample: Sample) -> None:
    """Where the record says nothing, the same error eagerly and traced, by the operator's name, before anything is computed."""
    arrays = [x for x in as_arrays(sample.inputs) if isinstance(x, NDArray)]
    if not any(x.dtype.kind == "c" for x in arrays):
        return
    errors = []
    for function in (lambda *xs: run(op, xs, sample.attrs), jit(lambda *xs: run(op, xs, sample.attrs), name=op.name)):
        operands = list(sample.inputs)
        if not all(isinstance(x, np.ndarray) for x in operands):
            continue
        with pytest.raises(DtypeError, match=rf"^\[{op.name}\] expected real numbers; got .*complex128") as caught:
            function(*arrays)
        errors.append(str(caught.value).partition("; at ")[0])
    assert len(set(errors)) <= 1


def test_refused_in_place() -> None:
    """Real arrays are not written complex numbers, by whatever way."""
    x, z = as_arrays([np.ones(2), np.array([1j, 2])])
    for write in (lambda: x.__setitem__(0, 1j), lambda: x.__setitem__(slice(None), z), lambda: x.__iadd__(z), lambda: x.__imul__(2j)):
        with pytest.raises(HybridnetError, match="expected values that float64 holds"):
            write()
    np.testing.assert_array_equal(x.asnumpy(), 1)


@pytest.mark.parametrize("name", sorted(PHASES))
def test_phases_are_free(name: str) -> None:
    """What does not depend on phases has the gradient that its differences say: here the sizes of vectors' elements and all values."""
    rng = np.random.default_rng(2)
    a, along = (rng.normal(size=(2, 3, 3)) + 1j * rng.normal(size=(2, 3, 3)) for _ in range(2))
    weights = rng.normal(size=(2, 2, 3, 3))

    def function(x: Any) -> Any:
        if name == "svd":
            u, s, vh = call("svd", x, full_matrices=False)
            product = call("matmul", u, vh)
        else:
            s, u = call("eigh", x, upper=False)
            vh = product = u
        sizes = [call("absolute", y) for y in (u, vh if name == "svd" else product)]
        terms = [(s * s), *(y * y * asarray(w) for y, w in zip(sizes, weights, strict=True))]
        if name == "svd":
            terms.append(call("real", product))
        return sum(call("sum", t, axis=tuple(range(t.ndim)), keepdims=False) for t in terms)

    x = asarray(a)
    x.attach_grad()
    with autograd.record():
        y = function(x)
    y.backward()
    ahead, behind = (float(function(asarray(a + h * along)).asnumpy()) for h in (1e-6, -1e-6))
    assert float((np.conj(x.grad.asnumpy()) * along).real.sum()) == pytest.approx((ahead - behind) / 2e-6, rel=1e-6)
