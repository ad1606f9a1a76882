"""Loops in CUDA programs: their rounds are one CUDA graph, compiled once, and compute what the loop does on a CPU."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy
import pytest
from emulator.emulator import COMPILER
from support.control import flat, rnn, rnn_sum

import hybridnet as hn
from hybridnet import autograd, np, npx
from hybridnet.device import hardware
from hybridnet.graph.backend import CUDA

pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here"),
    pytest.mark.usefixtures("emulated_gpu"),
]


@pytest.fixture(autouse=True)
def loops_are_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """No loop is short enough to be written out."""
    monkeypatch.setattr(CUDA, "limits", replace(CUDA.limits, unrolled_steps=0, unrolled_updates=0))


def array(*shape: int, dtype: str = "float32", seed: int = 0) -> Any:
    return np.array(numpy.random.default_rng(seed).normal(size=shape), dtype=dtype)


def on(device: hn.Device, *args: Any) -> list[Any]:
    return [x.to_device(device) for x in args]


def same_on_a_gpu(fn: Callable[..., Any], *args: Any, loops: int = 1) -> None:
    """The same results from one CUDA graph, launched by hand, captured and replayed, as on the CPU."""
    expected = flat(fn(*args))
    compiled, given = hn.jit(fn), on(hn.gpu(), *args)
    for _ in range(3):
        for y, e in zip(flat(compiled(*given)), expected, strict=True):
            assert y.dtype == e.dtype
            numpy.testing.assert_allclose(y, e, rtol=1e-5, atol=1e-6)
    told = compiled.explain(*given)
    assert "1 CUDA graph (" in told
    assert told.count("rounds of") == loops


def test_states_results_and_what_was_captured() -> None:
    same_on_a_gpu(rnn, array(7, 5, 4), array(5, 4, seed=1), array(4, 4, seed=2))


@pytest.mark.parametrize("width", [1, 2, 3, 5, 8])
def test_elements_that_begin_at_any_number_of_bytes(width: int) -> None:
    """Read by products and by sums, stacked as results of regions and of products, a single number among them."""

    def f(xs: Any, w: Any, h: Any) -> Any:
        def body(x: Any, h: Any) -> Any:
            y = np.dot(x, w)
            return [y, (x * y).sum(), x + 1, np.dot(x * 2, w)], h + y.sum() * x

        return npx.foreach(body, xs, h)

    same_on_a_gpu(f, array(6, 3, width), array(width, width, seed=1), array(3, width, seed=2))


def test_elements_of_few_bytes() -> None:
    def f(xs: Any, flags: Any) -> Any:
        return npx.foreach(lambda e, s: ([e[0] * s, e[1]], s + e[0]), [xs, flags], np.zeros((3,), dtype="float16", device=xs.device))

    flags = np.array([[True, False, True], [False, False, True], [True, True, True]])
    same_on_a_gpu(f, array(3, 3, dtype="float16"), flags)


def test_states_that_are_exchanged_and_returned() -> None:
    def f(xs: Any, a: Any, b: Any) -> Any:
        return npx.foreach(lambda x, s: (s[0], [s[1], s[0] + x]), xs, [a, b])

    same_on_a_gpu(f, array(5, 4), array(4, seed=1), array(4, seed=2))


def test_a_state_that_is_captured_too_keeps_what_it_was() -> None:
    def f(xs: Any, a: Any) -> Any:
        a = a * 2
        return npx.foreach(lambda x, s: (s * a, s + x), xs, a)

    same_on_a_gpu(f, array(5, 4), array(4, seed=1))


def test_operands_with_gaps() -> None:
    def f(xs: Any, a: Any) -> Any:
        return npx.foreach(lambda x, s: (s * 2, s + x), xs.transpose((1, 0, 2))[1:], a[:, 0])

    same_on_a_gpu(f, array(3, 5, 4), array(3, 2, 4, seed=1))


def test_loops_within_loops() -> None:
    def f(xs: Any, w: Any) -> Any:
        def outer(row: Any, total: Any) -> Any:
            outputs, last = npx.foreach(lambda e, s: (s * w, s + e), row, total)
            return outputs.sum(axis=0), last * 0.5

        return npx.foreach(outer, xs, np.zeros((3,), device=xs.device))

    same_on_a_gpu(f, array(4, 5, 3), array(3, seed=1), loops=1)


def test_gradients_go_through_the_rounds_backwards() -> None:
    found = []
    for device in (hn.cpu(), hn.gpu()):
        x, w = on(device, array(6, 4), array(4, seed=1))
        x.attach_grad()
        w.attach_grad()
        compiled = hn.jit(rnn_sum)
        for _ in range(3):
            with autograd.record():
                y = compiled(x, w)
            y.backward()
        found.append([x.grad.asnumpy(), w.grad.asnumpy()])
    for a, b in zip(*found, strict=True):
        numpy.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_the_same_kernels_whatever_the_length() -> None:
    """Nothing of the text that is compiled depends on the number of rounds."""

    def kernels(length: int) -> str:
        given = on(hn.gpu(), array(length, 5, 4), array(5, 4, seed=1), array(4, 4, seed=2))
        text: str = hn.jit(rnn).program(*given)
        return text[text.index("#include") :]

    assert kernels(3) == kernels(50)


def test_a_loop_that_no_graph_holds_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "GRAPH_LAUNCHES", 10)
    given = on(hn.gpu(), array(7, 5, 4), array(5, 4, seed=1), array(4, 4, seed=2))
    assert "foreach at control.py" in (told := hn.jit(rnn).explain(*given))
    assert "launches" in told
    assert "between two graphs" in told


def test_what_a_profile_times_is_left_as_it_was() -> None:
    given = on(hn.gpu(), array(3, 5, 4), array(5, 4, seed=1), array(4, 4, seed=2))
    compiled = hn.jit(rnn)
    expected = flat(compiled(*given))
    profile = compiled.profile(*given)
    assert len(profile.steps) >= 6
    for y, e in zip(flat(compiled(*given)), expected, strict=True):
        numpy.testing.assert_array_equal(y, e)
