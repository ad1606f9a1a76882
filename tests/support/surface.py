"""The table of docs/from-mxnet.md: of MXNet's public names, how many are here. ``python -m support.surface``, in ``tests/``, writes it."""

from collections.abc import Iterator
from typing import Any

from support.paths import DATA, ROOT

import hybridnet

PAGE = ROOT / "docs" / "from-mxnet.md"
BEGIN, END = "<!-- names: written by tests/support/surface.py -->\n", "<!-- end of names -->\n"
#: What MXNet's modules hold of its C library and of its own workings, which has no meaning here.
INTERNAL = {
    *("CachedOp", "backward_hawkesll", "backward_index_copy", "backward_quadratic"),
}


def surface() -> Iterator[tuple[str, list[str], list[str]]]:
    """For each module of MXNet's record: its name, its public names, and those of them that are not here."""
    for line in (DATA / "mxnet_1_9_1_surface.tsv").read_text(encoding="utf-8").splitlines():
        module, *names = line.split("\t")
        names = [n for n in names if n not in INTERNAL]
        yield module, names, [n for n in names if not hasattr(ours(module), n)]


def ours(module: str) -> Any:
    """What is called as one of MXNet's modules is, or None."""
    found: Any = hybridnet
    for part in module.split(".")[1:]:
        found = getattr(found, part, None)
    return found


def table() -> str:
    """The table, in Markdown."""
    lines = ["| module | names of MXNet 1.9.1 | here | not here |", "|---|---|---|---|"]
    count, here = 0, 0
    for module, names, absent in surface():
        count, here = count + len(names), here + len(names) - len(absent)
        lines.append(f"| `{module}` | {len(names)} | {len(names) - len(absent)} | {', '.join(f'`{n}`' for n in absent)} |")
    return "\n".join([*lines, f"| all | {count} | {here} | |", ""])


def page_with(table: str) -> str:
    """The page, with this table in it."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return before + BEGIN + "\n" + table + "\n" + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page_with(table()), encoding="utf-8")
