"""On a CUDA device: every operator with its gradient as part of a CUDA graph, and what a compiled step promises, against the CPU.

The same is tested everywhere on an emulated device, more thoroughly; here the real one has its say, within a minute.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.example import example
from support.operator_steps import CHUNKS, check, name_of

import hybridnet as hn
from hybridnet import autograd, gluon
from hybridnet.config import Budget, config
from hybridnet.core import Op
from hybridnet.gluon import nn
from hybridnet.ops.common import normal

pytestmark = pytest.mark.gpu


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


def trained(budget: Budget | None, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Any], Any]:
    """The gradients of a network with convolutions, and what its memory plan says."""
    monkeypatch.setattr(config, "memory_budget", budget)
    hn.random.seed(3)
    net = nn.HybridSequential()
    for _ in range(4):
        net.add(nn.Conv2D(16, 3, padding=1), nn.BatchNorm(), nn.Activation("relu"), nn.Dropout(0.2))
    net.add(nn.Dense(4))
    net.initialize(hn.init.Xavier(), ctx=hn.gpu(0))
    net.hybridize()
    x = hn.np.array(normal(8, 16, 12, 12), dtype="float32", ctx=hn.gpu(0))
    with autograd.record():
        y = net(x)
    y.backward()
    with autograd.record():
        memory = net.memory(x)
    return [y.asnumpy(), *(p.grad().asnumpy() for p in net.collect_params().values() if p.grad_req != "null")], memory


def test_a_budget_of_memory_changes_nothing_and_a_timing_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is computed again is the same, by the algorithms that the first network's run has found to be the fastest.

    But for the last bits, which depend on what else is in a kernel: there NVRTC joins products and sums.
    """
    monkeypatch.setattr(config, "cache_dir", str(tmp_path))
    trained(None, monkeypatch)
    expected, plain = trained(None, monkeypatch)
    kept = {path.name: path.read_bytes() for path in tmp_path.glob("*.algorithm")}
    found, memory = trained(Budget(1, False), monkeypatch)
    assert memory.planned < plain.planned and memory.recomputed.operators
    for y, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(y, e, rtol=1e-4, atol=1e-5 * np.abs(e).max())
    assert {name: (tmp_path / name).read_bytes() for name in kept} == kept


def test_the_digits_are_learnt_alike_in_all_modes() -> None:
    pytest.importorskip("sklearn")
    digits = example("digits")
    arguments = ["--device", "gpu", "--epochs", "3", "--no-dropout", "--repeats", "0", "--quiet"]
    found = [digits.main(["--mode", mode, *arguments]) for mode in digits.MODES]
    assert all(f["same"] and f["accuracy"] > 0.85 for f in found)
    for f in found[1:]:
        for name, value in f["parameters"].items():
            np.testing.assert_allclose(value, found[0]["parameters"][name], rtol=1e-2, atol=1e-3)
