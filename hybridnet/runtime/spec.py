"""What a program is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hybridnet.graph.ir import Graph


@dataclass(frozen=True)
class ProgramSpec:
    """A graph, and what is known of the arrays that its program will be called with.

    donate: positions of outputs, with those of the inputs into whose arrays they are written.
    resident: outputs that stay in the arena.
    states: the state arrays by their positions among the inputs.
    after: the program whose resident outputs are this one's first inputs, and in whose arena it runs.
    fixed: inputs besides the states whose arrays are expected to be the same at every call.
    """

    graph: Graph
    name: str = "program"
    donate: Mapping[int, int] = field(default_factory=dict)
    resident: frozenset[int] = frozenset()
    states: Mapping[int, Any] = field(default_factory=dict)
    after: Any = None
    fixed: frozenset[int] = frozenset()
