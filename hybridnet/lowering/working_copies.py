"""16-bit copies of float32 weights that stay from call to call: the update of a weight writes its copy beside it.

Under mixed precision a training step reads weights in 16 bits and updates them in float32. Cast when the step begins, all of them are
read once more, 6 bytes an element with what is written; written by the kernel that computes the new weights, which has them in registers,
the copies cost 2. So they become states of the program, which it reads and replaces as it does the weights. Who runs it
(:mod:`hybridnet.runtime.working_copies`) casts anew what others have written in between.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from hybridnet.config import config
from hybridnet.core import Kind
from hybridnet.core.kernel import computed_dtype, is_half
from hybridnet.dtypes import Dtype
from hybridnet.graph.ir import Graph, Node, Rewriter, Value
from hybridnet.graph.operators import CAST

NAME = "working_copies"


class WorkingCopies(NamedTuple):
    """A graph that reads copies of weights and gives new ones.

    graph: with an input for each copy behind its inputs, and an output for each behind its outputs.
    donate: positions of outputs, those of copies too -> positions of inputs, into whose arrays they are written.
    of: for each copy the position of the input that it is of, and the copy's type.
    """

    graph: Graph
    donate: dict[int, int]
    of: list[tuple[int, Dtype]]


def working_copies(graph: Graph, donate: Mapping[int, int], states: Collection[int]) -> WorkingCopies | None:
    """The graph with 16-bit copies of those of its ``states`` that it casts, and then updates by arithmetic alone; None if there are none.

    Under a budget of memory none are kept, since they take it all the time.
    """
    if NAME in config.disabled_passes or config.memory_budget is not None:
        return None
    updated = {
        graph.inputs[at]: (at, i) for i, at in donate.items() if at in states and _is_computed(graph.outputs[i]) and graph.inputs[at].shape
    }
    copies: dict[tuple[Value, Dtype], Value] = {}
    rewriter = Rewriter(graph)
    for node in graph.nodes:
        if _is_narrowing(node) and node.inputs[0] in updated:
            v, dtype = node.inputs[0], node.output.dtype
            copy = copies.setdefault((v, dtype), Value(v.shape, dtype, v.device))
            rewriter.replace(node.output, copy)
        else:
            rewriter.keep(node)
    if not copies:
        return None
    inputs, outputs, donated = len(graph.inputs), len(graph.outputs), dict(donate)
    results = [rewriter.of(v) for v in graph.outputs]
    for k, (v, dtype) in enumerate(copies):
        new = results[updated[v][1]]
        assert new.node is not None
        results.append(rewriter.emit(CAST, (new,), {"dtype": dtype}, new.node))
        donated[outputs + k] = inputs + k
    return WorkingCopies(
        Graph([*graph.inputs, *copies.values()], rewriter.nodes, results), donated, [(updated[v][0], dtype) for v, dtype in copies]
    )


def _is_computed(v: Value) -> bool:
    """Whether a cast of ``v`` can be written by the kernel that computes it."""
    return v.node is not None and v.node.op.kind is Kind.POINTWISE and v.constant is None


def _is_narrowing(node: Node) -> bool:
    """Whether a node casts to 16 bits what is computed with in the wider type."""
    return node.op is CAST and is_half(node.output.dtype) and node.inputs[0].dtype == computed_dtype(node.output.dtype)
