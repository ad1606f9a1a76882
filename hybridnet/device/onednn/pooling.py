"""The gradient of the maximum of windows. Where each maximum is the library notes in a form of its own while it looks for it again."""

from __future__ import annotations

import math
from ctypes import c_int
from dataclasses import dataclass
from typing import Any

from hybridnet.device.onednn.layouts import Operand, Shape, data, numbers
from hybridnet.device.onednn.loading import Library, Object
from hybridnet.device.onednn.plans import Before, Description
from hybridnet.device.onednn.primitives import attributes, wanted_layout

_TRAINING = 64
_MAXIMUM = 0x1FF
_RESULT, _WORKSPACE = 17, 64  # arguments


@dataclass(frozen=True)
class MaxPoolGrad(Description):
    """From the result's gradient and the data, and the result, which is not read, the data's gradient; float32.

    Shapes are (N, C, *size), or (N, *size, C) with channels ``last``. It goes to the first of equal maxima.
    """

    data: Shape
    result: Shape
    kernel: Shape
    stride: Shape
    pad: Shape
    last: bool

    def __str__(self) -> str:
        return f"the gradient of a maximum, data {self.data}, windows {self.kernel}, stride {self.stride}, pad {self.pad}"

    @property
    def multiply_adds(self) -> int:
        """Comparisons."""
        return math.prod(self.result) * math.prod(self.kernel)

    def operands(self) -> tuple[Operand, ...]:
        """The operands, then the result."""
        x, y = (self.data, self.last), (self.result, self.last)
        return data(145, *y), data(0, *x), data(0, *y), data(129, *x)

    def _windows(self) -> list[Any]:
        """How windows lie: as far beyond the end of the data as the last of them goes."""
        axes = slice(1, -1) if self.last else slice(2, None)
        sizes = zip(self.data[axes], self.result[axes], self.kernel, self.stride, self.pad, strict=True)
        end = [max(0, (n - 1) * s + k - size - p) for size, n, k, s, p in sizes]
        return [*map(numbers, (self.stride, self.kernel, [0] * len(end), self.pad, end))]

    def _forward(self, lib: Library) -> Object:
        x, y = (data(0, shape, self.last).wanted(lib) for shape in (self.data, self.result))
        kinds = c_int(_TRAINING), c_int(_MAXIMUM)
        arguments = (lib.engine, *kinds, x, y, *self._windows(), attributes(lib))
        return lib.make("pooling_forward_primitive_desc_create", "primitive_desc_destroy", *arguments)

    def described(self, lib: Library, given: dict[int, Any]) -> Object:
        """The library's description, for the number of threads that is set."""
        x, y = (data(0, shape, self.last).wanted(lib) for shape in (self.data, self.result))
        arguments = (lib.engine, c_int(_MAXIMUM), x, y, *self._windows(), self._forward(lib), attributes(lib))
        return lib.make("pooling_backward_primitive_desc_create", "primitive_desc_destroy", *arguments)

    def before(self, lib: Library) -> Before:
        """The maximum once more, which notes where it is."""
        forward = self._forward(lib)
        layouts = {"result": wanted_layout(lib, forward, _RESULT), "places": wanted_layout(lib, forward, _WORKSPACE)}
        return Before(forward, {1: 1, _RESULT: "result", _WORKSPACE: "places"}, layouts, {_WORKSPACE: "places"})
