"""CUDA programs on several streams, threads and GPUs, and what is left behind when one of them fails: on the emulated device."""

import gc
import threading
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy
import pytest
from emulator.device import emulated_gpu
from emulator.emulator import COMPILER

import hybridnet as hn
from hybridnet import autograd, dtypes, gluon, np
from hybridnet.device import Capture, blas, cuda
from hybridnet.errors import DeviceError, OutOfMemoryError
from hybridnet.gluon import nn
from hybridnet.runtime import cuda_program

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


def test_an_arena_is_free_again_when_a_program_could_not_be_bound(emulated_gpu: Any) -> None:
    net, x = network(hn.gpu()), on(hn.gpu(), numpy.eye(4))
    net(x)
    ((_, compiled),) = net._compiled.cache.values()
    (arena,) = compiled.program.bound
    net[0].weight.set_data(net[0].weight.data() * 2)
    net[0].weight.data()._assign(on(hn.gpu(), numpy.ones((5, 4))))
    with mock.patch.object(cuda_program, "Instance", side_effect=MemoryError), pytest.raises(MemoryError):
        compiled.program._last = None
        compiled.program.bound.clear()
        net(x)
    assert not arena.taken.locked()


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
    """One stream captures again and again; nothing is collected meanwhile; a capture that fails leaves all as it was."""
    assert gc.isenabled()
    with Capture(hn.gpu()) as first:
        assert not gc.isenabled() and emulated_gpu.cuda.get_current_stream() is first.stream
    with pytest.raises(KeyError), Capture(hn.gpu()) as second:
        raise KeyError
    assert second.stream is first.stream
    with mock.patch.object(type(first.stream), "begin_capture", side_effect=RuntimeError), pytest.raises(RuntimeError), Capture(hn.gpu()):
        pass
    assert gc.isenabled() and not emulated_gpu.cuda.get_current_stream().ptr and cuda.quiet.acquire(blocking=False)
    cuda.quiet.release()


def test_one_workspace_for_operands_of_any_alignment(emulated_gpu: Any) -> None:
    """A product whose first algorithm asks for no workspace has none for another alignment either."""
    asked = []

    def heuristic(self: Any, alignment: int, workspace: int) -> blas.Heuristic:
        asked.append(workspace)
        return blas.Heuristic(workspace=0 if alignment == blas.ALIGNED else min(workspace, 512))

    with mock.patch.object(blas.Matmul, "_heuristic", heuristic):
        product = blas.Matmul(blas.Product(4, 4, 4, dtypes.float32, "float32", False, False, 4, 4, 4), None)
        product.found(blas.ALIGNED)
        product.found(4)
    assert asked == [blas.WORKSPACE, 0] and product.workspace == 0


@pytest.mark.parametrize("compiled", [False, True], ids=["imperative", "jit"])
def test_products_are_planned_for_the_gpu_of_their_operands(compiled: bool) -> None:
    with emulated_gpu(devices=2):
        a = on(hn.gpu(1), numpy.eye(4))
        product = hn.jit(np.matmul) if compiled else np.matmul
        for _ in range(3):
            cuda.make_current(0)
            assert product(a, a).tolist() == a.tolist()
