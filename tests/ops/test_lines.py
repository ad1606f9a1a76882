"""Composites and gradients as straight lines of NumPy give what their parts give one by one: to the bit, in type, layout and ownership."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support.samples import as_arrays, cases, holds_floats, run

from hybridnet import autograd, dtypes, npx
from hybridnet import np as hnp
from hybridnet.core import OPS, NDArray, Op, Sample, lines, local
from hybridnet.errors import HybridnetError
from hybridnet.hooks import operator_hook

COMPOSITES = cases(lambda op, s: s.error is None and op.decomposition is not None)
GRADIENTS = cases(lambda op, s: s.error is None and op.grad is not None and any(map(holds_floats, s.inputs)))
LAYOUTS = {"C": lambda x: x, "F": lambda x: x.copy("F"), "reversed": lambda x: x[..., ::-1].copy()[..., ::-1] if x.ndim else x}


@contextlib.contextmanager
def written_at_call(number: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Lines are written at that call; gives those that are, and None for what there is none of."""
    written: list[Any] = []

    def counted(self: Any, key: Any, write: Any) -> Any:
        line = original(self, key, write)
        if key in self.found:
            written.append(line)
        return line

    original = lines.Lines.counted
    with monkeypatch.context() as patch:
        patch.setattr(lines, "CALLS", number)
        patch.setattr(lines.Lines, "counted", counted)
        yield written


@pytest.fixture(autouse=True)
def fresh() -> None:
    """No operator has lines of what ran before."""
    for op in OPS.values():
        if op.lines is not None:
            for kept in (op.lines.found, op.lines.calls, op.lines.short):
                kept.clear()  # type: ignore[attr-defined]


def described(x: Any) -> Any:
    if x is None:
        return None
    data = x._data
    return type(x), data.shape, data.dtype, data.tobytes(), data.flags.writeable


def operands_of(sample: Sample, dtype: Any, layout: str) -> list[Any]:
    arrays = as_arrays(sample.inputs, dtype)
    for x in arrays:
        if isinstance(x, NDArray):
            x._data = LAYOUTS[layout](x._data)
    return arrays


def outcome(function: Any, *args: Any) -> Any:
    try:
        with np.errstate(all="ignore"):
            return function(*args)
    except HybridnetError as error:
        return type(error), str(error)


def results(op: Op, sample: Sample, dtype: Any, layout: str) -> Any:
    return [described(y) for y in run(op, operands_of(sample, dtype, layout), sample.attrs)]


