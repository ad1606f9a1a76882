"""A network as one graph that holds for all sizes of its named axes: traced at several, compared node by node."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hybridnet import autograd
from hybridnet.core import wrap
from hybridnet.core.tree import flatten
from hybridnet.errors import ArgumentError, TraceError, fail
from hybridnet.graph.control_ops import CONTROL
from hybridnet.graph.ir import Graph, Node, Rewriter, Value
from hybridnet.graph.passes.cleanup import dce
from hybridnet.graph.trace import trace_op
from hybridnet.onnx.sizes import UNKNOWN, merge, points
from hybridnet.traced import Traced

Dynamic = Mapping[str, Mapping[int, str]]
Has = Callable[[Node, Mapping[Value, int]], bool]  # of a node, and how often each value of its graph is read

MOST_AXES = 4  # so many named axes take 17 traces


@dataclass(frozen=True)
class Model:
    """A traced network.

    graph: at the first of the sizes, composites without a rule of their own written out. inputs: the names of its arguments.
    states: the arrays behind the inputs that follow those. shapes, attributes: of values and nodes, as :func:`~hybridnet.onnx.sizes.merge`
    gives them. twins: each node as it is at each of the sizes, itself first. axes: where each named axis is read, an input's name and its
    axis. low: the sizes of the first trace.
    """

    graph: Graph
    inputs: tuple[str, ...]
    states: tuple[Any, ...]
    shapes: Mapping[Value, tuple[Any, ...]]
    attributes: Mapping[Node, Mapping[str, Any]]
    twins: Mapping[Node, tuple[Node, ...]]
    axes: Mapping[str, tuple[str, int]]
    low: Mapping[str, int]


def trace(net: Callable[..., Any], inputs: Mapping[str, Any], dynamic: Dynamic, has_rule: Has) -> Model:
    """The network that takes these inputs; ``dynamic`` names axes of theirs: {input: {axis: name}}.

    ArgumentError for axes that there are not, TraceError for a network that writes, or that is another one at another size.
    """
    axes = _named_axes(inputs, dynamic)
    # An axis of size 1 broadcasts and makes programs branch: none is traced at that size.
    low = {name: max(2, inputs[where].shape[axis]) for name, (where, axis) in axes.items()}
    traces = [_trace_at(net, inputs, dynamic, sizes) for sizes in points(low)]
    graphs = [_written_out(dce(t.graph), has_rule) for t in traces]
    for t in traces:
        if list(map(id, t.states)) != list(map(id, traces[0].states)):
            fail(TraceError, "onnx.export", expected="the same parameters whatever the sizes", got="others")
    shapes: dict[Value, tuple[Any, ...]] = {}
    attributes: dict[Node, Mapping[str, Any]] = {}
    twins: dict[Node, tuple[Node, ...]] = {}

    def compare(graphs: Sequence[Graph]) -> None:
        """Enter what graphs that are one at several sizes say, and the graphs that their nodes hold."""
        _expect_the_same(graphs, low)
        for values in zip(*[g.inputs for g in graphs], strict=True):
            shapes[values[0]] = _merged([v.shape for v in values], low)
        for nodes in zip(*[g.nodes for g in graphs], strict=True):
            twins[nodes[0]] = nodes
            found = {}
            for key, value in nodes[0].attrs.items():
                of_each = [n.attrs[key] for n in nodes]
                if isinstance(value, Graph):
                    compare(of_each)
                found[key] = value if isinstance(value, Graph) else merge(of_each, low)
            attributes[nodes[0]] = found
            for outputs in zip(*[n.outputs for n in nodes], strict=True):
                shapes[outputs[0]] = _merged([v.shape for v in outputs], low)

    compare(graphs)
    return Model(graphs[0], tuple(inputs), tuple(traces[0].states), shapes, attributes, twins, axes, low)


def _expect_the_same(graphs: Sequence[Graph], low: Mapping[str, int]) -> None:
    first = graphs[0]
    for graph in graphs:
        same = [a.op is b.op for a, b in zip(first.nodes, graph.nodes, strict=False)]
        if len(first.nodes) != len(graph.nodes) or not all(same):
            place = first.nodes[same.index(False)] if False in same else (first.nodes or graph.nodes)[-1]
            fail(
                TraceError,
                "onnx.export",
                expected=f"the same operators whatever the sizes of {', '.join(low)}",
                got=f"others from {place.op.name} on",
                fix="leaving that axis out of dynamic",
                site=place.site,
            )


def _merged(shapes: Sequence[tuple[int, ...]], low: Mapping[str, int]) -> tuple[Any, ...]:
    found = merge(shapes, low)
    if found is UNKNOWN:
        fail(TraceError, "onnx.export", expected="arrays of as many dimensions whatever the sizes", got=" and ".join(map(str, shapes[:2])))
    return tuple(found)


def _named_axes(inputs: Mapping[str, Any], dynamic: Dynamic) -> dict[str, tuple[str, int]]:
    """Of each named axis the first input that has it, and where."""
    found: dict[str, tuple[str, int]] = {}
    for key, names in dynamic.items():
        if key not in inputs:
            fail(ArgumentError, "onnx.export", expected="in dynamic names of inputs: " + ", ".join(inputs), got=repr(key))
        for axis, name in names.items():
            if not 0 <= axis < inputs[key].ndim:
                fail(ArgumentError, "onnx.export", expected=f"axes of {key} from 0 to {inputs[key].ndim - 1}", got=repr(axis))
            found.setdefault(name, (key, axis))
    if len(found) > MOST_AXES:
        fail(ArgumentError, "onnx.export", expected=f"at most {MOST_AXES} named axes", got=", ".join(found))
    return found


def _trace_at(net: Callable[..., Any], inputs: Mapping[str, Any], dynamic: Dynamic, sizes: Mapping[str, int]) -> Traced:
    arguments = []
    for key, x in inputs.items():
        shape = list(x.shape)
        for axis, name in dynamic.get(key, {}).items():
            shape[axis] = sizes[name]
        arguments.append(wrap(type(x), np.resize(x.asnumpy(), shape), x.device))
    leaves: list[Any] = []
    structure = flatten((tuple(arguments), {}), leaves)
    with autograd.pause(train_mode=False):
        traced = Traced(net, structure, leaves, False, unrolls=False)
    if traced.written or traced.written_arguments:
        names = ", ".join(v.name for v in (traced.graph.inputs[i] for i in traced.roles.donated.values()))
        fail(TraceError, "onnx.export", expected="a network that only computes", got=f"one that writes to {names}")
    return traced


def _written_out(graph: Graph, has_rule: Has) -> Graph:
    """The graph with each composite that has no rule replaced by its parts, and theirs."""
    rewriter = Rewriter(graph)
    uses = graph.uses()
    for node in graph.nodes:
        _append(rewriter, node, uses, has_rule)
    return dce(rewriter.finish())


def _append(rewriter: Rewriter, node: Node, uses: Mapping[Value, int], has_rule: Has) -> None:
    if node.op in CONTROL:
        inside = {key: _written_out(x, has_rule) if isinstance(x, Graph) else x for key, x in node.attrs.items()}
        copy = node.with_inputs([rewriter.of(v) for v in node.inputs], attrs=inside)
        rewriter.nodes.append(copy)
        for old, new in zip(node.outputs, copy.outputs, strict=True):
            rewriter.replace(old, new)
        return
    if node.op.decomposition is None or has_rule(node, uses):
        rewriter.keep(node)
        return
    body = trace_op(node.op.name, node.op.decomposition, [v.spec for v in node.inputs], node.attrs, node.device)
    inner: dict[Value, Value] = {b: rewriter.of(v) for b, v in zip(body.inputs, node.inputs, strict=True)}
    # What reads a result of the whole reads the same result of its parts.
    outer = dict(zip(body.outputs, node.outputs, strict=True))
    read = {value: count for value, count in body.uses().items() if value not in outer or uses.get(outer[value])}
    for part in body.nodes:
        copied = part.with_inputs([inner[v] for v in part.inputs], site=node.site)
        copied_uses = dict(zip(copied.outputs, [read.get(v, 0) for v in part.outputs], strict=True))
        _append(rewriter, copied, copied_uses, has_rule)
        inner.update((old, rewriter.of(new)) for old, new in zip(part.outputs, copied.outputs, strict=True))
    for old, new in zip(node.outputs, body.outputs, strict=True):
        rewriter.replace(old, inner[new])
