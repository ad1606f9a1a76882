"""``mx.library``: operators from a shared library, which MXNet loads into its own binary."""

from __future__ import annotations

from typing import NoReturn

from hybridnet.errors import ArgumentError, fail

__all__ = ["load"]


def load(path: str, verbose: bool = True) -> NoReturn:
    """Always an ArgumentError: such a library is made for MXNet's binary, and nothing of it can run here."""
    fail(
        ArgumentError,
        "library.load",
        expected="an operator written in Python",
        got=f"{path!r}, a library for MXNet's own binary",
        fix="mx.operator.CustomOp, autograd.Function, or an operator of its own as CONTRIBUTING.md shows",
    )
