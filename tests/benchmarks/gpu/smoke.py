"""What only a GPU can settle, asked first: each question by itself, in a process of its own.

    python -m gpu.smoke FOLDER

Whether what hybridnet relies on holds there (capture, libraries with raw addresses inside a capture, random numbers from replay to
replay), what launches cost, and how fast memory is copied. FOLDER/smoke.json holds the answers, written as they come;
FOLDER/cudnn_device.json the properties from which cuDNN plans can be built where there is no GPU.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import hybridnet as hn
from gpu.sizes import normal
from hybridnet import autograd, dtypes, npx
from hybridnet.device import blas, cuda, dnn
from hybridnet.device.compiler import Module
from hybridnet.device.stream import Capture, copy_bytes, current_stream

SECONDS = 40  # the time limit of a question
CHECKS: dict[str, Callable[[Path], Any]] = {}
PACKAGES = ("cupy-cuda13x", "cupy-cuda12x", "numpy", "ml_dtypes", "torch", "jax", "nvidia-cudnn-frontend", "nvidia-cudnn-cu13", "triton")
KERNELS = r"""
extern "C" __global__ void add(float* x, int n, float a) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) x[i] += a;
}
"""


def check(function: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """Enter a question under its name."""
    CHECKS[function.__name__.replace("_", " ")] = function
    return function


def cupy() -> Any:
    import cupy as found

    return found


def kernel() -> Any:
    return Module(KERNELS, 0).function("add")


def per_call(call: Callable[[], Any], n: int) -> dict[str, float]:
    """Microseconds a call: by the device's events, and on the host until all calls have been made."""
    cuda = cupy().cuda
    for _ in range(10):
        call()
    begin, end = cuda.Event(), cuda.Event()
    cuda.get_current_stream().synchronize()
    start = time.perf_counter()
    begin.record()
    for _ in range(n):
        call()
    host = time.perf_counter() - start
    end.record()
    end.synchronize()
    return {"device": cuda.get_elapsed_time(begin, end) / n * 1e3, "host": host / n * 1e6}


def replayed(call: Any, operands: list[Any], result: Any) -> Any:
    """A planned call of a library: once as it is, then captured and replayed into a cleared result, which is returned."""
    cp = cupy()
    scratch = cp.empty(max(call.workspace, 1), np.uint8)
    pointers = [int(a.data.ptr) for a in (*operands, result)]
    call.enqueue(pointers, int(scratch.data.ptr), cp.cuda.get_current_stream().ptr)
    cp.cuda.get_current_stream().synchronize()
    with Capture(hn.gpu(0)) as capture:
        call.enqueue(pointers, int(scratch.data.ptr), capture.stream.ptr)
    result.fill(0)
    capture.graph.launch(cp.cuda.get_current_stream())
    cp.cuda.get_current_stream().synchronize()
    return result


def off(found: Any, expected: Any) -> float:
    """The relative error of an array as a whole."""
    found = np.asarray(found.get(), "float64")
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def drawn(*shape: int, seed: int = 0, dtype: Any = "float32") -> tuple[Any, Any]:
    """An array on the device, and the same numbers as float64."""
    data = np.random.default_rng(seed).standard_normal(shape).astype(dtype)
    return cupy().asarray(data), data.astype("float64")


# -- the questions --------------------------------------------------------------------------------


@check
def device(folder: Path) -> Any:
    """What the device is, and the versions of everything."""
    runtime = cupy().cuda.runtime
    properties = {k: v.decode() if isinstance(v, bytes) else v for k, v in runtime.getDeviceProperties(0).items()}
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "absent"
    found = {"driver": runtime.driverGetVersion(), "runtime": runtime.runtimeGetVersion(), "packages": versions}
    found["nvrtc"] = list(cuda.nvrtc().getVersion())
    found["cuBLASLt"] = int(blas.library().cublasLtGetVersion()) if blas.available() else "absent"
    found["cuDNN"] = dnn.library().backend_version() if dnn.available() else "absent"
    plain = {k: v for k, v in properties.items() if isinstance(v, (str, int, float))}
    (folder / "device.json").write_text(json.dumps({**found, "properties": plain}, indent=1) + "\n")
    return {**found, "name": properties["name"], "multiprocessors": properties["multiProcessorCount"]}


