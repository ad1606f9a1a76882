"""Streams of the emulated device, where work is asynchronous: a wait that is missing shows, and one that is there is kept.

Each misuse is tried as late as can be and at random moments; what is right must hold at all of them.
"""

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from emulator import memory, streams
from emulator.device import emulated_gpu
from emulator.emulator import COMPILER

SEEDS = range(12)
N = 64


def outcomes(run: Callable[[Any], Any]) -> set[float]:
    """What ``run`` may give."""
    found = set()
    with emulated_gpu() as cp:
        for seed in SEEDS:
            with streams.asynchronous(seed):
                found.add(float(run(cp)))
            memory.heap.check()
    return found


@pytest.mark.parametrize("waits", [True, False])
def test_a_stream_waits_for_another_only_if_told(waits: bool) -> None:
    def run(cp: Any) -> Any:
        a, b = (cp.cuda.Stream(non_blocking=True) for _ in range(2))
        with a:
            x = cp.full(N, 1.0)
            x *= 2
            event = a.record()
        with b:
            if waits:
                b.wait_event(event)
            y = x + 1
            found = np.nan_to_num(y.get()).sum() / N
        cp.cuda.Device().synchronize()  # before x is dropped
        return found

    assert outcomes(run) == {3.0} if waits else len(outcomes(run)) > 1


def test_an_event_stands_for_its_last_record_before_the_wait() -> None:
    def run(cp: Any) -> Any:
        a, b = (cp.cuda.Stream(non_blocking=True) for _ in range(2))
        event, x = cp.cuda.Event(disable_timing=True), cp.zeros(N)
        cp.cuda.Stream.null.synchronize()
        event.record(a)
        b.wait_event(event)
        with a:
            x += 1
            event.record(a)
        b.wait_event(event)
        with a:
            x += 1
        a.synchronize()
        event.synchronize()
        return x.get()[0]

    assert outcomes(run) == {2.0}


@pytest.mark.parametrize("non_blocking", [True, False])
def test_the_null_stream(non_blocking: bool) -> None:
    """It waits for all streams that do not say otherwise, and they for it."""

    def run(cp: Any) -> Any:
        stream = cp.cuda.Stream(non_blocking=non_blocking)
        x = cp.ones(N)
        with stream:
            x *= 3
        x += 1
        with stream:
            x *= 2
        found = (x + 0).get()[0]
        stream.synchronize()
        return found

    assert outcomes(run) > {8.0} if non_blocking else outcomes(run) == {8.0}


@pytest.mark.parametrize(
    "wait", ["stream.synchronize", "event.synchronize", "Device.synchronize", "event.done", "stream.done", "free_all_blocks", "get"]
)
def test_what_the_host_waits_for(wait: str) -> None:
    def run(cp: Any) -> Any:
        stream, host = cp.cuda.Stream(non_blocking=True), cp.MODULES["cupyx"].empty_pinned((N,), np.float32)
        host[...] = 0
        with stream:
            x = cp.full(N, 5, np.float32)
            x.get(out=host, blocking=wait == "get")
            event = stream.record()
        if wait == "free_all_blocks":
            cp.get_default_memory_pool().free_all_blocks()
        elif wait == "Device.synchronize":
            cp.cuda.Device().synchronize()
        elif wait == "event.done":
            while not event.done:
                pass
        elif wait == "stream.done":
            while not stream.done:
                pass
        elif wait != "get":
            {"stream": stream, "event": event}[wait.split(".")[0]].synchronize()
        return host[0]

    assert outcomes(run) == {5.0}


@pytest.mark.parametrize("pinned", [True, False])
def test_host_memory_that_changes_before_it_is_read(pinned: bool) -> None:
    """Page-locked memory is read when its turn comes, any other before the call returns."""

    def run(cp: Any) -> Any:
        host = cp.MODULES["cupyx"].empty_pinned((N,), np.float32) if pinned else np.empty(N, np.float32)
        host[...] = 1
        x = cp.asarray(host)
        host[...] = 2
        return x.get()[0]

    assert outcomes(run) == ({1.0, 2.0} if pinned else {1.0})


@pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")
def test_blocks_of_a_kernel_run_side_by_side() -> None:
    """At the moments that are random, in a random order; this one is right where its blocks run one after another."""
    source = """extern "C" __global__ void one_place(int* place, int* y) {
        place[threadIdx.x] = blockIdx.x;
        __syncthreads();
        y[blockIdx.x * blockDim.x + threadIdx.x] = place[blockDim.x - 1 - threadIdx.x];
    }"""
    with emulated_gpu() as cp:
        nvrtc, module = cp.cuda.nvrtc, cp.cuda.Module()
        program = nvrtc.createProgram(source, "one_place.cu", [], [])
        nvrtc.compileProgram(program, ["--gpu-architecture=sm_90"])
        module.load(nvrtc.getCUBIN(program))
        right = {}
        for seed in (0, 1, 2, 3):
            with streams.asynchronous(seed):
                place, y = cp.zeros(64, np.int32), cp.zeros((8, 64), np.int32)
                module.get_function("one_place")((8,), (64,), (place, y))
                right[seed] = bool((y.get() == np.arange(8)[:, None]).all())
    assert right == {0: True, 1: True, 2: False, 3: False}


# -- memory ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("waits", ["before", "after", "never"])
def test_memory_goes_back_to_the_stream_that_it_was_allocated_on(waits: str) -> None:
    """What another stream still does there must be waited for, before it is dropped or before the first goes on."""

    def run(cp: Any) -> Any:
        a, b = (cp.cuda.Stream(non_blocking=True) for _ in range(2))
        with a:
            x = cp.full(N, 1.0)
        b.wait_event(a.record())
        with b:
            y = x + 1
        if waits == "before":
            a.wait_event(b.record())
        del x
        if waits == "after":
            a.wait_event(b.record())
        with a:
            cp.full(N, 7.0)
        a.synchronize()
        return np.nan_to_num(y.get(b)).sum() / N

    assert outcomes(run) == {2.0} if waits != "never" else len(outcomes(run)) > 1


def test_a_stream_gets_its_own_memory_again_and_no_other() -> None:
    with emulated_gpu(asynchronous=0) as cp:
        a, b = (cp.cuda.Stream(non_blocking=True) for _ in range(2))
        pool = cp.get_default_memory_pool()
        with a:
            first = cp.cuda.alloc(1000).ptr  # dropped at once
            assert pool.n_free_blocks() == 1 and pool.free_bytes() == pool.total_bytes() == 1024 and not pool.used_bytes()
            with b:
                assert cp.cuda.alloc(1000).ptr != first
            assert cp.cuda.alloc(1000).ptr == first
        pool.free_all_blocks()
        assert pool.n_free_blocks() == pool.total_bytes() == 0


def test_what_is_written_late_into_freed_memory_is_found() -> None:
    with pytest.raises(AssertionError, match="into freed memory"), emulated_gpu(asynchronous=0) as cp:
        a, b = (cp.cuda.Stream(non_blocking=True) for _ in range(2))
        with a:
            x = cp.empty(N)
        with b:
            x.fill(1)
        del x
        with a:
            cp.empty(1)
        a.synchronize()


def test_work_is_done_when_its_stream_is_gone() -> None:
    """And the next stream gets its address, though not its work."""

    def run(cp: Any) -> Any:
        x = cp.zeros(N)
        cp.cuda.Stream.null.synchronize()
        stream = cp.cuda.Stream(non_blocking=True)
        address = stream.ptr
        with stream:
            x += 1
        del stream
        gc.collect()
        stream = cp.cuda.Stream(non_blocking=True)
        assert stream.ptr == address
        cp.cuda.Device().synchronize()
        return x.get()[0]

    assert outcomes(run) == {1.0}


def test_everything_is_put_back_after_an_error() -> None:
    with pytest.raises(KeyError), emulated_gpu(asynchronous=0) as cp:
        cp.cuda.Stream.null.launch_host_func(lambda arg: 1 / 0, None)
        raise KeyError
    assert not streams.is_asynchronous()
    with emulated_gpu() as cp:
        assert cp.ones(2).get().tolist() == [1, 1]
    memory.heap.check()


@pytest.mark.parametrize("seed", [None, *SEEDS])
@pytest.mark.parametrize("damaged", [False, True])
def test_what_follows_an_error_is_not_blamed_for_it(seed: int | None, damaged: bool) -> None:
    """Memory that was freed before the error is as it would be without it, and damage is not told of those who come next."""
    with pytest.raises(KeyError), emulated_gpu(asynchronous=seed) as cp:
        x = cp.full(7, 1.0)
        address = x.data.ptr
        if damaged:
            memory.at(address, 57)[56] = 0  # beside the allocation
        del x
        cp.full(9, 1.0)  # the stream takes back what it was given
        raise KeyError
    with emulated_gpu():
        pass


def test_an_error_of_a_kernel_comes_with_a_later_call() -> None:
    with emulated_gpu(asynchronous=0) as cp:
        cp.cuda.Stream.null.launch_host_func(lambda arg: 1 / 0, None)
        with pytest.raises(ZeroDivisionError):
            cp.cuda.Stream.null.synchronize()


