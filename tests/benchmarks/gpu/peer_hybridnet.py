"""hybridnet: a training step is one compiled function; so is each operator's forward with its backward.

What a step reads and writes from one call to the next lies in arrays that the function has not been given, as
parameters do: those it uses where they lie.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from workloads import CHECKED_RATE, perceptron_batch

import hybridnet as hn
from gpu import describe, models
from gpu.sizes import PERCEPTRON_STEPS, Pointwise, Sizes, gpt2_batch, integers, lstm_batch, normal, resnet_batch, tile
from gpu.worker import Clock, HostClock, LaunchClock, Peer, Point, losses_of, main, numbers
from hybridnet import amp, autograd, gluon, npx
from hybridnet.codegen.cuda_steps import LibraryStep
from hybridnet.gluon.model_zoo.transformers import Llama
from hybridnet.runtime.cuda_program import CudaProgram

Points = dict[str, Callable[[], Point]]


def context(device: str) -> Any:
    return hn.gpu(0) if device == "gpu" else hn.cpu()


def array(data: np.ndarray, device: str) -> Any:
    return hn.np.array(data, dtype=data.dtype, ctx=context(device))


class DeviceClock:
    """Events on the stream that hybridnet puts its work on."""

    def __init__(self) -> None:
        import cupy

        self.cuda = cupy.cuda

    def sample(self, call: Callable[[], Any], n: int) -> float:
        begin, end = self.cuda.Event(), self.cuda.Event()
        begin.record()
        for _ in range(n):
            call()
        end.record()
        end.synchronize()
        return float(self.cuda.get_elapsed_time(begin, end)) / 1e3 / n

    def wait(self) -> None:
        self.cuda.get_current_stream().synchronize()


def clock(device: str) -> Clock:
    return DeviceClock() if device == "gpu" else HostClock()


def memory(device: str) -> int:
    """What CuPy's pool has taken from the device: arrays, arenas, workspaces and what lies idle between them."""
    if device == "cpu":
        return 0
    import cupy

    return int(cupy.get_default_memory_pool().total_bytes())


def release(device: str) -> None:
    """Give back what setting up and compiling took and no longer needs."""
    if device == "gpu":
        import cupy

        cupy.get_default_memory_pool().free_all_blocks()


def values(array: Any) -> list[float]:
    """The numbers to compare of an array, of which the first million is fetched."""
    return numbers(array.reshape(-1)[: 1 << 20].astype("float32").asnumpy())


# -- training steps -------------------------------------------------------------------------------


def programs(function: Any, *arguments: Any) -> Sequence[Any]:
    """The programs of a compiled function for these arguments; nothing is computed."""
    found: Sequence[Any] = function._inspect(arguments, {}).programs
    return found


def told(function: Any, *arguments: Any) -> dict[str, Any]:
    """Of a compiled function for these arguments: its graphs and what is not in them, the libraries' algorithms and refusals, a profile."""
    compiled = function._inspect(arguments, {})
    programs = compiled.programs
    calls = [s.call.name for p in programs if isinstance(p, CudaProgram) for s in p.source.steps if isinstance(s, LibraryStep)]
    return {
        "explain": function.explain(*arguments),
        "algorithms": Counter(calls),
        "refused": [str(refusal) for refusal in compiled.refusals],
        "profile": function.profile(*arguments).json(),
    }


def training(step: Callable[..., Any], batch: tuple[Any, ...], steps: int, device: str) -> Point:
    """A step that gives its loss; the time from the first call to the end of the second is measured on the way."""
    figures: dict[str, float] = {}
    call = lambda: step(*batch)

    def checks() -> dict[str, list[float]]:
        begin, seen = time.perf_counter(), []

        def number(loss: Any) -> float:
            seen.append(float(loss.mean().asnumpy()))
            if len(seen) == 2:
                figures["seconds from first to second call"] = time.perf_counter() - begin
            return seen[-1]

        return {"losses": losses_of(call, number, steps, partial(release, device))}

    memory = lambda: step.memory(*batch)  # type: ignore[attr-defined]  # of what jit made
    return Point(call, checks, figures, programs=lambda: programs(step, *batch), memory=memory, tell=lambda: told(step, *batch))


def supervised(net: Any, batch: tuple[np.ndarray, np.ndarray], optimizer: str, settings: dict[str, Any], steps: int, device: str) -> Point:
    """A network that learns classes, as users write it."""
    x, y = (array(a, device) for a in batch)
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), optimizer, settings)

    @hn.jit
    def step(x: Any, y: Any) -> Any:
        with autograd.record():
            loss = loss_of(net(x), y)
        loss.backward()
        trainer.step(x.shape[0])
        return loss

    return training(step, (x, y), steps, device)


