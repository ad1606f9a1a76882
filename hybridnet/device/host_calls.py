"""What planned calls on a CPU share: arrays that stay the same, and addresses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def bound(call: Callable[..., None], arrays: Sequence[Any], scratch: Any) -> Callable[..., None]:
    """``call`` on arrays and scratch that stay the same, but for those that are None, which each run is given."""
    fixed = list(arrays)
    open_places = [i for i, x in enumerate(arrays) if x is None]

    def run(*given: Any) -> None:
        every = list(fixed)
        for i, array in zip(open_places, given, strict=True):
            every[i] = array
        call(*every, scratch=scratch)

    return run


def address(array: Any) -> int:
    """Where an array's first element lies."""
    return int(array.__array_interface__["data"][0])
