"""oneDNN beside NumPy: every output of every call is NumPy's, it may be left out, and what cannot be used is left out with a reason."""

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
from support.paths import ROOT
from support.samples import as_arrays, cases

import hybridnet as hn
from hybridnet import autograd, dtypes
from hybridnet.config import config
from hybridnet.core import OPS, Kind, Op, Sample, Spec
from hybridnet.core.cpu_rules import has_library, host_call
from hybridnet.device import onednn, refusals, threads
from hybridnet.device.onednn import calls, loading
from hybridnet.device.onednn.team import team
from hybridnet.gluon import nn
from hybridnet.graph.interpret import run_node
from hybridnet.graph.ir import Node, Value, infer_node
from hybridnet.ops.linalg import matmul_host
from hybridnet.ops.nn.convolution import convolution

#: In CI the extra ``cpu`` is installed; elsewhere, and beside the oldest NumPy, it may be missing.
needed = pytest.mark.skipif(onednn.library() is None and "CI" not in os.environ, reason="oneDNN is not installed (the extra cpu)")

#: The other library calls of a CPU are those of MPI (tests/ops/test_collective.py).
BY_ONEDNN = {op for op in OPS.values() if has_library(op) and op.kind is not Kind.COMMUNICATION}
SAMPLES = cases(lambda op, s: s.error is None and op in BY_ONEDNN)


def without() -> Any:
    return mock.patch.object(config, "disabled_libraries", frozenset({onednn.NAME}))


def under(number: int) -> Any:
    return mock.patch.object(config, "threads", number)


def strided(x: Any) -> Any:
    """The same numbers with gaps, and every axis in the other direction in memory."""
    wide = np.zeros((*x.shape[::-1], 2), x.dtype)[..., 0].T
    wide[...] = x
    return wide


def near(a: Any, b: Any) -> None:
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * max(1.0, float(np.abs(b).max(initial=0))))


# -- what it computes ---------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def small_products_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matmul_host, "LEAST", 0)


@needed
@pytest.mark.parametrize("lay", [np.ascontiguousarray, strided], ids=["dense", "strided"])
@pytest.mark.parametrize(("op", "sample"), SAMPLES)
def test_each_call_gives_what_numpy_gives(op: Op, sample: Sample, lay: Any) -> None:
    data = [x.asnumpy().astype("float32") for x in as_arrays(sample.inputs)]
    inputs = tuple(Spec(x.shape, x.dtype) for x in data)
    (expected,) = by_numpy(op, data, sample.attrs)
    call = host_call(op, inputs, (Spec(expected.shape, expected.dtype),), sample.attrs)
    if call is None:
        pytest.skip("NumPy computes this one")
    for scratch in (None, np.full(call.workspace, 255, np.uint8)):
        out = lay(np.full_like(expected, np.nan))
        call(*map(lay, data), out, scratch=scratch)
        near(out, expected)
    out = np.full_like(expected, np.nan)
    for given in ([*map(lay, data), out], [None] * (len(data) + 1), [lay(data[0]), *[None] * len(data)]):  # bound to all, none, one
        out[...] = np.nan
        with team:
            call.bind(given, np.full(call.workspace, 255, np.uint8))(
                *[x for x, bound in zip([*map(lay, data), out], given, strict=True) if bound is None]
            )
        near(out, expected)
    for i in range(len(data)):
        if (way := call.packing(i)) is not None:
            packing, packed_call = way
            packed = np.full(packing.size, 255, np.uint8)
            packing(lay(data[i]), packed)
            out[...] = np.nan
            packed_call(*[packed if k == i else lay(x) for k, x in enumerate(data)], out)
            near(out, expected)


def by_numpy(op: Op, data: list[Any], attrs: dict[str, Any]) -> tuple[Any, ...]:
    """What NumPy computes, of composites in their parts."""
    inputs = [Value(x.shape, x.dtype, hn.cpu()) for x in data]
    with without():
        return run_node(Node(op, inputs, attrs, infer_node(op, inputs, attrs), hn.cpu()), data)


NAN = np.array([np.nan, np.inf, -0.0, 1.0, -1.0], "float32")


