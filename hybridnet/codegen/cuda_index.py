"""Iteration spaces: from a kernel's running index to every operand's element.

The axes of a region's domain are merged where all operands allow it; what is left is written out
with strides and extents as constants, which the compiler turns into multiplications and shifts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hybridnet.device.hardware import ACCESS_BYTES, LIMIT_32
from hybridnet.graph.ir import Value

Shape = tuple[int, ...]

PACK_BYTES = 32  # of one operand that a thread handles at a time, at most


class Layout(NamedTuple):
    """Where an array's elements lie: strides in elements, and to how many bytes its address is aligned."""

    strides: tuple[int, ...]
    alignment: int = ACCESS_BYTES


@dataclass(frozen=True, eq=False)
class Axis:
    """One loop: how far it goes, whether it is summed over, each operand's stride along it."""

    extent: int
    reduced: bool
    strides: Mapping[Value, int]


class Space:
    """The merged axes of a domain, and what follows from them."""

    def __init__(self, domain: Shape, reduced: frozenset[int], shapes: Mapping[Value, Shape], layouts: Mapping[Value, Layout]) -> None:
        self.layouts = layouts
        strides = [{v: _stride(s, layouts[v], a) for v, s in shapes.items()} for a in range(-len(domain), 0)]
        self.axes = _merged([Axis(domain[a], a in reduced, strides[a]) for a in range(-len(domain), 0)])
        self.size = math.prod(domain)
        reach = [sum(abs(axis.strides[v]) * max(axis.extent - 1, 0) for axis in self.axes) for v in shapes]
        self.index = "int" if max([self.size, *reach]) < LIMIT_32 else "long long"

    @property
    def free(self) -> list[Axis]:
        """The axes that the result has."""
        return [a for a in self.axes if not a.reduced]

    @property
    def reduced(self) -> list[Axis]:
        """The axes that are summed over (or the like)."""
        return [a for a in self.axes if a.reduced]

    @property
    def inner(self) -> Axis | None:
        """The axis along which memory runs."""
        return self.axes[-1] if self.axes else None

    @property
    def number_type(self) -> str:
        """The type of a random element's number (kernels/philox.cuh)."""
        return f"hn_number<unsigned{' long long' if self.index == 'long long' else ''}>"

    def wide(self, index: str) -> str:
        """One of CUDA's unsigned indices in the type that products of it need."""
        return index if self.index == "int" else f"static_cast<{self.index}>({index})"

    def width(self, inputs: Iterable[Value], outputs: Iterable[Value], whole: bool) -> int:
        """How many neighbours along the inner axis a thread handles at a time, so that it makes accesses of 16 bytes.

        1 where operands are not aligned or do not run along that axis. ``whole``: a last pack of
        fewer elements is not possible.
        """
        inner = self.inner
        if inner is None:
            return 1
        outputs = list(outputs)
        packed = [v for v in (*inputs, *outputs) if inner.strides[v] == 1]
        if not packed or any(inner.strides[v] not in (0, 1) for v in inputs) or any(inner.strides[v] != 1 for v in outputs):
            return 1
        sizes = [v.dtype.itemsize for v in packed]
        width = min(ACCESS_BYTES // min(sizes), PACK_BYTES // max(sizes))
        while width > 1 and not self._fits(width, packed, whole):
            width //= 2
        return width

    def _fits(self, width: int, packed: list[Value], whole: bool) -> bool:
        extent = self.axes[-1].extent
        if extent % width if whole else extent < width:
            return False
        for v in packed:
            access = min(width * v.dtype.itemsize, ACCESS_BYTES)
            steps = [a.strides[v] * v.dtype.itemsize for a in self.axes[:-1]]
            if self.layouts[v].alignment % access or any(s % access for s in steps):
                return False
        return True

    def coordinates(self, index: str, axes: Sequence[Axis], width: int = 1) -> tuple[list[str], dict[Axis, str]]:
        """Lines that take the number ``index`` (of packs, where the inner axis is among ``axes``) apart, and each axis's coordinate.

        The inner axis's is that of the pack.
        """
        if len(axes) <= 1:
            return [], dict.fromkeys(axes, index)
        lines, names, below = [], {}, 1
        for i, axis in reversed(list(enumerate(axes))):
            extent = axis.extent // width if axis is self.inner else axis.extent
            text = index if below == 1 else f"{index} / {below}"
            names[axis] = f"{index}{i}"
            lines.append(f"const {self.index} {names[axis]} = {text}{f' % {extent}' if i else ''};")
            below *= extent
        return lines, names

    def offset(self, value: Value, names: Mapping[Axis, str], width: int = 1) -> str:
        """The operand's offset, in elements, at the coordinates ``names``."""
        terms = []
        for axis, name in names.items():
            stride = axis.strides[value] * (width if axis is self.inner else 1)
            if stride and axis.extent > 1:
                terms.append(name if stride == 1 else f"{name} * {stride}")
        return " + ".join(terms)

    def number(self, value: Value, names: Mapping[Axis, str], width: int = 1) -> str:
        """A random value's element as a number within its array, at the coordinates ``names``; ``e`` counts along a pack."""
        offset = self.offset(value, names, width) or "0"
        packed = width > 1 and self.inner in names and self.inner is not None and self.inner.strides[value] != 0
        unsigned = "unsigned long long" if self.index == "long long" else "unsigned"
        return f"{self.number_type}{{static_cast<{unsigned}>({offset}), {'unsigned(e)' if packed else '0'}}}"

    def same_places(self, a: Value, b: Value) -> bool:
        """Whether two operands' elements, each met once, lie at the same places of their arrays."""
        return a.dtype == b.dtype and all(axis.strides[a] == axis.strides[b] != 0 for axis in self.axes)

    @staticmethod
    def first_only(value: Value, names: Mapping[Axis, str]) -> list[str]:
        """Conditions under which an output that is narrower than the domain is stored: once, not along the axes that it lacks."""
        return [f"{name} == 0" for axis, name in names.items() if axis.extent > 1 and axis.strides[value] == 0]


def _stride(shape: Shape, layout: Layout, axis: int) -> int:
    return layout.strides[axis] if -axis <= len(shape) and shape[axis] != 1 else 0


def _merged(axes: list[Axis]) -> list[Axis]:
    """Without axes of length 1, and neighbours that every operand runs through in one go as one."""
    merged: list[Axis] = []
    for axis in axes:
        if axis.extent == 1:
            continue
        last = merged[-1] if merged else None
        if last is not None and last.reduced == axis.reduced and all(last.strides[v] == s * axis.extent for v, s in axis.strides.items()):
            merged[-1] = Axis(last.extent * axis.extent, axis.reduced, axis.strides)
        else:
            merged.append(axis)
    return merged
