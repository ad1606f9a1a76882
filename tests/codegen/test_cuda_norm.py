"""Hand-written kernels of normalisations and of the cross-entropy, on arrays that take every path, against float64."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from emulator import nvrtc
from emulator.emulator import COMPILER
from emulator.suite import ORDERS, Guarded, Suite, Work, guarded

import hybridnet as hn
from hybridnet import dtypes
from hybridnet.codegen.cuda_region import Tuning, Unit
from hybridnet.core import OPS, Op
from hybridnet.device import cpu
from hybridnet.graph.backend.cuda import kernels_for
from hybridnet.graph.interpret import run_node
from hybridnet.graph.ir import Graph, Node, Value, infer_node
from hybridnet.graph.trace import trace_op
from hybridnet.lowering.fuse import FUSED
from hybridnet.lowering.last_block import ENDED, last_block
from hybridnet.ops.nn.moments import CENTRED_PARTS, CENTRED_SUMS, MOMENTS, MOMENTS_PARTS, join_moments, join_sums, parts_of
from hybridnet.ops.nn.residual_norm import RESIDUAL_NORM, RESIDUAL_NORM_GRAD

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")

F16, BF16, F32, F64, I32 = dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64, dtypes.int32
RNG = np.random.default_rng(3)


def node_of(name: str, specs: Sequence[tuple[tuple[int, ...], Any]], **attrs: Any) -> Node:
    inputs = [Value(shape, dtype, cpu()) for shape, dtype in specs]
    return Node(OPS[name], inputs, attrs, infer_node(OPS[name], inputs, attrs), cpu())


def in_double(node: Node, data: Sequence[Any]) -> list[Any]:
    """What the operator gives in float64, as its outputs' dtypes."""
    wide = [x.astype(np.float64) if dtypes.is_floating(x.dtype) else x for x in data]
    same = node_of(node.op.name, [(x.shape, x.dtype) for x in wide], **node.attrs)
    with np.errstate(all="ignore"):
        return [y.astype(v.dtype) for y, v in zip(run_node(same, wide), node.outputs, strict=True)]


def normal(*shape: int, dtype: Any = F32, scale: float = 1.0, shift: float = 0.0) -> Any:
    return (RNG.normal(size=shape) * scale + shift).astype(dtype)


def rows(x: Any, parameter: Any, eps: float = 1e-5) -> Iterator[tuple[str, list[Any], dict[str, Any]]]:
    """Layer norm and RMS norm of rows like ``x``, and their gradients."""
    n, attrs, small = x.shape[-1], {"axis": x.ndim - 1, "eps": eps}, F32 if x.dtype.itemsize == 2 else x.dtype
    g, gamma, beta = normal(*x.shape, dtype=x.dtype), normal(n, dtype=parameter, shift=1), normal(n, dtype=parameter)
    wide = x.astype(np.float64)
    mean, square = wide.mean(-1, keepdims=True), (wide**2).mean(-1, keepdims=True)
    var = square - mean**2
    yield "layer_norm", [x, gamma, beta], attrs
    yield "layer_norm_grad", [g, x, mean.astype(small), var.astype(small), gamma], attrs
    yield "rms_norm", [x, gamma], attrs
    yield "rms_norm_grad", [g, x, square.astype(small), gamma], attrs


def narrowed(x: Any, small: Any) -> Iterator[tuple[str, list[Any], dict[str, Any]]]:
    """Norms of rows like ``x`` given in a 16-bit type, and their gradients for one in that type."""
    for name, (first, *rest), attrs in rows(x, F32):
        yield (name, [first.astype(small), *rest], attrs) if "grad" in name else (name, [first, *rest], {**attrs, "dtype": small})


def channels(x: Any, axis: tuple[int, ...]) -> Iterator[tuple[str, list[Any], dict[str, Any]]]:
    mean = x.astype(np.float64).mean(axis, keepdims=True).astype(F32 if x.dtype.itemsize == 2 else x.dtype)
    yield "moments", [x], {"axis": axis}
    yield "centred_sums", [normal(*x.shape, dtype=x.dtype), x, mean], {"axis": axis}


