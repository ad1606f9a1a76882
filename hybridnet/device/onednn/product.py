"""Products of two matrices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hybridnet.device.onednn.layouts import Operand, Shape
from hybridnet.device.onednn.loading import Library, Object
from hybridnet.device.onednn.plans import Description
from hybridnet.device.onednn.primitives import attributes


@dataclass(frozen=True)
class Product(Description):
    """The float32 product of ``a`` and ``b``, of those shapes; each may be given as the transpose of what lies in memory."""

    a: Shape
    b: Shape
    transpose_a: bool
    transpose_b: bool

    def __str__(self) -> str:
        return f"the product of {self.a}{' transposed' * self.transpose_a} and {self.b}{' transposed' * self.transpose_b}"

    @property
    def result(self) -> Shape:
        """The result's shape."""
        return self.a[int(self.transpose_a)], self.b[int(not self.transpose_b)]

    @property
    def multiply_adds(self) -> int:
        """Of all sums."""
        return self.a[0] * self.a[1] * self.result[1]

    def operands(self) -> tuple[Operand, ...]:
        """Both matrices and the result."""
        orders = [(1, 0) if turned else (0, 1) for turned in (self.transpose_a, self.transpose_b, False)]
        return tuple(Operand(n, s, o, (0, 1)) for n, s, o in zip((1, 33, 17), (self.a, self.b, self.result), orders, strict=True))

    def described(self, lib: Library, given: dict[int, Any]) -> Object:
        """The library's description."""
        a, b, y = (x.wanted(lib) for x in self.operands())
        return lib.make("matmul_primitive_desc_create", "primitive_desc_destroy", lib.engine, a, b, None, y, attributes(lib))
