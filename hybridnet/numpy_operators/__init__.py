"""The operators of MXNet's ``np`` and ``npx`` by the names that they have in files: records as those of classic ones, under NumPy's rules.

What they compute is ``hybridnet.numpy``'s; symbols of ``sym.np`` are made of them (:mod:`hybridnet.symbol.numpy`), and files that
MXNet wrote of networks on ``np`` are read by them. MXNet writes some of ``np`` as classic operators, which are no second time here.
Most programs have no such symbols: :data:`OPERATORS` and :data:`FUNCTIONS` are made when they are first looked up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybridnet import absent

if TYPE_CHECKING:
    from hybridnet.numpy_operators.records import FUNCTIONS, OPERATORS
else:
    _NAMES = ("FUNCTIONS", "OPERATORS")
    __getattr__, __dir__ = absent.Later(__name__, {name: f"hybridnet.numpy_operators.records:{name}" for name in _NAMES}).functions

__all__ = ["FUNCTIONS", "OPERATORS"]
