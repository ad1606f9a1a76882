"""Running a region's blocks, on several threads where there is scratch for several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from hybridnet.config import config

Block = Callable[[int, int, Any], None]


def sweep(region: Block, extent: int, block: int, scratch: Sequence[Any]) -> None:
    """Call ``region(start, stop, scratch)`` for every block of ``extent``; a thread for each scratch."""
    threads = len(scratch)
    if threads == 1:
        _run(region, 0, extent, block, scratch[0])
        return
    share = -(-extent // threads)
    waiting = [_pool().submit(_run, region, t * share, min(extent, (t + 1) * share), block, scratch[t]) for t in range(1, threads)]
    _run(region, 0, share, block, scratch[0])
    for future in waiting:
        future.result()


def _run(region: Block, start: int, stop: int, block: int, scratch: Any) -> None:
    for i in range(start, stop, block):
        region(i, min(i + block, stop), scratch)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, config.threads - 1), thread_name_prefix="hybridnet")
