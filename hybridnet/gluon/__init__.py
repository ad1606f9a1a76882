"""Gluon: networks of blocks, their parameters, losses and the trainer."""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.errors import DeferredInitializationError
from hybridnet.gluon import block, contrib, data, loss, model_zoo, nn, parameter, rnn, utils
from hybridnet.gluon.block import Block
from hybridnet.gluon.hybrid import HybridBlock
from hybridnet.gluon.parameter import Constant, Parameter
from hybridnet.gluon.parameter_dict import ParameterDict
from hybridnet.gluon.symbol_block import SymbolBlock
from hybridnet.gluon.trainer import Trainer

# MXNet's places for them, from which programs import.
block.HybridBlock = HybridBlock  # type: ignore[attr-defined]
parameter.ParameterDict = ParameterDict  # type: ignore[attr-defined]
block.SymbolBlock = nn.SymbolBlock = SymbolBlock  # type: ignore[attr-defined]

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

if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
