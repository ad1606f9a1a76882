"""Pointwise operators, reductions and fused regions as CUDA C++, run on the CPU by ``emulator`` against NumPy."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from emulator import nvrtc
from emulator.emulator import COMPILER, RawModule
from emulator.suite import Suite, Work
from hypothesis import given, settings
from support.onednn_calls import without
from support.programs import Program, programs
from support.samples import ALL_OPS, as_arrays, run, samples_of

from hybridnet import autograd, dtypes
from hybridnet.codegen import cuda_index
from hybridnet.codegen.cuda_index import Layout
from hybridnet.codegen.cuda_region import Tuning, Unit
from hybridnet.compile import jit
from hybridnet.core import OPS, Kind, NDArray, Op, Sample, Spec, array, call, wrap
from hybridnet.device import cpu
from hybridnet.errors import DeviceError, HybridnetError
from hybridnet.graph.ir import Graph, Node, Value, infer_node
from hybridnet.graph.passes import optimize
from hybridnet.graph.trace import Trace, tracing
from hybridnet.lowering.fuse import fuse
from hybridnet.ops.math import pointwise, reduction
from hybridnet.ops.nn import batch_norm, loss, norm, softmax

pytestmark = [pytest.mark.slow, pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")]

POINTWISE = [op for op in ALL_OPS if op.kind is Kind.POINTWISE and op.decomposition is None]
REDUCTIONS = [op for op in ALL_OPS if op.kind is Kind.REDUCTION]
SMALL = Tuning(num_sms=2, min_chunk=32, min_column=2, share=0)  # so that small arrays take the paths of large ones
F = pointwise.FUNCTIONS


def traced(fn: Callable[..., Any], data: Sequence[Any]) -> Graph:
    """The graph of a function of arrays that gives a tuple of arrays."""
    trace = Trace()
    with tracing(trace):
        tracers = [wrap(NDArray, trace.argument(Spec(x.shape, x.dtype), cpu(), "x"), cpu()) for x in data]
        return trace.graph([trace.read(y) for y in fn(*tracers)])


def node(name: str, inputs: Sequence[Value], **attrs: Any) -> Node:
    return Node(OPS[name], inputs, attrs, infer_node(OPS[name], inputs, attrs), cpu())


def value(*shape: int, dtype: Any = dtypes.float32) -> Value:
    return Value(shape, dtype, cpu())


def random_data(v: Value, seed: int = 3) -> Any:
    rng = np.random.default_rng(seed)
    return (rng.integers(-3, 4, v.shape) if not dtypes.is_floating(v.dtype) else rng.normal(size=v.shape)).astype(v.dtype)


# -- every operator -------------------------------------------------------------------------------

EDGES = {
    "f": [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -3.0, 2.75, -7.5, 1e4, -1e-3],
    "i": [0, 1, 2, 3, 5, 7, -1, -2, -128, 127, 100],
    "u": [0, 1, 2, 3, 5, 7, 8, 100, 255],
    "b": [False, True],
}
DTYPES = [*dtypes.FLOATS, dtypes.int8, dtypes.int32, dtypes.int64, dtypes.uint8, dtypes.uint64, dtypes.bool_]


def sample_graphs(op: Op) -> Iterator[tuple[Graph, list[Any]]]:
    """The operator's samples (the first in each floating dtype), and all pairs of peculiar values in each dtype."""
    for i, sample in enumerate(samples_of(op)):
        if sample.error is None:
            for dtype in dtypes.FLOATS if i == 0 else (dtypes.float32,):
                yield from graph_of_sample(op, sample, dtype)
    attrs = samples_of(op)[0].attrs
    arity = len(samples_of(op)[0].inputs)
    for dtype in DTYPES:
        kind = "f" if dtypes.is_floating(dtype) else dtype.kind
        edges = np.array(EDGES[kind])
        for chosen in (edges.astype(dtype), edges[edges > 0].astype(dtype)):  # some refuse negative numbers
            inputs = [chosen.reshape(-1, *[1] * (arity - 1 - i)) for i in range(arity)]
            if op.name == "where":
                inputs[0] = inputs[0] != 0
            found = list(graph_of_sample(op, Sample(tuple(inputs), attrs), None))
            if found:
                yield from found
                break


