"""What launching and copying cost, and what ways round them are worth; in microseconds unless it says otherwise. Asked alone."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import hybridnet as hn
from gpu import peer_hybridnet
from gpu.peer_copy import KERNEL
from gpu.questions import Cases, captured, cupy, kernel, launched, per_call, timing
from gpu.sizes import SIZES
from hybridnet.device import cuda
from hybridnet.device.compiler import Module
from hybridnet.device.stream import copy_bytes, current_stream

EPOCHS = (10, 100, 1000)  # training steps in a call
TRAINED = 1000  # training steps that are timed
CHAIN = 200  # nodes of a graph
COPIED = (512, 1 << 16, 1 << 20, 1 << 24)  # bytes
ELEMENTS = (1 << 5, 1 << 20)
COPY = r"""
#include "vector.cuh"
extern "C" __global__ void copy_packs(float* y, const float* x, int n) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) hn_store(y + 4 * i, hn_load<4>(x + 4 * i));
}
"""
#: Waits for what the launch before has written, and lets the next one begin at once.
CHAINED = r"""
extern "C" __global__ void chained(float* x, int n, float a) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    asm volatile("griddepcontrol.launch_dependents;");
    asm volatile("griddepcontrol.wait;" ::: "memory");
    if (i < n) x[i] += a;
}
"""


@timing
def launch_costs(folder: Path) -> Any:
    """A small kernel on a stream, in a graph; a graph of one; a small copy; what else a compiled call asks of CuPy."""
    cp, run = cupy(), kernel()
    x, y = cp.zeros(32, "float32"), cp.zeros(32, "float32")
    launch = lambda: run((1,), (32,), (x, np.int32(32), np.float32(1)))
    graphs = {n: captured(lambda stream, n=n: [launch() for _ in range(n)]) for n in (1, 1000)}
    stream = cp.cuda.get_current_stream()
    thousand = per_call(lambda: graphs[1000].launch(stream), 20)
    return {
        "kernel on a stream": per_call(launch, 2000),
        "kernel in a graph of 1000": {k: v / 1000 for k, v in thousand.items()},
        "graph of one kernel": per_call(lambda: graphs[1].launch(stream), 500),
        "copy of 128 bytes": per_call(lambda: copy_bytes(y.data.ptr, x.data.ptr, 128, stream.ptr), 500),
        "array of 128 bytes": per_call(lambda: cp.ndarray((32,), "float32"), 500),
        "current stream": per_call(lambda: current_stream(hn.gpu(0)), 500),
        "whether an array has gaps": per_call(lambda: x.flags.c_contiguous, 500),
    }


@timing
def copy_bandwidth(folder: Path) -> Any:
    """Of 1 GiB, read and written, in TB/s: by the library, and by a kernel with so many blocks a multiprocessor."""
    cp = cupy()
    x, y = cp.ones(1 << 28, "float32"), cp.empty(1 << 28, "float32")
    stream, run = cp.cuda.get_current_stream(), cp.RawKernel(KERNEL, "copy")
    rate = lambda call: 2 * x.nbytes / per_call(call, 20)["device"] / 1e6
    found = {"library": rate(lambda: y.data.copy_from_device_async(x.data, x.nbytes, stream))}
    for blocks in (2, 4, 8, 16):
        grid = (blocks * cuda.num_sms(0),)
        found[f"kernel, {blocks}"] = rate(lambda grid=grid: run(grid, (512,), (x, y, np.int64(x.size // 4))))
    return found


@timing
def copies_in_a_graph(folder: Path) -> Any:
    """A copy as a node of a graph, by the library and by a kernel of our own, each after the one before."""
    cp, run = cupy(), Module(COPY, 0).function("copy_packs")
    found = {}
    for size in COPIED:
        x, y = cp.zeros(size, "uint8"), cp.zeros(size, "uint8")
        packs = size // 16
        grid = (min(-(-packs // 256), 8 * cuda.num_sms(0)),)

        def by_library(stream: Any, x: Any = x, y: Any = y, size: int = size) -> None:
            for i in range(CHAIN):
                source, target = (x, y) if i % 2 else (y, x)
                copy_bytes(target.data.ptr, source.data.ptr, size, stream.ptr)

        def by_kernel(stream: Any, x: Any = x, y: Any = y, packs: int = packs, grid: tuple[int] = grid) -> None:
            for i in range(CHAIN):
                run(grid, (256,), ((y, x) if i % 2 else (x, y)) + (np.int32(packs),))

        ways = {"library": by_library, "kernel": by_kernel}
        found[f"{size:,} bytes"] = {name: launched(captured(body)) / CHAIN for name, body in ways.items()}
    return found


@timing
def branches_of_a_graph(folder: Path) -> Any:
    """Small kernels one after the other, and as two branches that fork and join again: is what does not depend run side by side?"""
    cp, run = cupy(), kernel()
    found = {}
    for n in ELEMENTS:
        x, y = cp.zeros(n, "float32"), cp.zeros(n, "float32")
        side = cp.cuda.Stream(non_blocking=True)
        grid = (-(-n // 256),)

        def steps(a: Any, count: int, n: int = n, grid: tuple[int] = grid) -> None:
            for _ in range(count):
                run(grid, (256,), (a, np.int32(n), np.float32(1)))

        def chain(stream: Any, steps: Any = steps, x: Any = x, y: Any = y) -> None:
            steps(x, CHAIN // 2)
            steps(y, CHAIN // 2)

        def fork(stream: Any, rounds: int, steps: Any = steps, x: Any = x, y: Any = y, side: Any = side) -> None:
            for _ in range(rounds):
                begun, done = (cp.cuda.Event(disable_timing=True) for _ in range(2))
                begun.record(stream)
                side.wait_event(begun)
                with side:
                    steps(y, CHAIN // 2 // rounds)
                steps(x, CHAIN // 2 // rounds)
                done.record(side)
                stream.wait_event(done)

        bodies = {
            "one after the other": chain,
            "two branches": partial(fork, rounds=1),
            "forked and joined 50 times": partial(fork, rounds=50),
        }
        found[f"{n:,} elements"] = {name: launched(captured(body)) for name, body in bodies.items()}
    return found


@timing
def epochs_in_one_graph(folder: Path) -> Any:
    """The perceptron's step: by calls of its own, and as rounds of one graph; what the graph's first and second call cost, in seconds."""
    found: dict[str, Any] = {"a call for each step": per_call(peer_hybridnet.perceptron(SIZES["full"], "gpu")["step"]().call, TRAINED)}
    for steps in EPOCHS:
        run = peer_hybridnet.perceptron_epoch("gpu", steps).call
        begun = time.perf_counter()
        first, second = (_waited(run) for _ in range(2))  # the second captures
        found[f"{steps} steps in a graph"] = {
            **{k: v / steps for k, v in per_call(run, max(1, TRAINED // steps)).items()},
            "first call": first - begun,
            "second call": second - first,
        }
    return found


def _waited(run: Callable[[], Any]) -> float:
    """The time when a call is done."""
    run()
    cupy().cuda.get_current_stream().synchronize()
    return time.perf_counter()


def _launches(driver: Any, function: Any, x: Any, overlapping: bool) -> Callable[[Any], None]:
    """A chain of launches by the driver, each allowed to begin before the one before has ended, or not."""

    def body(stream: Any) -> None:
        config = driver.CUlaunchConfig()
        config.gridDimX, config.gridDimY, config.gridDimZ = -(-x.size // 256), 1, 1
        config.blockDimX, config.blockDimY, config.blockDimZ = 256, 1, 1
        config.sharedMemBytes, config.hStream = 0, driver.CUstream(stream.ptr)
        if overlapping:
            attribute = driver.CUlaunchAttribute()
            attribute.id = driver.CUlaunchAttributeID.CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION
            value = driver.CUlaunchAttributeValue()
            value.programmaticStreamSerializationAllowed = 1
            attribute.value = value
            config.attrs = [attribute]
        config.numAttrs = int(overlapping)
        arguments = (x.data.ptr, x.size, 1.0), (ctypes.c_void_p, ctypes.c_int, ctypes.c_float)
        for _ in range(CHAIN):
            (status,) = driver.cuLaunchKernelEx(config, driver.CUfunction(function.ptr), arguments, 0)
            if status != driver.CUresult.CUDA_SUCCESS:
                raise RuntimeError(f"cuLaunchKernelEx: {status!r}")

    return body


@timing
def programmatic_dependent_launch(folder: Path) -> Any:
    """The time of a node in a chain with plain edges and with programmatic ones, over which a kernel begins before the last has ended."""
    try:
        from cuda.bindings import driver
    except ImportError as error:
        return f"not there: cuda-bindings ({error})"
    if int(cuda.architecture(0).removeprefix("sm_")) < 90:
        return f"not there: {cuda.architecture(0)} has no griddepcontrol"
    cp, function = cupy(), Module(CHAINED, 0).function("chained")
    cases = Cases()

    def measured(n: int, overlapping: bool) -> float:
        x = cp.zeros(n, "float32")
        graph = captured(_launches(driver, function, x, overlapping))
        time = launched(graph) / CHAIN
        x.fill(0)
        graph.launch(cp.cuda.get_current_stream())
        assert float(x.min()) == float(x.max()) == CHAIN, "an addition was lost: kernels overlapped that must not"
        return time

    for n in ELEMENTS:
        for name, overlapping in (("plain", False), ("programmatic", True)):
            cases.ask(f"{n:,} elements, {name}", partial(measured, n, overlapping))
    return cases.answer()
