"""All operators of ``np`` and ``npx``, entered: which takes a while, so that it is done when one is first asked for."""

from __future__ import annotations

from hybridnet.numpy_operators import aliases, assigning, linalg, making, pointwise, random, reductions, shapes
from hybridnet.numpy_operators.register import FUNCTIONS, OPERATORS

__all__ = ["FUNCTIONS", "OPERATORS", "aliases", "assigning", "linalg", "making", "pointwise", "random", "reductions", "shapes"]