def graph_of_sample(op: Op, sample: Sample, dtype: Any) -> Iterator[tuple[Graph, list[Any]]]:
    """The operator's call as a graph and its data; nothing where eager execution refuses it."""
    places = [i for i, x in enumerate(sample.inputs) if isinstance(x, np.ndarray)]
    arrays = as_arrays(sample.inputs, dtype)

    def fn(*xs: Any) -> Any:
        operands = list(arrays)
        for place, x in zip(places, xs, strict=True):
            operands[place] = x
        return run(op, operands, sample.attrs)

    data = [arrays[i]._data for i in places]
    try:
        with np.errstate(all="ignore"):
            outputs = run(op, arrays, sample.attrs)
        graph = traced(fn, data)
    except (HybridnetError, TypeError, ValueError):
        return
    if [v.spec for v in graph.outputs] == [Spec(y.shape, y.dtype) for y in outputs]:  # NumPy makes integers of some operations on bool
        yield graph, data


@pytest.fixture(scope="module")
def operators() -> tuple[Suite, dict[Op, list[Work]]]:
    suite = Suite()
    works = {op: [w for graph, data in sample_graphs(op) for w in suite.add_graph(graph, data)] for op in POINTWISE}
    return suite.build(), works


@pytest.mark.parametrize("op", POINTWISE, ids=lambda op: op.name)
def test_pointwise(op: Op, operators: tuple[Suite, dict[Op, list[Work]]]) -> None:
    suite, works = operators
    assert any(w.node.op is op for w in works[op])
    for work in works[op]:
        suite.check(work)


# -- how kernels reach their operands ---------------------------------------------------------------


def access_cases() -> Iterator[tuple[str, Node]]:
    """Shapes that take each path: packs, tails, two packs at a time, broadcasting along each axis, scalars, types of all widths."""
    f16, f64, i8, b = dtypes.float16, dtypes.float64, dtypes.int8, dtypes.bool_
    for name, *shapes in (
        ("scalar", (), ()),
        ("one", (1, 1), (1,)),
        ("packs", (64, 4), (64, 4)),
        ("tail", (1037,), (1037,)),
        ("shorter than a pack", (3,), (3,)),
        ("number", (129, 4), ()),
        ("row", (33, 8), (8,)),
        ("odd row", (33, 7), (7,)),
        ("column", (33, 8), (33, 1)),
        ("outer product", (9, 1), (1, 12)),
        ("middle", (3, 5, 8), (3, 1, 8)),
        ("alternating", (3, 1, 5, 1), (1, 4, 1, 8)),
        ("empty", (0, 4), (4,)),
    ):
        yield name, node("add", [value(*shapes[0]), value(*shapes[1])])
    for dtype in (f16, f64, i8, b):
        yield f"add {dtype}", node("add", [value(40, 24, dtype=dtype), value(24, dtype=dtype)])
        yield f"copy {dtype}", node("copy", [value(20000, dtype=dtype)])  # two packs at a time
    yield "widening", node("cast", [value(1000, dtype=f16)], dtype=f64)
    yield "narrowing", node("cast", [value(999, dtype=f64)], dtype=i8)
    yield "mixed widths", node("where", [value(96, 32, dtype=b), value(32), value(96, 1)])
    yield "grid", node("exp", [value(30001)])


@pytest.fixture(scope="module")
def accesses() -> tuple[Suite, dict[str, Work]]:
    suite = Suite(SMALL)
    works = {name: suite.add(n, [random_data(v) for v in n.inputs]) for name, n in access_cases()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuda_index, "LIMIT_32", 0)
        wide = {
            f"{name} 64": suite.add(n, [random_data(v) for v in n.inputs])
            for name, n in (*access_cases(), *reduction_cases())
            if n.outputs[0].size
        }
    return suite.build(), works | wide


