"""Sizes that follow named axes: what a graph of fixed shapes says of other shapes, once it was traced at several.

A number of a traced graph (of a shape, or an attribute) is known at each corner of a box of sizes, and at one point outside it. The
corners determine the one polynomial that is linear in each axis; where it does not also give the number at the point outside, the number
follows the axes in another way and is :data:`UNKNOWN`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, combinations
from typing import Any

Axes = frozenset[str]


@dataclass(frozen=True)
class Size:
    """A sum of products of named axes: ``terms`` has the factor of each product, that of no axes being the constant."""

    terms: Mapping[Axes, int]

    def at(self, sizes: Mapping[str, int]) -> int:
        """Its value where the axes have those sizes."""
        total = 0
        for axes, factor in self.terms.items():
            for name in axes:
                factor *= sizes[name]
            total += factor
        return total

    def __str__(self) -> str:
        parts = []
        for axes, factor in sorted(self.terms.items(), key=lambda term: (-len(term[0]), sorted(term[0]))):
            names = "*".join(sorted(axes))
            parts.append(str(factor) if not axes else names if factor == 1 else f"{factor}*{names}")
        return " + ".join(parts).replace("+ -", "- ")


class Unknown:
    """A number, or a tuple of another length, that follows the axes in a way that no :class:`Size` says."""

    def __repr__(self) -> str:
        return "?"


UNKNOWN = Unknown()


def corners(names: Sequence[str]) -> list[Axes]:
    """The corners of the box: the axes that have their larger size there; the corner of none is the first."""
    return [frozenset(some) for some in chain.from_iterable(combinations(names, n) for n in range(len(names) + 1))]


def points(low: Mapping[str, int]) -> list[dict[str, int]]:
    """The sizes to trace at: each corner, an axis being larger by one, and last the point outside."""
    at_corners = [{name: size + (name in corner) for name, size in low.items()} for corner in corners(list(low))]
    return [*at_corners, {name: size + 3 for name, size in low.items()}]


def merge(found: Sequence[Any], low: Mapping[str, int]) -> Any:
    """What stands for the values found at :func:`points`: the one value, a :class:`Size`, a tuple of such, or ``UNKNOWN``."""
    first = found[0]
    if isinstance(first, tuple) and all(isinstance(x, tuple) and len(x) == len(first) for x in found):
        return tuple(merge(column, low) for column in zip(*found, strict=True)) if first else first
    if all(type(x) is type(first) and (x is first or bool(x == first)) for x in found):
        return first
    if all(type(x) in (int, float) and float(x).is_integer() for x in found):
        return _fit([int(x) for x in found], low)
    return UNKNOWN


def _fit(found: Sequence[int], low: Mapping[str, int]) -> Size | Unknown:
    """The polynomial through the values at the corners, if it also has that of the point outside."""
    at = dict(zip(corners(list(low)), found, strict=False))
    terms: dict[Axes, Fraction] = {}
    for corner in at:
        slope = Fraction(sum(value * (-1) ** (len(corner) - len(other)) for other, value in at.items() if other <= corner))
        # The slope stands before the product of (axis - low): written out in products of axes.
        for kept in corners(sorted(corner)):
            factor = slope
            for name in corner - kept:
                factor *= -low[name]
            terms[kept] = terms.get(kept, Fraction(0)) + factor
    size = Size({axes: int(factor) for axes, factor in terms.items() if factor})
    return size if size.at(points(low)[-1]) == found[-1] else UNKNOWN


def is_fixed(value: Any) -> bool:
    """Whether a merged value is the same whatever the axes are."""
    return not isinstance(value, (Size, Unknown)) and not (isinstance(value, tuple) and not all(map(is_fixed, value)))
