"""The verifier: every rule of the IR, checked after each pass in tests and under HYBRIDNET_DEBUG."""

from __future__ import annotations

from hybridnet.errors import GraphError
from hybridnet.graph.ir import Graph, Value, infer_node


def verify(graph: Graph, after: str = "") -> Graph:
    """Raise a GraphError unless the graph is well formed; gives the graph back."""

    def check(holds: bool, what: str) -> None:
        if not holds:
            raise GraphError(f"{what}{f' after pass {after}' if after else ''}\n{graph}")

    known: set[Value] = set(graph.inputs)
    check(len(known) == len(graph.inputs), "an input appears twice")
    check(all(v.node is None for v in graph.inputs), "an input has a producer")
    for node in graph.nodes:
        for v in node.inputs:
            check(v in known, f"{node.op.name} reads a value that is not computed before it")
        specs = infer_node(node.op, node.inputs, node.attrs)
        check(len(specs) == len(node.outputs), f"{node.op.name} has {len(node.outputs)} outputs, infer says {len(specs)}")
        for i, (spec, v) in enumerate(zip(specs, node.outputs, strict=True)):
            check(spec == v.spec, f"{node.op.name} gives {v.spec}, infer says {spec}")
            check(v not in known, f"{node.op.name} assigns a value twice")
            check(v.node is node and v.index == i, f"an output of {node.op.name} names another producer")
            known.add(v)
        for name, attr in node.attrs.items():
            if isinstance(attr, Graph):
                verify(attr, f"{after} in {node.op.name}")
            else:
                try:
                    hash(attr)
                except TypeError:
                    check(False, f"attribute {name} of {node.op.name} is not hashable: {attr!r}")
    for v in graph.outputs:
        check(v in known, "the graph returns a value that it does not compute")
    return graph