def test_access(accesses: tuple[Suite, dict[str, Work]]) -> None:
    suite, works = accesses
    for name, work in works.items():
        suite.check(work)
        assert all(("long long" in k.text) == name.endswith(" 64") for k in work.launches.kernels)


def test_large_arrays_have_64_bit_indices_and_16_byte_accesses() -> None:
    large = Unit().add(node("add", [value(2**16, 2**16), value(2**16, 1)])).kernels[0]
    assert "long long i" in large.text and "hn_load<4>" in large.text
    half = Unit().add(node("add", [value(2**20, dtype=dtypes.bfloat16)] * 2)).kernels[0]
    assert "int i" in half.text and "hn_load<8>" in half.text
    assert large.grid[0] >= 4 * 132 * 8  # several times as many as fit
    assert 2 * 256 * large.grid[0] <= 2**24  # an index of 32 bits has room for that


VIEWS: dict[str, tuple[tuple[int, ...], Callable[[Any], Any]]] = {
    "transposed": ((16, 12), lambda x: x.T),
    "every second": ((16, 24), lambda x: x[:, ::2]),
    "backward": ((16, 12), lambda x: x[::-1]),
    "shifted rows": ((17, 12), lambda x: x[1:]),
    "unaligned": ((16, 12), lambda x: x[:, 1:9]),
    "unaligned rows": ((16, 9), lambda x: x[:, :8]),
}


