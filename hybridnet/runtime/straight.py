"""Writing the straight lines that imperative composites and gradients run as: traced from the record, compiled as text over NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hybridnet.codegen.straight import write_straight
from hybridnet.core import Op, Spec
from hybridnet.core.lines import Line
from hybridnet.core.tape import Leaf, by_rules, fit
from hybridnet.device import cpu
from hybridnet.errors import HybridnetError
from hybridnet.graph.ir import Graph
from hybridnet.graph.passes import write_out
from hybridnet.graph.trace import trace_op


def of_composite(op: Op, specs: Sequence[Spec], attrs: Mapping[str, Any]) -> Line | None:
    """The line of a composite; None where its parts read more than its operands, or it gives one of those back."""
    assert op.decomposition is not None
    try:
        graph = trace_op(op.name, op.decomposition, specs, attrs, cpu())
    except HybridnetError:
        return None
    line = _line(op.name, graph)
    if line is None or max(line.shared) >= 0:
        return None
    return line._replace(single=isinstance(op.infer(*specs, **attrs), Spec))


def of_gradients(
    op: Op,
    attrs: Mapping[str, Any],
    needs: tuple[bool, ...],
    heads: Sequence[Spec],
    outputs: Sequence[Spec],
    inputs: Sequence[Spec],
    kept: Sequence[int],
) -> Line | None:
    """The line of the gradients of ``inputs`` that are needed, from ``heads`` and what the tape kept, by its numbers in ``Node.saved``."""
    places: list[int | None] = []

    def parts(*arrays: Any) -> tuple[Any, ...]:
        saved = dict(zip(kept, arrays[len(heads) :], strict=True))
        for i, x in saved.items():
            if i >= 0 and needs[i]:
                x._tape = Leaf(None, "write"), 0  # as they are on the tape for rules that run parts again, recorded
        ys = tuple(saved.get(~i, spec) for i, spec in enumerate(outputs))
        xs = [saved.get(i, spec) for i, spec in enumerate(inputs)]
        g, y = (arrays[: len(heads)], ys) if len(outputs) > 1 else (arrays[0], ys[0])
        found = by_rules(op, needs, g, y, xs, attrs)
        given = [i for i, x in enumerate(found) if x is not None and needs[i]]
        places.extend(given.index(i) if i in given else None for i in range(len(needs)))
        return tuple(fit(found[i], inputs[i]) for i in given)

    specs = [*heads, *(outputs[~i] if i < 0 else inputs[i] for i in kept)]
    try:
        graph = trace_op(op.name, parts, specs, {}, cpu())
    except HybridnetError:
        return None
    line = _line(f"gradient of {op.name}", graph)
    if line is None or max(line.shared, default=-1) >= len(heads):
        return None
    return line._replace(places=tuple(places))


def _line(name: str, graph: Graph) -> Line | None:
    graph = write_out(graph)
    written = write_straight(graph)
    if written is None:
        return None
    names = dict(written.names)
    exec(compile(written.text, f"<hybridnet {name}>", "exec"), names)
    return Line(names["run"], len(graph.nodes), False, written.shared)
