"""A profile as a table."""

from __future__ import annotations

from collections.abc import Sequence

from hybridnet.runtime.record import ProgramRecord, StepRecord

_HEAD = ("step", "time", "of all", "reaches", "moves", "products", "kind", "operator", "by", "from")
_LEFT = 6  # columns from here on begin at the left
_WIDEST = 44


def table(steps: Sequence[StepRecord], total: float, limit: int | None) -> str:
    """A line for each of the first ``limit`` steps; ``total``: the seconds of all steps of the profile."""
    shown = steps[:limit]
    rows = [_HEAD, *(_row(s, total) for s in shown)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEAD))]
    lines = ["  ".join(_aligned(cell, i, width) for i, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip() for row in rows]
    rest = steps[len(shown) :]
    if rest:
        seconds = sum(s.seconds for s in rest)
        lines.append(f"and {len(rest)} more steps of {duration(seconds)} together, {_percent(seconds, total)} of all")
    return "\n".join(lines)


def totals(programs: Sequence[ProgramRecord]) -> str:
    """For each program: all steps, and the whole beside them."""
    return "\n".join(
        f"{p.program}: {p.steps} steps, {duration(p.steps_seconds)} one by one; "
        f"{duration(p.seconds)} in one go ({_percent(p.seconds, p.steps_seconds)})"
        for p in programs
    )


def _aligned(cell: str, column: int, width: int) -> str:
    return cell.ljust(width) if column >= _LEFT else cell.rjust(width)


def _row(s: StepRecord, total: float) -> tuple[str, ...]:
    share = "" if s.share is None else f"{100 * s.share:.0f} % {s.limit}"
    products = quantity(s.flops, "FLOP") if s.flops else ""
    moves = quantity(s.bytes, "B") if s.bytes else ""
    by = f"{s.name} {s.grid}".strip()
    place = f"{s.site} in {s.block}" if s.block else s.site
    return str(s.step), duration(s.seconds), _percent(s.seconds, total), share, moves, products, s.kind, _cut(s.operator), _cut(by), place


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole > 0 else "-"


def duration(seconds: float) -> str:
    """Seconds in the unit that fits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}" if seconds < 1000 * size else f"{seconds / size:,.0f} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def quantity(number: float, unit: str) -> str:
    """A number with three digits and a prefix of thousands."""
    for prefix, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {prefix}{unit}"
    return f"{number:.3g} {unit}"
