"""What holds an arena while a backward may still need what lies in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Lease:
    """Holds an instance of a program, whose arena is free again when the lease is dropped."""

    __slots__ = ("instance",)

    def __init__(self, instance: Any) -> None:
        self.instance = instance

    def __del__(self) -> None:
        self.instance.arena.taken.release()


def leased(instance: Any, inputs: Sequence[Any]) -> tuple[tuple[Any, ...], Lease]:
    """Run an instance whose arena is held: the results, and the lease that holds it from then on.

    If the run fails the arena is free at once, and not when the traceback is dropped, which refers to what runs.
    """
    try:
        results = instance.run(inputs)
    except BaseException:
        instance.arena.taken.release()
        raise
    return results, Lease(instance)
