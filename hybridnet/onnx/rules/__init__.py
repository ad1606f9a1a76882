"""How each operator is written in ONNX: a rule, its parts, or the reason why neither.

A rule is a function of the writer, the node, its operands and its attributes; it gives the name of what it wrote for the (first) output,
or a list of names. The families register theirs here when they are imported.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hybridnet.graph.ir import Node, Value

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
FAMILIES = ("pointwise", "shapes", "reductions", "products", "pooling", "norms", "lookups", "recurrent", "quantized")


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


for _family in FAMILIES:
    importlib.import_module(f"hybridnet.onnx.rules.{_family}")
