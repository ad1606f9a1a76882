"""Channels last: on a GPU a network's convolutions run in that order, values stay, and transposes remain at the ends alone."""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.nn_values import normal
from support.samples import cases

from hybridnet import autograd
from hybridnet.config import config
from hybridnet.core import OPS, Kind, NDArray, Op, Permuted, Sample, Spec, apply, call, local, wrap
from hybridnet.device import Device, cpu, gpu
from hybridnet.graph.backend.cuda import CUDA, kernels_for
from hybridnet.graph.interpret import interpret
from hybridnet.graph.ir import Graph, Node, Value, infer_node
from hybridnet.graph.passes import layout, optimize
from hybridnet.graph.trace import Trace, tracing
from hybridnet.graph.verify import verify
from hybridnet.ops.array import shape
from hybridnet.ops.math import reduction
from hybridnet.ops.nn.activation import relu
from hybridnet.ops.nn.batch_norm import batch_norm
from hybridnet.ops.nn.convolution import convolution
from hybridnet.ops.nn.linear import fully_connected
from hybridnet.ops.nn.loss import softmax_cross_entropy
from hybridnet.ops.nn.pooling import pooling

SOURCE = sys.modules["hybridnet.graph.passes.layout"]


def traced(fn: Callable[..., Any], data: Sequence[Any], device: Device | None = None, backward: bool = True) -> Graph:
    """The graph of ``fn`` on a GPU, with the gradients of its floating inputs if asked for, before any pass."""
    device = device or gpu(0)
    trace = Trace()
    before = local.set(training=True)
    with tracing(trace):
        xs = [wrap(NDArray, trace.argument(Spec(d.shape, d.dtype), device, f"x{i}"), device) for i, d in enumerate(data)]
        variables = [x for x in xs if x.dtype.kind == "f"] if backward else []
        for x in variables:
            x.attach_grad()
        with autograd.record():
            y = fn(*xs)
        if backward:
            y.backward()
        outputs = [trace.read(v) for v in (y, *(x.grad for x in variables))]
    local.set(training=before[1])
    return verify(trace.graph(outputs))


@pytest.fixture(autouse=True)
def a_library() -> Iterator[None]:
    """As if a library computed every convolution; kernels of our own are there."""

    def whole(node: Node) -> bool:
        return node.op.kind is Kind.CONTRACTION or kernels_for(node, 132) is not None

    with mock.patch.object(sys.modules["hybridnet.graph.passes.decompose"], "has_fused_implementation", whole):
        yield


@pytest.fixture
def any_floats() -> Iterator[None]:
    """As if tensor cores computed every floating type, so that values can be compared to the last digits."""
    with mock.patch.object(CUDA, "prefers_channels_last", lambda dtype: dtype.kind == "f"):
        yield


def same(graph: Graph, after: Graph, data: Sequence[Any], tolerance: float = 1e-11) -> None:
    for y, e in zip(interpret(verify(after), data), interpret(graph, data), strict=True):
        assert (y.shape, y.dtype) == (e.shape, e.dtype)
        np.testing.assert_allclose(y, e, rtol=tolerance, atol=tolerance)


def transposes(graph: Graph) -> list[Node]:
    return [n for n in graph.nodes if n.op.name == "transpose" and not SOURCE._keeps_memory(n.inputs[0].shape, n.attrs["axes"])]


def convolutions(graph: Graph) -> list[Node]:
    return [n for n in graph.nodes if n.op.name.startswith("convolution")]


def batch_normed(x: Any, gamma: Any, beta: Any) -> Any:
    mean, var = (call("cast", gamma * 0 + v, dtype=gamma.dtype) for v in (0, 1))
    return batch_norm(x, gamma, beta, mean, var, fix_gamma=False)


def residual_network(x: Any, y: Any, w1: Any, w2: Any, w3: Any, gamma: Any, beta: Any, dense: Any) -> Any:
    """ResNet's pieces: a strided convolution, batch norm, max pooling, a residual block, mean pooling, a classifier, its loss."""
    x = convolution(x, w1, stride=2, pad=1)
    x = pooling(relu(batch_normed(x, gamma, beta)), kernel=(3, 3), stride=(2, 2), pad=(1, 1))
    z = relu(batch_normed(convolution(x, w2, pad=1), gamma, beta))
    z = batch_normed(convolution(z, w3, pad=1), gamma, beta)
    x = relu(x + z)
    x = pooling(x, pool_type="avg", global_pool=True)
    return softmax_cross_entropy(fully_connected(x, dense), y).sum()


