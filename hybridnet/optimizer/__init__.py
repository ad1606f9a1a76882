"""Optimizers: ``optimizer.create("adam", learning_rate=1e-3)``; Gluon's ``Trainer`` drives them."""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.optimizer.adaptive import FTML, AdaDelta, AdaGrad, Adam, Adamax, AdamW, Ftrl, GroupAdaGrad, Nadam, RMSProp
from hybridnet.optimizer.layerwise import LAMB
from hybridnet.optimizer.momentum import NAG, SGD, SGLD, Signum, ccSGD
from hybridnet.optimizer.optimizer import Optimizer, create, register
from hybridnet.optimizer.updater import Updater, get_updater

__all__ = [
    "FTML", "LAMB", "NAG", "SGD", "SGLD", "AdaDelta", "AdaGrad", "Adam", "AdamW", "Adamax", "Ftrl", "GroupAdaGrad", "Nadam",
    "Optimizer", "RMSProp", "Signum", "Updater", "ccSGD", "create", "get_updater", "register",
]  # fmt: skip

if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
