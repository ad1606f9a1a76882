"""``npx``: neural network functions beside ``np``, devices, files, and the switch between NumPy's rules and 1.x's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridnet import absent
from hybridnet.base import classproperty, with_metaclass
from hybridnet.device import Device
from hybridnet.ndarray import image
from hybridnet.numpy_extension import random, utils
from hybridnet.numpy_extension.functions import FUNCTIONS

globals().update(FUNCTIONS)

Context = Device

__all__ = [*FUNCTIONS, "Context", "Device", "classproperty", "image", "random", "utils", "with_metaclass"]

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
else:
    _classic = {
        "multibox_detection": ".contrib:MultiBoxDetection",
        "multibox_prior": ".contrib:MultiBoxPrior",
        "multibox_target": ".contrib:MultiBoxTarget",
        "rnn": ":RNN",
        "roi_pooling": ":ROIPooling",
        "shape_array": ":shape_array",
    }
    _later = {name: f"hybridnet.ndarray{place}" for name, place in _classic.items()}
    __getattr__, __dir__ = absent.Later(__name__, {**_later, "_op": "hybridnet.numpy_operators.namespaces:extension"}).functions
