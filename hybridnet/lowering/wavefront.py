"""Recurrent layers upon one another as a wavefront: a layer's step does not wait for all steps of the layer below.

What a layer needs of the one below is a product over all of its steps, forward (of the states, by the input weight) and backward (of the
gates' gradients). Cut into products over a few steps each, the first can be computed when the first steps are done, and the layers run
side by side, one some steps behind the other. Steps that do not wait for one another stand beside one another in the order too, so
that none is given memory that the other still reads. Of T steps and L layers the longest chain is T + (L - 1) · steps long in place of
T · L; each cut is a launch more. What runs side by side is for the program's edges to say.

Not through dropout or anything else between the layers, and not where a layer goes both ways, which needs all steps of the one below.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hybridnet.graph.backend import backend_of
from hybridnet.graph.ir import Graph, Node, Rewriter, Value
from hybridnet.graph.operators import CONCATENATE, MATMUL, MATMUL_BIAS, RESHAPE, SLICE
from hybridnet.lowering.joining import Uses, uses_of


class _Cut(NamedTuple):
    """A product over all steps: of the steps' ``pieces``, joined by ``whole``; ``readers`` take out single steps of ``result``."""

    product: Node
    whole: Node
    result: Node
    readers: list[Node]


def cut_products(graph: Graph) -> Graph:
    """The graph with products over the steps of a recurrent layer cut, where the layer behind it reads them step by step."""
    uses = uses_of(graph)
    cuts = {cut.product: cut for node in graph.nodes if (cut := _cut_at(node, uses)) is not None}
    if not cuts:
        return graph
    rewriter = Rewriter(graph)
    skipped = {r for cut in cuts.values() for r in (cut.result, *cut.readers)}
    groups: dict[Node, tuple[list[range], list[Value]]] = {}
    wholes = {cut.whole for cut in cuts.values()}
    for node in graph.nodes:
        if node in wholes:
            groups[node] = _in_groups(rewriter, node)
        elif node in cuts:
            _write(rewriter, cuts[node], *groups[cuts[node].whole])
        elif node not in skipped:
            rewriter.keep(node)
    return rewriter.finish()


def _cut_at(node: Node, uses: Uses) -> _Cut | None:
    """The cut of a product, if it is one over the steps of a layer whose results are read step by step alone."""
    if node.op not in (MATMUL, MATMUL_BIAS) or node.attrs.get("transpose_a") or node.inputs[1].ndim != 2:
        return None
    steps = backend_of(node.device).limits.wavefront_steps
    flat = node.inputs[0].node
    whole = None if flat is None or flat.op is not RESHAPE else flat.inputs[0].node
    if not steps or whole is None or whole.op is not CONCATENATE or whole.attrs["axis"] or whole.output.ndim != 3:
        return None
    time, batch, width = whole.output.shape
    if len(whole.inputs) != time or time < 2 * steps or node.inputs[0].shape != (time * batch, width):
        return None
    readers = uses[node.output]
    if len(readers) != 1 or readers[0] is None or readers[0].op is not RESHAPE or readers[0].output.shape[:2] != (time, batch):
        return None
    found = uses.get(readers[0].output, [])
    slices = [r for r in found if r is not None and r.op is SLICE and r.attrs["key"][0][0] == "int"]
    if not slices or len(slices) != len(found):
        return None
    return _Cut(node, whole, readers[0], slices)


def _in_groups(rewriter: Rewriter, whole: Node) -> tuple[list[range], list[Value]]:
    """Write a concatenation of all steps as one of groups of steps; gives which steps each has, and the groups."""
    time, steps = len(whole.inputs), backend_of(whole.device).limits.wavefront_steps
    ranges = [range(start, min(start + steps, time)) for start in range(0, time, steps)]
    pieces = [rewriter.of(v) for v in whole.inputs]
    groups = [rewriter.emit(CONCATENATE, pieces[r.start : r.stop], whole.attrs, whole) for r in ranges]
    rewriter.replace(whole.output, rewriter.emit(CONCATENATE, groups, whole.attrs, whole))
    return ranges, groups


