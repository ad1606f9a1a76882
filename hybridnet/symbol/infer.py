"""Shapes and dtypes of a symbol's variables and outputs, from those of some, in both directions.

A shape is a tuple in which -1 is a length that is not known, or ``None``, as under NumPy's rules; MXNet 1.x has 0 and ``()``
in their place, which :func:`read` and :func:`shown` exchange. What an operator makes of its inputs' shapes is asked of the
operator: its function is traced with arrays that have no memory (:mod:`hybridnet.symbol.probe`), and what its inputs must be
follows from the rule of its record. Nodes are visited forward and backward until nothing more follows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.dtypes import Dtype
from hybridnet.errors import ShapeError, fail
from hybridnet.ndarray.attributes import Shape
from hybridnet.symbol import probe
from hybridnet.symbol.node import Entry, Node, walk

Partial = Shape | None


def is_whole(shape: Partial) -> bool:
    """Whether every length is known."""
    return shape is not None and -1 not in shape


def read(name: str, shape: Any, numpy: bool) -> Partial:
    """A shape as users write it; ShapeError for what is none. Under 1.x's rules 0 is a length that is not known, () no shape."""
    if shape is None:
        return None
    try:
        lengths = tuple([max(int(n), -1) for n in ((shape,) if isinstance(shape, (int, np.integer)) else shape)])
    except (TypeError, ValueError):
        fail(ShapeError, "infer_shape", expected=f"a tuple of lengths as the shape of {name}", got=repr(shape))
    return lengths if numpy else tuple([n or -1 for n in lengths]) or None


def shown(shape: Partial, numpy: bool) -> Any:
    """A shape as users see it, the opposite of :func:`read`."""
    return shape if numpy else tuple([max(n, 0) for n in shape or ()])


@dataclass(frozen=True)
class Shapes:
    """What was found: of each output of a node by its id and number; ``outputs``: those of the symbol."""

    found: Mapping[tuple[int, int], Partial]
    outputs: Sequence[Partial]

    def of(self, node: Node, index: int = 0) -> Partial:
        """The shape of a node's output, ``None`` where nothing is known of it."""
        return self.found.get((id(node), index))


def shapes(outputs: Sequence[Entry], nodes: Sequence[Node], given: Mapping[str, Partial], numpy: bool) -> Shapes:
    """The shapes that follow from those ``given`` by name and from variables' own; ShapeError for those that contradict each other.

    ``numpy``: whether the graph's arrays follow NumPy's rules.
    """
    solver = _Solver(nodes, given, numpy)
    solver.run()
    return Shapes(solver.found, [solver.found.get((id(e.node), e.index)) for e in outputs])


class _Solver:
    """The shapes known so far, and the nodes that may still tell something."""

    def __init__(self, nodes: Sequence[Node], given: Mapping[str, Partial], numpy: bool) -> None:
        self.numpy = numpy
        self.nodes = [node for node in nodes if node.operator is not None]
        self.found: dict[tuple[int, int], Partial] = {}
        self.by: dict[tuple[int, int], Node] = {}  # what said so
        self.changed = False
        for node in nodes:
            if node.operator is None:
                own = node.attrs.get("__shape__")
                shape = given.get(node.name, probe.shape_of_text(own) if own is not None else None)
                if shape is not None:
                    self.found[id(node), 0] = shape
                    self.by[id(node), 0] = node

    def run(self) -> None:
        """Visit the nodes, forward and backward in turn, until nothing changes; a node of which all is known is done."""
        pending, forward = self.nodes, True
        while pending:
            self.changed = False
            pending = [node for node in (pending if forward else reversed(pending)) if not self.visit(node)]
            if not forward:
                pending.reverse()
            if not self.changed and not forward:
                return
            forward = not forward

    def visit(self, node: Node) -> bool:
        """Find what follows at one node; whether that is all there is to find."""
        ins = [self.found.get((id(e.node), e.index)) for e in node.inputs]
        outs = [self.found.get((id(node), i)) for i in range(len(node.output_names))]
        try:
            if all(map(is_whole, ins)):
                results = probe.outputs(node, tuple(ins), self.numpy)  # type: ignore[arg-type]
                for i, whole in enumerate(results):
                    self.say(node, Entry(node, i), whole, ins)
                return all(map(is_whole, results))
            new_ins, new_outs = (_of_bodies if node.subgraphs else probe.solve)(node, ins, outs, self.numpy)
        except probe.REFUSALS as error:
            if isinstance(error, _Contradiction):
                raise
            self._tell(node, ins, error)
        for entry, shape in zip(node.inputs, new_ins, strict=True):
            self.say(node, entry, shape, ins)
        for i, shape in enumerate(new_outs):
            self.say(node, Entry(node, i), shape, ins)
        return False

    def say(self, node: Node, entry: Entry, shape: Partial, ins: Sequence[Partial]) -> None:
        """Note what ``node`` says of the shape of an entry; refuse what contradicts what is known."""
        key = id(entry.node), entry.index
        known = self.found.get(key)
        if shape is None or shape == known:
            return
        if known is not None:
            merged = probe.merged(known, shape)
            if merged is None:
                self._refuse(node, entry, shape, known, ins)
            shape = merged
        if shape != known:
            self.found[key] = shape
            self.by[key] = node
            self.changed = True

    def _refuse(self, node: Node, entry: Entry, shape: Shape, known: Shape, ins: Sequence[Partial]) -> None:
        """Raise: two nodes say different things of one shape."""
        name, other = entry.node.output_names[entry.index], self.by.get((id(entry.node), entry.index), entry.node)
        source = "given for it" if other is entry.node and other.operator is None else f"as {other.name} ({other.op}) has it"
        told = [shown(s, self.numpy) for s in (shape, known)]
        raise _Contradiction.of(node, f"{name} of shape {told[0]}, from {self._inputs(node, ins)}", f"{told[1]}, {source}")

    def _tell(self, node: Node, ins: Sequence[Partial], error: Exception) -> None:
        """Raise what an operator refused, with the node and the shapes that it was given."""
        raise _Contradiction.of(node, "shapes that fit together", f"{self._inputs(node, ins)}: {error}") from error

    def _inputs(self, node: Node, ins: Sequence[Partial]) -> str:
        texts = ["?" if shape is None else str(shown(shape, self.numpy)) for shape in ins]
        return ", ".join(f"{e.node.output_names[e.index]} {text}" for e, text in zip(node.inputs, texts, strict=True)) or "no inputs"