@check
def properties_for_cudnn(folder: Path) -> Any:
    """The device's properties as cuDNN wants them where there is none."""
    text = dnn.library().create_device_properties(0).serialize()
    text = bytes(text).decode() if not isinstance(text, str) else text
    (folder / "cudnn_device.json").write_text(json.dumps(json.loads(text), indent=1) + "\n")
    return len(text)


@check
def capture_of_kernels(folder: Path) -> Any:
    """A hundred launches, captured once, replayed twice."""
    cp, run = cupy(), kernel()
    x = cp.zeros(1 << 16, "float32")
    launch = lambda: run((256,), (256,), (x, np.int32(x.size), np.float32(1)))
    launch()
    with Capture(hn.gpu(0)) as capture:
        for _ in range(100):
            launch()
    x.fill(0)
    for _ in range(2):
        capture.graph.launch(cp.cuda.get_current_stream())
    cp.cuda.get_current_stream().synchronize()
    assert float(x.min()) == float(x.max()) == 200
    return "200 of 200 launches"


@check
def launch_costs(folder: Path) -> Any:
    """A small kernel on a stream, in a graph; a graph of one; a small copy; what else a compiled call asks of CuPy. Microseconds."""
    cp, run = cupy(), kernel()
    x, y = cp.zeros(32, "float32"), cp.zeros(32, "float32")
    launch = lambda: run((1,), (32,), (x, np.int32(32), np.float32(1)))
    graphs = {}
    for count in (1, 1000):
        with Capture(hn.gpu(0)) as capture:
            for _ in range(count):
                launch()
        graphs[count] = capture.graph
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


@check
def products_by_cublaslt(folder: Path) -> Any:
    """Planned before the capture, captured with raw addresses, replayed: the relative error, and microseconds."""
    found = {}
    m, n, k = 512, 1024, 256
    for dtype, compute in (
        (dtypes.float32, "float32"),
        (dtypes.float32, "tf32"),
        (dtypes.float16, "float32"),
        (dtypes.bfloat16, "float32"),
    ):
        a, wide_a = drawn(k, m, seed=1, dtype=dtype)  # a column-major m by k matrix lies as k by m
        b, wide_b = drawn(n, k, seed=2, dtype=dtype)
        bias, wide_bias = drawn(m, seed=3, dtype=dtype)
        for epilogue in blas.EPILOGUES:
            sums = {"sums_a": wide_a.sum(0), "sums_b": wide_b.sum(1)}.get(epilogue)
            if sums is not None and dtype == dtypes.float32:
                continue  # asked for with 16-bit gradients alone
            call = blas.plan(blas.Product(m, n, k, dtype, compute, False, False, m, k, m, epilogue=epilogue))
            assert call is not None, "no algorithm"
            biased = epilogue.startswith("bias")
            beside = [bias] if biased else [] if sums is None else [cupy().empty(sums.shape, dtype)]
            expected = wide_b @ wide_a + (wide_bias if biased else 0)
            expected = np.maximum(expected, 0) if epilogue.endswith("relu") else expected
            result = cupy().empty((n, m), dtype)
            error = off(replayed(call, [a, b, *beside], result), expected)
            if sums is not None:
                error = max(error, off(beside[0], sums))
            assert error < (1e-5 if compute == "float32" and dtype == dtypes.float32 else 2e-2), error
            found[f"{dtype} {compute} {epilogue or 'alone'}"] = error
    return found


