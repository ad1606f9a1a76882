"""A compilation that keeps to a budget of memory (``HYBRIDNET_MEMORY_BUDGET``), by computing again what it cannot keep.

What counts is what a call has in memory at once: the arrays that its programs are given and those that they give, and the arena, which the
memory plan says to the byte. :func:`~hybridnet.graph.recomputation.levels` proposes what to compute again, more and more of it; programs
are made of a proposal, and the first whose plan fits is taken.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from operator import itemgetter
from typing import NamedTuple

from hybridnet.config import SETTINGS, Budget, config
from hybridnet.device import Device, total_memory
from hybridnet.graph.ir import Graph
from hybridnet.graph.recomputation import NAME, Order, levels


class Recomputed(NamedTuple):
    """What a budget has made of a compilation, in bytes.

    budget: what was asked for.
    without: the peak if nothing is computed again.
    peak: the peak as it is now.
    added: what the repeated operators read and write, and the time of their products as so many bytes.
    operators: the repeated ones by name, and how many of each.
    """

    budget: int
    without: int
    peak: int
    added: int
    operators: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        names = ", ".join(f"{number} {name}" for name, number in self.operators)
        again = f"computes {names} again ({self.added:,} bytes of work)" if names else "computes nothing again"
        return f"a budget of {self.budget:,} bytes: {again}, {self.peak:,} bytes at the peak, {self.without:,} without"


def bytes_of(budget: Budget, device: Device) -> int:
    """A budget in bytes; of a share what it is of the device's memory."""
    return int(budget.amount * total_memory(device)) if budget.is_share else int(budget.amount)


def held_bytes(graph: Graph, donated: Collection[int]) -> int:
    """The bytes of the arrays that a call is given and of those that it gives; ``donated`` outputs are written into the former."""
    results = {v for i, v in enumerate(graph.outputs) if i not in donated} - set(graph.inputs)
    return sum(v.nbytes for v in (*graph.inputs, *results))


def fitted(graph: Graph, donated: Collection[int], build: Callable[[Graph], int], name: str) -> Recomputed | None:
    """Have programs built of a graph so that they fit the budget, if there is one, or nearly; gives what became of it then.

    ``build`` makes the programs of a graph, to be kept until it is called again, and gives the bytes of their arena.
    """
    without = build(graph)
    if config.memory_budget is None or NAME in config.disabled_passes or not graph.nodes:
        return None
    budget, held = bytes_of(config.memory_budget, graph.nodes[0].device), held_bytes(graph, donated)
    room = max(budget - held, 0)
    proposals = levels(graph)
    best = without, next(proposals)
    if without > room:
        best = _searched(best, proposals, room, build)
        if best[0] > room:
            _warn(name, budget, held + without, held + best[0])
    arena, order = best
    names = Counter(node.op.name for node in order.repeated)
    return Recomputed(budget, held + without, held + arena, order.work, tuple(names.most_common()))


def _searched(best: tuple[int, Order], proposals: Iterator[Order], room: int, build: Callable[[Graph], int]) -> tuple[int, Order]:
    """The first proposal whose arena is no larger than ``room``, or that with the least; its programs are what was built last.

    Programs are made only of those that should fit: an order's own account of its peak and the plan differ by what fusion keeps on chip
    and by places that are taken over, of which the plans before say how much that is.
    """
    arena, order = best
    wanted = order.peak * room // arena
    left: Order | None = None
    for order in proposals:
        left = order
        if order.peak <= wanted:
            left = None
            arena = build(order.rewritten())
            best = min(best, (arena, order), key=itemgetter(0))
            if arena <= room:
                return best
            wanted = order.peak * room // arena
    if left is not None:
        arena = build(left.rewritten())
        best = min(best, (arena, left), key=itemgetter(0))
    if arena != best[0]:
        build(best[1].rewritten())
    return best


def _warn(name: str, budget: int, without: int, least: int) -> None:
    logging.getLogger("hybridnet").warning(
        "%s: %s is %s bytes here; the least found, with all computed again that helps, is %s (%s without): smaller batches need less",
        name,
        SETTINGS["memory_budget"].variable,
        f"{budget:,}",
        f"{least:,}",
        f"{without:,}",
    )
