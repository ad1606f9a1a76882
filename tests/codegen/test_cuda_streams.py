"""CUDA programs on several streams, threads and GPUs, and what is left behind when one of them fails: on the emulated device."""

import gc
import threading
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy
import pytest
from emulator import streams
from emulator.device import emulated_gpu
from emulator.emulator import COMPILER

import hybridnet as hn
from hybridnet import autograd, dtypes, gluon, np
from hybridnet.codegen import cuda_program as codegen
from hybridnet.device import Capture, blas, cuda
from hybridnet.device.autotune import WORKSPACE
from hybridnet.errors import DeviceError, OutOfMemoryError
from hybridnet.gluon import nn
from hybridnet.runtime import cuda_program, numpy_program

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")


def on(device: hn.Device, values: Any) -> Any:
    return np.array(numpy.asarray(values, "float32"), device=device)


def network(device: hn.Device) -> Any:
    net = nn.HybridSequential()
    net.add(nn.Dense(5, activation="relu"), nn.Dense(3))
    net.initialize(hn.init.Xavier(), ctx=device)
    net.hybridize()
    return net


@pytest.mark.parametrize("whole", [False, True], ids=["hybridize", "jit"])
def test_programs_run_on_their_gpu_whichever_is_current(whole: bool) -> None:
    """Plans, launches, graphs, copies and random numbers of gpu(1), though each call finds gpu(0) as the current one."""

    def losses(device: hn.Device, turn: Callable[[], None]) -> list[float]:
        hn.random.seed(3)
        net = nn.HybridSequential()
        net.add(nn.Dense(5, activation="relu"), nn.Dropout(0.3), nn.Dense(3))
        net.initialize(hn.init.Constant(0.1), ctx=device)
        trainer = gluon.Trainer(net.collect_params(), "adam")
        if not whole:
            net.hybridize()

        def step(x: Any) -> Any:
            with autograd.record():
                loss = ((net(x) - 1) ** 2).mean()
            turn()
            loss.backward()
            turn()
            trainer.step(1)
            return loss

        run, found = hn.jit(step) if whole else step, []
        for i in range(4):
            x = on(device, numpy.eye(4) * i)
            turn()
            found.append(float(run(x)))
            turn()
        return found

    with emulated_gpu(devices=2):
        assert losses(hn.gpu(1), lambda: cuda.make_current(0)) == losses(hn.gpu(0), lambda: None)


def test_work_in_an_arena_follows_that_of_another_stream(emulated_gpu: Any) -> None:
    stream, waits = emulated_gpu.cuda.Stream(non_blocking=True), []
    net, x = network(hn.gpu()), on(hn.gpu(), numpy.eye(4))
    with mock.patch.object(type(stream), "wait_event", lambda self, event: waits.append(self.ptr)):
        for _ in range(3):
            net(x)
        assert not waits
        with stream:
            net(x)
            net(x)
        assert waits == [stream.ptr]
        net(x)
    assert waits == [stream.ptr, 0]


def test_threads_share_a_network(emulated_gpu: Any) -> None:
    net = network(hn.gpu())
    inputs = [on(hn.gpu(), numpy.eye(4) * (i + 1)) for i in range(4)]
    expected = [net(x).tolist() for x in inputs]
    wrong: list[Any] = []

    def call(i: int) -> None:
        try:
            wrong.extend(y for y in (net(inputs[i]).tolist() for _ in range(20)) if y != expected[i])
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=call, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_capture_that_cuda_refuses(emulated_gpu: Any) -> None:
    net, x = network(hn.gpu()), on(hn.gpu(), numpy.eye(4))
    y = net(x)
    refusal = RuntimeError("cudaErrorStreamCaptureInvalidated")
    with (
        mock.patch.object(emulated_gpu.cuda.Stream, "end_capture", side_effect=refusal),
        pytest.raises(DeviceError, match=r"\[capture\].*Invali"),
    ):
        net(x)
    assert [net(x).tolist() for _ in range(3)] == [y.tolist()] * 3


