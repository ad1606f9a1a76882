"""Every operator imperatively on a GPU through CuPy, both emulated, against the CPU; arrays, copies, state and gradients there."""

import copy
import os
import pickle
import sys
import tempfile
import warnings
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy
import pytest
from emulator.device import emulated_gpu
from support.samples import as_array, cases, holds_floats, reached, wide

import hybridnet
from hybridnet import autograd, dtypes, gluon, nd, np
from hybridnet.core import Kind, NDArray, Op, Sample, apply
from hybridnet.device import array_module, cpu, cpu_pinned, gpu, gpu_memory_info, num_gpus, transfer
from hybridnet.errors import ArgumentError, DeviceError, DtypeError, OutOfMemoryError, ShapeError

GOOD = cases(lambda op, s: s.error is None and op.kind is not Kind.RANDOM)  # random numbers are drawn by kernels alone
TOLERANCE = {dtypes.float32: 2e-5, dtypes.float16: 4e-3, dtypes.bfloat16: 3e-2}


@pytest.fixture(scope="module", autouse=True)
def cupy() -> Iterator[Any]:
    """One emulated GPU for all tests of this file."""
    with emulated_gpu() as module:
        yield module


@pytest.fixture
def without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """What operators with kernels, or a library, are left with where those do not apply: CuPy."""
    monkeypatch.setattr(sys.modules["hybridnet.core.elsewhere"], "_accelerator", None)


