"""What holds an arena while a backward may still need what lies in it."""

from __future__ import annotations

from typing import Any


class Lease:
    """Holds an instance of a program, whose arena is free again when the lease is dropped."""

    __slots__ = ("instance",)

    def __init__(self, instance: Any) -> None:
        self.instance = instance

    def __del__(self) -> None:
        self.instance.arena.taken.release()
