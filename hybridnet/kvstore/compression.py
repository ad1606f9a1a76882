"""Gradients in two bits: what each device sends is a threshold up, a threshold down, or nothing; the rest waits for the next time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hybridnet.errors import ArgumentError, fail


class TwoBit:
    """Compression with feedback of the error (Seide et al., 2014): of a value and what was left before, ``threshold`` times the sign.

    Where the two do not reach the threshold, nothing.
    """

    def __init__(self, threshold: float = 0.5) -> None:
        if threshold <= 0:
            fail(ArgumentError, "KVStore.set_gradient_compression", expected="a threshold above 0", got=str(threshold))
        self.threshold = threshold
        self._rests: dict[tuple[Any, int], Any] = {}

    def __call__(self, key: Any, values: Sequence[Any]) -> list[Any]:
        """What of the values of a key, one a device, is sent."""
        return [self._sent((key, i), value.detach()) for i, value in enumerate(values)]

    def _sent(self, place: tuple[Any, int], value: Any) -> Any:
        rest = self._rests.get(place)
        total = value if rest is None else value + rest
        sent = ((total >= self.threshold).astype(value.dtype) - (total <= -self.threshold).astype(value.dtype)) * self.threshold
        self._rests[place] = total - sent
        return sent


def compression(params: Any) -> TwoBit:
    """The compression that ``{"type": "2bit", "threshold": 0.5}`` asks for; ArgumentError for another."""
    if not isinstance(params, dict) or params.get("type") != "2bit" or not set(params) <= {"type", "threshold"}:
        expected = '{"type": "2bit", "threshold": number}'
        fail(ArgumentError, "KVStore.set_gradient_compression", expected=expected, got=repr(params))
    return TwoBit(float(params.get("threshold", 0.5)))