def residual_data(dtype: Any = np.float64) -> list[Any]:
    sizes = [(2, 3, 13, 13), (4, 3, 3, 3), (4, 4, 3, 3), (4, 4, 3, 3), (4,), (4,), (5, 4)]
    data = [normal(*s, seed=i, dtype=dtype) for i, s in enumerate(sizes)]
    return [data[0], np.array([1, 4], np.int32), *data[1:]]


def test_a_residual_network_and_its_backward(any_floats: None) -> None:
    data = residual_data()
    graph = traced(residual_network, data)
    with mock.patch.object(config, "disabled_passes", frozenset({"layout"})):
        plain = optimize(graph)
    after = optimize(graph)
    same(graph, after, data)
    assert len(convolutions(after)) == len(convolutions(plain)) == 9  # three, each with the gradients of data and weight
    assert all(n.attrs["last"] for n in convolutions(after))
    assert not transposes(plain)
    assert {"moments", "centred_sums", "max_pool", "max_pool_grad"} <= {n.op.name for n in after.nodes}
    # The data and its gradient; each weight and its gradient. Nothing between.
    ends = {*after.inputs, *after.outputs}
    assert len(transposes(after)) == 2 + 3 * 2
    for n in transposes(after):
        assert n.inputs[0] in ends or n.output in ends


def test_a_mean_over_places_needs_no_transpose() -> None:
    """Though what comes behind it wants the axes in their own order: of one place there is but one order."""

    def network(x: Any, w1: Any, w2: Any) -> Any:
        x = relu(convolution(convolution(x, w1), w2))
        return shape.reshape(reduction.mean(call("cast", x, dtype=np.dtype(np.float32)), axis=(2, 3), keepdims=True), (2, -1))

    data = [normal(2, 3, 8, 8, dtype=np.float16), normal(4, 3, 3, 3, dtype=np.float16), normal(4, 4, 3, 3, dtype=np.float16)]
    graph = traced(network, data, backward=False)
    after = optimize(graph)
    same(graph, after, data, 1e-2)
    assert len(transposes(after)) == 3


def test_in_half_precision_with_casts_between() -> None:
    """As mixed precision writes it: float32 data, parameters and gradients around float16 convolutions."""
    data = residual_data(np.float32)
    half = traced(lambda *xs: residual_network(*(call("cast", x, dtype=np.dtype(np.float16)) if x.ndim == 4 else x for x in xs)), data)
    after = optimize(half)
    assert all(n.attrs["last"] for n in convolutions(after))
    assert len(transposes(after)) == 2 + 3 * 2
    assert all(n.output.dtype == np.float16 for n in transposes(after))  # on the narrow side of the casts
    same(half, after, data, 2e-2)


def test_an_update_of_the_weights_stays_in_their_order(any_floats: None) -> None:
    """The gradient is transposed once, however often the update reads it."""

    data = [normal(2, 3, 6, 6), normal(4, 3, 3, 3, seed=1), normal(5, 4, 2, 2, seed=2), normal(4, 3, 3, 3, seed=3)]
    trace = Trace()
    with tracing(trace):
        xs = [wrap(NDArray, trace.argument(Spec(d.shape, d.dtype), gpu(0), ""), gpu(0)) for d in data]
        for x in xs[1:3]:
            x.attach_grad()
        with autograd.record():
            y = convolution(relu(convolution(xs[0], xs[1], pad=1)), xs[2])
        y.backward()
        g = xs[1].grad
        mean = xs[3] * 0.9 + g * 0.1
        outputs = [xs[1] - mean / (call("sqrt", call("square", g)) + 1e-3), mean]
        graph = trace.graph([trace.read(v) for v in outputs])
    after = optimize(graph)
    same(graph, after, data)
    assert len(transposes(after)) == 1 + 2 + 1  # data, weights, the one gradient


