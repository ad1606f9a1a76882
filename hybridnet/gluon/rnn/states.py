"""The states of recurrent layers and cells: what they look like, and the zeros (or else) that a sequence begins with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hybridnet import ndarray
from hybridnet.core import NDArray
from hybridnet.errors import ShapeError, fail
from hybridnet.ops.array import creation
from hybridnet.util import is_np_array

#: Of each state its shape and the meaning of its axes, ``{"shape": (2, 8, 64), "__layout__": "LNC"}``.
StateInfo = list[dict[str, Any]]


def first_states(info: StateInfo, func: Callable[..., Any] | None, **kwargs: Any) -> list[Any]:
    """``func(shape=..., **kwargs)`` for each state; zeros, by the rules of now, unless ``func`` is given."""
    make = func or (creation.zeros if is_np_array() else ndarray.zeros)
    return [make(shape=state["shape"], **kwargs) for state in info]


def states_like(info: StateInfo, inputs: Any) -> list[Any]:
    """Zeros of the inputs' class, dtype and device."""
    make = ndarray.zeros if isinstance(inputs, ndarray.NDArray) else creation.zeros
    return [make(shape=state["shape"], ctx=inputs.device, dtype=inputs.dtype) for state in info]


def listed(name: str, states: Any, info: StateInfo) -> list[Any]:
    """``states``, one array or several, as a list of as many as there must be, of the right shapes."""
    given: Sequence[Any] = [states] if isinstance(states, NDArray) else list(states)
    expected = [state["shape"] for state in info]
    if [s.shape for s in given] != expected:
        fail(
            ShapeError,
            name,
            expected=f"states of shape {' and '.join(map(str, expected))}",
            got=" and ".join(str(s.shape) for s in given) or "none",
            fix="begin_state(batch_size)",
        )
    return list(given)