def test_strided_inputs() -> None:
    unit, works = Unit(SMALL), []
    for size, view in VIEWS.values():
        x = view(np.random.default_rng(0).normal(size=size).astype(np.float32))
        layout = Layout(tuple(s // 4 for s in x.strides), 4 if x.ctypes.data % 16 else 16)
        for made in (node("exp", [value(*x.shape)]), node("sum", [value(*x.shape)], axis=(1,), keepdims=True)):
            works.append((made, x, unit.add(made, {made.inputs[0]: layout})))
    module = RawModule(unit.text)
    for made, x, launches in works:
        y = np.empty(made.output.shape, np.float32)
        arrays = {made.inputs[0]: x, made.output: y}
        for k in launches.kernels:
            module.get_function(k.name)(k.grid, (k.block,), [arrays[v] for v in k.arguments], shared_mem=k.shared_bytes)
        np.testing.assert_allclose(y, np.exp(x) if made.op.name == "exp" else x.sum(1, keepdims=True), rtol=1e-5, atol=1e-5)


# -- reductions -------------------------------------------------------------------------------------


def reduction_cases() -> Iterator[tuple[str, Node]]:
    """Rows and columns, short and long, of each kind of team; reduced axes at the ends, in the middle, apart; empty ones."""
    for size, axis in (
        ((7, 3), (1,)),
        ((50, 1), (1,)),
        ((5, 300), (1,)),
        ((3, 5000), (1,)),
        ((2, 2049), (1,)),
        ((40, 33), (0,)),
        ((4, 130), (0,)),
        ((500, 3), (0,)),
        ((70, 96), (0,)),
        ((2, 520), (0,)),
        ((6, 50, 8), (1,)),
        ((5, 4, 64), (0, 2)),
        ((2, 3, 5, 6), (1, 3)),
        ((2, 3, 5, 6), (0, 2)),
        ((3000,), (0,)),
        ((20, 30), (0, 1)),
        ((0, 5), (0,)),
        ((5, 0), (1,)),
        ((0, 5), (1,)),
    ):
        for keepdims in (False, True):
            yield f"{size} {axis} {keepdims}", node("sum", [value(*size)], axis=axis, keepdims=keepdims)
    for name in ("sum", "prod", "max", "min", "any", "all"):
        for dtype in (dtypes.float64, dtypes.float16, dtypes.bfloat16, dtypes.int8, dtypes.uint8, dtypes.int64, dtypes.bool_):
            if (name, dtype) not in (("max", dtypes.bool_), ("min", dtypes.bool_)):
                for size, axis in (((9, 40), (1,)), ((300, 33), (0,)), ((90, 48), (0,)), ((1, 700), (1,))):
                    yield f"{name} {dtype} {size}", node(name, [value(*size, dtype=dtype)], axis=axis, keepdims=False)


@pytest.fixture(scope="module")
def reductions() -> tuple[Suite, list[Work]]:
    suite = Suite(SMALL)
    works = [suite.add(n, [random_data(v) for v in n.inputs]) for _, n in reduction_cases()]
    for op in REDUCTIONS:
        for sample in samples_of(op):
            for dtype in dtypes.FLOATS:
                works += [w for graph, data in graph_of_sample(op, sample, dtype) for w in suite.add_graph(graph, data)]
    for name in ("max", "min", "sum"):
        for size in ((2, 40), (2, 3000)):
            data = np.random.default_rng(1).normal(size=size).astype(np.float32)
            data[0, 17], data[1, 5] = np.nan, np.inf
            works.append(suite.add(node(name, [value(*size)], axis=(1,), keepdims=True), [data]))
    return suite.build(), works


def test_reductions(reductions: tuple[Suite, list[Work]]) -> None:
    suite, works = reductions
    kernels = [k for w in works for k in w.launches.kernels]
    for team in ("hn_reduce_lanes", "hn_reduce_block", "hn_reduce_columns"):
        assert any(team in k.text for k in kernels)
    assert any(k.grid[1] > 1 for k in kernels)
    for work in works:
        suite.check(work)


# -- regions ----------------------------------------------------------------------------------------


def fused_works(suite: Suite, graph: Graph, data: Sequence[Any]) -> list[Work]:
    return suite.add_graph(fuse(optimize(graph)), data)


@pytest.fixture(scope="module")
def random_regions() -> tuple[Suite, list[Work]]:
    suite, works = Suite(SMALL), []

    @given(programs(max_steps=16, states=False))
    @settings(max_examples=60)
    def collect(program: Program) -> None:
        xs = program.arrays(program.inputs, 1)
        works.extend(fused_works(suite, traced(lambda *a: program(list(a), []), [x._data for x in xs]), [x._data for x in xs]))

    collect()
    return suite.build(), works


def test_random_regions(random_regions: tuple[Suite, list[Work]]) -> None:
    suite, works = random_regions
    assert sum(w.node.op.name == "fused" for w in works) > 50
    for work in works:
        suite.check(work, tolerance=100.0)


def _crossed(x: Any) -> Any:
    """Sums over one axis, then over another: no one kernel does both."""
    a = F["exp"](x - reduction.max(x, axis=2, keepdims=True))
    b = F["tanh"](a / reduction.sum(a, axis=1, keepdims=True))
    return a, b * reduction.sum(b, axis=2, keepdims=True), reduction.max(x, axis=1, keepdims=True)


def _read_again(x: Any) -> Any:
    a = F["exp"](x)
    return a, reduction.sum(x * reduction.sum(a, axis=2, keepdims=True), axis=1, keepdims=True)


def _narrow(x: Any, y: Any) -> Any:
    """Outputs of several shapes: of the domain, of a row, of a column, of nothing but the narrow operand."""
    small = F["exp"](y)
    return small * x, small, reduction.sum(small * x, axis=1, keepdims=True), reduction.sum(small, axis=-1, keepdims=True)


def _chain(x: Any) -> Any:
    """Reductions in a row, and outputs at each level."""
    a = x - reduction.mean(x, axis=0, keepdims=True)
    b = a / F["sqrt"](reduction.mean(a * a, axis=0, keepdims=True) + 1e-3)
    return a, b, b - reduction.max(b, axis=0, keepdims=True), reduction.sum(F["greater"](b, 0), axis=0, keepdims=True)


def _beside(x: Any, row: Any, column: Any) -> Any:
    """Columns in packs, beside operands and outputs that are the same along them, or for all of them."""
    a = F["maximum"](x * column + row, 0)
    total = reduction.sum(a, axis=0, keepdims=True)
    b = F["exp"](total * 0.01) + row
    return a, b, x / b - column, reduction.max(x * b, axis=0, keepdims=True)


REGIONS: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]], int]] = {
    "crossed": (_crossed, [(3, 5, 8)], 3),
    "crossed, large": (_crossed, [(2, 40, 65)], 3),
    "read again": (_read_again, [(3, 5, 8)], 2),
    "narrow": (_narrow, [(6, 12), (12,)], 1),
    "narrow columns": (_narrow, [(6, 33), (6, 1)], 1),
    "chain over columns": (_chain, [(20, 33)], 1),
    "chain, split": (_chain, [(300, 33)], 7),
    "chain over packs of columns": (_chain, [(20, 48)], 1),
    "beside columns": (_beside, [(50, 40), (40,), (50, 1)], 1),
    "beside columns, split": (_beside, [(300, 40), (40,), (300, 1)], 5),
    "chain, one column": (_chain, [(700, 1)], 2),
}


