"""What MXNet keeps in ``gluon.contrib``."""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.gluon.contrib import cnn, data, estimator, nn, rnn

__all__ = ["cnn", "data", "estimator", "nn", "rnn"]

if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