class _Contradiction(ShapeError):
    """Shapes that do not fit, at a node."""

    @classmethod
    def of(cls, node: Node, expected: str, got: str) -> _Contradiction:
        try:
            fail(cls, f"{node.name} ({node.op})", expected=expected, got=got)
        except cls as error:
            return error


def _of_bodies(node: Node, ins: Sequence[Partial], outs: Sequence[Partial], numpy: bool) -> tuple[list[Partial], Sequence[Partial]]:
    """What follows for the inputs of an operator of control flow within its bodies, whose variables they are."""
    found = list(ins)
    for body, graph in zip(node.bodies, node.subgraphs, strict=True):
        nodes = walk(graph)
        variables = [n for n in nodes if n.operator is None]
        given = {}
        for variable, place in zip(variables, body.places, strict=True):
            if (shape := found[place]) is not None:
                given[variable.name] = shape[1:] if place < body.stepped else shape
        inner = shapes(graph, nodes, given, numpy)
        for variable, place in zip(variables, body.places, strict=True):
            shape = inner.of(variable)
            if shape is not None and place < body.stepped:
                length = found[place]
                shape = (length[0] if length else -1, *shape)
            found[place] = found[place] if shape is None else shape
    return found, outs


# -- dtypes ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Types:
    """As :class:`Shapes`, of dtypes, as the types of NumPy that MXNet gives."""

    found: Mapping[tuple[int, int], Dtype]
    outputs: Sequence[Any]

    def of(self, node: Node, index: int = 0) -> Any:
        """The dtype of a node's output, as a NumPy type; ``None`` where it does not follow."""
        return _as_type(self.found.get((id(node), index)))


def _as_type(dtype: Dtype | None) -> Any:
    return None if dtype is None else dtype.type


def types(outputs: Sequence[Entry], nodes: Sequence[Node], given: Mapping[str, Any], default: Any = None) -> Types:
    """The dtypes that follow from those ``given`` by name and from variables' own; ``default`` where none does."""
    found: dict[tuple[int, int], Dtype] = {}
    for node in nodes:
        if node.operator is None:
            own = probe.dtype_of_text(node.attrs.get("__dtype__"))
            dtype = dtypes.as_dtype(given[node.name]) if node.name in given else own
            if dtype is not None:
                found[id(node), 0] = dtype
    _spread(nodes, found)
    if default is not None:
        for node in nodes:
            if node.operator is None and (id(node), 0) not in found:
                found[id(node), 0] = dtypes.as_dtype(default)
                _spread(nodes, found)
    return Types(found, [_as_type(found.get((id(e.node), e.index))) for e in outputs])


def _spread(nodes: Sequence[Node], found: dict[tuple[int, int], Dtype]) -> None:
    """Add all dtypes that follow, forward and backward in turn until nothing more does."""
    pending, count, forward = [node for node in nodes if node.operator is not None], -1, True
    while pending and (not forward or len(found) != count):
        count = len(found) if forward else count
        rest = []
        for node in pending if forward else reversed(pending):
            names = node.input_names
            known = {name: found.get((id(e.node), e.index)) for name, e in zip(names, node.inputs, strict=True)}
            results = [found.get((id(node), i)) for i in range(len(node.output_names))]
            assert node.operator is not None
            ins, outs = node.operator.types(known, results, node.values)
            for (name, dtype), entry in zip(ins.items(), node.inputs, strict=True):
                if dtype is not None and name in known:
                    found.setdefault((id(entry.node), entry.index), dtype)
            for i, dtype in enumerate(outs):
                if dtype is not None:
                    found.setdefault((id(node), i), dtype)
            if None in ins.values() or None in outs:
                rest.append(node)
        pending = rest if forward else rest[::-1]
        forward = not forward
