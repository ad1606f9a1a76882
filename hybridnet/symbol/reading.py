"""A ``-symbol.json`` to a graph: the forms of MXNet 0.8 to 1.9.1, with what the versions say otherwise.

All is checked before anything is made of it; nothing in a file is executed, and what is made is in proportion to the file.
A FileFormatError names the file and the node.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from hybridnet import numpy_operators
from hybridnet.errors import FileFormatError, HybridnetError, fail
from hybridnet.ndarray.register import OPERATORS
from hybridnet.symbol.control_records import CONTROL
from hybridnet.symbol.node import HIDDEN, Entry, Node, file_name

#: Graphs within nodes: how deep they may be.
_DEPTH = 16
#: Attributes that say how many inputs, outputs or parts there are.
_COUNTS = ("num_args", "num_arrays", "num_outputs", "num_weights", "num_tensors", "num_layers", "sections")


def entries(text: str | bytes, source: str) -> tuple[list[Entry], bool]:
    """The outputs of the graph in a file's text, and whether its arrays follow NumPy's rules."""
    try:
        found = json.loads(text)
    except RecursionError:
        _refuse(source, "a graph in JSON", "lists within lists without end")
    except ValueError as error:  # UnicodeDecodeError too
        _refuse(source, "a graph in JSON", str(error))
    outputs = _Reader(source, 0).graph(found)
    return outputs, _number(found.get("attrs"), "is_np_shape", 0) == 1


def _refuse(source: str, expected: str, got: str) -> NoReturn:
    fail(FileFormatError, "load_json", expected=f"{expected} in {source}", got=got if len(got) < 200 else got[:200] + " …")


class _Reader:
    """Reads one graph; ``where`` is the file, or a node in it."""

    def __init__(self, where: str, depth: int) -> None:
        self.where, self.depth = where, depth
        self.version = 0

    def graph(self, found: Any) -> list[Entry]:
        if not isinstance(found, dict) or not {"nodes", "heads"} <= found.keys():
            got = f"the keys {', '.join(map(str, found))}" if isinstance(found, dict) else f"a {type(found).__name__}"
            _refuse(self.where, "an object with nodes and heads", got)
        self.version = _number(found.get("attrs"), "mxnet_version", 800)
        if not isinstance(found["nodes"], list) or not isinstance(found["heads"], list) or not found["heads"]:
            _refuse(self.where, "lists of nodes and heads", f"{type(found['nodes']).__name__} and {found['heads']!r}")
        nodes: list[Node] = []
        for number, given in enumerate(found["nodes"]):
            nodes.append(self._node(number, given, nodes))
        return [self._entry(f"heads of {self.where}", item, nodes) for item in found["heads"]]

    def _node(self, number: int, given: Any, before: Sequence[Node]) -> Node:
        where = f"node {number} of {self.where}"
        if not isinstance(given, dict) or not isinstance(given.get("op"), str) or not isinstance(given.get("name"), str):
            _refuse(where, "an object with op and name, which are strings", repr(given))
        op, name = given["op"], given["name"]
        where = f"node {number}, {name!r} ({op}), of {self.where}"
        if not isinstance(given.get("inputs"), list):
            _refuse(where, "a list of inputs", repr(given.get("inputs")))
        attrs = self._attributes(where, given)
        inputs = [self._entry(where, item, before) for item in given["inputs"]]
        if op == "null":
            if inputs:
                _refuse(where, "a variable without inputs", f"{len(inputs)}")
            return Node(name, attrs=attrs)
        operator, graphs = CONTROL.get(op, (OPERATORS.get(op) or numpy_operators.OPERATORS.get(op), 0))
        if operator is None:
            near = ", ".join(difflib.get_close_matches(op, [*OPERATORS, *numpy_operators.OPERATORS], 3))
            _refuse(where, "an operator that is there", f"{op!r}, which is near {near}" if near else repr(op))
        for key in _COUNTS:  # of what is made one by one
            if len(attrs.get(key, "")) > 5:
                _refuse(where, f"{key} of five digits at most", attrs[key])
        node = Node(name, file_name(op, operator), operator, attrs, (), self._subgraphs(where, given))
        if len(node.subgraphs) != graphs:
            _refuse(where, f"{graphs} subgraphs", str(len(node.subgraphs)))
        try:
            _upgrade(node, inputs, self.version)
            names = node.input_names
        except HybridnetError as error:
            _refuse(where, "attributes that the operator takes", str(error))
        if len(inputs) > len(names):
            _refuse(where, f"{len(names)} inputs: {', '.join(names)}", str(len(inputs)))
        # MXNet 0.8 has no nodes for states.
        inputs += [Entry(Node(f"{name}_{key}", attrs=attrs)) for key in names[len(inputs) :]]
        node.inputs = tuple(inputs)
        if graphs:
            self._check_bodies(where, node)
        for i in node.states:
            entry = inputs[i]
            if entry.node.operator is not None:
                _refuse(where, f"a variable as {names[i]}", f"{entry.node.name!r} ({entry.node.op})")
            entry.node.written = max(entry.node.written + 1, entry.version)
        return node

    def _check_bodies(self, where: str, node: Node) -> None:
        """Refuse bodies whose variables are no inputs of the operator, or whose outputs are not as many as it has."""
        try:
            node.bodies  # noqa: B018  (it checks what attributes say)
        except HybridnetError as error:
            _refuse(where, "bodies that fit the operator", str(error))
        wanted = {
            "_foreach": [len(node.output_names)],
            "_while_loop": [1, len(node.output_names)],
            "_cond": [1, *[len(node.output_names)] * 2],
        }
        if (counts := [len(graph) for graph in node.subgraphs]) != wanted[node.op]:
            _refuse(where, f"{wanted[node.op]} outputs of bodies", str(counts))

    def _attributes(self, where: str, given: Mapping[str, Any]) -> dict[str, str]:
        """All attributes of a node: under ``attrs``, or as older versions have them, ``attr`` and ``param``."""
        attrs: dict[str, str] = {}
        for key in ("param", "attr", "attrs"):
            part = given.get(key, {})
            if not isinstance(part, dict) or not all(isinstance(text, str) for text in part.values()):
                _refuse(where, f"{key} of strings by name", repr(part))
            attrs.update(part)
        return {f"__{key}__" if key in HIDDEN else key: text for key, text in attrs.items()}

    def _entry(self, where: str, item: Any, nodes: Sequence[Node]) -> Entry:
        """An output of a node before, which is how a graph has no cycles."""
        if not isinstance(item, list) or not 2 <= len(item) <= 3 or not all(type(n) is int and n >= 0 for n in item):
            _refuse(where, "[node, output, version] as an input", repr(item))
        if item[0] >= len(nodes):
            _refuse(where, f"an input from the {len(nodes)} nodes before", f"node {item[0]}")
        node = nodes[item[0]]
        if item[1] >= len(node.output_names):
            _refuse(where, f"one of the {len(node.output_names)} outputs of {node.name!r}", str(item[1]))
        return Entry(node, item[1], min(item[2], 2**31) if len(item) > 2 else 0)

    def _subgraphs(self, where: str, given: Mapping[str, Any]) -> list[list[Entry]]:
        found = given.get("subgraphs", [])
        if not isinstance(found, list) or (found and self.depth >= _DEPTH):
            _refuse(where, f"a list of graphs, at most {_DEPTH} within one another", type(found).__name__)
        return [_Reader(f"graph {i} of {where}", self.depth + 1).graph(graph) for i, graph in enumerate(found)]


def _number(attrs: Any, key: str, otherwise: int) -> int:
    """What a graph's attributes say as ``["int", n]``: the version that wrote it, as 10901; versions before 0.9 do not say it."""
    try:
        return int(attrs[key][1])
    except (TypeError, KeyError, IndexError, ValueError, OverflowError):
        return otherwise


