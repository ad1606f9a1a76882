"""Collectives among some of the ranks: values and gradients, on meshes; and sums that count once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.ranks import on_ranks

import hybridnet as hn
from hybridnet import autograd, distributed
from hybridnet.compile import jit
from hybridnet.core import array
from hybridnet.errors import ArgumentError
from hybridnet.ops.collective.collective import all_gather, all_reduce, reduce_scatter, replicate

WAYS: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {"eager": lambda fn: fn, "jit": jit}


def test_a_mesh_is_groups_in_each_direction() -> None:
    def run(rank: int) -> Any:
        mesh = distributed.mesh(data=-1, model=2)
        data, model = mesh["data"], mesh["model"]
        assert data.parts == ((0, 2, 4), (1, 3, 5)) and model.parts == ((0, 1), (2, 3), (4, 5))
        assert model.across() == data and data.across() == model
        return data.rank, data.number, data.size, model.rank, model.number, model.size

    assert on_ranks(6, run) == [(r // 2, r % 2, 3, r % 2, r // 2, 2) for r in range(6)]


@pytest.mark.parametrize("way", WAYS)
def test_values_and_gradients_among_the_ranks_of_a_part(way: str) -> None:
    """Two kinds of groups in one function: as NumPy has it. A gradient is that of the sum of the part's results."""
    xs = [np.random.default_rng(r).normal(size=(4, 3)) for r in range(4)]

    def run(rank: int) -> Any:
        mesh = distributed.mesh(data=2, model=2)

        def function(x: Any) -> Any:
            y = all_reduce(x * 2, group=mesh["model"])
            return y, all_gather(y + rank, group=mesh["data"]), reduce_scatter(y * x, group=mesh["model"])

        x = array(xs[rank])
        x.attach_grad()
        with autograd.record():
            found = WAYS[way](function)(x)
        first = [y.asnumpy() for y in found]
        found[0].backward(array(np.full((4, 3), rank + 1.0)))
        return first, x.grad.asnumpy()

    for rank, ((total, gathered, part), slope) in enumerate(on_ranks(4, run)):
        model, data = (0, 1) if rank < 2 else (2, 3), (rank % 2, rank % 2 + 2)
        sums = {r: 2 * (xs[r] + xs[r ^ 1]) for r in range(4)}
        np.testing.assert_allclose(total, sums[rank], rtol=1e-12)
        np.testing.assert_allclose(gathered, np.concatenate([sums[r] + r for r in data]), rtol=1e-12)
        np.testing.assert_allclose(part, np.split(sum(sums[r] * xs[r] for r in model), 2)[rank % 2], rtol=1e-12)
        np.testing.assert_allclose(slope, np.full((4, 3), 2.0 * sum(r + 1 for r in model)), rtol=1e-12)


@pytest.mark.parametrize("way", WAYS)
def test_sums_and_gatherings_that_count_once(way: str) -> None:
    """A loss that all ranks compute alike from parts: gradients of both orders are those of the whole on one rank."""
    rng = np.random.default_rng(0)
    x0, w0, v0 = rng.normal(size=(3,)), rng.normal(size=(4, 3)), rng.normal(size=(4,))

    def slopes(x: Any, w: Any, v: Any, loss_of: Callable[..., Any]) -> list[Any]:
        for a in (x, w, v):
            a.attach_grad()
        with autograd.record():
            first = autograd.grad(loss_of(x, w, v), [x, w, v], create_graph=True, retain_graph=True)
            loss = (first[0] ** 2).sum()
        loss.backward()
        return [*(f.asnumpy() for f in first), x.grad.asnumpy(), w.grad.asnumpy(), v.grad.asnumpy()]

    def whole(x: Any, w: Any, v: Any) -> Any:
        h = (hn.np.matmul(w, x)).tanh()
        return (h * v).sum().sin() + (h**3).sum()

    expected = slopes(array(x0), array(w0), array(v0), whole)

    def run(rank: int) -> Any:
        group = distributed.group([range(2)])
        own = slice(2 * rank, 2 * rank + 2)

        def divided(x: Any, w: Any, v: Any) -> Any:
            h = hn.np.matmul(w, replicate(x, group)).tanh()
            return all_reduce((h * v).sum(), group=group, once=True).sin() + (all_gather(h, group, once=True) ** 3).sum()

        return own, slopes(array(x0), array(w0[own]), array(v0[own]), WAYS[way](divided))

    for own, found in on_ranks(2, run):
        for i, (a, b) in enumerate(zip(found, expected, strict=True)):
            np.testing.assert_allclose(a, b if i % 3 == 0 else b[own], rtol=1e-9, atol=1e-12, err_msg=str(i))


def test_errors_name_what_is_wrong() -> None:
    with pytest.raises(ArgumentError, match=r"\[distributed.group\] expected each of the 1 ranks in one part, and .*; got \(\(0, 1\),\)"):
        distributed.group([(0, 1)])
    with pytest.raises(
        ArgumentError, match=r"\[distributed.mesh\] expected axes .* multiply to the number of ranks, 1; got data=-1, model=2"
    ):
        distributed.mesh(data=-1, model=2)
