"""Why a library computes something not at all: told by what asks it for a plan, heard by whoever wants to know.

Asking is part of deciding, so most refusals matter to nobody: the next question may be the same for arrays without gaps. Who settles
that an operator goes another way asks once more, and listens.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from hybridnet.config import config


class Refused(NamedTuple):
    """What a library was asked for and does not do: its name, what it was asked to compute, and its reason."""

    library: str
    wanted: str
    reason: str


class _Listening(threading.local):
    """Of a thread: where refusals are kept while somebody listens."""

    heard: list[Refused] | None = None


_listening = _Listening()


def tell(library: str, wanted: object, reason: object) -> None:
    """Say that a library has no plan for what was wanted, in the words of ``str``."""
    if _listening.heard is not None:
        _listening.heard.append(Refused(library, str(wanted), " ".join(str(reason).split())))


def absence(library: str) -> str:
    """Why a library that has been looked for in vain computes nothing."""
    return "HYBRIDNET_DISABLE_LIBRARIES names it" if library in config.disabled_libraries else "it was not found"


@contextmanager
def heard() -> Iterator[list[Refused]]:
    """The refusals of the body, as they come."""
    outer, _listening.heard = _listening.heard, []
    try:
        yield _listening.heard
    finally:
        _listening.heard = outer
