"""What a composite operator became once it was written out, found again in a graph: where a library has it as one step after all.

A pattern is the composite's own function, traced and put through the passes as the graph was, so it need not be written down twice, and
changes with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hybridnet.core import Spec
from hybridnet.device import Device
from hybridnet.exact import exact, exact_attrs
from hybridnet.graph.ir import Graph, Value
from hybridnet.graph.passes import optimize
from hybridnet.graph.trace import trace_op


class Pattern:
    """The optimised graph of a function of one result."""

    def __init__(self, name: str, function: Callable[..., Any], specs: list[Spec], device: Device) -> None:
        self.graph: Graph = optimize(trace_op(name, function, specs, {}, device))

    def match(self, value: Value) -> list[Value] | None:
        """What the function was called with, if ``value`` is what it gives."""
        found: dict[Value, Value] = {}
        (result,) = self.graph.outputs
        stack = [(result, value)]
        while stack:
            wanted, given = stack.pop()
            known = found.setdefault(wanted, given)
            if known is not given:
                if wanted.constant is None or exact(known.constant) != exact(given.constant):
                    return None
                continue
            if wanted.spec != given.spec:
                return None
            if wanted.constant is not None:
                if given.constant is None or exact(wanted.constant) != exact(given.constant):
                    return None
            elif wanted.node is not None:
                node = given.node
                if node is None or node.op is not wanted.node.op or exact_attrs(node.attrs) != exact_attrs(wanted.node.attrs):
                    return None
                stack += zip(wanted.node.inputs, node.inputs, strict=True)
        return [found[v] for v in self.graph.inputs] if all(v in found for v in self.graph.inputs) else None
