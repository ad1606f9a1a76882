"""Loops in a CUDA program: a round's graph, lowered once, and which of its arrays lie elsewhere in each round.

A round reads its elements of the arrays that the loop goes along, and writes its elements of the stacked results, where they lie; the
states stay in the arrays of their last values, which each round overwrites. So a CUDA graph holds all rounds, one after another, with
nothing of the host's between them, and kernels that are compiled once.

Considered besides: a conditional node (CUDA 12.4), whose body finds the number of its round in device memory. It would hold any number
of rounds, but each would copy its elements to a fixed place and its results back, and set the condition, three launches more, the last
of them linked with NVIDIA's device runtime; nothing of that runs without a GPU. And a graph of one round that is launched again and
again: then the host has to do something in every round, which is what this is to save.
"""

from __future__ import annotations

from dataclasses import dataclass

from hybridnet.device.hardware import ACCESS_BYTES
from hybridnet.graph.control_ops import in_places
from hybridnet.graph.ir import Graph, Node
from hybridnet.lowering import Target, lower
from hybridnet.lowering.layout_copies import alignment


@dataclass(frozen=True)
class Loop:
    """The rounds of a loop.

    graph: of one round, lowered: elements, states, what was captured and arrays for the elements of stacked results go in.
    donate: into which of those its results are written.
    moving: of the inputs that lie elsewhere in each round, the bytes from one element to the next.
    rounds: the numbers of the elements, in order.
    """

    graph: Graph
    donate: dict[int, int]
    moving: dict[int, int]
    rounds: range


def loop_of(node: Node) -> Loop:
    """The rounds of a ``foreach`` node."""
    body, scanned, stacked = node.attrs["body"], node.attrs["scanned"], node.attrs["stacked"]
    states = range(scanned, scanned + len(body.outputs) - stacked)
    graph, donate = in_places(body, states)
    moving = {i: graph.inputs[i].nbytes for i in (*range(scanned), *(donate[o] for o in range(stacked)))}
    odd = frozenset(i for i in range(scanned) if alignment(moving[i]) < ACCESS_BYTES)
    rounds = range(node.attrs["length"])
    lowered = lower(graph, "gpu body", Target(donate, odd=odd))
    return Loop(lowered, donate, moving, rounds[::-1] if node.attrs["reverse"] else rounds)