@pytest.fixture(scope="module")
def regions() -> tuple[Suite, dict[str, list[Work]]]:
    suite, works = Suite(SMALL), {}
    for name, (fn, shapes, _) in REGIONS.items():
        data = [random_data(value(*s, dtype=dtypes.float32), i) for i, s in enumerate(shapes)]
        works[name] = fused_works(suite, traced(fn, data), data)
    return suite.build(), works


@pytest.mark.parametrize("name", REGIONS)
def test_regions(name: str, regions: tuple[Suite, dict[str, list[Work]]]) -> None:
    suite, works = regions
    for work in works[name]:
        suite.check(work, tolerance=4.0)
    assert max(len(w.launches.kernels) for w in works[name]) == REGIONS[name][2]


@pytest.mark.parametrize("dtype", [dtypes.float16, dtypes.bfloat16], ids=str)
def test_16_bit_values_are_rounded_where_the_graph_has_them(dtype: Any) -> None:
    """Bit for bit what NumPy gives: inside a region as between two."""
    suite = Suite()
    a, b = (random_data(value(300, dtype=dtype), seed) * 10 for seed in (1, 2))
    (work,) = fused_works(suite, traced(lambda x, y: [(x + y) * x - y], [a, b]), [a, b])
    suite.build().check(work, tolerance=0.0)


def test_equal_kernels_are_written_once() -> None:
    unit = Unit()
    first, second, other = (unit.add(node("exp", [value(*s)])) for s in ((8, 4), (4, 8), (8, 5)))
    assert first.kernels[0].name == second.kernels[0].name != other.kernels[0].name
    assert unit.text.count("__global__") == 2
    assert first.kernels[0].arguments != second.kernels[0].arguments


def test_an_operator_without_cuda_text_is_an_error() -> None:
    nameless = Op("nameless", Kind.POINTWISE, lambda x: x, compute=lambda xp, x: x)
    x = value(3)
    with pytest.raises(DeviceError, match=r"nameless.*expected an operator with a GPU version"):
        Unit().add(Node(nameless, [x], {}, [x.spec], cpu()))


def test_in_place_pairs() -> None:
    """Elementwise operands of the result's type may be overwritten; what is broadcast, or read again later, may not."""
    x, row, wide = value(6, 8), value(8), value(6, 8, dtype=dtypes.float64)
    add = node("add", [x, row])
    assert Unit().add(add).in_place() == [(x, add.output)]
    assert Unit().add(node("cast", [wide], dtype=dtypes.float32)).in_place() == []

    def scaled(a: Any) -> Any:
        e = F["exp"](a)
        return e, a * reduction.sum(e, axis=1, keepdims=True)

    graph = fuse(traced(scaled, [random_data(x)]))
    (fused,) = graph.nodes
    assert Unit().add(fused).in_place() == [(fused.inputs[0], graph.outputs[1])]


