"""A description planned for a number of threads: its primitive, and for operands and results the reorders from how arrays lie."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from hybridnet.device.onednn.layouts import Operand, Shape, address, described, strides_without_gaps
from hybridnet.device.onednn.loading import Library, Object, Unusable
from hybridnet.device.onednn.primitives import SCRATCH, Bound, Primitive, name_of, reorder, scratch_layout, size, wanted_layout

PAGE = 64  # bytes that parts of the scratch and packed arrays begin at multiples of: a line of the cache
_KEPT = 64  # executions of a thread, for arrays of certain strides


class Description(Hashable, Protocol):
    """What is to be computed."""

    @property
    def multiply_adds(self) -> int:
        """How many there are, by which is judged whether more threads gain."""

    @property
    def results(self) -> int:
        """How many of :meth:`operands` are results: the last ones."""

    def operands(self) -> tuple[Operand, ...]:
        """The operands, then the results."""

    def constants(self) -> tuple[tuple[int, Any], ...]:
        """Further arguments, which are the same in every call: their numbers and arrays of one dimension."""

    def described(self, lib: Library, given: dict[int, Any]) -> Object:
        """The library's description, for the number of threads that is set. ``given``: layouts of arguments in place of its choice."""


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
        scratch = scratch_layout(lib, made)
        self.constants = [array for _, array in description.constants()]
        numbers = [*(x.argument for x in operands), SCRATCH, *(number for number, _ in description.constants())]
        self.primitive = Primitive(lib, made, numbers, [*layouts, scratch, *(described(lib, x.shape, (1,)) for x in self.constants)])
        self.own_scratch = size(lib, scratch)
        self.workspace = sum(x.moved_bytes for x in self.placed) + self.own_scratch + PAGE
        self._own = threading.local()

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
    """A plan for arrays of certain strides: the primitive between reorders, with addresses of its own."""

    def __init__(self, plan: Plan, strides: Sequence[Shape]) -> None:
        main = plan.primitive.bind()
        self._before: list[Bound] = []
        self._after: list[Bound] = []
        self._packed = [x.is_packed for x in plan.placed]
        self._places: list[tuple[Bound, int]] = []  # of each array
        self._inside: list[tuple[int, Bound, int]] = []  # offsets in the scratch
        self._kept: list[Any] = []  # memory for what is reordered though arrays without gaps are not
        at = 0
        for i, (x, s) in enumerate(zip(plan.placed, strides, strict=True)):
            is_result = i >= plan.first_result
            move = x.move(s, is_result)
            if move is None:
                self._places.append((main, i))
                at += x.moved_bytes
                continue
            bound = move.bind()
            (self._after if is_result else self._before).append(bound)
            self._places.append((bound, int(is_result)))
            inner = (main, i), (bound, int(not is_result))
            if x.moved_bytes:
                self._inside += [(at, *place) for place in inner]
                at += x.moved_bytes
            else:
                self._kept.append(np.empty(x.bytes + PAGE, np.uint8))
                for b, argument in inner:
                    b.place(argument, rounded(address(self._kept[-1])))
        self._inside.append((at, main, len(plan.placed)))
        for i, constant in enumerate(plan.constants, len(plan.placed) + 1):
            main.place(i, address(constant))
        self._steps = [*self._before, main, *self._after]

    def place(self, i: int, array: Any) -> None:
        """Have the array of that position be this one."""
        bound, argument = self._places[i]
        at = address(array)
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
