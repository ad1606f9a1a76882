"""``nd``: MXNet 1.x's array and its operators, under its names.

The functions are typed Python over the core operators, one family a file, entered by name into
:data:`OPERATORS`; this namespace shows all of them. ``nd.random``, ``nd.linalg``, ``nd.contrib``
and ``nd.image`` are the modules of those names.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from hybridnet import absent
from hybridnet.ndarray import contrib, creation, elementwise, image, indexing, linalg, methods, nn, outputs, random, reduce, shape
from hybridnet.ndarray.classic import NDArray
from hybridnet.ndarray.creation import from_dlpack, from_numpy, to_dlpack_for_read, to_dlpack_for_write, waitall
from hybridnet.ndarray.file import load, load_frombuffer, save
from hybridnet.ndarray.register import OPERATORS

globals().update(OPERATORS)
#: MXNet's other ways to the same functions: ``nd.op.relu``, ``nd._internal._plus_scalar``.
op = _internal = SimpleNamespace(**OPERATORS)

__all__ = [
    *OPERATORS, "NDArray", "OPERATORS", "contrib", "creation", "elementwise", "from_dlpack", "from_numpy", "image", "indexing",
    "linalg", "load", "load_frombuffer", "methods", "nn", "outputs", "random", "reduce", "save", "shape", "to_dlpack_for_read",
    "to_dlpack_for_write", "waitall",
]  # fmt: skip

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
else:
    __getattr__ = absent.teller(__name__)