def test_no_memory_for_the_results(emulated_gpu: Any) -> None:
    net, x = network(hn.gpu()), on(hn.gpu(), numpy.eye(4))
    y = net(x)
    pool = emulated_gpu.get_default_memory_pool()
    pool.set_limit(pool.used_bytes())
    try:
        with pytest.raises(OutOfMemoryError, match=r"free bytes on gpu\(0\)"):
            net(x)
    finally:
        pool.set_limit(0)
    assert net(x).tolist() == y.tolist()


def test_captures(emulated_gpu: Any) -> None:
    """One stream captures again and again; nothing is collected meanwhile; a body that fails leaves all as it was."""
    assert gc.isenabled()
    with Capture(hn.gpu()) as first:
        assert not gc.isenabled() and emulated_gpu.cuda.get_current_stream() is first.stream
    with pytest.raises(KeyError), Capture(hn.gpu()) as second:
        raise KeyError
    assert second.stream is first.stream
    gc.disable()
    try:
        with Capture(hn.gpu()):
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize("call", ["begin_capture", "__enter__", "end_capture", "__exit__"])
def test_a_capture_that_fails_leaves_nothing_held(emulated_gpu: Any, call: str) -> None:
    """Neither the lock, nor the collector, nor a stream that captures; and no new stream gets the address of the one that failed."""
    with Capture(hn.gpu()) as before:
        pass
    address, kind = before.stream.ptr, type(before.stream)
    real = getattr(kind, call)
    capture = Capture(hn.gpu())

    def fail(self: Any, *error: Any) -> Any:
        if call in ("end_capture", "__exit__"):
            real(self, *error)
        raise RuntimeError(call)

    with mock.patch.object(kind, call, fail), pytest.raises(RuntimeError, match=call), capture:
        pass
    del before, capture
    gc.collect()
    assert gc.isenabled() and not emulated_gpu.cuda.get_current_stream().ptr and not streams.capturing()
    made = []
    thread = threading.Thread(target=lambda: made.append(cuda.quiet.acquire(blocking=False) and cuda.quiet.release() is None))
    thread.start()
    thread.join()
    assert made == [True]
    assert emulated_gpu.cuda.Stream().ptr != address
    with Capture(hn.gpu()) as after:
        pass
    assert (after.stream.ptr == address) == (call in ("__enter__", "__exit__"))  # which left a stream that captures as before


def programs(fn: Any) -> list[Any]:
    return [compiled.program for compiled in fn.cache.values()]


def test_a_program_that_did_not_run_through_is_not_captured(emulated_gpu: Any) -> None:
    """The run that captures finds every kernel loaded and every library warm."""
    f = hn.jit(lambda x: np.exp(np.sort(np.tanh(x))) + 1)
    x, captured = on(hn.gpu(), [3, 1, 2]), []
    begin = emulated_gpu.cuda.Stream.begin_capture
    with mock.patch.object(emulated_gpu.cuda.Stream, "begin_capture", lambda self: (captured.append(1), begin(self))):
        refusal = mock.patch.object(cuda_program, "_compute", side_effect=MemoryError)  # the sort, between two graphs
        for _ in range(2):
            with refusal, pytest.raises(DeviceError, match="sort"):
                f(x)
        expected = f(x).tolist()
        assert not captured
        with refusal, pytest.raises(DeviceError, match="sort"):
            f(x)
        assert len(captured) == 2
        assert [f(x).tolist() for _ in range(3)] == [expected] * 3 and len(captured) == 2


def test_no_memory_for_results_leaves_states_as_they_were(emulated_gpu: Any) -> None:
    state, x = on(hn.gpu(), [1, 2, 3]), on(hn.gpu(), [1, 1, 1])
    f = hn.jit(lambda x: state.__iadd__(x) * 2)
    assert f(x).tolist() == [4, 6, 8]
    pool = emulated_gpu.get_default_memory_pool()
    for _ in range(2):
        pool.set_limit(pool.used_bytes())
        try:
            with pytest.raises(OutOfMemoryError):
                f(x)
        finally:
            pool.set_limit(0)
    assert state.tolist() == [2, 3, 4]
    assert f(x).tolist() == [6, 8, 10]