def mlp(device: str) -> Any:
    """The perceptron of the benchmarks on the CPU."""
    from networks import perceptron as made

    with context(device):
        return made().network


def perceptron(sizes: Sizes, device: str) -> Points:
    settings = {"learning_rate": CHECKED_RATE}
    return {"step": lambda: supervised(mlp(device), perceptron_batch(), "adam", settings, PERCEPTRON_STEPS, device)}


def perceptron_epoch(device: str, steps: int) -> Point:
    """So many steps of the perceptron in one call, over stacked batches; its losses are those of single steps on the same batch."""
    net, (x, y) = mlp(device), (array(np.stack([a] * steps), device) for a in perceptron_batch())
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": CHECKED_RATE})

    def step(x: Any, y: Any) -> Any:
        with autograd.record():
            loss = loss_of(net(x), y)
        loss.backward()
        trainer.step(x.shape[0])
        return loss.mean()

    epoch = hn.jit(lambda xs, ys: npx.foreach(lambda batch, none: (step(*batch), none), [xs, ys], [])[0])
    run = lambda: epoch(x, y)
    return Point(run, lambda: {"losses": numbers(run().asnumpy())}, programs=lambda: programs(epoch, x, y))


def resnet(sizes: Sizes, device: str) -> Points:
    def made() -> Point:
        amp.init("bfloat16")
        size = sizes.resnet
        settings = {"learning_rate": size.rate, "momentum": size.momentum}
        return supervised(models.resnet(size, context(device)), resnet_batch(size), "sgd", settings, sizes.checked_steps, device)

    return {"step": made}


def gpt2(sizes: Sizes, device: str) -> Points:
    def made() -> Point:
        amp.init("bfloat16")
        size = sizes.gpt2
        settings = {"learning_rate": size.rate, "beta2": size.beta2, "epsilon": 1e-8, "wd": size.decay}
        return supervised(models.gpt2(size, context(device)), gpt2_batch(size), "adamw", settings, sizes.checked_steps, device)

    return {"step": made}


def llama(sizes: Sizes, device: str) -> Points:
    """The zoo's Llama, as it begins: what is counted of it has no peer."""

    def made() -> Point:
        amp.init("bfloat16")
        size = sizes.llama
        net = Llama(size.words, size.length, size.units, size.layers, size.heads, size.kv_heads, size.hidden)
        net.initialize(ctx=context(device))
        settings = {"learning_rate": sizes.gpt2.rate, "beta2": sizes.gpt2.beta2, "epsilon": 1e-8, "wd": sizes.gpt2.decay}
        return supervised(net, gpt2_batch(size), "adamw", settings, sizes.checked_steps, device)

    return {"step": made}


def lstm(sizes: Sizes, device: str) -> Points:
    def made() -> Point:
        size = sizes.lstm
        net = models.language_model(size, context(device))
        x, y = (array(a, device) for a in lstm_batch(size))
        loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
        parameters = net.collect_params()
        trainer = gluon.Trainer(parameters, "sgd", {"learning_rate": size.rate})
        states = net.lstm.begin_state(size.batch, ctx=context(device))

        @hn.jit
        def step(x: Any, y: Any) -> Any:
            with autograd.record():
                scores, after = net(x, states)
                loss = loss_of(scores.reshape((-1, size.words)), y.reshape((-1,))).mean()
            loss.backward()
            gluon.utils.clip_global_norm([p.grad() for p in parameters.values()], size.clip)
            trainer.step(1)
            for state, new in zip(states, after, strict=True):
                state[...] = new.detach()
            return loss

        return training(step, (x, y), sizes.checked_steps, device)

    return {"step": made}


# -- single operators -----------------------------------------------------------------------------


def tiled(size: Pointwise, name: str, device: str, dtype: str = "float32") -> Any:
    few, times = tile(size.rows, size.columns, name)
    return hn.np.tile(array(few, device).astype(dtype), (times, 1))


def operation(step: Callable[[], None], results: dict[str, Any], least_bytes: int) -> Point:
    """A compiled function that writes to the arrays ``results``."""

    def checks() -> dict[str, list[float]]:
        step()
        step()
        return {name: values(array) for name, array in results.items()}

    return Point(step, checks, least_bytes=least_bytes, programs=lambda: programs(step), tell=lambda: told(step))


