"""The module in which MXNet keeps the reading and writing of arrays."""

from hybridnet.numpy_extension.functions import FUNCTIONS

__all__ = ["load", "save"]

load, save = FUNCTIONS["load"], FUNCTIONS["save"]
