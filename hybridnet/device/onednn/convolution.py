"""Convolutions: their three products."""

from __future__ import annotations

import math
from contextlib import suppress
from ctypes import c_int
from dataclasses import dataclass, replace
from typing import Any

from hybridnet.device.onednn.behind import ADDED, BIAS, Activation, attributes_of, constants
from hybridnet.device.onednn.layouts import Operand, Shape, channels_first, data, described, numbers
from hybridnet.device.onednn.loading import Library, Object, Unusable, library
from hybridnet.device.onednn.plans import Description
from hybridnet.device.onednn.primitives import attributes, name_of
from hybridnet.device.onednn.product import is_general

_DIRECT, _INFERENCE, _TRAINING = 1, 96, 64
#: Layouts of a weight in blocks of 16 filters and 16 channels (``dnnl_ABcd16b16a``, ``dnnl_ABcd16a16b``), by what is computed. From arrays
#: that are in no cache, (512, 512, 3, 3), two threads: 0.8 ms, and 1.3 and 1.0 into what the library likes best.
_BLOCKS = {"result": 79, "data": 75}


@dataclass(frozen=True)
class Convolution(Description):
    """One of the three products of a float32 convolution: ``"result"``, ``"data"`` or ``"weight"`` (``kind``), from the other two.

    Shapes are those of the arrays: (N, C, *size), or (N, *size, C) with channels ``last``; the weight's is (filters, C / groups, *kernel)
    or (filters, *kernel, C / groups). Behind ``"result"`` may come, in this order, a ``bias`` of shape (filters,), an array that
    is ``added``, of the result's shape, and an ``activation``. ``packed``: whether the weight comes as the library likes it best.
    """

    kind: str
    data: Shape
    weight: Shape
    result: Shape
    stride: Shape
    pad: Shape
    dilate: Shape
    groups: int
    last: bool
    bias: bool = False
    added: bool = False
    activation: Activation | None = None
    packed: bool = False

    def __str__(self) -> str:
        shapes = f"data {self.data}, weight {self.weight}, result {self.result}, {self.groups} groups"
        layout = ", channels last" * self.last
        behind = [*["a bias"] * self.bias, *["a sum"] * self.added, *([self.activation.name] if self.activation else [])]
        then = f", then {', '.join(behind)}" if behind else ""
        return f"the {self.kind} of a convolution, {shapes}, pad {self.pad}, stride {self.stride}, dilate {self.dilate}{layout}{then}"

    @property
    def multiply_adds(self) -> int:
        """Of all windows."""
        return math.prod(self.result) * math.prod(self.weight[1:])

    def operands(self) -> tuple[Operand, ...]:
        """The operands, then the result."""
        if self.kind == "data":
            return self._data(145, self.result), self._weight(33), self._data(129, self.data)
        if self.kind == "weight":
            return self._data(1, self.data), self._data(145, self.result), self._weight(161)
        behind = [Operand(BIAS, (self.weight[0],), (0,), (0,))] * self.bias + [self._data(ADDED, self.result)] * self.added
        return self._data(1, self.data), self._weight(33), *behind, self._data(17, self.result)

    def constants(self) -> tuple[tuple[int, Any], ...]:
        """Further arguments, which are the same in every call: their numbers and arrays."""
        return constants(self.added, self.activation)

    def _data(self, argument: int, shape: Shape) -> Operand:
        return data(argument, shape, self.last)

    @property
    def _is_product(self) -> bool:
        """Whether it is computed as the product of a matrix, a row of channels for each place, with the packed weight.

        Two threads, with a bias and a relu, in µs, as a convolution and so: 512 filters over (14, 14, 512) 547 and 479; of 17 other shapes,
        from (7, 7, 2048) to (112, 112, 32) and eight images, none differs by more than 3 %. With AVX2, for which there is a kernel for
        such a convolution and none for a product: (28, 28, 256) 590 and 750, (7, 7, 1024) 950 and 2500.
        """
        axis = channels_first(len(self.weight), self.last)[1]
        is_one = self.kind == "result" and self.groups == 1 and math.prod(self.weight) == self.weight[0] * self.weight[axis]
        plain = set(self.stride) == {1} and set(self.pad) == {0}
        return self.packed and is_one and plain and (lib := library()) is not None and not is_general(lib)

    def _weight(self, argument: int) -> Operand:
        ndim = len(self.weight)
        if self._is_product:
            order = channels_first(ndim, self.last)
            return Operand(argument, self.weight, (order[1], order[0]), tuple(range(ndim)), is_free=True)
        return Operand(argument, self.weight, channels_first(ndim, self.last), tuple(range(ndim)), self.groups, is_free=True)

    def when_packed(self) -> Convolution:
        """The same for a weight that comes as the library likes it best."""
        return replace(self, packed=True)

    def described(self, lib: Library, given: dict[int, Any]) -> Object:
        """The library's description, for the number of threads that is set. ``given``: layouts of arguments in place of its choice."""
        weight = self._weight(0)
        if self._is_product:
            return self._as_product(lib, given.get(33) or weight.wanted(lib))
        if not self.packed and self._is_mostly_weight():
            with suppress(Unusable):
                made = self._described(lib, weight._replace(blocks=_BLOCKS[self.kind]).wanted(lib))
                if name_of(lib, made).startswith("jit:"):
                    return made
        return self._described(lib, given.get(33) or weight.wanted(lib))

    def taken(self, lib: Library) -> dict[int, Any]:
        """As a product it takes matrices, a row for each place."""
        if not self._is_product:
            return {}
        filters, channels, places = self.weight[0], math.prod(self.weight[1:]), math.prod(self.result) // self.weight[0]
        matrices = {1: channels, 17: filters, **({ADDED: filters} if self.added else {}), **({BIAS: filters} if self.bias else {})}
        return {n: described(lib, (1 if n == BIAS else places, width), (width, 1)) for n, width in matrices.items()}

    def _as_product(self, lib: Library, w: Any) -> Object:
        taken = self.taken(lib)
        behind = attributes_of(lib, taken[17] if self.added else None, self.activation)
        arguments = (lib.engine, taken[1], w, taken.get(BIAS), taken[17], behind)
        return lib.make("matmul_primitive_desc_create", "primitive_desc_destroy", *arguments)

    def _is_mostly_weight(self) -> bool:
        """Whether blocks of 16 by 16 are better than what the library likes best: they are faster to come by, and as fast to multiply."""
        axis = channels_first(4, self.last)[1]
        fits = len(self.weight) == 4 and self.groups == 1 and self.weight[0] % 16 == self.weight[axis] % 16 == 0 and self.kind in _BLOCKS
        return fits and 2 * math.prod(self.weight) >= math.prod(self.data) + math.prod(self.result)

    def _described(self, lib: Library, w: Any) -> Object:
        x, y = (self._data(0, shape).wanted(lib) for shape in (self.data, self.result))
        bias = described(lib, self.weight[:1], (1,)) if self.bias else None
        sizes = [numbers(self.stride), numbers([d - 1 for d in self.dilate]), numbers(self.pad), numbers(self.pad)]
        kind = c_int(_INFERENCE if self.kind == "result" else _TRAINING)
        forward = lib.make(
            "convolution_forward_primitive_desc_create",
            "primitive_desc_destroy",
            *(lib.engine, kind, c_int(_DIRECT), x, w, bias, y, *sizes, attributes_of(lib, y if self.added else None, self.activation)),
        )
        if self.kind == "result":
            return forward
        if self.kind == "data":
            return lib.make(
                "convolution_backward_data_primitive_desc_create",
                "primitive_desc_destroy",
                *(lib.engine, c_int(_DIRECT), x, w, y, *sizes, forward, attributes(lib)),
            )
        return lib.make(
            "convolution_backward_weights_primitive_desc_create",
            "primitive_desc_destroy",
            *(lib.engine, c_int(_DIRECT), x, w, None, y, *sizes, forward, attributes(lib)),
        )