def _write(rewriter: Rewriter, cut: _Cut, ranges: Sequence[range], groups: Sequence[Value]) -> None:
    """The products over the groups, and each step of the results as a part of its group's."""
    time, batch, *rest = cut.result.output.shape
    of_step: dict[int, tuple[Value, int]] = {}
    others = [rewriter.of(v) for v in cut.product.inputs[1:]]
    for steps, group in zip(ranges, groups, strict=True):
        rows = rewriter.emit(RESHAPE, [group], {"shape": (len(steps) * batch, group.shape[2])}, cut.product)
        product = rewriter.emit(cut.product.op, [rows, *others], cut.product.attrs, cut.product)
        result = rewriter.emit(RESHAPE, [product], {"shape": (len(steps), batch, *rest)}, cut.result)
        of_step |= {t: (result, i) for i, t in enumerate(steps)}
    for reader in cut.readers:
        (_, t), *key = reader.attrs["key"]
        result, i = of_step[t % time]
        rewriter.replace(reader.output, rewriter.emit(SLICE, [result], {"key": (("int", i), *key)}, reader))


def side_by_side(graph: Graph) -> Graph:
    """The graph with the layers around such cuts in the order of the wavefront."""
    windows = _windows(graph)
    if not windows:
        return graph
    ordered: list[Node] = []
    end = 0
    for first, last in windows:
        ordered += [*graph.nodes[end:first], *_by_level(graph.nodes[first : last + 1])]
        end = last + 1
    return Graph(graph.inputs, [*ordered, *graph.nodes[end:]], graph.outputs)


def _windows(graph: Graph) -> list[tuple[int, int]]:
    """From the first step of the layer below a cut to the last of the layer above, those that overlap as one: positions of nodes."""
    uses, position = uses_of(graph), {node: i for i, node in enumerate(graph.nodes)}
    spans = []
    for node in graph.nodes:
        groups = [v.node for v in node.inputs] if node.op is CONCATENATE else []
        if len(groups) < 2 or any(g is None or g.op is not CONCATENATE or g.attrs["axis"] != node.attrs["axis"] for g in groups):
            continue
        below = [position[m] for g in groups if g is not None for v in g.inputs if (m := _maker(v)) is not None]
        products = [p for g in groups if g is not None for p in _readers(g.output, uses) if p.op in (MATMUL, MATMUL_BIAS)]
        above = [position[r] for p in products for r in _readers(p.output, uses)]
        if below and above:
            spans.append((min(below), max(above)))
    windows: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if windows and first <= windows[-1][1]:
            windows[-1] = windows[-1][0], max(windows[-1][1], last)
        else:
            windows.append((first, last))
    return windows


def _maker(v: Value) -> Node | None:
    """What computes a value, which may be a view of that."""
    while v.node is not None and v.node.op.is_view:
        v = v.node.inputs[0]
    return v.node


def _readers(v: Value, uses: Uses) -> list[Node]:
    """What reads a value, through whatever view."""
    found: list[Node] = []
    for node in uses.get(v, ()):
        if node is not None:
            found += _readers(node.output, uses) if node.op.is_view else [node]
    return found


def _by_level(nodes: Sequence[Node]) -> list[Node]:
    """The nodes by how many computations come before each among them, so that those that can run side by side stand side by side."""
    level: dict[Value, int] = {}
    of_node: dict[Node, int] = {}
    for node in nodes:
        before = max((level.get(v, 0) for v in node.inputs), default=0)
        free = node.op.is_view or node.op is CONCATENATE or node.output.constant is not None
        of_node[node] = before
        level.update(dict.fromkeys(node.outputs, before + (not free)))
    return sorted(nodes, key=of_node.__getitem__)
