"""The module in which MXNet keeps the array and the functions of arrays."""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.core import NDArray as ndarray
from hybridnet.numpy.functions import FUNCTIONS

globals().update(FUNCTIONS)

__all__ = [*FUNCTIONS, "ndarray"]


if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
