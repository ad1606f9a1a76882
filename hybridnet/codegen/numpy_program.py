"""A graph as the text of a straight-line NumPy function over preallocated buffers.

Each value gets a place: an input, a constant, the arena (offsets planned from lifetimes), a fresh
array if it is returned, or the buffer of a state that it replaces (``donate``). Views of arena
buffers are made once; pointwise calls overwrite an operand that dies in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hybridnet.codegen.numpy_text import Namespace, call_text, is_ufunc, scalar_literal, view_text
from hybridnet.core import OPS, Kind
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.graph.memory import Request, place


@dataclass
class Source:
    """A program: its text, the names that the text uses, the bytes of its arena.

    The text defines ``bind(view)``, which makes the arena's arrays (``view(offset, shape,
    dtype)``) and returns ``run(inputs)``.
    """

    text: str
    names: dict[str, Any]
    arena_bytes: int
    naive_bytes: int  # what separate buffers for all values would take
    largest: list[tuple[int, str]] = field(default_factory=list)


def write_numpy_program(graph: Graph, donate: Mapping[int, int] | None = None, resident: frozenset[int] = frozenset()) -> Source:
    """The NumPy program of a graph.

    ``donate`` maps positions of outputs to positions of inputs: that output is written into that
    input's buffer and not returned. All other outputs are returned in order, those in
    ``resident`` as arrays that lie in the arena, which the caller must keep from running again.
    """
    donated = dict(donate or {})
    return _Writer(_legalized(graph, donated), donated, resident).write()


# -- making the graph fit to be written -----------------------------------------------------------


def _aliases(graph: Graph) -> dict[Value, Value]:
    """For each value that is a view in memory, the value whose buffer it views.

    Found by taking the views of empty arrays: NumPy itself says when a reshape must copy.
    """
    shadow: dict[Value, Any] = {v: np.empty(v.shape, v.dtype) for v in graph.inputs}
    root: dict[Value, Value] = {}
    for node in graph.nodes:
        if node.op.kind is Kind.VIEW:
            source, out = node.inputs[0], node.outputs[0]
            assert node.op.compute is not None
            shadow[out] = node.op.compute(np, shadow[source], **node.attrs)
            if not out.size or np.may_share_memory(shadow[out], shadow[source]):
                root[out] = root.get(source, source)
            continue
        for v in node.outputs:
            shadow[v] = np.empty(v.shape, v.dtype)
    return root


def _legalized(graph: Graph, donate: dict[int, int]) -> Graph:
    """Copies where the program needs an array of its own: reshapes that are no views, inputs returned as they are."""
    root = _aliases(graph)
    nodes: list[Node] = []
    became: dict[Value, Value] = {}

    def copied(v: Value) -> Value:
        node = Node(OPS["copy"], (v,), {}, [v.spec], v.device, v.node.site if v.node else None)
        nodes.append(node)
        return node.output

    for node in graph.nodes:
        inputs = [became.get(v, v) for v in node.inputs]
        if node.op.kind is Kind.VIEW and node.outputs[0] not in root:
            inputs[0] = copied(inputs[0])
        if tuple(inputs) != node.inputs:
            new = Node(node.op, inputs, node.attrs, [v.spec for v in node.outputs], node.outputs[0].device, node.site)
            became.update(zip(node.outputs, new.outputs, strict=True))
            node = new
        nodes.append(node)
    outputs = [became.get(v, v) for v in graph.outputs]
    inputs_set = set(graph.inputs)
    root = {became.get(v, v): became.get(r, r) for v, r in root.items()}
    taken: set[Value] = set()
    for i, v in enumerate(outputs):
        if root.get(v, v) in inputs_set or (i in donate and (v in taken or v in root)):
            outputs[i] = v = copied(v)
        if i in donate:
            taken.add(v)
    for i, v in enumerate(outputs):
        if i not in donate and v in taken:
            outputs[i] = copied(v)
    return Graph(graph.inputs, nodes, outputs)


# -- writing --------------------------------------------------------------------------------------


class _Writer:
    def __init__(self, graph: Graph, donate: dict[int, int], resident: frozenset[int]) -> None:
        self.graph = graph
        self.resident = resident
        self.donate = donate
        self.ns = Namespace()
        self.root = _aliases(graph)
        self.name: dict[Value, str] = {}
        self.static: set[Value] = set()  # values whose arrays exist before the run
        self.head: list[str] = []  # lines of bind()
        self.body: list[str] = []  # lines of run()
        self.step = {node: i for i, node in enumerate(graph.nodes)}
        self.last_use = self._last_uses()

    def _root(self, v: Value) -> Value:
        return self.root.get(v, v)

    def _last_uses(self) -> dict[Value, int]:
        """The last step that reads each buffer, through whatever view; outputs live to the end."""
        last: dict[Value, int] = {}
        for i, node in enumerate(self.graph.nodes):
            for v in (*node.inputs, *node.outputs):
                last[self._root(v)] = i
        for v in self.graph.outputs:
            last[self._root(v)] = len(self.graph.nodes)
        return last

    def write(self) -> Source:
        graph = self.graph
        for i, v in enumerate(graph.inputs):
            self.name[v] = f"x{i}"
        homes, late = self._homes()
        returned = {self._root(v) for i, v in enumerate(graph.outputs) if i not in self.donate and i not in self.resident}
        requests, place_of = self._requests(homes, returned)
        arena = place(requests)
        naive = sum(v.nbytes for node in graph.nodes for v in node.outputs if v not in self.root and v.constant is None)
        where = ""
        for node in graph.nodes:
            site = str(node.site) if node.site else ""
            if site != where and site:
                self.body.append(f"# {site}")
                where = site
            self._write_node(node, homes, returned, place_of)
        for i, v in late:
            self.body.append(f"copyto({self.name[graph.inputs[self.donate[i]]]}, {self.name[v]})")
        results = [self.name[v] for i, v in enumerate(graph.outputs) if i not in self.donate]
        unpack = ["(" + ", ".join(f"x{i}" for i in range(len(graph.inputs))) + ",) = inputs"] if graph.inputs else []
        lines = ["def bind(view):"]
        lines += [f"    {line}" for line in self.head]
        lines += ["    def run(inputs):"]
        lines += [f"        {line}" for line in (*unpack, *self.body)]
        lines += ["        return (" + "".join(r + ", " for r in results).removesuffix(" ") + ")" if results else "        return ()"]
        lines += ["    return run", ""]
        largest = sorted(((r.size, name) for r, name in zip(requests, self._request_names, strict=True)), reverse=True)[:10]
        return Source("\n".join(lines), self.ns.names, arena, naive, largest)

    def _homes(self) -> tuple[dict[Value, Value], list[tuple[int, Value]]]:
        """Which outputs can be computed right into the state that they replace, and which are copied at the end."""
        homes: dict[Value, Value] = {}
        late: list[tuple[int, Value]] = []
        counts = self.graph.uses()
        readers: dict[Value, int] = {}
        for i, node in enumerate(self.graph.nodes):
            for v in node.inputs:
                readers[self._root(v)] = i
        for i, target in self.donate.items():
            v, state = self.graph.outputs[i], self.graph.inputs[target]
            node = v.node
            last = readers.get(state, -1)
            direct = node is not None and len(node.outputs) == 1 and (last < self.step[node] or (last == self.step[node] and self._may_overwrite(node, state)))
            if direct and counts[v] >= 1:
                homes[v] = state
            else:
                late.append((i, v))
        return homes, late

    def _may_overwrite(self, node: Node, x: Value) -> bool:
        """Whether ``node`` may write its result over its operand ``x``: elementwise, nothing else of it read."""
        out = node.outputs[0]
        return is_ufunc(node.op) and x.shape == out.shape and x.dtype == out.dtype and all(v is x or self._root(v) is not x for v in node.inputs)

    def _requests(self, homes: dict[Value, Value], returned: set[Value]) -> tuple[list[Request], dict[Value, Request]]:
        """The arena's requests; values that overwrite a dying operand share its request."""
        requests: list[Request] = []
        self._request_names: list[str] = []
        of: dict[Value, Request] = {}
        owner_last: dict[int, int] = {}
        for i, node in enumerate(self.graph.nodes):
            if not self._in_arena(node):
                continue
            for v in node.outputs:
                if v in self.root or v in homes or v in returned or (v.constant is not None and v.shape == ()):
                    continue
                shared = None
                if is_ufunc(node.op):
                    for x in node.inputs:
                        request = of.get(x)
                        if request is not None and owner_last[id(request)] == i and self._may_overwrite(node, x):
                            shared = request
                            break
                if shared is not None:
                    shared.stop = self.last_use[v]
                    of[v] = shared
                    owner_last[id(shared)] = self.last_use[v]
                    continue
                request = Request(v.nbytes, i, self.last_use[v])
                constant = v.constant is not None
                if constant:  # filled once, before the first run
                    request.start, request.stop = 0, len(self.graph.nodes)
                requests.append(request)
                self._request_names.append(f"{v.spec} {node.op.name} {node.site or ''}".strip())
                of[v] = request
                owner_last[id(request)] = len(self.graph.nodes) if constant else self.last_use[v]
        return requests, of

    @staticmethod
    def _in_arena(node: Node) -> bool:
        """Whether the node's results are written into planned buffers; others allocate their own."""
        return node.op.kind is not Kind.VIEW and len(node.outputs) == 1 and (node.op.out or node.op.kind in (Kind.POINTWISE, Kind.REDUCTION))

    def _write_node(self, node: Node, homes: dict[Value, Value], returned: set[Value], place_of: dict[Value, Request]) -> None:
        out = node.outputs[0]
        args = [self._operand(v, node) for v in node.inputs]
        if out in self.root:
            name = self.name[out] = f"t{len(self.name)}"
            static = self._root(out) in self.static
            if static:
                self.static.add(out)
            (self.head if static else self.body).append(f"{name} = {view_text(self.ns, node, args[0])}")
            return
        if out.constant is not None and out.shape == () and out not in homes and out not in returned:
            return  # written as a literal where it is used
        if out in homes:
            target = self.name[out] = self.name[homes[out]]
            self.body += call_text(self.ns, node, args, target)
            return
        if out in place_of:
            name = self.name[out] = f"t{len(self.name)}"
            self.head.append(f"{name} = view({place_of[out].offset}, {out.shape}, {self.ns.dtype(out.dtype)})")
            self.static.add(out)
            lines = call_text(self.ns, node, args, name)
            if out.constant is not None:
                self.head += lines  # filled once; its bytes are its own
            else:
                self.body += lines
            return
        if len(node.outputs) > 1 or not self._in_arena(node):
            names = []
            for v in node.outputs:
                self.name[v] = f"t{len(self.name)}"
                names.append(self.name[v])
            self.body.append(f"{', '.join(names)} = {call_text(self.ns, node, args, None)[0]}")
            return
        name = self.name[out] = f"t{len(self.name)}"
        self.body.append(f"{name} = empty({out.shape}, {self.ns.dtype(out.dtype)})")
        self.body += call_text(self.ns, node, args, name)

    def _operand(self, v: Value, node: Node) -> str:
        if v.constant is not None and v not in self.name:
            return scalar_literal(self.ns, v, node.op)
        return self.name[v]


