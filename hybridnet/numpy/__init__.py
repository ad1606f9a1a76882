"""``np``: NumPy's interface over arrays on any device, recorded and traced.

Functions, constants and dtypes have NumPy's names. Some rules differ, as in MXNet: arrays of
Python's numbers and floating results of integers are float32, integers with floats give the floats' dtype, and
NumPy's scalars count as Python's numbers (``docs/differences.md``). ``out=`` is taken by every function of arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridnet import absent
from hybridnet.core import NDArray as ndarray
from hybridnet.numpy import fft, function_base, io, lib, linalg, random, stride_tricks, utils
from hybridnet.numpy import standard as _standard  # noqa: F401  arrays give the standard's namespace by it
from hybridnet.numpy.applying import vectorize
from hybridnet.numpy.functions import FUNCTIONS
from hybridnet.numpy.grids import c_, index_exp, mgrid, ogrid, r_, s_
from hybridnet.numpy.poly1d import poly1d
from hybridnet.ops import methods as _methods  # noqa: F401  it attaches the methods of arrays

globals().update({name: getattr(utils, name) for name in utils.__all__})
globals().update(FUNCTIONS)

__all__ = [
    *FUNCTIONS, *utils.__all__, "fft", "linalg", "random", "ndarray", "poly1d", "vectorize", "c_", "r_", "s_", "index_exp", "mgrid",
    "ogrid", "function_base", "io", "lib", "stride_tricks", "utils",
]  # fmt: skip

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
else:
    _LATER = ("arrayprint", "fallback", "fallback_linalg", "multiarray")
    _operators = {f"_{name}": f"hybridnet.numpy_operators.namespaces:{name}" for name in ("internal", "op")}
    __getattr__, __dir__ = absent.Later(__name__, {**{name: f"hybridnet.numpy.{name}" for name in _LATER}, **_operators}).functions
