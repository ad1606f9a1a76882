"""Gluon: networks of blocks, their parameters, losses and the trainer."""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.errors import DeferredInitializationError
from hybridnet.gluon import contrib, data, loss, nn, rnn, utils
from hybridnet.gluon.block import Block
from hybridnet.gluon.hybrid import HybridBlock
from hybridnet.gluon.parameter import Constant, Parameter
from hybridnet.gluon.parameter_dict import ParameterDict
from hybridnet.gluon.trainer import Trainer

__all__ = [
    "Block",
    "Constant",
    "DeferredInitializationError",
    "HybridBlock",
    "Parameter",
    "ParameterDict",
    "Trainer",
    "contrib",
    "data",
    "loss",
    "nn",
    "rnn",
    "utils",
]

if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
