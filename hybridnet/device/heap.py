"""The C library's heap: freed memory stays in the process, so that the next array of its size costs no faults of pages.

GNU's library gives a freed array of more than 128 KB back to the system, and the end of its heap, until it has seen a larger one freed:
from then on it keeps what is smaller, and twice that of its end. Which sizes a program has freed first is chance; a training step whose
arrays of 512 KB were given back each time took four times as long.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

#: The largest array whose release raises what is kept: just under 32 MB.
_LARGEST = (32 << 20) - (64 << 10)


def keep_freed() -> None:
    """Have the heap keep freed arrays of up to 32 MB, by freeing one of that size that is never touched. Other libraries do not mind.

    Whoever sets ``MALLOC_MMAP_THRESHOLD_`` or ``MALLOC_TRIM_THRESHOLD_`` has fixed it otherwise.
    """
    np.empty(_LARGEST, np.uint8)


def give_back() -> None:
    """Give the system what is free in the heap: behind work that frees much once, and will not ask for it again."""
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Any:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library than GNU's; Windows, which has no name for the process itself
        return None
