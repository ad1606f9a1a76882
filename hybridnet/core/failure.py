"""The error for an operator that failed while it computed: eager, or as a line of a program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hybridnet.errors import HybridnetError, Site, message


def failure(op: str, operands: Sequence[Any], attrs: Mapping[str, Any], error: Exception, site: Site | None = None) -> HybridnetError:
    """What to raise from ``error``: the operator, its operands (specs and numbers), and what NumPy said."""
    got = ", ".join(map(str, operands)) + "".join(f", {k}={v!r}" for k, v in attrs.items())
    return HybridnetError(
        message(op, expected="operands that it can compute with", got=f"{got} ({type(error).__name__}: {error})", site=site)
    )
