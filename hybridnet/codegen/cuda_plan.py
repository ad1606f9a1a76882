"""What a CUDA program does in which step, and where its values lie.

A node becomes kernels (generated or hand-written), a library's call, or, where there is neither, a step
that CuPy computes between two CUDA graphs. Results are never allocated while a program runs: everything lies
in the arena or in the buffer of a state that it replaces.
"""

from __future__ import annotations

from collections.abc import Sequence

from hybridnet.codegen.cuda_index import ACCESS_BYTES, Layout
from hybridnet.codegen.cuda_region import Launches, Unit
from hybridnet.codegen.plan import Place, Plan, Shadows, is_whole, shadows
from hybridnet.codegen.slots import slots
from hybridnet.core import OPS, Kind
from hybridnet.core.kernel import LibraryCall, Placed
from hybridnet.graph.accelerated import library_for, written_for
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.graph.memory import Request
from hybridnet.graph.passes.fuse import FUSED
from hybridnet.graph.passes.group import GROUP
from hybridnet.graph.refusals import tell_refusal

#: Up to this size a constant array is kept from run to run rather than filled in each.
KEPT_BYTES = 1 << 16


def is_generated(node: Node) -> bool:
    """Whether code generation writes the kernels of a node."""
    if node.op in (FUSED, GROUP):
        return True
    if node.op.expand is not None:
        return False
    if node.op.kind is Kind.RANDOM:
        return node.op.cuda is not None
    return node.op.kind in (Kind.POINTWISE, Kind.REDUCTION)


def is_kernel(node: Node, sms: int) -> bool:
    """Whether kernels compute a node, generated or written by hand."""
    return is_generated(node) or written_for(node, sms) is not None


def alignment(offset: int) -> int:
    """To how many bytes, as far as an access goes, an address is aligned that lies so far from one that is."""
    return min(offset & -offset, ACCESS_BYTES) if offset else ACCESS_BYTES


class _Fitting:
    """A graph in the making in which every operand lies as its reader needs it."""

    def __init__(self, graph: Graph, sms: int) -> None:
        self.graph = graph
        self.sms = sms
        self.made = Shadows(graph.inputs)
        self.nodes: list[Node] = []
        self.became: dict[Value, Value] = {}
        self.copies: dict[Value, Value] = {}

    def fit(self) -> Graph:
        for node in self.graph.nodes:
            inputs = self._operands(node, [self.became.get(v, v) for v in node.inputs])
            if any(a is not b for a, b in zip(inputs, node.inputs, strict=True)):
                new = node.with_inputs(inputs)
                self.became.update(zip(node.outputs, new.outputs, strict=True))
                node = new
            self._append(node)
        outputs = [self._without_gaps(self.became.get(v, v)) for v in self.graph.outputs]
        return Graph(self.graph.inputs, self.nodes, outputs)

    def _operands(self, node: Node, inputs: list[Value]) -> list[Value]:
        """The operands as the node's kernels or its library take them."""
        if node.op is GROUP:
            return [self._without_gaps(v) for v in inputs]
        if (call := library_for(node)) is not None:
            begun = [v if self._begins_at(v, call.alignment) else self._copied(v) for v in inputs]
            placed = tuple(Placed(v.shape, v.dtype, self.made.strides(v)) for v in begun)
            return begun if library_for(node, placed) is not None else [self._without_gaps(v) for v in begun]
        if written_for(node, self.sms) is not None:
            return [self._without_gaps(v, ACCESS_BYTES) for v in inputs]
        return inputs

    def _append(self, node: Node) -> None:
        self.nodes.append(node)
        self.made.add(node)

    def _begins_at(self, v: Value, boundary: int) -> bool:
        """Whether an address of a value is a multiple of so many bytes, as that of what it is a view of is."""
        return alignment(self.made.offset(v)) % boundary == 0

    def _without_gaps(self, v: Value, boundary: int = 1) -> Value:
        """The value, or a copy of it where it is a view with gaps, or one that does not begin at a multiple of so many bytes."""
        return v if self.made.is_contiguous(v) and self._begins_at(v, boundary) else self._copied(v)

    def _copied(self, v: Value) -> Value:
        if v not in self.copies:
            node = Node(OPS["copy"], (v,), {}, [v.spec], v.device, v.node.site if v.node else None)
            self._append(node)
            self.copies[v] = node.output
        return self.copies[v]


def fitted(graph: Graph, sms: int) -> Graph:
    """The graph with copies where hand-written kernels, libraries and the graph's results need arrays without gaps."""
    return _Fitting(graph, sms).fit()


