"""What MXNet keeps in ``gluon.contrib.data``."""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.gluon.contrib.data import sampler, text
from hybridnet.gluon.contrib.data.sampler import IntervalSampler

__all__ = ["IntervalSampler", "sampler", "text"]

if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
