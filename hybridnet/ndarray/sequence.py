"""Classic operators on sequences of unlike lengths: (time, batch, ...), or (batch, time, ...) with ``axis=1``."""

from __future__ import annotations

from typing import Any

from hybridnet.ndarray.attributes import Array, Shape
from hybridnet.ndarray.record import Attributes, when
from hybridnet.ndarray.register import classic
from hybridnet.ndarray.shapes import from_input
from hybridnet.ops.nn import sequence

_ASKED = {"sequence_length": when("use_sequence_length")}


def _lengths(data: Shape, a: Attributes) -> dict[str, Shape]:
    return {"sequence_length": (data[1 - a["axis"]],)}


@classic("SequenceMask", "sequence_mask", asked=_ASKED, shapes=from_input("data", _lengths), shares=True)
def sequence_mask(
    data: Array, sequence_length: Array | None = None, use_sequence_length: bool = False, value: float = 0.0, axis: int = 0
) -> Any:
    """``data`` with the steps at and after each sequence's length set to ``value``."""
    return sequence.sequence_mask(data, sequence_length, use_sequence_length, value, axis)


@classic("SequenceLast", "sequence_last", asked=_ASKED, shapes=from_input("data", _lengths), shares=True)
def sequence_last(data: Array, sequence_length: Array | None = None, use_sequence_length: bool = False, axis: int = 0) -> Any:
    """The last step of each sequence: (batch, ...)."""
    return sequence.sequence_last(data, sequence_length, use_sequence_length, axis)


@classic("SequenceReverse", "sequence_reverse", asked=_ASKED, shapes=from_input("data", _lengths), shares=True)
def sequence_reverse(data: Array, sequence_length: Array | None = None, use_sequence_length: bool = False, axis: int = 0) -> Any:
    """Each sequence backwards, its steps at and after its length left where they are."""
    return sequence.sequence_reverse(data, sequence_length, use_sequence_length, axis)
