"""Collectives on several ranks: values, gradients of both orders against differences of the sum of all ranks' results, every way to run."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.ranks import on_ranks

import hybridnet as hn
from hybridnet import autograd, dtypes
from hybridnet.compile import jit
from hybridnet.core import array
from hybridnet.errors import ArgumentError
from hybridnet.ops.collective import collective
from hybridnet.ops.collective.collective import all_gather, all_reduce, broadcast, reduce_scatter

Data = np.ndarray[Any, Any]
SHAPE = 12, 2
RANKS = (1, 2, 3, 4)

#: Each with what it is on the arrays of all ranks, and the one of a rank.
COLLECTIVES: dict[str, tuple[Callable[[Any], Any], Callable[[list[Data], int], Data]]] = {
    "all_reduce": (all_reduce, lambda xs, rank: sum(xs[1:], xs[0])),
    "reduce_scatter": (reduce_scatter, lambda xs, rank: np.split(sum(xs[1:], xs[0]), len(xs))[rank]),
    "all_gather": (all_gather, lambda xs, rank: np.concatenate(xs)),
    "broadcast": (lambda x: broadcast(x, root=0), lambda xs, rank: xs[0]),
}
WAYS: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {"eager": lambda fn: fn, "jit": jit}


def inputs(ranks: int, seed: int = 0) -> list[Data]:
    return [np.random.default_rng(seed + r).normal(size=SHAPE) for r in range(ranks)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("name", COLLECTIVES)
def test_values(name: str, ranks: int, way: str) -> None:
    call, meaning = COLLECTIVES[name]
    xs = inputs(ranks)

    def run(rank: int) -> list[Any]:
        fn = WAYS[way](lambda x: call(x * 2) + 1)
        return [fn(array(xs[rank])).asnumpy() for _ in range(2)]

    for rank, found in enumerate(on_ranks(ranks, run)):
        for y in found:
            np.testing.assert_allclose(y, meaning([2 * x for x in xs], rank) + 1, rtol=1e-12)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("name", COLLECTIVES)
def test_gradients(name: str, ranks: int, way: str) -> None:
    """Of a loss that is the sum of all ranks' (sin y, weighted): the first by its definition, the second from differences of the first."""
    call, _ = COLLECTIVES[name]
    xs = inputs(ranks)
    direction = inputs(ranks, seed=50)

    def gradients(points: list[Data]) -> tuple[list[float], list[Data], list[Data]]:
        def run(rank: int) -> Any:
            x, along = array(points[rank]), array(direction[rank])
            x.attach_grad()
            fn = WAYS[way](lambda x: (call(x).sin() * (rank + 1)).sum())
            with autograd.record():
                loss = fn(x)
                slope = autograd.grad(loss, x, create_graph=True, retain_graph=True)
                product = (slope * along).sum()
            product.backward()
            return loss.item(), slope.asnumpy(), x.grad.asnumpy()

        losses, firsts, seconds = zip(*on_ranks(ranks, run), strict=True)
        return list(losses), list(firsts), list(seconds)

    step = 1e-5
    _, first, second = gradients(xs)
    above, below = (gradients([x + s * d for x, d in zip(xs, direction, strict=True)]) for s in (step, -step))
    slope = (sum(above[0]) - sum(below[0])) / (2 * step)
    np.testing.assert_allclose(slope, sum(np.vdot(g, d) for g, d in zip(first, direction, strict=True)), rtol=1e-6)
    for up, down, found in zip(above[1], below[1], second, strict=True):
        np.testing.assert_allclose(found, (up - down) / (2 * step), rtol=1e-4, atol=1e-6)


def test_what_one_rank_sums_is_on_that_rank() -> None:
    """``reduce``, a broadcast's gradient."""

    def run(rank: int) -> Any:
        x = array(np.full(3, rank + 1.0))
        x.attach_grad()
        with autograd.record():
            y = broadcast(x, root=1)
        y.backward(array(np.full(3, 10.0 * (rank + 1))))
        return x.grad.asnumpy().tolist()

    assert on_ranks(3, run) == [[0] * 3, [60] * 3, [0] * 3]


@pytest.mark.parametrize("dtype", [dtypes.float16, dtypes.bfloat16, dtypes.int32], ids=str)
@pytest.mark.parametrize("way", WAYS)
def test_16_bits_are_summed_in_float32(way: str, dtype: Any) -> None:
    """2048 + 1 + 1 + 1 is 2051 there; one by one in float16 it stays 2048, and bfloat16 loses more."""

    def run(rank: int) -> Any:
        x = array(np.array([2048, 1, 8][rank]), dtype=dtype)
        fn = WAYS[way](lambda x: (all_reduce(x), reduce_scatter(hn.np.stack([x] * 3)), *all_reduce(x, x * 2)))
        return [np.asarray(y.astype("float64")._data).tolist() for y in fn(x)]

    total = float(np.asarray(2057.0).astype(dtype))
    double = float(np.asarray(4114.0).astype(dtype))
    assert on_ranks(3, run) == [[total, [total], total, double]] * 3


def test_several_arrays_travel_together() -> None:
    sent = []

    def run(rank: int) -> Any:
        from hybridnet.device import communicate

        world: Any = communicate.world()
        if rank == 0:
            send = world.all_reduce
            world.all_reduce = lambda source, target: (sent.append(source.size), send(source, target))
        world.barrier()
        a, b, c = all_reduce(hn.np.ones((2, 3)), hn.np.ones(()) * rank, hn.np.ones((0, 4)))
        return a.tolist(), b.item(), c.shape

    assert on_ranks(2, run) == [([[2.0] * 3] * 2, 1.0, (0, 4))] * 2
    assert sent[0] == 7


def test_errors_name_what_is_wrong() -> None:
    with pytest.raises(ArgumentError, match=r"\[broadcast\] expected a rank from 0 to 0; got 1"):
        broadcast(hn.np.ones(3), root=1)
    with pytest.raises(hn.errors.DtypeError, match=r"\[all_reduce\] expected arrays of numbers, of one type; got float32, int32"):
        all_reduce(hn.np.ones(3), hn.np.ones(3, dtype="int32"))


def test_strided_operands() -> None:
    def run(rank: int) -> Any:
        x = array(np.arange(24.0).reshape(4, 6)) * (rank + 1)
        return [f(x[:, ::2].T).asnumpy() for f in (all_reduce, lambda v: all_gather(v), lambda v: broadcast(v, 1))]

    base = np.arange(24.0).reshape(4, 6)[:, ::2].T
    for found in on_ranks(2, run):
        for y, expected in zip(found, (3 * base, np.concatenate([base, 2 * base]), 2 * base), strict=True):
            np.testing.assert_array_equal(y, expected)


def test_reduce_is_a_record_that_no_vocabulary_shows() -> None:
    assert collective.REDUCE.name == "reduce"
    assert not hasattr(hn.np, "reduce")