def pointwise(sizes: Sizes, device: str) -> Points:
    size = sizes.pointwise
    count = size.rows * size.columns
    np_ = hn.np

    def made(function: Callable[..., Any], operands: int, shape: tuple[int, ...], dtype: str = "float32") -> Point:
        xs = [tiled(size, f"x{i}", device, dtype) for i in range(operands)]
        y = np_.zeros(shape, dtype=dtype, ctx=context(device))

        @hn.jit
        def step() -> None:
            y[...] = function(*xs)

        width = xs[0].dtype.itemsize
        return operation(step, {"y": y}, (operands * count + math.prod(shape)) * width)

    whole = (size.rows, size.columns)
    return {
        "chain": lambda: made(lambda x: x * npx.sigmoid(x * 1.702) + np_.maximum(x, 0) * 0.5, 1, whole),
        "chain of two, bf16": lambda: made(lambda a, b: npx.relu(a * 0.5 + b) * b, 2, whole, "bfloat16"),
        "sum": lambda: made(lambda x: (x * x).sum(), 1, ()),
        "sums of rows": lambda: made(lambda x: (x * x).sum(axis=1), 1, whole[:1]),
        "sums of columns": lambda: made(lambda x: (x * x).sum(axis=0), 1, whole[1:]),
        "softmax": lambda: made(lambda x: npx.softmax(x), 1, whole),
    }


def adam(sizes: Sizes, device: str) -> Points:
    size = sizes.adam

    def made() -> Point:
        parameters = []
        for i in range(size.tensors):
            parameter = gluon.Parameter(f"p{i}", shape=(size.elements,), init=hn.init.Constant(normal(f"p{i}", size.elements)))
            parameter.initialize(ctx=context(device))
            with autograd.record():  # a gradient, once: the updates leave it as it is
                product = parameter.data() * array(normal(f"g{i}", size.elements), device)
            product.backward()
            parameters.append(parameter)
        trainer = gluon.Trainer(parameters, "adam", {"learning_rate": 1e-3})
        update = hn.jit(lambda: trainer.step(1))
        # Weight, gradient and both means in; weight and means out.
        return operation(update, {"first": parameters[0].data(), "last": parameters[-1].data()}, 28 * size.tensors * size.elements)

    return {"update": made}


def layer_norm(sizes: Sizes, device: str) -> Points:
    def made(width: int) -> Point:
        rows, _ = sizes.norm.shape(width)
        x, head = (tiled(Pointwise(rows, width), name, device, "bfloat16") for name in ("x", "head"))
        gamma = array(1 + normal("gamma", width, scale=0.1), device).astype("bfloat16")
        beta = array(normal("beta", width, scale=0.1), device).astype("bfloat16")
        y = hn.np.zeros_like(x)
        for a in (x, gamma, beta):
            a.attach_grad()

        @hn.jit
        def step() -> None:
            with autograd.record():
                out = npx.layer_norm(x, gamma, beta)
            out.backward(head)
            y[...] = out.detach()

        results = {"y": y, "dx": x.grad, "dgamma": gamma.grad, "dbeta": beta.grad}
        # forward: x in, y out; backward: x and the head in, dx out.
        return operation(step, results, 5 * rows * width * 2)

    return {f"{width} wide": partial(made, width) for width in sizes.norm.widths}


def cross_entropy(sizes: Sizes, device: str) -> Points:
    def made(width: int) -> Point:
        rows, _ = sizes.loss.shape(width)
        x = tiled(Pointwise(rows, width), "scores", device, "bfloat16")
        labels = array(integers("labels", width, rows), device)
        x.attach_grad()
        total = hn.np.zeros((), ctx=context(device))

        @hn.jit
        def step() -> None:
            with autograd.record():
                loss = npx.softmax_cross_entropy(x, labels).mean()
            loss.backward()
            total[...] = loss.detach()

        # forward: scores in; backward: scores in, their gradient out.
        return operation(step, {"loss": total, "dx": x.grad}, 3 * rows * width * 2)

    return {f"{width} classes": partial(made, width) for width in sizes.loss.widths}


def launch(sizes: Sizes, device: str) -> Points:
    def forward() -> Point:
        net = mlp(device)
        net.hybridize()
        x = array(perceptron_batch()[0], device)
        return Point(
            lambda: net(x),
            lambda: {"y": values(net(x))},
            clock=LaunchClock(clock(device).wait),
            programs=lambda: programs(net._compiled, x),
            tell=lambda: told(net._compiled, x),
        )

    return {"forward": forward}


BUILDERS = {
    "perceptron": perceptron,
    "pointwise": pointwise,
    "adam": adam,
    "layer norm": layer_norm,
    "cross-entropy": cross_entropy,
    "lstm": lstm,
    "resnet": resnet,
    "resnet again": resnet,
    "gpt2": gpt2,
    "launch": launch,
}
PEER = Peer(
    {workload: {"one step": build} for workload, build in BUILDERS.items()},
    clock,
    memory,
    {"hybridnet": hn.__version__, "numpy": np.__version__},
    lambda device: {**describe.device(), **describe.versions()} if device == "gpu" else {},
)

if __name__ == "__main__":
    main(PEER)
