"""PyTorch: eager, and compiled in the modes that may be its best, with and without the step as one CUDA graph.

``max-autotune`` and ``reduce-overhead`` are torch.compile's own (CUDA graphs around forward and backward);
``captured`` is a step, compiled with all tuning, that is captured whole, optimizer included, as its documentation
shows for whole networks. Single operators are compiled without CUDA graphs, which would copy their inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from workloads import CHECKED_RATE, perceptron_batch, perceptron_weights

from gpu import torch_networks
from gpu.sizes import PERCEPTRON_STEPS, Pointwise, Sizes, gpt2_batch, integers, lstm_batch, normal, resnet_batch, tile
from gpu.worker import Clock, HostClock, Peer, Point, losses_of, main, numbers

Points = dict[str, Callable[[], Point]]

#: Each mode: what torch.compile is asked for, and whether the step is captured.
MODES: dict[str, tuple[str | None, bool]] = {
    "eager": (None, False),
    "reduce-overhead": ("reduce-overhead", False),
    "max-autotune": ("max-autotune", False),
    "compiled": ("max-autotune-no-cudagraphs", False),
    "captured": ("max-autotune-no-cudagraphs", True),
}
TRAINING = ("eager", "reduce-overhead", "max-autotune")
SMALL = ("eager", "max-autotune", "captured")
OPERATORS = ("eager", "compiled", "captured")

torch.backends.cudnn.benchmark = True


class DeviceClock:
    """Events on PyTorch's current stream."""

    def sample(self, call: Callable[[], Any], n: int) -> float:
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(n):
            call()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1e3 / n

    def wait(self) -> None:
        torch.cuda.synchronize()


def clock(device: str) -> Clock:
    return DeviceClock() if device == "gpu" else HostClock()


def memory(device: str) -> int:
    """The most bytes that tensors took at any time since the first call, after which compiling and tuning are done."""
    return torch.cuda.max_memory_allocated() if device == "gpu" else 0


def settled(device: str) -> None:
    if device == "gpu":
        torch.cuda.reset_peak_memory_stats()


def place(device: str) -> str:
    return "cuda" if device == "gpu" else "cpu"


def tensor(data: np.ndarray, device: str) -> torch.Tensor:
    found = torch.from_numpy(np.ascontiguousarray(data)).to(place(device))
    return found.long() if found.dtype == torch.int32 else found


def values(x: torch.Tensor) -> list[float]:
    return numbers(x.detach().reshape(-1)[: 1 << 20].float().cpu().numpy())


def compiled(function: Callable[..., Any], mode: str) -> Callable[..., Any]:
    how, _ = MODES[mode]
    return function if how is None else torch.compile(function, mode=how)


class Captured:
    """A step that is a CUDA graph from its fourth call on; the first three, on a stream of their own, warm up."""

    def __init__(self, step: Callable[[], torch.Tensor]) -> None:
        self.step, self.calls = step, 0
        self.graph: Any = None
        self.result: Any = None

    def __call__(self) -> torch.Tensor:
        if self.graph is not None:
            self.graph.replay()
            return self.result
        self.calls += 1
        if self.calls < 4:
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                self.result = self.step()
            torch.cuda.current_stream().wait_stream(side)
            return self.result
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.result = self.step()
        self.graph.replay()  # capturing computes nothing
        return self.result


def as_captured(step: Callable[[], Any], mode: str, device: str) -> Callable[[], Any]:
    return Captured(step) if MODES[mode][1] and device == "gpu" else step


# -- training steps -------------------------------------------------------------------------------


def training(
    loss_of: Callable[[], torch.Tensor], optimizer: Any, steps: int, mode: str, device: str, before_update: Callable[[], Any] = lambda: None
) -> Point:
    def step() -> torch.Tensor:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of()
        loss.backward()
        before_update()
        optimizer.step()
        return loss.detach()

    call = as_captured(step, mode, device)
    return Point(call, lambda: {"losses": losses_of(call, lambda loss: loss.item(), steps, partial(settled, device))})


