"""What operators' records say of the products in them, against the products that they are made of."""

from typing import Any

import numpy
import pytest

import hybridnet as hn
from hybridnet.core import OPS, Kind, Sample, Spec, cuda_rule
from hybridnet.graph.ir import Graph, Node
from hybridnet.graph.trace import trace_op
from hybridnet.runtime.work import bytes_of, flops_of, operator_of

MADE_OF_PARTS = [op.name for op in OPS.values() if op.flops is not None and (cuda_rule(op).decomposition or op.decomposition) is not None]


def specs_of(sample: Sample) -> tuple[Spec, ...]:
    return tuple(Spec(numpy.shape(x), numpy.asarray(x).dtype) for x in sample.inputs)


def made(name: str, specs: tuple[Spec, ...], attrs: dict[str, Any]) -> Node:
    """A call of an operator on arrays of those shapes."""
    graph = trace_op(name, lambda *xs, **attrs: hn.core.apply(OPS[name], xs, attrs), specs, attrs, hn.cpu())
    (node,) = (n for n in graph.nodes if n.op.name == name)
    return node


def products(graph: Graph) -> int:
    """The operations of the matrix products that a graph comes to in the end."""
    total = 0
    for node in graph.nodes:
        parts = cuda_rule(node.op).decomposition or node.op.decomposition
        if node.op.name == "matmul":
            rows, columns = node.output.shape[-2:]
            batch = node.output.size // max(rows * columns, 1)
            inner = node.inputs[0].shape[-2 if node.attrs.get("transpose_a") else -1]
            total += 2 * batch * rows * columns * inner
        elif parts is not None:
            total += products(trace_op(node.op.name, parts, [v.spec for v in node.inputs], node.attrs, hn.cpu()))
    return total


def test_every_contraction_counts_its_products() -> None:
    missing = [op.name for op in OPS.values() if op.kind is Kind.CONTRACTION and op.flops is None]
    assert not missing
    assert {"matmul_bias", "convolution", "convolution_weight_grad", "attention", "attention_grad", "rnn_sequence"} <= set(MADE_OF_PARTS)


@pytest.mark.parametrize("name", MADE_OF_PARTS)
def test_as_many_as_the_parts_take(name: str) -> None:
    op, compared = OPS[name], 0
    assert op.sample is not None
    for sample in op.sample():
        if sample.error is not None:
            continue
        node = made(name, specs_of(sample), sample.attrs)
        parts = products(
            trace_op(name, cuda_rule(op).decomposition or op.decomposition, [v.spec for v in node.inputs], node.attrs, hn.cpu())
        )
        if node.attrs.get("causal"):  # of which the parts compute all scores
            (b, h, s, _), keys = node.inputs[0].shape, node.inputs[1].shape
            b, h, s, n = (b, h, s, keys[2]) if node.attrs["layout"] == "BHSD" else (b, s, h, keys[1])
            counting = sum(1 for query in range(s) for key in range(n) if key <= query)
            assert flops_of(node) * s * n == parts * counting
        else:
            assert flops_of(node) == parts, sample
            assert parts or not all(v.size for v in node.inputs), sample
        compared += 1
    assert compared


def test_bytes_are_counted_once() -> None:
    x = Spec((4, 6), numpy.dtype("float32"))
    row = Spec((6,), numpy.dtype("float32"))
    assert bytes_of(made("add", (x, row), {})) == 4 * (24 + 6 + 24)
    assert bytes_of(made("transpose", (x,), {"axes": (1, 0)})) == 0
    graph = trace_op("square", lambda x: x * x, (x,), {}, hn.cpu())
    assert [bytes_of(n) for n in graph.nodes] == [4 * (24 + 24)]
    with_number = trace_op("more", lambda x: x + 1, (x,), {}, hn.cpu()).nodes[-1]
    assert bytes_of(with_number) == 4 * (24 + 24), "a number is no array"
    halves = trace_op("halves", lambda x: x[:, :3] * x[:, 3:], (x,), {}, hn.cpu()).nodes[-1]
    assert bytes_of(halves) == 4 * (24 + 12)
    with_itself = trace_op("backwards", lambda x: x + x[:, ::-1], (x,), {}, hn.cpu()).nodes[-1]
    assert bytes_of(with_itself) == 4 * (24 + 24), "two views of one array are that array"
    repeated = trace_op("repeated", lambda x, row: x + hn.np.broadcast_to(row, (4, 6)), (x, row), {}, hn.cpu()).nodes[-1]
    assert bytes_of(repeated) == 4 * (24 + 6 + 24)
    indices = Spec((3, 6), numpy.dtype("int32"))
    assert bytes_of(made("take_along_axis", (Spec((1000, 6), x.dtype), indices), {"axis": 0})) == 4 * 18 * 3
    assert operator_of(graph.nodes[0]) == "multiply"
