"""cuBLASLt and cuDNN: planned before a capture, captured with raw addresses, replayed; the relative error against NumPy."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import hybridnet as hn
from gpu.questions import Cases, cupy, drawn, off, question, replayed
from hybridnet import autograd, dtypes, npx
from hybridnet.device import blas, dnn


class Shape(NamedTuple):
    """A product as the workloads ask for it (the longest axes cut), in the library's terms; see ``blas.Product``."""

    m: int
    n: int
    k: int
    transpose_a: bool
    transpose_b: bool
    epilogue: str = ""
    batch: int = 1

    def product(self, dtype: dtypes.Dtype, compute: str) -> blas.Product:
        lda, ldb = (self.k if self.transpose_a else self.m), (self.n if self.transpose_b else self.k)
        strides = (self.m * self.k, self.k * self.n, self.m * self.n) if self.batch > 1 else (0, 0, 0)
        transposed = self.transpose_a, self.transpose_b
        return blas.Product(self.m, self.n, self.k, dtype, compute, *transposed, lda, ldb, self.m, self.batch, *strides, self.epilogue)


#: A layer's forward is transposed and not, the gradient of its input neither, that of its weight not and transposed.
PRODUCTS: dict[tuple[dtypes.Dtype, str], tuple[Shape, ...]] = {
    (dtypes.float32, "float32"): (  # the perceptron, and a batch
        Shape(128, 32, 784, True, False, "bias_relu"),
        Shape(10, 32, 128, True, False, "bias"),
        Shape(128, 32, 10, False, False),
        Shape(784, 128, 32, False, True),
        Shape(128, 10, 32, False, True),
        Shape(64, 128, 64, True, False, batch=6),
    ),
    (dtypes.float32, "tf32"): (  # the LSTM: 650 is no multiple of 4
        Shape(2600, 64, 650, True, False, "bias"),
        Shape(650, 64, 2600, False, False),
        Shape(650, 2600, 640, False, True),
        Shape(2000, 320, 650, True, False, "bias"),
    ),
    (dtypes.float16, "float32"): (
        Shape(768, 512, 768, True, False, "bias_relu"),
        Shape(768, 768, 1024, False, True, "sums_a"),
        Shape(768, 768, 1024, False, True, "sums_b"),
    ),
    (dtypes.bfloat16, "float32"): (  # GPT-2, and the last layer of ResNet-50
        Shape(2304, 1024, 768, True, False, "bias"),
        Shape(768, 1024, 3072, True, False, "bias"),
        Shape(2048, 1024, 768, True, False),
        Shape(768, 1024, 2304, False, False),
        Shape(3072, 768, 1024, False, True, "sums_b"),
        Shape(768, 3072, 1024, False, True, "sums_b"),
        Shape(768, 2304, 1024, False, True, "sums_a"),
        Shape(3072, 1024, 768, True, False, "gelu_bias"),
        Shape(3072, 1024, 768, True, False, "gelu_stored_bias"),
        Shape(3072, 1024, 768, False, False, "gelu_slope"),
        Shape(1000, 128, 2048, True, False, "bias"),
        Shape(2048, 1000, 128, False, True),
        Shape(256, 64, 256, True, False, batch=12),
    ),
}


def operands_of(shape: Shape, dtype: dtypes.Dtype) -> tuple[Any, Any, Any, Any]:
    """A and B on the device as they lie, and op(A)ᵀ (k, m) and op(B)ᵀ (n, k) as float64; all with the batch before."""
    rows = (shape.batch,) if shape.batch > 1 else ()
    a, wide_a = drawn(*rows, *((shape.m, shape.k) if shape.transpose_a else (shape.k, shape.m)), seed=1, dtype=dtype)
    b, wide_b = drawn(*rows, *((shape.k, shape.n) if shape.transpose_b else (shape.n, shape.k)), seed=2, dtype=dtype)
    return a, b, np.swapaxes(wide_a, -1, -2) if shape.transpose_a else wide_a, np.swapaxes(wide_b, -1, -2) if shape.transpose_b else wide_b


def error_of_product(shape: Shape, dtype: dtypes.Dtype, compute: str) -> float:
    """The largest relative error of the product and of what its epilogue writes beside it."""
    a, b, wide_a, wide_b = operands_of(shape, dtype)
    call = blas.plan(shape.product(dtype, compute))
    assert call is not None, "cuBLASLt has no algorithm for it"
    expected, beside, written = wide_b @ wide_a, [], None
    parts = shape.epilogue.split("_")
    if "bias" in parts:
        bias, wide_bias = drawn(shape.m, seed=3, dtype=dtype)
        beside, expected = [bias], expected + wide_bias
    elif "sums" in parts:
        written = {"sums_a": wide_a.sum(0), "sums_b": wide_b.sum(1)}[shape.epilogue]
    if "relu" in parts:
        expected = np.maximum(expected, 0)
    if "stored" in parts:
        written = expected
    if "slope" in parts:
        x, wide_x = drawn(*expected.shape, seed=4, dtype=dtype)
        beside, expected = [x], expected * gelu(wide_x)[1]
    elif "gelu" in parts:
        expected = gelu(expected)[0]
    if written is not None:
        beside.append(cupy().empty(written.shape, dtype))
    error = off(replayed(call, [a, b, *beside], cupy().empty(expected.shape, dtype)), expected)
    return error if written is None else max(error, off(beside[-1], written))