@needed
@pytest.mark.parametrize("added", [False, True])
def test_a_relu_behind_a_convolution_gives_nan_for_nan_and_no_negative_zero(added: bool) -> None:
    x, w = np.ones((1, 2, 2, 5), "float32"), np.eye(5, dtype="float32").reshape(5, 1, 1, 5)
    activation = onednn.Activation("relu")
    shape = (1, 2, 2, 5)
    attrs = {"bias": True, "added": added, "activation": activation}
    call = onednn.plan(onednn.Convolution("result", x.shape, w.shape, shape, (1, 1), (0, 0), (1, 1), 1, True, **attrs))
    assert call is not None
    out = np.empty(shape, "float32")
    call(x, w, NAN - 1, *[np.full(shape, -1, "float32")] * added, out)
    expected = np.maximum(NAN - added, 0)
    np.testing.assert_array_equal(out[0, 0, 0], expected)
    assert not np.signbit(out[~np.isnan(out)]).any()


@needed
def test_a_clip_goes_along_under_fast_math_alone() -> None:
    w = hn.np.array(np.random.default_rng(2).normal(size=(8, 3, 3, 3)).astype("float32"))
    x = hn.np.array(IMAGES)

    def clipped(x: Any) -> Any:
        return hn.np.clip(convolution(x, w), 0, 6)

    expected = clipped(x).asnumpy()
    for fast in (False, True):
        with mock.patch.object(config, "fast_math", fast):
            jitted = hn.jit(clipped)
            assert ("convolution_joined" in jitted.explain(x)) == fast
            near(jitted(x).asnumpy(), expected)


def backwards(x: Any) -> Any:
    return x[::-1, ..., ::-1].copy()[::-1, ..., ::-1]


def spread(x: Any) -> Any:
    return np.broadcast_to(x[:1], x.shape)


def odd(x: Any) -> Any:
    """With strides that are no multiples of an element's size."""
    records = np.zeros(x.shape, np.dtype([("mark", "u1"), ("number", "f4")]))
    records["number"] = x
    return records["number"]


def overlapping(x: Any) -> Any:
    return np.lib.stride_tricks.as_strided(x, x.shape, (*x.strides[:-2], x.itemsize, x.itemsize))


@needed
@pytest.mark.parametrize("lay", [backwards, spread, odd, overlapping])
def test_strides_that_the_library_does_not_take(lay: Any) -> None:
    (call, (x, w), out), (op,) = large(), [op for op in OPS.values() if op.name == "convolution"]
    assert op.compute is not None
    x, w = lay(x), lay(w)
    expected = op.compute(np, x, w, stride=(1, 1), pad=(0, 0), dilate=(1, 1), groups=1, last=False)
    results = [out, *([lay(out)] if lay in (backwards, odd) else [])]
    for y in results:
        call(x, w, y)
        near(y, expected)


@needed
def test_every_operator_with_a_library_has_samples_that_it_computes() -> None:
    used = set()
    for case in SAMPLES:
        op, sample = case.values
        data = [x.asnumpy().astype("float32") for x in as_arrays(sample.inputs)]
        inputs = tuple(Spec(x.shape, x.dtype) for x in data)
        if host_call(op, inputs, (op.infer(*inputs, **sample.attrs),), sample.attrs) is not None:
            used.add(op)
    assert used == BY_ONEDNN