def outputs(op: Op, arrays: list[Any], attrs: dict[str, Any], device: Any) -> tuple[Any, ...]:
    result = apply(op, arrays, attrs, device, NDArray)
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.usefixtures("without_kernels")
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(("op", "sample"), GOOD)
def test_operator(op: Op, sample: Sample, dtype: Any) -> None:
    on_cpu = [as_array(x, dtype) for x in sample.inputs]
    on_gpu = [x.to_device(gpu(0)) if isinstance(x, NDArray) else x for x in on_cpu]
    try:
        expected = outputs(op, on_cpu, sample.attrs, cpu())
    except DtypeError:  # has no 16-bit form
        with pytest.raises(DtypeError):
            outputs(op, on_gpu, sample.attrs, gpu(0))
        return
    found = outputs(op, on_gpu, sample.attrs, gpu(0))
    for y, e in zip(found, expected, strict=True):
        assert (y.shape, y.dtype, y.device) == (e.shape, e.dtype, gpu(0))
        numpy.testing.assert_allclose(wide(y.asnumpy()), wide(e), rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    for x, e in zip(on_gpu, on_cpu, strict=True):
        if isinstance(x, NDArray):
            numpy.testing.assert_array_equal(wide(x.asnumpy()), wide(e), "an input was modified")


SMOOTH = [c for c in GOOD if c.values[1].differentiable and c.values[0].grad is not None and any(map(holds_floats, c.values[1].inputs))]


@pytest.mark.usefixtures("without_kernels")
@pytest.mark.parametrize(("op", "sample"), SMOOTH)
def test_gradient(op: Op, sample: Sample) -> None:
    """The gradient of the sum of an operator's floating outputs with respect to each floating input."""

    def gradients(device: Any) -> list[Any]:
        arrays = [as_array(x, dtypes.float32) for x in sample.inputs]
        arrays = [x.to_device(device) if isinstance(x, NDArray) else x for x in arrays]
        variables = [x for x, given in zip(arrays, sample.inputs, strict=True) if holds_floats(given)]
        for x in variables:
            x.attach_grad()
        with autograd.record():
            ys = [y for y in outputs(op, arrays, sample.attrs, device) if y._tape is not None]
            heads = [np.ones_like(y.detach()) for y in ys]  # complex ones need them
            return reached(ys, variables, heads, create_graph=False) if ys else []

    for found, expected in zip(gradients(gpu(0)), gradients(cpu()), strict=True):
        assert (found is None) == (expected is None)
        if found is not None:
            assert found.device == gpu(0)
            numpy.testing.assert_allclose(wide(found.asnumpy()), wide(expected), rtol=1e-4, atol=1e-4)


# -- arrays and devices -------------------------------------------------------------------------------


def test_what_there_is(cupy: Any) -> None:
    assert num_gpus() == 1
    free, total = gpu_memory_info()
    x = np.zeros((1 << 20,), device=gpu(0), dtype="float32")
    assert gpu_memory_info() == (free - (4 << 20), total)
    assert (gpu(0).num_sms, array_module(x._data)) == (132, cupy)
    del x
    assert gpu_memory_info() == (free, total)


def test_creation_and_methods() -> None:
    with gpu(0):
        x = np.arange(6, dtype="float32").reshape(2, 3)
        made = [np.ones((2, 3)), np.full((2, 3), 2.5), np.eye(3), np.zeros_like(x), np.array([[1.0, 2.0]]), np.linspace(0, 1, 5)]
    assert all(y.device == gpu(0) for y in [x, *made])
    assert x.asnumpy().tolist() == x.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert (x.sum().item(), float(x[1, 2]), int(x.argmax()), len(x), 4 in x, 7 in x) == (15, 5, 5, 2, True, False)
    assert x.astype("bfloat16").dtype == dtypes.bfloat16
    assert [float(row.mean()) for row in x] == [1, 4]
    assert (x.T.shape, x.dot(x.T).tolist(), (x > 2).any().item()) == ((3, 2), [[5, 14], [14, 50]], True)
    assert repr(x[0]) == "array([0., 1., 2.], device=gpu(0))"
    assert bool(x[0, 1]) and f"{x[0, 1]:.1f}" == "1.0"
    assert (x + numpy.ones(3, "float32")).tolist() == [[1, 2, 3], [4, 5, 6]]
    x.wait_to_read()
    nd.waitall()
    with pytest.raises(ShapeError):
        x + np.ones((4,), device=gpu(0))
    with pytest.raises(DeviceError, match=r"gpu\(0\) and .*cpu\(0\)"):
        x + np.ones((3,), device=cpu())


@pytest.mark.usefixtures("without_kernels")
def test_indexing_and_writes() -> None:
    reference = numpy.arange(24.0).reshape(4, 6).astype("float32")
    x = np.array(reference, device=gpu(0))
    keys = [1, (slice(None), 2), (slice(1, None, 2), None), ([0, 2],), (numpy.array([[0, 1], [3, -1]]), slice(2)), (..., -1)]
    for key in keys:
        numpy.testing.assert_array_equal(x[key].asnumpy(), reference[key])
        x[key] = reference[key] * 2
        reference[key] = reference[key] * 2
    mask = reference > 9
    numpy.testing.assert_array_equal(x[np.array(mask, device=gpu(0))].asnumpy(), reference[mask])
    x[x > 9] = -1
    reference[mask] = -1
    x[:, 1] = np.array([1.0, 2, 3, 4], device=cpu())  # MXNet's programs fill arrays of a GPU from the host
    reference[:, 1] = [1, 2, 3, 4]
    x += 1
    x[2:] *= 3
    x[0] = 5
    reference += 1
    reference[2:] *= 3
    reference[0] = 5
    numpy.testing.assert_array_equal(x.asnumpy(), reference)
    with pytest.raises(ShapeError):
        x[:2] = np.ones((3, 3), device=gpu(0))


def test_a_view_in_which_elements_share_memory_is_not_written() -> None:
    x = np.broadcast_to(np.array([1.0, 2.0], device=gpu(0)), (3, 2))
    for write in (lambda: x.__setitem__(0, 5), lambda: x.__iadd__(1)):
        with pytest.raises(ArgumentError, match="copy"):
            write()
    assert x.tolist() == [[1, 2]] * 3


def test_a_view_is_known_to_be_one() -> None:
    """What the tape saves of an array is copied before a write to a view of it, as on the CPU."""
    x = np.array([1.0, 2.0, 3.0], device=gpu(0))
    x.attach_grad()
    y = x * 1
    with autograd.record():
        z = (y * x).sum()
    y[:2][...] = 7
    assert y.tolist() == [7, 7, 3]
    z.backward()
    assert x.grad.tolist() == [1, 2, 3]


def test_copies_between_devices() -> None:
    x = np.array([1.0, 2.0], device=cpu())
    y = x.to_device(gpu(0))
    y += 1
    z = y.as_in_context(cpu())
    z *= 2
    assert (x.tolist(), y.tolist(), z.tolist()) == ([1, 2], [2, 3], [4, 6])
    assert y.to_device(gpu(0)) is y and y.copyto(gpu(0)) is not y
    x.copyto(y)
    assert y.tolist() == [1, 2]
    duplicate = copy.deepcopy(y)
    assert (pickle.loads(pickle.dumps(y)).device, duplicate.device, duplicate.tolist()) == (gpu(0), gpu(0), [1, 2])


def test_gradients_flow_through_a_move() -> None:
    x = np.array([1.0, 2.0], device=cpu())
    x.attach_grad()
    with autograd.record():
        y = x.to_device(gpu(0)) ** 3
        (first,) = autograd.grad(y, [x], create_graph=True)
        z = (first.to_device(gpu(0)) * y).to_device(cpu()) * x
    z.backward()
    assert (first.device, first.tolist(), x.grad.device, x.grad.tolist()) == (cpu(), [3, 12], cpu(), [18, 576])


def test_page_locked_arrays(cupy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are in page-locked memory, however made; writes wait for the copies that still read them."""
    x = np.zeros((3,), device=cpu_pinned())
    made = [x, x + 1, x.reshape(3, 1), np.array([1.0], device=cpu_pinned()), np.ones((2,), device=gpu(0)).to_device(cpu_pinned())]
    assert all(y.device == cpu_pinned() and transfer._is_page_locked(y._data) for y in made)
    waited = []
    monkeypatch.setattr(cupy.cuda.Event, "synchronize", lambda event: waited.append(event))
    x[:] = 4
    assert not waited
    y = x.to_device(gpu(0))
    assert len(transfer._reading) == 1
    x += 1
    x[1] = 9
    assert (len(waited), y.tolist(), x.tolist()) == (1, [4, 4, 4], [5, 9, 5])
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:  # what is page-locked may be copied while a stream captures, other memory may not
        stream.begin_capture()
        cupy.cuda.runtime.memcpyAsync(y._data.data.ptr, x._data.ctypes.data, 12, cupy.cuda.runtime.memcpyHostToDevice, stream.ptr)
        with pytest.raises(RuntimeError, match="pageable"):
            y._data.set(numpy.zeros(3, "float32"))
        graph = stream.end_capture()
    graph.launch()
    assert y.tolist() == [5, 9, 5]


def test_files() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/arrays.params"
        x = {"w": nd.array([[1.0, 2.0]], ctx=gpu(0)), "b": nd.array([3], ctx=gpu(0), dtype="float16")}
        nd.save(path, x)
        loaded = nd.load(path)
        net = gluon.nn.Dense(2, in_units=3)
        net.initialize("ones", ctx=gpu(0))
        net.save_parameters(path)
        net.load_parameters(path, ctx=gpu(0))
    assert {k: (v.tolist(), v.dtype) for k, v in loaded.items()} == {k: (v.tolist(), v.dtype) for k, v in x.items()}
    assert net.weight.data().device == gpu(0)


def test_random_state() -> None:
    with gpu(0):
        hybridnet.random.seed(3)
        a, b = np.random.uniform(size=(4,)), np.random.uniform(size=(4,))
        hybridnet.random.seed(3)
        c = np.random.uniform(size=(4,))
    assert a.device == gpu(0) and a.tolist() == c.tolist() != b.tolist()


@pytest.mark.usefixtures("without_kernels")
def test_training_is_that_of_the_cpu() -> None:
    def losses(device: Any) -> list[float]:
        x = np.array(numpy.random.default_rng(0).normal(size=(8, 3)), dtype="float32", device=device)
        y = np.array(numpy.arange(8) % 4, device=device)
        net = gluon.nn.HybridSequential()
        net.add(gluon.nn.Dense(5, activation="relu", in_units=3), gluon.nn.BatchNorm(in_channels=5), gluon.nn.Dense(4, in_units=5))
        net.initialize("zeros", ctx=device)
        for i, p in enumerate(net.collect_params().values()):
            p.set_data(np.array(numpy.random.default_rng(i).normal(size=p.shape), dtype="float32"))
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
        loss_of, found = gluon.loss.SoftmaxCrossEntropyLoss(), []
        for _ in range(4):
            with autograd.record():
                loss = loss_of(net(x), y)
            loss.backward()
            trainer.step(8)
            found.append(float(loss.mean()))
        return found

    numpy.testing.assert_allclose(losses(gpu(0)), losses(cpu()), rtol=1e-4)


def test_several_gpus() -> None:
    """Operators, writes and copies run with the arrays' device as the current one (the emulator refuses anything else)."""
    with emulated_gpu(devices=2):
        assert num_gpus() == 2
        x, y = (np.array([1.0, 2.0], device=gpu(i)) for i in range(2))
        x += 1
        y[0] = 5
        z = y.to_device(gpu(0)) + x
        y.attach_grad()
        with autograd.record():
            loss = (y * y).sum()
        loss.backward()
        assert (z.tolist(), z.device, z._data.device.id, y.grad.tolist(), y.grad.device) == ([7, 5], gpu(0), 0, [10, 4], gpu(1))
        assert y.grad._data.device.id == 1


# -- what can be wrong ----------------------------------------------------------------------------


def test_no_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    with emulated_gpu():
        monkeypatch.setitem(sys.modules, "cupy", None)
        assert num_gpus() == 0
        with pytest.raises(DeviceError, match=r'expected CuPy.*pip install "hybridnet\[cuda13\]"'):
            np.ones((1,), device=gpu(0))


@pytest.mark.parametrize(
    ("machine", "number", "words"),
    [
        ({"driver": 0}, 0, "expected a driver for NVIDIA GPUs; got none"),
        ({"driver": 12040}, 0, r"CUDA 13.0.*got a driver for CUDA 12.4;.*updating the driver, pip install \"hybridnet\[cuda12\]\""),
        ({"driver": 11080}, 0, r"CUDA 13.0.*got a driver for CUDA 11.8;.*updating the driver, or cpu"),
        ({"devices": 0}, 0, "no CUDA-capable device.*CUDA_VISIBLE_DEVICES"),
        ({}, 1, r"a GPU number below 1; got gpu\(1\);.*num_gpus"),
        ({}, -1, r"a GPU number below 1; got gpu\(-1\)"),
    ],
)
def test_no_such_gpu(machine: dict[str, int], number: int, words: str) -> None:
    with emulated_gpu(**machine):
        with pytest.raises(DeviceError, match=words):
            np.ones((1,), device=gpu(number))
        with pytest.raises(DeviceError, match=words):
            gpu_memory_info(number)


def test_a_forked_process() -> None:
    """What was forked after a GPU had been used finds none, and is told why."""
    with emulated_gpu() as cupy:
        assert num_gpus() == 1
        runtime = cupy.cuda.runtime
        refusal = runtime.CUDARuntimeError(3, "cudaErrorInitializationError: initialization error")
        with mock.patch.object(runtime, "getDeviceCount", side_effect=refusal):
            assert num_gpus() == 1
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of forking where there are threads
                child = os.fork()
            if not child:
                try:
                    assert num_gpus() == 0
                    with pytest.raises(DeviceError, match=r'forked after a GPU had been used;.*"spawn"'):
                        np.ones((1,), device=gpu(0))
                    os._exit(0)
                finally:
                    os._exit(1)
            assert os.waitpid(child, 0)[1] == 0


def test_out_of_memory() -> None:
    with emulated_gpu(memory_bytes=1 << 20):
        x = np.zeros((1 << 16,), device=gpu(0), dtype="float32")
        with pytest.raises(
            OutOfMemoryError, match=r"\[concatenate\] expected 1,048,576 free bytes on gpu\(0\); got 786,432 free of 1,048,576;.*batch"
        ):
            np.concatenate([x] * 4)
        with pytest.raises(OutOfMemoryError, match="2,097,152 free bytes"):
            np.array(numpy.zeros(1 << 19, "float32"), device=gpu(0))
        assert issubclass(OutOfMemoryError, DeviceError) and issubclass(OutOfMemoryError, MemoryError)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0, 2)])
def test_what_has_no_elements_can_be_written(shape: tuple[int, ...]) -> None:
    """CuPy's strides are 0 there, as they are where elements share memory, which cannot be written."""
    x = np.zeros(shape, ctx=gpu(0))
    x[...] = 1
    x += np.ones(shape, ctx=gpu(0))
    x.T[:] = 2
    assert x.shape == shape and x.asnumpy().size == 0
    with pytest.raises(ArgumentError, match="read-only view"):
        np.broadcast_to(np.zeros((1, 3), ctx=gpu(0)), (2, 3))[...] = 1
