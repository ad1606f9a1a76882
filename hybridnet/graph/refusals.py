"""The account of operators that a library was to compute and refused.

Whoever settles that such a node goes another way says so to :func:`tell_refusal`: the first time of an operator on a GPU is a warning,
a program's ``explain`` shows what was told while its graph was optimised (:func:`told_refusals`), and :func:`refusals` is what a
benchmark records.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from hybridnet.core import Op
from hybridnet.device.refusals import Refused
from hybridnet.graph.backend import backend_of, implementation_of
from hybridnet.graph.implementation import ArrayModule, Decomposed
from hybridnet.graph.ir import Node


class Refusal(NamedTuple):
    """An operator that goes another way, since the library that was to compute it refused."""

    op: str
    site: str  # the user's line and block, where they are known
    library: str
    wanted: str  # what the library was asked to compute
    reason: str
    instead: str  # how it is computed

    def __str__(self) -> str:
        where = f" at {self.site}" if self.site else ""
        return f"{self.op}{where}: {self.instead}, since {self.library} has no plan for {self.wanted}: {self.reason}"


class _Telling(threading.local):
    """Of a thread: the refusals that are told while somebody wants them."""

    told: dict[Refusal, None] | None = None


_telling = _Telling()
_refusals: dict[tuple[str, str], Refusal] = {}  # by operator and what was wanted
_warned: set[Op] = set()
_KEPT = 1000  # refusals that are kept


def refused(node: Node) -> Refused | None:
    """What the library that would compute a node says against it; None where it takes the node, or is not what would."""
    chosen = implementation_of(node)
    return chosen.refused if isinstance(chosen, (ArrayModule, Decomposed)) else None


def tell_refusal(node: Node, instead: str) -> None:
    """Keep account of a node that is computed ``instead``, if a library's refusal is why; the first time of an operator is a warning."""
    reason = refused(node)
    if reason is None:
        return
    refusal = Refusal(node.op.name, str(node.site or ""), *reason, instead)
    if node.op not in _warned:
        _warned.add(node.op)
        logging.getLogger("hybridnet").log(logging.WARNING if backend_of(node.device).refusals_warn else logging.INFO, "%s", refusal)
    if len(_refusals) < _KEPT:
        _refusals.setdefault((node.op.name, reason.wanted), refusal)
    if _telling.told is not None:
        _telling.told[refusal] = None


@contextmanager
def told_refusals() -> Iterator[dict[Refusal, None]]:
    """The refusals that are told in the body, each once, in order."""
    outer, _telling.told = _telling.told, {}
    try:
        yield _telling.told
    finally:
        _telling.told = outer


def refusals() -> list[dict[str, str]]:
    """All refusals of this process, the first one of each operator and thing wanted, as JSON has them: the fields of :class:`Refusal`."""
    return [refusal._asdict() for refusal in list(_refusals.values())]