class CudaPlan(Plan):
    """The plan of a CUDA program.

    launches, calls: what computes each node; one that is in neither is left to CuPy.
    joined: concatenations whose operands are computed in their places.
    kept: small constants that are read as arrays: made once, when the program is bound, outside the arena.
    staged: inputs whose arrays change from call to call, and which are copied to a fixed place.

    A plan that is ``direct`` stages nothing: arguments are read where they lie, and results are computed in fresh arrays
    (``returned``), so that its steps have other addresses at each call.
    """

    alignment = 256

    def __init__(
        self,
        graph: Graph,
        donate: dict[int, int],
        given: Sequence[Place | None],
        fixed: frozenset[int],
        unit: Unit,
        direct: bool = False,
    ) -> None:
        self.unit = unit
        found = slots(graph, shadows(graph), lambda node: is_kernel(node, unit.tuning.sms) or library_for(node) is not None)
        self.joined = {slot.whole.node for slot in found.values()}
        self.shadows = shadows(graph, found)
        self.begins: dict[Value, int] = {}  # the step that computes the first part of a joined array
        for i, node in enumerate(graph.nodes):
            for v in node.outputs:
                if v in found:
                    self.begins.setdefault(self.shadows.root[v], i)
        changing = () if direct else enumerate(graph.inputs)
        self.staged = [v for i, v in changing if i not in fixed and (i >= len(given) or given[i] is None)]
        self.launches: dict[Node, Launches] = {}
        self.calls: dict[Node, LibraryCall] = {}
        self.pairs: dict[Node, set[tuple[Value, Value]]] = {}
        self._choose(graph)
        results = set(graph.outputs)
        constants = self._constants_in_memory(graph)
        self.kept = [n.output for n in graph.nodes if n in constants and n.output.nbytes <= KEPT_BYTES and n.output not in results]
        self.materialized = constants - {v.node for v in self.kept}
        for node in self.materialized:
            self.launches[node] = unit.add(node)
        stay = frozenset[int]() if direct else frozenset(i for i in range(len(graph.outputs)) if i not in donate)
        super().__init__(graph, donate, stay, given)
        self.workspaces: dict[Node, Request] = {}
        self.temporaries: dict[Value, Request] = {}
        self._scratch()

    def _choose(self, graph: Graph) -> None:
        for node in graph.nodes:
            if node.op.kind is Kind.VIEW or node.output.constant is not None or node in self.joined:
                continue
            inputs, outputs = (tuple(Placed(v.shape, v.dtype, self.shadows.strides(v)) for v in vs) for vs in (node.inputs, node.outputs))
            call = library_for(node, inputs, outputs)
            if call is not None:
                self.calls[node] = call
            elif is_kernel(node, self.unit.tuning.sms):
                self.launches[node] = self.unit.add(node, {v: self._layout(v) for v in (*node.inputs, *node.outputs)})
                self.pairs[node] = set(self.launches[node].in_place())
            else:
                tell_refusal(node, "computed by CuPy between two graphs")

    def _layout(self, v: Value) -> Layout:
        return Layout(self.shadows.strides(v), alignment(self.shadows.offset(v)))

    def _constants_in_memory(self, graph: Graph) -> set[Node]:
        """Constants that are read as arrays; kernels write them as numbers."""
        read = {v for node in graph.nodes if not is_generated(node) for v in node.inputs} | set(graph.outputs)
        return {v.node for v in read if v.constant is not None and v.node is not None}

    def _scratch(self) -> None:
        for node, call in self.calls.items():
            if call.workspace:
                self.workspaces[node] = self.scratch(call.workspace, self.step[node], f"workspace of {call.name} {node.site or ''}".strip())
        for node, launches in self.launches.items():
            for v in launches.temporaries:
                self.temporaries[v] = self.scratch(v.nbytes, self.step[node], f"{v.spec} between kernels of {node.op.name}")

    # -- what the plan asks -----------------------------------------------------------------------

    def planned(self, node: Node) -> bool:
        return node.op.kind is not Kind.VIEW and (node.output.constant is None or node in self.materialized)

    def is_outside(self, v: Value) -> bool:
        return v.constant is not None and v.node not in self.materialized

    def filled(self, x: Value) -> Request | None:
        # Kernels are given addresses: another shape of an array is as good as the array.
        return self.places.get(self.root_of(x)) if is_whole(self.shadows, x) else None

    def fits(self, v: Value, state: Value) -> bool:
        return v.size == state.size  # states lie without gaps here, or have stand-ins

    def may_overwrite(self, node: Node, x: Value, out: Value) -> bool:
        return (x, out) in self.pairs.get(node, ()) and all(v is x or self.root_of(v) is not self.root_of(x) for v in node.inputs)

    def request(self, v: Value, node: Node, start: int, stop: int) -> None:
        super().request(v, node, self.begins.get(v, start), stop)

    def _roots(self) -> dict[Value, Value]:
        return self.shadows.root

    def _starts(self) -> set[Value]:
        return set()

    def _take_given(self, given: Sequence[Place | None]) -> None:
        super()._take_given(given)
        replaced = {self.graph.inputs[i] for i in self.donate.values()}
        for v in self.staged:
            if v in replaced or v in self.last_use:
                stop = self.end if v in replaced else self.last_use[v]
                made = Request(v.nbytes, 0, stop)
                self.requests.append(made)
                self.request_names.append(f"{v.spec} {v.name or 'argument'}")
                self.places[v] = made
                self._owner_last[id(made)] = stop
