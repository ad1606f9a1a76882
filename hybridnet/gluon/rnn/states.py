"""The states of recurrent layers and cells: what they look like, and the zeros (or else) that a sequence begins with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hybridnet import ndarray
from hybridnet.core import NDArray, as_class
from hybridnet.errors import ShapeError, fail
from hybridnet.gluon.symbolic import is_symbolic
from hybridnet.ops.array import creation
from hybridnet.util import is_np_array

#: Of each state its shape and the meaning of its axes, ``{"shape": (2, 8, 64), "__layout__": "LNC"}``.
StateInfo = list[dict[str, Any]]


def first_states(info: StateInfo, func: Callable[..., Any] | None, **kwargs: Any) -> list[Any]:
    """``func(shape=..., **kwargs)`` for each state; zeros, by the rules of now, unless ``func`` is given."""
    make = func or (creation.zeros if is_np_array() else ndarray.zeros)
    usual = {} if func else {"dtype": "float32"}  # the type that parameters have unless told, whatever arrays have
    return [make(shape=s["shape"], **{**usual, **({"dtype": s["dtype"]} if "dtype" in s else {}), **kwargs}) for s in info]


def batch_of(inputs: Any, layout: str) -> int:
    """The length of the batch axis of ``layout``; 0, which is MXNet's unknown length, of what has no shape yet."""
    return int(inputs.shape[layout.index("N")]) if isinstance(inputs, NDArray) else 0


def states_like(F: Any, info: StateInfo, inputs: Any, name: str) -> list[Any]:
    """Zeros of the inputs' class, dtype and device, where those are known; as symbols they are called ``name``, with a number."""
    if not isinstance(inputs, NDArray):
        said = [{"__layout__": state["__layout__"]} if is_symbolic((inputs,)) else {} for state in info]
        return [F.zeros(shape=state["shape"], name=f"{name}_{i}", **said[i]) for i, state in enumerate(info)]
    made = [F.zeros(shape=state["shape"], ctx=inputs.device, dtype=inputs.dtype) for state in info]
    return [as_class(zeros, type(inputs)) for zeros in made]


def listed(name: str, states: Any, info: StateInfo) -> list[Any]:
    """``states``, one array or several, as a list of as many as there must be; of arrays the shapes are checked."""
    given: Sequence[Any] = list(states) if isinstance(states, (list, tuple)) else [states]
    expected = [state["shape"] for state in info]
    if len(given) != len(expected) or any(isinstance(s, NDArray) and s.shape != shape for s, shape in zip(given, expected, strict=True)):
        fail(
            ShapeError,
            name,
            expected=f"states of shape {' and '.join(map(str, expected))}",
            got=" and ".join(str(s.shape) for s in given) or "none",
            fix="begin_state(batch_size)",
        )
    return list(given)
