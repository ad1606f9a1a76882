"""Collectives in CUDA programs: calls of NCCL inside the captured graph, on emulated GPUs of ranks that are threads."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from emulator.device import emulated_gpu
from emulator.emulator import COMPILER
from support.rank_programs import program
from support.ranks import on_ranks

import hybridnet as hn
from hybridnet import autograd, gluon, lowering
from hybridnet.codegen.cuda_steps import CupyStep, LibraryStep
from hybridnet.codegen.order import ancestors
from hybridnet.compile import jit
from hybridnet.config import config
from hybridnet.core import array
from hybridnet.device import communicate
from hybridnet.errors import HybridnetError
from hybridnet.gluon import nn
from hybridnet.lowering.buckets import buckets
from hybridnet.ops.collective.collective import all_gather, all_reduce, all_to_all, broadcast, reduce_scatter

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")


def network(device: Any) -> Any:
    net = nn.HybridSequential()
    net.add(nn.Dense(8, activation="relu", in_units=6), nn.Dense(4, in_units=8))
    net.initialize(ctx=device)
    rng = np.random.default_rng(3)
    for p in net.collect_params().values():
        p.set_data(rng.normal(size=p.shape) * 0.3)
    return net


def training(
    device: Any, rank: int, ranks: int, steps: int = 4, optimizer: str = "adam", shard: bool = False
) -> tuple[list[Any], Any, tuple[Any, ...]]:
    """The parameters after some steps on the ``rank``-th rows of each batch; the compiled step, and what it takes."""
    net = network(device)
    params = list(net.collect_params().values())
    trainer = gluon.Trainer(params, optimizer, {"learning_rate": 0.05}, kvstore="dist_sync", shard_states=shard)
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()

    @jit
    def step(x: Any, y: Any) -> Any:
        with autograd.record():
            loss = loss_of(net(x), y)
        loss.backward()
        trainer.step(12)
        return loss.sum()

    rng = np.random.default_rng(0)
    for _ in range(steps):
        x, y = rng.normal(size=(12, 6)).astype("float32"), rng.integers(0, 4, 12)
        batch = tuple(array(a[rank::ranks], device=device) for a in (x, y))
        step(*batch)
    return [p.data().asnumpy() for p in params], step, batch


@pytest.mark.parametrize("optimizer", ["adam", "lamb"])
def test_states_are_divided_in_one_graph(optimizer: str) -> None:
    expected, _, _ = training(hn.cpu(), 0, 1, optimizer=optimizer)

    def run(rank: int) -> Any:
        found, step, batch = training(hn.gpu(rank), rank, 2, optimizer=optimizer, shard=True)
        return found, step.explain(*batch)

    with emulated_gpu(devices=2):
        for found, text in on_ranks(2, run):
            assert "step: 1 CUDA graph (" in text and "reduce_scatter of an array" in text and "all_gather of an array" in text
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_a_step_trains_as_on_one_rank(ranks: int) -> None:
    """The sums are one call in the one graph, each where its gradient was computed and is kept."""
    expected, _, _ = training(hn.cpu(), 0, 1)

    def run(rank: int) -> Any:
        found, step, batch = training(hn.gpu(rank), rank, ranks)
        return found, step.explain(*batch), step._inspect(batch, {}).program.source.steps

    with emulated_gpu(devices=ranks):
        results = on_ranks(ranks, run)
    for found, text, steps in results:
        for a, b, same in zip(found, expected, results[0][0], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
            np.testing.assert_array_equal(a, same)
        assert "step: 1 CUDA graph (" in text
        if ranks == 1:  # nothing is sent
            continue
        assert f"all_reduce of 4 arrays, 368 bytes, over {ranks} ranks by NCCL, in a graph" in text
        (call,) = [s for s in steps if isinstance(s, LibraryStep) and s.node.op.name == "all_reduce"]
        half = len(call.pointers) // 2
        assert call.pointers[:half] == call.pointers[half:]


COLLECTIVES: dict[str, Callable[[Any], Any]] = {
    "all_reduce": all_reduce,
    "reduce_scatter": reduce_scatter,
    "all_gather": all_gather,
    "all_to_all": all_to_all,
    "broadcast": lambda x: broadcast(x, root=1),
}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", COLLECTIVES)
def test_each_is_what_it_is_on_the_host(name: str, dtype: str) -> None:
    """Eagerly, and in programs, run after run; forward and gradient."""

    def run(device: Any, rank: int) -> list[Any]:
        rng = np.random.default_rng(rank)
        found = []
        for way in (lambda fn: fn, jit):
            fn = way(lambda x: COLLECTIVES[name](x * 2) * 0.5)
            for _ in range(3):
                x = array(rng.normal(size=(4, 3)), dtype=dtype, device=device)
                x.attach_grad()
                with autograd.record():
                    y = fn(x)
                    loss = y * y
                loss.backward()
                found += [y, x.grad]
        return [v.astype("float32").asnumpy() for v in found]

    with emulated_gpu(devices=2):
        on_gpus = on_ranks(2, lambda rank: run(hn.gpu(rank), rank))
    on_hosts = on_ranks(2, lambda rank: run(hn.cpu(), rank))
    for gpu, host in zip(on_gpus, on_hosts, strict=True):
        for a, b in zip(gpu, host, strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-2 if dtype == "bfloat16" else 1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_one_rank_on_a_device_that_is_late(seed: int) -> None:
    """All that a rank can do by itself: a communicator of one, in the graph, and work that is put off."""
    fn = lambda x: (all_reduce((x * 2).sin(), x + 1)[0] + all_gather(reduce_scatter(x.exp()))) * broadcast(x, 0)
    batches = [np.random.default_rng(i).normal(size=(4, 3)).astype("float32") for i in range(4)]
    expected = [fn(array(x)).asnumpy() for x in batches]
    with emulated_gpu(asynchronous=seed):
        compiled = jit(fn)
        found = [compiled(array(x, device=hn.gpu())) for x in batches]
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a.asnumpy(), b, rtol=1e-5, atol=1e-6)
        assert "over 1 ranks by NCCL, in a graph" in compiled.explain(array(batches[0], device=hn.gpu()))


def test_without_nccl_arrays_go_through_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    expected, _, _ = training(hn.cpu(), 0, 1)

    def run(rank: int) -> Any:
        found, step, batch = training(hn.gpu(rank), rank, 2)
        return found, [s for s in step._inspect(batch, {}).program.source.steps if isinstance(s, CupyStep)]

    with emulated_gpu(devices=2):
        monkeypatch.setattr(communicate, "_nccl", lambda: None)
        for found, between in on_ranks(2, run):
            assert [s.node.op.name for s in between] == ["all_reduce"]
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_ranks_that_do_not_call_the_same_are_found_by_the_stand_in() -> None:
    def run(rank: int) -> None:
        x = hn.np.ones(3 + rank, device=hn.gpu(rank))
        all_reduce(x)

    with emulated_gpu(devices=2), pytest.raises(HybridnetError, match="ranks differ in what they call"):
        on_ranks(2, run)


SEEDS = [pytest.param(seed, marks=() if seed == 0 else pytest.mark.slow) for seed in range(12)]


@pytest.mark.parametrize("seed", SEEDS)
def test_random_programs_on_lanes(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the bit what they give on one lane, on every rank, though communication comes as late as it may, and all else in any order."""
    monkeypatch.setattr(config, "debug", 1)  # every order is proved
    ranks = 2 + seed % 2

    def arrays(rank: int, start: int) -> list[Any]:
        rng = np.random.default_rng(start + 1000 * rank)
        return [array(rng.normal(size=(6, 6)), device=hn.gpu(rank)) for _ in range(3)]

    def run(rank: int) -> list[Any]:
        states = arrays(rank, seed + 7)
        fn, xs = jit(program(seed, states, steps=12)), arrays(rank, seed)
        found = [fn(*xs) for _ in range(4)]
        for x in xs:
            x.attach_grad()
        for _ in range(3):
            with autograd.record():
                y = fn(*xs)
            y.backward()
        return [v.asnumpy() for v in (*found, y, *states, *(x.grad for x in xs))]

    results = []
    for branches in (True, False):
        monkeypatch.setattr(config, "graph_branches", branches)
        with emulated_gpu(devices=ranks):
            results.append(on_ranks(ranks, run))
    for lanes, line in zip(*results, strict=True):
        for a, b in zip(lanes, line, strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_backward_goes_on_while_gradients_are_summed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a bucket for each gradient: what computes the next one does not wait for the sum of the one before."""
    monkeypatch.setattr(lowering, "buckets", lambda graph: buckets(graph, limit=1))

    def run(rank: int) -> Any:
        found, step, batch = training(hn.gpu(rank), rank, 2)
        return found, step._inspect(batch, {}).program.source

    parameters = {}
    for branches in (True, False):
        monkeypatch.setattr(config, "graph_branches", branches)
        with emulated_gpu(devices=2):
            (parameters[branches], source), _ = on_ranks(2, run)
        sums = [i for i, s in enumerate(source.steps) if isinstance(s, LibraryStep) and s.node.op.name == "all_reduce"]
        products = [i for i, s in enumerate(source.steps) if isinstance(s, LibraryStep) and "matmul" in s.node.op.name]
        reached = ancestors(source.order.before)
        beside = [(i, j) for i in sums for j in products if j > i and not reached[j] >> i & 1]
        assert len(sums) == 4 and bool(beside) == branches
        if branches:
            lanes = source.order.lanes
            assert len({lanes[i] for i in sums}) == 1 and lanes.count(lanes[sums[0]]) == len(sums)
    for a, b in zip(parameters[True], parameters[False], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("data", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_layers_divided_among_gpus_train_as_on_one(data: int) -> None:
    """Sums of a group, or on a mesh of two, each by a communicator of its own."""

    def train(device: Any, mesh: dict[str, Any]) -> tuple[list[Any], str]:
        net = nn.HybridSequential()
        net.add(
            nn.ColumnParallelDense(8, mesh["model"], "relu", in_units=6),
            nn.RowParallelDense(6, mesh["model"], in_units=8),
            nn.ColumnParallelDense(4, mesh["model"], in_units=6, gather_output=True),
        )
        net.initialize(ctx=device)
        rng = np.random.default_rng(3)
        params = list(net.collect_params().values())
        for p in params:
            p.set_data(rng.normal(size=getattr(p, "whole_shape", p.shape)) * 0.3)
        trainer = gluon.Trainer(params, "adam", {"learning_rate": 0.05}, kvstore="dist_sync")
        loss_of = gluon.loss.SoftmaxCrossEntropyLoss()

        @jit
        def step(x: Any, y: Any) -> Any:
            with autograd.record():
                loss = loss_of(net(x), y)
            loss.backward()
            trainer.step(8)
            return loss.sum()

        rng = np.random.default_rng(0)
        rows = slice(mesh["data"].rank, None, mesh["data"].size)
        for _ in range(3):
            x, y = rng.normal(size=(8, 6)).astype("float32"), rng.integers(0, 4, 8)
            batch = tuple(array(a[rows], device=device) for a in (x, y))
            step(*batch)
        return [p._reduce().asnumpy() for p in params], step.explain(*batch)

    expected, _ = train(hn.cpu(), hn.distributed.mesh(data=1, model=1))
    with emulated_gpu(devices=2 * data):
        for found, text in on_ranks(2 * data, lambda rank: train(hn.gpu(rank), hn.distributed.mesh(data=data, model=2))):
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
            assert "over 2 ranks by NCCL" in text and ("over 2 ranks that have the same slices of parameters" in text) is (data == 2)
