"""The kernels of pooling on the emulator at shapes that reach every path: packs of channels, three axes, ties, windows beyond the data."""

from typing import Any

import numpy as np
import pytest
from emulator import nvrtc
from emulator.emulator import COMPILER
from emulator.suite import Suite, Work
from test_cuda_written import node_of

from hybridnet import dtypes
from hybridnet.codegen.cuda_region import Tuning
from hybridnet.core import OPS
from hybridnet.core.numpy_functions import NUMPY_FUNCTION_OF
from hybridnet.ops.nn.pooling import MAX_POOL

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")


def _attrs(first: int, kernel: Any, stride: Any, pad: Any, count: Any) -> dict[str, Any]:
    return {"first": first, "kernel": kernel, "stride": stride, "pad": pad, "count": count}


CASES: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "channels first": ((2, 3, 9, 11), _attrs(2, (3, 3), (2, 2), (1, 1), (5, 6))),
    "channels last": ((2, 7, 6, 16), _attrs(1, (3, 2), (2, 2), (1, 0), (4, 3))),
    "channels last, overlapping": ((1, 6, 6, 8), _attrs(1, (3, 3), (1, 1), (1, 1), (6, 6))),
    "channels last, narrow packs": ((1, 8, 12), _attrs(1, (2,), (2,), (0,), (4,))),
    "three axes": ((1, 4, 5, 6, 8), _attrs(1, (2, 3, 2), (2, 1, 3), (0, 1, 1), (2, 5, 3))),
    "gaps between windows": ((1, 2, 9), _attrs(2, (2,), (4,), (0,), (2,))),
    "beyond the data": ((1, 2, 5), _attrs(2, (2,), (3,), (1,), (3,))),
    "one window": ((2, 5, 5, 8), _attrs(1, (5, 5), (1, 1), (0, 0), (1, 1))),
    "many": ((4, 40, 40, 8), _attrs(1, (2, 2), (2, 2), (0, 0), (20, 20))),
}


def _data(shape: tuple[int, ...], dtype: Any, seed: int) -> Any:
    """Few different values, so that windows have several maxima; all sums are exact."""
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(dtype)


@pytest.fixture(scope="module")
def works() -> tuple[Suite, dict[str, list[Work]]]:
    suite, made = Suite(Tuning(num_sms=2)), {}
    for name, (shape, attrs) in CASES.items():
        made[name] = []
        for dtype in (dtypes.bfloat16, dtypes.float32):
            x = _data(shape, dtype, 0)
            x.flat[3] = np.nan
            with np.errstate(invalid="ignore"):
                y = NUMPY_FUNCTION_OF[MAX_POOL](x, **attrs)
            g, h = _data(y.shape, dtype, 1), _data(shape, dtype, 2)
            size = shape[attrs["first"] : attrs["first"] + len(attrs["kernel"])]
            for op, data, more in (
                ("max_pool", [x], {}),
                ("max_pool_grad", [g, x, y], {}),
                ("max_pool_gather", [h, x, y], {}),
                ("sum_pool", [h], {"divide": "data"}),
                ("sum_pool_grad", [g], {"divide": "all", "size": size}),
            ):
                made[name].append(suite.add(node_of(OPS[op], data, {**attrs, **more}), data))
    return suite.build(), made


@pytest.mark.parametrize("name", CASES)
def test_against_numpy(name: str, works: tuple[Suite, dict[str, list[Work]]]) -> None:
    suite, made = works
    for work in made[name]:
        suite.check(work)


def test_channels_last_in_accesses_of_16_bytes(works: tuple[Suite, dict[str, list[Work]]]) -> None:
    texts = [w.launches.kernels[0].text for w in works[1]["channels last"]]
    assert all("hn_pool<int, 8, 16," in t for t in texts[:5])
    assert all("hn_pool<int, 4, 16," in t for t in texts[5:])


@pytest.mark.slow
def test_compiles_without_spills(works: tuple[Suite, dict[str, list[Work]]]) -> None:
    assert not nvrtc.spills(works[0].units)
