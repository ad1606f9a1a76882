"""Winograd's transform of 3 × 3 convolutions, for inference: a quarter of the multiplications, where that is faster.

===============  ==========================================================================
``transforms``   its matrices, and the weight's transform
``loops``        a piece of a convolution, as numba compiles it
``calls``        planned calls
``by_numpy``     the same by NumPy alone
``choice``       whether a convolution is computed so, by timing, kept on disk
===============  ==========================================================================
"""

from hybridnet.device.winograd import by_numpy
from hybridnet.device.winograd.calls import NAME, Call, Packing, planned, takes
from hybridnet.device.winograd.choice import faster, is_open, offered

__all__ = ["NAME", "Call", "Packing", "by_numpy", "faster", "is_open", "offered", "planned", "takes"]
