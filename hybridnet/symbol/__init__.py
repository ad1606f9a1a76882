"""``sym``: MXNet's symbols, graphs of its operators by their names, that are bound to arrays and run as compiled programs.

``sym.X`` exists for every classic operator, made from the record that ``nd.X`` is made from (:mod:`hybridnet.symbol.register`).
A graph is in :mod:`hybridnet.symbol.node`, made by :mod:`compose`, its shapes found by :mod:`infer` and :mod:`probe`, read and written by
:mod:`reading` and :mod:`writing`, run by :mod:`executor`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridnet import absent
from hybridnet.symbol import contrib, image, linalg, methods, random, register, sparse
from hybridnet.symbol.creation import (
    Variable,
    arange,
    eye,
    full,
    histogram,
    hypot,
    linspace,
    maximum,
    minimum,
    ones,
    pow,
    power,
    split_v2,
    var,
    zeros,
)
from hybridnet.symbol.executor import Executor
from hybridnet.symbol.symbol import Group, NotImplementedForSymbol, Symbol, fromjson, load, load_json

_public = register.public()
globals().update({name: function for name, function in _public.items() if name not in globals()})
#: All operators by all of their names, as ``sym._internal._plus_scalar``; ``sym.op`` has those without underscores.
_internal = absent.namespace(f"{__name__}._internal", "The operators by all of their names.", register.internal())
op = absent.namespace(f"{__name__}.op", "The operators of ``sym``.", _public)

__all__ = [
    *_public, "Executor", "Group", "NotImplementedForSymbol", "Symbol", "Variable", "arange", "contrib", "eye", "fromjson", "full",
    "histogram", "hypot", "image", "linalg", "linspace", "load", "load_json", "maximum", "methods", "minimum", "np", "npx", "numpy",
    "numpy_extension", "ones", "pow", "power", "random", "sparse", "split_v2", "var", "zeros",
]  # fmt: skip

if TYPE_CHECKING:
    from hybridnet.symbol import numpy, numpy_extension
    from hybridnet.symbol import numpy as np
    from hybridnet.symbol import numpy_extension as npx

    def __getattr__(name: str) -> Any: ...
else:
    _later = {"np": "numpy", "numpy": "numpy", "npx": "numpy_extension", "numpy_extension": "numpy_extension"}
    __getattr__, __dir__ = absent.Later(__name__, {name: f"hybridnet.symbol.{module}" for name, module in _later.items()}).functions
