"""``mx.contrib``: MXNet's other way to the operators of ``nd.contrib`` and ``sym.contrib``, and to what it keeps aside."""

from typing import TYPE_CHECKING

from hybridnet import absent, amp
from hybridnet.contrib import autograd, io, quantization, svrg_optimization, tensorboard, text
from hybridnet.ndarray import contrib as nd
from hybridnet.ndarray import contrib as ndarray
from hybridnet.symbol import contrib as sym
from hybridnet.symbol import contrib as symbol

__all__ = [
    "amp",
    "autograd",
    "io",
    "nd",
    "ndarray",
    "quantization",
    "svrg_optimization",
    "sym",
    "symbol",
    "tensorboard",
    "text",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = absent.Later(__name__, {"onnx": "hybridnet.onnx"}).functions