# -- what older versions meant otherwise ----------------------------------------------------------


def _suffixed(node: Node, inputs: Sequence[Entry]) -> None:
    """Before 0.9 attributes of a variable stood at the operator: ``weight_lr_mult``."""
    for key in [k for k in node.attrs if k.endswith(HIDDEN) and not k.startswith("__")]:
        hidden = next(h for h in HIDDEN if key.endswith(h))
        text, owner = node.attrs.pop(key), key.removesuffix(hidden).rstrip("_")
        names = dict(zip(node.input_names, inputs, strict=False))
        if owner in names and names[owner].node.operator is None:
            names[owner].node.attrs.setdefault(f"__{hidden}__", text)


def _whole_axis(node: Node, inputs: Sequence[Entry]) -> None:
    """Before 0.9.5 the axis -1 of argmax and argmin was none, which is all."""
    if node.op in ("argmax", "argmin") and node.attrs.get("axis") == "-1":
        del node.attrs["axis"]


#: What is done to nodes of files from before a version.
_UPGRADES: tuple[tuple[int, Callable[[Node, Sequence[Entry]], None]], ...] = ((900, _suffixed), (905, _whole_axis))


def _upgrade(node: Node, inputs: Sequence[Entry], version: int) -> None:
    for before, change in _UPGRADES:
        if version < before:
            change(node, inputs)