@check
def convolutions_by_cudnn(folder: Path) -> Any:
    """All three products of a convolution, channels last, captured with raw addresses: the relative error."""
    n, c, size, filters = 4, 64, 14, 96
    x, wide_x = drawn(n, size, size, c, seed=1, dtype=dtypes.bfloat16)
    w, wide_w = drawn(filters, 3, 3, c, seed=2, dtype=dtypes.bfloat16)
    dy, wide_dy = drawn(n, size, size, filters, seed=3, dtype=dtypes.bfloat16)
    last = lambda shape: dnn.Tensor(
        (shape[0], shape[3], shape[1], shape[2]), tuple(np.cumprod([1, shape[3], shape[2], shape[1]])[[3, 0, 2, 1]].tolist())
    )
    places = {"data": last(x.shape), "weight": last(w.shape), "result": last(dy.shape)}
    padded = np.pad(wide_x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    grad_padded = np.pad(wide_dy, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = [(i, j) for i in range(3) for j in range(3)]
    result = sum(padded[:, i : i + size, j : j + size] @ wide_w[:, i, j].T for i, j in windows)
    data = sum(grad_padded[:, i : i + size, j : j + size] @ wide_w[:, 2 - i, 2 - j] for i, j in windows)
    weight = np.stack([np.einsum("nhwk,nhwc->kc", wide_dy, padded[:, i : i + size, j : j + size]) for i, j in windows], 1)
    cases = {"result": ([x, w], result), "data": ([dy, w], data), "weight": ([x, dy], weight.reshape(filters, 3, 3, c))}
    found = {}
    for kind, (operands, expected) in cases.items():
        call = dnn.plan(dnn.Convolution(kind, dtypes.bfloat16, *places.values(), (1, 1), (1, 1), (1, 1)))
        assert call is not None, f"no algorithm for {kind}"
        error = off(replayed(call, operands, cupy().empty(expected.shape, dtypes.bfloat16)), expected)
        assert error < 2e-2, error
        found[kind] = {"error": error, "algorithm": call.name, "workspace": call.workspace}
    return found


@check
def attention_by_cudnn(folder: Path) -> Any:
    """Causal attention and its gradients in a compiled step on the GPU against the CPU in float32: the largest relative error."""
    shape = (2, 4, 128, 64)
    found = {}
    for context in (hn.gpu(0), hn.cpu()):
        q, k, v = (hn.np.array(np.random.default_rng(i).standard_normal(shape).astype("float32"), ctx=context) for i in range(3))
        if context.is_gpu:
            q, k, v = (x.astype("bfloat16") for x in (q, k, v))
        for x in (q, k, v):
            x.attach_grad()

        @hn.jit
        def step(q: Any = q, k: Any = k, v: Any = v) -> Any:
            with autograd.record():
                y = npx.scaled_dot_product_attention(q, k, v, causal=True)
            y.backward()
            return y

        for _ in range(3):
            y = step()
        found[context] = [a.astype("float32").asnumpy().astype("float64") for a in (y, q.grad, k.grad, v.grad)]
    errors = [float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in zip(*found.values(), strict=True)]
    assert max(errors) < 2e-2, errors
    return dict(zip(("result", "query", "key", "value"), errors, strict=True))


@check
def random_numbers_from_replay_to_replay(folder: Path) -> Any:
    """A captured step draws other numbers at each replay: those that are drawn without compiling."""
    with hn.gpu(0):
        hn.random.seed(7)
        one_by_one = [hn.np.random.uniform(size=(1000,)).asnumpy() for _ in range(5)]
        hn.random.seed(7)
        step = hn.jit(lambda: hn.np.random.uniform(size=(1000,)))
        replays = [step().asnumpy() for _ in range(5)]
    assert all((a != b).any() for i, a in enumerate(replays) for b in replays[:i]), "a replay repeats numbers"
    assert all((a == b).all() for a, b in zip(replays, one_by_one, strict=True)), "not the numbers drawn one by one"
    return "5 of 5 differ, and are those drawn one by one"


@check
def a_training_step(folder: Path) -> Any:
    """A perceptron's step: in how many CUDA graphs it runs, and whether its losses are the CPU's."""
    losses = {}
    for context in (hn.gpu(0), hn.cpu()):
        with context:
            net = hn.gluon.nn.HybridSequential()
            for i, (inputs, outputs) in enumerate(((32, 64), (64, 10))):
                first = hn.init.Constant(normal(f"layer{i}", outputs, inputs, scale=inputs**-0.5))
                net.add(hn.gluon.nn.Dense(outputs, activation=None if i else "relu", in_units=inputs, weight_initializer=first))
            net.initialize()
            x = hn.np.array(normal("x", 16, 32))
            y = hn.np.array(np.arange(16) % 10, dtype="int32")
        loss_of = hn.gluon.loss.SoftmaxCrossEntropyLoss()
        trainer = hn.gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 1e-2})

        @hn.jit
        def step(x: Any, y: Any, net: Any = net, loss_of: Any = loss_of, trainer: Any = trainer) -> Any:
            with autograd.record():
                loss = loss_of(net(x), y)
            loss.backward()
            trainer.step(16)
            return loss

        losses[context] = [float(step(x, y).mean().asnumpy()) for _ in range(6)]
        if context.is_gpu:
            explained = step.explain(x, y)
            (folder / "step.txt").write_text(explained + "\n\n" + step.program(x, y))
    here, there = losses.values()
    assert np.allclose(here, there, rtol=1e-4), losses
    return {"explain": explained.splitlines()[0], "losses": here}


