"""cuBLASLt: row-major products in its column-major terms, against NumPy, on a library that reads the descriptions as C does."""

import ctypes
import functools
import itertools
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np
import pytest
from emulator import streams
from emulator.libraries import installed
from emulator.raw import view

from hybridnet import dtypes
from hybridnet.config import config
from hybridnet.core import OPS, cuda_rule
from hybridnet.core.kernel import StridedSpec
from hybridnet.device import Device, blas, cpu, cuda, wheels
from hybridnet.graph.backend import CUDA
from hybridnet.graph.interpret import run_node
from hybridnet.graph.ir import Graph, Node, Value, infer_node
from hybridnet.graph.passes import epilogue
from hybridnet.graph.verify import verify
from hybridnet.ops.linalg.gemm import product_of

Data = np.ndarray[Any, Any]
LIBRARY: Any = blas.library  # which the emulation stands before
TOLERANCE = {dtypes.float64: 1e-12, dtypes.float32: 1e-5, dtypes.float16: 2e-3, dtypes.bfloat16: 2e-2}


@pytest.fixture(autouse=True)
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(cuda, "device_count", lambda: 1)
    monkeypatch.setattr(cuda, "current_id", lambda: 0)
    with installed():
        yield


def placed(x: Data) -> StridedSpec:
    return StridedSpec(x.shape, x.dtype, tuple(s // x.itemsize for s in x.strides))


def filled(*shape: int, dtype: Any = dtypes.float64, seed: int = 0) -> Data:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def address(x: Data) -> int:
    return int(x.__array_interface__["data"][0])


def library_call(name: str, arrays: list[Data], attrs: dict[str, Any]) -> Data | None:
    """What the operator's library call gives for arrays as they lie, or None."""
    op = OPS[name]
    spec: Any = op.infer(*arrays, **attrs)
    y = np.full(spec.shape, 77).astype(spec.dtype)
    plan = cuda_rule(op).library
    assert plan is not None
    call = plan(tuple(map(placed, arrays)), (placed(y),), **attrs)
    if call is None:
        return None
    scratch = np.zeros(call.workspace, np.uint8)
    call.enqueue([*map(address, arrays), address(y)], scratch.ctypes.data, 0)
    return y


def check(name: str, arrays: list[Data], attrs: dict[str, Any] | None = None) -> None:
    attrs = attrs or {}
    found = library_call(name, arrays, attrs)
    assert found is not None, [placed(x) for x in arrays]
    wide = [x.astype(np.float64) for x in arrays]
    flags = {k: v for k, v in attrs.items() if k != "relu"}
    expected = OPS["matmul"].compute(np, *wide[:2], **flags)  # type: ignore[misc]
    if len(wide) == 3:
        expected = expected + wide[2]
    if attrs.get("relu"):
        expected = np.maximum(expected, 0)
    tolerance = TOLERANCE[found.dtype]
    np.testing.assert_allclose(found.astype(np.float64), expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())


def refused(a: Data, b: Data, **flags: bool) -> bool:
    return library_call("matmul", [a, b], flags) is None


@pytest.mark.parametrize("dtype", dtypes.FLOATS, ids=str)
@pytest.mark.parametrize("flags", [*itertools.product([False, True], repeat=2)], ids=str)
def test_transposes(dtype: Any, flags: tuple[bool, bool]) -> None:
    for m, n, k in ((3, 4, 5), (1, 4, 5), (3, 1, 5), (3, 4, 1), (1, 1, 1)):
        a, b = filled(*((k, m) if flags[0] else (m, k)), dtype=dtype), filled(*((n, k) if flags[1] else (k, n)), dtype=dtype, seed=1)
        for left, right in ((a, b), (np.asfortranarray(a), b), (a, np.asfortranarray(b)), (np.asfortranarray(a), np.asfortranarray(b))):
            check("matmul", [left, right], {"transpose_a": flags[0], "transpose_b": flags[1]})


def test_slices_need_no_copy() -> None:
    a, b = filled(7, 9), filled(9, 8, seed=1)
    check("matmul", [a[1:4, 2:7], b[3:8, 1:5]])
    check("matmul", [a[::2, 2:7], b[2:7, :]])
    check("matmul", [a[1:4, 2:7].T, b[1:4, 1:5]])
    assert refused(a[:, ::2], b[:5])  # a gap in both axes
    assert refused(a[:, ::-1], b)
    assert refused(a[::-1], b)
    one_row = StridedSpec((3, 9), a.dtype, (0, 1))
    assert product_of(one_row, placed(b), StridedSpec((3, 8), a.dtype, (8, 1))) is None  # columns that lie in one another


BATCHES: tuple[tuple[str, Any], ...] = (
    ("equal", lambda: (filled(2, 3, 4, 5), filled(2, 3, 5, 6))),
    ("one matrix for all", lambda: (filled(2, 3, 4, 5), filled(5, 6))),
    ("one matrix for all, on the left", lambda: (filled(4, 5), filled(2, 3, 5, 6))),
    ("broadcast by length 1", lambda: (filled(2, 1, 4, 5), filled(1, 1, 5, 6))),
    ("broadcast by stride", lambda: (filled(2, 4, 5), np.broadcast_to(filled(5, 6), (2, 5, 6)))),
    ("both broadcast by stride", lambda: (np.broadcast_to(filled(1, 5), (2, 1, 5)), np.broadcast_to(filled(5, 6), (2, 5, 6)))),
    ("rows of one", lambda: (filled(3, 1, 5), filled(5, 6))),
    ("transposed in a batch", lambda: (filled(2, 5, 4).swapaxes(1, 2), filled(2, 6, 5).swapaxes(1, 2))),
    ("heads of a packed array", lambda: (filled(4, 3, 5).swapaxes(0, 1), filled(5, 3, 6).swapaxes(0, 1))),
    ("every other matrix", lambda: (filled(6, 4, 5)[::2], filled(3, 5, 6))),
    ("transposed rows of a batch", lambda: (filled(5, 2, 4).transpose(1, 2, 0), filled(5, 6))),
)


@pytest.mark.parametrize("dtype", dtypes.FLOATS, ids=str)
@pytest.mark.parametrize(("name", "make"), BATCHES, ids=[name for name, _ in BATCHES])
def test_batches(name: str, make: Any, dtype: Any) -> None:
    check("matmul", [_like(x, dtype) for x in make()])


def _like(x: Data, dtype: Any) -> Data:
    """The values of ``x`` as another dtype, laid out as they are."""
    span = 1 + sum((n - 1) * s // x.itemsize for n, s in zip(x.shape, x.strides, strict=True))
    flat = view(address(x), x.dtype, (span,), (1,)).astype(dtype)
    return np.lib.stride_tricks.as_strided(flat, x.shape, [s // x.itemsize * dtype.itemsize for s in x.strides])


def test_batches_join_or_are_refused() -> None:
    assert refused(filled(2, 4, 3, 5).swapaxes(1, 2), filled(2, 3, 5, 6))  # two steps in one operand
    assert refused(filled(2, 1, 4, 5), filled(1, 3, 5, 6))  # each is broadcast along another axis

    def product(a: Data, b: Data) -> Any:
        return product_of(placed(a), placed(b), placed(np.empty(np.matmul(a, b).shape)))

    assert product(filled(2, 3, 4, 5), filled(5, 6)).batch == 1  # all rows of all samples in one product
    assert product(filled(2, 3, 4, 5), filled(2, 3, 5, 6)).batch == 6


@pytest.mark.parametrize("dtype", dtypes.FLOATS, ids=str)
@pytest.mark.parametrize("relu", [False, True])
def test_bias(dtype: Any, relu: bool) -> None:
    for a, b in ((filled(3, 5), filled(5, 4)), (filled(2, 3, 5), filled(5, 4)), (filled(2, 3, 5), filled(2, 5, 4))):
        check("matmul_bias", [a.astype(dtype), b.astype(dtype), filled(4, dtype=dtype, seed=2)], {"relu": relu})


def test_the_bias_is_that_of_the_call() -> None:
    """One plan, several biases, one of them captured: a replay uses its own."""
    a, b = filled(3, 5), filled(5, 4)
    biases, y = [filled(4, seed=i) for i in range(3)], np.zeros((3, 4))
    call: Any = cuda_rule(OPS["matmul_bias"]).library(tuple(map(placed, (a, b, biases[0]))), (placed(y),))  # type: ignore[misc]
    scratch = np.zeros(call.workspace, np.uint8)

    def enqueue(bias: Data, stream: int) -> None:
        call.enqueue([*map(address, (a, b, bias, y))], address(scratch), stream)

    streams.begin(7)
    enqueue(biases[0], 7)
    kept = streams.end(7).work
    for bias in biases[1:]:
        enqueue(bias, 0)
        np.testing.assert_allclose(y, a @ b + bias)
    a *= 2  # what lies there when the graph is launched counts
    for work in kept:
        work()
    np.testing.assert_allclose(y, a @ b + biases[0])


def test_operands_at_odd_addresses() -> None:
    """An algorithm that wants 16 bytes is used only where it gets them."""
    flat = filled(64, dtype=dtypes.float32)
    for offset in range(4):
        check("matmul", [flat[offset : offset + 20].reshape(4, 5), flat[offset : offset + 30].reshape(5, 6)])


def test_plans_are_made_once_and_not_while_a_stream_captures() -> None:
    def plan(n: int) -> Any:
        y = StridedSpec((n, n), dtypes.float32, (n, 1))
        return blas.plan(product_of(y, y, y))  # type: ignore[arg-type]

    assert plan(4) is plan(4) is not plan(5)
    streams.begin(7)
    try:
        plan(4)
        with pytest.raises(streams.CaptureError):
            plan(6)
    finally:
        streams.abandon()


def test_tf32_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = filled(4, 64, dtype=dtypes.float32), filled(64, 4, dtype=dtypes.float32, seed=1)
    exact = library_call("matmul", [a, b], {})
    monkeypatch.setattr(config, "tf32", True)
    rounded = library_call("matmul", [a, b], {})
    assert exact is not None and rounded is not None
    distance = np.abs(rounded - exact).max()
    assert 1e-5 < distance < 1e-1
    monkeypatch.setattr(config, "tf32", False)
    np.testing.assert_array_equal(library_call("matmul", [a, b], {}), exact)


def test_integers_and_mixed_types_are_not_for_the_library() -> None:
    assert refused(np.ones((2, 2), np.int32), np.ones((2, 2), np.int32))
    x = StridedSpec((2, 2), dtypes.float32, (2, 1))
    assert product_of(x, x._replace(dtype=dtypes.float16), x) is None


def test_without_the_library(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Products go through CuPy, which is said once."""
    monkeypatch.setattr(wheels, "load", lambda stem: None)
    monkeypatch.setattr(blas, "library", functools.cache(LIBRARY.__wrapped__))
    for _ in range(2):
        assert refused(filled(2, 2), filled(2, 2))
    assert [r.message for r in caplog.records] == ["cuBLASLt was not found: matrix products go through CuPy, which is slower"]


def test_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "device_count", lambda: 0)
    assert refused(filled(2, 2), filled(2, 2))


@pytest.mark.parametrize("dtype", [dtypes.float16, dtypes.bfloat16], ids=str)
@pytest.mark.parametrize(("of", "flags"), list(itertools.product("ab", itertools.product((False, True), repeat=2))))
def test_sums_of_an_operand_come_with_the_product(dtype: Any, of: str, flags: tuple[bool, bool]) -> None:
    a, b = filled(*((16, 8) if flags[0] else (8, 16)), dtype=dtype), filled(*((24, 16) if flags[1] else (16, 24)), dtype=dtype, seed=1)
    attrs = {"of": of, "transpose_a": flags[0], "transpose_b": flags[1]}
    specs: Any = OPS["matmul_sums"].infer(a, b, **attrs)
    y, sums = (np.full(s.shape, 77).astype(dtype) for s in specs)
    call: Any = cuda_rule(OPS["matmul_sums"]).library((placed(a), placed(b)), (placed(y), placed(sums)), **attrs)  # type: ignore[misc]
    scratch = np.zeros(call.workspace, np.uint8)
    call.enqueue([*map(address, (a, b, y, sums))], scratch.ctypes.data, 0)
    wide = [x.astype(np.float64).T if flag else x.astype(np.float64) for x, flag in zip((a, b), flags, strict=True)]
    tolerance = TOLERANCE[dtype]
    for found, expected in ((y, wide[0] @ wide[1]), (sums, wide[0].sum(1) if of == "a" else wide[1].sum(0))):
        np.testing.assert_allclose(found.astype(np.float64), expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())


def test_sums_in_wider_types_are_left_to_kernels() -> None:
    a = filled(8, 8, dtype=dtypes.float32)
    assert cuda_rule(OPS["matmul_sums"]).library((placed(a), placed(a)), (placed(a), placed(a[0])), of="a") is None  # type: ignore[misc]


# -- the pass that gives products their bias and relu --------------------------------------------------


def graph_of(build: Any, *shapes: tuple[int, ...], device: Any) -> Graph:
    inputs = [Value(s, dtypes.float32, device) for s in shapes]
    nodes: list[Node] = []

    def emit(name: str, *operands: Value, **attrs: Any) -> Value:
        nodes.append(Node(OPS[name], operands, attrs, infer_node(OPS[name], operands, attrs), device))
        return nodes[-1].output

    outputs = build(emit, *inputs)
    return Graph(inputs, nodes, outputs)


def dense(emit: Any, x: Value, w: Value, b: Value) -> list[Value]:
    zero = emit("full", shape=(), value=0, dtype=dtypes.float32)
    return [emit("maximum", emit("add", emit("matmul", x, w, transpose_b=True), b), zero)]


def read_twice(emit: Any, x: Value, w: Value, b: Value) -> list[Value]:
    y = emit("matmul", x, w, transpose_b=True)
    return [emit("add", b, y), y]


def halfway(emit: Any, x: Value, w: Value, b: Value) -> list[Value]:
    y = emit("add", b, emit("matmul", x, w, transpose_b=True))
    zero = emit("full", shape=(), value=0, dtype=dtypes.float32)
    return [emit("maximum", zero, y), y]


SHAPES = ((3, 5), (4, 5), (4,))


@pytest.mark.parametrize(
    ("build", "shapes", "expected"),  # under fast math: the library's relu gives 0 for NaN
    [
        (dense, SHAPES, ["full", "matmul", "matmul_bias", "matmul_bias"]),
        (dense, ((2, 3, 5), (4, 5), (4,)), ["full", "matmul", "matmul_bias", "matmul_bias"]),
        (read_twice, SHAPES, ["matmul", "add"]),
        (halfway, SHAPES, ["matmul", "matmul_bias", "full", "maximum"]),
        (dense, ((3, 5), (4, 5), (3, 1)), ["full", "matmul", "add", "maximum"]),  # a bias a row
        (dense, ((3, 5), (1, 5), (4,)), ["full", "matmul", "add", "maximum"]),  # the sum is larger than the product
    ],
)
def test_epilogue(build: Any, shapes: Any, expected: list[str]) -> None:
    on_cpu = graph_of(build, *shapes, device=cpu())
    with mock.patch.object(config, "disabled_libraries", frozenset({"oneDNN"})):
        assert str(epilogue(on_cpu)) == str(on_cpu)  # NumPy has no product that does more
    graph = graph_of(build, *shapes, device=Device("gpu", 0))
    exact = epilogue(graph)
    with mock.patch.object(config, "fast_math", True):
        after = verify(epilogue(graph), "epilogue")
    assert not any(n.attrs.get("relu") for n in exact.nodes)
    assert [n.op.name for n in after.nodes] == expected
    env: dict[Value, Data] = {}
    for g in (graph, after):
        env.update({v: filled(*v.shape, dtype=v.dtype, seed=i) for i, v in enumerate(graph.inputs)})
        for node in g.nodes:
            env.update(zip(node.outputs, run_node(node, [env[v] for v in node.inputs]), strict=True))
    for old, new in zip(graph.outputs, after.outputs, strict=True):
        np.testing.assert_allclose(env[new], env[old], rtol=1e-6)


def test_the_joined_operator_is_what_the_library_computes() -> None:
    graph = graph_of(lambda emit, *v: [emit("matmul_bias", *v, transpose_b=True, relu=True)], *SHAPES, device=Device("gpu", 0))
    call = CUDA.plan(graph.nodes[0])
    assert call is not None and call.name == "cuBLASLt 1 × 4×5×3 float32 bias_relu"


# -- the real library ----------------------------------------------------------------------------------


@pytest.mark.parametrize("epilogue", blas.EPILOGUES)
@pytest.mark.parametrize("dtype", dtypes.FLOATS, ids=str)
def test_descriptors_of_the_real_library(dtype: Any, epilogue: str) -> None:
    """cuBLASLt takes the attributes that the binding sets; it needs a GPU only to say which algorithm is best."""
    real = wheels.load("cublasLt")
    if real is None:
        pytest.skip("cuBLASLt is not installed")
    with mock.patch.object(blas, "library", lambda: real):
        batch = () if epilogue in blas.WITH_MATRIX else (6,)
        a, b = (StridedSpec((*batch, n, n), dtype, (*(n * n for _ in batch), n, 1)) for n in (8, 8))
        product = product_of(a, b, a, epilogue=epilogue)
        assert product is not None
        made = blas.Matmul(product, None)
        for attribute, expected in ((blas.EPILOGUE, blas.EPILOGUES[epilogue]), (blas.TRANSPOSE_A, 0)):
            value, written = ctypes.c_int32(), ctypes.c_size_t()
            status = real.cublasLtMatmulDescGetAttribute(
                made._description, attribute, ctypes.byref(value), ctypes.c_size_t(4), ctypes.byref(written)
            )
            assert (status, value.value, written.value) == (0, expected, 4)
