"""Every environment variable of hybridnet, declared once; nothing else reads ``os.environ``.

The README shows them in a table, which a test compares with ``SETTINGS``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Setting:
    """One switch: the variable's name, its default, how its text is read, what it does."""

    variable: str
    default: Any
    parse: Callable[[str], Any]
    help: str


def _names(text: str) -> frozenset[str]:
    return frozenset(name for name in text.replace(",", " ").split() if name)


SETTINGS = {
    "debug": Setting(
        "HYBRIDNET_DEBUG",
        0,
        int,
        "1: verify the graph after every pass; 2: also print every compiled program; 3: also check every operator's result for NaN",
    ),
    "disabled_passes": Setting(
        "HYBRIDNET_DISABLE_PASSES", frozenset(), _names, "names of graph passes to leave out, separated by commas, to bisect a wrong result"
    ),
    "threads": Setting(
        "HYBRIDNET_NUM_THREADS", os.cpu_count() or 1, int, "threads that a compiled NumPy program may use for large pointwise regions"
    ),
    "block_bytes": Setting(
        "HYBRIDNET_BLOCK_BYTES",
        1 << 17,
        int,
        "bytes of one operand's block when a NumPy program runs a large pointwise region block by block",
    ),
    "tf32": Setting(
        "HYBRIDNET_TF32",
        False,
        lambda text: bool(int(text)),
        "1: float32 products and convolutions on a GPU may round their operands to TF32's 10 bits, which is faster",
    ),
    "cache_dir": Setting("HYBRIDNET_CACHE_DIR", "~/.cache/hybridnet", str, "folder in which compiled kernels are kept"),
    "max_programs": Setting(
        "HYBRIDNET_MAX_PROGRAMS",
        64,
        int,
        "programs that a compiled function keeps, one for each combination of shapes and modes; the oldest goes",
    ),
}


class Config:
    """The settings as attributes, read from the environment at import; tests may assign them."""

    debug: int
    disabled_passes: frozenset[str]
    threads: int
    block_bytes: int
    cache_dir: str
    max_programs: int
    tf32: bool

    def __init__(self) -> None:
        for name, setting in SETTINGS.items():
            text = os.environ.get(setting.variable)
            try:
                setattr(self, name, setting.default if text is None else setting.parse(text))
            except ValueError as error:
                raise ValueError(f"{setting.variable}={text!r} cannot be read: {setting.help}") from error


config = Config()
