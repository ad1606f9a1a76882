"""How oneDNN enters programs, on which threads it runs, and what becomes of a library that cannot be used.

What it computes is tested in ``test_onednn_results.py``.
"""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from support.onednn_calls import IMAGES, large, near, needed, network, without
from support.paths import ROOT

import hybridnet as hn
from hybridnet import autograd, dtypes
from hybridnet.config import config
from hybridnet.core import OPS, Spec
from hybridnet.core.cpu_rules import host_call
from hybridnet.device import onednn, refusals, threads
from hybridnet.device.onednn import calls, loading
from hybridnet.device.onednn.team import team
from hybridnet.gluon import nn
from hybridnet.ops.linalg import matmul_host
from hybridnet.ops.nn.convolution import convolution


def under(number: int) -> Any:
    return mock.patch.object(config, "threads", number)


# -- how it enters -------------------------------------------------------------------------------------


@needed
def test_programs_call_it_and_explain_says_so() -> None:
    net, x = network(), hn.np.array(IMAGES)
    text = net.program(x)
    once, each = text.split("# at each call")
    assert once.count("packed(") == 2  # the weights
    (run,) = [part for part in each.split("def ") if part.startswith("run")]
    assert run.count("library_convolution") == 2 and "maximum" not in run
    assert "convolution_joined by oneDNN" in net.explain(x)
    with without():
        assert "library" not in net.program(x)
        assert "oneDNN" not in net.explain(x)
        assert not hn.runtime.Features().is_enabled("MKLDNN")
        expected = net(x).asnumpy()
    near(net(x).asnumpy(), expected)
    assert hn.runtime.Features().is_enabled("MKLDNN")


@needed
@pytest.mark.parametrize("flatten", [True, False])
def test_a_product_takes_its_bias_and_relu_along_and_keeps_nan(flatten: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matmul_host, "LEAST", 0)
    monkeypatch.setattr(matmul_host, "BEHIND_BLAS", ())  # whichever kernel it has
    net = nn.Dense(6, activation="relu", flatten=flatten, in_units=5)
    net.initialize(hn.init.Normal(1))
    data = np.random.default_rng(0).normal(size=(4, 5) if flatten else (2, 4, 5)).astype("float32")
    data[..., 1, 2] = np.nan
    x = hn.np.array(data)
    expected = net(x).asnumpy()
    net.hybridize()
    with autograd.record():
        y = net(x)
        assert "matmul_bias by oneDNN" in net.explain(x) and "maximum" not in net.program(x)
    y.backward()
    near(y.asnumpy(), expected)
    assert np.isnan(expected).any()


@needed
def test_explain_says_what_it_refused_and_why(caplog: pytest.LogCaptureFixture) -> None:
    net, x = network(), hn.np.array(IMAGES).astype("float64")
    net.cast("float64")
    with caplog.at_level(logging.WARNING, "hybridnet"):
        told = net.explain(x)
    assert "convolution by NumPy: oneDNN has no plan for the result of a convolution" in told
    assert "it is asked for float32 alone, not for float64" in told
    assert not caplog.records  # NumPy is no surprise on a CPU


@needed
def test_explain_says_which_products_are_left_to_blas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matmul_host, "LEAST", 0)
    monkeypatch.setattr(matmul_host, "BEHIND_BLAS", ("",))  # whichever kernel it has
    net = nn.Dense(6, in_units=5, use_bias=False)
    net.initialize()
    net.hybridize()
    told = net.explain(hn.np.array(np.zeros((4, 5), "float32")))
    assert "matmul by NumPy: oneDNN has no plan for the product of (4, 5) and (6, 5) transposed" in told
    assert "NumPy's BLAS is faster than its kernel" in told


@needed
def test_empty_arrays_are_numpys() -> None:
    (op,) = (op for op in OPS.values() if op.name == "convolution")
    attrs = {"stride": (1, 1), "pad": (0, 0), "dilate": (1, 1), "groups": 1, "last": False}
    x, w, y = (Spec(s, dtypes.float32) for s in ((0, 3, 4, 4), (2, 3, 3, 3), (0, 2, 2, 2)))
    assert host_call(op, (x, w), (y,), attrs) is None


