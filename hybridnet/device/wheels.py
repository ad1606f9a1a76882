"""NVIDIA's shared libraries, found where pip puts them or on the loader's path.

Their wheels add nothing to the loader's path, so what is to be used, or what one library will look for by its bare
name, is loaded by its full path first.
"""

from __future__ import annotations

import ctypes
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path

MAJORS = (13, 12)  # versions of CUDA, the one that is looked for first in front


def _candidates(stem: str) -> Iterator[str]:
    """Paths and names that ``lib<stem>.so`` may have: nvidia/cu13/lib since CUDA 13, a folder a library before."""
    roots = dict.fromkeys(Path(sysconfig.get_path(name), "nvidia") for name in ("purelib", "platlib"))
    for major in MAJORS:
        for root in roots:
            yield from map(str, sorted(root.glob(f"*/lib/lib{stem}.so.{major}*")))
        yield f"lib{stem}.so.{major}"


@cache
def load(stem: str) -> ctypes.CDLL | None:
    """The library ``lib<stem>.so`` of CUDA 13 or 12, its symbols visible to those loaded later; None where there is none."""
    for path in _candidates(stem):
        try:
            return ctypes.CDLL(path, ctypes.RTLD_GLOBAL)
        except OSError:
            continue
    return None
