"""Gluon: networks of blocks, their parameters, losses and the trainer."""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.errors import DeferredInitializationError
from hybridnet.gluon import block, loss, nn, parameter, rnn, utils
from hybridnet.gluon.block import Block, HybridBlock
from hybridnet.gluon.parameter import Constant, Parameter, ParameterDict
from hybridnet.gluon.symbol_block import SymbolBlock
from hybridnet.gluon.trainer import Trainer

__all__ = [
    "Block",
    "Constant",
    "DeferredInitializationError",
    "HybridBlock",
    "Parameter",
    "ParameterDict",
    "SymbolBlock",
    "Trainer",
    "block",
    "contrib",
    "data",
    "loss",
    "model_zoo",
    "nn",
    "parameter",
    "rnn",
    "utils",
]

if TYPE_CHECKING:
    from hybridnet.gluon import contrib, data, model_zoo
else:
    _sources = {name: f"hybridnet.gluon.{name}" for name in ("contrib", "data", "model_zoo")}
    __getattr__, __dir__ = absent.Later(__name__, _sources).functions
