"""The reference meaning of a graph: run its nodes one by one. Passes and programs are tested against it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hybridnet.core import Array, NDArray, paused_recording, suspended_trace, wrap
from hybridnet.graph.ir import Graph, Node, Value


def interpret(graph: Graph, inputs: Sequence[Any], xp: Any = np) -> list[Any]:
    """The outputs for ``inputs`` (NumPy or CuPy arrays, one for each input of the graph)."""
    env: dict[Value, Any] = dict(zip(graph.inputs, inputs, strict=True))
    for node in graph.nodes:
        env.update(zip(node.outputs, run_node(node, [env[v] for v in node.inputs], xp), strict=True))
    return [env[v] for v in graph.outputs]


def run_node(node: Node, data: Sequence[Any], xp: Any = np) -> tuple[Any, ...]:
    """The outputs of one node."""
    op = node.op
    if op.expand is not None:
        with suspended_trace(), paused_recording():
            result = op.expand(*[wrap(NDArray, d, node.outputs[0].device) for d in data], **node.attrs)
        results = result if isinstance(result, tuple) else (result,)
        return tuple(r._data if isinstance(r, Array) else r for r in results)
    assert op.compute is not None
    result = op.compute(xp, *data, **node.attrs)
    results = result if isinstance(result, tuple) else (result,)
    return tuple(np.asarray(r) if isinstance(r, np.generic) else r for r in results)
