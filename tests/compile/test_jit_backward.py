"""Compiled forwards and their backwards: whose memory is whose, and when it may be used again."""

from typing import Any

import numpy as np
import pytest

import hybridnet as hn
from hybridnet import autograd, jit
from hybridnet import np as hnp
from hybridnet.compiled import CompiledWithGradient
from hybridnet.core import NDArray
from hybridnet.gluon import nn


def variable(seed: int, *shape: int) -> NDArray:
    x = hnp.array(np.random.default_rng(seed).normal(size=shape).astype("f"))
    x.attach_grad()
    return x


W = variable(0, 6, 5)


def layered(x: Any) -> Any:
    """Several residuals that a backward in the forward's arena overwrites one after another."""
    h = hnp.tanh(hnp.matmul(x, W))
    return hnp.sum(hnp.exp(h * 0.5) * hnp.sin(h) + hnp.matmul(h, W.T) @ hnp.ones((6, 1)), axis=0)


def gradient(fn: Any, x: NDArray) -> tuple[Any, Any, Any]:
    with autograd.record():
        y = fn(x)
    y.backward()
    return y.asnumpy(), x.grad.asnumpy(), W.grad.asnumpy()


def test_backward_equals_eager() -> None:
    compiled = jit(layered)
    for seed in range(3):
        x = variable(seed + 1, 4, 6)
        for found, expected in zip(gradient(compiled, x), gradient(layered, x), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_forwards_before_their_backwards(order: tuple[int, int]) -> None:
    compiled = jit(layered)
    xs = [variable(1, 4, 6), variable(2, 4, 6)]
    expected = [gradient(layered, x) for x in xs]
    with autograd.record():
        ys = [compiled(x) for x in xs]
    for i in order:
        ys[i].backward()
        np.testing.assert_allclose(ys[i].asnumpy(), expected[i][0], rtol=1e-5)
        np.testing.assert_allclose(xs[i].grad.asnumpy(), expected[i][1], rtol=1e-5, atol=1e-6)


def test_a_forward_after_a_backward_reuses_the_arena_and_results_stay() -> None:
    compiled = jit(layered)
    x, other = variable(1, 4, 6), variable(2, 4, 6)
    first = gradient(compiled, x)
    with autograd.record():
        y = compiled(x)
    y.backward()
    kept = y, x.grad.copy()
    gradient(compiled, other)
    np.testing.assert_array_equal(kept[0].asnumpy(), first[0])
    np.testing.assert_array_equal(kept[1].asnumpy(), first[1])
    [entry] = [e for e in compiled.cache.values() if isinstance(e, CompiledWithGradient)]
    assert len(entry.program.bound) == 1, "each backward gave the arena back"


def test_retain_graph_keeps_the_residuals() -> None:
    compiled = jit(layered)
    x = variable(1, 4, 6)
    expected = gradient(layered, x)
    with autograd.record():
        y = compiled(x)
    for retain in (True, True, False):
        x.zero_grad()
        y.backward(retain_graph=retain)
        np.testing.assert_allclose(x.grad.asnumpy(), expected[1], rtol=1e-5, atol=1e-6)


def test_gradients_of_a_variable_in_two_calls_are_added() -> None:
    compiled = jit(layered)
    x, z = variable(1, 4, 6), variable(2, 4, 6)
    expected = gradient(layered, x)[2] + gradient(layered, z)[2]
    with autograd.record():
        y = compiled(x) + compiled(z)
    y.backward()
    np.testing.assert_allclose(W.grad.asnumpy(), expected, rtol=1e-5, atol=1e-5)


def test_grad_req_add() -> None:
    compiled = jit(layered)
    x = variable(1, 4, 6)
    expected = gradient(layered, x)[1]
    x.attach_grad("add")
    for _ in range(2):
        with autograd.record():
            y = compiled(x)
        y.backward()
    np.testing.assert_allclose(x.grad.asnumpy(), 2 * expected, rtol=1e-5, atol=1e-6)


def test_autograd_grad_leaves_grad_alone() -> None:
    compiled = jit(layered)
    x = variable(1, 4, 6)
    expected = gradient(layered, x)
    x.zero_grad()
    with autograd.record():
        y = compiled(x)
    found = autograd.grad(y, x)
    np.testing.assert_allclose(found.asnumpy(), expected[1], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(x.grad.asnumpy(), np.zeros((4, 6)))


def test_the_head_gradient_may_be_a_gradient() -> None:
    """The array that a gradient is computed in is not one that the backward reads."""
    compiled = jit(lambda x: x * x * 3)
    x = variable(1, 4, 6)
    x.grad[...] = 2
    with autograd.record():
        y = compiled(x)
    y.backward(x.grad)
    np.testing.assert_allclose(x.grad.asnumpy(), 12 * x.asnumpy(), rtol=1e-6)


def test_memory_is_shared_between_forward_and_backward() -> None:
    compiled = jit(layered)
    x = variable(1, 4, 6)
    with autograd.record():
        memory = compiled.memory(x)
        entry = next(iter(compiled.cache.values()))
    forward, backward = entry.program.source.arena_bytes, entry.backward.source.arena_bytes
    assert memory.planned == max(forward, backward) < memory.naive


def test_arithmetic_beside_a_residual_is_repeated() -> None:
    """x - mean is computed again from x, its constants with it, rather than stored beside x."""

    def centred(x: Any) -> Any:
        h = hnp.tanh(x)
        c = (h - 0.5) * 2.0
        return (c * c * h).sum()

    compiled, x = jit(centred), variable(1, 64, 64)
    with autograd.record():
        expected = centred(x)
    expected.backward()
    want = x.grad.copy()
    with autograd.record():
        y = compiled(x)
    y.backward()
    np.testing.assert_allclose(x.grad.asnumpy(), want.asnumpy(), rtol=1e-5, atol=1e-6)


def test_programs_run_in_each_others_arenas() -> None:
    """What one has given back the next one takes; what is held for a backward nobody takes."""
    first, second = jit(lambda x: hnp.exp(hnp.tanh(x)) * hnp.tanh(x)), jit(lambda x: hnp.exp(hnp.sin(x)) * hnp.sin(x))
    x = variable(1, 40, 60)
    with autograd.record():
        y = first(x)
        second(x)
        held = y._tape[0].attrs["kept"].lease.instance.arena
        assert held.taken.locked()
        assert held not in next(iter(second.cache.values())).program.bound
    y.backward()
    assert not held.taken.locked()
    expected = x.grad.copy()
    with autograd.record():
        z = first(x)
    second(x)
    z.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), expected.asnumpy())


def test_a_lease_that_dies_without_a_backward_gives_its_arena_back() -> None:
    compiled = jit(layered)
    x = variable(1, 4, 6)
    with autograd.record():
        y = compiled(x)
    arena = y._tape[0].attrs["kept"].lease.instance.arena
    del y
    assert not arena.taken.locked()


def test_gradients_of_gradients_see_the_same_dropout() -> None:
    """A gradient that is recorded runs the function again; it must draw what the call drew."""
    net = nn.HybridSequential()
    net.add(nn.Dense(64, activation="tanh"), nn.Dropout(0.5), nn.Dense(1))
    net.initialize()
    x = variable(1, 8, 5)
    net(x)
    net.hybridize()
    found = []
    for create_graph in (False, True):
        hn.random.seed(3)
        with autograd.record():
            y = net(x).sum()
            found.append(autograd.grad(y, x, create_graph=create_graph).asnumpy())
        drawn = hnp.random.uniform(size=(2,)).asnumpy()
        found.append(drawn)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found[3], found[1])  # and moves the random numbers on once
