"""hybridnet: every workload imperatively, hybridized, and training steps also as one compiled step."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from gluon_networks import INFERENCE
from measure import Case, main
from networks import TASKS, Task, chain, inference
from threadpoolctl import threadpool_info
from workloads import CHECKED_RATE, CHECKED_STEPS, SMALL, TIMED_RATE, scaled, small_arrays

import hybridnet as hn
from hybridnet import autograd


def blas() -> str:
    """The BLAS that NumPy calls, and whose kernels it chose for this processor."""
    found = [x for x in threadpool_info() if x["user_api"] == "blas"]
    return " and ".join(f"{x['internal_api']} {x['version']} {x.get('architecture', '')}".strip() for x in found)


def operator(statement: str, recorded: bool = False) -> Callable[[], Case]:
    a, b = (hn.np.array(x) for x in small_arrays())
    if recorded:
        a.attach_grad()
    return lambda: Case(statement, {"a": a, "b": b}, around=autograd.record if recorded else nullcontext)


def small(statement: str, f: Any, nn: Any) -> Case:
    """``f``: where ``array``, ``exp`` and ``dot`` are, ``nn``: where ``relu`` and ``softmax`` are."""
    a, b = (f.array(x) for x in small_arrays())
    w, bias = f.array(b), f.array(b[0])
    for variable in (w, bias):
        variable.attach_grad()
    functions = {"exp": f.exp, "dot": f.dot, "softmax": nn.softmax, "relu": nn.relu, "record": autograd.record}
    return Case(statement, {"a": a, "b": b, "w": w, "bias": bias, **functions})


def settled(run: Callable[[], Any], mode: str) -> None:
    """Run it as often as it takes until its loops are compiled, and wait for them."""
    if mode != "imperative" and find_spec("hybridnet.device.loops") is not None:  # a baseline may have none
        loops = import_module("hybridnet.device.loops")
        for _ in range(loops.CALLS):
            run()
        loops.finish()
        run()  # loads them


def training_step(task: Task, mode: str) -> tuple[Any, Any, Callable[[], int]]:
    """One step of training as users write it, its trainer, and a count of its compilations."""
    network, loss_fn = task.network, task.loss
    trainer = hn.gluon.Trainer(network.collect_params(), "adam", {"learning_rate": CHECKED_RATE})

    def step(x: Any, y: Any) -> Any:
        with autograd.record():
            loss = network(x) if loss_fn is None else loss_fn(network(x), y)
        loss.backward()
        trainer.step(x.shape[0] if y is None else y.shape[0])
        return loss

    if mode == "one step":
        compiled = hn.jit(step)
        return compiled, trainer, lambda: len(compiled.retraces)
    if mode == "hybridized":
        blocks = [b for b in (network, loss_fn) if b is not None]
        for block in blocks:
            block.hybridize()
        return step, trainer, lambda: sum(len(b._compiled.retraces) for b in blocks)
    return step, trainer, int


def training(make: Callable[[], Task], mode: str) -> Case:
    task = make()
    step, trainer, compilations = training_step(task, mode)
    x, y = task.x, task.y

    def losses() -> list[float]:
        values = [float(step(x, y).asnumpy().mean()) for _ in range(CHECKED_STEPS)]
        trainer.set_learning_rate(TIMED_RATE)
        settled(lambda: step(x, y), mode)
        return values

    return Case("step(x, y)", {"step": step, "x": x, "y": y}, losses=losses, compilations=compilations)


def forward(make: Callable[[], Task], mode: str) -> Case:
    task = make()
    if mode == "hybridized":
        task.network.hybridize()

    def losses() -> list[float]:
        settled(lambda: task.network(task.x), mode)
        return [float(task.network(task.x).asnumpy().mean())]

    return Case("net(x)", {"net": task.network, "x": task.x}, losses=losses)


def classified(name: str, mode: str) -> Case:
    """A network that all peers run forward."""
    task = inference(name)
    if mode == "hybridized":
        task.network.hybridize()
    return Case("net(x)", {"net": task.network, "x": task.x}, losses=lambda: scaled(task.network(task.x).asnumpy()))


WORKLOADS: dict[str, dict[str, Callable[[], Case]]] = {
    "operators": {
        "add": operator("a + b"),
        "add scalar": operator("a + 2.0"),
        "add recorded": operator("a + b", recorded=True),
        "matmul": operator("a @ b"),
        **{row: partial(small, statement, hn.np, hn.npx) for row, statement in SMALL.items()},
        **{f"{row}, nd": partial(small, statement, hn.nd, hn.nd) for row, statement in {"add": "a + b", **SMALL}.items()},
    },
}
for name, make in TASKS.items():
    WORKLOADS[f"{name}-forward"] = {mode: partial(forward, make, mode) for mode in ("imperative", "hybridized")}
    WORKLOADS[f"{name}-train"] = {mode: partial(training, make, mode) for mode in ("imperative", "hybridized", "one step")}
for name in INFERENCE:
    WORKLOADS[f"{name}-inference"] = {mode: partial(classified, name, mode) for mode in ("imperative", "hybridized")}

WORKLOADS["chain-inference"] = {mode: partial(forward, chain, mode) for mode in ("imperative", "hybridized")}

if __name__ == "__main__":
    main(WORKLOADS, {"hybridnet": hn.__version__, "numpy": np.__version__, "blas": blas()})
