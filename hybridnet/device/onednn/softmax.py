"""Softmax of rows, and its gradient."""

from __future__ import annotations

import math
from ctypes import c_int
from dataclasses import dataclass
from typing import Any

from hybridnet.device.onednn.layouts import Operand, Shape
from hybridnet.device.onednn.loading import Library, Object
from hybridnet.device.onednn.plans import Description
from hybridnet.device.onednn.primitives import attributes

_TRAINING = 64
_ACCURATE = 0x30000  # the largest of a row is subtracted first


@dataclass(frozen=True)
class Softmax(Description):
    """Of the rows of float32 ``data`` along its last axis; forward, or ``backward``.

    Forward: the data gives the result. Backward: the result's gradient and the result give the data's gradient.
    """

    backward: bool
    data: Shape

    def __str__(self) -> str:
        return f"softmax{' backward' * self.backward}, data {self.data}"

    @property
    def multiply_adds(self) -> int:
        """A few for each element, of which an exponential is some."""
        return 8 * math.prod(self.data)

    def operands(self) -> tuple[Operand, ...]:
        """The operands, then the result."""
        return (self._data(145), self._data(17), self._data(129)) if self.backward else (self._data(1), self._data(17))

    def _data(self, argument: int) -> Operand:
        axes = tuple(range(len(self.data)))
        return Operand(argument, self.data, axes, axes)

    def described(self, lib: Library, given: dict[int, Any]) -> Object:
        """The library's description, for the number of threads that is set."""
        x, axis = self._data(0).wanted(lib), c_int(len(self.data) - 1)
        forward = lib.make(
            "softmax_forward_primitive_desc_create",
            "primitive_desc_destroy",
            *(lib.engine, c_int(_TRAINING), c_int(_ACCURATE), x, x, axis, attributes(lib)),
        )
        if not self.backward:
            return forward
        return lib.make(
            "softmax_backward_primitive_desc_create",
            "primitive_desc_destroy",
            *(lib.engine, c_int(_ACCURATE), x, x, x, axis, forward, attributes(lib)),
        )