def test_a_direct_program_keeps_no_argument_of_a_run_that_failed(emulated_gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codegen, "HOST_LAUNCH_BYTES", 0)
    f, pool = hn.jit(lambda x: np.tanh(x) + 1), emulated_gpu.get_default_memory_pool()
    x, y = on(hn.gpu(), [1, 2, 3]), on(hn.gpu(), [4, 5, 6])
    f(x)
    (program,) = programs(f)
    (instance,) = program.bound.values()
    held = set(instance.owners)
    pool.set_limit(pool.used_bytes())
    try:
        with pytest.raises(OutOfMemoryError):
            f(x)
    finally:
        pool.set_limit(0)
    assert set(instance.owners) == held
    numpy.testing.assert_allclose(f(y).asnumpy(), numpy.tanh([4, 5, 6]) + 1, rtol=1e-5)


@pytest.mark.parametrize("device", [hn.cpu(), hn.gpu()], ids=str)
def test_an_arena_is_free_when_a_forward_has_failed(emulated_gpu: Any, device: hn.Device) -> None:
    """Though the error is kept, and with it what was running."""
    f, x = hn.jit(lambda x: np.tanh(x).sum()), on(device, [1, 2, 3])
    x.attach_grad()

    def forward() -> Any:
        with autograd.record():
            return f(x)

    forward().backward()
    (program,) = programs(f)
    (arena,) = program.bound
    assert not arena.taken.locked()
    kind = type(next(iter(program.bound.values())))
    with mock.patch.object(kind, "run", side_effect=KeyError), pytest.raises(KeyError) as kept:
        forward()
    assert not arena.taken.locked()
    forward().backward()
    assert list(program.bound) == [arena] and kept.value is not None


@pytest.mark.parametrize("device", [hn.cpu(), hn.gpu()], ids=str)
def test_an_arena_is_free_when_a_program_could_not_be_bound(emulated_gpu: Any, device: hn.Device) -> None:
    f, x = hn.jit(lambda x: np.tanh(x).sum()), on(device, [1, 2, 3])
    f(x)
    (program,) = programs(f)
    (arena,) = program.bound
    program._last = None
    program.bound.clear()
    module = cuda_program if device.is_gpu else numpy_program
    with mock.patch.object(module, "Instance", side_effect=MemoryError), pytest.raises(MemoryError):
        f(x)
    assert not arena.taken.locked()


def test_one_workspace_for_operands_of_any_alignment(emulated_gpu: Any) -> None:
    """A product whose first algorithm asks for no workspace has none for another alignment either."""
    asked = []

    def heuristics(self: Any, alignment: int, workspace: int, number: int) -> list[blas.Heuristic]:
        asked.append(workspace)
        return [blas.Heuristic(workspace=0 if alignment == blas.ALIGNED else min(workspace, 512))]

    with mock.patch.object(blas.Matmul, "heuristics", heuristics):
        product = blas.Matmul(blas.Product(4, 4, 4, dtypes.float32, "float32", False, False, 4, 4, 4), None)
        product.tuned(blas.ALIGNED)
        product.tuned(4)
    assert asked == [WORKSPACE, 0] and product.workspace == 0


@pytest.mark.parametrize("compiled", [False, True], ids=["imperative", "jit"])
def test_products_are_planned_for_the_gpu_of_their_operands(compiled: bool) -> None:
    with emulated_gpu(devices=2):
        a = on(hn.gpu(1), numpy.eye(4))
        product = hn.jit(np.matmul) if compiled else np.matmul
        for _ in range(3):
            cuda.make_current(0)
            assert product(a, a).tolist() == a.tolist()
