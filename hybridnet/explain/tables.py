"""Graphs as numbers: what is the same of many nodes (operator, place, shapes) is written once, and a node is where that stands.

Between two passes most nodes stay as they are but for what they read, so a graph after a pass costs a few bytes a node.
"""

from __future__ import annotations

import linecache
from collections.abc import Hashable
from typing import Any

from hybridnet.errors import Site
from hybridnet.graph.control_ops import CONTROL
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.lowering.fuse import FUSED
from hybridnet.lowering.last_block import ENDED
from hybridnet.lowering.multi_tensor import GROUP
from hybridnet.runtime.work import operator_of

#: Lines of the user's file that are shown before and after the one that is meant, and the longest text of a node's attributes.
AROUND = 3
LONGEST = 300

Json = dict[str, Any]


class Table:
    """Different things, each once, in the order in which they came."""

    def __init__(self) -> None:
        self.numbers: dict[Hashable, int] = {}

    def number(self, thing: Hashable) -> int:
        """Where a thing stands."""
        return self.numbers.setdefault(thing, len(self.numbers))

    @property
    def rows(self) -> list[Any]:
        """All of them."""
        return list(self.numbers)


class Tables:
    """What the nodes of all graphs have in common.

    ops: name and kind. sites: number of the file, line, path of blocks, role. specs: shapes with dtypes.
    signatures: of a node the numbers of its operator and site, its attributes and the numbers of its outputs' specs.
    """

    def __init__(self) -> None:
        self.ops, self.files, self.sites, self.specs, self.signatures = (Table() for _ in range(5))
        self._paths: dict[str, str] = {}  # of a file's name its path, where the lines are read
        self._lines: dict[str, set[int]] = {}
        self._known: dict[Hashable, int] = {}  # numbers of sites by what is cheap to compare
        self._signature: dict[Node, int] = {}

    def signature(self, node: Node) -> int:
        """The number of a node's signature: two nodes of one do the same, in the same place, on what they read."""
        number = self._signature.get(node)
        if number is None:
            attrs = ", ".join(f"{k}={a}" for k, a in node.attrs.items() if not isinstance(a, Graph))
            attrs = attrs if len(attrs) <= LONGEST else f"{attrs[:LONGEST]}…"
            outputs = tuple(self.spec(v) for v in node.outputs)
            op = self.ops.number((operator_of(node), kind_of(node)))
            number = self._signature[node] = self.signatures.number((op, self.site(node.site), attrs, outputs))
        return number

    def spec(self, v: Value) -> int:
        """The number of a value's shape and dtype."""
        return self.specs.number(str(v.spec))

    def site(self, site: Site | None) -> int:
        """The number of a place in the user's code; -1 where it is not known."""
        if site is None:
            return -1
        key = (site.code, site.lasti, site.scope, site.role)
        number = self._known.get(key)
        if number is None:
            file = -1
            if site.code is not None:
                file = self.files.number(site.file)
                self._paths.setdefault(site.file, site.code.co_filename)
                self._lines.setdefault(site.file, set()).add(site.line)
            number = self._known[key] = self.sites.number((file, site.line, site.scope, site.role))
        return number

    def sources(self) -> list[Json]:
        """Of each file its name, and by number the lines that are meant and some around them, as far as they can be read."""
        return [{"name": name, "lines": self._source(name)} for name in self.files.rows]

    def _source(self, name: str) -> dict[int, str]:
        text = linecache.getlines(self._paths[name])
        wanted = sorted({n for line in self._lines[name] for n in range(line - AROUND, line + AROUND + 1) if 0 < n <= len(text)})
        return {n: text[n - 1].rstrip("\n")[:LONGEST] for n in wanted}

    def described(self) -> Json:
        """All tables."""
        return {
            "ops": self.ops.rows,
            "sites": self.sites.rows,
            "specs": self.specs.rows,
            "signatures": self.signatures.rows,
            "files": self.sources(),
        }


def kind_of(node: Node) -> str:
    """What sort of node the page shows it as: a kind of operator, ``fused``, ``group`` or ``control``."""
    if node.op in (FUSED, GROUP):
        return node.op.name
    if node.op is ENDED:
        return FUSED.name
    return "control" if node.op in CONTROL else node.op.kind.value
