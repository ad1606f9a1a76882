"""The kernel of a region with reductions: teams of threads take a row each, one phase after another.

A row is what is summed over together: all elements at one place of the axes that are not reduced.
In a phase a team goes through its rows and accumulates; the threads' sums are combined, every thread
has the result, and the next phase uses it. Elements are computed anew in each phase, from operands
that stay in registers where rows are short enough and are loaded again where not.

Accesses take packs of neighbours in memory: of a row, or, where rows lie side by side as columns, of
as many rows. Then all that a thread has of a row it has of each of the pack's, in small arrays.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from hybridnet import dtypes
from hybridnet.codegen.cuda_index import Axis, Space
from hybridnet.codegen.cuda_stages import Region
from hybridnet.codegen.cuda_text import Kernel, declared, expression, guarded, indented, monoid, parameters, statements
from hybridnet.core.kernel import computed_dtype, computed_type, is_half, stored_type
from hybridnet.graph.ir import Node, Value
from hybridnet.graph.operators import SUM

KEPT_REGISTERS = 64  # of 32 bits, that a thread may keep operands in from phase to phase
BATCH_REGISTERS = 32  # the same for those that it loads for one phase
SUM_REGISTERS = 32  # for the sums of packs of columns
BATCH = 4  # packs of each operand that are loaded before the first is used, if registers allow
END_BATCH = 8  # the same where the last of many blocks works alone, while nothing else hides how long loads take
RUN = 64  # numbers that a thread adds one by one, before it adds their sum to that of others


class Shape(Enum):
    """How the threads of a team stand to each other."""

    LANES = "lanes"  # neighbours within a warp
    BLOCK = "block"  # a whole block
    COLUMN = "column"  # threads of several warps: rows are columns in memory, and those of a block's teams lie side by side


@dataclass(frozen=True)
class Team:
    """``lanes`` threads share a row; ``rows`` teams make a block; ``splits`` blocks share each row.

    ``width`` elements a pack: of a row, or, of columns, of as many that a team has together.
    """

    shape: Shape
    lanes: int
    rows: int
    width: int = 1
    splits: int = 1

    @property
    def threads(self) -> int:
        """How many threads work on one result."""
        return self.lanes * self.rows

    def reduce(self, combine: str, x: str) -> str:
        """The combination of all threads' ``x``."""
        match self.shape:
            case Shape.LANES:
                return f"hn_reduce_lanes<{combine}, {self.lanes}>({x})"
            case Shape.BLOCK:
                return f"hn_reduce_block<{combine}, {self.lanes}>({x}, scratch)"
            case Shape.COLUMN:  # of arrays, in their place
                return f"hn_reduce_columns<{combine}, {self.rows}, {self.lanes}>({x}, scratch)"

    @property
    def scratch(self) -> int:
        """How many values of shared memory ``reduce`` needs."""
        return {Shape.LANES: 0, Shape.BLOCK: self.threads // 32, Shape.COLUMN: self.threads * self.width}[self.shape]


def row_width(region: Region, space: Space) -> int:
    """How many elements of a row a thread can take at a time."""
    if space.inner is None or not space.inner.reduced:
        return 1
    return space.width(region.graph.inputs, [v for v in region.graph.outputs if region.varies(v, region.reduced)], whole=True)


def column_width(region: Region, space: Space, sums: int) -> int:
    """How many neighbouring columns a thread can take at a time, with a register or two for each and every sum."""
    width = space.width(region.graph.inputs, region.graph.outputs, whole=True)
    return min(width, max(1, SUM_REGISTERS >> max(sums - 1, 0).bit_length()))


def write_rows(region: Region, space: Space, name: str, team: Team, partials: Mapping[Value, Value]) -> Kernel:
    """The kernel for ``region``. With splits, the results of reductions go to ``partials``, one for each split."""
    return _Rows(region, space, team, partials).kernel(name)


def write_end(region: Region, space: Space, name: str, team: Team) -> tuple[str, int]:
    """The same as a function for the last block of a kernel, which keeps no operands in registers; and its bytes of shared memory."""
    return _Rows(region, space, team, {}, kept=0, most=END_BATCH).function(name)


class _Rows:
    """A row kernel in the making."""

    def __init__(
        self,
        region: Region,
        space: Space,
        team: Team,
        partials: Mapping[Value, Value],
        kept: int = KEPT_REGISTERS,
        most: int = BATCH,
    ) -> None:
        self.limits = kept, most
        self.region, self.space, self.team, self.partials = region, space, team, partials
        graph = region.graph
        self.elements = {v for v in region.shapes if region.varies(v, region.reduced)}
        self.long = [v for v in graph.inputs if v in self.elements]
        self.width = team.width
        self.across = team.shape is Shape.COLUMN  # whether packs lie across rows
        self.e = "e" if self.width > 1 else "0"
        self.rows = math.prod(a.extent for a in space.free) // (self.width if self.across else 1)
        self.packs = math.prod(a.extent for a in space.reduced) // (1 if self.across else self.width)
        self.parameters, self.pointers = parameters(graph.inputs, [partials.get(v, v) for v in graph.outputs])
        for v, partial in partials.items():
            self.pointers[v] = self.pointers[partial]
        self.place, self.row_at = space.coordinates("row", space.free, self.width)
        self.within, inner = space.coordinates("c", space.reduced, self.width)
        self.element_at = self.row_at | inner
        self.names: dict[Value, str] = {}  # of values that are the same along a row
        self.numbers = {v: space.number(v, self._at(v), self.width) for v in region.random}
        statements([n for n in graph.nodes if n.output.constant is not None], self.names)
        self.reductions = [n for n in graph.nodes if region.reduces(n)]
        self.phases = range(max(region.level[v] for v in graph.outputs) + 1)
        self._plan_batches()

    def _plan_batches(self) -> None:
        """How many packs a thread takes (``steps``), how many at a time (``batch``), which operands stay in registers (``kept``)."""
        self.steps = -(-self.packs // (self.team.lanes * self.team.splits))
        uses = [v for p in self.phases for v in self._operands(self._nodes(self._targets(p)), self._targets(p))]
        again = {v for v in uses if uses.count(v) > 1}
        self.kept = again if self.steps * self._registers(again) <= self.limits[0] else set[Value]()
        loaded = self._registers(v for v in self.long if v not in self.kept)
        batches = -(-self.steps // max(1, min(self.limits[1], BATCH_REGISTERS // max(loaded, 1))))
        self.batch = -(-self.steps // max(batches, 1))
        self.steps = batches * self.batch

    def _registers(self, values: Iterable[Value]) -> int:
        """Of 32 bits, for a pack of each."""
        return sum(-(-self._width(v) * v.dtype.itemsize // 4) for v in values)

    def _nodes(self, targets: Iterable[Value]) -> list[Node]:
        """What computes the targets from operands and from what is the same along a row."""
        needed, nodes = set(targets), []
        for node in reversed(self.region.graph.nodes):
            if node.output in needed and node.output in self.elements and node.output.constant is None:
                nodes.append(node)
                needed.update(node.inputs)
        return nodes[::-1]

    def _operands(self, nodes: Sequence[Node], targets: Sequence[Value]) -> list[Value]:
        needed = {*targets, *(v for n in nodes for v in n.inputs)}
        return [v for v in self.long if v in needed]

    def _targets(self, phase: int) -> list[Value]:
        """What is computed of each element in a phase: reductions' operands and outputs."""
        level = self.region.level
        operands = [n.inputs[0] for n in self.reductions if level[n.output] == phase + 1]
        return [*dict.fromkeys(operands), *(v for v in self.region.graph.outputs if v in self.elements and level[v] == phase)]

    def _width(self, value: Value) -> int:
        return self.width if self.space.inner is not None and self.space.inner.strides[value] else 1

    def _within(self, value: Value) -> str:
        """Which element of an operand's pack belongs to the pack's element ``e``."""
        return self.e if self._width(value) > 1 else "0"

    def _pack(self, value: Value) -> str:
        return f"hn_pack<{stored_type(value.dtype)}, {self._width(value)}>"

    def _address(self, value: Value) -> str:
        return " + ".join(filter(None, (self.pointers[value], self.space.offset(value, self._at(value), self.width))))

    def _at(self, value: Value) -> dict[Axis, str]:
        """The coordinates that a value's place follows from."""
        return self.element_at if value in self.elements else self.row_at

    def _store_conditions(self, value: Value) -> list[str]:
        return [*(["active"] if self._idle else []), *self.space.first_only(value, self._at(value))]

    # -- text -------------------------------------------------------------------------------------

    def kernel(self, name: str) -> Kernel:
        graph, team = self.region.graph, self.team
        body, scratch = self._body()
        head = f'extern "C" __global__ void __launch_bounds__({team.threads}) {name}({self.parameters})'
        text = "\n".join([head, "{", *indented(body, 1), "}", ""])
        arguments = (*graph.inputs, *(self.partials.get(v, v) for v in graph.outputs))
        return Kernel(name, text, (-(-self.rows // team.rows), team.splits), team.threads, scratch, arguments, self._in_place())

    def function(self, name: str) -> tuple[str, int]:
        """The text of a function, and its bytes of shared memory."""
        body, scratch = self._body()
        return "\n".join([f"__device__ inline void {name}({self.parameters})", "{", *indented(body, 1), "}", ""]), scratch

    def _body(self) -> tuple[list[str], int]:
        """The lines, and their bytes of shared memory."""
        graph, team = self.region.graph, self.team
        scalars = {v: f"s{self.pointers[v][1:]}" for v in graph.inputs if v not in self.elements}
        if self.across:
            body = [f"const {self._pack(v)} {s} = hn_load<{self._width(v)}>({self._address(v)});" for v, s in scalars.items()]
            self.names |= {v: f"{s}[{self._within(v)}]" for v, s in scalars.items()}
        else:
            body = [f"const {computed_type(v.dtype)} {s} = hn_load<1>({self._address(v)})[0];" for v, s in scalars.items()]
            self.names |= scalars
        kept = [v for v in self.long if v in self.kept]
        body += [*self._arrays(kept, self.steps), *self._loop(self._loads(kept), self.steps)]
        for phase in self.phases:
            body += self._row_values(phase)
            body += self._phase(phase)
        body = declared([*self._row(), *self.place], body)
        scratch = max(computed_dtype(n.output.dtype).itemsize for n in self.reductions) * team.scratch
        if scratch:
            body.insert(0, "HN_SHARED(scratch);")
        return body, scratch

    def _in_place(self) -> tuple[tuple[Value, Value], ...]:
        """An output may take the place of an operand that no later phase reads: a thread stores where it loaded."""
        last = {v: p for p in self.phases for v in self._operands(self._nodes(self._targets(p)), self._targets(p))}
        outputs = [v for v in self.region.graph.outputs if v in self.elements]
        return tuple((x, y) for y in outputs for x in self.long if last[x] <= self.region.level[y] and self.space.same_places(x, y))

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
        along = [n.output for n in region.graph.nodes if n.output not in self.elements and region.level[n.output] == phase]
        nodes = [v.node for v in along if v.node is not None and v not in self.names]
        lines = self._in_arrays(nodes) if self.across else statements(nodes, self.names, self.numbers)
        for v in along:
            if v not in region.graph.outputs:
                continue
            split = f" + {self.space.wide('blockIdx.y')} * {v.size}" if v in self.partials else ""
            stored = stored_type(self.partials.get(v, v).dtype)
            conditions = ["lane == 0", *self._store_conditions(v)]
            if self.across:
                b = f"b{self.pointers[v][1:]}"
                lines += [f"hn_pack<{stored}, {self.width}> {b};", *self._each([f"{b}.set_exact({self.e}, {self.names[v]});"])]
                lines.append(guarded(conditions, f"hn_store({self._address(v)}{split}, {b});"))
            else:
                lines.append(guarded(conditions, f"*({self._address(v)}{split}) = hn_type<{stored}>::store({self.names[v]});"))
        return lines

    def _in_arrays(self, nodes: Iterable[Node]) -> list[str]:
        """What ``statements`` gives, for each of the rows that a pack lies across."""
        lines, inner = [], []
        for node in nodes:
            v, name = node.output, f"v{len(self.names)}"
            lines.append(f"{computed_type(v.dtype)} {name}[{self.width}];")
            inner.append(f"{name}[{self.e}] = {expression(node, self.names, self.numbers.get(v, ''))};")
            self.names[v] = f"{name}[{self.e}]"
        return [*lines, *self._each(inner)]

    def _each(self, lines: list[str]) -> list[str]:
        """The same for each element ``e`` of a pack."""
        if self.width == 1 or not lines:
            return lines
        return ["#pragma unroll", f"for (int e = 0; e < {self.width}; ++e) {{", *indented(lines, 1), "}"]

    def _phase(self, phase: int) -> list[str]:
        """Go through the row: accumulate what reductions need, store what is ready; then combine."""
        targets = self._targets(phase)
        reductions = [n for n in self.reductions if self.region.level[n.output] == phase + 1]
        sums = {n: f"r{i}" for i, n in enumerate(self.reductions) if n in reductions}
        starts = {n: f"{monoid(n)}::start<{_sum_type(n)}>();" for n in sums}
        if self.across:
            lines = [f"{_sum_type(n)} {r}[{self.width}];" for n, r in sums.items()]
            lines += self._each([f"{r}[{self.e}] = {starts[n]}" for n, r in sums.items()])
        else:
            lines = [f"{_sum_type(n)} {r} = {starts[n]}" for n, r in sums.items()]
        if targets and self.steps:
            lines += self._elements(targets, {n: f"{r}[{self.e}]" if self.across else r for n, r in sums.items()})
        for n, r in sums.items():
            rounding = f"hn_cast<{stored_type(n.output.dtype)}>" if is_half(n.output.dtype) and n.output not in self.partials else ""
            total = self.team.reduce(monoid(n), r)
            if self.across:
                self.names[n.output] = f"{r}[{self.e}]"
                lines.append(f"{total};")
                lines += self._each([f"{r}[{self.e}] = {rounding}({r}[{self.e}]);"] if rounding else [])
            else:
                self.names[n.output] = f"t{r[1:]}"
                lines.append(f"const {_sum_type(n)} t{r[1:]} = {f'{rounding}({total})' if rounding else total};")
        return lines

    def _elements(self, targets: list[Value], sums: Mapping[Node, str]) -> list[str]:
        """The loop of a phase: for each pack of the row load, compute, accumulate, store."""
        nodes = self._nodes(targets)
        operands = self._operands(nodes, targets)
        loaded = [v for v in operands if v not in self.kept]
        kept_at = "batch + k" if loaded and self.batch < self.steps else "k"
        at = {v: kept_at if v in self.kept else "k" for v in operands}
        names = self.names | {v: f"{self._array(v)}[{k}][{self._within(v)}]" for v, k in at.items()}
        inner = statements(nodes, names, self.numbers)
        runs = {n: f"p{self.reductions.index(n)}" for n in sums if self._is_long(n)}
        for n, r in sums.items():
            operand = n.inputs[0]
            r = (f"{runs[n]}[{self.e}]" if self.across else runs[n]) if n in runs else r
            x = names[operand] if computed_type(operand.dtype) == _sum_type(n) else f"hn_cast<{_sum_type(n)}>({names[operand]})"
            inner.append(f"{r} = {monoid(n)}::combine({r}, {x});")
        outputs = {v: f"b{self.pointers[v][1:]}" for v in targets if v in self.region.graph.outputs}
        inner += [f"{b}.set_exact({self.e}, {names[v]});" for v, b in outputs.items()]
        lines = [*(f"{self._pack(v)} {b};" for v, b in outputs.items()), *self._each(inner)]
        for v, b in outputs.items():
            lines.append(guarded(self._store_conditions(v), f"hn_store({self._address(v)}, {b});"))
        if not loaded:
            return self._loop(lines, self.steps)
        body = [*self._arrays(loaded, self.batch), *self._loop(self._loads(loaded), self.batch), *self._loop(lines, self.batch)]
        body += self._ends_of_runs({runs[n]: (n, sums[n]) for n in runs})
        if self.batch == self.steps:
            return ["{", *indented(body, 1), "}"]
        unroll = ["#pragma unroll"] if len(loaded) < len(operands) else []  # registers have no index
        loop = [*unroll, f"for (int batch = 0; batch < {self.steps}; batch += {self.batch}) {{", *indented(body, 1), "}"]
        declarations = [f"{_sum_type(n)} {p}{f'[{self.width}] = {{}}' if self.across else ' = 0'};" for n, p in runs.items()]
        return [*declarations, *loop]

    def _ends_of_runs(self, runs: Mapping[str, tuple[Node, str]]) -> list[str]:
        """At the end of a run, and of all, its sum is added to the sum of runs: long sums keep their digits."""
        if not runs:
            return []
        each = self._added // self.steps * self.batch
        batches = max(1, RUN // each)
        lines = []
        for p, (n, r) in runs.items():
            run = f"{p}[{self.e}]" if self.across else p
            added = [f"{r} = {monoid(n)}::combine({r}, {run});", f"{run} = 0;"]
            lines += self._each(added) if self.across else added
        if batches == 1:
            return lines
        last = f"batch + {self.batch} >= {self.steps}"
        return [f"if ((batch / {self.batch} + 1) % {batches} == 0 || {last}) {{", *indented(lines, 1), "}"]

    def _is_long(self, node: Node) -> bool:
        """Whether a thread adds so many numbers that it matters in which order."""
        floating = node.op is SUM and dtypes.is_inexact(node.output.dtype)
        return floating and self.batch < self.steps and self._added > RUN

    @property
    def _added(self) -> int:
        """How many numbers a thread adds up."""
        return self.steps * (1 if self.across else self.width)

    def _array(self, value: Value) -> str:
        return f"a{self.pointers[value][1:]}"

    def _arrays(self, values: Iterable[Value], count: int) -> list[str]:
        return [f"{self._pack(v)} {self._array(v)}[{count}];" for v in values]

    def _loads(self, values: Iterable[Value]) -> list[str]:
        return [f"{self._array(v)}[k] = hn_load<{self._width(v)}>({self._address(v)});" for v in values]

    def _loop(self, body: list[str], count: int) -> list[str]:
        """Do ``body`` for ``count`` packs ``c`` of this thread's: all of them, or a batch.

        Loads have a loop of their own, so that none waits for another.
        """
        if not body or not count:
            return []
        team = self.team
        split = f"{self.space.wide('blockIdx.y')} * {self.steps * team.lanes} + " if team.splits > 1 else ""
        step = "k" if count == self.steps else "(batch + k)"
        inner = declared(self.within, body)
        if self.steps * team.lanes * team.splits != self.packs:
            inner = [f"if (c < {self.packs}) {{", *indented(inner, 1), "}"]
        inner = declared([f"const {self.space.index} c = {split}{step} * {team.lanes} + lane;"], inner)
        return ["#pragma unroll", f"for (int k = 0; k < {count}; ++k) {{", *indented(inner, 1), "}"]


def _sum_type(node: Node) -> str:
    return computed_type(node.output.dtype)
