"""Products with GELU behind them, and the gradient's products with its slope: steps of cuBLASLt, which has what it multiplied in registers.

Made by a program's lowering alone (:mod:`hybridnet.lowering.gelus`), of 16-bit matrices, so they are in no registry. The library rounds
once, after all of it, where a graph would round the product too; and its tanh is that of the card.
"""

from __future__ import annotations

from typing import Any

from hybridnet.core import Kind, Op, Spec, call, on_cuda
from hybridnet.core.kernel import LibraryCall, StridedSpec, is_half
from hybridnet.ops.linalg.gemm import plan_product
from hybridnet.ops.linalg.matmul import MATMUL, MATMUL_BIAS
from hybridnet.ops.nn.activation import GELU_TANH, gelu_tanh_slope


def _infer(a: Spec, b: Spec, *bias: Spec, stored: bool, **flags: bool) -> tuple[Spec, ...]:
    y = (MATMUL_BIAS if bias else MATMUL).infer(a, b, *bias, **flags)
    assert isinstance(y, Spec), "one result"
    return (y, y) if stored else (y,)


def _matmul_gelu(a: Any, b: Any, *bias: Any, stored: bool, **flags: bool) -> tuple[Any, ...]:
    before = call("matmul", a, b, **flags)
    before = before + bias[0] if bias else before
    assert GELU_TANH.decomposition is not None
    y = GELU_TANH.decomposition(before)
    return (y, before) if stored else (y,)


def _library(inputs: tuple[StridedSpec, ...], outputs: tuple[StridedSpec, ...], *, stored: bool, **flags: bool) -> LibraryCall | None:
    a, b, *bias = inputs
    if not is_half(a.dtype) or any(v.dtype != a.dtype or v.strides != (1,) for v in bias) or (stored and outputs[0] != outputs[1]):
        return None
    return plan_product(a, b, outputs[0], **flags, epilogue="gelu" + "_stored" * stored + "_bias" * bool(bias))


def _flops(inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], **flags: bool) -> int:
    assert MATMUL.flops is not None
    return MATMUL.flops(inputs, outputs, **flags)


#: GELU in its tanh form of a product, maybe with a bias; if ``stored`` also what it is of, for the gradient.
MATMUL_GELU = on_cuda(Op("matmul_gelu", Kind.CONTRACTION, _infer, decomposition=_matmul_gelu, flops=_flops), library=_library)


def _infer_slope(a: Spec, b: Spec, x: Spec, **flags: bool) -> Spec:
    y = MATMUL.infer(a, b, **flags)
    assert isinstance(y, Spec) and y == x, "what GELU was of is like the product"
    return y


def _slope_library(inputs: tuple[StridedSpec, ...], outputs: tuple[StridedSpec, ...], **flags: bool) -> LibraryCall | None:
    a, b, x = inputs
    if not is_half(a.dtype) or x != outputs[0]:
        return None
    return plan_product(a, b, outputs[0], **flags, epilogue="gelu_slope")


#: A product times the slope of GELU, in its tanh form, at x.
MATMUL_GELU_SLOPE = on_cuda(
    Op(
        "matmul_gelu_slope",
        Kind.CONTRACTION,
        _infer_slope,
        decomposition=lambda a, b, x, **flags: call("matmul", a, b, **flags) * gelu_tanh_slope(x),
        flops=_flops,
    ),
    library=_slope_library,
)