def gelu(x: Any) -> tuple[Any, Any]:
    """GELU in its tanh form, and its derivative."""
    scale, cube = np.sqrt(2 / np.pi), 0.044715
    t = np.tanh(scale * (x + cube * x**3))
    return x * (1 + t) / 2, (1 + t) / 2 + x / 2 * (1 - t * t) * scale * (1 + 3 * cube * x * x)


@question
def products_by_cublaslt(folder: Path) -> Any:
    """With the transposes and epilogues of the workloads."""
    cases = Cases()
    for (dtype, compute), shapes in PRODUCTS.items():
        limit = 1e-5 if compute == "float32" and dtype == dtypes.float32 else 2e-2
        for s in shapes:
            ways = "".join("T" if transposed else "N" for transposed in (s.transpose_a, s.transpose_b))
            words = f"{s.batch} × {s.m}×{s.k}×{s.n} {ways} {dtype} {compute} {s.epilogue}".rstrip()
            cases.ask(words, partial(error_of_product, s, dtype, compute), limit)
    return cases.answer()


@question
def convolutions_by_cudnn(folder: Path) -> Any:
    """All three products of a convolution, channels last."""
    n, c, size, filters = 4, 64, 14, 96
    x, wide_x = drawn(n, size, size, c, seed=1, dtype=dtypes.bfloat16)
    w, wide_w = drawn(filters, 3, 3, c, seed=2, dtype=dtypes.bfloat16)
    dy, wide_dy = drawn(n, size, size, filters, seed=3, dtype=dtypes.bfloat16)
    last = lambda shape: dnn.Tensor(
        (shape[0], shape[3], shape[1], shape[2]), tuple(np.cumprod([1, shape[3], shape[2], shape[1]])[[3, 0, 2, 1]].tolist())
    )
    places = {"data": last(x.shape), "weight": last(w.shape), "result": last(dy.shape)}
    padded = np.pad(wide_x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    grad_padded = np.pad(wide_dy, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = [(i, j) for i in range(3) for j in range(3)]
    result = sum(padded[:, i : i + size, j : j + size] @ wide_w[:, i, j].T for i, j in windows)
    data = sum(grad_padded[:, i : i + size, j : j + size] @ wide_w[:, 2 - i, 2 - j] for i, j in windows)
    weight = np.stack([np.einsum("nhwk,nhwc->kc", wide_dy, padded[:, i : i + size, j : j + size]) for i, j in windows], 1)
    expected = {"result": ([x, w], result), "data": ([dy, w], data), "weight": ([x, dy], weight.reshape(filters, 3, 3, c))}
    cases = Cases()

    def error(kind: str) -> float:
        operands, right = expected[kind]
        call = dnn.plan(dnn.Convolution(kind, dtypes.bfloat16, *places.values(), (1, 1), (1, 1), (1, 1)))
        assert call is not None, "cuDNN has no algorithm for it"
        cases.found[f"{kind}: algorithm"] = f"{call.name}, {call.workspace:,} bytes of workspace"
        return off(replayed(call, operands, cupy().empty(right.shape, dtypes.bfloat16)), right)

    for kind in expected:
        cases.ask(kind, partial(error, kind), 2e-2)
    return cases.answer()


@question
def a_misaligned_convolution(folder: Path) -> Any:
    """Of arrays whose addresses are no multiples of 16, eagerly and compiled, against the CPU: cuDNN's plans are for multiples of 16."""
    data = np.random.default_rng(0).standard_normal((5, 3, 5, 5)).astype("float32")
    weight = np.random.default_rng(1).standard_normal((4, 3, 3, 3)).astype("float32")
    convolution = lambda x, w: npx.convolution(x[1:], w, kernel=(3, 3), num_filter=4, no_bias=True)
    right = convolution(hn.np.array(data), hn.np.array(weight)).asnumpy().astype("float64")
    x, w = (hn.np.array(a, ctx=hn.gpu(0)).astype("bfloat16") for a in (data, weight))
    compiled = hn.jit(convolution)
    ways = {"eagerly": convolution, **dict.fromkeys(("compiled, one by one", "compiled, captured", "compiled, replayed"), compiled)}
    cases = Cases()
    for name, function in ways.items():
        cases.ask(name, lambda function=function: off(function(x, w).astype("float32").asnumpy(), right), 2e-2)
    return cases.answer()


@question
def attention_by_cudnn(folder: Path) -> Any:
    """Causal attention and its gradients in a compiled step on the GPU against the CPU in float32."""
    shape = (2, 4, 128, 64)
    found = {}
    for context in (hn.gpu(0), hn.cpu()):
        q, k, v = (hn.np.array(np.random.default_rng(i).standard_normal(shape).astype("float32"), ctx=context) for i in range(3))
        if context.is_gpu:
            q, k, v = (x.astype("bfloat16") for x in (q, k, v))
        for x in (q, k, v):
            x.attach_grad()

        @hn.jit
        def step(q: Any = q, k: Any = k, v: Any = v) -> Any:
            with autograd.record():
                y = npx.scaled_dot_product_attention(q, k, v, causal=True)
            y.backward()
            return y

        for _ in range(3):
            y = step()
        found[context] = [a.astype("float32").asnumpy().astype("float64") for a in (y, q.grad, k.grad, v.grad)]
    cases = Cases()
    for name, a, b in zip(("result", "query", "key", "value"), *found.values(), strict=True):
        cases.ask(name, partial(off, a, b), 2e-2)
    return cases.answer()
