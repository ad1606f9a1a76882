"""How long ResNet-50's training graph, and long chains of small layers, take from trace to program, and where the time goes.

Nothing is computed: the functions are traced, optimised and written out. Prints JSON.

    python compiling.py --batch 4 --size 224
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy
from networks import resnet50

import hybridnet as hn
import hybridnet.compile as compiler
from hybridnet import autograd, compiled, jit, lowering
from hybridnet.codegen import numpy_program as codegen
from hybridnet.gluon import nn
from hybridnet.graph import passes
from hybridnet.runtime import numpy_program as runtime


class Stopwatch:
    """Seconds by part; a part inside another counts for itself alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inner: list[float] = [0.0]

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            self._inner.append(0.0)
            begin = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                whole = time.perf_counter() - begin
                self.seconds[part] = self.seconds.get(part, 0.0) + whole - self._inner.pop()
                self._inner[-1] += whole

        return run


#: The steps of compiling: a module, a function or class in it, and what to call it.
PARTS = (
    (compiler, "Traced", "trace"),
    (compiled, "partition", "split forward and backward"),
    (runtime, "write_numpy_program", "text: writing"),
    (codegen, "NumpyPlan", "text: plan"),
)


@contextmanager
def watched() -> Iterator[Stopwatch]:
    """Put a stopwatch into each part for the body."""
    watch = Stopwatch()
    before = [(module, name, getattr(module, name)) for module, name, _ in PARTS]
    all_passes, rewrites = passes.PASSES, lowering.LOWERING
    for module, name, part in PARTS:
        setattr(module, name, watch.timed(part, getattr(module, name)))
    passes.PASSES = tuple(p._replace(run=watch.timed(f"pass: {p.name}", p.run)) for p in all_passes)
    lowering.LOWERING = {
        program: tuple(p._replace(run=watch.timed(f"lowering: {p.name}", p.run)) for p in listed) for program, listed in rewrites.items()
    }
    try:
        yield watch
    finally:
        passes.PASSES, lowering.LOWERING = all_passes, rewrites
        for module, name, value in before:
            setattr(module, name, value)


def measured(compiled: Callable[[], str]) -> dict[str, Any]:
    """The seconds that ``compiled`` takes to give a program's text, by part."""
    with watched() as watch:
        begin = time.perf_counter()
        text = compiled()
        total = time.perf_counter() - begin
    parts = {**watch.seconds, "the rest": total - sum(watch.seconds.values())}
    return {"seconds": total, "parts": parts, "lines": len(text.splitlines())}


def compile_times(network: Any, x: Any, y: Any) -> dict[str, Any]:
    """The hybridized network under ``record`` (forward and backward), and the whole step with its update."""
    loss_fn = hn.gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = hn.gluon.Trainer(network.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.9})

    @jit
    def step(x: Any, y: Any) -> Any:
        with autograd.record():
            loss = loss_fn(network(x), y)
        loss.backward()
        trainer.step(x.shape[0])
        return loss

    def hybridized() -> str:
        with autograd.record():
            return str(network.program(x))

    whole = measured(lambda: step.program(x, y))
    network.hybridize()
    return {"hybridized": measured(hybridized), "one step": whole}


def dense(n: int, normalized: bool = False) -> Any:
    """A step of training a chain of dense layers, each followed by a layer norm if wanted."""
    network = nn.HybridSequential()
    for _ in range(n):
        network.add(nn.Dense(8, activation="relu", in_units=8))
        if normalized:
            network.add(nn.LayerNorm(in_channels=8))
    network.initialize()
    trainer = hn.gluon.Trainer(network.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.9})

    @jit
    def step(x: Any) -> Any:
        with autograd.record():
            loss = (network(x) ** 2).sum()
        loss.backward()
        trainer.step(1)
        return loss

    return lambda: step.program(hn.np.ones((4, 8)))


def recurrent(n: int) -> Any:
    """Forward and backward of a recurrent network written as a loop of so many steps."""
    w, u = hn.np.ones((8, 8)), hn.np.ones((8, 8))
    w.attach_grad()
    u.attach_grad()

    @jit
    def step(xs: Any) -> Any:
        h = hn.np.zeros((2, 8))
        with autograd.record():
            for t in range(n):
                h = hn.np.tanh(xs[t] @ w + h @ u)
            loss = h.sum()
        loss.backward()
        return loss

    return lambda: step.program(hn.np.ones((n, 2, 8)))


CHAINS: dict[str, Callable[[], Any]] = {
    "640 dense layers": lambda: dense(640),
    "1280 dense layers": lambda: dense(1280),
    "120 dense layers and layer norms": lambda: dense(120, normalized=True),
    "800 steps of a recurrent network": lambda: recurrent(800),
}


def chain_times() -> dict[str, Any]:
    """Each chain, after a small one of its kind has loaded what compiling loads."""
    dense(2, normalized=True)()
    recurrent(2)()
    found = {}
    for name, make in CHAINS.items():
        program = make()
        found[name] = measured(lambda program=program: str(program()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, default=224)
    arguments = parser.parse_args()
    x = hn.nd.array(numpy.zeros((arguments.batch, 3, arguments.size, arguments.size), "float32"))
    y = hn.nd.array(numpy.zeros(arguments.batch, "int32"), dtype="int32")
    print(json.dumps({**compile_times(resnet50(), x, y), **chain_times()}))


if __name__ == "__main__":
    main()
