"""``mx.library``: operators from shared libraries. Refused: MXNet's are compiled against its C++ headers, which are not here."""

from __future__ import annotations

from typing import NoReturn

from hybridnet.errors import ArgumentError, fail

__all__ = ["load"]


def load(path: str, verbose: bool = True) -> NoReturn:
    """Refused, with what to do instead."""
    fail(
        ArgumentError,
        "library.load",
        expected="operators written in Python",
        got=f"the library {path!r}, which needs MXNet's own C++",
        fix="autograd.Function, or a HybridBlock",
    )
