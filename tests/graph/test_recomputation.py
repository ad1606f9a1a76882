"""What is computed again: each proposal is a graph that gives the same bits, holds less at once, and by as much as it says."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.programs import Program, programs
from support.special_values import same_bits

import hybridnet as hn
from hybridnet import autograd
from hybridnet.compile import jit
from hybridnet.core import Kind
from hybridnet.gluon import nn
from hybridnet.graph import recomputation
from hybridnet.graph.interpret import interpret
from hybridnet.graph.ir import Graph, Value
from hybridnet.graph.recomputation import Order, can_repeat, levels
from hybridnet.graph.verify import verify


def compiled(program: Program) -> tuple[Graph, list[Any]]:
    """The optimized graph of a program with its backward, and its inputs' data."""
    xs, states = program.arrays(program.inputs, 1), program.arrays(program.states, 2)
    entry = jit(lambda a: program(a, states))._inspect((xs,), {})
    return entry.graph, [x._data for x in (*xs, *entry.states)]


def most_at_once(graph: Graph) -> int:
    """The most bytes that lie in memory at once, counted step by step: without inputs, results, constants and views."""

    def root(v: Value) -> Value:
        return root(v.node.inputs[0]) if v.node is not None and v.node.op.is_view else v

    apart = {root(v) for v in graph.outputs} | set(graph.inputs)
    most = 0
    for i, node in enumerate(graph.nodes):
        living = 0
        for j, made in enumerate(graph.nodes[: i + 1]):
            for v in () if made.op.is_view else made.outputs:
                if v in apart or v.constant is not None:
                    continue
                readers = [k for k, n in enumerate(graph.nodes) if v in map(root, n.inputs)]
                last = max(readers, default=j)
                ends = last == i and last > j and node.op.kind is Kind.POINTWISE  # a result takes its place
                living += v.nbytes if j <= i <= last and not ends else 0
        most = max(most, living)
    return most


@given(programs(max_steps=16), st.sampled_from([0.05, 0.3]))
@settings(max_examples=60)
def test_levels_of_random_programs(program: Program, step: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recomputation, "_STEP", step)
        graph, data = compiled(program)
        expected = interpret(graph, data)
        peak = None
        for order in levels(graph):
            assert peak is None or order.peak <= peak
            peak = order.peak
            rewritten = verify(order.rewritten(), "recomputation")
            assert most_at_once(rewritten) == peak
            assert len(rewritten.nodes) == len(graph.nodes) + len(order.copies)
            for y, e in zip(interpret(rewritten, data), expected, strict=True):
                same_bits(np.asarray(y), np.asarray(e), order.repeated)


@given(programs(max_steps=16), st.data())
@settings(max_examples=60)
def test_any_nodes_from_any_place_on(program: Program, data: st.DataObject) -> None:
    """Not those alone that are chosen: whatever is marked, the graph means the same."""
    graph, given_data = compiled(program)
    nodes = [n for n in graph.nodes if can_repeat(n)]
    chosen = data.draw(st.lists(st.sampled_from(nodes), unique=True)) if nodes else []
    marks = {n: data.draw(st.integers(0, len(graph.nodes))) for n in chosen}
    rewritten = verify(Order(graph, marks).rewritten(), "recomputation")
    for y, e in zip(interpret(rewritten, given_data), interpret(graph, given_data), strict=True):
        same_bits(np.asarray(y), np.asarray(e), marks)


def graph_of(net: Any, *shape: int) -> Graph:
    """Forward and backward of a network."""
    net.initialize()
    net.hybridize()
    x = hn.np.ones(shape)
    with autograd.record():
        found: Graph = net.graph(x)
    return found


def chain(depth: int, *layers: Any) -> Any:
    net = nn.HybridSequential()
    for _ in range(depth):
        net.add(*(layer() for layer in layers))
    return net


def test_cheap_values_go_first() -> None:
    """An activation follows from what is there; a product would have to be computed again."""
    net = chain(8, lambda: nn.Dense(64), lambda: nn.Activation("tanh"), lambda: nn.Activation("softsign"))
    first, *more = levels(graph_of(net, 512, 64))
    names = [{n.op.name for n in order.repeated} for order in more]
    assert "matmul_bias" not in names[0] | names[1] and any("matmul" in name for name in set().union(*names))
    works = [order.work for order in (first, *more)]
    assert works == sorted(works)


@pytest.mark.parametrize("depth", [16, 64])
def test_a_chain_of_layers_needs_the_root_of_its_depth(depth: int) -> None:
    """With every layer computed once more, or little more: of 64 layers some sixteen results lie in memory, and not 64."""
    activation = 256 * 64 * 4
    graph = graph_of(chain(depth, lambda: nn.Dense(64, activation="tanh")), 256, 64)
    *_, last = orders = list(levels(graph))
    assert orders[0].peak >= depth * activation
    assert last.peak <= (2 * depth**0.5 + 4) * activation
    products = sum(n.op.name.startswith("matmul") for n in last.repeated)
    assert products <= depth
