"""The matrix product: one operator with transposition flags, so that no transpose is ever copied.

On a GPU it is a call of cuBLASLt; so is a product with a bias and a relu behind it, which a graph has as one operator
where the library takes all of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, Kind, Op, Sample, Spec, apply, broadcast_shapes, call, on_cpu, on_cuda, on_numpy, register
from hybridnet.core.kernel import LibraryCall, StridedSpec, is_half
from hybridnet.errors import ShapeError, fail
from hybridnet.ops.common import normal, tensor
from hybridnet.ops.linalg import cpu_matmul, matmul_host
from hybridnet.ops.linalg.gemm import SUMS, plan_product


def _infer(a: Spec, b: Spec, *, transpose_a: bool = False, transpose_b: bool = False) -> Spec:
    if a.ndim < 2 or b.ndim < 2:
        fail(ShapeError, "matmul", expected="two matrices or batches of matrices", got=f"{a.shape} and {b.shape}")
    m, k = (a.shape[-1], a.shape[-2]) if transpose_a else (a.shape[-2], a.shape[-1])
    k2, n = (b.shape[-1], b.shape[-2]) if transpose_b else (b.shape[-2], b.shape[-1])
    if k != k2:
        flags = "".join(f", {name}" for name, on in (("transpose_a", transpose_a), ("transpose_b", transpose_b)) if on)
        fail(ShapeError, "matmul", expected="inner dimensions that agree", got=f"{a.shape} and {b.shape}{flags}: {k} against {k2}")
    return Spec((*broadcast_shapes("matmul", a.shape[:-2], b.shape[:-2]), m, n), a.dtype)


def _compute(xp: Any, a: Any, b: Any, *, transpose_a: bool = False, transpose_b: bool = False, out: Any = None) -> Any:
    if transpose_a:
        a = a.swapaxes(-1, -2)
    if transpose_b:
        b = b.swapaxes(-1, -2)
    product = cpu_matmul.matmul_of(xp)
    if a.dtype.itemsize == 2 and dtypes.is_floating(a.dtype) and (xp is np or a.ndim > 2 or b.ndim > 2):
        # NumPy has no half-precision products, CuPy none in batches; accumulate in float32 as devices do.
        wide = product(a.astype(dtypes.float32), b.astype(dtypes.float32)).astype(a.dtype)
        if out is None:
            return wide
        out[...] = wide
        return out
    return product(a, b, out=out)


def _rule_a(g: Any, y: Any, a: Any, b: Any, *, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    if transpose_a:
        return call("matmul", b, g, transpose_a=transpose_b, transpose_b=True)
    return call("matmul", g, b, transpose_b=not transpose_b)


def _rule_b(g: Any, y: Any, a: Any, b: Any, *, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    if transpose_b:
        return call("matmul", g, a, transpose_a=True, transpose_b=transpose_a)
    return call("matmul", a, g, transpose_a=not transpose_a)


def _flops(inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, transpose_a: bool = False, **attrs: Any) -> int:
    return 2 * outputs[0].size * inputs[0].shape[-2 if transpose_a else -1]


def _library(
    inputs: tuple[StridedSpec, ...], outputs: tuple[StridedSpec, ...], *, transpose_a: bool = False, transpose_b: bool = False
) -> LibraryCall | None:
    a, b = inputs
    return plan_product(a, b, outputs[0], transpose_a, transpose_b)


MATMUL = register(
    Op(
        "matmul",
        Kind.CONTRACTION,
        _infer,
        compute=_compute,
        out=True,
        grad=(_rule_a, _rule_b),
        saves=((1,), (0,)),
        complex="holomorphic",
        promote="same",
        flops=_flops,
        precision="half",
        sample=lambda: [
            Sample((normal(2, 3), normal(3, 4, seed=1))),
            Sample((normal(3, 2), normal(4, 3, seed=1)), {"transpose_a": True, "transpose_b": True}),
            Sample((normal(3, 2), normal(3, 4, seed=1)), {"transpose_a": True}),
            Sample((normal(2, 3), normal(4, 3, seed=1)), {"transpose_b": True}),
            Sample((normal(5, 2, 3), normal(3, 4, seed=1))),
            Sample((normal(2, 3), normal(4, 3)), error=ValueError),
        ],
    )
)


def _on_host(a: Any, b: Any, *, transpose_a: bool = False, transpose_b: bool = False, out: Any = None) -> Any:
    if a.dtype.itemsize == 2:
        return _compute(np, a, b, transpose_a=transpose_a, transpose_b=transpose_b, out=out)
    if len(a.shape) == len(b.shape) == 2 and a.size * b.shape[not transpose_b] <= cpu_matmul.SMALL:
        return np.matmul(a.T if transpose_a else a, b.T if transpose_b else b, out)
    return cpu_matmul.matmul(a.swapaxes(-1, -2) if transpose_a else a, b.swapaxes(-1, -2) if transpose_b else b, out)


on_numpy(MATMUL, _on_host)
on_cuda(MATMUL, library=_library)
on_cpu(MATMUL, matmul_host.matmul)


def _infer_bias(a: Spec, b: Spec, bias: Spec, *, relu: bool = False, **flags: bool) -> Spec:
    y = _infer(a, b, **flags)
    if bias.shape != y.shape[-1:]:
        fail(ShapeError, "matmul_bias", expected=f"a bias of shape {y.shape[-1:]}", got=str(bias.shape))
    return y


def _bias_decomposed(a: Any, b: Any, bias: Any, *, relu: bool = False, **flags: bool) -> Any:
    y = call("matmul", a, b, **flags) + bias
    return call("maximum", y, 0) if relu else y


def _bias_library(
    inputs: tuple[StridedSpec, ...],
    outputs: tuple[StridedSpec, ...],
    *,
    relu: bool = False,
    transpose_a: bool = False,
    transpose_b: bool = False,
) -> LibraryCall | None:
    a, b, bias = inputs
    if bias.dtype != a.dtype or bias.strides != (1,):
        return None
    return plan_product(a, b, outputs[0], transpose_a, transpose_b, "bias_relu" if relu else "bias")


#: A product, a bias along its last axis, and perhaps max(x, 0). Made by a pass behind differentiation, so it has no gradient.
MATMUL_BIAS = register(
    Op(
        "matmul_bias",
        Kind.CONTRACTION,
        _infer_bias,
        decomposition=_bias_decomposed,
        promote="same",
        flops=_flops,
        precision="half",
        sample=lambda: [
            Sample((normal(2, 3), normal(3, 4, seed=1), normal(4, seed=2))),
            Sample((normal(3, 2), normal(3, 4, seed=1), normal(4, seed=2)), {"transpose_a": True, "relu": True}),
            Sample((normal(5, 2, 3), normal(4, 3, seed=1), normal(4, seed=2)), {"transpose_b": True, "relu": True}),
            Sample((normal(2, 3), normal(3, 4), normal(3)), error=ValueError),
        ],
    )
)
on_cuda(MATMUL_BIAS, library=_bias_library)
on_cpu(MATMUL_BIAS, matmul_host.matmul)


def _infer_sums(a: Spec, b: Spec, *, of: str, **flags: bool) -> tuple[Spec, Spec]:
    y = _infer(a, b, **flags)
    if len(y.shape) != 2:
        fail(ShapeError, "matmul_sums", expected="two matrices", got=f"{a.shape} and {b.shape}")
    return y, Spec(y.shape[:1] if of == "a" else y.shape[1:], y.dtype)


def inner_axis(of: str, transpose_a: bool = False, transpose_b: bool = False) -> int:
    """The axis of one of two matrices over which their product sums."""
    return int(not transpose_a) if of == "a" else int(transpose_b)


def _sums_decomposed(a: Any, b: Any, *, of: str, **flags: bool) -> tuple[Any, Any]:
    sums = call("sum", a if of == "a" else b, axis=(inner_axis(of, **flags),), keepdims=False)
    return call("matmul", a, b, **flags), sums


def _sums_library(
    inputs: tuple[StridedSpec, ...], outputs: tuple[StridedSpec, ...], *, of: str, transpose_a: bool = False, transpose_b: bool = False
) -> LibraryCall | None:
    a, b = inputs
    # Of wider types the library does not say what it sums in.
    return plan_product(a, b, outputs[0], transpose_a, transpose_b, SUMS[of]) if is_half(a.dtype) else None


#: A product of two matrices, and the sums of one of them (``of``: "a" or "b") over the axis that the product sums over: the gradients of
#: a dense layer's weight and bias. Made by a pass behind differentiation, so it has no gradient.
MATMUL_SUMS = register(
    Op(
        "matmul_sums",
        Kind.CONTRACTION,
        _infer_sums,
        decomposition=_sums_decomposed,
        promote="same",
        flops=_flops,
        precision="half",
        sample=lambda: [
            Sample((normal(2, 3), normal(3, 4, seed=1)), {"of": "a"}),
            Sample((normal(3, 2), normal(3, 4, seed=1)), {"of": "a", "transpose_a": True}),
            Sample((normal(3, 2), normal(4, 3, seed=1)), {"of": "b", "transpose_a": True, "transpose_b": True}),
            Sample((normal(2, 3), normal(3, 4, seed=1)), {"of": "b"}),
            Sample((normal(2, 2, 3), normal(3, 4)), {"of": "b"}, error=ValueError),
        ],
    )
)
on_cuda(MATMUL_SUMS, library=_sums_library)


def matmul(a: ArrayLike, b: ArrayLike) -> Any:
    """The matrix product of the last two axes, the others broadcast; vectors as in NumPy.

    (..., n, k) and (..., k, m) give (..., n, m). ShapeError for a number without dimensions, or if the inner lengths differ.
    """
    a = tensor(a)
    b = tensor(b)
    if a.ndim == 0 or b.ndim == 0:
        fail(ShapeError, "matmul", expected="arrays of one dimension or more", got=f"{a.shape} and {b.shape}", fix="*")
    if a.ndim > 1 and b.ndim > 1:
        return apply(MATMUL, (a, b))
    row, column = a.ndim == 1, b.ndim == 1
    product = apply(
        MATMUL, (call("reshape", a, shape=(1, a.shape[0])) if row else a, call("reshape", b, shape=(b.shape[0], 1)) if column else b)
    )
    shape = list(product.shape)
    if column:
        del shape[-1]
    if row:
        del shape[-1 if column else -2]
    return call("reshape", product, shape=tuple(shape))
