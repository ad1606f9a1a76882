"""Operators that are also written in other operators (``CudaRule.decomposition``): one function. Random ones draw other numbers."""

import numpy as np
import pytest
from support.samples import ALL_OPS, as_arrays, run, samples_of, wide

from hybridnet import dtypes
from hybridnet.core import Kind, Op, Sample, Spec, cuda_rule
from hybridnet.device import cpu, gpu, hardware
from hybridnet.graph.interpret import interpret
from hybridnet.graph.ir import Graph, Node, Value, infer_node
from hybridnet.graph.passes import optimize

CASES = [
    pytest.param(op, s, id=f"{op.name}-{i}")
    for op in ALL_OPS
    if cuda_rule(op).decomposition is not None and op.kind is not Kind.RANDOM
    for i, s in enumerate(samples_of(op))
    if not s.error
]


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_eagerly(op: Op, sample: Sample) -> None:
    decomposition = cuda_rule(op).decomposition
    assert decomposition is not None
    arrays = as_arrays(sample.inputs, dtypes.float64)
    found = decomposition(*arrays, **sample.attrs)
    for y, expected in zip(found if isinstance(found, tuple) else (found,), run(op, arrays, sample.attrs), strict=True):
        assert (y.shape, y.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(wide(y), wide(expected), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_in_a_graph(op: Op, sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU the node is written out, on a CPU it stays, unless it is written out there too."""
    monkeypatch.setattr(hardware, "RECURRENT_BYTES", 0)  # so few units would be one launch
    data = [np.asarray(x) for x in sample.inputs]
    for device in (cpu(), gpu()):
        inputs = [Value(x.shape, x.dtype, device) for x in data]
        node = Node(op, inputs, sample.attrs, infer_node(op, inputs, sample.attrs), device)
        graph = optimize(Graph(inputs, [node], node.outputs))
        assert any(n.op is op for n in graph.nodes) is not (device.is_gpu or op.decomposition is not None)
        assert [v.spec for v in graph.outputs] == [Spec(v.shape, v.dtype) for v in node.outputs]
        expected = run(op, as_arrays(sample.inputs), sample.attrs)
        for y, e in zip(interpret(graph, data), expected, strict=True):
            np.testing.assert_allclose(y, wide(e), rtol=1e-12, atol=1e-12)
