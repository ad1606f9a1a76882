"""The module in which MXNet keeps the array and the functions of arrays."""

from hybridnet.core import NDArray as ndarray
from hybridnet.numpy.functions import FUNCTIONS

globals().update(FUNCTIONS)

__all__ = [*FUNCTIONS, "ndarray"]
