"""The emulated CuPy is CuPy where hybridnet touches it: names, dtypes, errors, memory, and what a capture keeps and refuses."""

import ctypes
import importlib
import inspect
import json
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from emulator import memory, names
from emulator.arrays import ndarray
from emulator.device import emulated_gpu
from emulator.emulator import COMPILER

BFLOAT16 = ml_dtypes.bfloat16
TABLE = json.loads(names.TABLE.read_text())
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")


@pytest.fixture(name="cp")
def _cupy(emulated_gpu: Any) -> Any:
    return emulated_gpu


# -- names and types ----------------------------------------------------------------------------------


def test_the_table_is_that_of_cupy() -> None:
    cupy = pytest.importorskip("cupy")
    if cupy.__version__ != TABLE["version"]:
        pytest.skip(f"CuPy {cupy.__version__}")
    assert names.installed() == TABLE


def test_no_name_that_cupy_lacks(cp: Any) -> None:
    """Of functions by the table; of the rest, where CuPy is installed, by CuPy itself."""
    assert not hasattr(cp, "errstate") and not hasattr(cp, "int_")
    methods = {n for n in vars(ndarray) if not n.startswith("_")}
    assert methods <= set(TABLE["ndarray"])
    with emulated_gpu():
        stood_in = {name: [n for n in vars(m) if not n.startswith("_")] for name, m in cp.MODULES.items()}
    own = {n for n in vars(cp) if inspect.ismodule(vars(cp)[n]) and vars(cp)[n].__name__.startswith("emulator.")} | {"MODULES"}
    own |= {
        "annotations",
        "sys",
        "ModuleType",
        "Any",
        "Data",
        "np",
        "checked_dtype",
        "launch",
        "refuse_numpy",
        "update",
        "special",
        "fft",
        "sparse",
    }
    pytest.importorskip("cupy")
    for name, known in stood_in.items():
        real = importlib.import_module(name)
        if name == "cupy.cuda.nccl" and not real.available:
            continue  # NCCL's library is not installed, and without it CuPy's module is empty
        lacking = [n for n in known if not hasattr(real, n) and not (name == "cupy" and n in own)]
        assert not lacking, f"{name} has no {lacking}"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda cp, a: cp.add(a, a, where=a > 0), "Wrong arguments"),
        (lambda cp, a: cp.sum(a, where=a > 0), "unexpected keyword argument 'where'"),
        (lambda cp, a: a.max(initial=0), "unexpected keyword argument 'initial'"),
        (lambda cp, a: cp.zeros(3, device="cpu"), "unexpected keyword argument 'device'"),
        (lambda cp, a: cp.add(a, np.ones(3)), "Unsupported type"),
        (lambda cp, a: a + np.ones(3), "Unsupported type"),
        (lambda cp, a: np.ones(3) + a, "Unsupported type"),
        (lambda cp, a: cp.concatenate([a, np.ones(3)]), "Unsupported type"),
        (lambda cp, a: a.__setitem__(0, np.ones(())), "Unsupported type"),
        (lambda cp, a: cp.copyto(a, np.ones(3)), "Unsupported type"),
        (lambda cp, a: np.asarray(a), "Implicit conversion to a NumPy array"),
        (lambda cp, a: a.set(np.ones(3, np.float32)), "float32 array cannot be set to float64 array"),
        (lambda cp, a: cp.add.at(a.astype(np.int16), cp.arange(3), 1), "does not support int16"),
        (lambda cp, a: cp.bitwise_and(a, a), "Wrong type"),
    ],
)
def test_type_errors(cp: Any, call: Callable[..., Any], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        call(cp, cp.ones(3))


def test_results(cp: Any) -> None:
    a = cp.arange(6, dtype=np.float32).reshape(2, 3)
    assert type(a.sum()) is type(a[0, 0]) is cp.ndarray and a.sum().shape == ()
    assert a.T.base is a.base and a[0].data.ptr == a.data.ptr and (a + 0).base is None
    assert not hasattr(a.flags, "writeable") and not a.T.flags.c_contiguous
    assert (cp.float32(1) + a).dtype == (a + 1.5).dtype == np.float32
    assert (a.astype(np.int8) + 1.5).dtype == np.float64 and (a.astype(np.int8) + 1).dtype == np.int8
    b = a.astype(BFLOAT16)
    assert (b + b).dtype == (b * 2).dtype == b.sum().dtype == cp.tanh(b).dtype == (b[:, :2] @ b[:, 1:]).dtype == BFLOAT16
    assert cp.where(b > 1, b, b).dtype == cp.clip(b, 0, 1).dtype == np.float32  # no loops for bfloat16
    assert a[cp.asarray([5, -1])].get().tolist() == [[3, 4, 5], [3, 4, 5]]  # out of range: modulo
    assert np.add(a, a).get().tolist() == (a * 2).get().tolist()
    assert isinstance(np.sum(a), cp.ndarray)
    with pytest.raises(NotImplementedError, match="bfloat16"):
        b.argsort()
    with pytest.raises(ValueError, match="stable"):
        a.argsort(kind="quicksort")


# -- memory -------------------------------------------------------------------------------------------


def test_memory_is_aligned_and_unkind(cp: Any) -> None:
    pointer = cp.cuda.alloc(100)
    a = cp.ndarray((3,), np.float32, pointer + 8)
    assert pointer.ptr % 512 == 0 and a.data.ptr == pointer.ptr + 8 and a.data.mem is pointer.mem
    assert np.isnan(a.get()).all()
    kept = a._raw  # what a graph knows: the address
    del a, pointer
    assert kept.tobytes() == b"\xfe" * 12


def test_damage_is_found() -> None:
    with pytest.raises(AssertionError, match="beside an allocation of 8 bytes"), emulated_gpu() as cp:
        a = cp.zeros(2, np.float32)
        ctypes.memset(a.data.ptr + 8, 1, 1)
        del a
    with pytest.raises(AssertionError, match="into freed memory of 8 bytes"), emulated_gpu() as cp:
        a = cp.zeros(2, np.float32)
        address = a.data.ptr
        del a
        ctypes.memset(address, 1, 1)


def test_limits(cp: Any) -> None:
    with emulated_gpu(memory_bytes=4096) as cp:
        a = cp.zeros(512, np.float32)
        with pytest.raises(cp.cuda.memory.OutOfMemoryError, match="Out of memory allocating 2,560 bytes"):
            cp.zeros(600, np.float32)
        assert cp.cuda.runtime.memGetInfo() == (2048, 4096) and cp.get_default_memory_pool().used_bytes() == 2048
        del a
        assert cp.cuda.runtime.memGetInfo() == (4096, 4096)
    assert memory.heap.total == memory.DEFAULT_TOTAL


# -- streams and capture ----------------------------------------------------------------------------


class Captured:
    """What is done in the body, as a graph."""

    def __init__(self, cp: Any) -> None:
        self.stream = cp.cuda.Stream(non_blocking=True)

    def __enter__(self) -> "Captured":
        self.stream.__enter__()
        self.stream.begin_capture()
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self.graph = self.stream.end_capture()
        finally:
            self.stream.__exit__()


def test_captured_work_is_done_at_each_launch(cp: Any) -> None:
    a, out = cp.zeros(4, np.float32), cp.zeros(4, np.float32)
    column = out[1:3]
    with Captured(cp) as captured:
        b = a + 1
        view = b[1:3].reshape(2, 1)  # no work, and no memory
        cp.copyto(out, b)
        out *= 2
        total, (low, high) = b.sum(), cp.split(cp.exp(a), 2)
        column.fill(7)
        cp.cuda.runtime.memsetAsync(out.data.ptr, 0, 4, captured.stream.ptr)
    assert view.data.mem is b.data.mem and captured.stream.is_capturing() is False
    assert out.get().tolist() == [0, 0, 0, 0] and np.isnan(total.get())
    for value in (1, 2):
        a.fill(value)
        captured.graph.launch()
        assert (out.get().tolist(), total.get().item()) == ([0, 7, 7, 2 * value + 2], 4 * value + 4)
        np.testing.assert_allclose(np.r_[low.get(), high.get()], np.exp(a.get()), rtol=1e-6)


def test_a_graph_that_outlives_its_memory_is_found() -> None:
    with pytest.raises(AssertionError, match="into freed memory"), emulated_gpu() as cp:
        a, out = cp.ones(4, np.float32), cp.empty(4, np.float32)
        with Captured(cp) as captured:
            b = a * 2
            cp.copyto(out, b)
        del b
        captured.graph.launch()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda cp, a, stream: a.get(), "ndarray.get"),
        (lambda cp, a, stream: bool(a[0, 0]), "ndarray.get"),
        (lambda cp, a, stream: a.item(0), "ndarray.get"),
        (lambda cp, a, stream: a @ a, "matmul"),
        (lambda cp, a, stream: cp.matmul(a, a), "matmul"),
        (lambda cp, a, stream: cp.linalg.inv(a), "inv"),
        (lambda cp, a, stream: a[a > 0], "boolean mask"),
        (lambda cp, a, stream: cp.nonzero(a), "nonzero"),
        (lambda cp, a, stream: cp.asarray(np.ones(3)), "pageable"),
        (lambda cp, a, stream: a.set(np.ones((2, 2))), "pageable"),
        (lambda cp, a, stream: stream.synchronize(), "Stream.synchronize"),
        (lambda cp, a, stream: cp.cuda.Device().synchronize(), "Device.synchronize"),
        (lambda cp, a, stream: stream.begin_capture(), "captures already"),
        (lambda cp, a, stream: a.data.memset(0, 4), "synchronous"),
    ],
)
def test_refused_while_capturing(cp: Any, call: Callable[..., Any], words: str) -> None:
    a = cp.eye(2)
    spoils = words in ("Stream.synchronize", "Device.synchronize")
    with pytest.raises(RuntimeError, match="Invalidated") if spoils else nullcontext():
        with Captured(cp) as captured, pytest.raises(RuntimeError, match=words):
            call(cp, a, captured.stream)
    call(cp, a, cp.cuda.Stream.null) if words != "captures already" else None
    with pytest.raises(RuntimeError, match="default"):
        cp.cuda.Stream.null.begin_capture()


