"""What of a graph follows from settled inputs alone: arrays that are expected to be the same at most calls, as parameters are in inference.

Whoever makes a program says which inputs are (``Value.is_settled``). Passes then put work on their side, and the program computes it once.
"""

from __future__ import annotations

from hybridnet.core import Kind
from hybridnet.graph.ir import Graph, Node, Value

_NEVER = (Kind.RANDOM, Kind.COMMUNICATION)


def settled(graph: Graph) -> set[Value]:
    """The values that are the same as long as the settled inputs are, constants among them; empty if no input is settled."""
    known = {v for v in graph.inputs if v.is_settled}
    if not known:
        return known
    for node in graph.nodes:
        if known.issuperset(node.inputs) and not _is_of_its_own(node):
            known.update(node.outputs)
    return known


def _is_of_its_own(node: Node) -> bool:
    """Whether a node is more than a function of its operands, or runs what may be."""
    return node.op.kind in _NEVER or node.op.python or any(isinstance(a, Graph) for a in node.attrs.values())
