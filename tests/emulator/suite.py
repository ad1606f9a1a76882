"""Nodes of graphs as CUDA kernels on the emulator, many to a translation unit, against NumPy.

Arrays that kernels get lie between guard bytes, which must still be there afterwards; under AddressSanitizer,
which has guards of its own and sees reads as well, each is an allocation of its very size.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from hybridnet import dtypes
from hybridnet.codegen.cuda_region import Launches, Tuning, Unit
from hybridnet.core import Kind
from hybridnet.device import gpu
from hybridnet.graph.backend.cuda import kernels_for
from hybridnet.graph.interpret import run_node
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.lowering.fuse import FUSED
from hybridnet.lowering.last_block import ENDED
from hybridnet.lowering.multi_tensor import GROUP

from . import sanitize
from .emulator import RawModule, modules

Data = np.ndarray[Any, Any]

KERNELS_A_UNIT = 100
ORDERS = (0, 1, 7)  # forward, backward, shuffled
GUARD, MARK = 0 if sanitize.ON else 64, 0xA5
TOLERANCE = {dtypes.float64: 1e-11, dtypes.float32: 4e-6, dtypes.float16: 2e-3, dtypes.bfloat16: 1.6e-2}


def is_kernel(node: Node) -> bool:
    """Whether generated kernels compute the node."""
    return (
        node.op in (ENDED, FUSED, GROUP)
        or kernels_for(node, 132) is not None
        or (node.op.kind in (Kind.POINTWISE, Kind.REDUCTION) and node.op.decomposition is None)
    )


def on_gpu(graph: Graph) -> Graph:
    """The graph as passes see it on a GPU."""
    became = {v: Value(v.shape, v.dtype, gpu(0)) for v in graph.inputs}
    nodes = []
    for n in graph.nodes:
        new = Node(n.op, [became[v] for v in n.inputs], n.attrs, [v.spec for v in n.outputs], gpu(0))
        became.update(zip(n.outputs, new.outputs, strict=True))
        nodes.append(new)
    return Graph([became[v] for v in graph.inputs], nodes, [became[v] for v in graph.outputs])


class Guarded:
    """A contiguous array at an address aligned as device memory is, with guard bytes on both sides."""

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        size = int(np.prod(shape)) * dtype.itemsize
        self.bytes = np.full(size + 2 * GUARD + min(GUARD, 16), MARK, np.uint8)
        start = GUARD + (-(self.bytes.ctypes.data + GUARD)) % 16
        self.inside = slice(start, start + size)
        self.array = self.bytes[self.inside].view(dtype).reshape(shape)

    def intact(self) -> bool:
        return bool((self.bytes[: self.inside.start] == MARK).all() and (self.bytes[self.inside.stop :] == MARK).all())


def guarded(x: Data) -> Guarded:
    made = Guarded(x.shape, x.dtype)
    made.array[...] = x
    return made


class Work(NamedTuple):
    """A node, its inputs' data, and the kernels that compute it."""

    node: Node
    data: dict[Value, Data]
    launches: Launches
    unit: int


class Suite:
    """Nodes to be run. First all are added, then ``build`` compiles, then ``check`` runs."""

    def __init__(self, tuning: Tuning | None = None) -> None:
        self.tuning = tuning
        self.units: list[Unit] = []
        self.modules: list[RawModule] = []
        self.written = KERNELS_A_UNIT

    def add(self, node: Node, data: Sequence[Data]) -> Work:
        if self.written >= KERNELS_A_UNIT:
            self.units.append(Unit(self.tuning))
            self.written = 0
        if not node.device.is_gpu:
            node.implementation = None  # which was chosen for the host, whose values are in the graph
        launches = self.units[-1].add(node)
        self.written += len(launches.kernels)
        return Work(node, dict(zip(node.inputs, data, strict=True)), launches, len(self.units) - 1)

    def add_graph(self, graph: Graph, data: Sequence[Data]) -> list[Work]:
        """All nodes of a graph that kernels compute, each with the inputs that NumPy finds for it."""
        env: dict[Value, Data] = dict(zip(graph.inputs, data, strict=True))
        works = []
        for node in graph.nodes:
            inputs = [env[v] for v in node.inputs]
            with np.errstate(all="ignore"):
                env.update(zip(node.outputs, run_node(node, inputs), strict=True))
            if is_kernel(node):
                works.append(self.add(node, inputs))
        return works

    def build(self) -> "Suite":
        self.modules = modules([u.text for u in self.units])
        return self

    def check(self, work: Work, tolerance: float = 1.0, expected: Sequence[Data] | None = None) -> None:
        """Run a node's kernels in every order of threads; ``tolerance`` in the usual ones of the outputs' dtypes.

        ``expected``: what they must give, where that is not what NumPy gives.
        """
        node, launches, module = work.node, work.launches, self.modules[work.unit]
        if expected is None:
            with np.errstate(all="ignore"):
                expected = run_node(node, [work.data[v] for v in node.inputs])
        for order in ORDERS:
            module.set_order(order)
            self._run(work, module, expected, {}, tolerance)
        taken: dict[Value, Value] = {}  # input -> the output that is written over it
        for x, y in launches.in_place():
            if x not in taken and y not in taken.values():
                taken[x] = y
        if taken:
            self._run(work, module, expected, taken, tolerance)

    def _run(self, work: Work, module: RawModule, expected: Sequence[Data], taken: dict[Value, Value], tolerance: float) -> None:
        node, launches = work.node, work.launches
        text = "\n".join(k.text for k in launches.kernels)
        arrays = {v: guarded(x) for v, x in work.data.items()}
        arrays |= {v: Guarded(v.shape, v.dtype) for v in (*node.outputs, *launches.temporaries)}
        arrays |= {v: guarded(np.zeros(v.shape, v.dtype)) for v in launches.counters}
        arrays |= {y: arrays[x] for x, y in taken.items()}
        for table in launches.tables:
            filled = [arrays[e].array.ctypes.data if isinstance(e, Value) else e for e in table.entries]
            arrays[table.value] = guarded(np.array(filled, np.int64))
        for k in launches.kernels:
            module.get_function(k.name)(k.grid, (k.block,), [arrays[v].array for v in k.arguments], shared_mem=k.shared_bytes)
        assert all(a.intact() for a in arrays.values()), f"a write beside an array\n{text}"
        assert not any(arrays[v].array.any() for v in launches.counters), f"a counter that the next run begins with\n{text}"
        for v, x in work.data.items():
            assert v in taken or arrays[v].array.tobytes() == x.tobytes(), f"an input was modified\n{text}"
        for v, e in zip(node.outputs, expected, strict=True):
            same(arrays[v].array.reshape(v.shape), e, tolerance, f"{text}\n{f'in place: {taken}' if taken else ''}")


def same(found: Data, expected: Data, tolerance: float, message: str) -> None:
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype), message
    if not dtypes.is_floating(expected.dtype):
        np.testing.assert_array_equal(found, expected, message)
        return
    allowed = tolerance * TOLERANCE[expected.dtype]
    found, expected = (x.astype(np.float32) if x.dtype.itemsize == 2 else x for x in (found, expected))
    finite = np.abs(expected[np.isfinite(expected)])
    np.testing.assert_allclose(found, expected, rtol=allowed, atol=allowed * min(float(finite.max(initial=0)), 1e6), err_msg=message)
