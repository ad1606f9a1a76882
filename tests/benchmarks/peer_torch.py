"""PyTorch on the CPU, eager and by ``torch.compile``, with its fused Adam."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from measure import Case, Cases, main
from torch import nn
from torch_networks import INFERENCE, NETWORKS, Chain
from workloads import (
    CHECKED_RATE,
    CHECKED_STEPS,
    SIZES,
    SMALL,
    THREADS,
    TIMED_RATE,
    Weights,
    batch,
    chain_data,
    image,
    perceptron_batch,
    perceptron_weights,
    scaled,
    small_arrays,
)

torch.set_num_threads(THREADS)


def operator(statement: str, requires_grad: bool = False) -> Callable[[], Case]:
    a, b = (torch.from_numpy(x).requires_grad_(requires_grad) for x in small_arrays())
    return lambda: Case(statement, {"a": a, "b": b})


#: Rows of ``SMALL`` that are written otherwise in PyTorch, which records what has a variable in it.
PYTORCH_S = {
    "softmax": "softmax(a, 1)",
    "record, multiply": "a * w",
    "record, multiply, sum, backward": "(a * w).sum().backward()",
    "record, dense, backward": "relu(dot(a, w) + bias).sum().backward()",
}


def small(statement: str) -> Case:
    a, b = (torch.from_numpy(x) for x in small_arrays())
    w, bias = b.clone().requires_grad_(), b[0].clone().requires_grad_()
    functions = {"exp": torch.exp, "dot": torch.mm, "softmax": torch.softmax, "relu": torch.relu}
    return Case(statement, {"a": a, "b": b, "w": w, "bias": bias, **functions})


def perceptron(compiled: bool) -> Case:
    layers: list[nn.Module] = []
    for weight, bias in perceptron_weights():
        layer = nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.copy_(torch.from_numpy(bias))
        layers += [layer, nn.ReLU()]
    assert len(layers) == 2 * len(SIZES) - 2
    network = nn.Sequential(*layers[:-1])
    data, labels = perceptron_batch()
    return training(network, data, labels, compiled)


def training(network: nn.Module, data: np.ndarray, labels: np.ndarray, compiled: bool) -> Case:
    optimizer = torch.optim.Adam(network.parameters(), lr=CHECKED_RATE, fused=True)
    loss_fn = nn.CrossEntropyLoss()
    x, y = torch.from_numpy(data), torch.from_numpy(labels).long()
    forward = lambda x, y: loss_fn(network(x), y)
    if compiled:
        forward = torch.compile(forward)

    def step(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        optimizer.zero_grad()
        loss = forward(x, y)
        loss.backward()
        optimizer.step()
        return loss

    def losses() -> list[float]:
        values = [step(x, y).item() for _ in range(CHECKED_STEPS)]
        for group in optimizer.param_groups:
            group["lr"] = TIMED_RATE
        return values

    return Case("step(x, y)", {"step": step, "x": x, "y": y}, losses=losses)


def started(network: nn.Module) -> nn.Module:
    """With the weights that all peers start from."""
    weights = Weights()
    with torch.no_grad():
        for key, parameter in network.named_parameters():
            if parameter.ndim > 1:
                parameter.copy_(torch.from_numpy(weights.of(tuple(parameter.shape))))
            elif "bias" in key:
                parameter.zero_()
    return network


def shared(name: str, compiled: bool) -> Case:
    """A network that all peers train, from the same weights."""
    return training(started(NETWORKS[name]()), *batch(name), compiled)


def inference(name: str, compiled: bool) -> Case:
    network, x = started(INFERENCE[name]()).eval(), torch.from_numpy(image(name))
    if compiled:
        network = torch.compile(network)  # which fuses batch norm into nothing: its weights may still change

    @torch.no_grad()
    def losses() -> list[float]:
        return scaled(network(x).numpy())

    return Case("net(x)", {"net": network, "x": x}, around=torch.no_grad, losses=losses)


def chain(compiled: bool) -> Case:
    network, x = Chain(), torch.from_numpy(chain_data())
    if compiled:
        network = torch.compile(network)
    losses = torch.no_grad()(lambda: [network(x).mean().item()])
    return Case("net(x)", {"net": network, "x": x}, around=torch.no_grad, losses=losses)


def both(build: Callable[[bool], Case]) -> Cases:
    """A network's cases: as it stands, and compiled."""
    return {"eager": partial(build, False), "compiled": partial(build, True)}


WORKLOADS = {
    "operators": {
        "add": operator("a + b"),
        "add scalar": operator("a + 2.0"),
        "add recorded": operator("a + b", requires_grad=True),
        "matmul": operator("a @ b"),
        **{row: partial(small, PYTORCH_S.get(row, statement)) for row, statement in SMALL.items()},
    },
    "mlp-train": both(perceptron),
    **{f"{name}-train": both(partial(shared, name)) for name in NETWORKS},
    **{f"{name}-inference": both(partial(inference, name)) for name in INFERENCE},
    "chain-inference": both(chain),
}

if __name__ == "__main__":
    main(WORKLOADS, {"torch": torch.__version__})
