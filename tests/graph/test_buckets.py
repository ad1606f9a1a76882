"""Sums over ranks in random programs, joined into messages: the same values as one by one, on threads that are ranks."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from support.rank_programs import program
from support.ranks import on_ranks

import hybridnet as hn
from hybridnet import autograd, gluon
from hybridnet.compile import jit
from hybridnet.config import config
from hybridnet.core import array
from hybridnet.errors import GraphError
from hybridnet.gluon import nn
from hybridnet.graph.ir import Graph
from hybridnet.graph.operators import ALL_REDUCE
from hybridnet.graph.pipeline import run_pass
from hybridnet.lowering.buckets import buckets
from hybridnet.ops.collective.collective import all_reduce


@pytest.fixture(autouse=True)
def verified(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(config, "debug", 1)
    yield


def arrays(seed: int, rank: int) -> list[Any]:
    rng = np.random.default_rng(seed + 1000 * rank)
    return [array(rng.normal(size=(4, 6))) for _ in range(3)]


@pytest.mark.parametrize("seed", range(30))
def test_random_programs(seed: int) -> None:
    """Values, states and gradients are those of calls one by one, equal on all ranks that they are sums of."""

    def run(rank: int) -> Any:
        found = []
        for way in (lambda fn: fn, jit):
            states = arrays(seed + 7, rank)
            fn, xs = way(program(seed, states)), arrays(seed, rank)
            outputs = [fn(*xs).asnumpy() for _ in range(2)]
            kept = [s.asnumpy().copy() for s in states]
            for x in xs:
                x.attach_grad()
            with autograd.record():
                y = fn(*xs)
            y.backward()
            found.append([*outputs, *kept, *(x.grad.asnumpy() for x in xs)])
        for a, b in zip(*found, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
        return found[1][2:5]

    first, second = on_ranks(2, run)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def sums(graph: Graph) -> list[int]:
    return [len(node.inputs) for node in graph.nodes if node.op is ALL_REDUCE]


def test_gradients_are_one_message_in_the_order_in_which_they_become_known() -> None:
    def fn(x: Any, y: Any, z: Any) -> Any:
        a = x.exp()
        b = (a + y).exp()
        c = (b + z).sin()
        return [all_reduce(v) * 2 for v in (a, b, c)]

    graph = jit(fn).graph(*(hn.np.ones(n) for n in ((3,), (3,), (3,))), stage="lowered")
    assert sums(graph) == [3]


def test_limit_and_types_divide() -> None:
    def fn(x: Any, y: Any) -> Any:
        return [all_reduce(v) for v in (x + 1, x + 2, y + 1, x + 3, y + 2)]

    graph = jit(fn).graph(hn.np.ones(100), hn.np.ones(3, dtype="float64"))
    assert sums(buckets(graph)) == [3, 2]
    assert sums(buckets(graph, limit=800)) == [2, 1, 2]
    assert sums(buckets(graph, limit=1)) == [1] * 5


def test_a_sum_that_is_read_at_once_is_not_kept_waiting() -> None:
    """As those of a synchronised batch norm, which the next layer waits for: joined with a gradient they would wait for themselves."""

    def fn(x: Any) -> Any:
        mean = all_reduce(x.sum())
        again = all_reduce((x - mean).sum())
        return all_reduce(x * again), mean

    assert sums(jit(fn).graph(hn.np.ones(3), stage="lowered")) == [1, 1, 1]


def test_a_message_stands_behind_its_last_operand_and_not_at_the_end() -> None:
    def fn(x: Any) -> Any:
        a = x.exp()
        late = (a @ a).sin() @ a
        return all_reduce(a), all_reduce(x), late

    graph = jit(fn).graph(hn.np.ones((3, 3)), stage="lowered")
    names = [node.op.name for node in graph.nodes]
    assert names.index("all_reduce") == names.index("exp") + 1


def test_forward_and_backward_keep_their_own() -> None:
    """A sum that only a result reads, and one of the backward, whose operand follows from the head's gradient alone."""

    def run(rank: int) -> Any:
        x = array(np.arange(3.0) + rank)
        x.attach_grad()
        fn = jit(lambda x: (all_reduce(x * 2), all_reduce(x)))
        with autograd.record():
            y, z = fn(x)
            loss = (y * y).sum() + z.sum()
        loss.backward()
        return y.asnumpy(), x.grad.asnumpy()

    (y, grad), _ = on_ranks(2, run)
    np.testing.assert_allclose(y, 2 * (2 * np.arange(3.0) + 1))
    np.testing.assert_allclose(grad, 2 * 2 * 2 * y + 2)


@pytest.mark.parametrize("change", [lambda inputs: inputs[:1], lambda inputs: [*inputs, inputs[0]]])
def test_an_array_that_is_lost_or_sent_twice_is_found(change: Callable[[Any], Any]) -> None:
    graph = jit(lambda x: (all_reduce(x), all_reduce(x + 1))).graph(hn.np.ones(3))

    def broken(graph: Graph) -> Graph:
        joined = buckets(graph)
        (node,) = [n for n in joined.nodes if n.op is ALL_REDUCE]
        inputs = change(list(node.inputs))
        other = node.with_inputs(inputs, specs=[v.spec for v in inputs])
        nodes = [other if n is node else n for n in joined.nodes]
        return Graph(joined.inputs, nodes, [other.outputs[0], other.outputs[-1]])

    with pytest.raises(GraphError, match="an array is sent no longer, or twice, after pass buckets"):
        run_pass("buckets", broken, graph)


def test_an_operand_is_not_computed_where_an_old_value_is_read_yet() -> None:
    """It may lie in the state that the sum becomes, from when on nobody reads that as it was."""

    def fn(x: Any) -> Any:
        a = x.exp()
        before = state * 2
        b = (x + before).sin()
        first, second = all_reduce(a, b)
        state[...] = first
        other[...] = second
        return before

    state, other = array(np.full(3, 5.0)), array(np.zeros(3))
    x = np.arange(3.0)
    assert jit(fn)(array(x)).tolist() == [10.0] * 3
    np.testing.assert_allclose(state.asnumpy(), np.exp(x))
    np.testing.assert_allclose(other.asnumpy(), np.sin(x + 10))


def test_gradients_are_summed_where_they_are_kept() -> None:
    """They lie in one array in the order in which they become known: nothing is packed. By name ``dense10`` is before ``dense2``."""

    def run(rank: int) -> str:
        net = nn.HybridSequential(prefix="net_")
        with net.name_scope():
            for _ in range(12):
                net.add(nn.Dense(4, in_units=4))
        net.initialize()
        trainer = gluon.Trainer(net.collect_params(), "adam", kvstore="dist_sync")

        def step(x: Any) -> None:
            with autograd.record():
                loss = (net(x) ** 2).sum()
            loss.backward()
            trainer.step(4)

        compiled = jit(step)
        x = hn.np.ones((2, 4))
        for _ in range(2):
            compiled(x)
        return str(compiled.program(x))

    for text in on_ranks(2, run):
        (line,) = [line.strip() for line in text.splitlines() if re.match(r"library_all_reduce\w*\(", line.strip())]
        assert re.fullmatch(r"library_all_reduce\w*\((f\d+), \1\)", line), line