def mixed(x: Any, w: Any, s: Any, w2: Any) -> Any:
    """What else lies between convolutions: slices, padding, joins, reductions, scales by channel, by place and by sample."""
    y = convolution(x, w, pad=1)
    y = shape.concatenate([y[:, 1:], relu(y)[:, :1]], axis=1) * s + call("reshape", s, shape=(3, 1, 1))
    y = y - reduction.mean(y, axis=(2, 3), keepdims=True) + reduction.max(y, axis=1, keepdims=True)
    gate = call("reshape", reduction.sum(y, axis=(2, 3)), shape=(2, 3, 1, 1))
    y = call("where", y > 0, y * gate, 0.1)
    y = call("slice_grad", y, shape=(2, 3, 8, 7), key=(*[("slice", None, None, None)] * 2, ("slice", 1, 7, None), ("slice", 1, 6, None)))
    return reduction.sum(call("tanh", convolution(convolution(y, w2), w2)), axis=(0, 2, 3))


MIXED = [normal(2, 3, 6, 5), normal(3, 3, 3, 3, seed=1), normal(1, 3, 1, 1, seed=2), normal(3, 3, 1, 2, seed=3)]


def test_what_else_lies_between(any_floats: None) -> None:
    graph = traced(mixed, MIXED)
    after = optimize(graph)
    same(graph, after, MIXED)
    assert all(n.attrs["last"] for n in convolutions(after))
    assert len(transposes(after)) == 6  # data and weights, and their gradients


@pytest.mark.parametrize(("x", "w"), [((2, 3, 9), (4, 3, 3)), ((2, 3, 5, 6, 5), (4, 3, 2, 3, 2))])
def test_one_and_three_spatial_axes(any_floats: None, x: Any, w: Any) -> None:
    data = [normal(*x), normal(*w, seed=1), normal(3, *w[:1], *w[2:], seed=2)]
    graph = traced(lambda x, w1, w2: convolution(call("tanh", convolution(x, w1)), w2), data)
    after = optimize(graph)
    same(graph, after, data)
    assert len(transposes(after)) == 7  # data, weights, the result, the gradients


@pytest.mark.parametrize("place", ["scalar", "row", "channels", "places", "constant"])
def test_broadcasts_from_fewer_axes_cost_nothing_where_their_axes_keep_their_order(any_floats: None, place: str) -> None:
    """What has fewer axes, spread over a value between two convolutions."""

    def network(x: Any, w1: Any, w2: Any, row: Any) -> Any:
        a = call("tanh", convolution(x, w1))
        spread = {
            "scalar": lambda: call("tanh", reduction.sum(a)),
            "row": lambda: row * 2,
            "channels": lambda: call("reshape", row, shape=(4, 1, 1)) * 2,
            "places": lambda: call("tanh", a[0, 0]),
            "constant": lambda: _constant(a, (4, 4, 4)),
        }[place]()
        return convolution(a + call("broadcast_to", spread, shape=a.shape), w2)

    data = [normal(2, 3, 6, 6), normal(4, 3, 3, 3, seed=1), normal(4, 4, 1, 1, seed=2), normal(4, seed=3)]
    graph = traced(network, data, backward=False)
    after = layout(graph)
    same(graph, after, data)
    assert all(n.attrs["last"] for n in convolutions(after))
    large = [n for n in transposes(after) if n.output.size == 2 * 4 * 4 * 4]
    assert len(large) == 1 + (place == "places")  # of the result; a[0, 0] reads the axes in their own order


def test_transposes_of_the_program_cancel(any_floats: None) -> None:
    """Data that is there with channels last, written for convolutions with channels first."""

    def network(x: Any, w1: Any, w2: Any) -> Any:
        y = shape.transpose(x, (0, 3, 1, 2))
        y = convolution(relu(convolution(y, w1)), w2)
        return shape.transpose(y, (0, 2, 3, 1))

    data = [normal(2, 6, 6, 3), normal(4, 3, 3, 3, seed=1), normal(5, 4, 3, 3, seed=2)]
    graph = traced(network, data, backward=False)
    after = layout(optimize(graph))
    same(graph, after, data)
    assert len(transposes(after)) == 2  # the weights


