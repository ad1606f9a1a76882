"""``nd.utils``: MXNet's other place for ways to make, save and load arrays."""

from __future__ import annotations

from hybridnet.ndarray.creation import array, empty, zeros
from hybridnet.ndarray.file import load, load_frombuffer, save

__all__ = ["array", "empty", "load", "load_frombuffer", "save", "zeros"]
