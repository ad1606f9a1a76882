"""The reference meaning of a graph: run its nodes one by one. Passes and programs are tested against it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hybridnet.core import Array, NDArray, computing_in, paused_recording, suspended_trace, wrap
from hybridnet.device import device_of
from hybridnet.dtypes import is_inexact
from hybridnet.errors import HybridnetError, fail
from hybridnet.graph.ir import Graph, Node, Value


def interpret(graph: Graph, inputs: Sequence[Any], xp: Any = np) -> list[Any]:
    """The outputs for ``inputs`` (NumPy or CuPy arrays, one for each input of the graph)."""
    env: dict[Value, Any] = dict(zip(graph.inputs, inputs, strict=True))
    for node in graph.nodes:
        env.update(zip(node.outputs, run_node(node, [env[v] for v in node.inputs], xp), strict=True))
    return [env[v] for v in graph.outputs]


def find_nan(graph: Graph, inputs: Sequence[Any], xp: Any = np) -> None:
    """Run the graph node by node and raise an error at the first one whose result has a NaN that its operands had not."""
    env: dict[Value, Any] = dict(zip(graph.inputs, inputs, strict=True))
    for node in graph.nodes:
        results = run_node(node, [env[v] for v in node.inputs], xp)
        if any(map(_has_nan, results)) and not any(_has_nan(env[v]) for v in node.inputs):
            fail(
                HybridnetError,
                node.op.name,
                expected="no NaN (HYBRIDNET_DEBUG=3)",
                got=f"NaN in its result {', '.join(str(v.spec) for v in node.outputs)}",
                site=node.site,
            )
        env.update(zip(node.outputs, results, strict=True))


def _has_nan(data: Any) -> bool:
    return is_inexact(data.dtype) and bool((data != data).any())


def run_node(node: Node, data: Sequence[Any], xp: Any = np) -> tuple[Any, ...]:
    """The outputs of one node."""
    op = node.op
    if op.decomposition is not None:
        with suspended_trace(), paused_recording(), computing_in(None):
            result = op.decomposition(*[wrap(NDArray, d, device_of(d)) for d in data], **node.attrs)
        results = result if isinstance(result, tuple) else (result,)
        return tuple(r._data if isinstance(r, Array) else r for r in results)
    assert op.compute is not None
    result = op.compute(xp, *data, **node.attrs)
    results = result if isinstance(result, tuple) else (result,)
    return tuple(np.asarray(r) if isinstance(r, np.generic) else r for r in results)