def cross_entropy(x: Any) -> Iterator[tuple[str, list[Any], dict[str, Any]]]:
    count, length = x.shape
    label = (np.arange(count, dtype=np.int32) * 7919 % length)[:, None]
    label[-1], label[0] = length + 3, -1  # out of range: the last class, the first
    small = F32 if x.dtype.itemsize == 2 else x.dtype
    top = x.astype(np.float64).max(1, keepdims=True)
    total = (np.log(np.exp(x.astype(np.float64) - top).sum(1, keepdims=True)) + top).astype(small)
    yield "softmax_cross_entropy", [x, label], {"axis": 1}
    heads = [normal(count, 1, dtype=small), normal(count, 1, dtype=small)]
    yield "softmax_cross_entropy_grad", [x, label, total, *heads], {"axis": 1}
    yield "softmax_cross_entropy_both", [x, label, *heads], {"axis": 1}


def masked(x: Any) -> Any:
    """Logits of which whole stretches, from the beginning on, are -infinity."""
    x[:, : x.shape[1] // 2] = -np.inf
    x[0, : x.shape[1] - 1] = -np.inf
    return x


CASES: dict[str, Any] = {
    "several rows a warp": lambda: rows(normal(77, 40, dtype=BF16), F32),
    "a warp a row": lambda: rows(normal(37, 1000, dtype=BF16), BF16),
    "a block a row": lambda: rows(normal(21, 2056, dtype=BF16), F32),
    "the longest rows": lambda: rows(normal(5, 16384, dtype=BF16), BF16),
    "half": lambda: rows(normal(3, 7, 264, dtype=F16), F16),
    "odd rows": lambda: rows(normal(6, 5001), F32),
    "doubles": lambda: rows(normal(9, 600, dtype=F64), F64),
    "rows narrowed, a warp a row": lambda: narrowed(normal(33, 768), BF16),
    "rows narrowed, a block a row": lambda: narrowed(normal(7, 2, 2056), F16),
    "odd rows narrowed": lambda: narrowed(normal(5, 601), BF16),
    "rows far from zero": lambda: list(rows(normal(9, 1500, shift=300), F32))[:2],
    "channels last": lambda: channels(normal(3000, 64, dtype=BF16), (0,)),
    "channels last, few": lambda: channels(normal(40, 50, 3), (0, 1)),
    "more channels than a block": lambda: channels(normal(300, 264), (0,)),
    "planes": lambda: channels(normal(5, 3, 40, 40, dtype=BF16), (0, 2, 3)),
    "odd planes": lambda: channels(normal(6, 4, 7, 7), (0, 2, 3)),
    "channels of doubles": lambda: channels(normal(900, 6, dtype=F64), (0,)),
    "channels far from zero": lambda: [*channels(normal(4000, 8, shift=1e3), (0,)), *channels(normal(4, 2, 1000, shift=1e3), (0, 2))],
    "classes": lambda: cross_entropy(normal(300, 10)),
    "classes, 16 bits": lambda: cross_entropy(normal(7, 1000, dtype=BF16, scale=4)),
    "vocabulary": lambda: cross_entropy(normal(5, 20_000, dtype=BF16, scale=4)),
    "odd vocabulary": lambda: cross_entropy(normal(5, 5003, dtype=F16, scale=4)),
    "few long rows": lambda: cross_entropy(normal(2, 9001, shift=1e3)),
    "classes of doubles": lambda: cross_entropy(normal(5, 1500, dtype=F64)),
    "masked classes": lambda: [*cross_entropy(masked(normal(5, 600))), *cross_entropy(masked(normal(5, 5000)))],
}


@pytest.fixture(scope="module")
def works() -> tuple[Suite, dict[str, list[Work]]]:
    suite = Suite(Tuning(num_sms=2))
    made = {
        case: [suite.add(node_of(name, [(x.shape, x.dtype) for x in data], **attrs), data) for name, data, attrs in make()]
        for case, make in CASES.items()
    }
    return suite.build(), made


@pytest.mark.parametrize("case", CASES)
def test_against_double(case: str, works: tuple[Suite, dict[str, list[Work]]]) -> None:
    suite, made = works
    for work in made[case]:
        data = [work.data[v] for v in work.node.inputs]
        assert kernels_for(work.node, 2) is not None, f"{work.node.op.name} has no kernels for {case}"
        suite.check(work, 60.0 if "far" in case else 8.0, in_double(work.node, data))


PARTED: dict[str, Any] = {
    "channels last": lambda: (normal(3000, 64, dtype=BF16), (0,)),
    "channels last, few": lambda: (normal(400, 50, 3, shift=1e2), (0, 1)),
    "planes": lambda: (normal(20, 3, 40, 40, dtype=BF16), (0, 2, 3)),
    "odd planes": lambda: (normal(200, 4, 7, 7), (0, 2, 3)),
    "doubles": lambda: (normal(900, 6, dtype=F64), (0,)),
}


def test_parts_of_channels() -> None:
    """Each part is what NumPy makes of the same elements, and the parts joined are what the whole operator gives."""
    suite, made = Suite(Tuning(num_sms=2)), []
    for make in PARTED.values():
        x, axis = make()
        (_, _, attrs), (_, (g, _, mean), _) = channels(x, axis)
        scale = normal(*mean.shape, dtype=mean.dtype)
        gate = [scale, (normal(*mean.shape, dtype=mean.dtype, scale=0.1) - mean) * scale]  # about half of the elements lie above 0
        for whole, op, join, data in (
            (MOMENTS, MOMENTS_PARTS, join_moments, [x]),
            (CENTRED_SUMS, CENTRED_PARTS, join_sums, [g, x, mean]),
            (CENTRED_SUMS, CENTRED_PARTS, join_sums, [g, x, mean, *gate]),
        ):
            inputs = [Value(d.shape, d.dtype, cpu()) for d in data]
            number = parts_of(whole, 2, tuple(v.spec for v in inputs), **attrs)
            assert number > 1, "a case with parts"
            node = Node(op, inputs, {**attrs, "parts": number}, infer_node(op, inputs, {**attrs, "parts": number}), cpu())
            made.append((suite.add(node, data), whole, join, data))
    suite.build()
    for work, whole, join, data in made:
        parts = run_node(work.node, data)
        suite.check(work, 8.0, parts)
        axis = work.node.attrs["axis"]
        if len(data) == 5:
            g, x, mean, scale, shift = data
            gated = ((x.astype(mean.dtype) * scale + shift).astype(x.dtype) > 0) * g
            assert 0.2 < (gated != 0).mean() < 0.8
            data = [gated.astype(g.dtype), x, mean]
        joined = join(*map(hn.np.array, parts), n=data[0].size / np.prod([n for i, n in enumerate(data[0].shape) if i not in axis]))
        for y, wanted in zip(joined, in_double(node_of(whole.name, [(d.shape, d.dtype) for d in data], axis=axis), data), strict=True):
            np.testing.assert_allclose(y.asnumpy(), wanted, rtol=1e-5, atol=1e-5 * abs(wanted).max())


RESIDUAL: dict[str, Any] = {
    "a warp a row, in mixed precision": lambda: (normal(33, 768), BF16),
    "a block a row": lambda: (normal(7, 2, 2056), F32),
    "several rows a warp, of 16 bits": lambda: (normal(77, 40, dtype=BF16), BF16),
    "odd rows": lambda: (normal(5, 601), F16),
}


def _residual_nodes(case: str) -> Iterator[tuple[Node, list[Any]]]:
    """Norms of sums of rows and a gradient in 16 bits or not, and their gradients with more or without, copied or not."""
    x, small = RESIDUAL[case]()
    copied = small if x.dtype != small else None
    for name, (first, *rest), attrs in rows(x, F32):
        if "grad" not in name:
            attrs = {**attrs, "dtype": copied}
            yield _node(RESIDUAL_NORM, [normal(*x.shape, dtype=small), first, *rest], attrs)
            continue
        for added, dtype in ((True, copied), (True, None), (False, copied)):
            for summands in (0,) if x.dtype.itemsize == 2 else (0, 1, 3):
                more = [normal(*x.shape, dtype=small) for _ in range(summands)]
                data = [first.astype(small), *rest, *([normal(*x.shape, dtype=x.dtype)] if added else []), *more]
                yield _node(RESIDUAL_NORM_GRAD, data, {**attrs, "added": added, "summands": summands, "dtype": dtype})


def _node(op: Op, data: list[Any], attrs: dict[str, Any]) -> tuple[Node, list[Any]]:
    inputs = [Value(d.shape, d.dtype, cpu()) for d in data]
    return Node(op, inputs, attrs, infer_node(op, inputs, attrs), cpu()), data


def test_norms_with_residuals() -> None:
    suite = Suite(Tuning(num_sms=2))
    works = [suite.add(node, data) for case in RESIDUAL for node, data in _residual_nodes(case)]
    suite.build()
    for work in works:
        assert "hn_residual_norm" in work.launches.kernels[0].text
        assert work.launches.in_place()
        suite.check(work, 8.0)


def _ended(case: str, whole: str) -> tuple[Node, list[Any]]:
    """Batch norm's statistics, or its two sums, with what follows for each channel: as a program of 2 multiprocessors has them."""
    x, axis = PARTED[case]()
    (_, _, attrs), (_, (g, _, mean), _) = channels(x, axis)
    data = [x, mean] if whole == "moments" else [g, x, mean]
    inputs = [Value(d.shape, d.dtype, cpu()) for d in data]
    op, parts_op, join = (MOMENTS, MOMENTS_PARTS, join_moments) if whole == "moments" else (CENTRED_SUMS, CENTRED_PARTS, join_sums)
    operands = inputs[: 1 if whole == "moments" else 3]
    attrs = {**attrs, "parts": parts_of(op, 2, tuple(v.spec for v in operands), **attrs)}
    parts = Node(parts_op, operands, attrs, infer_node(parts_op, operands, attrs), cpu())
    parts.implementation = kernels_for(parts, 2)

    def follow(*arrays: Any) -> Any:
        *found, by = arrays
        first, second = join(*found, n=x.size / mean.size)
        return first, second * by, 1 / (second * second + 1) * by - first

    end = trace_op("end", follow, [*(v.spec for v in parts.outputs), inputs[-1].spec], {}, cpu())
    region = Node(FUSED, [*parts.outputs, inputs[-1]], {"body": end}, [v.spec for v in end.outputs], cpu())
    graph = last_block(Graph(inputs, (parts, region), region.outputs))
    (node,) = graph.nodes
    assert node.op is ENDED
    return node, [data[inputs.index(v)] for v in node.inputs]


@pytest.mark.parametrize("whole", ["moments", "centred_sums"])
def test_the_last_block_joins_parts(whole: str) -> None:
    """In whatever order blocks come: the same bits, and counters that the next run finds as the first did."""
    suite = Suite(Tuning(num_sms=2))
    works = [suite.add(*_ended(case, whole)) for case in PARTED]
    suite.build()
    for work in works:
        (kernel,) = work.launches.kernels
        assert kernel.grid[1] > 1, "blocks share channels"
        suite.check(work, 8.0)
        module, found = suite.modules[work.unit], set()
        arrays = {v: guarded(x) for v, x in work.data.items()}
        arrays |= {v: guarded(np.zeros(v.shape, v.dtype)) for v in work.launches.counters}
        for order in (*ORDERS, 0):  # one run after another, as a graph is replayed
            module.set_order(order)
            arrays |= {v: Guarded(v.shape, v.dtype) for v in (*work.node.outputs, *work.launches.temporaries)}
            module.get_function(kernel.name)(
                kernel.grid, (kernel.block,), [arrays[v].array for v in kernel.arguments], shared_mem=kernel.shared_bytes
            )
            found.add(b"".join(arrays[v].array.tobytes() for v in work.node.outputs))
        assert len(found) == 1


def test_every_path_is_taken(works: tuple[Suite, dict[str, list[Work]]]) -> None:
    """Teams of each kind, split and whole channels, rows that a persistent block goes over."""
    kernels = [k for found in works[1].values() for w in found for k in w.launches.kernels]
    texts = "\n".join(k.text for k in kernels)
    for part in ("hn_add_partials", "hn_join_moments", "8, true>", "8, false>", "moments_over_planes", "512, 512, 8, 4", "256, 256, 4>"):
        assert part in texts, part
    assert any(k.grid[0] == 2 and "hn_layer_norm_grad" in k.text for k in kernels)
    assert any(", 1024, 1024, 4>" in k.text for k in kernels)


@pytest.mark.parametrize("case", ["a warp a row", "channels last", "planes", "vocabulary"])
def test_the_same_bits_every_time(case: str, works: tuple[Suite, dict[str, list[Work]]]) -> None:
    """Sums are combined in an order that does not depend on which threads come first."""
    suite, made = works
    for work in made[case]:
        found = set()
        for order in ORDERS:
            module = suite.modules[work.unit]
            module.set_order(order)
            arrays = {v: guarded(x) for v, x in work.data.items()}
            arrays |= {v: Guarded(v.shape, v.dtype) for v in (*work.node.outputs, *work.launches.temporaries)}
            for k in work.launches.kernels:
                module.get_function(k.name)(k.grid, (k.block,), [arrays[v].array for v in k.arguments], shared_mem=k.shared_bytes)
            found.add(b"".join(arrays[v].array.tobytes() for v in work.node.outputs))
        assert len(found) == 1


def test_nan_comes_through() -> None:
    x = normal(4, 5000)
    x[1, 77], x[2, 4999] = np.nan, np.inf
    suite = Suite(Tuning(num_sms=2))
    with np.errstate(invalid="ignore"):
        name, data, attrs = next(cross_entropy(x))
    work = suite.add(node_of(name, [(d.shape, d.dtype) for d in data], **attrs), data)
    suite.build().check(work, 8.0)
    assert np.isnan(in_double(work.node, data)[0][:, 0]).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("name", "specs", "attrs"),
    [
        ("layer_norm", [((4, 8), F32), ((4,), F32), ((4,), F32)], {"axis": 0, "eps": 1e-5}),
        ("layer_norm", [((4, 70_000), BF16), ((70_000,), F32), ((70_000,), F32)], {"axis": 1, "eps": 1e-5}),
        ("layer_norm_grad", [((4, 16392), BF16)] * 2 + [((4, 1), F32)] * 2 + [((16392,), F32)], {"axis": 1, "eps": 1e-5}),
        ("layer_norm_grad", [((4, 8), F32), ((4, 8), BF16)] + [((4, 1), F32)] * 2 + [((8,), F32)], {"axis": 1, "eps": 1e-5}),
        ("moments", [((4, 8), F32)], {"axis": (1,)}),
        ("moments", [((4, 8, 4, 8), F32)], {"axis": (0, 2)}),
        ("softmax_cross_entropy", [((4, 8), F32), ((1, 8), I32)], {"axis": 0}),
    ],
)
def test_what_is_left_to_generated_kernels(name: str, specs: Any, attrs: Any) -> None:
    """Rows that do not lie along the last axis, that no block's registers hold, or that reductions of rows do as well."""
    assert kernels_for(node_of(name, specs, **attrs), 132) is None


