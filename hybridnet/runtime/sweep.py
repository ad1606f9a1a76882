"""Running a region's blocks, on several threads where there is scratch for several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hybridnet.device import threads

Block = Callable[[int, int, Any], None]


def sweep(region: Block, extent: int, block: int, scratch: Sequence[Any]) -> None:
    """Call ``region(start, stop, scratch)`` for every block of ``extent``; at most a thread for each scratch."""
    starts = range(0, extent, block)

    def work(worker: int, own: Iterator[int]) -> None:
        for i in own:
            region(i, min(i + block, extent), scratch[worker])

    if len(scratch) == 1:
        work(0, iter(starts))
    else:
        threads.share(work, starts, len(scratch))
