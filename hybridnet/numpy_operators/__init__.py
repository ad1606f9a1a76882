"""The operators of MXNet's ``np`` and ``npx`` by the names that they have in files: records as those of classic ones, under NumPy's rules.

What they compute is ``hybridnet.numpy``'s; symbols of ``sym.np`` are made of them (:mod:`hybridnet.symbol.numpy`), and files that
MXNet wrote of networks on ``np`` are read by them. MXNet writes some of ``np`` as classic operators, which are no second time here.
"""

from __future__ import annotations

from hybridnet.numpy_operators import linalg, making, pointwise, random, reductions, shapes
from hybridnet.numpy_operators.register import FUNCTIONS, OPERATORS, numpy_operator

__all__ = ["FUNCTIONS", "OPERATORS", "linalg", "making", "numpy_operator", "pointwise", "random", "reductions", "shapes"]
