"""Long sums in generated kernels: a thread adds no more than a few dozen numbers one by one."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from emulator.emulator import COMPILER
from emulator.suite import Suite, Work
from test_cuda_text import node, value

from hybridnet.codegen.cuda_region import Tuning

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