@pytest.mark.slow
def test_compiles_almost_without_spills() -> None:
    """What is limited to the registers of so many blocks may spill a few words that rows have in common."""
    unit = Unit()
    for dtype in (BF16, F32):
        small = F32
        for n in (768, 4096, 5001, 16384):
            attrs = {"axis": 1, "eps": 1e-5}
            made = [
                node_of("layer_norm", [((8192, n), dtype), ((n,), dtype), ((n,), dtype)], **attrs),
                node_of("layer_norm_grad", [((8192, n), dtype)] * 2 + [((8192, 1), small)] * 2 + [((n,), dtype)], **attrs),
                node_of("rms_norm_grad", [((8192, n), dtype)] * 2 + [((8192, 1), small), ((n,), dtype)], **attrs),
                node_of("layer_norm_grad", [((8192, n), BF16), ((8192, n), F32)] + [((8192, 1), small)] * 2 + [((n,), F32)], **attrs),
            ]
            for node in made:
                if kernels_for(node, 132) is not None:
                    unit.add(node)
        for length in (1000, 50257):
            row = [((8192, length), dtype), ((8192, 1), I32)]
            unit.add(node_of("softmax_cross_entropy", row, axis=1))
            unit.add(node_of("softmax_cross_entropy_grad", row + [((8192, 1), small)] * 3, axis=1))
            unit.add(node_of("softmax_cross_entropy_both", row + [((8192, 1), small)] * 2, axis=1))
        for shape, axis in (((802816, 64), (0,)), ((256, 64, 56, 56), (0, 2, 3)), ((256, 2048, 7, 7), (0, 2, 3))):
            mean = tuple(1 if i in axis else k for i, k in enumerate(shape))
            unit.add(node_of("moments", [(shape, dtype)], axis=axis))
            unit.add(node_of("centred_sums", [(shape, dtype), (shape, dtype), (mean, small)], axis=axis))
            gated = [Value(*spec, cpu()) for spec in ((shape, dtype), (shape, dtype), (mean, small), (mean, small), (mean, small))]
            attrs = {"axis": axis, "parts": parts_of(CENTRED_SUMS, 132, tuple(v.spec for v in gated[:3]), axis=axis)}
            unit.add(Node(CENTRED_PARTS, gated, attrs, infer_node(CENTRED_PARTS, gated, attrs), cpu()))
    assert all(spilled <= 16 for spilled in nvrtc.spills([unit]).values())
