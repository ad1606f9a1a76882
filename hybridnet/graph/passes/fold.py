"""Constant folding: pointwise and view operators on ``full`` nodes are ``full`` nodes."""

from __future__ import annotations

import numpy as np

from hybridnet.core import Kind
from hybridnet.graph.ir import Graph, Node, Rewriter, Value
from hybridnet.graph.operators import FULL


def fold(graph: Graph) -> Graph:
    """Compute now what depends on constants alone; the results stay scalar ``full`` nodes."""
    rewriter = Rewriter(graph)
    for node in graph.nodes:
        inputs = [rewriter.of(v) for v in node.inputs]
        if (
            inputs
            and node.op.kind in (Kind.POINTWISE, Kind.VIEW)
            and len(node.outputs) == 1
            and all(v.constant is not None for v in inputs)
        ):
            folded = _folded(node, inputs)
            if folded is not None:
                rewriter.nodes.append(folded)
                rewriter.replace(node.output, folded.output)
                continue
        rewriter.keep(node)
    return rewriter.finish()


def _folded(node: Node, inputs: list[Value]) -> Node | None:
    out = node.output
    if node.op.kind is Kind.VIEW:
        value = inputs[0].constant
    elif node.op.compute is not None:
        with np.errstate(all="ignore"):
            data = node.op.compute(np, *[np.full((), v.constant, v.dtype) for v in inputs], **node.attrs)
        value = data.item()
    else:
        return None
    return Node(FULL, (), {"shape": out.shape, "value": value, "dtype": out.dtype}, [out.spec], out.device, node.site)
