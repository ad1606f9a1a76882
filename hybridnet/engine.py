"""``mx.engine``: how many operators MXNet's engine runs as one.

Here operators run when they are called, and ``hybridize`` or ``jit`` makes programs of many; the number is kept, and changes nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

_size = 0


def set_bulk_size(size: int) -> int:
    """Set how many operators a bulk has; the number before."""
    global _size
    before, _size = _size, int(size)
    return before


@contextlib.contextmanager
def bulk(size: int) -> Iterator[None]:
    """A block in which bulks have this size."""
    before = set_bulk_size(size)
    try:
        yield
    finally:
        set_bulk_size(before)
