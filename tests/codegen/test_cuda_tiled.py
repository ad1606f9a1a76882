"""Kernels that transpose on their way: operands and results that run along different axes, in tiles, on the emulator against NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from emulator.emulator import COMPILER, RawModule
from emulator.suite import ORDERS, same
from test_cuda_text import SMALL, F, random_data, traced, value

from hybridnet import dtypes
from hybridnet.codegen import cuda_index
from hybridnet.codegen.cuda_index import Layout
from hybridnet.codegen.cuda_region import Unit
from hybridnet.graph.interpret import run_node
from hybridnet.graph.passes import optimize
from hybridnet.lowering.fuse import fuse

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")


def _as_is(x: Any) -> Any:
    return x


def _of_planes(x: Any) -> Any:
    return np.moveaxis(x, 1, -1)


# Operands' shapes in memory, how they are seen, what is computed of them.
TURNED: dict[str, tuple[list[tuple[tuple[int, ...], Callable[[Any], Any]]], Any, Callable[..., Any]]] = {
    "whole tiles": ([((64, 128), np.transpose)], dtypes.float32, F["exp"]),
    "ends of tiles": ([((70, 100), np.transpose)], dtypes.float32, F["exp"]),
    "small tiles": ([((20, 41), np.transpose)], dtypes.float64, F["negative"]),
    "channels last": ([((2, 67, 5, 17), _of_planes)], dtypes.bfloat16, F["negative"]),
    "bytes": ([((3, 66, 65), _of_planes)], dtypes.int8, F["negative"]),
    "beside what lies straight": (
        [((80, 70), np.transpose), ((70, 80), _as_is), ((70, 1), _as_is)],
        dtypes.float32,
        lambda x, y, z: x * y - z,
    ),
    "twice": ([((3, 64, 64), _of_planes), ((3, 64, 64), _of_planes), ((), _as_is)], dtypes.float16, lambda x, y, z: x * z - y),
}


@pytest.mark.parametrize("wide", [False, True])
def test_transposes_go_through_tiles(wide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    unit, works = Unit(SMALL), []
    if wide:
        monkeypatch.setattr(cuda_index, "LIMIT_32", 0)
    for operands, dtype, fn in TURNED.values():
        data = [view(random_data(value(*shape, dtype=dtype), i)) for i, (shape, view) in enumerate(operands)]
        graph = fuse(optimize(traced(lambda *xs, fn=fn: [fn(*xs)], data)))
        (made,) = graph.nodes
        layouts = {v: Layout(tuple(s // dtype.itemsize for s in x.strides)) for v, x in zip(graph.inputs, data, strict=True)}
        works.append((graph, data, unit.add(made, layouts)))
    module = RawModule(unit.text)
    for order in ORDERS:
        module.set_order(order)
        for graph, data, launches in works:
            found = {v: np.empty(v.shape, v.dtype) for v in graph.outputs}
            (kernel,) = launches.kernels
            assert "__syncthreads" in kernel.text and ("long long" in kernel.text) == wide
            given = dict(zip(graph.inputs, data, strict=True))
            arrays = [(given | found)[v] for v in kernel.arguments]
            module.get_function(kernel.name)(kernel.grid, (kernel.block,), arrays, shared_mem=kernel.shared_bytes)
            expected = run_node(graph.nodes[0], [given[v] for v in graph.nodes[0].inputs])
            for v, e in zip(graph.outputs, expected, strict=True):
                same(found[v], np.ascontiguousarray(e), 1.0, kernel.text)
