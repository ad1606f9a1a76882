"""The kernel of a region with reductions: teams of threads take a row each, one phase after another.

A row is what is summed over together: all elements at one place of the axes that are not reduced.
In a phase a team goes through its rows and accumulates; the threads' sums are combined, every thread
has the result, and the next phase uses it. Elements are computed anew in each phase, from operands
that stay in registers where rows are short enough and are loaded again where not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from hybridnet.codegen.cuda_index import Axis, Space
from hybridnet.codegen.cuda_stages import Region
from hybridnet.codegen.cuda_text import Kernel, computed_type, declared, guarded, indented, is_half, parameters, statements, stored_type
from hybridnet.graph.ir import Node, Value

TILE = 32  # columns side by side, so that a warp reads neighbours
OPERAND_REGISTERS = 64  # of 32 bits, that a thread may hold operands in
BATCH = 4  # packs of each operand that are loaded before the first is used


class Shape(Enum):
    """How the threads of a team stand to each other."""

    LANES = "lanes"  # neighbours within a warp
    BLOCK = "block"  # a whole block
    COLUMN = "column"  # one of each warp's lanes: rows are columns in memory, and 32 of them lie side by side


@dataclass(frozen=True)
class Team:
    """``lanes`` threads share a row; ``rows`` teams make a block; ``splits`` blocks share each row."""

    shape: Shape
    lanes: int
    rows: int
    splits: int = 1

    @property
    def threads(self) -> int:
        return self.lanes * self.rows

    def reduce(self, monoid: str, x: str) -> str:
        """The combination of all threads' ``x``."""
        match self.shape:
            case Shape.LANES:
                return f"hn_reduce_lanes<{monoid}, {self.lanes}>({x})"
            case Shape.BLOCK:
                return f"hn_reduce_block<{monoid}, {self.lanes}>({x}, scratch)"
            case Shape.COLUMN:
                return f"hn_reduce_columns<{monoid}, {self.rows}, {self.lanes}>({x}, scratch)"

    @property
    def scratch(self) -> int:
        """How many values of shared memory ``reduce`` needs."""
        return {Shape.LANES: 0, Shape.BLOCK: self.threads // 32, Shape.COLUMN: self.threads}[self.shape]


def write_rows(region: Region, space: Space, name: str, team: Team, partials: Mapping[Value, Value]) -> Kernel:
    """The kernel for ``region``. With splits, the results of reductions go to ``partials``, one for each split."""
    return _Rows(region, space, team, partials).kernel(name)


class _Rows:
    """A row kernel in the making."""

    def __init__(self, region: Region, space: Space, team: Team, partials: Mapping[Value, Value]) -> None:
        self.region, self.space, self.team, self.partials = region, space, team, partials
        graph = region.graph
        self.elements = {v for v in region.shapes if region.varies(v, region.reduced)}
        self.long = [v for v in graph.inputs if v in self.elements]
        outputs = [v for v in graph.outputs if v in self.elements]
        self.width = space.width(graph.inputs, outputs, whole=True) if space.inner is not None and space.inner.reduced else 1
        self.rows = math.prod(a.extent for a in space.free)
        packs = math.prod(a.extent for a in space.reduced) // self.width
        self.packs = packs
        self.parameters, self.pointers = parameters(graph.inputs, [partials.get(v, v) for v in graph.outputs])
        for v, partial in partials.items():
            self.pointers[v] = self.pointers[partial]
        self.place, self.at = space.coordinates("row", space.free)
        self.within, inner = space.coordinates("c", space.reduced, self.width)
        self.at |= inner
        self.names: dict[Value, str] = {}  # of values that are the same along a row
        statements([n for n in graph.nodes if n.output.constant is not None], self.names)
        self.reductions = [n for n in graph.nodes if region.reduces(n)]
        self.phases = range(max(region.level[v] for v in graph.outputs) + 1)
        self._plan_batches()

    def _plan_batches(self) -> None:
        """How many packs a thread takes (``steps``), how many at a time (``batch``), whether all stay in registers (``kept``)."""
        team = self.team
        self.steps = -(-self.packs // (team.lanes * team.splits))
        registers = max(1, sum(self._width(v) * v.dtype.itemsize for v in self.long) // 4)
        loops = sum(bool(self._targets(p)) for p in self.phases)
        self.kept = loops > 1 and bool(self.long) and self.steps * registers <= OPERAND_REGISTERS
        self.batch = max(1, self.steps if self.kept else min(self.steps, BATCH, OPERAND_REGISTERS // registers))
        self.steps = -(-self.steps // self.batch) * self.batch

    def _targets(self, phase: int) -> list[Value]:
        """What is computed of each element in a phase: reductions' operands and outputs."""
        level = self.region.level
        operands = [n.inputs[0] for n in self.reductions if level[n.output] == phase + 1]
        return [*dict.fromkeys(operands), *(v for v in self.region.graph.outputs if v in self.elements and level[v] == phase)]

    def _width(self, value: Value) -> int:
        return self.width if self.space.inner is not None and self.space.inner.strides[value] else 1

    def _pack(self, value: Value) -> str:
        return f"hn_pack<{stored_type(value.dtype)}, {self._width(value)}>"

    def _address(self, value: Value) -> str:
        axes: dict[Axis, str] = self.at if value in self.elements else {a: n for a, n in self.at.items() if not a.reduced}
        return " + ".join(filter(None, (self.pointers[value], self.space.offset(value, axes, self.width))))

    # -- text -------------------------------------------------------------------------------------

    def kernel(self, name: str) -> Kernel:
        graph, team = self.region.graph, self.team
        body = [f"const {computed_type(v.dtype)} s{self.pointers[v][1:]} = hn_load<1>({self._address(v)})[0];" for v in graph.inputs if v not in self.elements]
        self.names |= {v: f"s{self.pointers[v][1:]}" for v in graph.inputs if v not in self.elements}
        if self.kept:
            body += self._loads(self.long)
        for phase in self.phases:
            body += self._row_values(phase)
            body += self._phase(phase)
        body = declared([*self._row(), *self.place], body)
        scratch = max((n.output.dtype.itemsize for n in self.reductions), default=0) * team.scratch * 2  # 16-bit sums are floats
        if scratch:
            body.insert(0, "HN_SHARED(scratch);")
        head = f'extern "C" __global__ void __launch_bounds__({team.threads}) {name}({self.parameters})'
        text = "\n".join([head, "{", *indented(body, 1), "}", ""])
        arguments = (*graph.inputs, *(self.partials.get(v, v) for v in graph.outputs))
        return Kernel(name, text, (-(-self.rows // team.rows), team.splits), team.threads, scratch, arguments)

    def _row(self) -> list[str]:
        """Which row a thread works at, and as the which of its team."""
        team, index = self.team, self.space.index
        match team.shape:
            case Shape.LANES:
                lane, row = f"threadIdx.x % {team.lanes}", f"threadIdx.x / {team.lanes}"
            case Shape.BLOCK:
                lane, row = "threadIdx.x", ""
            case Shape.COLUMN:
                lane, row = f"threadIdx.x / {team.rows}", f"threadIdx.x % {team.rows}"
        # Threads without a row go along at the last one, since all must meet in the reductions, and store nothing.
        last = self.rows - 1
        return [
            f"const {index} lane = {lane};",
            f"const {index} place = {self.space.wide('blockIdx.x')}{f' * {team.rows} + {row}' if team.rows > 1 else ''};",
            f"const bool active = place <= {last};",
            f"const {index} row = active ? place : {last};" if self._idle else f"const {index} row = place;",
        ]

    @property
    def _idle(self) -> bool:
        """Whether some threads have no row."""
        return self.rows % self.team.rows != 0

    def _row_values(self, phase: int) -> list[str]:
        """Compute, and store, what is the same along a row and depends on ``phase`` reductions in a row."""
        region = self.region
        ready = [n for n in region.graph.nodes if n.output not in self.elements and region.level[n.output] == phase and n.output not in self.names]
        lines = statements(ready, self.names)
        for v in region.graph.outputs:
            if v in self.elements or region.level[v] != phase:
                continue
            once = [condition for condition in self.space.first_only(v, self.at) if not condition.startswith("c")]
            split = f" + {self.space.wide('blockIdx.y')} * {v.size}" if v in self.partials else ""
            dtype = self.partials.get(v, v).dtype
            store = f"*({self._address(v)}{split}) = hn_type<{stored_type(dtype)}>::store({self.names[v]});"
            lines.append(guarded(["lane == 0", *(["active"] if self._idle else []), *once], store))
        return lines

    def _phase(self, phase: int) -> list[str]:
        """Go through the row: accumulate what reductions need, store what is ready; then combine."""
        targets = self._targets(phase)
        reductions = [n for n in self.reductions if self.region.level[n.output] == phase + 1]
        sums = {n: f"r{i}" for i, n in enumerate(self.reductions) if n in reductions}
        lines = [f"{_sum_type(n)} {r} = {_monoid(n)}::start<{_sum_type(n)}>();" for n, r in sums.items()]
        if targets:
            lines += self._elements(targets, sums)
        for n, r in sums.items():
            self.names[n.output] = f"t{r[1:]}"
            total = self.team.reduce(_monoid(n), r)
            if is_half(n.output.dtype) and n.output not in self.partials:
                total = f"hn_cast<{stored_type(n.output.dtype)}>({total})"
            lines.append(f"const {_sum_type(n)} t{r[1:]} = {total};")
        return lines

    def _elements(self, targets: list[Value], sums: Mapping[Node, str]) -> list[str]:
        """The loop of a phase: for each pack of the row load, compute, accumulate, store."""
        graph = self.region.graph
        needed = set(targets)
        nodes: list[Node] = []
        for node in reversed(graph.nodes):
            if node.output in needed and node.output not in self.names:
                nodes.append(node)
                needed.update(node.inputs)
        operands = [v for v in self.long if v in needed]
        e = "e" if self.width > 1 else "0"
        names = self.names | {v: f"a{self.pointers[v][1:]}[k][{e if self._width(v) > 1 else '0'}]" for v in operands}
        inner = statements(reversed(nodes), names)
        for n, r in sums.items():
            operand = n.inputs[0]
            x = names[operand] if computed_type(operand.dtype) == _sum_type(n) else f"hn_cast<{_sum_type(n)}>({names[operand]})"
            inner.append(f"{r} = {_monoid(n)}::combine({r}, {x});")
        outputs = {v: f"b{self.pointers[v][1:]}" for v in targets if v in graph.outputs}
        inner += [f"{b}.set({e}, {names[v]});" for v, b in outputs.items()]
        lines = [f"{self._pack(v)} {b};" for v, b in outputs.items()]
        lines += ["#pragma unroll", f"for (int e = 0; e < {self.width}; ++e) {{", *indented(inner, 1), "}"] if self.width > 1 else inner
        for v, b in outputs.items():
            conditions = [*(["active"] if self._idle else []), *self.space.first_only(v, self.at)]
            lines.append(guarded(conditions, f"hn_store({self._address(v)}, {b});"))
        if self.kept:
            return self._loop(lines)
        body = [*self._loads(operands), *self._loop(lines)]
        return [f"for (int batch = 0; batch < {self.steps}; batch += {self.batch}) {{", *indented(body, 1), "}"] if self.steps else []

    def _loads(self, operands: list[Value]) -> list[str]:
        """Load a batch of packs; nothing waits for any of them before all are under way."""
        names = {v: f"a{self.pointers[v][1:]}" for v in operands}
        loads = [f"{a}[k] = hn_load<{self._width(v)}>({self._address(v)});" for v, a in names.items()]
        return [*(f"{self._pack(v)} {a}[{self.batch}];" for v, a in names.items()), *(self._loop(loads) if loads else [])]

    def _loop(self, body: list[str]) -> list[str]:
        """Do ``body`` for each pack ``c`` of a batch; ``k`` is its number in it."""
        team = self.team
        split = f"{self.space.wide('blockIdx.y')} * {self.steps * team.lanes} + " if team.splits > 1 else ""
        step = "k" if self.kept else "(batch + k)"
        inner = declared(self.within, body)
        if self.steps * team.lanes * team.splits != self.packs:
            inner = [f"if (c < {self.packs}) {{", *indented(inner, 1), "}"]
        inner = declared([f"const {self.space.index} c = {split}{step} * {team.lanes} + lane;"], inner)
        return ["#pragma unroll", f"for (int k = 0; k < {self.batch}; ++k) {{", *indented(inner, 1), "}"]


def _monoid(node: Node) -> str:
    return f"hn_reduce_{node.op.cuda}"


def _sum_type(node: Node) -> str:
    return computed_type(node.output.dtype)
