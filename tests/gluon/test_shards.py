"""Optimizer states divided by ranks, on threads that are ranks: the numbers of one that has all, in as many parts of the memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.ranks import on_ranks

import hybridnet as hn
from hybridnet import autograd, gluon
from hybridnet.core import Array
from hybridnet.errors import ArgumentError
from hybridnet.gluon.slices import by_element
from hybridnet.optimizer import Optimizer

SHAPES = ((7, 5), (5,), (3, 3), (), (40,))
BATCH = 6


def parameters(dtype: str = "float64") -> list[Any]:
    made = []
    rng = np.random.default_rng(1)
    for i, shape in enumerate(SHAPES):
        p = gluon.Parameter(f"p{i}_{'bias' if len(shape) == 1 else 'weight'}", shape=shape, dtype=dtype, wd_mult=0.0 if i == 1 else 1.0)
        p.initialize()
        p.set_data(hn.np.array(rng.normal(size=shape), dtype=dtype))
        made.append(p)
    return made


def train(
    rank: int, ranks: int, optimizer: str, way: str = "eager", shard: bool = True, steps: int = 4, file: Path | None = None, **more: Any
) -> tuple[list[Any], Any]:
    """The parameters after some steps on this rank's rows, and the trainer. ``file``: states to begin with, if it is there."""
    params = parameters(more.pop("dtype", "float64"))
    arguments = {"learning_rate": 0.05, "wd": 0.1, **more}
    trainer = gluon.Trainer(params, optimizer, arguments, kvstore="dist_sync", shard_states=shard)
    if file is not None and file.exists():
        trainer.load_states(str(file))

    def step(x: Any) -> None:
        with autograd.record():
            loss = sum(((p.data() * x[:, i].mean() + 0.3) ** 2).sum() * len(x) for i, p in enumerate(params))
        loss.backward()
        if way == "by_hand":
            trainer.allreduce_grads()
            trainer.update(BATCH)
        else:
            trainer.step(BATCH)

    run = hn.jit(step) if way == "jit" else step
    rng = np.random.default_rng(2)
    for _ in range(steps):
        rows = np.repeat(rng.normal(size=(1, len(SHAPES))), BATCH, axis=0)
        run(hn.np.array(rows[rank::ranks], dtype=params[0].dtype))
    if file is not None:
        trainer.save_states(str(file) if rank == 0 else os.devnull)
    return [p.data().astype("float64").asnumpy() for p in params], trainer


def bytes_of(state: Any) -> int:
    if isinstance(state, (tuple, list)):
        return sum(map(bytes_of, state))
    return int(state._data.nbytes) if isinstance(state, Array) else 0


#: Those that are by elements and norms. SGLD draws noise, GroupAdaGrad goes by rows, Nadam counts parameters, LBSGD updates one by one.
DIVIDED = sorted(name for name, kind in Optimizer.opt_registry.items() if by_element(kind) and name != "lbsgd")


def test_which_are_divided() -> None:
    assert set(Optimizer.opt_registry) - set(DIVIDED) >= {"sgld", "groupadagrad", "lbsgd", "nadam"}
    assert {"sgd", "adam", "adamw", "lamb", "lars", "ftml"} <= set(DIVIDED)


@pytest.mark.parametrize("optimizer", DIVIDED)
def test_every_optimizer_gives_the_numbers_of_one_rank(optimizer: str) -> None:
    expected, _ = train(0, 1, optimizer)
    for ranks, way in ((2, "jit"), (3, "eager")):
        results = [found for found, _ in on_ranks(ranks, lambda rank, ranks=ranks, way=way: train(rank, ranks, optimizer, way))]
        for found in results:
            for a, b, same in zip(found, expected, results[0], strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
                np.testing.assert_array_equal(a, same)


@pytest.mark.parametrize(
    "arguments", [{"momentum": 0.9, "clip_gradient": 0.2}, {"momentum": 0.9, "dtype": "float16", "multi_precision": True}]
)
@pytest.mark.parametrize("way", ["eager", "by_hand", "jit"])
def test_ways_and_types(way: str, arguments: dict[str, Any]) -> None:
    expected, _ = train(0, 1, "sgd", **arguments)
    tolerance = 5e-3 if "dtype" in arguments else 1e-9
    for found, _ in on_ranks(2, lambda rank: train(rank, 2, "sgd", way, **arguments)):
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_memory_is_divided() -> None:
    _, whole = train(0, 1, "adam")
    total = bytes_of(whole._states)
    for ranks in (2, 4):
        for _, trainer in on_ranks(ranks, lambda rank, ranks=ranks: train(rank, ranks, "adam")):
            assert bytes_of(trainer._states) == 0
            filling = len(trainer._shards.regions) * 2 * 8 * 8  # of two states of float64, up to 8 numbers a region
            assert total / ranks <= sum(bytes_of(r.state) for r in trainer._shards.regions) + 1 <= total / ranks + filling + 1


@pytest.mark.parametrize("optimizer", ["adam", "ftml"])
def test_states_go_on_on_any_number_of_ranks(optimizer: str, tmp_path: Path) -> None:
    """Written by 3 ranks, read by 2, by 1, and by 2 that are not divided; the file is that of one rank."""
    start = tmp_path / "states"
    on_ranks(3, lambda rank: train(rank, 3, optimizer, file=start))
    alone = tmp_path / "alone"
    train(0, 1, optimizer, file=alone)
    ends = []
    for source, ranks, shard in ((alone, 1, False), (start, 1, False), (start, 2, True), (start, 2, False)):
        copy = tmp_path / "copy"
        copy.write_bytes(source.read_bytes())
        ends.append(
            on_ranks(ranks, lambda rank, ranks=ranks, shard=shard, copy=copy: train(rank, ranks, optimizer, shard=shard, file=copy))[0][0]
        )
    for end in ends[1:]:
        for a, b in zip(end, ends[0], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_refusals() -> None:
    class Rows(hn.optimizer.SGD):
        def rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> None:
            weight -= grad.mean()

    for optimizer in ("sgld", Rows()):
        with pytest.raises(ArgumentError, match=r"an optimizer whose rule goes by elements, and by norms of parameters; got (SGLD|Rows)"):
            on_ranks(2, lambda rank, optimizer=optimizer: _one_step(optimizer))

    def changed(rank: int) -> None:
        _, trainer = train(rank, 2, "sgd")
        trainer._params[0].wd_mult = 0.5
        with autograd.record():
            loss = sum(p.data().sum() for p in trainer._params)
        loss.backward()
        trainer.step(1)

    with pytest.raises(ArgumentError, match="the parameters, types and multipliers of the first step"):
        on_ranks(2, changed)


def _one_step(optimizer: Any) -> None:
    params = parameters()
    trainer = gluon.Trainer(params, optimizer, kvstore="dist_sync", shard_states=True)
    with autograd.record():
        loss = sum(p.data().sum() for p in params)
    loss.backward()
    trainer.step(1)
