"""What lowering is told of the program that a graph becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hybridnet.graph.ir import Graph, Node


def _none(graph: Graph) -> set[Node]:
    return set()


@dataclass(frozen=True)
class Target:
    """A program in the making.

    donate: positions of outputs -> positions of inputs, into whose arrays they are written.
    unwanted: the groups in a graph that the program cannot compute as one.
    odd: inputs that begin where not all kernels can read: elements of an array that a loop on a GPU goes along.
    """

    donate: Mapping[int, int] = field(default_factory=dict)
    unwanted: Callable[[Graph], set[Node]] = _none
    odd: frozenset[int] = frozenset()
