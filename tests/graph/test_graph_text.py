"""What is shown of graphs: in print, at each stage of a compilation, around a fault, and of what a pass did."""

from typing import Any
from unittest import mock

import numpy as np
import pytest

import hybridnet as hn
from hybridnet import autograd, npx
from hybridnet.config import config
from hybridnet.core import Spec
from hybridnet.device import cpu
from hybridnet.dtypes import float32
from hybridnet.errors import ArgumentError, GraphError
from hybridnet.gluon import nn
from hybridnet.graph.diff import graph_diff
from hybridnet.graph.interpret import interpret
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.graph.operators import ADD, FULL, SQUARE
from hybridnet.graph.verify import verify

SHAPE = (3,)


def node(op: Any, *inputs: Value, shape: tuple[int, ...] = SHAPE, **attrs: Any) -> Node:
    return Node(op, inputs, attrs, [Spec(shape, float32)], cpu())


def chain(length: int) -> list[Node]:
    """Squares of squares."""
    nodes = [node(SQUARE, Value(SHAPE, float32, cpu()))]
    while len(nodes) < length:
        nodes.append(node(SQUARE, nodes[-1].output))
    return nodes


def of_chain(nodes: list[Node]) -> Graph:
    return Graph(nodes[0].inputs, nodes, nodes[-1].outputs)


# -- print -----------------------------------------------------------------------------------------


def test_a_node_prints_its_operands_and_attributes() -> None:
    x = Value(SHAPE, float32, cpu())
    full = Node(FULL, (), {"shape": (), "value": 2, "dtype": float32}, [Spec((), float32)], cpu())
    add = node(ADD, x, full.output)
    assert str(Graph([x], [full, add], [add.output])).splitlines() == [
        "graph(in0: float32[3])",
        "  v0: float32[] = full(shape=(), value=2, dtype=float32)",
        "  v1: float32[3] = add(in0, v0)",
        "  return v1",
    ]


# -- faults ----------------------------------------------------------------------------------------


def fault(graph: Graph) -> list[str]:
    with pytest.raises(GraphError) as caught:
        verify(graph, "simplify")
    return str(caught.value).splitlines()


def squares(start: int, stop: int) -> list[str]:
    return [f"  v{i}: float32[3] = square(v{i - 1})" for i in range(start, stop)]


def test_a_fault_is_shown_with_the_nodes_around_it() -> None:
    nodes = chain(40)
    nodes[20] = node(SQUARE, nodes[19].output, shape=(4,))
    assert fault(of_chain(nodes)) == [
        "square gives float32[4], infer says float32[3] after pass simplify",
        "  ... 15 nodes",
        *squares(15, 20),
        "> v20: float32[4] = square(v19)",
        "  v21: float32[3] = square(?)",  # of the node that was there
        *squares(22, 26),
        "  ... 14 nodes",
    ]


def test_what_computes_the_operands_of_a_fault_is_shown_however_far_it_is() -> None:
    nodes = chain(40)
    nodes[30] = node(ADD, nodes[29].output, nodes[3].output, shape=(4,))
    lines = fault(of_chain(nodes))[1:]
    assert lines[:4] == ["  ... 3 nodes", *squares(3, 4), "  ... 21 nodes", *squares(25, 26)]
    assert lines[8] == "> v30: float32[4] = add(v29, v3)"


def test_faults_at_the_ends_of_a_graph() -> None:
    nodes = chain(20)
    x = nodes[0].inputs[0]
    twice = fault(Graph([x, x], nodes, nodes[-1].outputs))
    assert twice[:2] == ["an input appears twice after pass simplify", "> graph(in1: float32[3], in1: float32[3])"]
    assert twice[-1] == "  ... 15 nodes"
    missing = fault(Graph([x], nodes[:-1], nodes[-1].outputs))
    assert missing[0] == "the graph returns a value that it does not compute after pass simplify"
    assert missing[-2:] == [*squares(18, 19), "> return ?"]
    assert len(missing) == 8


def test_a_fault_in_a_graph_of_a_node_is_shown_there() -> None:
    f = hn.jit(lambda x: npx.foreach(lambda row, s: (row * 2, s), x, x[0])[0])
    graph = f.graph(hn.np.ones((40, 2)), stage="traced")
    (loop,) = (n for n in graph.nodes if "body" in n.attrs)
    body = loop.attrs["body"]
    attrs = {**loop.attrs, "body": Graph(body.inputs, body.nodes[1:], body.outputs)}
    broken = Node(loop.op, loop.inputs, attrs, [v.spec for v in loop.outputs], cpu())
    lines = fault(Graph(graph.inputs, [broken if n is loop else n for n in graph.nodes], broken.outputs[:1]))
    assert lines[0] == "multiply reads a value that is not computed before it after pass simplify in foreach"
    assert sum(line.startswith("> ") for line in lines) == 1


