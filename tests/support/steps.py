"""Counting what Python does: lines executed in the package, function by function, which no other load of the machine changes."""

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import hybridnet

_PACKAGE = str(Path(hybridnet.__file__).parent)


def lines_run(function: Callable[[], Any]) -> Counter[str]:
    """How many lines of each function of the package ``function`` runs; each turn of a comprehension or generator is one, too."""
    counts: Counter[CodeType] = Counter()

    def line(frame: FrameType, event: str, argument: Any) -> Any:
        counts[frame.f_code] += 1
        return line

    def call(frame: FrameType, event: str, argument: Any) -> Any:
        return line(frame, event, argument) if frame.f_code.co_filename.startswith(_PACKAGE) else None

    before = sys.gettrace()
    sys.settrace(call)
    try:
        function()
    finally:
        sys.settrace(before)
    named: Counter[str] = Counter()
    for code, count in counts.items():
        named[f"{code.co_filename.removeprefix(_PACKAGE + '/')}: {code.co_qualname}"] += count
    return named


def growing_faster(make: Callable[[int], Callable[[], Any]], n: int) -> list[str]:
    """The functions of which ``make(4 * n)()`` runs more than in proportion to ``make(n)()`` and ``make(2 * n)()``, with their counts.

    Of a linear function twice the growth from n to 2n follows from 2n to 4n; a quadratic one has four times that. A tenth is for what
    is n log n.
    """
    make(4 * n)()  # what is done once, and what caches keep, of which other tests may have filled a part
    small, middle, large = (lines_run(make(size)) for size in (n, 2 * n, 4 * n))
    return [
        f"{name}: {small[name]}, {middle[name]}, {count}"
        for name, count in large.most_common()
        if count - middle[name] > 2.1 * (middle[name] - small[name]) + 2 * n
    ]
