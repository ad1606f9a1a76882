"""A graph as the text of a straight-line NumPy function over preallocated buffers.

Each value gets a place: an input, a constant, the arena (offsets planned from lifetimes), a fresh
array if it is returned, or the buffer of a state that it replaces (``donate``). Views of arena
buffers are made once; calls overwrite an operand that dies in them where that is elementwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.codegen.loop_text import written_loop
from hybridnet.codegen.memory import Request
from hybridnet.codegen.numpy_control import write_control
from hybridnet.codegen.numpy_plan import Flat, NumpyPlan, group_flats, message_flats, planned, region_axis
from hybridnet.codegen.numpy_region import Region, write_region
from hybridnet.codegen.numpy_text import Namespace, call_text, scalar_literal, view_text
from hybridnet.codegen.plan import Occupied, Place
from hybridnet.config import config
from hybridnet.core import Spec
from hybridnet.core.cpu_rules import host_call
from hybridnet.core.kernel import HostCall
from hybridnet.device import loops, threads
from hybridnet.device.loops import BoundLoop
from hybridnet.graph.backend import Generated, LibraryPlan, implementation_of
from hybridnet.graph.control_ops import CONTROL
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.lowering import Target, lower
from hybridnet.lowering.multi_tensor import GROUP


@dataclass(frozen=True)
class Statement:
    """The lines of a program's text, from ``start`` to before ``stop``, that compute a node; or that copy its result into a state."""

    node: Node | None
    start: int
    stop: int
    copied: Value | None = None


@dataclass
class Source:
    """A program: its text, the names that the text uses, the bytes of its arena.

    The text defines ``bind(view)``, which makes the arena's arrays (``view(offset, shape,
    dtype)``) and returns ``run(inputs)``. After the graph's inputs ``run`` takes one flat array
    for each of ``flats``, in which the state inputs at those positions lie one after another.
    """

    lowered: Graph  # what the text computes
    text: str
    names: dict[str, Any]
    arena_bytes: int
    naive_bytes: int  # what separate buffers for all values would take
    resident: tuple[Place | None, ...] = ()  # where the resident outputs lie in the arena
    flats: tuple[Flat, ...] = ()
    nodes: dict[int, Node] = field(default_factory=dict)  # by number of line, what the line belongs to
    largest: list[tuple[int, str]] = field(default_factory=list)
    occupied: Sequence[Occupied] = ()  # what lies in the arena, and when
    statements: list[Statement] = field(default_factory=list)  # of ``run``, in order, without the graphs of control flow

    def lines(self) -> list[list[str]]:
        """The text of each statement."""
        lines = self.text.splitlines()
        return [lines[s.start : s.stop] for s in self.statements]

    def interrupted(self, call: str) -> str:
        """The same text with ``call`` before the first statement and after each."""
        lines = self.text.splitlines()
        for at in (*(s.stop for s in reversed(self.statements)), *(s.start for s in self.statements[:1])):
            lines.insert(at, f"{_INDENT}{call}")
        return "\n".join([*lines, ""])


CanFlatten = Callable[[Flat], bool]


def write_numpy_program(
    graph: Graph,
    donate: Mapping[int, int] | None = None,
    resident: frozenset[int] = frozenset(),
    can_flatten: CanFlatten = lambda flat: False,
    input_places: Sequence[Place | None] = (),
    fixed: Sequence[Any] = (),
) -> Source:
    """The NumPy program of a graph.

    ``donate`` maps positions of outputs to positions of inputs: that output is written into that
    input's buffer and not returned. All other outputs are returned in order, those in
    ``resident`` as arrays that lie in the arena, which the caller must keep from running again.
    ``can_flatten`` says whether state inputs can be moved into one flat buffer. ``input_places`` says of
    the first inputs where in the arena they lie already: a backward runs in its forward's arena. ``fixed`` are the arrays of the
    last inputs, which ``run`` is not given: they are the same at every call.
    """
    plan, groups = _planned(graph, "cpu", dict(donate or {}), resident, can_flatten, input_places)
    return _Writer(plan, groups, fixed=fixed, can_flatten=can_flatten).write()


