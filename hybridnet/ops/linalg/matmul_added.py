"""Products of 16-bit matrices in float32, added to what is there: a gradient that is summed up over several products.

A step of cuBLASLt, which has the sum in float32 anyway. Made by a program's lowering alone (:mod:`hybridnet.lowering.chunked_losses`), so
it is in no registry.
"""

from __future__ import annotations

from typing import Any

from hybridnet.core import Kind, Op, Spec, call, on_cuda
from hybridnet.core.kernel import LibraryCall, StridedSpec
from hybridnet.dtypes import float32
from hybridnet.ops.linalg.gemm import RowMajor, plan_product
from hybridnet.ops.linalg.matmul import MATMUL


def _infer(*specs: Spec, **flags: bool) -> Spec:
    *before, a, b = specs
    y = MATMUL.infer(a, b, **flags)
    assert isinstance(y, Spec), "one result"
    assert all(c == Spec(y.shape, float32) for c in before), "a sum in float32"
    return Spec(y.shape, float32)


def _matmul_added(*arrays: Any, **flags: bool) -> Any:
    *before, a, b = arrays
    y = call("matmul", a.astype(float32), b.astype(float32), **flags)
    return before[0] + y if before else y


class _Added:
    """The library's call on the operands in the operator's order: what is added to comes first."""

    channel = ""

    def __init__(self, product: RowMajor) -> None:
        self.product = product
        self.name, self.workspace, self.alignment = product.name, product.workspace, product.alignment

    @property
    def how(self) -> str:
        """Which algorithm, if there are several."""
        return self.product.how

    def settle(self, pointers: Any, workspace: int, stream: int) -> None:
        """Find the fastest algorithm, where the sum is written elsewhere: what is added to must not change by that."""
        c, a, b, y = pointers
        if c != y:
            self.product.settle((a, b, c, y), workspace, stream)

    def enqueue(self, pointers: Any, workspace: int, stream: int) -> None:
        """Put the product on a stream."""
        c, a, b, y = pointers
        self.product.enqueue((a, b, c, y), workspace, stream)


def _library(inputs: tuple[StridedSpec, ...], outputs: tuple[StridedSpec, ...], **flags: bool) -> LibraryCall | None:
    *before, a, b = inputs
    if any(c != outputs[0] for c in before):
        return None
    product = plan_product(a, b, outputs[0], flags["transpose_a"], flags["transpose_b"], adds=bool(before))
    return product if product is None or not before else _Added(product)


def _flops(inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], **flags: bool) -> int:
    assert MATMUL.flops is not None
    return MATMUL.flops(inputs[-2:], outputs, **flags)


#: The product of two 16-bit matrices in float32.
MATMUL_WIDE = on_cuda(Op("matmul_wide", Kind.CONTRACTION, _infer, decomposition=_matmul_added, flops=_flops), library=_library)

#: Of a float32 sum so far and two 16-bit matrices: the sum with their product, which may lie where it lay.
MATMUL_ADDED = on_cuda(
    Op("matmul_added", Kind.CONTRACTION, _infer, decomposition=_matmul_added, flops=_flops, in_place=True), library=_library
)
