"""How arrays lie, in oneDNN's terms: axes in its order, and the strides that it knows fast ways for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from ctypes import c_int, c_int64
from typing import Any, NamedTuple

import numpy as np

from hybridnet.device.onednn.loading import Library, Object, Unusable

Shape = tuple[int, ...]

_ANY, FLOAT32 = 1, 3
ITEM = 4  # bytes of a number


class Operand(NamedTuple):
    """An operand or a result of a call.

    argument: its number among the library's arguments. shape: the array's. order: the array's axes in the library's order. groups: where
    there are several, the first of those is cut into (groups, rest). is_free: the library chooses how it is to lie; else it lies in
    the order of ``order``'s ``memory``.
    """

    argument: int
    shape: Shape
    order: Shape
    memory: Shape  # the array's axes as they are to lie in memory, from the outermost on
    groups: int = 1
    is_free: bool = False
    blocks: int = _ANY
    leading: int = 0

    def steps(self) -> Shape:
        """The strides in elements, by the array's axes, in which it is wanted."""
        steps, step = [0] * len(self.shape), 1
        for axis in reversed(self.memory):
            steps[axis] = step
            step *= self.shape[axis]
        return tuple(steps)

    def layout(self, lib: Library, strides: Shape | None) -> Object:
        """The library's description of an array of it with those strides in bytes; None: as the library chooses."""
        if strides is None:
            return described(lib, self._cut([self.shape[i] for i in self.order]), None, self.blocks)
        if any(n > 1 and (s <= 0 or s % ITEM) for n, s in zip(self.shape, strides, strict=True)):
            raise Unusable("it takes strides of one element or more alone")
        # An axis of length 1 may have any stride; the library compares them, and takes slow ways for those that it does not know.
        known = [w if n == 1 else s // ITEM for n, s, w in zip(self.shape, strides, self.steps(), strict=True)]
        sizes, steps = [self.shape[i] for i in self.order], [known[i] for i in self.order]
        if self.groups > 1:
            steps = [steps[0] * (sizes[0] // self.groups), *steps]
        return described(lib, [1] * self.leading + self._cut(sizes), [math.prod(sizes)] * self.leading + steps)

    def wanted(self, lib: Library) -> Object:
        """The description with which a call is planned."""
        return self.layout(lib, None if self.is_free else tuple(s * ITEM for s in self.steps()))

    def _cut(self, sizes: list[int]) -> list[int]:
        return [self.groups, sizes[0] // self.groups, *sizes[1:]] if self.groups > 1 else sizes


def channels_first(ndim: int, last: bool) -> Shape:
    """The axes of an array (N, C, *size), or with channels ``last`` (N, *size, C), in the library's order, (N, C, *size)."""
    return (0, ndim - 1, *range(1, ndim - 1)) if last else tuple(range(ndim))


def data(argument: int, shape: Shape, last: bool) -> Operand:
    """Data or a result: (N, C, *size), or (N, *size, C); in memory channels come last."""
    order = channels_first(len(shape), last)
    return Operand(argument, shape, order, (order[0], *order[2:], order[1]))


def numbers(values: Sequence[int]) -> Any:
    """An array of the library's sizes."""
    return (c_int64 * 12)(*values)


def described(lib: Library, sizes: Sequence[int], steps: Sequence[int] | None, blocks: int = _ANY) -> Object:
    """The description of an array of float32 with those strides in elements; None: as the library chooses, or in ``blocks`` of its own."""
    if steps is None:
        arguments: tuple[Any, ...] = (c_int(len(sizes)), numbers(sizes), c_int(FLOAT32), c_int(blocks))
        return lib.make("memory_desc_create_with_tag", "memory_desc_destroy", *arguments)
    return lib.make(
        "memory_desc_create_with_strides", "memory_desc_destroy", c_int(len(sizes)), numbers(sizes), c_int(FLOAT32), numbers(steps)
    )


def address(array: Any) -> int:
    """Where an array begins."""
    return int(array.__array_interface__["data"][0])


def strides_without_gaps(shape: Shape) -> Shape:
    """In bytes."""
    return np.empty(shape, np.float32).strides
