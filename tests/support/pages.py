"""The pages of the documentation: their code, with what they include from the README, to be run."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from support.paths import ROOT

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(path for path in DOCS.rglob("*.md") if path.parent.name != "api")]
_FENCE = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_INCLUDE = re.compile(r"^```\{include\} (\S+)\n(?::relative-\w+:.*\n)*:start-after: (.*)\n:end-before: (.*)\n```$", re.MULTILINE)


class Code(NamedTuple):
    """A fenced block: its language, its text, and where it begins."""

    language: str
    text: str
    file: Path
    line: int


def blocks(page: Path) -> Iterator[Code]:
    """All code of a page in its order; what it includes comes in place."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        included = _INCLUDE.fullmatch(found[0])
        if included is not None:
            yield from _part((page.parent / included[1]).resolve(), included[2], included[3])
        elif not found[2].startswith("{"):
            lines = found[3].split("\n")
            yield Code(found[2], "\n".join(line.removeprefix(found[1]) for line in lines), page, text[: found.start(3)].count("\n"))


def _part(file: Path, after: str, before: str) -> Iterator[Code]:
    text = file.read_text(encoding="utf-8")
    first, last = (text[: text.index(mark)].count("\n") for mark in (after, before))
    yield from (code for code in blocks(file) if first < code.line < last)


def links(page: Path) -> Iterator[str]:
    """What a page links to, but for addresses on the net."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    yield from (target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target)
