"""Compiled calls under a budget of memory: the same bits, in as much memory as was asked for, or in the least, which is said."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from emulator.emulator import COMPILER
from hypothesis import given, settings
from hypothesis import strategies as st
from support.exact_programs import ExactProgram, drawn, exact_programs
from support.program_campaign import BLOCKS, compare, outcome, separate

import hybridnet as hn
from hybridnet import autograd, gluon
from hybridnet.codegen import numpy_program
from hybridnet.compile import jit
from hybridnet.config import SETTINGS, Budget, config
from hybridnet.device import Device, cpu, gpu, total_memory
from hybridnet.explain.description import describe
from hybridnet.gluon import nn
from hybridnet.graph import recomputation
from hybridnet.graph.ir import Graph
from hybridnet.graph.recomputation import Order
from hybridnet.runtime import budget as budgets
from hybridnet.runtime.budget import held_bytes

BATCH, UNITS = 64, 32


@pytest.fixture
def budget(monkeypatch: pytest.MonkeyPatch) -> Callable[[float | None], None]:
    return lambda amount: monkeypatch.setattr(config, "memory_budget", None if amount is None else Budget(amount, False))


# -- random programs ------------------------------------------------------------------------------


@contextmanager
def some_level(share: float, step: float) -> Iterator[list[Order]]:
    """Compilations take one of the proposals whatever its plan comes to: plans of arrays of a few bytes are all of one size.

    ``share``: which of them, from the first after the graph as it is (0) to the last (1). Gives those that were taken.
    """
    taken: list[Order] = []

    def chosen(best: tuple[int, Order], proposals: Iterator[Order], room: int, build: Callable[[Graph], int]) -> tuple[int, Order]:
        found = list(proposals) or [best[1]]
        taken.append(found[round(share * (len(found) - 1))])
        return build(taken[-1].rewritten()), taken[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(budgets, "_searched", chosen)
        patch.setattr(recomputation, "_STEP", step)
        patch.setattr(config, "memory_budget", Budget(1, False))
        yield taken


@given(exact_programs(max_steps=14), st.sampled_from(BLOCKS), st.floats(0, 1), st.sampled_from([0.05, 0.4]))
@settings(max_examples=80)
def test_random_programs(program: ExactProgram, block_bytes: int, share: float, step: float) -> None:
    """Special values and all: what is computed again has the bits that it had, with the backward inside and outside."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "block_bytes", block_bytes)
        patch.setattr(numpy_program, "PARALLEL_WORK", 1)
        inside = outcome(program, program)
        with some_level(share, step):
            compare(outcome(jit(lambda xs: program(xs)), program), inside, program)
        if program.backward:
            outside = outcome(separate(program, program.forward), program)
            with some_level(share, step):
                compare(outcome(separate(program, jit(lambda xs: program.forward(xs))), program), outside, program)


def test_random_programs_compute_something_again() -> None:
    again = 0
    for seed in range(40):
        program = drawn(seed)
        with some_level(1, 0.05) as taken:
            outcome(jit(lambda xs, program=program: program(xs)), program)
        again += any(order.repeated for order in taken)
    assert again > 8


@pytest.mark.slow
@pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")
def test_random_programs_on_a_gpu(emulated_gpu: Any) -> None:
    """With a budget and without they are two programs for the device, which give the same bits."""
    again = 0
    for seed in range(60):
        program = drawn(seed)
        with some_level(seed % 3 / 2, 0.3) as taken:
            entry = on_host(jit(lambda xs, program=program: program(xs)), program)
        if any(order.repeated for order in taken):
            compare(entry, on_host(jit(lambda xs, program=program: program(xs)), program), program)
            again += 1
    assert again > 8


def on_host(fn: Callable[[list[Any]], list[Any]], program: ExactProgram) -> Any:
    """What a function gives for a program's arrays on the device."""
    with gpu(), np.errstate(all="ignore"):
        try:
            return [np.array(y.asnumpy()) for y in fn([x.to_device(gpu()) for x in program.arrays(1)])]
        except hn.errors.HybridnetError as error:
            return type(error)


# -- a network ------------------------------------------------------------------------------------


def network(depth: int, device: Device) -> Any:
    """Products, moments, masks and random numbers."""
    net = nn.HybridSequential()
    for _ in range(depth):
        net.add(nn.Dense(UNITS), nn.BatchNorm(), nn.Activation("relu"), nn.Dropout(0.25), nn.Dense(UNITS, activation="tanh"))
    net.add(nn.Dense(3))
    hn.random.seed(7)
    net.initialize(hn.init.Xavier(), ctx=device)
    return net


def data(device: Device) -> tuple[Any, Any]:
    rng = np.random.default_rng(5)
    x = hn.np.array(rng.normal(size=(BATCH, UNITS)).astype(np.float32), ctx=device)
    return x, hn.np.array(rng.integers(0, 3, BATCH), ctx=device)


def hybridized(device: Device, depth: int = 6) -> tuple[list[Any], Any]:
    """The loss and all gradients of a hybridized network, and what its memory plan says."""
    net, (x, label) = network(depth, device), data(device)
    net.hybridize()
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    with autograd.record():
        value = loss(net(x), label)
    value.backward()
    with autograd.record():
        memory = net.memory(x)
    grads = [p.grad().asnumpy() for p in net.collect_params().values() if p.grad_req != "null"]
    return [value.asnumpy(), *grads], memory


