"""What all tests share: reproducible hypothesis runs, the modes put back after each test, ``--renew``, and when GPU tests run.

Tests marked ``gpu`` are skipped where there is no GPU. Where there is one, none may be skipped; ``--gpu`` says that there is one.
"""

import gc
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from emulator.device import emulated_gpu
from hypothesis import HealthCheck, settings
from support import samples  # noqa: F401  (registers every operator)

import hybridnet as hn
from hybridnet.config import config
from hybridnet.core import local
from hybridnet.errors import DeviceError
from hybridnet.name import NameManager

#: Whether there is a GPU, so that its tests must run.
MUST_RUN = pytest.StashKey[bool]()

# The same examples on every run; machines that run the tests differ too much in speed for deadlines.
settings.register_profile("hybridnet", deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hybridnet")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--renew", action="store_true", help="write the records in tests/data/kernels anew in place of comparing with them")
    parser.addoption(
        "--gpu", action="store_true", help="there is a GPU: a run without one ends with the reason, none of its tests is skipped"
    )


def pytest_configure(config: pytest.Config) -> None:
    present = hn.num_gpus() > 0
    if config.getoption("--gpu") and not present:
        try:
            hn.np.zeros((1,), device=hn.gpu(0))
        except DeviceError as error:
            raise pytest.UsageError(f"--gpu, but there is no CUDA device:\n{error}") from error
    config.stash[MUST_RUN] = present


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.stash[MUST_RUN]:
        return
    for item in items:
        if item.get_closest_marker("gpu") is not None:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What all tests are made of stays until the end: the collector of cycles, which many tests call, need not go through it each time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def _why(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The reason that a skipped test gives."""
    words = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
    return words.removeprefix("Skipped: ")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Of a GPU test that was skipped where it must run, a failure."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and item.get_closest_marker("gpu") is not None and item.config.stash[MUST_RUN]:
        report.outcome = "failed"
        report.longrepr = f"skipped, although there is a GPU: {_why(report)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Of a file that is left out as a whole under ``--gpu``, a failure."""
    report = yield
    if report.skipped and collector.config.getoption("--gpu"):
        report.outcome = "failed"
        report.longrepr = f"skipped, although a GPU was asked for: {_why(report)}"
    return report


@pytest.fixture(autouse=True)
def modes_are_put_back() -> Iterator[None]:
    """Fail a test that leaves recording, training or tracing switched on, and switch it off for the next one."""
    yield
    left = local.recording, local.training, local.trace
    local.set(recording=False, training=False)
    local.set_trace(None)
    assert left == (False, False, None), "the test, or the code under it, left (recording, training, trace) as shown"


@pytest.fixture(autouse=True)
def settings_are_put_back() -> Iterator[None]:
    """Fail a test that leaves a setting changed, and put it back for the next one."""
    before = dict(vars(config))
    yield
    left = {name: value for name, value in vars(config).items() if value != before.get(name)}
    vars(config).update(before)
    assert not left, "the test, or the code under it, left settings as shown"


@pytest.fixture(autouse=True)
def names_begin_anew() -> Iterator[None]:
    """Number blocks from 0 in each test: a trainer sorts by name, "dense10" before "dense9", and order must not be chance."""
    with NameManager():
        yield


@pytest.fixture(name="emulated_gpu")
def _emulated_gpu() -> Iterator[Any]:
    """``gpu(0)``, run on the CPU; the module that stands for CuPy."""
    with emulated_gpu() as cupy:
        yield cupy