# -- stages ----------------------------------------------------------------------------------------


def names(graph: Graph) -> list[str]:
    return [n.op.name for n in graph.nodes]


def test_a_function_shows_its_graph_at_each_stage() -> None:
    f = hn.jit(lambda x: npx.log_softmax(x * 1))
    x = hn.np.ones((600, 600))
    assert names(f.graph(x, stage="traced")) == ["full", "multiply", "log_softmax"]
    assert names(f.graph(x)) == names(f.graph(x, stage="optimized")) == ["max", "subtract", "exp", "sum", "log", "subtract"]
    assert names(f.graph(x, stage="lowered")) == ["fused", "log", "subtract"]
    expected = f(x).asnumpy()
    for stage in ("traced", "optimized", "lowered"):
        np.testing.assert_allclose(interpret(f.graph(x, stage=stage), [x.asnumpy()])[0], expected, rtol=1e-6)
    assert len(f.cache) == 1 and not f.retraces


def test_tracing_anew_moves_nothing_on() -> None:
    net = nn.HybridSequential()
    net.add(nn.Dense(4), nn.BatchNorm(), nn.Dropout(0.5))
    net.initialize()
    x = hn.np.ones((5, 3))
    net(x)
    trainer = hn.gluon.Trainer(net.collect_params(), "adam")

    @hn.jit
    def step(x: Any) -> Any:
        with autograd.record():
            loss = net(x).sum()
        loss.backward()
        trainer.step(5)
        return loss

    before = [p.data().asnumpy() for p in net.collect_params().values()]
    for _ in range(2):
        assert "adam" not in names(step.graph(x, stage="traced"))
    assert not step.cache and trainer.optimizer.num_update == 0
    for p, old in zip(net.collect_params().values(), before, strict=True):
        np.testing.assert_array_equal(p.data().asnumpy(), old)


def test_a_recorded_block_shows_both_programs() -> None:
    net = nn.HybridSequential()
    net.add(nn.Dense(4, activation="relu"), nn.Dense(2))
    net.initialize()
    x = hn.np.ones((3, 5))
    with autograd.record():
        traced, forward, backward = (net.graph(x, stage=stage) for stage in ("traced", "lowered", "backward"))
    assert len(traced.outputs) == 1 + 4  # the result, and the gradients of two weights and two biases
    assert len(backward.outputs) == 4
    assert names(forward).count("matmul") == 2
    for graph in (traced, forward, backward):
        verify(graph)


def test_an_unknown_stage_is_an_error() -> None:
    f = hn.jit(lambda x: x + 1)
    with pytest.raises(ArgumentError, match=r"\[fn\] expected a stage: traced, optimized, lowered, backward; got 'raw'"):
        f.graph(hn.np.ones(2), stage="raw")
    assert not f.cache  # before anything is compiled
    with pytest.raises(ArgumentError, match=r"expected a call with a backward; .*; try calling it under autograd.record"):
        f.graph(hn.np.ones(2), stage="backward")


# -- what a pass did -------------------------------------------------------------------------------


def test_a_difference_keeps_the_names_of_what_is_alike() -> None:
    """A node comes at the beginning, one goes at the end, and all is made anew: no line differs in between."""
    before = chain(9)
    first = node(ADD, before[0].inputs[0], before[0].inputs[0])
    after = [first, node(SQUARE, first.output)]
    while len(after) < 9:
        after.append(node(SQUARE, after[-1].output))
    assert graph_diff(of_chain(before), Graph(before[0].inputs, after, after[-1].outputs)).splitlines() == [
        "@@ -1,4 +1,5 @@",
        " graph(in0: float32[3])",
        "-v0: float32[3] = square(in0)",
        "+n0: float32[3] = add(in0, in0)",
        "+v0: float32[3] = square(n0)",
        " v1: float32[3] = square(v0)",
        " v2: float32[3] = square(v1)",
        "@@ -8,4 +9,3 @@",
        " v6: float32[3] = square(v5)",
        " v7: float32[3] = square(v6)",
        "-v8: float32[3] = square(v7)",
        "-return v8",
        "+return v7",
    ]
    assert graph_diff(of_chain(before), of_chain(before)) == ""


def test_each_pass_that_changes_something_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    with mock.patch.object(config, "debug", 4):
        hn.jit(lambda x: (x * 1).exp() * 2 + 1)(hn.np.ones(1 << 17))
    printed = capsys.readouterr().out
    shown = [line.partition(":")[0] for line in printed.splitlines() if line.startswith("-- pass ")]
    assert shown == ["-- pass simplify", "-- pass fuse", "-- pass dce-lowered"]
    simplified = [line.partition("  #")[0] for line in printed.partition("-- pass fuse")[0].splitlines()]
    assert "-v1: float32[131072] = multiply(arg0, v0)" in simplified
    assert "+v2: float32[131072] = exp(arg0)" in simplified
