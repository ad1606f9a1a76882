"""What the library does behind a product before it writes: a bias, a sum, a function of the sum.

A relu is a leaky one of slope 0, plus 0: the library's own gives 0 for NaN, this one NaN. Of all numbers -inf alone, which is what left the
range of the type, is not what max(x, 0) makes of it, but NaN too. It takes as long (two threads, (1,56,56,64) ∗ (64,3,3,64): 1.04 ms each).
"""

from __future__ import annotations

from ctypes import c_float, c_int
from typing import Any, NamedTuple

import numpy as np

from hybridnet.device.onednn.loading import Library, Object
from hybridnet.device.onednn.primitives import attributes

BIAS = 41  # an argument
_ADD = 0x1FFF0
_LINEAR, _CLIP = 0x26, 0x2E  # functions of one number
_BEHIND, _SECOND, _SLOPES = 32768, 2, 33  # arguments of what is behind a product: those of its n-th part begin at n times that
ADDED = _BEHIND | _SECOND  # the argument that is added, which comes first
_NO_SLOPE = np.zeros(1, np.float32)


class Activation(NamedTuple):
    """A function that the result is put through: ``relu``, or ``clip`` to ``low`` .. ``high``, which takes NaN for ``low``."""

    name: str
    low: float = 0.0
    high: float = 0.0


def constants(added: bool, activation: Activation | None) -> tuple[tuple[int, Any], ...]:
    """The arguments besides the operands: their numbers and arrays."""
    if activation is None or activation.name != "relu":
        return ()
    return ((_BEHIND * (1 + added) | _SLOPES, _NO_SLOPE),)


def attributes_of(lib: Library, added: Object | None, activation: Activation | None) -> Object:
    """The attributes of a product; ``added``: the description of what is added to it."""
    made = attributes(lib)
    if added is None and activation is None:
        return made
    behind = lib.make("post_ops_create", "post_ops_destroy")
    if added is not None:
        lib.do("post_ops_append_binary", behind, c_int(_ADD), added)
    match activation:
        case Activation("relu"):
            lib.do("post_ops_append_prelu", behind, c_int(0))  # one slope for all channels
            lib.do("post_ops_append_eltwise", behind, c_int(_LINEAR), c_float(1), c_float(0))
        case Activation("clip", low, high):
            lib.do("post_ops_append_eltwise", behind, c_int(_CLIP), c_float(low), c_float(high))
    lib.do("primitive_attr_set_post_ops", made, behind)
    return made
