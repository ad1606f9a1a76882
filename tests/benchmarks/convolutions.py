"""Convolutional networks on a CPU: hybridnet on NumPy alone and with oneDNN, MXNet hybridized, PyTorch eager, in one run.

    python tests/benchmarks/convolutions.py --mxnet PYTHON --torch PYTHON [--rounds 3]

Prints the median of all rounds in milliseconds, as JSON. Peers take turns, a process each; a peer that is not named is left out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
THREADS = 2
#: By name: the network, the batch, whether it is trained (without the optimizer's step).
WORKLOADS = {
    "resnet18 1x224 inference": ("resnet18", (1, 3, 224, 224), False),
    "resnet18 4x112 training": ("resnet18", (4, 3, 112, 112), True),
    "mobilenet 1x224 inference": ("mobilenet", (1, 3, 224, 224), False),
    "lenet 64x28 training": ("lenet", (64, 1, 28, 28), True),
}
SECONDS = 1.5  # of each workload in each process


def milliseconds(call: Callable[[], Any]) -> float:
    for _ in range(3):
        call()
    times = []
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(times) < 5:
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1e3


def on_gluon(library: Any) -> dict[str, float]:
    """The workloads in ``hybridnet`` or ``mxnet``, whose code is the same."""
    from gluon_networks import lenet, resnet18

    found = {}
    for name, (kind, shape, trains) in WORKLOADS.items():
        made = {"lenet": lenet, "resnet18": resnet18, "mobilenet": lambda gluon: gluon.model_zoo.vision.mobilenet1_0()}
        net = made[kind](library.gluon)
        net.initialize(library.init.Xavier())
        net.hybridize(static_alloc=True, static_shape=True)
        x = library.nd.array(np.random.RandomState(0).standard_normal(shape).astype("float32"))

        def infer(net: Any = net, x: Any = x) -> None:
            net(x).asnumpy()

        def train(net: Any = net, x: Any = x) -> None:
            with library.autograd.record():
                total = net(x).sum()
            total.backward()
            library.nd.waitall()

        found[name] = milliseconds(train if trains else infer)
    return found


def on_torch() -> dict[str, float]:
    """The workloads in PyTorch, eagerly."""
    import torch
    from torch import nn
    from torch_networks import lenet, resnet18

    def mobilenet() -> nn.Module:
        def joined(inputs: int, outputs: int, kernel: int, stride: int, groups: int) -> list[nn.Module]:
            convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
            return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]

        parts, inputs = joined(3, 32, 3, 2, 1), 32
        plan = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
        for outputs, stride in plan:
            parts += [*joined(inputs, inputs, 3, stride, inputs), *joined(inputs, outputs, 1, 1, 1)]
            inputs = outputs
        return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 1000))

    torch.set_num_threads(THREADS)
    found = {}
    for name, (kind, shape, trains) in WORKLOADS.items():
        net = {"lenet": lenet, "resnet18": resnet18, "mobilenet": mobilenet}[kind]()
        net.train(trains)
        x = torch.randn(*shape)

        def infer(net: Any = net, x: Any = x) -> None:
            with torch.no_grad():
                net(x)

        def train(net: Any = net, x: Any = x) -> None:
            net.zero_grad()
            net(x).sum().backward()

        found[name] = milliseconds(train if trains else infer)
    return found


def peer(name: str) -> dict[str, float]:
    if name == "torch":
        return on_torch()
    if name == "mxnet":
        np.bool = bool  # type: ignore[misc,assignment]  # MXNet 1.9.1 asks for names that NumPy has dropped
        import mxnet

        return on_gluon(mxnet)
    sys.path.insert(0, str(HERE.parent.parent))
    import hybridnet

    return on_gluon(hybridnet)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mxnet", help="the Python of an environment with MXNet 1.9.1")
    parser.add_argument("--torch", help="the Python of an environment with PyTorch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.peer:
        print(json.dumps(peer(chosen.peer)))
        return
    pythons = {"numpy alone": sys.executable, "with oneDNN": sys.executable, "mxnet": chosen.mxnet, "torch": chosen.torch}
    times: dict[str, dict[str, list[float]]] = {name: {} for name in WORKLOADS}
    for _ in range(chosen.rounds):
        for name, python in pythons.items():
            if python is None:
                continue
            environment = {**os.environ, "OMP_NUM_THREADS": str(THREADS), "HYBRIDNET_NUM_THREADS": str(THREADS)}
            if name == "numpy alone":
                environment["HYBRIDNET_DISABLE_LIBRARIES"] = "oneDNN"
            command = [python, str(Path(__file__).resolve()), "--peer", name]
            done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
            for workload, value in json.loads(done.stdout.splitlines()[-1]).items():
                times[workload].setdefault(name, []).append(value)
    print(json.dumps({w: {p: round(statistics.median(t), 2) for p, t in by.items()} for w, by in times.items()}, indent=2))


if __name__ == "__main__":
    main()
