"""Batch norms become part of the layer before them: what they do to a channel in prediction is a factor and a number to add."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from hybridnet.symbol import Symbol
from hybridnet.symbol.node import Entry, Node, walk

Host = np.ndarray[Any, Any]
Arrays = dict[str, Host]
LAYERS = ("Convolution", "FullyConnected")


def folded(graph: Symbol, arrays: Arrays) -> tuple[Symbol, Arrays]:
    """The graph, and the arrays of its variables, without the batch norms that stand behind a layer whose output nothing else reads."""
    uses = Counter(e.node for node in walk(graph._outputs) for e in node.inputs) + Counter(e.node for e in graph._outputs)
    made: dict[Node, Node] = {}
    arrays = dict(arrays)
    for node in walk(graph._outputs):
        layer = node.inputs[0].node if node.inputs else None
        if layer is not None and node.op == "BatchNorm" and _fits(node, layer, uses, arrays):
            made[node] = _joined(node, layer, made, arrays)
        elif node.operator is None:
            made[node] = node
        else:
            made[node] = Node(node.name, node.op, node.operator, node.attrs, (), node.subgraphs)
            made[node].bind_inputs([_moved(e, made) for e in node.inputs])
    return Symbol([_moved(e, made) for e in graph._outputs]), arrays


def _moved(entry: Entry, made: dict[Node, Node]) -> Entry:
    return Entry(made[entry.node], entry.index, entry.version)


def _fits(norm: Node, layer: Node, uses: Counter[Node], arrays: Arrays) -> bool:
    if layer.op not in LAYERS or uses[layer] != 1 or norm.values["output_mean_var"]:
        return False
    known = all(e.node.name in arrays and uses[e.node] == 1 for e in (*layer.inputs[1:], *norm.inputs[1:]))
    last = (layer.op == "FullyConnected" and not layer.values["flatten"]) or str(layer.values.get("layout") or "").endswith("C")
    return known and norm.values["axis"] == (-1 if last else 1)


def _joined(norm: Node, layer: Node, made: dict[Node, Node], arrays: Arrays) -> Node:
    gamma, beta, mean, variance = (arrays.pop(e.node.name).astype(np.float64) for e in norm.inputs[1:])
    factor = (np.ones_like(gamma) if norm.values["fix_gamma"] else gamma) / np.sqrt(variance + norm.values["eps"])
    weight = layer.inputs[1].node
    stored = arrays[weight.name]
    arrays[weight.name] = (stored * factor.reshape(-1, *[1] * (stored.ndim - 1))).astype(stored.dtype)
    bias = layer.inputs[2].node if len(layer.inputs) > 2 else Node(f"{layer.name}_bias")
    before = arrays.get(bias.name, np.zeros_like(factor))
    arrays[bias.name] = (beta + (before - mean) * factor).astype(stored.dtype)
    joined = Node(layer.name, layer.op, layer.operator, {**layer.attrs, "no_bias": "False"})
    joined.bind_inputs([_moved(layer.inputs[0], made), Entry(weight), Entry(bias)])
    return joined
