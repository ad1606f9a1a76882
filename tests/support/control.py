"""What the tests of control flow share: comparing imperative and compiled functions, gradients by differences."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as onp
import pytest

from hybridnet import autograd, np, npx
from hybridnet.compile import jit
from hybridnet.config import config
from hybridnet.graph.backend import NUMPY
from hybridnet.graph.ir import Graph

RNG = onp.random.default_rng(7)


@pytest.fixture(autouse=True)
def loops_are_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """No loop is short enough to be written out, graphs are verified after every pass, and the same random numbers come in each test."""
    RNG.bit_generator.state = onp.random.default_rng(7).bit_generator.state
    monkeypatch.setattr(NUMPY, "limits", replace(NUMPY.limits, unrolled_steps=0))
    monkeypatch.setattr(config, "debug", 1)


def array(*shape: int, dtype: Any = "float64", scale: float = 1.0) -> Any:
    return np.array(RNG.normal(size=shape) * scale, dtype=dtype)


def variable_of(values: Any) -> Any:
    x = np.array(onp.array(values))  # float64
    x.attach_grad()
    return x


def variable(*shape: int) -> Any:
    return variable_of(RNG.normal(size=shape))


def flat(result: Any) -> list[Any]:
    return [x for r in result for x in flat(r)] if isinstance(result, (list, tuple)) else [result.asnumpy()]


def same(a: Any, b: Any) -> None:
    for x, y in zip(flat(a), flat(b), strict=True):
        assert x.dtype == y.dtype
        onp.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-7)


def compiled_like_eager(fn: Callable[..., Any], *args: Any) -> Any:
    """The result, after checking that the compiled program, twice, and the reference interpreter give the same."""
    expected = fn(*args)
    program = jit(fn)
    same(program(*args), expected)
    same(program(*args), expected)
    return expected


def gradients(fn: Callable[..., Any], *args: Any) -> list[Any]:
    with autograd.record():
        y = fn(*args)
    y.backward()
    return [x.grad.asnumpy().copy() for x in args]


def check_gradients(fn: Callable[..., Any], *args: Any) -> None:
    """Gradients of a scalar function by its arguments: eager, compiled, and by differences."""
    for mode in (fn, jit(fn)):
        found = gradients(mode, *args)
        for x, g in zip(args, found, strict=True):
            values = x.asnumpy()
            numeric = onp.zeros_like(values)
            for at in onp.ndindex(values.shape):
                ends = []
                for eps in (1e-5, -1e-5):
                    moved = values.copy()
                    moved[at] += eps
                    with autograd.pause():
                        ends.append(float(fn(*[np.array(moved) if a is x else a for a in args])))
                numeric[at] = (ends[0] - ends[1]) / 2e-5
            onp.testing.assert_allclose(g, numeric, rtol=1e-5, atol=1e-7)


def ops_of(graph: Graph) -> list[str]:
    found = []
    for node in graph.nodes:
        found.append(node.op.name)
        for value in node.attrs.values():
            if isinstance(value, Graph):
                found += ops_of(value)
    return found


def rnn(x: Any, h: Any, w: Any) -> Any:
    def body(element: Any, state: Any) -> tuple[Any, Any]:
        following = np.tanh(np.dot(state, w) + element)
        return following * 2, following

    return npx.foreach(body, x, h)


def rnn_sum(x: Any, w: Any) -> Any:
    return npx.foreach(lambda e, s: (np.tanh(s * w + e), s * e), x, w)[0].sum()


def nested(x: Any, w: Any) -> Any:
    """A loop of conditional loops over an array of the trace outside, a variable outside and its own state."""
    y = x * 2

    def body(e: Any, s: Any) -> Any:
        def grow() -> Any:
            return npx.while_loop(lambda v: (v * v).sum() < 3, lambda v: (v * e, v * 1.5 + w * 0.1), s, 6)[1]

        s = npx.cond(e.sum() > 0, grow, lambda: s * w + y[0])
        return npx.foreach(lambda u, t: (u * t, t + u * s), y, e)[0].sum(), s

    outputs, last = npx.foreach(body, y, np.ones((2,), dtype="float64"))
    return outputs.sum() + (last * last).sum()
