"""Groups: the ranks in parts of equal size, of which each rank knows its own; and meshes, which are groups in several directions.

A group is the same on all ranks, so that graphs whose collectives bear it are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hybridnet.device import communicate
from hybridnet.device.communicate import Communicator, Parts
from hybridnet.errors import ArgumentError, fail


@dataclass(frozen=True)
class Group:
    """The ranks of one part, those of which this rank is one: collectives with a group are among them alone.

    ``parts``: all ranks, each in one part, parts of equal size; a rank's number in its part is its place there. Made by :func:`group`
    and :func:`mesh`.
    """

    parts: Parts

    @property
    def number(self) -> int:
        """Which part this rank is in."""
        own = communicate.world().rank
        return next(i for i, part in enumerate(self.parts) if own in part)

    @property
    def rank(self) -> int:
        """This rank's number in its part."""
        return self.parts[self.number].index(communicate.world().rank)

    @property
    def size(self) -> int:
        """How many ranks a part has."""
        return len(self.parts[0])

    @property
    def communicator(self) -> Communicator:
        """What connects the ranks of a part."""
        return communicate.world().part(self.parts)

    def across(self) -> Group:
        """The group of the ranks that have the same number in each part: of those that do the same for other data."""
        return Group(tuple(zip(*self.parts, strict=True)))


def group(parts: Sequence[Sequence[int]]) -> Group:
    """A group of ranks, by the parts that all of them are in. ArgumentError unless each rank is in one, and parts are of equal size."""
    size = communicate.start().size
    made = tuple(tuple(int(rank) for rank in part) for part in parts)
    if sorted(rank for part in made for rank in part) != list(range(size)) or len({len(part) for part in made}) != 1:
        expected = f"each of the {size} ranks in one part, and parts of equal size"
        fail(ArgumentError, "distributed.group", expected=expected, got=str(made))
    return Group(made)


def mesh(**axes: int) -> dict[str, Group]:
    """Groups in several directions: ``mesh(data=2, model=4)["model"]`` has ranks 0 to 3 in one part, and 4 to 7 in the other.

    Neighbours along the last axis are neighbouring ranks, which mostly are on one machine. One axis may be -1: as many as there are ranks
    for it. ArgumentError unless the axes' lengths give all ranks.
    """
    size = communicate.start().size
    lengths = list(axes.values())
    known = math.prod(n for n in lengths if n != -1)
    if lengths.count(-1) == 1 and known > 0 and size % known == 0:
        lengths[lengths.index(-1)] = size // known
    if not lengths or min(lengths) < 1 or math.prod(lengths) != size:
        got = ", ".join(f"{name}={n}" for name, n in axes.items()) or "none"
        fail(ArgumentError, "distributed.mesh", expected=f"axes whose lengths multiply to the number of ranks, {size}", got=got)
    return {name: Group(_parts(lengths, axis)) for axis, name in enumerate(axes)}


def _parts(lengths: Sequence[int], axis: int) -> Parts:
    """The ranks of a mesh that differ along one axis alone."""
    step = math.prod(lengths[axis + 1 :])
    block = step * lengths[axis]
    size = math.prod(lengths)
    return tuple(tuple(range(first, first + block, step)) for start in range(0, size, block) for first in range(start, start + step))
