"""What MXNet keeps in ``gluon.contrib``, as far as it is there."""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.gluon.contrib import data, estimator

__all__ = ["data", "estimator"]

if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
