"""Running a region's blocks, on several threads where there is scratch for several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from hybridnet.config import config

Block = Callable[[int, int, Any], None]


def sweep(region: Block, extent: int, block: int, scratch: Sequence[Any]) -> None:
    """Call ``region(start, stop, scratch)`` for every block of ``extent``; a thread for each scratch.

    Threads take blocks as they come to them: a worker that wakes late does fewer.
    """
    if len(scratch) == 1:
        for i in range(0, extent, block):
            region(i, min(i + block, extent), scratch[0])
        return
    starts = iter(range(0, extent, block))  # advanced under the GIL, so each start is taken once

    def work(own: Any) -> None:
        for i in starts:
            region(i, min(i + block, extent), own)

    helpers = [_pool().submit(work, own) for own in scratch[1:]]
    work(scratch[0])
    for helper in helpers:
        if not helper.cancel():
            helper.result()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, config.threads - 1), thread_name_prefix="hybridnet")
