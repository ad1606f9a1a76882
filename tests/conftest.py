"""What all tests share: reproducible hypothesis runs, the modes put back after each test, no GPU tests without a GPU, ``--renew``."""

from collections.abc import Iterator
from typing import Any

import pytest
import samples  # noqa: F401  (registers every operator)
from emulator.device import emulated_gpu
from hypothesis import HealthCheck, settings

from hybridnet.core import local
from hybridnet.device import num_gpus

# The same examples on every run; machines that run the tests differ too much in speed for deadlines.
settings.register_profile("hybridnet", deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hybridnet")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--renew", action="store_true", help="write the records in tests/data/kernels anew in place of comparing with them")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if num_gpus() == 0:
        for item in items:
            if "gpu" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(autouse=True)
def modes_are_put_back() -> Iterator[None]:
    """Fail a test that leaves recording, training or tracing switched on, and switch it off for the next one."""
    yield
    left = local.recording, local.training, local.trace
    local.set(recording=False, training=False)
    local.set_trace(None)
    assert left == (False, False, None), "the test, or the code under it, left (recording, training, trace) as shown"


@pytest.fixture(name="emulated_gpu")
def _emulated_gpu() -> Iterator[Any]:
    """``gpu(0)``, run on the CPU; the module that stands for CuPy."""
    with emulated_gpu() as cupy:
        yield cupy
