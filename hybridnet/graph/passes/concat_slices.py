"""Gradients of slices that tile an array: their sum is the pieces side by side, and is written once.

An array whose parts go different ways (queries, keys and values of one product; the gates of a cell) gets its gradient as
a sum of arrays that are zero but for one part each. Where nothing else is added in between, that is a concatenation.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from hybridnet.config import config
from hybridnet.graph.backend import LibraryPlan, implementation_of
from hybridnet.graph.ir import Graph, Node, Rewriter, Value
from hybridnet.graph.operators import ADD, CONCATENATE, FULL, RESHAPE, SLICE_GRAD


class _Piece(NamedTuple):
    """What a slice takes of an array: all but along one axis."""

    axis: int
    start: int
    stop: int


def concat_slices(graph: Graph) -> Graph:
    """Replace sums in which gradients of slices cover an array by a concatenation and what else was added."""
    if sum(node.op is SLICE_GRAD for node in graph.nodes) < 2:
        return graph
    rewriter = Rewriter(graph)
    uses = graph.uses()
    inner = {v for node in graph.nodes if node.op is ADD for v in node.inputs if _is_part(v, node, uses)}
    for node in graph.nodes:
        tiled = _tiled(rewriter, node, uses) if node.op is ADD and node.output not in inner else None
        if tiled is None:
            rewriter.keep(node)
        else:
            rewriter.replace(node.output, tiled)
    return rewriter.finish()


def _is_part(v: Value, total: Node, uses: dict[Value, int]) -> bool:
    """Whether an operand of a sum is a sum of its own that nothing else reads."""
    return v.node is not None and v.node.op is ADD and uses[v] == 1 and v.spec == total.output.spec


def _summands(total: Node, uses: dict[Value, int]) -> list[Value]:
    """What is added up, one after another: ((a + b) + c) + d. Of two operands that are sums one is followed, the other a summand."""
    added: list[Value] = []
    node: Node | None = total
    while node is not None:
        a, b = node.inputs
        if not _is_part(a, total, uses):
            a, b = b, a  # which of two numbers comes first makes no difference
        added.append(b)
        if not _is_part(a, total, uses):
            added.append(a)
        node = a.node if _is_part(a, total, uses) else None
    return added[::-1]


def _tiled(rewriter: Rewriter, total: Node, uses: dict[Value, int]) -> Value | None:
    """The sum with its gradients of slices joined; None where they do not tile it, or where numbers would meet in another order."""
    shape = total.output.shape
    pieces: dict[_Piece, list[Value]] = {}
    others: list[Value] = []
    places: dict[_Piece, list[int]] = {}  # how many of the others come before each
    for v in _summands(total, uses):
        piece = _piece(v.node, shape) if v.node is not None and uses[v] == 1 else None
        if piece is None:
            others.append(v)
        elif v.node is not None:
            pieces.setdefault(piece, []).append(v.node.inputs[0])
            places.setdefault(piece, []).append(len(others))
    order = sorted(pieces)
    place = _common_place(list(places.values()))
    if not order or place is None or not _covers(order, shape):
        return None
    axis = order[0].axis
    joined = []
    for piece in order:
        part = _sum(rewriter, [rewriter.of(v) for v in pieces[piece]], total)
        if len(order) > 1 and not config.fast_math and not _is_from_library(part):  # the other pieces are 0.0 here, which makes 0.0 of -0.0
            zero = rewriter.emit(FULL, (), {"shape": (), "value": 0.0, "dtype": part.dtype}, total)
            part = rewriter.emit(ADD, (part, zero), {}, total)
        sizes = tuple(piece.stop - piece.start if i == axis else n for i, n in enumerate(shape))
        joined.append(part if part.shape == sizes else rewriter.emit(RESHAPE, (part,), {"shape": sizes}, total))
    whole = rewriter.emit(CONCATENATE, joined, {"axis": axis}, total)
    rest = [rewriter.of(v) for v in others]
    return _sum(rewriter, [*([_sum(rewriter, rest[:place], total)] if place else []), whole, *rest[place:]], total)


def _is_from_library(v: Value) -> bool:
    """Whether a library computes an array: what sign its zeros have nobody knows, and adding 0.0 would be a pass over memory of its own."""
    node = v.node
    while node is not None and node.op.is_view:
        node = node.inputs[0].node
    return node is not None and isinstance(implementation_of(node), LibraryPlan)


def _common_place(places: list[list[int]]) -> int | None:
    """After how many of the other summands the joined pieces are added, so that each element is the same sum in the same order.

    Before the first and after it is the same. Pieces of one place are added to each other first, which they must be as it is.
    """
    if any(len(p) > 1 and any(p) for p in places):
        return None
    common = {0 if n == 1 else n for p in places for n in p}
    return common.pop() if len(common) == 1 else None


def _sum(rewriter: Rewriter, values: Iterable[Value], like: Node) -> Value:
    first, *rest = values
    for v in rest:
        first = rewriter.emit(ADD, (first, v), {}, like)
    return first


def _piece(node: Node, shape: tuple[int, ...]) -> _Piece | None:
    """What the gradient of a slice is not zero in, if that is cut along one axis alone, without gaps."""
    if node.op is not SLICE_GRAD or node.output.shape != shape:
        return None
    cut: _Piece | None = None
    axis = 0
    for item in node.attrs["key"]:
        if item[0] == "new":
            continue
        n = shape[axis]
        places = range(n)[slice(*item[1:])] if item[0] == "slice" else range(item[1] % n, item[1] % n + 1)
        if len(places) != n or places.step != 1:
            if cut is not None or not places or places.step != 1:
                return None
            cut = _Piece(axis, places.start, places.stop)
        axis += 1
    return cut


def _covers(pieces: list[_Piece], shape: tuple[int, ...]) -> bool:
    """Whether pieces in their order are an array, each beginning where the one before ends."""
    axis = pieces[0].axis
    ends = [0, *(p.stop for p in pieces)]
    return all(p.axis == axis and p.start == end for p, end in zip(pieces, ends, strict=False)) and ends[-1] == shape[axis]
