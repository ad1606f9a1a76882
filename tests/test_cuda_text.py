"""Pointwise operators, reductions and fused regions as CUDA C++, run on the CPU by ``emulator`` against NumPy."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from emulator import nvrtc
from emulator.emulator import COMPILER
from emulator.suite import Suite, Work
from hypothesis import given, settings
from programs import Program, programs
from samples import ALL_OPS, as_arrays, run, samples_of

from hybridnet import autograd, dtypes
from hybridnet.codegen import cuda_index
from hybridnet.codegen.cuda_index import Layout
from hybridnet.codegen.cuda_region import Tuning, Unit
from hybridnet.compile import jit
from hybridnet.core import OPS, Kind, NDArray, Op, Sample, Spec, array, call, wrap
from hybridnet.device import cpu
from hybridnet.errors import HybridnetError
from hybridnet.graph.ir import Graph, Node, Value, infer_node
from hybridnet.graph.passes import optimize
from hybridnet.graph.passes.fuse import fuse
from hybridnet.graph.trace import Trace, tracing
from hybridnet.ops import pointwise, reduction, shape
from hybridnet.ops.nn import loss, norm, softmax

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")

POINTWISE = [op for op in ALL_OPS if op.kind is Kind.POINTWISE and op.expand is None]
REDUCTIONS = [op for op in ALL_OPS if op.kind is Kind.REDUCTION]
SMALL = Tuning(sms=2, min_chunk=32, min_column=2)  # so that small arrays take the paths of large ones
F = pointwise.FUNCTIONS


def traced(fn: Callable[..., Any], data: Sequence[Any]) -> Graph:
    """The graph of a function of arrays that gives a tuple of arrays."""
    trace = Trace()
    with tracing(trace):
        tracers = [wrap(NDArray, trace.argument(Spec(x.shape, x.dtype), cpu(), "x"), cpu()) for x in data]
        return trace.graph([trace.read(y) for y in fn(*tracers)])


def node(name: str, inputs: Sequence[Value], **attrs: Any) -> Node:
    return Node(OPS[name], inputs, attrs, infer_node(OPS[name], inputs, attrs), cpu())


def value(*shape: int, dtype: Any = dtypes.float32) -> Value:
    return Value(shape, dtype, cpu())


def random_data(v: Value, seed: int = 3) -> Any:
    rng = np.random.default_rng(seed)
    return (rng.integers(-3, 4, v.shape) if not dtypes.is_floating(v.dtype) else rng.normal(size=v.shape)).astype(v.dtype)


# -- every operator -------------------------------------------------------------------------------

EDGES = {
    "f": [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -3.0, 2.75, -7.5, 1e4, -1e-3],
    "i": [0, 1, 2, 3, 5, 7, -1, -2, -128, 127, 100],
    "u": [0, 1, 2, 3, 5, 7, 8, 100, 255],
    "b": [False, True],
}
DTYPES = [*dtypes.FLOATS, dtypes.int8, dtypes.int32, dtypes.int64, dtypes.uint8, dtypes.uint64, dtypes.bool_]


def sample_graphs(op: Op) -> Iterator[tuple[Graph, list[Any]]]:
    """The operator's samples (the first in each floating dtype), and all pairs of peculiar values in each dtype."""
    for i, sample in enumerate(samples_of(op)):
        if sample.error is None:
            for dtype in dtypes.FLOATS if i == 0 else (dtypes.float32,):
                yield from graph_of_sample(op, sample, dtype)
    attrs = samples_of(op)[0].attrs
    arity = len(samples_of(op)[0].inputs)
    for dtype in DTYPES:
        kind = "f" if dtypes.is_floating(dtype) else dtype.kind
        edges = np.array(EDGES[kind])
        for chosen in (edges.astype(dtype), edges[edges > 0].astype(dtype)):  # some refuse negative numbers
            inputs = [chosen.reshape(-1, *[1] * (arity - 1 - i)) for i in range(arity)]
            if op.name == "where":
                inputs[0] = inputs[0] != 0
            found = list(graph_of_sample(op, Sample(tuple(inputs), attrs), None))
            if found:
                yield from found
                break


def graph_of_sample(op: Op, sample: Sample, dtype: Any) -> Iterator[tuple[Graph, list[Any]]]:
    """The operator's call as a graph and its data; nothing where eager execution refuses it."""
    places = [i for i, x in enumerate(sample.inputs) if isinstance(x, np.ndarray)]
    arrays = as_arrays(sample.inputs, dtype)

    def fn(*xs: Any) -> Any:
        operands = list(arrays)
        for place, x in zip(places, xs, strict=True):
            operands[place] = x
        return run(op, operands, sample.attrs)

    data = [arrays[i]._data for i in places]
    try:
        with np.errstate(all="ignore"):
            outputs = run(op, arrays, sample.attrs)
        graph = traced(fn, data)
    except (HybridnetError, TypeError, ValueError):
        return
    if [v.spec for v in graph.outputs] == [Spec(y.shape, y.dtype) for y in outputs]:  # NumPy makes integers of some operations on bool
        yield graph, data


@pytest.fixture(scope="module")
def operators() -> tuple[Suite, dict[Op, list[Work]]]:
    suite = Suite()
    works = {op: [w for graph, data in sample_graphs(op) for w in suite.add_graph(graph, data)] for op in POINTWISE}
    return suite.build(), works


@pytest.mark.parametrize("op", POINTWISE, ids=lambda op: op.name)
def test_pointwise(op: Op, operators: tuple[Suite, dict[Op, list[Work]]]) -> None:
    suite, works = operators
    assert any(w.node.op is op for w in works[op])
    for work in works[op]:
        suite.check(work)
