"""The module in which MXNet keeps ``meshgrid``."""

from hybridnet.numpy.functions import FUNCTIONS

__all__ = ["meshgrid"]

meshgrid = FUNCTIONS["meshgrid"]
