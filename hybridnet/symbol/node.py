"""The graph behind symbols: variables and operators' calls by MXNet's names, with attributes as the strings that MXNet writes.

Nodes are shared among symbols and never lose their inputs; composing makes new ones. Nothing here computes. A chain may be
of any length, so nothing here recurses along it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from hybridnet.ndarray.record import ClassicOperator
from hybridnet.symbol.control_records import Body, bodies

#: Attributes that a user may give without the underscores under which they are kept, and sees in both ways.
HIDDEN = ("ctx_group", "lr_mult", "wd_mult", "force_mirroring", "mirror_stage", "profiler_scope")


class Entry(NamedTuple):
    """One output of a node. ``version``: of a state, the number of operators before that write to it."""

    node: Node
    index: int = 0  # type: ignore[assignment]  # tuple has a method of this name
    version: int = 0


def file_name(op: str, operator: ClassicOperator) -> str:
    """The name in files of an operator known as ``op``: that under which MXNet registers it first.

    Older versions of layers have their own.
    """
    return op if op.endswith("_v1") else operator.name


class Node:
    """A variable (without ``operator``), or a call of an operator.

    ``op``: the operator's name in files, ``null`` of a variable. ``attrs``: all attributes as strings, those of the operator, and
    others between double underscores. ``inputs``: as many as the record names with these attributes, states last. ``written``: of a
    variable, how many operators write to it. ``subgraphs``: the outputs of each body of an operator of control flow.
    """

    __slots__ = ("__weakref__", "_parsed", "attrs", "inputs", "name", "op", "operator", "question", "subgraphs", "written")

    def __init__(
        self,
        name: str,
        op: str = "null",
        operator: ClassicOperator | None = None,
        attrs: Mapping[str, str] | None = None,
        inputs: Sequence[Entry] = (),
        subgraphs: Sequence[Any] = (),
    ) -> None:
        self.name = name
        self.op = op
        self.operator = operator
        self.attrs = dict(attrs or {})
        self.inputs = tuple(inputs)
        self.subgraphs = tuple(subgraphs)
        self.written = 0
        self.question: Any = None  # what :mod:`hybridnet.symbol.probe` asks of it
        self._parsed: tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]] | None = None

    def __reduce__(self) -> Any:
        raise TypeError("a node is part of a symbol, which is what can be pickled")

    def own(self) -> dict[str, str]:
        """The attributes that are the operator's."""
        return {key: text for key, text in self.attrs.items() if not is_extra(key)}

    def _read(self) -> tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]:
        if self._parsed is None:
            assert self.operator is not None
            values = self.operator.complete(self.own())
            self._parsed = values, self.operator.inputs_with(values), self.operator.outputs(values)
        return self._parsed

    @property
    def values(self) -> dict[str, Any]:
        """All attributes of the operator as values, defaults included."""
        return self._read()[0]

    @property
    def input_names(self) -> tuple[str, ...]:
        """The operator's names of the inputs."""
        return self._read()[1] if self.operator is not None else ()

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the outputs: a variable's is its own, an operator's are ``<name>_output`` and the like."""
        if self.operator is None:
            return (self.name,)
        return tuple([f"{self.name}_{name}" for name in self._read()[2]])

    @property
    def states(self) -> tuple[int, ...]:
        """The positions of the inputs that the operator writes to."""
        names = self.operator.aux_names(self.values) if self.operator is not None else ()
        return tuple(i for i, name in enumerate(self.input_names) if name in names) if names else ()

    @property
    def bodies(self) -> list[Body]:
        """Of an operator of control flow, which inputs its bodies' variables are."""
        counts = [sum(node.operator is None for node in walk(graph)) for graph in self.subgraphs]
        return bodies(self.op, self.values, len(self.inputs), counts)

    def set(self, attrs: Mapping[str, str]) -> None:
        """Change attributes."""
        self.attrs.update(attrs)
        self._parsed = self.question = None

    def bind_inputs(self, inputs: Sequence[Entry]) -> None:
        """Give the node its inputs, and count the writes to those that are states."""
        self.inputs = tuple(inputs)
        for i in self.states:
            entry = self.inputs[i]
            if entry.node.operator is None:
                entry.node.written += 1
                self.inputs = (*self.inputs[:i], entry._replace(version=entry.node.written), *self.inputs[i + 1 :])

    def __repr__(self) -> str:
        return f"<{self.op} {self.name}>"


def is_extra(key: str) -> bool:
    """Whether an attribute is none of the operator's own, but one that a user hangs on a node."""
    return key.startswith("__") and key.endswith("__")


def walk(entries: Iterable[Entry]) -> list[Node]:
    """Every node that the entries depend on, inputs first, in the order in which MXNet lists and writes them."""
    order: list[Node] = []
    seen: set[int] = set()
    for head in entries:
        stack: list[tuple[Node, int]] = [(head.node, 0)] if id(head.node) not in seen else []
        seen.add(id(head.node))
        while stack:
            node, i = stack.pop()
            while i < len(node.inputs) and id(node.inputs[i].node) in seen:
                i += 1
            if i == len(node.inputs):
                order.append(node)
            else:
                below = node.inputs[i].node
                seen.add(id(below))
                stack += [(node, i + 1), (below, 0)]
    return order


def replaced(entries: Sequence[Entry], by: Mapping[int, Entry], heads: Mapping[int, str] | None = None) -> list[Entry]:
    """The entries over a copy of their graph, in which some variables, known by the ids of their nodes, are other entries.

    ``heads``: new names of nodes, by id.
    """
    names = heads or {}
    made: dict[int, Entry] = dict(by)
    order = walk(entries)
    for node in order:
        if id(node) in made:
            continue
        copy = Node(names.get(id(node), node.name), node.op, node.operator, node.attrs, (), node.subgraphs)
        copy.bind_inputs([_moved(e, made) for e in node.inputs])
        made[id(node)] = Entry(copy)
    return [_moved(e, made) for e in entries]


def _moved(entry: Entry, made: Mapping[int, Entry]) -> Entry:
    new = made[id(entry.node)]
    return new if entry.node.operator is None else Entry(new.node, entry.index, entry.version)
