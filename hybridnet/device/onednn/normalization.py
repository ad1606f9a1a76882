"""Batch norm by the statistics of the batch itself: forward, and its gradients. Variances are biased."""

from __future__ import annotations

import math
from ctypes import c_float, c_int, c_uint
from dataclasses import dataclass
from typing import Any

from hybridnet.device.onednn.layouts import Operand, Shape
from hybridnet.device.onednn.loading import Library, Object
from hybridnet.device.onednn.plans import Description
from hybridnet.device.onednn.primitives import attributes

_TRAINING, _BACKWARD = 64, 128
_SCALE, _SHIFT = 2, 4  # flags


@dataclass(frozen=True)
class BatchNorm(Description):
    """Of float32 ``data``, whose channels lie along ``axis``; forward, or ``backward``.

    Forward: the data, with ``scaled`` the scales of shape (channels,), and the shifts give the result, the mean and the variance, these of
    the data's shape with length 1 on all axes but the channels'. Backward: the result's gradient, the data, mean and variance,
    and the scales give the gradients of the data, of the scales and of the shifts.
    """

    backward: bool
    data: Shape
    axis: int
    eps: float
    scaled: bool

    def __str__(self) -> str:
        return f"batch norm{' backward' * self.backward}, data {self.data}, channels on axis {self.axis}"

    @property
    def multiply_adds(self) -> int:
        """A few for each element."""
        return 2 * math.prod(self.data)

    @property
    def results(self) -> int:  # type: ignore[override]
        """Forward three, backward one, and one for each parameter."""
        return 2 + self.scaled if self.backward else 3

    def operands(self) -> tuple[Operand, ...]:
        """The operands, then the results."""
        mean, variance = (self._statistic(number) for number in (49, 50))
        if self.backward:
            given = (self._data(145), self._data(1), mean, variance, *[self._parameter(51)] * self.scaled)
            return (*given, self._data(129), *[self._parameter(255)] * self.scaled, self._parameter(256))
        return (self._data(1), *[self._parameter(51)] * self.scaled, self._parameter(52), self._data(17), mean, variance)

    def _data(self, argument: int) -> Operand:
        axes = range(len(self.data))
        rest = tuple(a for a in axes if a not in (0, self.axis))
        return Operand(argument, self.data, (0, self.axis, *rest), (0, *rest, self.axis))

    def _statistic(self, argument: int) -> Operand:
        shape = tuple(n if a == self.axis else 1 for a, n in enumerate(self.data))
        return Operand(argument, shape, (self.axis,), tuple(range(len(shape))))

    def _parameter(self, argument: int) -> Operand:
        return Operand(argument, (self.data[self.axis],), (0,), (0,))

    def described(self, lib: Library, given: dict[int, Any]) -> Object:
        """The library's description, for the number of threads that is set."""
        x, epsilon, flags = self._data(0).wanted(lib), c_float(self.eps), c_uint(_SHIFT | _SCALE * self.scaled)
        forward = lib.make(
            "batch_normalization_forward_primitive_desc_create",
            "primitive_desc_destroy",
            *(lib.engine, c_int(_TRAINING), x, x, epsilon, flags, attributes(lib)),
        )
        if not self.backward:
            return forward
        return lib.make(
            "batch_normalization_backward_primitive_desc_create",
            "primitive_desc_destroy",
            *(lib.engine, c_int(_BACKWARD), x, x, x, epsilon, flags, forward, attributes(lib)),
        )
