"""What a program exchanges with other ranks, in lines: all ranks' must be the same, or they would wait for one another for ever."""

from __future__ import annotations

from collections.abc import Mapping

from hybridnet.device.communicate import Parts, world
from hybridnet.graph.ir import Graph, Node


def messages(graph: Graph, donate: Mapping[int, int]) -> list[str]:
    """A line for each array that a graph sends, in order: by which call, of which shape and type, and the state that becomes the result.

    ``donate`` maps positions of outputs to positions of the inputs that they replace.
    """
    became = {graph.outputs[i]: graph.inputs[target].name for i, target in donate.items()}
    lines = []
    for number, node in enumerate(n for n in graph.nodes if n.communicates):
        attrs = "".join(f" {key}={value}" for key, value in node.attrs.items())
        for i, v in enumerate(node.inputs):
            name = became.get(node.outputs[i], "") if i < len(node.outputs) else ""
            lines.append(f"{node.op.name} {number}{attrs}: {v.spec}{f' of {name}' if name else ''}")
    return lines


def parts_of(graph: Graph) -> set[Parts]:
    """Among which ranks a graph sends: the groups that its collectives bear, of which () is all ranks."""
    return {node.attrs.get("parts", ()) for node in graph.nodes if node.communicates}


def told(node: Node) -> str:
    """What one message is, for ``explain``."""
    arrays = f"{len(node.inputs)} arrays" if len(node.inputs) > 1 else "an array"
    ranks = world().part(node.attrs.get("parts", ())).size
    return f"{node.op.name} of {arrays}, {sum(v.nbytes for v in node.inputs):,} bytes, over {ranks} ranks"
