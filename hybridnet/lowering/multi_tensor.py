"""Multi-tensor nodes: the same pointwise computation on many arrays becomes one node over all of them.

An optimizer's update is the case: a dozen operators for each parameter, alike but for the shape.
As one node it is one kernel on a GPU, and on a CPU a few calls over one flat buffer.

Where every launch counts (``Limits.counts_launches``), more is grouped. Sums over all elements go along (the norm of every
parameter: LAMB, limits of gradients), then the arithmetic on what they give, and numbers that other
operands are combined with may differ from member to member. So do the casts of parameters to a 16-bit type.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hybridnet.core import Kind, Op, Spec
from hybridnet.device import Device
from hybridnet.errors import JoinedSite
from hybridnet.exact import exact, exact_attrs
from hybridnet.graph.backend import backend_of
from hybridnet.graph.interpret import interpret
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.graph.operators import CAST, FULL
from hybridnet.lowering.joining import Uses, joined, readers, uses_of, waiting


def _infer_group(*specs: Spec, body: Graph, members: int, slots: int) -> tuple[Spec, ...]:
    return tuple(Spec(specs[m].shape if v.shape else (), v.dtype) for v in body.outputs for m in range(members))


def _compute_group(xp: Any, *data: Any, body: Graph, members: int, slots: int) -> tuple[Any, ...]:
    results = []
    for m in range(members):
        mine = [*(data[s * members + m] for s in range(slots)), *data[slots * members :]]
        ys = interpret(body, [x.reshape(-1) if v.shape else x for v, x in zip(body.inputs, mine, strict=True)], xp)
        results.append([y.reshape(mine[0].shape) if v.shape else y for v, y in zip(body.outputs, ys, strict=True)])
    return tuple(results[m][o] for o in range(len(body.outputs)) for m in range(members))


#: ``inputs``: for each slot the arrays of all members, then what all members share.
#: ``outputs``: for each output of the body those of all members.
#: ``body``: the computation on flat arrays, one input a slot, then the shared ones. The first slot is an array;
#: a slot or output of no dimensions in the body is a number for each member.
GROUP = Op("group", Kind.REGION, _infer_group, compute=_compute_group)


def _counts_launches(device: Device) -> bool:
    return backend_of(device).limits.counts_launches


def _domain(node: Node) -> tuple[int, ...]:
    """The shape of what a node goes over."""
    return node.inputs[0].shape if node.op.kind is Kind.REDUCTION else node.output.shape


class _Component:
    """Connected nodes on arrays of one shape."""

    def __init__(self, nodes: Sequence[Node], uses: Uses) -> None:
        self.nodes = nodes
        self.shape = _domain(nodes[0])
        self.device = nodes[0].output.device
        inside = {v: i for i, n in enumerate(nodes) for v in n.outputs}
        slots: dict[Value, int] = {}
        numbers: dict[Value, int] = {}
        signature: list[Any] = []
        for n in nodes:
            reads: list[Any] = []
            for v in n.inputs:
                if v in inside:
                    reads.append(("node", inside[v]))
                elif v.constant is not None:
                    reads.append(("constant", exact(v.constant), v.dtype))
                else:
                    kind, operands = ("slot", slots) if v.shape else ("number", numbers)
                    reads.append((kind, operands.setdefault(v, len(operands)), v.dtype))
            attrs = () if n.op.kind is Kind.REDUCTION else exact_attrs(n.attrs)
            signature.append((n.op, tuple(reads), attrs, n.output.dtype))
        self.slots, self.numbers = list(slots), list(numbers)
        self.members = set(nodes)
        self.outputs = [n.output for n in nodes if any(r not in self.members for r in uses.get(n.output, ()))]
        same = () if _counts_launches(self.device) else tuple(self.numbers)
        self.signature = (tuple(signature), tuple(inside[v] for v in self.outputs), self.device, self.shape == (), same)


def _eligible(graph: Graph) -> list[Node]:
    """Pointwise nodes with no smaller operands but numbers. Where launches count, also sums over all elements, and arithmetic on those."""
    eligible = []
    sums: set[Value] = set()  # numbers that follow from sums over all elements
    for n in graph.nodes:
        if n.op is GROUP:
            sums.update(v for v in n.outputs if not v.shape)
        if n.op.decomposition is not None or not n.inputs:
            continue
        if n.op.kind is Kind.REDUCTION and _counts_launches(n.device) and not n.output.shape and n.inputs[0].shape:
            if n.inputs[0].constant is None:
                eligible.append(n)
                sums.add(n.output)
        elif n.op.kind is Kind.POINTWISE and all(v.shape in (n.output.shape, ()) for v in n.inputs):
            if n.output.shape:
                eligible.append(n)
            elif any(v in sums for v in n.inputs):
                eligible.append(n)
                sums.add(n.output)
    return eligible


def _connected(nodes: Sequence[Node], joined: Callable[[Node, Node], bool]) -> list[list[Node]]:
    """Sets of nodes that are connected by operands where ``joined(producer, reader)``."""
    parent = {n: n for n in nodes}

    def find(n: Node) -> Node:
        while parent[n] is not n:
            parent[n] = parent[parent[n]]
            n = parent[n]
        return n

    for n in nodes:
        for v in n.inputs:
            if v.node in parent and v.node is not None and joined(v.node, n):
                parent[find(v.node)] = find(n)
    sets: dict[Node, list[Node]] = {}
    for n in nodes:
        sets.setdefault(find(n), []).append(n)
    return list(sets.values())


def _alike(producer: Node, reader: Node) -> bool:
    """Whether an element of the one follows from the same element of the other."""
    return producer.output.shape == _domain(producer) == _domain(reader)


def _in_turn(nodes: list[Node], uses: Uses, position: dict[Node, int]) -> list[list[Node]]:
    """Connected nodes in parts of which none waits for something outside that waits for itself (a sum over its elements)."""
    inside = set(nodes)
    last = max(position[n] for n in nodes)  # what runs after all of them waits for none
    outside = readers([r for n in nodes for r in uses.get(n.output, ()) if r is not None and r not in inside], uses, position, last)
    if inside.isdisjoint(outside):
        return [nodes]
    turn: dict[Node, int] = {}
    for n in sorted(inside | outside, key=position.__getitem__):
        before = [v.node for v in n.inputs if v.node in turn and v.node is not None]
        turn[n] = max((turn[m] + (m in inside and n not in inside) for m in before), default=0)
    return _connected(nodes, lambda producer, reader: _alike(producer, reader) and turn[producer] == turn[reader])


#: Up to so many bytes a parameter's cast is kept from the beginning of a step on, even where only one node reads it.
_SMALL_CAST = 1 << 20


def _is_early(n: Node, uses: Uses) -> bool:
    """Whether a node is a cast of a parameter that may as well be computed early: the backward reads it too, or it is small."""
    x, y = n.inputs[0], n.output
    return n.op is CAST and x.node is None and _counts_launches(x.device) and (y.nbytes <= _SMALL_CAST or len(uses[y]) > 1)


def _components(graph: Graph, uses: Uses, position: dict[Node, int]) -> list[_Component]:
    """Those that are worth a look: that give results of the graph (a state's new value, in practice), or sums; casts of parameters."""
    results = set(graph.outputs)
    components = []
    for nodes in _connected(_eligible(graph), _alike):
        summed = any(n.op.kind is Kind.REDUCTION or not n.output.shape for n in nodes)
        if summed or any(n.output in results for n in nodes) or (len(nodes) == 1 and _is_early(nodes[0], uses)):
            parts = _in_turn(nodes, uses, position) if _counts_launches(nodes[0].device) else [nodes]
            components += [_Component(part, uses) for part in parts]
    return [c for c in components if c.slots or not c.shape]


def multi_tensor(graph: Graph) -> Graph:
    """Join components that compute the same on different arrays, where no member waits for another."""
    uses = uses_of(graph)
    position = {n: i for i, n in enumerate(graph.nodes)}
    alike: dict[Any, list[_Component]] = {}
    for c in _components(graph, uses, position):
        alike.setdefault(c.signature, []).append(c)
    for members in alike.values():
        members.sort(key=lambda c: _arrival(c, position))
        if len(members) > 1 and (len(members[0].nodes) > 1 or _counts_launches(members[0].device)):
            after = _join(graph, members, uses, position)
            if after is not None:
                return multi_tensor(after)
    return graph


def _arrival(c: _Component, position: Mapping[Node, int]) -> tuple[int, int]:
    """When what other processes send of its operands comes, and where in the message: in that order a group's lie flat as they are sent."""
    return min(((position[v.node], v.index) for v in c.slots if v.node is not None and v.node.communicates), default=(-1, -1))


def _join(graph: Graph, members: list[_Component], uses: Uses, position: Mapping[Node, int]) -> Graph | None:
    inside = {n for c in members for n in c.nodes}
    results = [c.outputs[o] for o in range(len(members[0].outputs)) for c in members]
    start = [r for c in members for v in c.outputs for r in uses.get(v, ()) if r is not None and r not in c.members]
    after = waiting(start, inside, uses, position)
    if after is None:
        return None
    first = members[0]
    count = len(members)
    own = [i for i, v in enumerate(first.numbers) if any(c.numbers[i] is not v for c in members)]
    shared = [v for i, v in enumerate(first.numbers) if i not in own]
    slots = [[c.slots[s] for c in members] for s in range(len(first.slots))] + [[c.numbers[i] for c in members] for i in own]
    node = Node(
        GROUP,
        [*(v for slot in slots for v in slot), *shared],
        {"body": _body(first, [*first.slots, *(first.numbers[i] for i in own)], shared), "members": count, "slots": len(slots)},
        [v.spec for v in results],
        first.device,
        JoinedSite(sites) if (sites := [c.nodes[-1].site for c in members if c.nodes[-1].site]) else None,
    )
    return joined(graph, node, dict(zip(results, node.outputs, strict=True)), inside, after)


def _body(c: _Component, slots: list[Value], shared: list[Value]) -> Graph:
    """One member's nodes on flat arrays of any length. Numbers of each member are arrays of one where there are no others."""

    def flat(v: Value, number: bool) -> Spec:
        return Spec(() if number else (math.prod(c.shape),), v.dtype)

    inner: dict[Value, Value] = {}
    for v in slots:
        spec = flat(v, v.shape != c.shape)
        inner[v] = Value(spec.shape, spec.dtype, c.device)
    for v in shared:
        inner[v] = Value((), v.dtype, c.device)
    parameters = list(inner.values())
    nodes: list[Node] = []
    for n in c.nodes:
        for v in n.inputs:
            if v.constant is not None and v not in inner:
                constant = Node(FULL, (), {"shape": (), "value": v.constant, "dtype": v.dtype}, [Spec((), v.dtype)], c.device)
                nodes.append(constant)
                inner[v] = constant.output
        sums = n.op.kind is Kind.REDUCTION
        attrs = {"axis": (0,), "keepdims": False} if sums else n.attrs
        new = n.with_inputs([inner[v] for v in n.inputs], attrs=attrs, specs=[flat(n.output, sums)])
        inner[n.output] = new.output
        nodes.append(new)
    return Graph(parameters, nodes, [inner[v] for v in c.outputs])