def with_gradients(fn: Callable[..., Any], trained: int) -> Callable[..., Any]:
    """The function's result and the gradients of its first ``trained`` arguments for the head gradients in its last one."""

    def step(*arrays: Any) -> Any:
        *operands, head = arrays
        for x in operands[:trained]:
            x.attach_grad()
        with autograd.record(train_mode=True):
            y = fn(*operands)
        y.backward(head)
        return (y, *(x.grad for x in operands[:trained]))

    return step


def _batch_norm(x: Any, gamma: Any, beta: Any, *, axis: int) -> Any:
    c = gamma.shape[0]
    return batch_norm.batch_norm(x, gamma, beta, array(np.zeros(c)).astype(x.dtype), array(np.ones(c)).astype(x.dtype), axis=axis)


def _cross_entropy(x: Any) -> Any:
    labels = array(np.arange(x.shape[0]) % x.shape[1], dtype="int64")
    return loss.softmax_cross_entropy(x, labels)


def _gelu_bias(x: Any, b: Any) -> Any:
    return call("gelu", x + b)


MODELS: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]], int]] = {
    "softmax": (lambda x: softmax.softmax(x, axis=-1), [(12, 40)], 1),
    "long softmax": (lambda x: softmax.softmax(x, axis=-1), [(3, 5001)], 1),
    "softmax over the first axis": (lambda x: softmax.softmax(x, axis=0), [(37, 40)], 1),
    "log_softmax": (lambda x: softmax.log_softmax(x, axis=1), [(4, 9, 6)], 1),
    "layer_norm": (norm.layer_norm, [(10, 64), (64,), (64,)], 3),
    "long layer_norm": (norm.layer_norm, [(4, 2048), (2048,), (2048,)], 3),
    "batch_norm": (lambda *a: _batch_norm(*a, axis=1), [(6, 5, 4, 4), (5,), (5,)], 3),
    "batch_norm, channels last": (lambda *a: _batch_norm(*a, axis=3), [(6, 4, 4, 40), (40,), (40,)], 3),
    "cross_entropy": (_cross_entropy, [(20, 33)], 1),
    "bias and gelu": (_gelu_bias, [(30, 24), (24,)], 2),
}


@pytest.fixture(scope="module")
def models() -> tuple[Suite, dict[tuple[str, Any], list[Work]]]:
    suite, works = Suite(SMALL), {}
    rng = np.random.default_rng(5)
    for name, (fn, shapes, trained) in MODELS.items():
        for dtype in dtypes.FLOATS:
            arrays = [array(rng.normal(size=s).astype(dtype), dtype=dtype) for s in shapes]
            arrays.append(array(rng.normal(size=fn(*arrays).shape).astype(dtype), dtype=dtype))
            compiled = jit(with_gradients(fn, trained))
            with without():  # a CPU's library keeps whole what a GPU has kernels for
                graph = compiled.graph(*arrays)
            state = next(iter(compiled.cache.values())).states
            works[name, dtype] = fused_works(suite, graph, [x._data for x in (*arrays, *state)])
    return suite.build(), works


@pytest.mark.parametrize("dtype", dtypes.FLOATS, ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_models(name: str, dtype: Any, models: tuple[Suite, dict[tuple[str, Any], list[Work]]]) -> None:
    suite, works = models
    assert any(w.node.op.name in ("fused", "ended") for w in works[name, dtype])
    for work in works[name, dtype]:
        suite.check(work, tolerance=4.0)


# -- on the device's own compiler ---------------------------------------------------------------------


@pytest.mark.slow
def test_compiles_without_spills(accesses: Any, reductions: Any, random_regions: Any, models: Any) -> None:
    """Kernels of the tests above; one that divides doubles may spill what its calls of the division clobber."""
    spilling = nvrtc.spills([u for suite, _ in (accesses, reductions, random_regions) for u in suite.units], ["sm_90"])
    spilling |= nvrtc.spills(models[0].units)
    assert not {text: spilled for text, spilled in spilling.items() if "double" not in text}
