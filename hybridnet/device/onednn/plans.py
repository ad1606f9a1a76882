"""A description planned for a number of threads: its primitive, and for operands and results the reorders from how arrays lie."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from hybridnet.device.onednn.layouts import Operand, Shape, address, described, strides_without_gaps
from hybridnet.device.onednn.loading import Library, Object, Unusable
from hybridnet.device.onednn.primitives import SCRATCH, Bound, Primitive, name_of, reorder, scratch_layout, size, wanted_layout

PAGE = 64  # bytes that parts of the scratch and packed arrays begin at multiples of: a line of the cache
_KEPT = 64  # executions of a thread, for arrays of certain strides


class Before(NamedTuple):
    """What runs before a description's own primitive, for what that reads besides.

    described: the library's description. arguments: their numbers, and what each is: an operand by its position, or an array of the scratch
    by its name. inside: the layouts of those arrays. read: which of them the primitive itself reads, by the numbers of its arguments.
    """

    described: Object
    arguments: Mapping[int, int | str]
    inside: Mapping[str, Any]
    read: Mapping[int, str]


class Description(ABC):
    """What is to be computed; hashable."""

    results: int = 1  # how many of the operands are results: the last ones

    @property
    @abstractmethod
    def multiply_adds(self) -> int:
        """How many there are, by which is judged whether more threads gain."""

    @abstractmethod
    def operands(self) -> tuple[Operand, ...]:
        """The operands, then the results."""

    def constants(self) -> tuple[tuple[int, Any], ...]:
        """Further arguments, which are the same in every call: their numbers and arrays of one dimension."""
        return ()

    def when_packed(self) -> Description:
        """The same where operands may come packed, so that it does not matter how long that takes."""
        return self

    @abstractmethod
    def described(self, lib: Library, given: dict[int, Any]) -> Object:
        """The library's description, for the number of threads that is set. ``given``: layouts of arguments in place of its choice."""

    def taken(self, lib: Library) -> Mapping[int, Any]:
        """Layouts of arguments, by number, that the library's description has with other axes than the operand: of the same memory."""
        return {}

    def before(self, lib: Library) -> Before | None:
        """What runs before that, if anything."""
        return None


