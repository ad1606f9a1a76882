"""Reshapes move out of the way of pointwise operators: random graphs keep every bit, and never need more kernels than before."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from emulator.device import emulated_gpu
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridnet import dtypes
from hybridnet.core import Kind, Spec
from hybridnet.device import gpu
from hybridnet.graph.interpret import interpret
from hybridnet.graph.ir import Graph, Node, Value, infer_node
from hybridnet.graph.operators import ADD, CAST, MAX, MULTIPLY, NEGATIVE, RESHAPE, SUM, TRANSPOSE
from hybridnet.graph.verify import verify
from hybridnet.lowering.fuse import FUSED, fuse
from hybridnet.lowering.recompute import recompute
from hybridnet.lowering.reshapes import broadcast_as, reshapes

SHAPES = [(24,), (4, 6), (6, 4), (2, 2, 6), (2, 3, 4), (1, 24), (4, 6, 1), (2, 12), (4, 1, 3, 2)]
KINDS = ["negative", "cast", "add", "multiply", "reshape", "reshape", "small", "sum", "max", "transpose"]


@pytest.fixture(scope="module", autouse=True)
def device() -> Iterator[None]:
    with emulated_gpu():
        yield


class Making:
    """A graph in the making."""

    def __init__(self) -> None:
        self.inputs: list[Value] = []
        self.nodes: list[Node] = []

    def input(self, shape: tuple[int, ...], dtype: Any = dtypes.float32) -> Value:
        self.inputs.append(Value(shape, dtype, gpu(0)))
        return self.inputs[-1]

    def emit(self, op: Any, *inputs: Value, **attrs: Any) -> Value:
        self.nodes.append(Node(op, inputs, attrs, infer_node(op, inputs, attrs), gpu(0)))
        return self.nodes[-1].output


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Pointwise operators, reshapes, operands of fewer axes or of length 1, reductions, transposes; of all that nothing reads, and more."""
    g = Making()
    values = [g.input(draw(st.sampled_from(SHAPES))) for _ in range(draw(st.integers(1, 3)))]
    for _ in range(draw(st.integers(2, 14))):
        v = draw(st.sampled_from(values[-4:]))
        match draw(st.sampled_from(KINDS)):
            case "negative":
                made = g.emit(NEGATIVE, v)
            case "cast":
                made = g.emit(CAST, v, dtype=draw(st.sampled_from([dtypes.float32, dtypes.bfloat16])))
            case "reshape":
                shapes = [s for s in SHAPES if math.prod(s) == v.size] or [(v.size,), (1, *v.shape), (*v.shape, 1)]
                made = g.emit(RESHAPE, v, shape=draw(st.sampled_from(shapes)))
            case "small":
                shape = tuple(n if draw(st.booleans()) else 1 for n in v.shape)[draw(st.integers(0, v.ndim)) :]
                small = draw(st.sampled_from([w for w in values if w.shape == shape] or [g.input(shape)]))
                small = small if draw(st.booleans()) else g.emit(NEGATIVE, small)
                made = g.emit(draw(st.sampled_from([ADD, MULTIPLY])), v, small)
            case "sum" | "max" as name:
                axes = tuple(i for i in range(v.ndim) if draw(st.booleans()))
                made = g.emit(SUM if name == "sum" else MAX, v, axis=axes, keepdims=draw(st.booleans()))
            case "transpose":
                made = g.emit(TRANSPOSE, v, axes=tuple(draw(st.permutations(range(v.ndim)))))
            case name:
                w = draw(st.sampled_from(values))
                try:
                    np.broadcast_shapes(v.shape, w.shape)
                except ValueError:
                    w = g.emit(RESHAPE, w, shape=v.shape) if w.size == v.size else v
                made = g.emit(ADD if name == "add" else MULTIPLY, v, w)
        values.append(made)
    read = {v for node in g.nodes for v in node.inputs}
    outputs = [v for v in values if v not in read and v.node is not None] or [values[-1]]
    return verify(Graph(g.inputs, g.nodes, [*outputs, *draw(st.lists(st.sampled_from(values), max_size=1))]))


def data_of(graph: Graph) -> list[Any]:
    rng = np.random.default_rng(len(graph.nodes))
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-42], np.float32)
    found = [np.array(rng.normal(size=v.shape), np.float32) for v in graph.inputs]
    for x in found:
        x.flat[rng.integers(0, x.size, 2)] = rng.choice(special, 2)
    return found