@check
def threads_and_streams(folder: Path) -> Any:
    """One network called by two threads at once, each on a stream of its own, from the first call on: whether all results are right."""
    cp = cupy()
    net = hn.gluon.nn.HybridSequential()
    for i in range(4):
        first = hn.init.Constant(normal(f"layer{i}", 256, 256, scale=256**-0.5))
        net.add(hn.gluon.nn.Dense(256, activation="relu", in_units=256, weight_initializer=first))
    net.initialize(ctx=hn.gpu(0))
    inputs = [hn.np.array(normal(f"x{i}", 64, 256), ctx=hn.gpu(0)) for i in range(2)]
    expected = [net(x).asnumpy() for x in inputs]
    net.hybridize()
    cp.cuda.Device().synchronize()
    wrong: list[float] = []

    def call(i: int) -> None:
        with cp.cuda.Stream(non_blocking=True):
            results = [net(inputs[i]) for _ in range(100)]
            wrong.extend(float(np.linalg.norm(y.asnumpy() - expected[i]) / np.linalg.norm(expected[i])) for y in results)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(call, range(2)))
    assert max(wrong) < 1e-5, max(wrong)
    return max(wrong)


@check
def copy_bandwidth(folder: Path) -> Any:
    """Of 1 GiB, read and written, in TB/s: by the library, and by a kernel with so many blocks a multiprocessor."""
    from gpu.peer_copy import KERNEL

    cp = cupy()
    x, y = cp.ones(1 << 28, "float32"), cp.empty(1 << 28, "float32")
    stream, run = cp.cuda.get_current_stream(), cp.RawKernel(KERNEL, "copy")
    multiprocessors = cp.cuda.runtime.getDeviceProperties(0)["multiProcessorCount"]
    rate = lambda call: 2 * x.nbytes / per_call(call, 20)["device"] / 1e6
    found = {"library": rate(lambda: y.data.copy_from_device_async(x.data, x.nbytes, stream))}
    for blocks in (2, 4, 8, 16):
        found[f"kernel, {blocks}"] = rate(lambda blocks=blocks: run((blocks * multiprocessors,), (512,), (x, y, np.int64(x.size // 4))))
    return found


@check
def products_by_cupy_in_a_capture(folder: Path) -> Any:
    """Expected to be refused: why products go through cuBLASLt."""
    cp = cupy()
    a = cp.ones((64, 64), "float32")
    a @ a
    try:
        with Capture(hn.gpu(0)):
            a @ a
    except Exception as error:
        return f"refused, as expected: {type(error).__name__}: {error}"
    return "captured"


@check
def a_communicator_of_one_in_a_capture(folder: Path) -> Any:
    """NCCL's sum over one process, captured and replayed."""
    from cupy.cuda import nccl

    cp = cupy()
    communicator = nccl.NcclCommunicator(1, nccl.get_unique_id(), 0)
    x = cp.ones(1024, "float32")
    add = lambda stream: communicator.allReduce(x.data.ptr, x.data.ptr, x.size, nccl.NCCL_FLOAT32, nccl.NCCL_SUM, stream)
    add(cp.cuda.get_current_stream().ptr)
    cp.cuda.get_current_stream().synchronize()
    with Capture(hn.gpu(0)) as capture:
        add(capture.stream.ptr)
    capture.graph.launch(cp.cuda.get_current_stream())
    cp.cuda.get_current_stream().synchronize()
    assert float(x.sum()) == 1024
    return "replayed"


# -- asking ---------------------------------------------------------------------------------------


def asked(name: str, folder: Path) -> Any:
    """The answer to one question, from a process of its own."""
    command = [sys.executable, "-m", "gpu.smoke", str(folder), "--check", name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return f"FAILED: no answer in {SECONDS} s"
    if done.returncode:
        return "FAILED: " + (done.stderr.strip()[-1500:] or f"status {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description="What only a GPU can settle")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--check", choices=list(CHECKS), help="ask one question, in this process")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if arguments.check:
        print(json.dumps(CHECKS[arguments.check](arguments.folder)))
        return
    answers: dict[str, Any] = {}
    for name in CHECKS:
        answers[name] = asked(name, arguments.folder)
        text = answers[name] if isinstance(answers[name], str) else json.dumps(answers[name])
        print(f"{name}: {text.splitlines()[-1][:200]}", flush=True)
        (arguments.folder / "smoke.json").write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    main()
