"""``npx``: neural network functions beside ``np``, devices, files, and the switch between NumPy's rules and 1.x's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridnet import absent
from hybridnet.device import Device
from hybridnet.ndarray import image
from hybridnet.numpy_extension import random
from hybridnet.numpy_extension.functions import FUNCTIONS

globals().update(FUNCTIONS)

__all__ = [*FUNCTIONS, "Device", "image", "random"]

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
else:
    __getattr__ = absent.teller(__name__)