def launches(graph: Graph) -> int:
    """How many nodes compute something, once regions are found."""
    return sum(node.op.kind is not Kind.VIEW for node in fuse(recompute(graph)).nodes)


@given(graphs())
@settings(max_examples=400)
def test_random_graphs_keep_every_bit(graph: Graph) -> None:
    after = verify(reshapes(graph, {}), "reshapes")
    data = data_of(graph)
    with np.errstate(all="ignore"):
        for y, wanted in zip(interpret(after, data), interpret(graph, data), strict=True):
            assert (y.shape, y.dtype) == (wanted.shape, wanted.dtype)
            np.testing.assert_array_equal(np.ascontiguousarray(y).view(np.uint8), np.ascontiguousarray(wanted).view(np.uint8))
    assert [v.spec for v in after.outputs] == [v.spec for v in graph.outputs]


@given(graphs())
@settings(max_examples=400)
def test_there_are_never_more_kernels(graph: Graph) -> None:
    assert launches(reshapes(graph, {})) <= launches(graph), f"{graph}\n{reshapes(graph, {})}"


@given(st.sampled_from(SHAPES), st.sampled_from(SHAPES), st.data())
def test_an_operand_meets_the_same_elements(domain: tuple[int, ...], target: tuple[int, ...], data: st.DataObject) -> None:
    small = tuple(n if data.draw(st.booleans()) else 1 for n in domain)[data.draw(st.integers(0, len(domain))) :]
    found = broadcast_as(small, domain, target)
    x = np.arange(math.prod(small)).reshape(small)
    wanted = np.broadcast_to(x, domain).reshape(target)
    if found is not None:
        np.testing.assert_array_equal(np.broadcast_to(x.reshape(found), target), wanted)
    else:  # no axis is as it is broadcast or whole: there is no other shape
        some = [tuple(n if k >> i & 1 else 1 for i, n in enumerate(target)) for k in range(1 << len(target))]
        fits = [s for s in some if math.prod(s) == x.size and np.array_equal(np.broadcast_to(x.reshape(s), target), wanted)]
        assert not fits, f"{small} of {domain} could be {fits} of {target}"


def test_sums_of_gradients_of_products_are_one_kernel() -> None:
    """As mixed precision writes them: each is cast as a matrix, and added in the shape of the stream."""
    g = Making()
    of = [g.emit(RESHAPE, g.emit(CAST, g.input((8, 6), dtypes.bfloat16), dtype=dtypes.float32), shape=(2, 4, 6)) for _ in range(3)]
    total = g.emit(ADD, g.emit(ADD, of[0], of[1]), of[2])
    graph = Graph(g.inputs, g.nodes, [total])
    assert launches(graph) == 4
    assert launches(reshapes(graph, {})) == 1


def test_a_sum_and_what_follows_for_each_row_are_one_kernel() -> None:
    g = Making()
    total = g.emit(SUM, g.input((8, 32)), axis=(1,), keepdims=False)
    graph = Graph(g.inputs, g.nodes, [g.emit(NEGATIVE, total)])
    assert launches(graph) == 2
    after = reshapes(graph, {})
    assert launches(after) == 1
    assert fuse(after).nodes[0].op is FUSED


def test_what_replaces_a_state_and_follows_from_a_sum_is_a_kernel_of_its_own() -> None:
    """It is written over the state that it reads, which no kernel that sums can do."""
    g = Making()
    x, state = g.input((8, 32)), g.input((8,))
    total = g.emit(SUM, x, axis=(1,), keepdims=False)
    graph = Graph(g.inputs, g.nodes, [g.emit(ADD, state, g.emit(NEGATIVE, total))])
    assert launches(reshapes(graph, {})) == 1
    assert reshapes(graph, {0: 1}) is graph


def test_what_a_kernel_would_not_read_without_a_copy_stays() -> None:
    """A transposed operand is read as it lies; in another shape it would have to be copied."""
    g = Making()
    turned = g.emit(TRANSPOSE, g.input((4, 6)), axes=(1, 0))
    graph = Graph(g.inputs, g.nodes, [])
    flat = g.emit(RESHAPE, g.emit(NEGATIVE, turned), shape=(24,))
    graph = Graph(g.inputs, g.nodes, [g.emit(NEGATIVE, flat)])
    after = reshapes(graph, {})
    for node in after.nodes:
        assert node.op is not RESHAPE or node.inputs[0].node is None or node.inputs[0].node.op is not TRANSPOSE
    assert launches(after) == 1
    assert Spec((24,), dtypes.float32) == after.outputs[0].spec