@pytest.mark.parametrize("dtype", [d if d is dtypes.float32 else pytest.param(d, marks=pytest.mark.slow) for d in dtypes.FLOATS], ids=str)
@pytest.mark.parametrize(("op", "sample"), COMPOSITES)
def test_a_composite_is_its_parts(op: Op, sample: Sample, dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for layout in LAYOUTS:
        with written_at_call(1 << 30, monkeypatch) as written:
            expected = outcome(results, op, sample, dtype, layout)
        assert not written
        with written_at_call(1, monkeypatch):
            assert outcome(results, op, sample, dtype, layout) == expected  # written at once, and run


def gradients(op: Op, sample: Sample, dtype: Any, layout: str) -> Any:
    """What the tape delivers to each floating operand, from random gradients of some of the results: twice, the second time added."""
    rng = np.random.default_rng(3)
    arrays = operands_of(sample, dtype, layout)
    variables = [x for x in arrays if isinstance(x, NDArray) and dtypes.is_floating(x.dtype)]
    for x in variables:
        x.attach_grad()
    with autograd.record():
        outputs = [y for y in run(op, arrays, sample.attrs) if y._tape is not None]
    found = []
    for chosen in (outputs, outputs[:1]):
        gs = [hnp.array(rng.normal(size=y.shape)).astype(y.dtype) for y in chosen]
        if chosen:
            autograd.backward(chosen, gs, retain_graph=True)
            found += [described(x.grad) for x in variables]
            try:
                made = autograd.grad(chosen, variables, gs, retain_graph=True)
            except HybridnetError as error:
                found.append(str(error))
            else:
                found += [described(g) for g in made]
                found.append(shares(made, [*arrays, *outputs]))
    return found


def shares(made: list[NDArray], others: list[Any]) -> list[Any]:
    """Which gradients lie in the memory of other arrays without an alias record in common, which would let writes go unseen."""
    return [
        (i, j)
        for i, g in enumerate(made)
        for j, x in enumerate(others)
        if isinstance(x, NDArray) and np.may_share_memory(g._data, x._data) and (g._storage is None or g._storage is not x._storage)
    ]


@pytest.mark.parametrize("dtype", [dtypes.float32, pytest.param(dtypes.float16, marks=pytest.mark.slow)], ids=str)
@pytest.mark.parametrize(("op", "sample"), GRADIENTS)
def test_gradients_are_those_of_the_rules(op: Op, sample: Sample, dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for layout in ("C", "F"):
        with written_at_call(1 << 30, monkeypatch):
            expected = outcome(gradients, op, sample, dtype, layout)
        with written_at_call(1, monkeypatch):
            assert outcome(gradients, op, sample, dtype, layout) == expected


def test_most_composites_and_gradients_have_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """That the comparisons above compare something: what has none is named here."""
    without: set[str] = set()
    for case in COMPOSITES:
        op, sample = case.values
        with written_at_call(1, monkeypatch) as written:
            results(op, sample, dtypes.float32, "C")
        if None in written:
            without.add(op.name)
    assert without == {"batch_norm", "upsampling_nearest", "replicate"}  # which give an operand on, or a view of one


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 20))])
def test_random_programs(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chains of composites, broadcasting arithmetic, products and reductions of random shapes, recorded and differentiated."""
    for number in range(30):
        with written_at_call(1 << 30, monkeypatch):
            expected = outcome(_program, seed * 1000 + number)
        with written_at_call(1, monkeypatch):
            for _ in range(2):
                assert outcome(_program, seed * 1000 + number) == expected


def _program(seed: int) -> Any:
    rng = np.random.default_rng(seed)
    dtype = ("float32", "float32", "float64", "float16")[rng.integers(4)]
    rows, columns = int(rng.integers(1, 5)), int(rng.integers(1, 6))

    def array(*shape: int) -> Any:
        data = rng.normal(size=shape).astype(dtype)
        x = hnp.array(data if rng.integers(2) or not shape else np.asfortranarray(data), dtype=dtype)
        if rng.integers(3):
            x.attach_grad("add" if rng.integers(4) == 0 else "write")
        return x

    variables = [array(rows, columns)]
    with autograd.record():
        y = variables[0]
        for _ in range(int(rng.integers(2, 7))):
            kind = int(rng.integers(12))
            if kind < 3:
                other = array(*[(y.shape[1],), (y.shape[0], 1), y.shape][kind])
                variables.append(other)
                y = [y + other, y * other, other - y, y / (other * other + 1)][int(rng.integers(4))]
            elif kind < 5:
                variables.append(array(y.shape[1], int(rng.integers(1, 4))))
                y = y @ variables[-1]
            elif kind == 5:
                y = y.T
            elif kind == 6:
                y = y.sum(axis=int(rng.integers(2)), keepdims=True) * y
            elif kind == 7:
                y = npx.layer_norm(y, hnp.ones(y.shape[1], dtype=dtype), hnp.zeros(y.shape[1], dtype=dtype))
            else:
                y = [npx.relu, npx.softmax, npx.log_softmax, npx.sigmoid, npx.gelu, hnp.tanh][int(rng.integers(6))](y)
        loss = [y.sum(), y.mean(axis=0), y][int(rng.integers(3))]
    found = [described(loss)]
    if loss._tape is not None:
        loss.backward()
        found += [described(x.grad) for x in variables]
    return found


def test_results_are_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write to a result changes neither an operand nor what the next call gives."""
    x = hnp.array([[1.0, -2.0, 3.0]])
    with written_at_call(1, monkeypatch):
        for function in (npx.softmax, npx.relu, npx.sigmoid):
            first = function(x)
            kept = first.asnumpy().copy()
            first[:] = 7
            assert function(x).asnumpy().tobytes() == kept.tobytes()
    assert x.asnumpy().tolist() == [[1.0, -2.0, 3.0]]


def test_attributes_are_told_apart_by_type_and_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    x = hnp.array([[1.0, -2.0, 3.0]])
    slopes = (0.25, 0.5, 0.0, -0.0, 1.0)
    expected = [npx.leaky_relu(x, slope=s).asnumpy().tobytes() for s in slopes]
    assert len(set(expected)) == len(slopes)
    with written_at_call(1, monkeypatch):
        for _ in range(2):
            assert [npx.leaky_relu(x, slope=s).asnumpy().tobytes() for s in slopes] == expected


def test_lines_are_written_when_a_call_comes_again_and_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = OPS["softmax"].lines
    assert kept is not None
    monkeypatch.setattr(lines, "KEPT", 4)
    for n in range(1, 20):
        for _ in range(n % 3 + lines.CALLS - 2):
            npx.softmax(hnp.ones((2, n)))
        assert len(kept.found) <= 4 and len(kept.calls) <= 4
    assert {key[0][0][1] for key in kept.found} == {11, 14, 17} | {8}  # type: ignore[index]


def test_hooks_are_told_of_the_parts_of_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    def told() -> list[str]:
        names: list[str] = []

        def note(call: Any, compute: Any) -> Any:
            names.append(call.name)
            return compute()

        x = hnp.array([[1.0, -2.0, 3.0]])
        x.attach_grad()
        with operator_hook(note):
            with autograd.record():
                y = npx.log_softmax(x).sum()
            y.backward()
        return names

    expected = told()
    assert expected.count("log_softmax") == 1 and expected.count("multiply") == 1
    with written_at_call(1, monkeypatch):
        told()
        x = hnp.array([[1.0, -2.0, 3.0]])
        x.attach_grad()
        with autograd.record():
            y = npx.log_softmax(x).sum()
        y.backward()
        assert told() == expected


def test_errors_name_the_operator_and_the_line_though_a_line_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    x = hnp.array([[1e30, 1.0]], dtype="float32")
    with written_at_call(1, monkeypatch):
        for _ in range(2):
            with np.errstate(over="raise"), pytest.raises(HybridnetError, match=r"\[multiply\].*test_lines.py:\d+") as caught:
                npx.layer_norm(x, hnp.ones(2), hnp.zeros(2)) * npx.gelu(x, approximation="tanh")
            assert "FloatingPointError" in str(caught.value)
        with pytest.raises(HybridnetError, match=r"\[softmax\].*test_lines.py"):
            npx.softmax(x, axis=5)


def test_gradients_of_gradients_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    def second() -> Any:
        x = hnp.array([[1.0, -2.0, 3.0]])
        x.attach_grad()
        with autograd.record():
            (g,) = autograd.grad([npx.softmax(x)], [x], [hnp.array([[1.0, 0.5, -1.0]])], create_graph=True)
            total = (g * g).sum()
        total.backward()
        return x.grad.asnumpy().tobytes()

    expected = second()
    with written_at_call(1, monkeypatch):
        assert second() == second() == expected


def test_threads_share_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    x = hnp.array(np.random.default_rng(0).normal(size=(3, 4)).astype("float32"))
    expected, found = npx.softmax(x).asnumpy().tobytes(), []

    def compute() -> None:
        for _ in range(50):
            found.append(npx.softmax(x).asnumpy().tobytes())

    threads = [threading.Thread(target=compute) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {expected} and len(found) == 200 and not local.special