def test_where_it_does_not_pay_the_graph_is_left_as_it_is(any_floats: None) -> None:
    data = [normal(2, 3, 6, 6), normal(4, 3, 3, 3, seed=1)]
    alone = traced(convolution, data, backward=False)
    assert layout(alone) is alone
    data.append(normal(4, 4, 3, 3, seed=2))
    between = traced(lambda x, w, w2: convolution(call("cumsum", convolution(x, w), axis=1), w2), data, backward=False)
    assert layout(between) is between


def test_on_a_gpu_and_for_types_that_tensor_cores_take_only() -> None:
    data = residual_data(np.float32)
    on_cpu = traced(residual_network, [d.astype(np.float16) if d.dtype.kind == "f" else d for d in data], cpu())
    assert layout(on_cpu) is on_cpu
    single = traced(residual_network, data)
    assert layout(single) is single
    with mock.patch.object(config, "tf32", True):
        assert all(n.attrs["last"] for n in convolutions(layout(single)))


def test_a_kernel_that_takes_one_order_only(any_floats: None) -> None:
    """Its operator stays as it is, between transposes."""
    data = [normal(2, 3, 8, 8), normal(4, 3, 3, 3, seed=1), normal(5, 4, 3, 3, seed=2), normal(5, 5, 3, 3, seed=3), normal(4), normal(4)]

    def network(x: Any, w1: Any, w2: Any, w3: Any, gamma: Any, beta: Any) -> Any:
        return convolution(convolution(batch_normed(convolution(x, w1), gamma, beta), w2), w3)

    graph = traced(network, data, backward=False)
    with mock.patch.object(SOURCE, "has_fused_implementation", lambda node: False):
        after = optimize(graph)
    same(graph, after, data)
    assert all(n.attrs["last"] for n in convolutions(after))
    (moments,) = [n for n in after.nodes if n.op.name == "moments"]
    assert moments.inputs[0].shape == (2, 4, 6, 6)


def test_what_has_nothing_to_do_with_convolutions_stays(any_floats: None) -> None:
    def network(x: Any, w1: Any, w2: Any, small: Any) -> Any:
        return reduction.sum(convolution(convolution(x, w1), w2)) + reduction.sum(call("tanh", small))

    graph = traced(network, [normal(2, 3, 6, 6), normal(4, 3, 3, 3), normal(4, 4, 3, 3), normal(1, 1, 5)], backward=False)
    after = layout(graph)
    assert after is not graph
    assert [n.inputs[0].shape for n in after.nodes if n.op.name == "tanh"] == [(1, 1, 5)]


Step = Callable[[Any, Any, list[Any]], Any]

#: From a value and another of (2, 3, 5, 4), and the weights, another such value.
STEPS: tuple[Step, ...] = (
    lambda x, y, w: convolution(x, w[0], pad=1),
    lambda x, y, w: convolution(x, w[1], pad=(0, 1), dilate=(1, 2)),
    lambda x, y, w: convolution(x, w[2], num_group=3),
    lambda x, y, w: batch_normed(x, w[3], w[4]),
    lambda x, y, w: relu(x),
    lambda x, y, w: x + y,
    lambda x, y, w: x * call("reshape", w[3], shape=(1, 3, 1, 1)),
    lambda x, y, w: x - call("reshape", w[4], shape=(3, 1, 1)),
    lambda x, y, w: x * w[5],
    lambda x, y, w: call("where", x > y, x, -0.5),
    lambda x, y, w: pooling(x, kernel=(3, 3), stride=(1, 1), pad=(1, 1)),
    lambda x, y, w: pooling(x, kernel=(3, 3), stride=(1, 1), pad=(1, 1), pool_type="avg"),
    lambda x, y, w: x - pooling(x, pool_type="avg", global_pool=True),
    lambda x, y, w: x / (reduction.sum(call("absolute", x), axis=1, keepdims=True) + 1),
    lambda x, y, w: x * call("tanh", call("reshape", reduction.mean(x, axis=(1, 2, 3)), shape=(2, 1, 1, 1))),
    lambda x, y, w: x * call("tanh", reduction.mean(x, axis=(2, 3), keepdims=True)),
    lambda x, y, w: shape.concatenate([x[:, :, 1:], y[:, :, :1]], axis=2),
    lambda x, y, w: shape.reshape(shape.transpose(x, (0, 2, 3, 1)), (2, 3, 5, 4)),
    lambda x, y, w: shape.transpose(call("tanh", shape.transpose(x, (0, 2, 3, 1))), (0, 3, 1, 2)),
    lambda x, y, w: call("cumsum", x, axis=3) * 0.3,
    lambda x, y, w: call("broadcast_to", x[:1, :, :, 1:2], shape=(2, 3, 5, 4)),
    # From fewer axes: of the sum of all, of rows, of places, of channels in every way in which they can lie.
    *(
        lambda x, y, w, axis=axis, keepdims=keepdims: x + _spread(call("tanh", reduction.sum(y, axis=axis, keepdims=keepdims))[0])
        for axis, keepdims in (((1, 2, 3), False), ((1, 2), False), ((1,), False), ((2, 3), True), ((1, 3), True), ((3,), True))
    ),
    lambda x, y, w: x - _spread(call("tanh", reduction.sum(x))),
    lambda x, y, w: call("where", _spread(w[5]) > 0, x, call("broadcast_to", _spread(w[5][:1] * y[0, 0, :1]), shape=(2, 3, 5, 4))),
    lambda x, y, w: x * _spread(_constant(x, (3, 1, 4))),
)