def perceptron(mode: str, sizes: Sizes, device: str) -> Points:
    def made() -> Point:
        net = torch_networks.mlp(perceptron_weights()).to(place(device))
        x, y = (tensor(a, device) for a in perceptron_batch())
        optimizer = torch.optim.Adam(net.parameters(), lr=CHECKED_RATE, fused=True, capturable=device == "gpu")
        loss_of = compiled(lambda x, y: F.cross_entropy(net(x), y), mode)
        return training(lambda: loss_of(x, y), optimizer, PERCEPTRON_STEPS, mode, device)

    return {"step": made}


def resnet(mode: str, sizes: Sizes, device: str) -> Points:
    def made() -> Point:
        size = sizes.resnet
        net = torch_networks.resnet(size).to(place(device))
        images, labels = resnet_batch(size)
        x = tensor(images, device).permute(0, 3, 1, 2)  # channels last as it lies
        y = tensor(labels, device)
        optimizer = torch.optim.SGD(net.parameters(), lr=size.rate, momentum=size.momentum, fused=True)

        def loss_of(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            with torch.autocast(place(device), torch.bfloat16):
                return F.cross_entropy(net(x), y)

        run = compiled(loss_of, mode)
        return training(lambda: run(x, y), optimizer, sizes.checked_steps, mode, device)

    return {"step": made}


def gpt2(mode: str, sizes: Sizes, device: str) -> Points:
    def made() -> Point:
        size = sizes.gpt2
        net = torch_networks.GPT2(size).to(place(device))
        x, y = (tensor(a, device) for a in gpt2_batch(size))
        optimizer = torch.optim.AdamW(net.parameters(), lr=size.rate, betas=(0.9, size.beta2), weight_decay=size.decay, fused=True)

        def loss_of(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            with torch.autocast(place(device), torch.bfloat16):
                return F.cross_entropy(net(x).view(-1, size.words), y.view(-1))

        run = compiled(loss_of, mode)
        return training(lambda: run(x, y), optimizer, sizes.checked_steps, mode, device)

    return {"step": made}


def lstm(mode: str, sizes: Sizes, device: str) -> Points:
    def made() -> Point:
        torch.set_float32_matmul_precision("high")  # TF32, as cuDNN has it for the LSTM
        size = sizes.lstm
        net = torch_networks.LanguageModel(size).to(place(device))
        x, y = (tensor(a, device) for a in lstm_batch(size))
        states = tuple(torch.zeros(size.layers, size.batch, size.units, device=place(device)) for _ in range(2))
        optimizer = torch.optim.SGD(net.parameters(), lr=size.rate, fused=True)
        forward = compiled(net, mode)
        after: Any = None

        def loss_of() -> torch.Tensor:
            nonlocal after
            scores, after = forward(x, states)
            return F.cross_entropy(scores.view(-1, size.words), y.view(-1))

        def between() -> None:
            torch.nn.utils.clip_grad_norm_(net.parameters(), size.clip, foreach=True)
            for state, new in zip(states, after, strict=True):
                state.copy_(new.detach())

        return training(loss_of, optimizer, sizes.checked_steps, mode, device, between)

    return {"step": made}


# -- single operators -----------------------------------------------------------------------------


def tiled(size: Pointwise, name: str, device: str, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    few, times = tile(size.rows, size.columns, name)
    return tensor(few, device).to(dtype).repeat(times, 1)


def operation(step: Callable[[], dict[str, torch.Tensor]], mode: str, device: str) -> Point:
    call = as_captured(step, mode, device)

    def checks() -> dict[str, list[float]]:
        for _ in range(4):
            results = call()
        return {name: values(x) for name, x in results.items()}

    return Point(call, checks)


def pointwise(mode: str, sizes: Sizes, device: str) -> Points:
    def made(function: Callable[..., Any], operands: int, dtype: torch.dtype = torch.float32) -> Point:
        xs = [tiled(sizes.pointwise, f"x{i}", device, dtype) for i in range(operands)]
        run = compiled(function, mode)
        return operation(lambda: {"y": run(*xs)}, mode, device)

    return {
        "chain": lambda: made(lambda x: x * torch.sigmoid(x * 1.702) + torch.relu(x) * 0.5, 1),
        "chain of two, bf16": lambda: made(lambda a, b: torch.relu(a * 0.5 + b) * b, 2, torch.bfloat16),
        "sum": lambda: made(lambda x: (x * x).sum(), 1),
        "sums of rows": lambda: made(lambda x: (x * x).sum(1), 1),
        "sums of columns": lambda: made(lambda x: (x * x).sum(0), 1),
        "softmax": lambda: made(lambda x: torch.softmax(x, -1), 1),
    }


def adam(mode: str, sizes: Sizes, device: str) -> Points:
    def made() -> Point:
        size = sizes.adam
        parameters = [torch.nn.Parameter(tensor(normal(f"p{i}", size.elements), device)) for i in range(size.tensors)]
        for i, parameter in enumerate(parameters):
            parameter.grad = tensor(normal(f"g{i}", size.elements), device)
        optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=True, capturable=device == "gpu")

        def step() -> None:
            optimizer.step()

        call = as_captured(step, mode, device)

        def checks() -> dict[str, list[float]]:
            call()
            call()
            return {"first": values(parameters[0]), "last": values(parameters[-1])}

        return Point(call, checks)

    return {"update": made}


def _with_gradients(
    forward: Callable[[], torch.Tensor], leaves: dict[str, torch.Tensor], head: torch.Tensor | None
) -> dict[str, torch.Tensor]:
    for leaf in leaves.values():
        leaf.grad = None
    y = forward()
    y.backward(head)
    return {"y": y.detach(), **{f"d{name}": leaf.grad for name, leaf in leaves.items()}}


def layer_norm(mode: str, sizes: Sizes, device: str) -> Points:
    def made(width: int) -> Point:
        rows, _ = sizes.norm.shape(width)
        x, head = (tiled(Pointwise(rows, width), name, device, torch.bfloat16) for name in ("x", "head"))
        gamma = tensor(1 + normal("gamma", width, scale=0.1), device).bfloat16()
        beta = tensor(normal("beta", width, scale=0.1), device).bfloat16()
        leaves = {"x": x.requires_grad_(), "gamma": gamma.requires_grad_(), "beta": beta.requires_grad_()}
        run = compiled(lambda x, gamma, beta: F.layer_norm(x, (width,), gamma, beta), mode)
        return operation(lambda: _with_gradients(lambda: run(x, gamma, beta), leaves, head), mode, device)

    return {f"{width} wide": partial(made, width) for width in sizes.norm.widths}


def cross_entropy(mode: str, sizes: Sizes, device: str) -> Points:
    def made(width: int) -> Point:
        rows, _ = sizes.loss.shape(width)
        x = tiled(Pointwise(rows, width), "scores", device, torch.bfloat16).requires_grad_()
        labels = tensor(integers("labels", width, rows), device)
        # Compiled, the cast is part of the kernel; eager, it would be an array of its own.
        run = F.cross_entropy if mode == "eager" else compiled(lambda x, y: F.cross_entropy(x.float(), y), mode)

        def step() -> dict[str, torch.Tensor]:
            found = _with_gradients(lambda: run(x, labels), {"x": x}, None)
            return {"loss": found["y"], "dx": found["dx"]}

        return operation(step, mode, device)

    return {f"{width} classes": partial(made, width) for width in sizes.loss.widths}


BUILDERS = {
    "perceptron": (perceptron, SMALL),
    "pointwise": (pointwise, OPERATORS),
    "adam": (adam, ("eager", "captured")),
    "layer norm": (layer_norm, OPERATORS),
    "cross-entropy": (cross_entropy, OPERATORS),
    "lstm": (lstm, SMALL),
    "resnet": (resnet, TRAINING),
    "gpt2": (gpt2, TRAINING),
}
PEER = Peer(
    {workload: {mode: partial(build, mode) for mode in modes} for workload, (build, modes) in BUILDERS.items()},
    clock,
    memory,
    {"torch": torch.__version__},
)

if __name__ == "__main__":
    main(PEER)