# -- threads -------------------------------------------------------------------------------------------


@needed
def test_results_do_not_depend_on_the_number_of_threads() -> None:
    found = []
    for number in (1, 2, 5):
        with under(number):
            call, operands, out = large()
            call(*operands, out)
            found.append(out)
    assert all((y == found[0]).all() for y in found)


@contextmanager
def someone_else() -> Iterator[None]:
    """A block beside which another thread has taken the library's threads."""
    begun, ended = threading.Event(), threading.Event()

    def hold() -> None:
        with team:
            begun.set()
            ended.wait()

    other = threading.Thread(target=hold)
    other.start()
    begun.wait()
    try:
        yield
    finally:
        ended.set()
        other.join()


@needed
def test_a_call_beside_another_takes_one_thread() -> None:
    call, operands, out = large()
    numbers: list[int] = []
    planned = calls._planned

    def noted(description: Any, number: int) -> Any:
        numbers.append(number)
        return planned(description, number)

    with under(2), mock.patch.object(calls, "_planned", noted):
        call(*operands, out)
        with someone_else():
            call(*operands, out)
        threads.share(lambda worker, pieces: [call(*operands, out) for _ in pieces], [0])
        threads.share(lambda worker, pieces: [call(*operands, np.empty_like(out)) for _ in pieces], [0, 1])
    assert numbers == [2, 1, 1, 1, 1]


@needed
def test_threads_at_once_give_the_same() -> None:
    call, operands, out = large()
    call(*operands, out)
    outs = [np.empty_like(out) for _ in range(4)]
    workers = [threading.Thread(target=lambda y=y: [call(*operands, y) for _ in range(5)]) for y in outs]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all((y == out).all() for y in outs)


