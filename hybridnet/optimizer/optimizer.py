"""The optimizers that MXNet keeps in ``optimizer.optimizer``, for programs that import them from there."""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.optimizer.adaptive import FTML, AdaDelta, AdaGrad, Adam, Adamax, Ftrl, Nadam, RMSProp
from hybridnet.optimizer.base import Optimizer, create, register
from hybridnet.optimizer.large_batch import LARS, LBSGD
from hybridnet.optimizer.layerwise import LAMB
from hybridnet.optimizer.momentum import DCASGD, NAG, SGD, SGLD, Signum, Test, ccSGD
from hybridnet.optimizer.updater import Updater, get_updater

__all__ = [
    "DCASGD", "FTML", "LAMB", "LARS", "LBSGD", "NAG", "SGD", "SGLD", "AdaDelta", "AdaGrad", "Adam", "Adamax", "Ftrl", "Nadam",
    "Optimizer", "RMSProp", "Signum", "Test", "Updater", "ccSGD", "create", "get_updater", "register",
]  # fmt: skip


if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
