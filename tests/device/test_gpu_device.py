"""On a CUDA device: every operator with its gradient as part of a CUDA graph, and what a compiled step promises, against the CPU.

The same is tested everywhere on an emulated device, more thoroughly; here the real one has its say, within a minute.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from support.samples import as_arrays, samples_of, wide
from test_cuda_contract import CHECKED, TOLERANCE, call_of, step_of
from test_examples import example

import hybridnet as hn
from hybridnet import autograd, dtypes, gluon
from hybridnet.core import NDArray, Op, array
from hybridnet.errors import HybridnetError
from hybridnet.gluon import nn
from hybridnet.ops.common import normal

pytestmark = pytest.mark.gpu

A_GRAPH = 20  # operators: the kernels of a graph are compiled together
CHUNKS = [CHECKED[i : i + A_GRAPH] for i in range(0, len(CHECKED), A_GRAPH)]


def steps_of(ops: Sequence[Op]) -> tuple[list[tuple[Callable[..., list[Any]], int]], list[Any]]:
    """The first good sample of each operator in float32, with gradients where there are any: functions, and the arrays of all."""
    steps, operands = [], []
    for op in ops:
        sample = next((s for s in samples_of(op) if s.error is None), None)
        if sample is None:
            continue
        call = call_of(op, sample)
        arrays = [x for x in as_arrays(sample.inputs, dtypes.float32) if isinstance(x, NDArray)]
        try:
            results = call(*arrays)
        except HybridnetError:
            continue  # a dtype that it does not take
        if op.grad is not None and sample.differentiable:
            call = step_of(call, len(arrays))
            arrays += [array(normal(*y.shape, seed=9).astype(y.dtype)) for y in results if dtypes.is_floating(y.dtype)]
        steps.append((call, len(arrays)))
        operands += arrays
    return steps, operands


def together(ops: Sequence[Op]) -> tuple[Callable[..., list[Any]], list[Any]]:
    """One function of the samples of all these operators, with its arrays on the CPU."""
    steps, operands = steps_of(ops)

    def all_of_them(*arrays: Any) -> list[Any]:
        found: list[Any] = []
        for call, count in steps:
            found += call(*arrays[:count])
            arrays = arrays[count:]
        return found

    return all_of_them, operands


def check(ops: Sequence[Op]) -> None:
    """Compiled together on the GPU they give what they give on the CPU."""
    all_of_them, operands = together(ops)
    expected = [wide(y).copy() for y in all_of_them(*operands)]
    for x in operands:
        x._tape = None
    on_gpu = [x.to_device(hn.gpu(0)) for x in operands]
    compiled = hn.jit(all_of_them)
    for _ in range(3):  # one by one, captured, replayed
        with hn.gpu(0):
            found = compiled(*on_gpu)
        for y, e in zip(found, expected, strict=True):
            tolerance = TOLERANCE.get(y.dtype, 0)
            scale = min(float(np.abs(e[np.isfinite(e)]).max(initial=1)), 1e6) if tolerance else 0
            np.testing.assert_allclose(wide(y.asnumpy()), e, rtol=tolerance, atol=tolerance * scale)


def name_of(ops: Sequence[Op]) -> str:
    return f"{ops[0].name} to {ops[-1].name}"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("ops", CHUNKS, ids=name_of)
def test_operators(ops: Sequence[Op]) -> None:
    check(ops)


def network(device: Any) -> Any:
    hn.random.seed(3)
    net = nn.HybridSequential()
    net.add(nn.Dense(32, activation="relu", in_units=8), nn.BatchNorm(in_channels=32), nn.Dense(4, in_units=32))
    net.initialize(hn.init.Xavier())  # on the CPU, so that all devices begin alike
    net.reset_ctx(device)
    return net


def test_results_are_not_overwritten_and_two_forwards_keep_what_their_backward_needs() -> None:
    grads = []
    for device in (hn.gpu(0), hn.cpu()):
        net = network(device)
        net.hybridize()
        xs = [hn.np.array(normal(16, 8, seed=i), dtype="float32", ctx=device) for i in range(2)]
        for _ in range(4):  # one by one, captured, replayed
            with autograd.record():
                ys = [net(x) for x in xs]
            before = [y.asnumpy() for y in ys]
            for y in ys:
                y.backward()
                grads.append(net[0].weight.grad().asnumpy())
            net(xs[1])
            assert all((y.asnumpy() == b).all() for y, b in zip(ys, before, strict=True))
    for on_gpu, on_cpu in zip(grads[:8], grads[8:], strict=True):
        np.testing.assert_allclose(on_gpu, on_cpu, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "lamb"])
def test_a_step_is_one_graph_and_follows_the_learning_rate(optimizer: str) -> None:
    weights = []
    for device in (hn.gpu(0), hn.cpu()):
        net = network(device)
        trainer = gluon.Trainer(net.collect_params(), optimizer, {"learning_rate": 1e-2})
        loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
        x = hn.np.array(normal(16, 8), dtype="float32", ctx=device)
        y = hn.np.array(np.arange(16) % 4, dtype="int32", ctx=device)

        @hn.jit
        def step(x: Any, y: Any, net: Any = net, loss_of: Any = loss_of, trainer: Any = trainer) -> Any:
            with autograd.record():
                loss = loss_of(net(x), y)
            loss.backward()
            trainer.step(16)
            return loss

        for i in range(6):
            trainer.set_learning_rate(1e-2 / (1 + i))
            step(x, y)
        assert not step.retraces
        if device.is_gpu:
            assert "1 CUDA graph (" in step.explain(x, y)
        weights.append([p.data().asnumpy() for p in net.collect_params().values()])
    for on_gpu, on_cpu in zip(*weights, strict=True):
        np.testing.assert_allclose(on_gpu, on_cpu, rtol=1e-3, atol=1e-4)


def test_the_digits_are_learnt_alike_in_all_modes() -> None:
    pytest.importorskip("sklearn")
    digits = example("digits")
    arguments = ["--device", "gpu", "--epochs", "3", "--no-dropout", "--repeats", "0", "--quiet"]
    found = [digits.main(["--mode", mode, *arguments]) for mode in digits.MODES]
    assert all(f["same"] and f["accuracy"] > 0.85 for f in found)
    for f in found[1:]:
        for name, value in f["parameters"].items():
            np.testing.assert_allclose(value, found[0]["parameters"][name], rtol=1e-2, atol=1e-3)
