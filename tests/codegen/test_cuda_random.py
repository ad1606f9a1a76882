"""Random numbers in kernels, on the emulator: against the same layout written in NumPy, alone, in fused regions and in row kernels."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from emulator import nvrtc
from emulator.emulator import COMPILER
from emulator.suite import Suite, Work, on_gpu
from scipy import special, stats

from hybridnet import autograd, dtypes
from hybridnet import numpy as hnp
from hybridnet.codegen.cuda_region import Tuning, Unit
from hybridnet.compile import jit
from hybridnet.core import OPS, NDArray, Op, Spec, apply, array, cuda_rule, wrap
from hybridnet.core.random import seed
from hybridnet.device import Device, cpu, gpu
from hybridnet.graph.interpret import run_node
from hybridnet.graph.ir import Graph, Node, Value, infer_node
from hybridnet.graph.partition import partition
from hybridnet.graph.passes import optimize
from hybridnet.graph.trace import Trace, tracing
from hybridnet.lowering.fuse import FUSED, fuse
from hybridnet.lowering.recompute import recompute
from hybridnet.ops.nn.dropout import DROPOUT_MASK, dropout
from hybridnet.ops.random.draws import CATEGORICAL, MULTINOMIAL, PERMUTATION

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")

Data = np.ndarray[Any, Any]
SEED, COUNTER = np.asarray(2**40 + 7, np.uint64), np.asarray(2**33 + 3, np.uint64)


# -- the layout in NumPy ----------------------------------------------------------------------------


def blocks(seed: int, counter: int, numbers: Data) -> Data:
    """Philox 4x32-10 of those blocks of a draw: an array of four words each."""
    x = [numbers & 0xFFFFFFFF, numbers >> 32, np.full_like(numbers, counter & 0xFFFFFFFF), np.full_like(numbers, counter >> 32)]
    keys = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        first, second = x[0] * np.uint64(0xD2511F53), x[2] * np.uint64(0xCD9E8D57)
        x = [(second >> 32) ^ x[1] ^ keys[0], second & 0xFFFFFFFF, (first >> 32) ^ x[3] ^ keys[1], first & 0xFFFFFFFF]
        keys = [(keys[0] + 0x9E3779B9) & 0xFFFFFFFF, (keys[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return np.stack(x, -1).astype(np.uint32)


def bits(width: int, size: int, seed: Any = SEED, counter: Any = COUNTER) -> Data:
    """Of each element, in order, ``width`` bits."""
    each = 128 // width
    made = blocks(int(seed), int(counter), np.arange(-(-size // each), dtype=np.uint64))
    return made.reshape(-1).view(f"u{width // 8}")[:size]


def above_zero(x: Data) -> Data:
    return x.astype(np.float32) * np.float32(2**-32) + np.float32(2**-33)


def reference(node: Node, seed: Any = SEED, counter: Any = COUNTER) -> Data:
    """What a node without array parameters draws."""
    size, dtype = node.output.size, node.output.dtype

    def some(width: int) -> Data:
        return bits(width, size, seed, counter)

    match node.op.name:
        case "dropout_mask":
            p = node.attrs["p"]
            y = np.where(some(16) < min(round(p * 65536), 65535), 0, 1 / (1 - p) if p < 1 else 0)
        case "random_uniform":
            digits = {8: 53, 4: 24}.get(dtype.itemsize, 11 if dtype == dtypes.float16 else 8)
            width = 8 * dtype.itemsize
            y = (some(width) >> (width - digits)) / 2.0**digits
        case "random_exponential":
            y = -np.log(above_zero(some(32)))
        case "random_normal":
            pairs = bits(32, size + size % 2, seed, counter).reshape(-1, 2)
            angle = (pairs[:, 1] >> 8) * (2 * np.pi / 2**24)
            y = (np.sqrt(-2 * np.log(above_zero(pairs[:, :1]))) * np.stack([np.cos(angle), np.sin(angle)], 1)).reshape(-1)[:size]
        case "random_randint":
            low, high = (v.constant for v in node.inputs[2:])
            y = np.array([low + (int(x) * (high - low) >> 64) for x in some(64)])
    return y.astype(dtype).reshape(node.output.shape)


# -- draws alone ------------------------------------------------------------------------------------


def value(*shape: int, dtype: Any = dtypes.float32, device: Device | None = None) -> Value:
    return Value(shape, dtype, device or cpu())


def draw(name: str, shape: tuple[int, ...], dtype: Any, *parameters: Any, **attrs: Any) -> Node:
    """A draw of a seed, a counter and parameters that are numbers."""
    inputs = [value(dtype=dtypes.uint64), value(dtype=dtypes.uint64)]
    for p in parameters:
        number = np.asarray(p)
        inputs.append(
            Node(OPS["full"], (), {"shape": (), "value": p, "dtype": number.dtype}, [value(dtype=number.dtype).spec], cpu()).output
        )
    attrs = {"shape": shape, "dtype": dtype, **attrs}
    return Node(OPS[name], inputs, attrs, infer_node(OPS[name], inputs, attrs), cpu())


def data_of(node: Node, counter: Any = COUNTER) -> list[Any]:
    return [SEED, counter, *(np.asarray(v.constant) for v in node.inputs[2:])]


LAYOUTS = [
    *(draw("dropout_mask", s, d, p=0.3) for s in [(37, 24), (1001,), (), (1, 3)] for d in dtypes.FLOATS),
    draw("dropout_mask", (100,), dtypes.float32, p=1.0),
    *(draw("random_uniform", s, d) for s in [(37, 24), (1001,), ()] for d in dtypes.FLOATS),
    *(draw(name, s, dtypes.float32) for name in ("random_normal", "random_exponential") for s in [(37, 24), (1001,), ()]),
    *(draw("random_randint", (300,), d, -2, 5) for d in (dtypes.int64, dtypes.int32, dtypes.int8)),
    draw("random_randint", (300,), dtypes.int64, -(2**62), 2**62),
]

STATISTICS: list[tuple[Node, Any]] = [
    *((draw("random_uniform", (20000,), d), stats.uniform()) for d in (dtypes.float32, dtypes.float64)),
    *((draw("random_normal", (20000,), d), stats.norm()) for d in (dtypes.float32, dtypes.float64)),
    *((draw("random_exponential", (20000,), d), stats.expon()) for d in (dtypes.float32, dtypes.float64)),
    *((draw("random_gamma", (20000,), dtypes.float32, a), stats.gamma(a)) for a in (0.3, 1.0, 7.5)),
    (draw("random_gamma", (20000,), dtypes.float64, 2.5), stats.gamma(2.5)),
    *((draw("random_poisson", (20000,), dtypes.float32, m), stats.poisson(m)) for m in (0.5, 9.5, 10.5, 400.0)),
    *(
        (draw("random_binomial", (20000,), dtypes.float32, n, p), stats.binom(n, p))
        for n, p in ((5, 0.3), (5, 0.9), (1000, 0.004), (40, 0.4), (1000, 0.7))
    ),
]
EDGES: list[tuple[Node, float]] = [
    (draw("random_gamma", (9,), dtypes.float32, 0.0), 0.0),
    (draw("random_gamma", (9,), dtypes.float32, -1.0), np.nan),
    (draw("random_gamma", (9,), dtypes.float32, np.inf), np.inf),
    (draw("random_poisson", (9,), dtypes.float32, 0.0), 0.0),
    (draw("random_poisson", (9,), dtypes.float32, -1.0), np.nan),
    (draw("random_binomial", (9,), dtypes.float32, 7, 0.0), 0.0),
    (draw("random_binomial", (9,), dtypes.float32, 7, 1.0), 7.0),
    (draw("random_binomial", (9,), dtypes.float32, 0, 0.4), 0.0),
    (draw("random_binomial", (9,), dtypes.float32, 7, np.nan), np.nan),
]


class Draws:
    """All draws of these tests, compiled together."""

    def __init__(self) -> None:
        self.suite = Suite(Tuning(num_sms=2))
        self.layouts = [self.suite.add(n, data_of(n)) for n in LAYOUTS]
        self.statistics = [(self.suite.add(n, data_of(n)), d) for n, d in STATISTICS]
        self.edges = [(self.suite.add(n, data_of(n)), y) for n, y in EDGES]
        self.suite.build()

    def run(self, work: Work, counter: Any = COUNTER) -> Data:
        (kernel,) = work.launches.kernels
        found = np.empty(work.node.output.shape, work.node.output.dtype)
        arrays = work.data | {work.node.inputs[1]: counter, work.node.output: found}
        self.suite.modules[work.unit].get_function(kernel.name)(kernel.grid, (kernel.block,), [arrays[v] for v in kernel.arguments])
        return found


@pytest.fixture(scope="module")
def draws() -> Draws:
    return Draws()


def test_layouts(draws: Draws) -> None:
    for work in draws.layouts:
        exact = work.node.op.name not in ("random_normal", "random_exponential")
        draws.suite.check(work, 0.0 if exact else 1.0, [reference(work.node)])


@pytest.mark.parametrize("case", range(len(STATISTICS)))
def test_statistics(case: int, draws: Draws) -> None:
    work, expected = draws.statistics[case]
    found = draws.run(work).astype(np.float64)
    n = found.size
    assert abs(found.mean() - expected.mean()) < 5 * expected.std() / np.sqrt(n)
    spread = np.sqrt((float(expected.stats("k")) + 2) / n) * expected.var()
    assert abs(found.var() - expected.var()) < 5 * spread
    if hasattr(expected.dist, "pdf"):
        assert stats.kstest(found, expected.cdf).pvalue > 1e-3
    else:
        counts = np.bincount(found.astype(int))
        assert counts[expected.pmf(np.arange(counts.size)) == 0].sum() == 0
        common = np.flatnonzero(expected.pmf(np.arange(counts.size)) * n > 10)
        chosen = n * expected.pmf(common)
        chi = ((counts[common] - chosen) ** 2 / chosen).sum()
        assert special.chdtrc(common.size, chi) > 1e-3


def test_edges(draws: Draws) -> None:
    for work, expected in draws.edges:
        np.testing.assert_array_equal(draws.run(work), expected)


def test_draws_have_nothing_in_common(draws: Draws) -> None:
    """64 bits an element: a number that came twice would be a block that came twice."""
    work = next(w for w, _ in draws.statistics if w.node.op.name == "random_uniform" and w.node.output.dtype == dtypes.float64)
    counters = [0, 1, 2, 2**32, 2**63]
    found = np.stack([draws.run(work, np.asarray(c, np.uint64)) for c in counters])
    assert np.unique(found).size == found.size
    assert np.abs(np.corrcoef(found) - np.eye(len(counters))).max() < 0.04


# -- in regions -------------------------------------------------------------------------------------


def traced(fn: Callable[..., Any], specs: Sequence[tuple[tuple[int, ...], Any]]) -> Graph:
    trace = Trace()
    with tracing(trace):
        xs = [wrap(NDArray, trace.argument(Spec(s, d), cpu(), "x"), cpu()) for s, d in specs]
        return trace.graph([trace.read(y) for y in fn(*xs)])


def interpreted(graph: Graph, data: Sequence[Any]) -> dict[Value, Data]:
    """All values of a graph by NumPy, random ones by the reference."""
    env: dict[Value, Any] = dict(zip(graph.inputs, data, strict=True))
    for n in graph.nodes:
        if n.op.name in ("dropout_mask", "random_uniform"):
            env[n.output] = reference(n, env[n.inputs[0]], env[n.inputs[1]])
        else:
            env.update(zip(n.outputs, run_node(n, [env[v] for v in n.inputs]), strict=True))
    return env


def masked(shape: tuple[int, ...], dtype: Any = dtypes.float32) -> Callable[[Any, Any], Any]:
    return lambda seed, counter: apply(DROPOUT_MASK, (seed, counter), {"shape": shape, "p": 0.25, "dtype": dtype})


REGIONS: dict[str, tuple[Callable[..., Any], tuple[int, ...], Any]] = {
    "elementwise": (lambda s, c, x: ((x + 1) * masked((33, 40))(s, c),), (33, 40), dtypes.float32),
    "packs of eight": (lambda s, c, x: ((x + 1) * masked((33, 40), dtypes.bfloat16)(s, c),), (33, 40), dtypes.bfloat16),
    "tail": (lambda s, c, x: ((x + 1) * masked((1003,))(s, c),), (1003,), dtypes.float32),
    "shared along an axis": (lambda s, c, x: ((x + 1) * masked((5, 1, 8))(s, c),), (5, 6, 8), dtypes.float32),
    "shared along the last axes": (lambda s, c, x: ((x + 1) * masked((5, 6, 1, 1))(s, c),), (5, 6, 4, 4), dtypes.float32),
    "shared by rows": (lambda s, c, x: ((x + 1) * masked((40,))(s, c),), (33, 40), dtypes.float32),
    "rows": (lambda s, c, x: (_normalized(x, masked((33, 40))(s, c), 1),), (33, 40), dtypes.float32),
    "long rows": (lambda s, c, x: (_normalized(x, masked((3, 3000))(s, c), 1),), (3, 3000), dtypes.float32),
    "columns": (lambda s, c, x: (_normalized(x, masked((40, 33))(s, c), 0),), (40, 33), dtypes.float32),
    "the same along a row": (lambda s, c, x: (_normalized(x, masked((33, 1))(s, c), 1),), (33, 40), dtypes.float32),
}


def _normalized(x: Any, mask: Any, axis: int) -> Any:
    """Elements are computed twice: for the sum, and divided by it."""
    y = x * x * mask
    return y / (y.sum(axis=axis, keepdims=True) + 1)


@pytest.fixture(scope="module")
def regions() -> tuple[Suite, dict[str, tuple[Work, list[Data]]]]:
    suite, works = Suite(Tuning(num_sms=2, min_chunk=32, min_column=2, share=0)), {}
    for name, (fn, shape, dtype) in REGIONS.items():
        # All in one region: fusion would leave what is much smaller than the rest to a kernel of its own.
        body = on_gpu(traced(fn, [((), dtypes.uint64), ((), dtypes.uint64), (shape, dtype)]))
        node = Node(FUSED, body.inputs, {"body": body}, [v.spec for v in body.outputs], gpu(0))
        x = np.random.default_rng(3).normal(size=shape).astype(dtype)
        data = [{0: SEED, 1: COUNTER}.get(i, x) for i in range(3)]
        env = interpreted(body, data)
        works[name] = suite.add(node, data), [env[v] for v in body.outputs]
    return suite.build(), works


@pytest.mark.parametrize("name", REGIONS)
def test_regions(name: str, regions: tuple[Suite, dict[str, tuple[Work, list[Data]]]]) -> None:
    suite, works = regions
    work, expected = works[name]
    suite.check(work, 4.0, expected)


def test_each_region_draws_for_itself() -> None:
    """No mask is stored for the backward: neither in one graph nor between two."""

    def step(seed: Any, counter: Any, x: Any, w: Any, head: Any) -> Any:
        x.attach_grad()
        with autograd.record():
            y = (x @ w) * masked((32, 16))(seed, counter) + 1
        y.backward(head)
        return y, x.grad

    key = ((), dtypes.uint64)
    graph = on_gpu(traced(step, [key, key, ((32, 8), dtypes.float32), ((8, 16), dtypes.float32), ((32, 16), dtypes.float32)]))
    fused = fuse(recompute(graph))
    assert not any(v.shape == (32, 16) and n.op.name == "dropout_mask" for n in fused.nodes for v in n.outputs)
    assert sum(m.op.name == "dropout_mask" for n in fused.nodes if n.op.name == "fused" for m in n.attrs["body"].nodes) == 2
    halves = partition(graph, 4, 1)
    residuals = halves.forward.outputs[1:]
    assert not any(v.node is not None and v.node.op.name == "dropout_mask" for v in residuals)


def test_counters_are_one_kernel() -> None:
    """However many draws there are: the numbers that name them are ready before the first."""

    def step(x: Any, w: Any) -> Any:
        for _ in range(4):
            x = dropout(x @ w, 0.5, mode="always")
        return (x,)

    graph = fuse(recompute(on_gpu(optimize(traced(step, [((32, 8), dtypes.float32), ((8, 8), dtypes.float32)])))))
    assert [n.op.name for n in graph.nodes if n.outputs[0].shape == () and n.output.constant is None] == ["fused"]
    assert sum(n.op.name == "fused" for n in graph.nodes) == 5


def parts_of(op: Op) -> Callable[..., Any]:
    decomposition = cuda_rule(op).decomposition
    assert decomposition is not None
    return decomposition


def test_draws_made_of_others() -> None:
    """Their parts give what they give: classes of the same uniform numbers, orders and counts of the same kind."""
    seed, counter = (array(k, dtype="uint64") for k in (SEED, COUNTER))
    p = np.array([[0.2, 0.3, 0.5], [0.0, 1.0, 0.0]])
    attrs: dict[str, Any] = {"shape": (4, 5), "dtype": dtypes.int32}
    found = parts_of(CATEGORICAL)(seed, counter, array(p, dtype="float64"), **attrs)
    np.testing.assert_array_equal(found.asnumpy(), CATEGORICAL.compute(np, SEED, COUNTER, p, **attrs))
    assert found.dtype == np.int32
    for order in (parts_of(PERMUTATION)(seed, counter, n=50).asnumpy(), PERMUTATION.compute(np, SEED, COUNTER, n=50)):
        assert sorted(order) == list(range(50)) and list(order) != list(range(50))  # drawn otherwise on a CPU
    counts = parts_of(MULTINOMIAL)(seed, counter, array(p[0]), n=1000, shape=(2, 3)).asnumpy()
    assert counts.shape == (2, 3, 3) and counts.dtype == np.int64 and (counts.sum(-1) == 1000).all()
    assert stats.chisquare(counts.sum((0, 1)), 6000 * p[0]).pvalue > 1e-3


# -- on the device ----------------------------------------------------------------------------------


def test_the_same_numbers_compiled(emulated_gpu: Any) -> None:
    """Bit for bit: imperatively, one operator a kernel, and compiled, within regions."""

    def draws(x: Any) -> Any:
        noisy = dropout(x + hnp.random.normal(size=(300,)), 0.3, mode="always")
        return noisy, hnp.random.randint(0, 9, size=(300,)), hnp.random.gamma(2.0, size=(300,)), hnp.random.permutation(50)

    with gpu(0):
        x = hnp.ones((300,))
        compiled = jit(draws)
        seed(7)
        imperative = [y.asnumpy() for _ in range(2) for y in draws(x)]
        seed(7)
        for found, expected in zip([y.asnumpy() for _ in range(2) for y in compiled(x)], imperative, strict=True):
            np.testing.assert_array_equal(found, expected)
    assert not np.array_equal(imperative[0], imperative[4])
    assert (imperative[0] == 0).any() and sorted(imperative[3]) == list(range(50))


# -- on the device's own compiler -------------------------------------------------------------------


@pytest.mark.slow
def test_compiles_without_spills(regions: Any) -> None:
    """Each operator in each dtype, and the regions."""
    unit = Unit()
    for node in {(n.op, n.output.dtype): n for n in (*LAYOUTS, *(n for n, _ in STATISTICS))}.values():
        unit.add(node)
    assert not nvrtc.spills([unit, *regions[0].units])
