"""Sums over ranks that travel in 16 bits and are made in float32: how they are rounded, how much is sent, and trainings by them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.ranks import Threads, on_ranks

import hybridnet as hn
from hybridnet import autograd, dtypes, gluon, kv
from hybridnet.compile import jit
from hybridnet.core import array
from hybridnet.errors import ArgumentError
from hybridnet.gluon import nn
from hybridnet.ops.collective.collective import all_to_all
from hybridnet.ops.collective.halves import scatter_in_halves, sum_in_halves

WAYS: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {"eager": lambda fn: fn, "jit": jit}
SENT = {"float16": dtypes.float16, "bfloat16": dtypes.bfloat16}


@pytest.mark.parametrize("way", WAYS)
def test_all_to_all_is_its_own_transpose(way: str) -> None:
    def run(rank: int) -> Any:
        x = array(np.arange(6.0).reshape(6, 1) + 10 * rank)
        x.attach_grad()
        with autograd.record():
            y = WAYS[way](all_to_all)(x)
        y.backward(y)
        return y.asnumpy(), x.grad.asnumpy(), x.asnumpy()

    found = on_ranks(3, run)
    for rank, (y, slope, x) in enumerate(found):
        np.testing.assert_array_equal(y, np.concatenate([np.split(other, 3)[rank] for _, _, other in found]))
        np.testing.assert_array_equal(slope, x)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SENT)
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_each_number_is_rounded_twice(ranks: int, name: str, way: str) -> None:
    """When it is sent, and when the sum of all is, which was made in float32."""
    sent, shapes = SENT[name], [(5, 3), (), (2,), (0, 4)]
    xs = [[np.random.default_rng(r).normal(size=s).astype("float32") * 100 for s in shapes] for r in range(ranks)]

    def run(rank: int) -> list[Any]:
        fn = WAYS[way](lambda *arrays: sum_in_halves(arrays, sent))
        return [y.asnumpy() for y in fn(*map(array, xs[rank]))]

    found = on_ranks(ranks, run)
    for i, shape in enumerate(shapes):
        total = np.sum([x[i].astype(sent).astype("float32") for x in xs], axis=0, dtype="float32")
        for results in found:
            assert results[i].shape == shape and results[i].dtype == np.float32
            np.testing.assert_array_equal(results[i], np.asarray(total, "float32").astype(sent).astype("float32"))


def test_ones_that_16_bits_would_lose_are_counted() -> None:
    """2048 + 1 + 1 + 1 one by one in float16 stays 2048."""

    def run(rank: int) -> Any:
        x = array(np.full(4, [2048, 1, 1, 2][rank], "float32"))
        return sum_in_halves([x], dtypes.float16)[0].tolist(), scatter_in_halves(x, dtypes.float16).tolist()

    assert on_ranks(4, run) == [([2052.0] * 4, [2052.0])] * 4


def network() -> Any:
    net = nn.HybridSequential()
    net.add(nn.Dense(16, activation="relu", in_units=6), nn.Dense(4, in_units=16))
    net.initialize()
    rng = np.random.default_rng(3)
    for p in net.collect_params().values():
        p.set_data(rng.normal(size=p.shape) * 0.3)
    return net


def train(rank: int, ranks: int, way: str, compression: Any, shard: bool = False) -> tuple[list[Any], str]:
    net = network()
    params = list(net.collect_params().values())
    trainer = gluon.Trainer(params, "sgd", {"learning_rate": 0.1}, kvstore="dist_sync", compression_params=compression, shard_states=shard)
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()

    def step(x: Any, y: Any) -> Any:
        with autograd.record():
            loss = loss_of(net(x), y)
        loss.backward()
        trainer.step(12)
        return loss.sum()

    run: Any = WAYS[way](step)
    rng = np.random.default_rng(0)
    for _ in range(3):
        x, y = rng.normal(size=(12, 6)).astype("float32"), rng.integers(0, 4, 12)
        batch = array(x[rank::ranks]), array(y[rank::ranks])
        run(*batch)
    return [p.data().asnumpy() for p in params], run.explain(*batch) if way == "jit" else ""


@pytest.mark.parametrize(("way", "shard"), [("eager", False), ("jit", False), ("jit", True)])
@pytest.mark.parametrize(("kind", "near"), [("fp16", 2e-4), ("bf16", 2e-3)])
def test_a_training_is_that_of_one_rank_but_for_rounding(way: str, shard: bool, kind: str, near: float) -> None:
    expected, _ = train(0, 1, "eager", None)
    found = on_ranks(2, lambda rank: train(rank, 2, way, {"type": kind}, shard))
    different = False
    for params, text in found:
        for a, b, first in zip(params, expected, found[0][0], strict=True):
            np.testing.assert_allclose(a, b, atol=near)
            np.testing.assert_array_equal(a, first)
            different |= bool((a != b).any())
        if way == "jit" and not shard:
            assert f"over 2 ranks (in {'float16' if kind == 'fp16' else 'bfloat16'}, sums in float32), then divided" in text
    assert different


def test_half_the_bytes_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    for name in ("all_reduce", "all_to_all", "all_gather"):
        plain = getattr(Threads, name)

        def counted(self: Any, source: Any, target: Any, plain: Any = plain) -> None:
            sent.append(max(source.nbytes, target.nbytes))
            plain(self, source, target)

        monkeypatch.setattr(Threads, name, counted)
    size = sum(p.data().size for p in network().collect_params().values())

    def bytes_of(compression: Any) -> int:
        sent.clear()
        on_ranks(2, lambda rank: train(rank, 2, "eager", compression))
        return sum(sent) // 6  # two ranks, three steps

    # A sum goes once to where it is made and once back; there of float32, here of 16 bits each way.
    assert (bytes_of(None), bytes_of({"type": "fp16"})) == (4 * size, 2 * 2 * size)


def test_a_store_sends_so_too() -> None:
    def run(rank: int) -> Any:
        store = kv.create("dist_sync")
        store.set_gradient_compression({"type": "fp16"})
        store.init("w", hn.np.zeros((2,)))
        store.push("w", hn.np.array([1 / 3, 4096.0 + rank]))
        store.pull("w", out := hn.np.zeros((2,)))
        return out.tolist()

    third = 2 * float(np.float16(1 / 3))
    assert on_ranks(2, run) == [[float(np.float16(third)), 8192.0]] * 2


def test_other_compressions_are_refused() -> None:
    def run(rank: int) -> None:
        for params in ({"type": "2bit"}, {"type": "fp16", "threshold": 1}, "fp16"):
            with pytest.raises(ArgumentError, match=r"expected with several ranks \{'type': 'fp16'\} or \{'type': 'bf16'\}; got"):
                gluon.Trainer(network().collect_params(), "sgd", kvstore="dist_sync", compression_params=params)

    on_ranks(2, run)
