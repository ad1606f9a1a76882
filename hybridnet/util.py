"""Which rules new arrays follow: NumPy's (the default) or MXNet 1.x's, as ``mx.util`` and ``npx`` switch them.

The switch decides the class of the arrays that Gluon makes on its own (parameters, batches):
``np.ndarray`` under NumPy's rules, ``nd.NDArray`` otherwise. Arrays keep their class from then on.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from hybridnet import ndarray as nd
from hybridnet import numpy as np
from hybridnet.device import Device, gpu_memory_info, num_gpus

F = TypeVar("F", bound=Callable[..., Any])


class _Rules:
    """The rules of the whole process, and of a thread inside ``np_array`` blocks."""

    def __init__(self) -> None:
        self.everywhere = True
        self.here = threading.local()


_rules = _Rules()


def is_np_array() -> bool:
    """Whether new arrays follow NumPy's rules."""
    return getattr(_rules.here, "np", _rules.everywhere)


def is_np_shape() -> bool:
    """Whether arrays of zero dimensions and of zero elements are meant literally; as :func:`is_np_array`."""
    return is_np_array()


def is_np_default_dtype() -> bool:
    """Whether new floating arrays are float64; always false: they are float32."""
    return False


def set_np(shape: bool = True, array: bool = True, dtype: bool = False) -> None:
    """Make new arrays follow NumPy's rules from now on; this is so from the start."""
    _rules.everywhere = bool(array)


def reset_np() -> None:
    """Make new arrays follow MXNet 1.x's rules from now on."""
    _rules.everywhere = False


class np_array:
    """A block, or a decorated function, in which arrays follow NumPy's rules (or 1.x's, with ``False``)."""

    def __init__(self, active: bool = True) -> None:
        self.active = bool(active)
        self.before: list[bool | None] = []

    def __enter__(self) -> np_array:
        self.before.append(getattr(_rules.here, "np", None))
        _rules.here.np = self.active
        return self

    def __exit__(self, *exc: object) -> None:
        before = self.before.pop()
        if before is None:
            del _rules.here.np
        else:
            _rules.here.np = before

    def __call__(self, function: F) -> F:
        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with np_array(self.active):
                return function(*args, **kwargs)

        return inside  # type: ignore[return-value]


np_shape = np_array


def use_np(function: F) -> F:
    """Decorator: a function, or every method of a class, runs under NumPy's rules."""
    if isinstance(function, type):
        for name, value in list(vars(function).items()):
            if callable(value) and not isinstance(value, type):
                setattr(function, name, np_array()(value))
        return function  # type: ignore[return-value]
    return np_array()(function)


use_np_array = use_np_shape = use_np


def get_gpu_count() -> int:
    """How many CUDA devices can be used."""
    return num_gpus()


def get_gpu_memory(gpu_dev_id: int) -> tuple[int, int]:
    """Free and total bytes of a GPU's memory."""
    return gpu_memory_info(gpu_dev_id)


def default_array(source_array: Any, ctx: Any = None, dtype: Any = None) -> Any:
    """A new array under the current rules."""
    from_source = np.array if is_np_array() else nd.array
    return from_source(source_array, dtype=dtype, ctx=None if ctx is None else Device(ctx))