def random_case(rng: np.random.Generator) -> tuple[Any, Any, dict[str, Any]]:
    """Data, a weight and arguments of a convolution."""
    nd = int(rng.integers(1, 4))
    groups = int(rng.choice([1, 1, 2, 4]))
    channels, filters = groups * int(rng.integers(1, 5)), groups * int(rng.integers(1, 5))
    if rng.random() < 0.3:
        channels = filters = groups = int(rng.integers(2, 20))
    kernel, dilate = rng.integers(1, 4, nd), rng.integers(1, 3, nd)
    pad, stride = rng.integers(0, 3, nd), rng.integers(1, 4, nd)
    size = (kernel - 1) * dilate + 1 + rng.integers(0, 9, nd)
    last = bool(rng.random() < 0.5)
    batch = int(rng.integers(1, 4))
    x, w = (batch, channels, *size), (filters, channels // groups, *kernel)
    if last:
        x, w = (batch, *size, channels), (filters, *kernel, channels // groups)
    layout = (["NWC", "NHWC", "NDHWC"] if last else ["NCW", "NCHW", "NCDHW"])[nd - 1]
    attrs = {"stride": tuple(map(int, stride)), "pad": tuple(map(int, pad)), "dilate": tuple(map(int, dilate))}
    arrays = [rng.standard_normal(tuple(map(int, s))).astype("float32") for s in (x, w)]
    return *arrays, {**attrs, "num_group": groups, "layout": layout}


def with_gradients(x: Any, w: Any, arguments: dict[str, Any], compiled: bool) -> list[Any]:
    """The convolution of a sum of pointwise work, its result and both gradients."""
    x, w = hn.np.array(x), hn.np.array(w)
    x.attach_grad()
    w.attach_grad()

    def work(x: Any, w: Any) -> Any:
        y = convolution(x * 2, w, **arguments)
        return y * y

    with autograd.record():
        y = (hn.jit(work) if compiled else work)(x, w)
    y.backward()
    return [y.asnumpy(), x.grad.asnumpy(), w.grad.asnumpy()]


@needed
@pytest.mark.parametrize("seed", range(25))
def test_random_convolutions_with_the_library_and_without(seed: int) -> None:
    case = random_case(np.random.default_rng(seed))
    with without():
        expected = with_gradients(*case, compiled=False)
    for compiled in (False, True):
        for found, right in zip(with_gradients(*case, compiled), expected, strict=True):
            near(found, right)


@needed
@pytest.mark.parametrize(
    "shape", [(3, 3, 3, 3), (8, 3, 3, 3), (3, 5, 3, 3), (3, 3, 5, 3), (3, 3, 3, 5), (4, 6, 1, 1), (1, 4, 3, 3), (4, 1, 1, 3)]
)
def test_weights_gradients_lie_where_they_are_delivered(shape: tuple[int, ...]) -> None:
    """They are computed right there, with their axes in another order, though shapes may be the same in both."""
    filters, channels, *kernel = shape
    x = hn.np.array(np.random.default_rng(1).normal(size=(2, channels, 9, 9)).astype("float32"))

    def gradient() -> Any:
        net = nn.HybridSequential()
        net.add(nn.Conv2D(channels, 1, in_channels=channels), nn.Conv2D(filters, kernel, in_channels=channels, use_bias=False))
        net.initialize(hn.init.One())
        net.hybridize()
        with autograd.record():
            loss = (net(x) ** 2 * net(x)).sum()
        loss.backward()
        return [p.grad().asnumpy() for p in net.collect_params().values()]

    with without():
        expected = gradient()
    for found, right in zip(gradient(), expected, strict=True):
        near(found, right)


# -- how it enters -------------------------------------------------------------------------------------


def network() -> Any:
    net = nn.HybridSequential()
    net.add(nn.Conv2D(16, 3, in_channels=3), nn.BatchNorm(in_channels=16), nn.Activation("relu"), nn.Conv2D(8, 3, in_channels=16))
    net.initialize()
    net.hybridize()
    return net


IMAGES = np.random.default_rng(0).normal(size=(2, 3, 12, 12)).astype("float32")


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
def test_explain_says_what_it_refused_and_why(caplog: pytest.LogCaptureFixture) -> None:
    net, x = network(), hn.np.array(IMAGES).astype("float64")
    net.cast("float64")
    with caplog.at_level(logging.WARNING, "hybridnet"):
        told = net.explain(x)
    assert "convolution by NumPy: oneDNN has no plan for the result of a convolution" in told
    assert "it is asked for float32 alone, not for float64" in told
    assert not caplog.records  # NumPy is no surprise on a CPU


@needed
def test_empty_arrays_are_numpys() -> None:
    (op,) = (op for op in OPS.values() if op.name == "convolution")
    attrs = {"stride": (1, 1), "pad": (0, 0), "dilate": (1, 1), "groups": 1, "last": False}
    x, w, y = (Spec(s, dtypes.float32) for s in ((0, 3, 4, 4), (2, 3, 3, 3), (0, 2, 2, 2)))
    assert host_call(op, (x, w), (y,), attrs) is None


# -- threads -------------------------------------------------------------------------------------------


def large() -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 32, 32, 32)).astype("float32"), rng.normal(size=(32, 32, 3, 3)).astype("float32")
    shape = (2, 32, 30, 30)
    call = onednn.plan(onednn.Convolution("result", x.shape, w.shape, shape, (1, 1), (0, 0), (1, 1), 1, False))
    assert call is not None
    return call, (x, w), np.empty(shape, "float32")


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