def _planned(
    graph: Graph,
    program: str,
    donate: dict[int, int],
    resident: frozenset[int],
    can_flatten: CanFlatten,
    input_places: Sequence[Place | None] = (),
) -> tuple[NumpyPlan, dict[Node, list[Flat]]]:
    """The plan of a graph, lowered to a kind of program, and for each of its groups the flat arrays that it is computed in."""

    @lru_cache(maxsize=1)  # what the last rewrite asked about is what is written
    def plan_of(graph: Graph) -> tuple[NumpyPlan, dict[Node, list[Flat] | None]]:
        plan = NumpyPlan(graph, donate, resident, input_places)
        return plan, group_flats(plan, can_flatten)

    def unwanted(graph: Graph) -> set[Node]:
        return {n for n, flats in plan_of(graph)[1].items() if flats is None}

    plan, groups = plan_of(lower(graph, program, Target(donate, unwanted=unwanted)))
    return plan, {n: flats for n, flats in groups.items() if flats is not None}


class _Writer:
    """Writes a program, or (given its ``outer`` one and names for its inputs) a part that a node of control flow runs."""

    def __init__(
        self,
        plan: NumpyPlan,
        group_flats: dict[Node, list[Flat]],
        outer: _Writer | None = None,
        inputs: Sequence[str] | None = None,
        fixed: Sequence[Any] = (),
        can_flatten: CanFlatten = lambda flat: False,
    ) -> None:
        self.plan = plan
        self.outer = outer
        self.graph = plan.graph
        self.group_flats = group_flats
        self.can_flatten = can_flatten
        self.messages = message_flats(plan, group_flats) if outer is None else {}  # in control flow there are none
        groups = (flat for flats in group_flats.values() for flat in flats)  # first: what a message has lies in what one of them has
        self.flats: dict[Flat, int] = {} if outer is None else outer.flats
        for flat in (*groups, *self.messages.values()):
            self.flats.setdefault(flat, len(self.flats))
        self.ns: Namespace = Namespace() if outer is None else outer.ns
        self.given = [f"x{i}" for i in range(len(plan.graph.inputs) - len(fixed))] if inputs is None else list(inputs)
        names = [*self.given, *(self.ns.bind(f"fixed{i}", array, ("fixed", i)) for i, array in enumerate(fixed))]
        self.name: dict[Value, str] = dict(zip(plan.graph.inputs, names, strict=True))
        self.locals: dict[Value, list[str]] = {}  # results that the text itself makes, with the names of their views
        self.static = set(plan.graph.inputs[len(self.given) :])  # values whose arrays exist before the run
        self.sessions: dict[Any, None] = {}  # of libraries' calls: run() is decorated with them
        self.head: list[str] = []  # lines of bind()
        self.body: list[str] = []  # lines of run()
        self.nodes: dict[int, Node] = {}  # by number of line in ``body``
        self.pending: list[tuple[int, Request, tuple[int, ...], Any]] = []  # lines of bind() that wait for offsets
        self.statements: list[Statement] = []  # their lines counted from the start of the body
        self.parts: list[tuple[_Writer, Request]] = []  # with the bytes of this arena in which theirs lie

    @property
    def outermost(self) -> _Writer:
        """What writes the whole program."""
        return self if self.outer is None else self.outer.outermost

    def write(self) -> Source:
        graph, plan = self.graph, self.plan
        self._write_body()
        arena = plan.place()
        head = self._placed(0)
        results = [self.name[v] for i, v in enumerate(graph.outputs) if i not in plan.donate]
        names = self.given + [f"f{i}" for i in range(len(self.flats))]
        unpack = [f"({', '.join(names)},) = inputs"] if names else []
        lines = ["def bind(view):"]
        lines += [f"    {line}" for line in head]
        if self.ns.has_products:
            lines.append(f"    @{self.ns.bind('one_thread', threads.one_thread)}")
        lines += [f"    @{self.ns.bind(f'session{i}', session)}" for i, session in enumerate(self.sessions)]
        lines += ["    def run(inputs):"]
        lines += [f"{_INDENT}{line}" for line in unpack]
        begin = len(lines)
        statements = [Statement(s.node, begin + s.start, begin + s.stop, s.copied) for s in self.statements]
        nodes = {begin + 1 + i: node for i, node in self.nodes.items()}  # lines count from 1
        lines += [f"{_INDENT}{line}" for line in self.body]
        lines += [f"        return ({''.join(r + ', ' for r in results)})" if results else "        return ()", "    return run", ""]
        largest = plan.largest()
        places = tuple(plan.resident_places())
        return Source(
            graph,
            "\n".join(lines),
            self.ns.names,
            arena,
            plan.naive_bytes,
            places,
            tuple(self.flats),
            nodes,
            largest,
            plan.occupied(),
            statements,
        )

    def part(self, graph: Graph, node: Node, inputs: Sequence[str], donate: dict[int, int]) -> tuple[list[str], list[str]]:
        """The lines that run a graph of ``node`` on arrays of those names, and the names of the results that are not donated."""
        position = {name: i for i, name in enumerate(self.outermost.given)}
        at = {i: position[name] for i, name in enumerate(inputs) if name in position}  # the program's inputs among the graph's

        def can_flatten(flat: Flat) -> bool:
            return all(i in at for i in flat) and self.outermost.can_flatten(tuple(at[i] for i in flat))

        plan, groups = _planned(graph, "cpu body", donate, frozenset(range(len(graph.outputs))), can_flatten)
        lowered = plan.graph
        part = _Writer(plan, {n: [tuple(at[i] for i in flat) for flat in flats] for n, flats in groups.items()}, self, inputs)
        part._write_body()
        name = f"body of {node.op.name} {node.site or ''}".strip()
        self.parts.append((part, self.plan.scratch(plan.place(), self.plan.step[node], name)))
        return part.body, [part._operand(v, node) for i, v in enumerate(lowered.outputs) if i not in donate]

    def _placed(self, base: int) -> list[str]:
        """The lines of bind(), with the arena's arrays where they lie."""
        for line, request, shape, dtype in self.pending:
            self.head[line] = self.head[line].format(f"view({base + request.offset}, {shape}, {self.ns.dtype(dtype)})")
        return self.head + [line for part, request in self.parts for line in part._placed(base + request.offset)]

    def _write_body(self) -> None:
        graph, plan = self.graph, self.plan
        where = ""
        ending: dict[int, list[Value]] = {}
        for v, step in plan.last_use.items():
            ending.setdefault(step, []).append(v)
        for i, node in enumerate(graph.nodes):
            site = str(node.site) if node.site else ""
            if site and site != where:
                self.body.append(f"# {site}")
                where = site
            start = len(self.body)
            self._write_node(node)
            for line in range(start, len(self.body)):
                self.nodes.setdefault(line, node)
            done = [name for v in ending.get(i, ()) for name in self.locals.pop(v, ())]
            if done:  # the memory of results that are not in the arena
                self.body.append(f"del {', '.join(done)}")
            if len(self.body) > start:
                self.statements.append(Statement(node, start, len(self.body)))
        for i, v in plan.late:
            self.body.append(f"copyto({self.name[graph.inputs[plan.donate[i]]]}, {self.name[v]})")
            self.statements.append(Statement(v.node, len(self.body) - 1, len(self.body), copied=v))

    def _view_line(self, text: str, request: Request, shape: tuple[int, ...], dtype: Any) -> None:
        """A line of bind() whose ``{}`` becomes an array in the arena once offsets are known."""
        self.pending.append((len(self.head), request, shape, dtype))
        self.head.append(text)

    def _write_node(self, node: Node) -> None:
        plan, out = self.plan, node.outputs[0]
        if isinstance(implementation_of(node), Generated):
            self._write_region(node)
            return
        if node.op in CONTROL:
            for v in node.outputs:
                self._define(v)
            self.body += write_control(self, node, [self._operand(v, node) for v in node.inputs], [self.name[v] for v in node.outputs])
            return
        if out in plan.root:
            name = self.name[out] = self.ns.fresh("t")
            static = plan.root_of(out) in self.static
            (self.head if static else self.body).append(f"{name} = {view_text(self.ns, node, self._operand(node.inputs[0], node))}")
            if (root := plan.root_of(out)) in self.locals:
                self.locals[root].append(name)
            return
        if out.constant is not None and out not in plan.homes and out not in plan.returned:
            self._write_constant(out)
            return
        args = [self._operand(v, node) for v in node.inputs]
        if not planned(node):
            self._write_allocating(node, args)
            return
        for v in node.outputs:
            self._define(v)
        match implementation_of(node):
            case LibraryPlan() if node in self.messages:
                self._write_flat_message(node, args)
            case LibraryPlan(call):
                stay = [v in self.static for v in (*node.inputs, *node.outputs)]
                self._write_library_call(node, call, [*args, *(self.name[v] for v in node.outputs)], stay)
            case _:
                self.body += call_text(self.ns, node, args, self.name[out])

    def _write_allocating(self, node: Node, args: list[str]) -> None:
        """A call that makes its results: what is a state's new value is copied there."""
        plan, names = self.plan, {v: self.ns.fresh("t") for v in node.outputs}
        constant = not node.inputs and node.outputs[0] not in plan.returned
        lines = self.head if constant else self.body
        lines.append(f"{', '.join(names.values())} = {call_text(self.ns, node, args, None)[0]}")
        for v, name in names.items():
            if v in plan.homes:
                self._define(v)
                lines += [f"copyto({self.name[v]}, {name})", f"del {name}"]
                continue
            self.name[v] = name
            if constant:  # an arange, say: made once
                self.static.add(v)
            else:
                self.locals[v] = [name]
            if not v.shape:  # NumPy may give a number in its place
                lines.append(f"{name} = {self.ns.bind('asarray', np.asarray)}({name})")

    def _write_library_call(self, node: Node, call: HostCall, arrays: list[str], stay: list[bool]) -> None:
        """A call of a library, bound beforehand to the arrays that stay where they are, with scratch from the arena."""
        scratch, bound = "None", self.ns.fresh(f"library_{node.op.name}")
        if call.workspace:
            scratch = self.ns.fresh("scratch")
            self._view_line(f"{scratch} = {{}}", self.plan.scratch(call.workspace, self.plan.step[node]), (call.workspace,), dtypes.uint8)
        arguments = ", ".join(name if is_fixed else "None" for name, is_fixed in zip(arrays, stay, strict=True))
        self.head.append(f"{bound} = {self.ns.bind(f'plan_{node.op.name}', call, ('library', id(call)))}.bind(({arguments}), {scratch})")
        self.body.append(f"{bound}({', '.join(name for name, is_fixed in zip(arrays, stay, strict=True) if not is_fixed)})")
        self.outermost.sessions[call.session] = None

    def _write_flat_message(self, node: Node, args: list[str]) -> None:
        """A sum over ranks of states that lie one after another: what was not computed there is copied there, and all are one array."""
        for v, name in zip(node.outputs, args, strict=True):
            if name != self.name[v]:
                self.body.append(f"copyto({self.name[v]}, {name})")
        whole = Spec((sum(v.size for v in node.outputs),), node.output.dtype)
        call = host_call(node.op, (whole,), (whole,), node.attrs)
        assert call is not None
        flat = f"f{self.flats[self.messages[node]]}"
        self._write_library_call(node, call, [flat, flat], [False, False])

    def _write_constant(self, out: Value) -> None:
        """An array of one number, made once; without dimensions it is written where it is used."""
        if out.shape and out not in self.plan.starts:
            name = self.name[out] = self.ns.fresh("t")
            self.ns.names["full"] = np.full
            self.head.append(f"{name} = full({out.shape}, {self.ns.literal(out.constant)}, {self.ns.dtype(out.dtype)})")
            self.static.add(out)

    def _define(self, out: Value) -> None:
        """Give a result its array: the state's, one in the arena, or a fresh one."""
        plan = self.plan
        if out in plan.homes:
            state, view = plan.homes[out], ""
            if out in plan.turns:
                view = f".transpose({self.ns.literal(plan.turns[out])})"
            elif out.shape != state.shape:
                view = f".reshape({out.shape})"
            self.name[out] = self.name[state]
            if view:
                name = self.name[out] = self.ns.fresh("t")
                self.body.append(f"{name} = {self.name[state]}{view}")
            return
        if out in plan.overwrites:
            operand = plan.overwrites[out]
            self.name[out] = self.name[operand]
            if operand in self.static:
                self.static.add(out)
            return
        name = self.name[out] = self.ns.fresh("t")
        if out in plan.places:
            self._view_line(f"{name} = {{}}", plan.places[out], out.shape, out.dtype)
            self.static.add(out)
        else:
            self.body.append(f"{name} = empty({out.shape}, {self.ns.dtype(out.dtype)})")

    def _operand(self, v: Value, node: Node) -> str:
        if v in self.plan.starts:
            return repr(v.constant)
        if v.constant is not None and v not in self.name:
            return scalar_literal(self.ns, v, node.op)
        return self.name[v]

    def _write_region(self, node: Node) -> None:
        body: Graph = node.attrs["body"]
        for v in node.outputs:
            self._define(v)
        if node.op is GROUP:
            members, slots = node.attrs["members"], node.attrs["slots"]
            flats = [f"f{self.flats[f]}" for f in self.group_flats[node]]
            inputs = flats[:slots] + [self._operand(v, node) for v in node.inputs[slots * members :]]
            size = sum(v.size for v in node.inputs[:members])
            region = write_region(self.ns, body, -1, inputs, flats[slots:], size, config.block_bytes)
            found = written_loop(body, inputs, flats[slots:], size) if loops.available() else None
        else:
            inputs = [self._operand(v, node) for v in node.inputs]
            outputs = [self.name[v] for v in node.outputs]
            region = write_region(self.ns, body, region_axis(body, config.block_bytes), inputs, outputs, None, config.block_bytes)
            found = written_loop(body, inputs, outputs, None) if loops.available() else None
        self._append_region(region, self.plan.step[node], found)

    def _append_region(self, region: Region, step: int, found: tuple[BoundLoop, list[str]] | None) -> None:
        """The region's blocks, which a loop may take the place of."""
        name = self.ns.fresh("region")
        indent = ""
        if found is not None:
            bound, arrays = found
            self.body.append(f"if not {self.ns.bind(f'{name}_loop', bound)}(({''.join(f'{a}, ' for a in arrays)})):")
            indent = "    "
        workers = min(threads.count(), max(1, -(-region.extent // region.block))) if region.work >= PARALLEL_WORK else 1
        for t in range(workers):
            arrays = []
            for k, (shape, dtype) in enumerate(region.scratch):
                size = dtype.itemsize
                for n in shape:
                    size *= n
                self._view_line(f"{name}_u{t}_{k} = {{}}", self.plan.scratch(size, step), shape, dtype)
                arrays.append(f"{name}_u{t}_{k}")
            self.head.append(f"{name}_u{t} = ({''.join(a + ', ' for a in arrays)})")
        self.body.append(f"{indent}def {name}(i, j, u):")
        self.nodes.update(enumerate(region.nodes, len(self.body)))
        self.body += [f"{indent}    {line}" for line in region.lines]
        # ``sweep`` is the runtime's: it knows of threads.
        self.body.append(f"{indent}sweep({name}, {region.extent}, {region.block}, ({''.join(f'{name}_u{t}, ' for t in range(workers))}))")


_INDENT = " " * 8  # of the lines of run()

#: Elements computed from which a region is worth handing to several threads: about a millisecond.
PARALLEL_WORK = 1 << 21