@needs_compiler
def test_what_belongs_to_a_device() -> None:
    with emulated_gpu(devices=2) as cp:
        stream, module = cp.cuda.Stream(), cp.cuda.Module()
        module.load(compiled(cp, SOURCE))
        with Captured(cp) as captured:
            pass
        with stream, cp.cuda.Device(1):
            assert cp.cuda.get_current_stream() is cp.cuda.Stream.null
            with pytest.raises(RuntimeError, match="does not match with the current device"):
                stream.use()
            with pytest.raises(RuntimeError, match="cudaErrorInvalidResourceHandle"):
                captured.graph.launch()
            with pytest.raises(RuntimeError, match="CUDA_ERROR_INVALID_HANDLE"):
                module.get_function("axpy")((1,), (32,), ())


def test_events_and_streams(cp: Any) -> None:
    first, stream = cp.cuda.Event(), cp.cuda.Stream()
    first.record()
    with stream:
        assert cp.cuda.get_current_stream() is stream
        second = stream.record()
    assert cp.cuda.get_current_stream() == cp.cuda.Stream.null and second.done
    assert cp.cuda.get_elapsed_time(first, second) >= 0
    stream.begin_capture()  # one that waits for the null stream, and so must not be overtaken by it
    with pytest.raises(RuntimeError, match="null stream"):
        cp.zeros(2)
    stream.end_capture()


