"""Batch norm by the statistics of the batch itself, layer norm, and their gradients. Variances are biased."""

from __future__ import annotations

import math
from ctypes import c_float, c_int, c_uint
from dataclasses import dataclass
from typing import Any

import numpy as np

from hybridnet.device.onednn.layouts import Operand, Shape
from hybridnet.device.onednn.loading import Library, Object
from hybridnet.device.onednn.plans import Description
from hybridnet.device.onednn.primitives import attributes

_TRAINING, _BACKWARD = 64, 128
_SCALE, _SHIFT = 2, 4  # flags
_SHIFTS = 52  # an argument


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


@dataclass(frozen=True)
class LayerNorm(Description):
    """Of the rows of float32 ``data`` along its last axis; forward, or ``backward``.

    Forward: the data, the scales and the shifts, both of the length of a row, give the result, the means and the variances, these of the
    data's shape with a last length of 1. Backward: the result's gradient, the data, means, variances and the scales give the gradients of
    the data, of the scales and of the shifts.
    """

    backward: bool
    data: Shape
    eps: float

    results = 3

    def __str__(self) -> str:
        return f"layer norm{' backward' * self.backward}, data {self.data}"

    @property
    def multiply_adds(self) -> int:
        """A few for each element."""
        return 2 * math.prod(self.data)

    def operands(self) -> tuple[Operand, ...]:
        """The operands, then the results."""
        statistics = self._statistic(49), self._statistic(50)
        if self.backward:
            return (self._data(145), self._data(1), *statistics, self._row(51), self._data(129), self._row(255), self._row(256))
        return (self._data(1), self._row(51), self._row(_SHIFTS), self._data(17), *statistics)

    def constants(self) -> tuple[tuple[int, Any], ...]:
        """Backward it wants shifts, which it does not read."""
        return ((_SHIFTS, np.zeros(self.data[-1], np.float32)),) if self.backward else ()

    def _data(self, argument: int) -> Operand:
        axes = tuple(range(len(self.data)))
        return Operand(argument, self.data, axes, axes)

    def _statistic(self, argument: int) -> Operand:
        axes = tuple(range(len(self.data)))
        return Operand(argument, (*self.data[:-1], 1), axes[:-1], axes)

    def _row(self, argument: int) -> Operand:
        return Operand(argument, self.data[-1:], (0,), (0,))

    def described(self, lib: Library, given: dict[int, Any]) -> Object:
        """The library's description, for the number of threads that is set."""
        x, statistic = self._data(0).wanted(lib), self._statistic(0).wanted(lib)
        epsilon, flags = c_float(self.eps), c_uint(_SHIFT | _SCALE)
        forward = lib.make(
            "layer_normalization_forward_primitive_desc_create",
            "primitive_desc_destroy",
            *(lib.engine, c_int(_TRAINING), x, x, statistic, epsilon, flags, attributes(lib)),
        )
        if not self.backward:
            return forward
        return lib.make(
            "layer_normalization_backward_primitive_desc_create",
            "primitive_desc_destroy",
            *(lib.engine, c_int(_BACKWARD), x, x, x, statistic, epsilon, flags, forward, attributes(lib)),
        )
