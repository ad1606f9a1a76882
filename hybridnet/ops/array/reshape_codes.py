"""The special dimensions of MXNet's ``reshape``: two alphabets of codes, one meaning.

``nd.reshape`` and ``npx.reshape`` write the same five rules with different numbers; -1, what
makes up the size, is common to both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import Enum

from hybridnet.errors import ShapeError, fail
from hybridnet.ops.array.shape import resolve_shape


class Code(Enum):
    """What a special dimension does with the dimensions of the old shape, taken one after another."""

    COPY = "copy the next"
    REST = "copy all that remain"
    MERGE = "join the next two"
    SPLIT = "split the next into the two numbers that follow, of which one may be -1"
    DROP = "leave out the next, which must be 1"


#: ``nd.reshape``'s codes.
CLASSIC = {0: Code.COPY, -2: Code.REST, -3: Code.MERGE, -4: Code.SPLIT}
#: ``npx.reshape``'s codes.
EXTENDED = {-2: Code.COPY, -3: Code.DROP, -4: Code.REST, -5: Code.MERGE, -6: Code.SPLIT}


def resolve_codes(old: tuple[int, ...], asked: Sequence[int], codes: Mapping[int, Code], reverse: bool = False) -> tuple[int, ...]:
    """The shape that ``asked`` means for an array of shape ``old``; with ``reverse`` matched from the right.

    ShapeError for codes that ``old`` has no dimensions for, or that leave out one longer than 1.
    """
    if not any(n in codes for n in asked):
        return resolve_shape("reshape", math.prod(old), tuple(asked), old)
    source, items = (old[::-1], list(asked)[::-1]) if reverse else (old, list(asked))
    shape: list[int] = []
    at = i = 0
    try:
        while i < len(items):
            match codes.get(items[i]):
                case None:
                    shape.append(items[i])
                    at += 1
                case Code.COPY:
                    shape.append(source[at])
                    at += 1
                case Code.REST:
                    shape.extend(source[at:])
                    at = len(source)
                case Code.MERGE:
                    shape.append(source[at] * source[at + 1])
                    at += 2
                case Code.SPLIT:
                    shape.extend(_split(source[at], items[i + 1], items[i + 2]))
                    at, i = at + 1, i + 2
                case Code.DROP:
                    if source[at] != 1:
                        fail(ShapeError, "reshape", expected=f"dimension {at} of {old} to be 1, to leave it out", got=str(source[at]))
                    at += 1
            i += 1
    except IndexError:
        fail(ShapeError, "reshape", expected=f"codes that {old} has dimensions for", got=str(tuple(asked)))
    return resolve_shape("reshape", math.prod(old), tuple(shape[::-1] if reverse else shape), old)


def _split(whole: int, first: int, second: int) -> tuple[int, int]:
    a = whole // second if first == -1 and second > 0 else first
    b = whole // first if second == -1 and first > 0 else second
    if a * b != whole:
        fail(ShapeError, "reshape", expected=f"{whole} to be split into factors", got=f"{first} and {second}")
    return a, b