def stepped(device: Device, depth: int = 6) -> tuple[list[Any], Any]:
    """The parameters after three compiled training steps, and what the step's memory plan says."""
    net, (x, label) = network(depth, device), data(device)
    net(x)
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 1e-2})
    loss = gluon.loss.SoftmaxCrossEntropyLoss()

    @jit
    def step(x: Any, label: Any) -> Any:
        with autograd.record():
            value = loss(net(x), label)
        value.backward()
        trainer.step(BATCH)
        return value

    values = [step(x, label).asnumpy() for _ in range(3)]
    return [*values, *(p.data().asnumpy() for p in net.collect_params().values())], step.memory(x, label)


WAYS = [hybridized, stepped]


def same(found: list[Any], expected: list[Any]) -> None:
    for y, e in zip(found, expected, strict=True):
        np.testing.assert_array_equal(y, e)


@pytest.mark.parametrize("way", WAYS)
def test_a_network_keeps_to_its_budget(way: Any, budget: Any) -> None:
    expected, plain = way(cpu())
    assert plain.recomputed is None
    budget(1)
    found, memory = way(cpu())
    same(found, expected)
    least = memory.recomputed
    assert memory.planned < 0.6 * plain.planned and least.without - least.peak == plain.planned - memory.planned
    assert "dropout_mask" in {name for name, _ in least.operators}
    for share in (0.3, 0.7, 0.95):
        amount = int(least.peak + share * (least.without - least.peak))
        budget(amount)
        found, memory = way(cpu())
        same(found, expected)
        now = memory.recomputed
        assert now.budget == amount and now.peak <= amount and now.without == least.without and 0 < now.added <= least.added
    budget(least.without)
    _, memory = way(cpu())
    assert memory.planned == plain.planned and memory.recomputed.operators == ()


@pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")
@pytest.mark.parametrize("way", WAYS)
def test_a_network_on_a_gpu(way: Any, budget: Any, emulated_gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "graph_branches", False)  # for which small arenas grow to a megabyte
    expected, plain = way(gpu(), 3)
    budget(1)
    found, memory = way(gpu(), 3)
    same(found, expected)
    assert memory.planned < plain.planned and memory.recomputed.operators


def test_what_cannot_be_reached_is_said(budget: Any, caplog: pytest.LogCaptureFixture) -> None:
    budget(1000)
    with caplog.at_level(logging.WARNING, logger="hybridnet"):
        _, memory = stepped(cpu())
    now = memory.recomputed
    (text,) = [r.getMessage() for r in caplog.records if r.getMessage().startswith("step:")]
    assert "HYBRIDNET_MEMORY_BUDGET is 1,000 bytes" in text and f"{now.peak:,} ({now.without:,} without)" in text


def test_explain_says_what_is_computed_again(budget: Any) -> None:
    x = hn.np.ones((1000, 10))
    x.attach_grad()

    @jit
    def f(x: Any) -> Any:
        for _ in range(6):
            x = hn.np.tanh(x) * 2
        return x.sum()

    with autograd.record():
        assert "budget" not in f.explain(x)
        budget(250_000)
        f.cache.clear()
        text, memory = f.explain(x), f.memory(x)
    assert str(memory.recomputed) in text and "a budget of 250,000 bytes: computes" in text and " tanh" in text
    assert memory.recomputed.peak <= 250_000 < memory.recomputed.without


def test_the_page_shows_it_as_a_pass(budget: Any, tmp_path: Any) -> None:
    net, (x, _) = network(4, cpu()), data(cpu())
    net.hybridize()
    budget(1)
    with autograd.record():
        compilation = net._jit()._compilation((x,), {}, False)
        net.explain(x, html=tmp_path / "page.html")
    described = describe(compilation)
    (shown,) = [p for p in described["passes"] if p["name"] == "budget"]
    assert shown["part"] == "passes" and shown["after"] > shown["before"] and not shown["gone"]
    assert {"dce-late", "budget"} <= {p["name"] for p in described["passes"]} and any(
        p["part"].endswith("backward") for p in described["passes"]
    )


def test_it_can_be_switched_off(budget: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    budget(1)
    monkeypatch.setattr(config, "disabled_passes", frozenset({"budget"}))
    assert stepped(cpu(), 2)[1].recomputed is None


def test_arguments_and_results_count() -> None:
    """Once each, and what is written into an argument's array not again."""
    x, y = hn.np.ones((10, 10)), hn.np.ones((10,))

    @jit
    def f(x: Any, y: Any) -> Any:
        x += 1
        return x * y, y

    entry = f._inspect((x, y), {})
    assert held_bytes(entry.graph, entry.roles.donated) == 4 * (100 + 10 + 100)


# -- the setting ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "amount", "share"), [("8e9", 8e9, False), ("12345", 12345, False), ("80%", 0.8, True), ("100 %", 1, True)]
)
def test_how_it_is_written(text: str, amount: float, share: bool) -> None:
    assert SETTINGS["memory_budget"].parse(text) == Budget(amount, share)


@pytest.mark.parametrize("text", ["", "0", "-1", "120%", "0%", "half", "8GB", "nan", "inf"])
def test_what_is_no_budget(text: str) -> None:
    with pytest.raises(ValueError):
        SETTINGS["memory_budget"].parse(text)


def test_a_share_is_of_the_device(monkeypatch: pytest.MonkeyPatch, emulated_gpu: Any) -> None:
    monkeypatch.setattr(config, "memory_budget", Budget(0.5, True))
    for device in (cpu(), gpu()):
        f = jit(lambda x: x.exp().sum())
        assert f.memory(hn.np.ones(4, ctx=device)).recomputed.budget == total_memory(device) // 2  # type: ignore[union-attr]