def test_a_stream_that_is_gone_takes_no_work(cp: Any) -> None:
    stream = cp.cuda.Stream()
    address = stream.ptr
    del stream
    x = cp.zeros(N)
    with pytest.raises(ValueError, match="was destroyed"):
        cp.cuda.runtime.memsetAsync(x.data.ptr, 0, x.nbytes, address)


# -- events ---------------------------------------------------------------------------------------------


@pytest.fixture(name="cp")
def _cupy(emulated_gpu: Any) -> Any:
    return emulated_gpu


def test_what_an_event_tells(cp: Any) -> None:
    timed, other, never = cp.cuda.Event(), cp.cuda.Event(disable_timing=True), cp.cuda.Event()
    timed.record()
    other.record()
    assert never.done and timed.done
    never.synchronize()
    cp.cuda.Stream().wait_event(never)
    assert cp.cuda.get_elapsed_time(timed, timed) == 0
    for pair in ((timed, other), (never, timed)):
        with pytest.raises(RuntimeError, match="cudaErrorInvalidResourceHandle"):
            cp.cuda.get_elapsed_time(*pair)
    with pytest.raises(ValueError, match="interprocess"):
        cp.cuda.Event(interprocess=True)
    with emulated_gpu(asynchronous=0) as cp:
        timed.record()
        with pytest.raises(RuntimeError, match="cudaErrorNotReady"):
            cp.cuda.get_elapsed_time(timed, timed)


def test_an_event_is_recorded_on_its_device() -> None:
    with emulated_gpu(devices=2) as cp:
        event = cp.cuda.Event()
        with cp.cuda.Device(1):
            stream = cp.cuda.Stream()
        with pytest.raises(RuntimeError, match="cudaErrorInvalidResourceHandle"):
            event.record(stream)


def test_a_capture_that_is_forked_and_joined(cp: Any) -> None:
    a, b, c = (cp.cuda.Stream(non_blocking=True) for _ in range(3))
    x, y = cp.zeros(N), cp.zeros(N)
    with a:
        a.begin_capture()
        x += 1
        b.wait_event(a.record())
        c.wait_event(a.record())
        with b:
            y += x
        with c:
            c.wait_event(b.record())
            y *= 2
        a.wait_event(c.record())
        x += y
        assert b.is_capturing()
        graph = a.end_capture()
    assert not b.is_capturing() and not x.get().any()
    for values in ((3, 2), (16, 12)):
        graph.launch()
        assert (x.get()[0], y.get()[0]) == values


@pytest.mark.parametrize("late", [False, True])
def test_a_capture_that_is_not_joined(cp: Any, late: bool) -> None:
    a, b = (cp.cuda.Stream(non_blocking=True) for _ in range(2))
    x = cp.zeros(N)
    a.begin_capture()
    b.wait_event(a.record())
    if late:
        a.wait_event(b.record())
        with b:
            x += 1
    with pytest.raises(RuntimeError, match="cudaErrorStreamCaptureUnjoined"):
        a.end_capture()
    assert not a.is_capturing() and not b.is_capturing()


def test_what_a_capture_must_not_wait_for(cp: Any) -> None:
    a, b = (cp.cuda.Stream(non_blocking=True) for _ in range(2))
    outside = b.record()
    a.begin_capture()
    with pytest.raises(RuntimeError, match="cudaErrorStreamCaptureIsolation"):
        a.wait_event(outside)
    with pytest.raises(RuntimeError, match="cudaErrorStreamCaptureInvalidated"):
        a.end_capture()
    a.begin_capture()
    b.begin_capture()
    with pytest.raises(RuntimeError, match="cudaErrorStreamCaptureMerge"):
        b.wait_event(a.record())
    for stream in (a, b):
        with pytest.raises(RuntimeError, match="cudaErrorStreamCaptureInvalidated"):
            stream.end_capture()


def test_an_event_of_a_capture_tells_nothing(cp: Any) -> None:
    a = cp.cuda.Stream(non_blocking=True)
    a.begin_capture()
    event = a.record()
    with pytest.raises(RuntimeError, match="cudaErrorCapturedEvent"):
        event.synchronize()
    with pytest.raises(RuntimeError, match="cudaErrorStreamCaptureInvalidated"):
        a.end_capture()
    for use in (lambda: event.done, event.synchronize, lambda: cp.cuda.Stream.null.wait_event(event)):
        with pytest.raises(RuntimeError, match="cudaErrorCapturedEvent"):
            use()
    event.record()
    assert event.done
