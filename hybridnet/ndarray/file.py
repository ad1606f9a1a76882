"""``nd.save`` and ``nd.load``: arrays in MXNet's binary files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hybridnet import core, serialization
from hybridnet.device import Device
from hybridnet.ndarray.classic import NDArray


def save(fname: str | os.PathLike[str], data: Any) -> None:
    """Write an array, a list of arrays, or arrays by name, to a file that MXNet reads too."""
    arrays = data if isinstance(data, (Mapping, Sequence)) else [data]
    serialization.save(fname, arrays)


def load(fname: str | os.PathLike[str]) -> Any:
    """The arrays in a file, as a list or by name."""
    return as_arrays(serialization.load(fname), NDArray)


def load_frombuffer(buf: bytes) -> Any:
    """The arrays in the contents of a file."""
    return as_arrays(serialization.decode(buf), NDArray)


def as_arrays(host: Any, cls: type[core.NDArray]) -> Any:
    """NumPy arrays and stored data, in a list or by name, as arrays of class ``cls`` (or of their storage's) on the host."""
    make: Callable[[Any], Any] = lambda x: core.array(x, x.dtype, Device("cpu", 0), cls)
    return {k: make(v) for k, v in host.items()} if isinstance(host, dict) else [make(v) for v in host]
