"""Optimizers: ``optimizer.create("adam", learning_rate=1e-3)``; Gluon's ``Trainer`` drives them."""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.optimizer import contrib, optimizer
from hybridnet.optimizer.adaptive import FTML, AdaDelta, AdaGrad, Adam, Adamax, AdamW, Ftrl, GroupAdaGrad, Nadam, RMSProp
from hybridnet.optimizer.base import Optimizer, create, register
from hybridnet.optimizer.large_batch import LARS, LBSGD
from hybridnet.optimizer.layerwise import LAMB
from hybridnet.optimizer.momentum import DCASGD, NAG, SGD, SGLD, Signum, Test, ccSGD
from hybridnet.optimizer.updater import Updater, get_updater

__all__ = [
    "DCASGD", "FTML", "LAMB", "LARS", "LBSGD", "NAG", "SGD", "SGLD", "AdaDelta", "AdaGrad", "Adam", "AdamW", "Adamax", "Ftrl",
    "GroupAdaGrad", "Nadam", "Optimizer", "RMSProp", "Signum", "Test", "Updater", "ccSGD", "contrib", "create", "get_updater",
    "optimizer", "register",
]  # fmt: skip

if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
