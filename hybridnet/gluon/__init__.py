"""Gluon: networks of blocks, their parameters, losses and the trainer."""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.errors import DeferredInitializationError
from hybridnet.gluon import block, contrib, data, loss, model_zoo, nn, parameter, rnn, utils
from hybridnet.gluon.block import Block, HybridBlock
from hybridnet.gluon.parameter import Constant, Parameter, ParameterDict
from hybridnet.gluon.trainer import Trainer

__all__ = [
    "Block",
    "Constant",
    "DeferredInitializationError",
    "HybridBlock",
    "Parameter",
    "ParameterDict",
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