def rounded(at: int) -> int:
    """The next place where a part of the scratch, or a packed array, may begin."""
    return -(-at // PAGE) * PAGE


class Placed:
    """An operand or a result: the layout that it has in the library, and the reorders from the strides of arrays that came."""

    def __init__(self, lib: Library, operand: Operand, layout: Any, is_packed: bool) -> None:
        self._lib, self.operand, self.layout, self.is_packed = lib, operand, layout, is_packed
        self.bytes = size(lib, layout)
        self._moves: dict[tuple[Shape, bool], Primitive | None] = {}
        is_moved = not is_packed and self.move(strides_without_gaps(operand.shape), out=False) is not None
        self.moved_bytes = rounded(self.bytes) if is_moved else 0

    def move(self, strides: Shape, out: bool) -> Primitive | None:
        """The reorder of an array of those strides, in bytes, into the layout, or for a result out of it; None if it lies so."""
        if self.is_packed:
            return None
        key = strides, out
        if key not in self._moves:
            self._moves[key] = self._move(strides, out)
        return self._moves[key]

    def _move(self, strides: Shape, out: bool) -> Primitive | None:
        given = self.operand.layout(self._lib, strides)
        if self._lib.functions.dnnl_memory_desc_equal(given, self.layout):
            return None
        return reorder(self._lib, *((self.layout, given) if out else (given, self.layout)))


class Stage(NamedTuple):
    """A primitive of a plan, and what each of its arguments is: an operand by its position, or an array by its name."""

    primitive: Primitive
    arguments: Sequence[int | str]


class Plan:
    """A description for a number of threads. ``packed``: the layouts of operands, by position, that come as the library lays them."""

    def __init__(self, lib: Library, description: Description, packed: Mapping[int, Any]) -> None:
        self.lib = lib
        operands = description.operands()
        made = description.described(lib, {operands[i].argument: layout for i, layout in packed.items()})
        self.name = name_of(lib, made)
        layouts = [
            packed[i] if i in packed else wanted_layout(lib, made, x.argument) if x.is_free else x.wanted(lib)
            for i, x in enumerate(operands)
        ]
        self.placed = [Placed(lib, x, layout, i in packed) for i, (x, layout) in enumerate(zip(operands, layouts, strict=True))]
        self.first_result = len(operands) - description.results
        self.constants = {f"constant {n}": array for n, array in description.constants()}
        taken = description.taken(lib)
        self._layouts: dict[int | str, Any] = {i: taken.get(x.argument, y) for i, (x, y) in enumerate(zip(operands, layouts, strict=True))}
        self._layouts.update({name: described(lib, x.shape, (1,)) for name, x in self.constants.items()})
        self._inside: list[str] = []  # arrays of the scratch
        self.stages: list[Stage] = []
        read: Mapping[int, str] = {}
        if (before := description.before(lib)) is not None:
            for name, layout in before.inside.items():
                self._lay(name, layout)
            self._add(before.described, before.arguments, "scratch before")
            read = before.read
        own: dict[int, int | str] = {x.argument: i for i, x in enumerate(operands) if x.argument}
        constants = {n: f"constant {n}" for n, _ in description.constants()}
        self._add(made, {**own, **constants, **read}, "scratch")
        self.inside = {name: size(lib, self._layouts[name]) for name in self._inside}
        self.workspace = sum(x.moved_bytes for x in self.placed) + sum(map(rounded, self.inside.values())) + PAGE
        self._own = threading.local()

    def _lay(self, name: str, layout: Any) -> None:
        self._layouts[name] = layout
        self._inside.append(name)

    def _add(self, made: Object, arguments: Mapping[int, int | str], scratch: str) -> None:
        self._lay(scratch, scratch_layout(self.lib, made))
        given = {**arguments, SCRATCH: scratch}
        primitive = Primitive(self.lib, made, list(given), [self._layouts[what] for what in given.values()])
        self.stages.append(Stage(primitive, list(given.values())))

    def execution(self, strides: Sequence[Shape]) -> Execution:
        """How it runs on arrays of those strides, in this thread."""
        kept: dict[Any, Execution] | None = getattr(self._own, "kept", None)
        if kept is None:
            kept = self._own.kept = {}
        key = tuple(strides)
        if (found := kept.get(key)) is None:
            if len(kept) >= _KEPT:
                kept.clear()
            found = kept[key] = Execution(self, key)
        return found


class Execution:
    """A plan for arrays of certain strides: its primitives between reorders, with addresses of their own."""

    def __init__(self, plan: Plan, strides: Sequence[Shape]) -> None:
        main = [stage.primitive.bind() for stage in plan.stages]
        uses: dict[int | str, list[tuple[Bound, int]]] = {}
        for bound, stage in zip(main, plan.stages, strict=True):
            for argument, what in enumerate(stage.arguments):
                uses.setdefault(what, []).append((bound, argument))
        self._before: list[Bound] = []
        self._after: list[Bound] = []
        self._packed = [x.is_packed for x in plan.placed]
        self._places: list[list[tuple[Bound, int]]] = []  # of each array
        self._inside: list[tuple[int, Bound, int]] = []  # offsets in the scratch
        self._kept: list[Any] = []  # memory for what is reordered though arrays without gaps are not
        at = 0
        for i, (x, s) in enumerate(zip(plan.placed, strides, strict=True)):
            is_result = i >= plan.first_result
            move = x.move(s, is_result) if i in uses else None
            if move is None:
                self._places.append(uses.get(i, []))
                at += x.moved_bytes
                continue
            bound = move.bind()
            (self._after if is_result else self._before).append(bound)
            self._places.append([(bound, int(is_result))])
            inner = [*uses[i], (bound, int(not is_result))]
            if x.moved_bytes:
                self._inside += [(at, *place) for place in inner]
                at += x.moved_bytes
            else:
                self._kept.append(np.empty(x.bytes + PAGE, np.uint8))
                for b, argument in inner:
                    b.place(argument, rounded(address(self._kept[-1])))
        for name, bytes_ in plan.inside.items():
            self._inside += [(at, *place) for place in uses[name]]
            at += rounded(bytes_)
        for name, constant in plan.constants.items():
            for b, argument in uses[name]:
                b.place(argument, address(constant))
        self._steps = [*self._before, *main, *self._after]

    def place(self, i: int, array: Any) -> None:
        """Have the array of that position be this one."""
        at = address(array)
        for bound, argument in self._places[i]:
            bound.place(argument, rounded(at) if self._packed[i] else at)

    def place_scratch(self, array: Any) -> None:
        """Have the scratch be this array."""
        base = rounded(address(array))
        for at, bound, argument in self._inside:
            bound.place(argument, base + at)

    def run(self) -> None:
        """Execute."""
        for bound in self._steps:
            bound.run()


def planned(lib: Library, description: Description, packed: Mapping[int, Any]) -> Plan | str:
    """The plan for the number of threads that is set, or why there is none."""
    try:
        plan = Plan(lib, description, packed)
    except Unusable as error:
        return str(error)
    return "it has nothing faster than its reference code" if plan.name.startswith("ref") else plan
