"""``mx.visualization``: a symbol as a table of its layers, and as a drawing by Graphviz."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from hybridnet import symbol as sym
from hybridnet.errors import ArgumentError, DtypeError, HybridnetError, ShapeError, fail, message

__all__ = ["plot_network", "print_summary"]

Shapes = dict[str, tuple[int, ...]]


class MissingGraphvizError(HybridnetError, ImportError):
    """The Python package graphviz is needed and is not installed."""


def _nodes(op: str, symbol: Any) -> tuple[list[dict[str, Any]], set[int]]:
    """The nodes of a symbol, as its file has them, and the numbers of those that it gives."""
    if not isinstance(symbol, sym.Symbol):
        fail(DtypeError, op, expected="a Symbol", got=f"a {type(symbol).__name__}", fix="net.summary(x) for a block")
    graph = json.loads(symbol.tojson())
    return graph["nodes"], {head[0] for head in graph["heads"]}


def _shapes(op: str, symbol: Any, shape: Mapping[str, Any] | None) -> Shapes | None:
    """The shapes of all outputs within a symbol and of its arguments, by name; ``None`` where none are given."""
    if shape is None:
        return None
    internals = symbol.get_internals()

    def known(shape: tuple[int, ...]) -> bool:
        return bool(shape) and min(shape) > 0  # symbols' shapes of no dimensions are not known

    arguments, outputs, _ = internals.infer_shape_partial(**shape)
    if not all(known(s) for s in (*arguments, *outputs)):
        fail(ShapeError, op, expected="shapes from which all others follow", got=str(dict(shape)), fix="giving the shape of every input")
    return {**dict(zip(symbol.list_arguments(), arguments, strict=True)), **dict(zip(internals.list_outputs(), outputs, strict=True))}


def _output(node: Mapping[str, Any], entry: int, shapes: Shapes) -> tuple[int, ...]:
    """The shape of an output of a node."""
    name = node["name"]
    if node["op"] == "null":
        return shapes[name]
    found = [shape for key, shape in shapes.items() if key.startswith(f"{name}_")]
    return shapes.get(f"{name}_output") or (found[entry] if entry < len(found) else ())


def print_summary(
    symbol: Any, shape: Mapping[str, Any] | None = None, line_length: int = 120, positions: Sequence[float] = (0.44, 0.64, 0.74, 1.0)
) -> None:
    """Print a table of a symbol's layers: output shape without the batch, parameters, the layers before it.

    ``shape``: of the inputs by name; without it shapes and numbers of parameters are left open. ``positions``: where the four columns
    end, as parts of the line or in characters. ShapeError where shapes do not follow from those given.
    """
    nodes, heads = _nodes("print_summary", symbol)
    if len(positions) != 4:
        fail(ArgumentError, "print_summary", expected="where four columns end", got=str(positions))
    ends = [int(line_length * p) for p in positions] if positions[-1] <= 1 else [int(p) for p in positions]
    shapes = _shapes("print_summary", symbol, shape)

    def row(*cells: Any) -> None:
        line = ""
        for cell, end in zip(cells, ends, strict=True):
            line = (line + str(cell))[:end].ljust(end)
        print(line)

    print("_" * line_length)
    row("Layer (type)", "Output Shape", "Param #", "Previous Layer")
    print("=" * line_length)
    given = set(shape) if shape is not None else {nodes[0]["name"]}
    shown = [i for i, node in enumerate(nodes) if node["op"] != "null" or node["name"] in given or i in heads]
    total = 0
    for place, i in enumerate(shown):
        node = nodes[i]
        before = [nodes[j]["name"] for j, *_ in node["inputs"] if j in shown]
        size = sum(math.prod(shapes[name]) for name in _parameters(nodes, node, given)) if shapes is not None else 0
        total += size
        out = "x".join(str(n) for n in _output(node, 0, shapes)[1:]) if shapes is not None else ""
        row(f"{node['name']}({node['op']})", out, size if shapes is not None else "", before[0] if before else "")
        for name in before[1:]:
            row("", "", "", name)
        print(("=" if place == len(shown) - 1 else "_") * line_length)
    print(f"Total params: {total if shapes is not None else 'not known without shapes'}")
    print("_" * line_length)


def _parameters(nodes: Sequence[Mapping[str, Any]], node: Mapping[str, Any], given: set[str]) -> list[str]:
    """The names of the parameters that a node reads: variables that are no inputs, labels or moving averages."""
    names = [nodes[j]["name"] for j, *_ in node["inputs"] if nodes[j]["op"] == "null"]
    return [n for n in names if n not in given and not n.endswith(("label", "_moving_mean", "_moving_var", "running_mean", "running_var"))]


#: Colours of the drawing, by what an operator is.
_FILLS = {
    "null": "#8dd3c7", "Convolution": "#fb8072", "Deconvolution": "#fb8072", "FullyConnected": "#fb8072", "BatchNorm": "#bebada",
    "Activation": "#ffffb3", "LeakyReLU": "#ffffb3", "Pooling": "#80b1d3", "Concat": "#fdb462", "Flatten": "#fdb462", "Reshape": "#fdb462",
    "Softmax": "#b3de69", "SoftmaxOutput": "#b3de69",
}  # fmt: skip
_OTHER = "#fccde5"


def _label(node: Mapping[str, Any]) -> str:
    """What a node is called in the drawing: its operator, with what says most of it."""
    op, attrs = node["op"], node.get("attrs", {})

    def sides(key: str, default: str) -> str:
        return attrs.get(key, default).strip("()").replace(", ", "x")

    if op == "null":
        return str(node["name"])
    if op in ("Convolution", "Deconvolution"):
        return f"{op}\n{sides('kernel', '()')}/{sides('stride', '1')}, {attrs['num_filter']}"
    if op == "FullyConnected":
        return f"{op}\n{attrs['num_hidden']}"
    if op in ("Activation", "LeakyReLU"):
        return f"{op}\n{attrs.get('act_type', 'leaky')}"
    if op == "Pooling":
        return f"{op}\n{attrs.get('pool_type', 'max')}, {sides('kernel', '()')}/{sides('stride', '1')}"
    return str(op)


def plot_network(
    symbol: Any,
    title: str = "plot",
    save_format: str = "pdf",
    shape: Mapping[str, Any] | None = None,
    dtype: Any = None,
    node_attrs: Mapping[str, str] = {},
    hide_weights: bool = True,
) -> Any:
    """A drawing of a symbol as a ``graphviz.Digraph``, whose ``render()`` writes it in ``save_format``.

    ``shape``: of the inputs by name; arrows then say what goes along them. ``node_attrs``: Graphviz's attributes for nodes.
    ``hide_weights`` leaves out parameters. ImportError without the Python package graphviz (the extra ``visualization``).
    """
    try:
        graphviz = importlib.import_module("graphviz")
    except ImportError as error:
        text = message("plot_network", expected="the package graphviz", got="none installed", fix='pip install "hybridnet[visualization]"')
        raise MissingGraphvizError(text) from error
    nodes, _ = _nodes("plot_network", symbol)
    shapes = _shapes("plot_network", symbol, shape)
    style = {"shape": "box", "fixedsize": "true", "width": "1.3", "height": "0.8034", "style": "filled", **node_attrs}
    drawing = graphviz.Digraph(name=title, format=save_format)
    ends = ("_weight", "_bias", "_beta", "_gamma", "_moving_var", "_moving_mean", "_running_var", "_running_mean")
    hidden = {i for i, node in enumerate(nodes) if hide_weights and node["op"] == "null" and node["name"].endswith(ends)}
    for i, node in enumerate(nodes):
        if i in hidden:
            continue
        own = {**style, "fillcolor": _FILLS.get(node["op"], _OTHER)} | ({"shape": "oval"} if node["op"] == "null" else {})
        drawing.node(name=node["name"], label=_label(node), **own)
    for i, node in enumerate(nodes):
        for source, entry, *_ in node["inputs"]:
            if i not in hidden and source not in hidden:
                what = {"label": "x".join(str(n) for n in _output(nodes[source], entry, shapes)[1:])} if shapes is not None else {}
                drawing.edge(tail_name=node["name"], head_name=nodes[source]["name"], dir="back", arrowtail="open", **what)
    return drawing
