"""Long sums in generated kernels: a thread adds no more than a few dozen numbers one by one."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from emulator.emulator import COMPILER
from emulator.suite import Suite, Work
from test_cuda_text import node, value

from hybridnet.codegen.cuda_region import Tuning
from hybridnet.device import cpu
from hybridnet.graph.ir import Graph, Node
from hybridnet.lowering.fuse import FUSED

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler")

#: No multiprocessor idles, so that no row is split over blocks and threads have long ways to go.
ONE = Tuning(num_sms=1, min_chunk=1 << 30, min_column=1 << 30)
CASES = {
    "rows": ((2, 400_000), (1,), False),
    "rows of an odd length": ((2, 300_001), (1,), True),
    "columns": ((60_000, 32), (0,), False),
    "columns of an odd number": ((40_000, 17), (0,), True),
    "both": ((50, 4_000, 3), (0, 1), False),
}


@pytest.fixture(scope="module")
def sums() -> Iterator[tuple[Suite, dict[str, Work]]]:
    suite = Suite(ONE)
    works = {
        name: suite.add(node("sum", [value(*shape)], axis=axis, keepdims=keepdims), [np.full(shape, 0.1, np.float32)])
        for name, (shape, axis, keepdims) in CASES.items()
    }
    yield suite.build(), works


@pytest.mark.parametrize("name", CASES)
def test_long_sums(name: str, sums: tuple[Suite, dict[str, Work]]) -> None:
    """Within 2e-6 of float64; one by one, a thread's own sum would be off by several times that."""
    suite, works = sums
    work = works[name]
    (x,) = work.data.values()
    _, axis, keepdims = CASES[name]
    assert "p0" in "".join(k.text for k in work.launches.kernels)
    expected: Any = x.astype(np.float64).sum(axis, keepdims=keepdims).astype(np.float32)
    suite.check(work, tolerance=0.5, expected=[expected])


@pytest.mark.parametrize(("shape", "axis"), [((2, 300_000), (1,)), ((30_000, 32), (0,))], ids=["rows", "columns"])
def test_long_sums_one_after_another(shape: tuple[int, ...], axis: tuple[int, ...]) -> None:
    """A variance in one kernel: of each of its two sums the parts of runs are added up apart."""
    x = value(*shape)
    mean = node("sum", [x], axis=axis, keepdims=True)
    away = node("subtract", [x, mean.output])
    square = node("multiply", [away.output, away.output])
    total = node("sum", [square.output], axis=axis, keepdims=True)
    body = Graph([x], [mean, away, square, total], [total.output])
    region = Node(FUSED, [value(*shape)], {"body": body}, [total.output.spec], cpu())
    suite = Suite(ONE)
    data = (np.arange(np.prod(shape)).reshape(shape) % 7 / np.float32(1 << 20)).astype(np.float32)
    work = suite.add(region, [data])
    (kernel,) = work.launches.kernels
    assert "p0" in kernel.text and "p1" in kernel.text
    suite.build().check(work, tolerance=4.0)
