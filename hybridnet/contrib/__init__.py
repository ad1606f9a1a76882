"""``mx.contrib``: MXNet's other way to the operators of ``nd.contrib``, and to what it keeps aside."""

from typing import TYPE_CHECKING

from hybridnet import absent, amp
from hybridnet.ndarray import contrib as nd
from hybridnet.ndarray import contrib as ndarray

__all__ = ["amp", "nd", "ndarray"]

if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
