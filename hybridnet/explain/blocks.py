"""The nodes of a graph in a tree that can be folded: what part of a training step, then the blocks, then lines or parts of many.

No branch holds more than :data:`WIDEST`, so that however large a graph is, what is unfolded at once is small.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from hybridnet.errors import Site
from hybridnet.graph.ir import Graph, Node
from hybridnet.lowering.fuse import FUSED
from hybridnet.lowering.last_block import ENDED
from hybridnet.lowering.multi_tensor import GROUP

#: Branches and nodes that one branch holds at most: what can be read without searching.
WIDEST = 48

#: Nodes of one line that stand in a branch of their own where they are between blocks.
FEW = 8

FORWARD, BACKWARD, UPDATE = "forward", "backward", "update"

Branch = list[Any]  # its name, its kind, and its branches and numbers of nodes


def phase_of(node: Node, site: Site | None) -> str:
    """Which part of a training step a node at a place computes: an update if any of it does, else the backward if any of it does."""
    body = node.attrs["body"].nodes if node.op in (ENDED, FUSED, GROUP) else ()
    phases = {_phase(s) for s in (site, *(n.site for n in body))}
    return next((phase for phase in (UPDATE, BACKWARD) if phase in phases), FORWARD)


def _phase(site: Site | None) -> str:
    if site is None:
        return FORWARD
    if site.scope == UPDATE or site.scope.startswith(f"{UPDATE}."):
        return UPDATE
    return BACKWARD if site.role.startswith("grad of") else FORWARD


def places(graph: Graph) -> list[Site | None]:
    """Where each node belongs: its own place, or that of who reads it first, or of what it reads, where a pass made it for them."""
    found: dict[Node, Site | None] = {node: node.site for node in graph.nodes}
    for node in reversed(graph.nodes):
        for v in node.inputs:
            if v.node is not None and v.node in found and v.node.site is None:
                found[v.node] = found[node]
    for node in graph.nodes:
        if found[node] is None:
            found[node] = next((found[v.node] for v in node.inputs if v.node is not None and found.get(v.node) is not None), None)
    return [found[node] for node in graph.nodes]


class Leaf(NamedTuple):
    """A node in a tree: its number, its phase, the blocks that it is in, the line of the user's."""

    number: int
    phase: str
    path: tuple[str, ...]
    line: str


def leaves(graph: Graph, phase: str = "") -> list[Leaf]:
    """The nodes of a graph as leaves, without constants. ``phase``: of all of them, where it is known."""
    found = []
    for i, (node, site) in enumerate(zip(graph.nodes, places(graph), strict=True)):
        if node.output.constant is None:
            path = tuple(site.scope.split(".")) if site is not None and site.scope else ()
            own = UPDATE if path[:1] == (UPDATE,) else phase or phase_of(node, site)
            path = path[1:] if path[:1] == (UPDATE,) else path
            found.append(Leaf(i, own, path, "" if site is None else f"{site.file}:{site.line}"))
    return found


def graph_tree(found: Sequence[Leaf]) -> list[Any]:
    """The top of a tree that begins with the phases, or, where there is only one, with the blocks."""
    several = len({leaf.phase for leaf in found}) > 1
    return _tree([((leaf.phase,) if several else ()) + leaf.path for leaf in found], found, ("phase",) if several else ())


def block_tree(found: Sequence[Leaf]) -> list[Any]:
    """The top of a tree that has forward and backward of a block together, and the update as one more."""
    return _tree([((UPDATE,) if leaf.phase == UPDATE else ()) + leaf.path for leaf in found], found, ())


def _tree(paths: Sequence[tuple[str, ...]], found: Sequence[Leaf], kinds: Sequence[str]) -> list[Any]:
    top: Branch = ["", "", []]
    branches: dict[tuple[str, ...], Branch] = {(): top}
    for path, leaf in zip(paths, found, strict=True):
        for depth in range(1, len(path) + 1):
            if path[:depth] not in branches:
                branches[path[:depth]] = branch = [path[depth - 1], kinds[depth - 1] if depth <= len(kinds) else "block", []]
                branches[path[: depth - 1]][2].append(branch)
        branches[path][2].append(leaf.number)
    return _divided(_joined(top[2]), {leaf.number: leaf.line for leaf in found})


def _joined(children: list[Any]) -> list[Any]:
    """A branch that holds nothing but one block is shown with it, as one."""
    found = []
    for child in children:
        if isinstance(child, list):
            name, kind, inner = child
            while kind == "block" and len(inner) == 1 and isinstance(inner[0], list):
                name, inner = f"{name}.{inner[0][0]}", inner[0][2]
            child = [name, kind, _joined(inner)]
        found.append(child)
    return found


def _divided(children: list[Any], lines: Mapping[int, str]) -> list[Any]:
    """No more than :data:`WIDEST` at each level: nodes in runs of one line of the user's, or else equal parts, one after another."""
    if any(isinstance(c, list) for c in children):  # a few nodes between blocks
        children = _runs(children, lines, FEW)
    children = [[c[0], c[1], _divided(c[2], lines)] if isinstance(c, list) else c for c in children]
    if len(children) <= WIDEST:
        return children
    runs = _runs(children, lines, 2)
    if 1 < len(runs) <= len(children) // 2:
        return _divided(runs, lines)
    parts = -(-len(children) // WIDEST ** (math.ceil(math.log(len(children), WIDEST)) - 1))
    size = -(-len(children) // parts)
    starts = range(0, len(children), size)
    return [[_range(children, a, min(a + size, len(children))), "part", _divided(children[a : a + size], lines)] for a in starts]


def _range(children: Sequence[Any], start: int, stop: int) -> str:
    """What a part of many is called: which they are, and the first one's name if it has one."""
    first = children[start]
    return f"{start + 1}–{stop}" + (f": {first[0]} …" if isinstance(first, list) else "")


def _runs(children: list[Any], lines: Mapping[int, str], least: int) -> list[Any]:
    """The same, with nodes of one line that follow one another in a branch, if they are so many."""
    runs: list[tuple[str, list[Any]]] = []  # those without a line are of one, which stays as it is
    for child in children:
        line = "" if isinstance(child, list) else lines[child]
        if line and runs and runs[-1][0] == line:
            runs[-1][1].append(child)
        else:
            runs.append((line, [child]))
    return [x for line, run in runs for x in ([[line, "line", run]] if line and len(run) >= least else run)]
