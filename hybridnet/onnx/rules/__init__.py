"""How each operator is written in ONNX: a rule, its parts, or the reason why neither.

A rule is a function of the writer, the node, its operands and its attributes; it gives the name of what it wrote for the (first) output,
or a list of names. The families register theirs here when they are imported.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hybridnet.graph.ir import Node, Value
from hybridnet.onnx.refused import REFUSED
from hybridnet.onnx.sizes import is_fixed
from hybridnet.onnx.writer import MOST_FOLDED, Writer

Fits = Callable[..., bool]


def _always(node: Node) -> bool:
    return True


@dataclass(frozen=True)
class Rule:
    """``write`` from opset ``since`` on, for nodes that it ``fits``; others are written out in their parts, if there are any.

    alone: whether it writes the first of several results, and so needs that nothing reads the others.
    """

    write: Callable[..., Any]
    since: int
    fits: Fits
    alone: bool


RULES: dict[str, Rule] = {}
FAMILIES = ("pointwise", "shapes", "reductions", "products", "pooling", "norms", "lookups", "recurrent", "quantized", "control")


def rule(*names: str, since: int = 13, fits: Fits = _always, alone: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a rule for the operators of these names."""

    def enter(write: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            if name in RULES:
                raise ValueError(f"operator {name!r} has two rules")
            RULES[name] = Rule(write, since, fits, alone)
        return write

    return enter


def rule_of(node: Node, uses: Mapping[Value, int], opset: int) -> Rule | None:
    """The rule that a node is written by, if there is one; ``uses``: how often each value of its graph is read."""
    found = RULES.get(node.op.name)
    if found is None or found.since > opset or not found.fits(node):
        return None
    return None if found.alone and any(uses.get(v) for v in node.outputs[1:]) else found


def has_rule(opset: int, node: Node, uses: Mapping[Value, int]) -> bool:
    """Whether a node is written by a rule, and not in its parts."""
    return rule_of(node, uses, opset) is not None


def write_node(w: Writer, node: Node) -> None:
    """Write a node by its rule, or compute it now if all that it reads is known. GraphError for one that ONNX has no form of."""
    if w.has(node.output):  # the rule of a node before wrote it
        return
    attributes = w.model.attributes[node]
    if _folded(w, node, attributes):
        return
    found = rule_of(node, w.uses, w.opset)
    if found is None:
        why, instead = REFUSED.get(node.op.name, ("it needs a later opset", "opset=23"))
        w.refuse("operators that ONNX has", f"{node.op.name}: {why}", instead)
    written = found.write(w, node, *node.inputs, **attributes)
    names = [written] if isinstance(written, str) else written
    for value, key in zip(node.outputs, names, strict=False):
        w.bind(value, key)
    for value in node.outputs[len(names) :]:
        if w.uses.get(value):
            w.refuse("of its results the first alone", "a use of another")


def _folded(w: Writer, node: Node, attributes: Mapping[str, Any]) -> bool:
    """Compute a node here if all that it reads is known, it is not large, and nothing of it follows the named axes."""
    if node.op.compute is None or not all(v in w.known for v in node.inputs) or not all(map(is_fixed, attributes.values())):
        return False
    if sum(v.size for v in node.outputs) > max(MOST_FOLDED, *(v.size for v in node.inputs), 0):
        return False
    with np.errstate(all="ignore"):
        result = node.op.compute(np, *[w.known[v] for v in node.inputs], **node.attrs)
    for value, data in zip(node.outputs, result if isinstance(result, tuple) else (result,), strict=True):
        w.known[value] = np.asarray(data, value.dtype)
        value.name = value.name or (node.inputs[0].name if node.inputs else "")
    return True


for _family in FAMILIES:
    importlib.import_module(f"hybridnet.onnx.rules.{_family}")