@needed
def test_what_one_thread_is_refused_is_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call has one thread alone beside another, so it is planned for that too; and takes it where it has no plan for more."""
    planned = calls._planned
    call, operands, out = large()
    call(*operands, out)
    description = call.description
    monkeypatch.setattr(calls, "_planned", lambda what, number: "not on one" if number == 1 else planned(what, number))
    with refusals.heard() as heard:
        assert onednn.plan(description) is None
    assert [r.reason for r in heard] == ["not on one"]
    monkeypatch.setattr(calls, "_planned", lambda what, number: planned(what, number) if number == 1 else "not on more")
    again = np.empty_like(out)
    call(*operands, again)
    np.testing.assert_allclose(again, out, rtol=1e-4, atol=1e-4)


FORKED = """
import os, sys, warnings
warnings.simplefilter("ignore")
import numpy as np, hybridnet as hn
from hybridnet.gluon import nn
from hybridnet.ops.linalg import matmul_host
from hybridnet.ops.linalg import matmul_host
net = nn.Conv2D(32, 3, in_channels=32)
net.initialize()
net.hybridize()
x = hn.np.array(np.random.default_rng(0).normal(size=(2, 32, 32, 32)).astype("float32"))
y = net(x).asnumpy()
child = os.fork()
if not child:
    os._exit(0 if (net(x).asnumpy() == y).all() else 3)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@needed
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_process_that_is_forked_off_after_use_computes_on() -> None:
    environment = {**os.environ, "HYBRIDNET_NUM_THREADS": "2", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", FORKED], env=environment, timeout=120, check=False)
    assert done.returncode == 0


# -- a library that cannot be used --------------------------------------------------------------------

SOURCE = """
struct version { int major, minor, patch; const char *hash; unsigned cpu, gpu; };
static struct version it = { MAJOR, 4, 1, "", RUNTIME, 0 };
extern "C" const struct version *dnnl_version() { return &it; }
extern "C" int omp_get_max_threads() { return 1; }
extern "C" void omp_set_num_threads(int) {}
extern "C" unsigned long dnnl_memory_desc_get_size(const void *) { return 0; }
#ifdef ENGINE
extern "C" void *dnnl_primitive_desc_query_md(const void *, int, int) { return 0; }
extern "C" int dnnl_memory_set_data_handle(void *, void *) { return 0; }
extern "C" int dnnl_engine_create(void **, int, unsigned long) { return 3; }
#endif
"""


@pytest.fixture
def only(tmp_path: Path) -> Iterator[Path]:
    """The place of the one library that there is."""
    path = tmp_path / onednn.FILE
    onednn.library.cache_clear()
    with mock.patch.object(loading, "_candidates", lambda: iter([str(path)])):
        yield path
    onednn.library.cache_clear()


def says(reason: str, caplog: pytest.LogCaptureFixture) -> None:
    """One warning with the reason, and NumPy computes."""
    with caplog.at_level(logging.WARNING, "hybridnet"):
        for _ in range(2):
            assert not onednn.available()
    (record,) = caplog.records
    assert reason in record.getMessage() and "NumPy computes" in record.getMessage()
    x, w = np.ones((1, 1, 3, 5), "float32"), np.ones((2, 1, 2, 3), "float32")
    assert (convolution(hn.np.array(x), hn.np.array(w)).asnumpy() == 6).all()
    net = network()
    assert "library" not in net.program(hn.np.array(IMAGES))


def test_a_file_that_is_no_library(only: Path, caplog: pytest.LogCaptureFixture) -> None:
    only.write_bytes(b"\x7fELF, but nothing more")
    says(str(only), caplog)


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["-DMAJOR=2", "-DRUNTIME=2"], "it is version 2.4.1; 3 is needed"),
        (["-DMAJOR=3", "-DRUNTIME=0"], "without an engine for CPUs"),
        (["-DMAJOR=3", "-DRUNTIME=4"], "neither OpenMP's nor none"),
        (["-DMAJOR=3", "-DRUNTIME=2"], "dnnl_primitive_desc_query_md"),
        (["-DMAJOR=3", "-DRUNTIME=2", "-DENGINE"], "engine_create gives status 3 (unimplemented)"),
    ],
)
def test_libraries_that_cannot_be_used(only: Path, flags: list[str], reason: str, caplog: pytest.LogCaptureFixture) -> None:
    source = only.with_suffix(".cpp")
    source.write_text(SOURCE)
    subprocess.run(["g++", "-shared", "-fPIC", "-O0", *flags, str(source), "-o", str(only)], check=True)
    says(reason, caplog)


def test_no_library_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    onednn.library.cache_clear()
    try:
        with (
            mock.patch.object(loading, "_candidates", lambda: iter(["libdnnl-of-nobody.so.3"])),
            mock.patch.object(loading, "FILE", "libdnnl-of-nobody.so.3"),
        ):
            with caplog.at_level(logging.INFO, "hybridnet"):
                assert not onednn.available()
            assert not caplog.records
    finally:
        onednn.library.cache_clear()


@needed
@pytest.mark.parametrize("is_general", [False, True])
def test_a_convolution_by_one_is_a_product_where_there_is_a_kernel_for_products(is_general: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules[onednn.Convolution.__module__]
    monkeypatch.setattr(module, "is_general", lambda lib: is_general)
    asked = onednn.Convolution("result", (2, 7, 5, 48), (32, 1, 1, 48), (2, 7, 5, 32), (1, 1), (0, 0), (1, 1), 1, True, bias=True)
    assert asked.when_packed()._is_product != is_general
    rng = np.random.default_rng(0)
    x, w, b = (rng.normal(size=shape).astype("float32") for shape in (asked.data, asked.weight, (32,)))
    way = onednn.Call(asked, {}).packing(1)
    if way is not None:  # which it is not where the weight is as well taken as it lies
        packing, call = way
        packed, out = np.empty(packing.size, np.uint8), np.empty(asked.result, "float32")
        packing(w, packed)
        call(x, packed, b, out)
        near(out, x @ w[:, 0, 0].T + b)
