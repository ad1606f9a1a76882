"""Compiling takes time in proportion to the graph: no pass, rewrite, plan or text runs more lines than that. Counted, not timed."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy
import pytest
from emulator.device import emulated_gpu
from support.steps import growing_faster

import hybridnet as hn
from hybridnet import autograd, gluon, jit, np
from hybridnet.gluon import nn


def _array(*shape: int) -> Any:
    return np.array(numpy.random.default_rng(0).uniform(-1, 1, shape).astype("float32"))


def _layers(n: int, units: int = 8, normalized: bool = False, widths: int = 1) -> Any:
    net = nn.HybridSequential()
    sizes = [units + 8 * (i % widths) for i in range(n + 1)]
    for a, b in pairwise(sizes):
        net.add(nn.Dense(b, activation="relu", in_units=a))
        if normalized:
            net.add(nn.LayerNorm(in_channels=b))
    net.initialize()
    return net


def _step(net: Any, x: Any, optimizer: str, **options: Any) -> Callable[[], Any]:
    trainer = gluon.Trainer(net.collect_params(), optimizer, options)

    @jit
    def step(x: Any) -> Any:
        with autograd.record():
            loss = (net(x) ** 2).sum()
        loss.backward()
        trainer.step(1)
        return loss

    return lambda: step.program(x)


def deep(n: int) -> Callable[[], Any]:
    return _step(_layers(n), _array(4, 8), "sgd", momentum=0.9)


def many_widths(n: int) -> Callable[[], Any]:
    return _step(_layers(n, widths=5), _array(4, 8), "adam")


def normalized(n: int) -> Callable[[], Any]:
    """Regions of large arrays."""
    return _step(_layers(n, 64, normalized=True), _array(2048, 64), "lamb")


def recorded(n: int) -> Callable[[], Any]:
    """A forward that keeps what its backward reads."""
    net, x = _layers(n, 64, normalized=True), _array(2048, 64)
    net.hybridize()

    def program() -> Any:
        with autograd.record():
            return net.program(x)

    return program


def recurrent(n: int) -> Callable[[], Any]:
    w, u, xs = _array(8, 8), _array(8, 8), _array(n, 2, 8)
    w.attach_grad()
    u.attach_grad()

    @jit
    def step(xs: Any) -> Any:
        with autograd.record():
            h = np.zeros((2, 8))
            for i in range(n):
                h = np.tanh(xs[i] @ w + h @ u)
            loss = (h * h).sum()
        loss.backward()
        return loss

    return lambda: step.program(xs)


def chain(n: int) -> Callable[[], Any]:
    def run(x: Any) -> Any:
        for _ in range(n):
            x = np.tanh(x) + 0.5
        return x

    return lambda: jit(run).program(np.zeros((1024, 256)))


def _updated(*xs: Any) -> list[Any]:
    """Many results of few nodes, each of which may be computed over what is no longer read."""
    made = [np.tanh(x @ x) for x in xs]
    return [y for a, b in zip(made[::2], made[1::2], strict=True) for y in (a - b * 0.1, np.tanh(a) * b, (a * b).sum(axis=-1))]


def many_results(n: int) -> Callable[[], Any]:
    xs = [_array(16, 16) for _ in range(2 * n)]
    return lambda: jit(_updated).program(*xs)


def shared_buffers(n: int) -> Callable[[], Any]:
    """Arrays that have been recorded or viewed, and are written by the function."""
    xs = [_array(4) for _ in range(n)]
    views = [x.detach() for x in xs]

    def run() -> None:
        for x in xs:
            x += 1

    compiled = jit(run)
    return lambda: (compiled.program(), views)


CASES = {deep: 6, many_widths: 6, normalized: 2, recorded: 6, recurrent: 6, chain: 6, many_results: 6, shared_buffers: 6}


@pytest.mark.parametrize("case", CASES)
def test_lines_are_in_proportion_to_the_graph(case: Callable[[int], Callable[[], Any]]) -> None:
    assert growing_faster(case, CASES[case]) == []


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_on_a_device(case: Callable[[int], Callable[[], Any]]) -> None:
    with emulated_gpu(), hn.gpu():
        assert growing_faster(case, CASES[case]) == []


def test_a_quadratic_function_is_found() -> None:
    def make(n: int) -> Callable[[], Any]:
        x = np.zeros((4,))
        return lambda: [x.shape for _ in range(n * n)]

    assert any("shape" in line for line in growing_faster(make, 6))