# -- kernels ------------------------------------------------------------------------------------------

SOURCE = """
#include "numbers.h"
extern "C" __global__ void axpy(float* y, const float* x, float a, unsigned long long n) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] += a * x[i] + ZERO;
}
"""


def compiled(cp: Any, source: str) -> bytes:
    nvrtc = cp.cuda.nvrtc
    program = nvrtc.createProgram(source, "axpy.cu", [b"#define ZERO 0\n"], [b"numbers.h"])
    try:
        nvrtc.compileProgram(program, ["--gpu-architecture=sm_90", "-std=c++17"])
        return bytes(nvrtc.getCUBIN(program))
    except nvrtc.NVRTCError:
        raise ValueError(nvrtc.getProgramLog(program)) from None
    finally:
        nvrtc.destroyProgram(program)


@needs_compiler
def test_kernels(cp: Any) -> None:
    module = cp.cuda.Module()
    module.load(compiled(cp, SOURCE))
    axpy = module.get_function("axpy")
    y, x = cp.zeros(40, np.float32), cp.ones(40, np.float32)
    arguments = (y, x.data, np.float32(3), np.uint64(40))
    axpy((2,), (32,), arguments)
    with Captured(cp) as captured:
        axpy((2, 1, 1), (32,), (np.uint64(y.data.ptr), *arguments[1:]))
    assert set(y.get()) == {3}
    captured.graph.launch(captured.stream)
    captured.graph.launch()
    assert set(y.get()) == {9}
    with pytest.raises(TypeError, match=r"numpy.ndarray of shape \(3,\)"):
        axpy((1,), (32,), (np.zeros(3), *arguments[1:]))
    for grid, block in (((1,), (2048,)), ((0,), (32,)), ((1, 65536), (32,)), ((1,), (1, 1, 128))):
        with pytest.raises(RuntimeError, match="CUDA_ERROR_INVALID_VALUE"):
            axpy(grid, block, arguments)
    with pytest.raises(RuntimeError, match="CUDA_ERROR_NOT_FOUND"):
        module.get_function("gone")
    with pytest.raises(RuntimeError, match="CUDA_ERROR_INVALID_IMAGE"):
        cp.cuda.Module().load(b"not a cubin")
    with pytest.raises(ValueError, match=r"nowhere.* was not declared"):
        compiled(cp, SOURCE.replace("ZERO", "nowhere"))
