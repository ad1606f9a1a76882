"""Products of two matrices, or of the matrices in two batches."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from hybridnet.device.onednn.behind import BIAS, Activation, attributes_of, constants
from hybridnet.device.onednn.layouts import Operand, Shape
from hybridnet.device.onednn.loading import Library, Object
from hybridnet.device.onednn.plans import Description
from hybridnet.device.onednn.primitives import name_of

#: How the name of the library's general kernel begins, which it goes back to where it has none for the processor (with AVX2, say).
GENERAL = "gemm:"


@dataclass(frozen=True)
class Product(Description):
    """The float32 product of ``a`` and ``b``, of those shapes, which agree but for the last two axes.

    The matrices of each may be given as the transposes of what lies in memory. Behind the product may come a ``bias`` along its last axis
    and a ``relu``. ``packed``: whether ``b`` comes as the library likes it best.
    """

    a: Shape
    b: Shape
    transpose_a: bool
    transpose_b: bool
    bias: bool = False
    relu: bool = False
    packed: bool = False

    def __str__(self) -> str:
        operands = f"{self.a}{' transposed' * self.transpose_a} and {self.b}{' transposed' * self.transpose_b}"
        return f"the product of {operands}{', then a bias' * self.bias}{', then relu' * self.relu}"

    @property
    def result(self) -> Shape:
        """The result's shape."""
        return (*self.a[:-2], self.a[-1 - (not self.transpose_a)], self.b[-1 - self.transpose_b])

    @property
    def multiply_adds(self) -> int:
        """Of all sums."""
        return math.prod(self.a) * self.result[-1]

    def operands(self) -> tuple[Operand, ...]:
        """The matrices, the bias if there is one, and the result."""
        axes = tuple(range(len(self.a)))

        def matrix(argument: int, shape: Shape, turned: bool, is_free: bool = False) -> Operand:
            return Operand(argument, shape, (*axes[:-2], axes[-1], axes[-2]) if turned else axes, axes, is_free=is_free)

        bias = Operand(BIAS, self.result[-1:], (0,), (0,), leading=len(axes) - 1)
        matrices = matrix(1, self.a, self.transpose_a), matrix(33, self.b, self.transpose_b, self.packed)
        return (*matrices, *[bias] * self.bias, matrix(17, self.result, False))

    def constants(self) -> tuple[tuple[int, Any], ...]:
        """Further arguments, which are the same in every call: their numbers and arrays."""
        return constants(False, self._activation())

    def when_packed(self) -> Product:
        """The same where ``b`` may come packed, so that it does not matter how long that takes."""
        return replace(self, packed=True)

    def _activation(self) -> Activation | None:
        return Activation("relu") if self.relu else None

    def described(self, lib: Library, given: dict[int, Any]) -> Object:
        """The library's description."""
        a, b, *bias, y = (given.get(x.argument) or x.wanted(lib) for x in self.operands())
        arguments = (lib.engine, a, b, bias[0] if bias else None, y, attributes_of(lib, None, self._activation()))
        return lib.make("matmul_primitive_desc_create", "primitive_desc_destroy", *arguments)


@cache
def is_general(lib: Library) -> bool:
    """Whether products of two matrices are computed by the general kernel here."""
    product = Product((64, 64), (64, 64), False, False, packed=True)
    return name_of(lib, product.described(lib, {})).startswith(GENERAL)
