"""Grouping: the same pointwise computation on many arrays becomes one node over all of them.

An optimizer's update is the case: a dozen operators for each parameter, alike but for the shape.
As one node it is one kernel on a GPU, and on a CPU a few calls over one flat buffer.
"""

from __future__ import annotations

from typing import Any

from hybridnet.core import OPS, Kind, Op, Spec
from hybridnet.graph.interpret import interpret
from hybridnet.graph.ir import Graph, Node, Value


def _infer_group(*specs: Spec, body: Graph, members: int, slots: int) -> tuple[Spec, ...]:
    return tuple(Spec(specs[m].shape, v.dtype) for v in body.outputs for m in range(members))


def _compute_group(xp: Any, *data: Any, body: Graph, members: int, slots: int) -> tuple[Any, ...]:
    shared = data[slots * members :]
    results = [interpret(body, [*(data[s * members + m] for s in range(slots)), *shared], xp) for m in range(members)]
    return tuple(results[m][o] for o in range(len(body.outputs)) for m in range(members))


#: ``inputs``: for each slot the arrays of all members, then what all members share.
#: ``outputs``: for each output of the body those of all members.
#: ``body``: the computation on flat arrays, one input a slot, then the shared ones.
GROUP = Op("group", Kind.OPAQUE, _infer_group, compute=_compute_group)


class _Component:
    """Connected pointwise nodes on arrays of one shape."""

    def __init__(self, nodes: list[Node], graph_uses: dict[Value, list[Any]]) -> None:
        self.nodes = nodes
        inside = {v: i for i, n in enumerate(nodes) for v in n.outputs}
        self.slots: list[Value] = []
        self.shared: list[Value] = []
        signature: list[Any] = []
        for n in nodes:
            reads: list[Any] = []
            for v in n.inputs:
                if v in inside:
                    reads.append(("node", inside[v]))
                elif v.constant is not None:
                    reads.append(("constant", v.constant, type(v.constant), v.dtype))
                elif v.shape == n.output.shape:
                    if v not in self.slots:
                        self.slots.append(v)
                    reads.append(("slot", self.slots.index(v), v.dtype))
                else:
                    if v not in self.shared:
                        self.shared.append(v)
                    reads.append(("shared", v))
            signature.append((n.op, tuple(reads), tuple(sorted(n.attrs.items())), n.output.dtype))
        members = set(nodes)
        self.outputs = [n.output for n in nodes if any(r not in members for r in graph_uses.get(n.output, ()))]
        self.signature = (tuple(signature), tuple(inside[v] for v in self.outputs))
        self.shape = nodes[0].output.shape


def _components(graph: Graph, uses: dict[Value, list[Any]]) -> list[_Component]:
    """Maximal connected sets of pointwise nodes of one shape with no smaller operands but scalars."""
    parent: dict[Node, Node] = {}

    def find(n: Node) -> Node:
        while parent[n] is not n:
            parent[n] = parent[parent[n]]
            n = parent[n]
        return n

    for n in graph.nodes:
        if n.op.kind is not Kind.POINTWISE or n.op.expand is not None or n.output.shape == ():
            continue
        shape = n.output.shape
        if any(v.shape not in (shape, ()) for v in n.inputs):
            continue
        parent[n] = n
        for v in n.inputs:
            if v.node in parent and v.shape == shape:
                parent[find(v.node)] = find(n)  # type: ignore[index]
    sets: dict[Node, list[Node]] = {}
    for n in parent:
        sets.setdefault(find(n), []).append(n)
    return [_Component(nodes, uses) for nodes in sets.values()]


def group(graph: Graph) -> Graph:
    """Join components that compute the same on different arrays, where no member waits for another.

    Only those that give a result of the graph (a state's new value, in practice) are looked at.
    """
    uses: dict[Value, list[Any]] = {}
    for n in graph.nodes:
        for v in n.inputs:
            uses.setdefault(v, []).append(n)
    for v in graph.outputs:
        uses.setdefault(v, []).append(None)
    alike: dict[Any, list[_Component]] = {}
    results = set(graph.outputs)
    for c in _components(graph, uses):
        if c.slots and any(v in results for v in c.outputs):
            alike.setdefault(c.signature, []).append(c)
    position = {n: i for i, n in enumerate(graph.nodes)}
    for members in alike.values():
        if len(members) > 1 and len(members[0].nodes) > 1:
            joined = _join(graph, members, uses, position)
            if joined is not None:
                return group(joined)
    return graph


def _join(graph: Graph, members: list[_Component], uses: dict[Value, list[Any]], position: dict[Node, int]) -> Graph | None:
    inside = {n for c in members for n in c.nodes}
    after = _downstream(graph, members, uses, inside)
    if after is None:
        return None
    first = members[0]
    count = len(members)
    inputs = [c.slots[s] for s in range(len(first.slots)) for c in members] + first.shared
    node = Node(
        GROUP,
        inputs,
        {"body": _body(first), "members": count, "slots": len(first.slots)},
        [Spec(c.shape, v.dtype) for v in first.outputs for c in members],
        first.nodes[0].output.device,
        first.nodes[-1].site,
    )
    became = dict(zip([c.outputs[o] for o in range(len(first.outputs)) for c in members], node.outputs, strict=True))
    nodes: list[Node] = [n for n in graph.nodes if n not in inside and n not in after]
    nodes.append(node)
    for n in graph.nodes:
        if n in after:
            renamed = Node(n.op, [became.get(v, v) for v in n.inputs], n.attrs, [v.spec for v in n.outputs], n.outputs[0].device, n.site)
            became.update(zip(n.outputs, renamed.outputs, strict=True))
            nodes.append(renamed)
    return Graph(graph.inputs, nodes, [became.get(v, v) for v in graph.outputs])


def _downstream(graph: Graph, members: list[_Component], uses: dict[Value, list[Any]], inside: set[Node]) -> set[Node] | None:
    """Every node that needs a member's result; None if a member is among what another needs."""
    after: set[Node] = set()
    stack = [r for c in members for v in c.outputs for r in uses.get(v, ()) if r is not None and r not in c.nodes]
    while stack:
        n = stack.pop()
        if n in after:
            continue
        if n in inside:
            return None
        after.add(n)
        stack.extend(r for v in n.outputs for r in uses.get(v, ()) if r is not None)
    return after


def _body(c: _Component) -> Graph:
    """One member's nodes on flat arrays of unknown length: pointwise, so the length does not matter."""
    device = c.nodes[0].output.device
    inner: dict[Value, Value] = {}
    for v in c.slots:
        inner[v] = Value(c.shape, v.dtype, device)
    for v in c.shared:
        inner[v] = Value(v.shape, v.dtype, device)
    parameters = list(inner.values())
    nodes: list[Node] = []
    for n in c.nodes:
        for v in n.inputs:
            if v.constant is not None and v not in inner:
                constant = Node(OPS["full"], (), {"shape": (), "value": v.constant, "dtype": v.dtype}, [Spec((), v.dtype)], device)
                nodes.append(constant)
                inner[v] = constant.output
        new = Node(n.op, [inner[v] for v in n.inputs], n.attrs, [n.output.spec], device, n.site)
        inner[n.output] = new.output
        nodes.append(new)
    return Graph(parameters, nodes, [inner[v] for v in c.outputs])
