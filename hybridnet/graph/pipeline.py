"""How every listed rewrite runs: left out by its name; verified, and shown, under ``HYBRIDNET_DEBUG``; told to who watches.

The lists are :data:`hybridnet.graph.passes.PASSES` and :data:`hybridnet.lowering.LOWERING`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from hybridnet.config import config
from hybridnet.graph.diff import graph_diff
from hybridnet.graph.ir import Graph
from hybridnet.graph.verify import verify, verify_communication


class PassRun(NamedTuple):
    """A pass that ran: the graph before it and after it, and the seconds that it took."""

    name: str
    before: Graph
    after: Graph
    seconds: float


class _Watching(threading.local):
    """Of a thread: the runs of passes while somebody wants them."""

    runs: list[PassRun] | None = None


_watching = _Watching()


@contextmanager
def watched_passes() -> Iterator[list[PassRun]]:
    """The passes that run in the body, in order; those that run within another pass, on graphs of its nodes, are part of that one."""
    outer, _watching.runs = _watching.runs, []
    try:
        yield _watching.runs
    finally:
        _watching.runs = outer


def run_pass(name: str, rewrite: Callable[..., Graph], graph: Graph, *given: object) -> Graph:
    """The graph after ``rewrite(graph, *given)``, unless ``HYBRIDNET_DISABLE_PASSES`` names it."""
    if name in config.disabled_passes:
        return graph
    after = rewrite(graph, *given) if _watching.runs is None else _watched(name, rewrite, graph, *given)
    if config.debug >= 1:
        verify(after, name)
        verify_communication(graph, after, name)
    if config.debug >= 4 and (difference := graph_diff(graph, after)):
        print(f"-- pass {name}: {len(graph.nodes)} nodes became {len(after.nodes)}\n{difference}")
    return after


def _watched(name: str, rewrite: Callable[..., Graph], graph: Graph, *given: object) -> Graph:
    runs, _watching.runs = _watching.runs, None
    assert runs is not None
    try:
        begin = time.perf_counter()
        after = rewrite(graph, *given)
        runs.append(PassRun(name, graph, after, time.perf_counter() - begin))
        return after
    finally:
        _watching.runs = runs