def _constant(like: Any, shape: tuple[int, ...]) -> Any:
    return apply(OPS["full"], (), {"shape": shape, "value": 0.5, "dtype": like.dtype}, like.device, NDArray)


def _spread(x: Any) -> Any:
    """Whatever broadcasts, broadcast."""
    return call("broadcast_to", x, shape=(2, 3, 5, 4))


WEIGHTS = [normal(*s, seed=i, dtype=np.float64) * 0.4 for i, s in enumerate([(3, 3, 3, 3), (3, 3, 1, 2), (3, 1, 1, 1), (3,), (3,), (5, 4)])]


@given(st.lists(st.tuples(st.integers(0, len(STEPS) - 1), st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=12))
@settings(max_examples=40)
def test_random_networks(recipe: list[tuple[int, int, int]]) -> None:
    """Values stay, as written and after the other passes, and no more is transposed than before."""

    def network(x: Any, *w: Any) -> Any:
        values = [x]
        for which, i, j in recipe:
            values.append(call("tanh", STEPS[which](values[-1 - i % len(values)], values[-1 - j % len(values)], list(w))))
        return call("add", reduction.sum(values[-1]), reduction.sum(values[-2], axis=(1, 3))[0])

    data = [normal(2, 3, 5, 4, seed=9), *WEIGHTS]
    graph = traced(network, data)
    with mock.patch.object(CUDA, "prefers_channels_last", lambda dtype: dtype.kind == "f"):
        alone, after = layout(graph), optimize(graph)
        with mock.patch.object(config, "disabled_passes", frozenset({"layout"})):
            plain = optimize(graph)
        assert SOURCE.transposed_bytes(alone) <= SOURCE.transposed_bytes(graph)
        assert SOURCE.transposed_bytes(after) <= SOURCE.transposed_bytes(plain)
    same(graph, alone, data)
    same(graph, after, data)


def permutable(op: Op, sample: Sample) -> tuple[Graph, Permuted] | None:
    """A sample as a graph of one node, and how that takes permuted operands."""
    if sample.error is not None or op.kind is Kind.RANDOM:
        return None
    inputs = [Value(np.shape(x), np.asarray(x).dtype, gpu(0)) for x in sample.inputs]
    node = Node(op, inputs, sample.attrs, infer_node(op, inputs, sample.attrs), gpu(0))
    call = SOURCE._permuted_call(node)
    return None if call is None else (Graph(inputs, [node], node.outputs), call)


@pytest.mark.parametrize(("op", "sample"), cases(lambda op, sample: permutable(op, sample) is not None))
def test_every_operator_that_takes_permuted_operands(op: Op, sample: Sample) -> None:
    """Computes on them what it computes on plain ones."""
    found = permutable(op, sample)
    assert found is not None
    graph, call = found
    data = [np.asarray(x) for x in sample.inputs]
    changing = SOURCE._Layout(graph)
    with mock.patch.object(SOURCE, "has_fused_implementation", lambda node: True):
        assert changing._compute(graph.nodes[0], call)
    same(graph, Graph(graph.inputs, changing.nodes, [changing._plain(v) for v in graph.outputs]), data)
