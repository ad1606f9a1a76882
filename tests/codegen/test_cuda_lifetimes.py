"""On a device that works asynchronously: nothing is read before it is there, or overwritten before it is read.

As late as can be, and at random moments. Memory that is dropped goes back to the stream on which it was allocated, which
overwrites it as soon as that stream has come so far.
"""

import gc
import threading
import weakref
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy
import pytest
from emulator import memory, streams
from emulator.device import emulated_gpu
from emulator.emulator import COMPILER
from test_cuda_program import MODES, NETWORKS, trained

import hybridnet as hn
from hybridnet import np
from hybridnet.codegen import cuda_program
from hybridnet.device import Trail, cuda
from hybridnet.dtypes import bfloat16
from hybridnet.gluon import nn

pytestmark = [pytest.mark.slow, pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")]

SEEDS = range(10)


def orders(cupy: Any) -> Iterator[tuple[Any, Any]]:
    """Two streams, at each of the moments at which work may be done."""
    for seed in SEEDS:
        with streams.asynchronous(seed):
            yield cupy.cuda.Stream(non_blocking=True), cupy.cuda.Stream(non_blocking=True)
            gc.collect()
            cupy.cuda.Device().synchronize()
        memory.heap.check()


def on_gpu(values: Any) -> Any:
    """An array that is there."""
    made = np.array(numpy.asarray(values, "float32"), device=hn.gpu())
    made.wait_to_read()
    return made


def go_on(cupy: Any, stream: Any) -> None:
    """Do more on a stream, in the memory that went back to it."""
    with stream:
        cupy.zeros(1)
    stream.synchronize()


@pytest.mark.parametrize("name", NETWORKS)
def test_training(name: str) -> None:
    expected = trained(name, "imperative", hn.cpu())
    for seed in (0, 5):
        for mode in MODES:
            with emulated_gpu(asynchronous=seed):
                found = trained(name, mode, hn.gpu())
            for key, value in found.items():
                numpy.testing.assert_allclose(value, expected[key], rtol=2e-4, atol=2e-5, err_msg=f"{key}, {mode}, {seed}")


@pytest.mark.parametrize("direct", [False, True])
def test_a_program_goes_from_stream_to_stream(emulated_gpu: Any, direct: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its arena is one: each stream waits for the one before."""
    if direct:
        monkeypatch.setattr(cuda_program, "HOST_LAUNCH_BYTES", 0)
    f = hn.jit(lambda x: np.cumsum(np.tanh(x) + 1) * 2)
    for a, b in orders(emulated_gpu):
        inputs = [on_gpu(numpy.arange(40.0) / 40 + i) for i in range(6)]
        found = []
        for i, x in enumerate(inputs):
            with (a, b)[i % 2]:
                found.append(f(x))
        for i, (x, y) in enumerate(zip(inputs, found, strict=True)):
            with (a, b)[i % 2]:
                numpy.testing.assert_allclose(y.asnumpy(), numpy.cumsum(numpy.tanh(x.asnumpy()) + 1) * 2, rtol=1e-5)


@pytest.mark.parametrize("runs", [1, 3])
def test_an_arena_is_dropped_while_another_stream_works_in_it(emulated_gpu: Any, runs: int) -> None:
    """Made on one stream, in use on another, given back to the first."""
    for a, b in orders(emulated_gpu):
        f = hn.jit(lambda x: np.cumsum(np.tanh(x) + 1) * 2)
        x = on_gpu(numpy.arange(40.0) / 40)
        with a:
            f(x)
        with b:
            for _ in range(runs):
                y = f(x)
        (program,) = [c.program for c in f.cache.values()]
        (arena,) = map(weakref.ref, program.bound)
        del f, program
        gc.collect()
        assert arena() is None
        go_on(emulated_gpu, a)
        with b:
            numpy.testing.assert_allclose(y.asnumpy(), numpy.cumsum(numpy.tanh(x.asnumpy()) + 1) * 2, rtol=1e-5)


@pytest.mark.parametrize("kind", ["stand-in", "constant"])
def test_a_program_is_dropped_while_another_stream_works_in_memory_of_its_own(emulated_gpu: Any, kind: str) -> None:
    """A state with gaps is copied into such memory, and so are constants that a library reads. The arena is another program's as well."""
    for a, b in orders(emulated_gpu):
        column = on_gpu(numpy.ones((16, 4)))[:, 1]

        def stands_in(x: Any, column: Any = column) -> Any:
            return column * x

        def reads_a_constant(x: Any) -> Any:
            return np.matmul(np.ones((16, 16), device=hn.gpu()), x)

        x = on_gpu(numpy.arange(16.0) if kind == "stand-in" else numpy.eye(16))
        beside, f = hn.jit(lambda x: np.tanh(x) + 1), hn.jit(stands_in if kind == "stand-in" else reads_a_constant)
        beside(on_gpu(numpy.zeros((150, 150))))
        emulated_gpu.cuda.Stream.null.synchronize()
        with a:
            expected = f(x).asnumpy()
        with b:
            y = f(x)
        (program,) = [c.program for c in f.cache.values()]
        (instance,) = program.bound.values()
        assert {"stand-in": bool(instance.stand_ins), "constant": bool(program.source.at_bind)}[kind]
        (arena,) = program.bound
        assert arena in next(iter(beside.cache.values())).program.bound
        del f, program, instance
        gc.collect()
        go_on(emulated_gpu, a)
        with b:
            assert y.tolist() == expected.tolist()


def test_copies_of_weights_go_from_stream_to_stream_and_are_dropped_while_one_works_on_them(emulated_gpu: Any) -> None:
    """A step that updates a weight writes its 16-bit copy; the steps are on two streams, between which the weight is waited for."""
    values = numpy.linspace(-1, 1, 24)
    for a, b in orders(emulated_gpu):
        w, x = on_gpu(values), on_gpu(numpy.ones(24))
        beside = hn.jit(lambda x: np.tanh(x) + 1)  # whose arena the step has as well, which is not dropped
        beside(on_gpu(numpy.zeros((150, 150))))
        emulated_gpu.cuda.Stream.null.synchronize()

        def step(x: Any, w: Any = w) -> Any:
            y = w.astype("bfloat16") * x.astype("bfloat16")
            w[...] = w * 0.5 + y.astype("float32")
            return y.astype("float32")

        f = hn.jit(step)
        expected, weight = [], values.astype("float32")
        for _ in range(5):
            y = weight.astype(bfloat16).astype("float32")
            weight = weight * numpy.float32(0.5) + y
            expected.append(y)
        found = []
        for stream in (a, b, b, a, b):
            with stream:
                found.append(f(x))
        (program,) = [c.program for c in f.cache.values()]
        assert len(program.copies) == 1
        copies = list(map(weakref.ref, program.copies._kept))
        del f, program
        gc.collect()
        assert [c() for c in copies] == [None]
        go_on(emulated_gpu, a)
        b.synchronize()
        for y, z in zip(found, expected, strict=True):
            assert y.tolist() == z.tolist()


def test_a_trail_has_one_event_and_no_timing(emulated_gpu: Any) -> None:
    made = []
    event = emulated_gpu.cuda.Event
    with mock.patch.object(emulated_gpu.cuda, "Event", lambda **options: made.append(options) or event(**options)):
        trail, pair = Trail(hn.gpu()), [emulated_gpu.cuda.Stream() for _ in range(2)]
        for i in range(6):
            trail.follow(pair[i // 2 % 2])
    assert made == [{"disable_timing": True}]


def test_what_is_held_goes_back_in_a_forked_process_without_cuda(emulated_gpu: Any) -> None:
    """There nothing of CUDA may be called."""

    class Owner:
        pass

    trail, owner = Trail(hn.gpu()), Owner()
    trail.hold(owner, bytearray(8))
    trail.follow(emulated_gpu.cuda.Stream())
    with (
        mock.patch.object(cuda, "forked", lambda: True),
        mock.patch.object(emulated_gpu.cuda, "Event", side_effect=AssertionError("a call of CUDA")),
    ):
        del owner


def test_threads_with_streams_of_their_own() -> None:
    """They share a network, its parameters and its arenas."""
    with emulated_gpu() as cupy:
        net = nn.HybridSequential()
        net.add(nn.Dense(5, activation="relu"), nn.Dense(3))
        net.initialize(hn.init.Xavier(), ctx=hn.gpu())
        net.hybridize()
        inputs = [on_gpu(numpy.eye(4) * (i + 1)) for i in range(3)]
        expected = [net(x).tolist() for x in inputs]
        for seed in (0, 3):
            wrong: list[Any] = []

            def call(i: int, wrong: list[Any] = wrong) -> None:
                try:
                    with cupy.cuda.Stream(non_blocking=True):
                        wrong.extend(y for y in (net(inputs[i]).tolist() for _ in range(8)) if y != expected[i])
                except Exception as error:
                    wrong.append(error)

            with streams.asynchronous(seed):
                threads = [threading.Thread(target=call, args=(i,)) for i in range(3)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
            assert not wrong


def test_page_locked_memory_is_written_when_all_copies_have_read_it() -> None:
    """Those of several devices, and of streams that are gone, whose address another one has."""
    with emulated_gpu(devices=2) as cupy:
        for seed in SEEDS:
            with streams.asynchronous(seed):
                source = np.array(numpy.ones(8, "float32"), device=hn.cpu_pinned())
                copies = [source.to_device(hn.gpu(i)) for i in range(2)]
                cuda.make_current(0)
                for _ in range(2):
                    stream = cupy.cuda.Stream(non_blocking=True)
                    with stream:
                        copies.append(source.to_device(hn.gpu(0)))
                    del stream
                source[...] = 2
                cupy.cuda.Device().synchronize()
                assert [c.tolist() for c in copies] == [[1.0] * 8] * 4
