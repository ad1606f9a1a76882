"""Layers divided among ranks: the same numbers, first values and files as on one rank, alone and with data divided as well."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.divided_language import train
from support.ranks import on_ranks

import hybridnet as hn
from hybridnet import autograd, distributed, gluon
from hybridnet.errors import ArgumentError, ShapeError
from hybridnet.gluon import nn
from hybridnet.gluon.contrib.estimator import BatchEnd, CheckpointHandler

QUICK = {("jit", 2, 2), ("eager", 1, 2), ("hybrid", 1, 4)}
CASES = [
    pytest.param(way, data, model, marks=() if (way, data, model) in QUICK else pytest.mark.slow)
    for way in ("eager", "hybrid", "jit")
    for data, model in ((1, 2), (1, 4), (2, 1), (2, 2))
]
ALONE: dict[Any, Any] = {}


def alone(**more: Any) -> Any:
    key = tuple(more.items())
    if key not in ALONE:
        ALONE[key] = train(distributed.mesh(data=1, model=1), "eager", drawn=False, **more)
    return ALONE[key]


def on_mesh(data: int, model: int, way: str, **more: Any) -> list[Any]:
    def run(rank: int) -> Any:
        params, losses = train(distributed.mesh(data=data, model=model), way, drawn=False, **more)
        return params, sum(distributed.gather_objects(losses[-1])) / model

    return on_ranks(data * model, run)


def compare(found: list[Any], expected: Any) -> None:
    """All ranks have come to what one rank comes to, and all to the same, to the bit."""
    for params, last in found:
        np.testing.assert_allclose(last, expected[1][-1], rtol=1e-9)
        for i, (a, b, first) in enumerate(zip(params, expected[0], found[0][0], strict=True)):
            np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9, err_msg=str(i))
            np.testing.assert_array_equal(a, first)


NORMS: dict[Any, Any] = {}


def clipped(mesh: dict[str, Any], way: str, shard: bool) -> tuple[list[Any], list[float]]:
    """Whole parameters, and the norms, of steps whose gradients are clipped by the norm of all of them."""
    net = nn.HybridSequential()
    net.add(
        nn.ColumnParallelDense(8, mesh["model"], "tanh", in_units=5),
        nn.RowParallelDense(3, mesh["model"], in_units=8),
        nn.Dense(2, in_units=3),
    )
    net.initialize()
    net.cast("float64")
    rng = np.random.default_rng(1)
    params = list(net.collect_params().values())
    for p in params:
        p.set_data(0.3 * rng.normal(size=getattr(p, "whole_shape", p.shape)))
    if way == "hybrid":
        net.hybridize()
    trainer = gluon.Trainer(params, "adam", {"learning_rate": 0.1}, kvstore="dist_sync", shard_states=shard)

    def step(x: Any) -> Any:
        with autograd.record():
            loss = (net(x) ** 2).sum()
        loss.backward()
        trainer.allreduce_grads()
        norm = gluon.utils.clip_global_norm([p.grad() for p in params], 5.0, check_isfinite=False)
        trainer.update(1)
        return norm

    run = hn.jit(step) if way == "jit" else step
    rows = slice(mesh["data"].rank, None, mesh["data"].size)
    norms = [float(run(hn.np.array(x[rows])).item()) for x in rng.normal(size=(4, 8, 5)) * [[[0.01]], [[1]], [[3]], [[0.02]]]]
    return [p._reduce().asnumpy() for p in params], norms


@pytest.mark.parametrize(
    ("way", "data", "model", "shard"), [("eager", 1, 2, False), ("hybrid", 2, 2, False), ("jit", 2, 2, True), ("jit", 1, 4, False)]
)
def test_the_norm_of_all_gradients_is_that_of_wholes(way: str, data: int, model: int, shard: bool) -> None:
    if not NORMS:
        NORMS["alone"] = clipped(distributed.mesh(data=1, model=1), "eager", False)
    expected, norms = NORMS["alone"]
    assert min(norms) < 5 < max(norms)
    found = on_ranks(data * model, lambda rank: clipped(distributed.mesh(data=data, model=model), way, shard))
    compare([(params, each[-1]) for params, each in found], (expected, norms))
    for _, each in found:
        np.testing.assert_allclose(each, norms, rtol=1e-9)
        assert each == found[0][1]


@pytest.mark.parametrize(("data", "model"), [(1, 2), (2, 2)])
@pytest.mark.parametrize("arguments", [{"clip_global_norm": 0.3}, {"accumulate": 2}], ids=["clipped", "accumulated"])
def test_fit_gives_ranks_that_divide_layers_the_same_part(data: int, model: int, arguments: dict[str, Any]) -> None:
    """19 samples in batches of 4, of which the last is uneven; what is measured is of each sample once."""
    rng = np.random.default_rng(2)
    x, y, values = rng.normal(size=(19, 5)), rng.normal(size=(19, 2)), rng.normal(size=(64,))

    def fitted(mesh: dict[str, Any]) -> Any:
        net = nn.HybridSequential()
        net.add(nn.ColumnParallelDense(8, mesh["model"], "tanh", in_units=5), nn.RowParallelDense(2, mesh["model"], in_units=8))
        net.initialize()
        net.cast("float64")
        params = list(net.collect_params().values())
        for p in params:
            p.set_data(np.resize(values, getattr(p, "whole_shape", p.shape)))
        net.compile("adam", "l2", ["mae"], {"learning_rate": 0.05})
        history = net.fit(x, y, epochs=2, batch_size=4, shuffle=False, verbose=0, **arguments).history
        return [p._reduce().asnumpy() for p in params], [*history["loss"], *history["mae"], *net.evaluate(x, y, batch_size=5).values()]

    expected = fitted(distributed.mesh(data=1, model=1))
    found = on_ranks(data * model, lambda rank: fitted(distributed.mesh(data=data, model=model)))
    compare([(params, expected[1][-1]) for params, _ in found], expected)
    for _, measured in found:  # the 1e-8 that a norm is lifted by weighs less beside sums over more ranks
        np.testing.assert_allclose(measured, expected[1], rtol=1e-7)


class Stop(BatchEnd):
    """Ends a run after so many batches, in place of a kill."""

    priority = 1000  # behind the checkpoint of the batch

    def __init__(self, batches: int) -> None:
        self.left = batches

    def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        self.left -= 1
        if not self.left:
            raise InterruptedError


@pytest.mark.parametrize(("data", "model"), [(1, 2), (2, 1), (2, 2)])
def test_fit_goes_on_amid_gradients_that_are_added_up(data: int, model: int, tmp_path: Path) -> None:
    """Stopped after one batch, one more, two, one and four; three make an update. The same as undisturbed, what is measured too."""
    rng = np.random.default_rng(3)
    x, y, values = rng.normal(size=(28, 5)), rng.normal(size=(28, 2)), rng.normal(size=(64,))

    def fitted(rank: int, stops: tuple[int, ...], folder: Path) -> Any:
        mesh = distributed.mesh(data=data, model=model)
        for stop in stops:
            net = nn.HybridSequential()
            net.add(nn.ColumnParallelDense(8, mesh["model"], "tanh", in_units=5), nn.RowParallelDense(2, mesh["model"], in_units=8))
            net.initialize()
            net.cast("float64")
            params = list(net.collect_params().values())
            for p in params:
                p.set_data(np.resize(values, getattr(p, "whole_shape", p.shape)))
            net.compile("adam", "l2", ["mae", "pearsonr"], {"learning_rate": 0.05})
            handlers = [CheckpointHandler(str(folder), batch_period=1, resume_from_checkpoint=True), Stop(stop)]
            with pytest.raises(InterruptedError) if stop else nullcontext():
                history = net.fit(x, y, epochs=2, batch_size=4, shuffle=False, verbose=0, callbacks=handlers, accumulate=3).history
        return [*(p._reduce().asnumpy() for p in params), history["loss"], history["mae"], history["pearsonr"]]

    expected = on_ranks(data * model, lambda rank: fitted(rank, (0,), tmp_path / "undisturbed"))
    found = on_ranks(data * model, lambda rank: fitted(rank, (1, 1, 2, 1, 4, 0), tmp_path / "stopped"))
    for there, one in zip(found, expected, strict=True):
        for a, b in zip(there, one, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize(("way", "data", "model"), CASES)
def test_training_is_that_of_one_rank(way: str, data: int, model: int) -> None:
    compare(on_mesh(data, model, way), alone())


@pytest.mark.parametrize("shard", [False, True])
@pytest.mark.parametrize("optimizer", ["lamb", pytest.param("lars", marks=pytest.mark.slow), pytest.param("sgd", marks=pytest.mark.slow)])
def test_norms_are_of_whole_parameters(optimizer: str, shard: bool) -> None:
    compare(on_mesh(2, 2, "jit", optimizer=optimizer, shard=shard), alone(optimizer=optimizer))


def test_gated_layers_with_fewer_heads_of_keys() -> None:
    compare(on_mesh(1, 4, "jit", swiglu=True), alone(swiglu=True))


def test_files_go_on_on_another_number_of_ranks(tmp_path: Path) -> None:
    """Three steps on four ranks, three on two, three on one: as nine on one."""
    file, whole = tmp_path / "net.params", tmp_path / "one.params"
    for _ in range(3):
        expected = train(distributed.mesh(data=1, model=1), "eager", drawn=False, file=whole)
    on_mesh(1, 4, "eager", file=file)
    on_mesh(2, 2, "eager", file=file, shard=True)
    found = train(distributed.mesh(data=1, model=1), "eager", drawn=False, file=file)
    compare([(found[0], found[1][-1])], expected)


def test_a_parameter_takes_its_slice_of_wholes() -> None:
    def run(rank: int) -> Any:
        group = distributed.group([range(2)])
        p = gluon.parameter.SplitParameter("p", group, 1, (2, 4), init="ones")
        p.initialize()
        assert p.shape == (2, 2) and p.whole_shape == (2, 4) and p.data().shape == (2, 2)
        p.set_data(np.arange(8.0).reshape(2, 4))
        first = p.data().tolist()
        p.set_data(p.data() * 2)
        p.reset_ctx(hn.cpu())
        with pytest.raises(ShapeError, match=r"expected shape \(2, 2\) for parameter 'p'; got \(2, 3\)"):
            p._check_load(np.ones((2, 3), "float32"), False, "current", "a file")
        return first, p.data().tolist(), p._reduce().tolist()

    whole = np.arange(8.0).reshape(2, 4)
    for rank, (first, second, reduced) in enumerate(on_ranks(2, run)):
        np.testing.assert_array_equal(first, whole[:, 2 * rank : 2 * rank + 2])
        np.testing.assert_array_equal(second, 2 * whole[:, 2 * rank : 2 * rank + 2])
        np.testing.assert_array_equal(reduced, 2 * whole)


def test_errors_name_what_is_wrong() -> None:
    def run(rank: int) -> None:
        group = distributed.group([range(2)])
        with pytest.raises(ShapeError, match=r"weight\] expected 5 along axis 0 to be a multiple of 2, the ranks .*; got shape \(5, 3\)"):
            nn.ColumnParallelDense(5, group, in_units=3)
        with pytest.raises(ArgumentError, match=r"\[MultiHeadAttention\] expected heads that 2 ranks divide; got 4 and 1"):
            nn.MultiHeadAttention(8, 4, 1, group=group)
        layer = nn.ColumnParallelDense(4, group, in_units=3)
        with pytest.raises(ArgumentError, match=r"\[parallel layers\] expected arrays; got a symbol.*without group="):
            layer(hn.sym.var("x"))

    on_ranks(2, run)


def test_an_optimizer_that_needs_more_than_slices_is_refused() -> None:
    class Odd(hn.optimizer.SGD):
        def rule(self, weight: Any, grad: Any, state: Any, wd: float, lr: Any) -> None:
            weight -= lr * grad / (1 + abs(weight).max())

    def run(rank: int) -> None:
        net = nn.ColumnParallelDense(4, distributed.group([range(2)]), in_units=3)
        net.initialize()
        trainer = gluon.Trainer(net.collect_params(), Odd(learning_rate=0.1), kvstore="dist_sync")
        with autograd.record():
            loss = net(hn.np.ones((2, 3))).sum()
        loss.backward()
        with pytest.raises(ArgumentError, match=r"with split parameters an optimizer whose rule goes by elements.*got Odd"):
            trainer.step(1)

    on_ranks(2, run)


@pytest.mark.parametrize("way", ["eager", "jit"])
def test_batches_of_other_lengths_are_weighted_by_their_samples(way: str) -> None:
    def train_uneven(rank: int, ranks: int) -> Any:
        p = gluon.Parameter("p", shape=(3,), dtype="float64")
        p.initialize(init="ones")
        trainer = gluon.Trainer([p], "sgd", {"learning_rate": 0.5}, kvstore="dist_sync")

        def step(x: Any) -> None:
            with autograd.record():
                loss = ((p.data() - x) ** 2).sum()
            loss.backward()
            trainer.step(distributed.all_reduce(len(x)))

        run: Any = hn.jit(step) if way == "jit" else step
        x = hn.np.array(np.random.default_rng(0).normal(size=(10, 3)), dtype="float64")
        for _ in range(3):
            run(x if ranks == 1 else x[:3] if rank == 0 else x[3:])
        return p.data().asnumpy(), run.explain(x[:3] if rank == 0 else x[3:]) if way == "jit" and ranks > 1 else ""

    expected, _ = train_uneven(0, 1)
    for found, text in on_ranks(2, lambda rank: train_uneven(rank, 2)):
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        assert way == "eager" or "over 2 ranks, then divided by the batch size that step was given, an array" in text


def test_each_is_the_layer_that_it_divides() -> None:
    """Outputs, and gradients of inputs and parameters, beside ``Dense``, ``Embedding``, the loss and ``Dropout``."""
    rng = np.random.default_rng(0)
    x = hn.np.array(rng.normal(size=(5, 3, 6)))
    words, labels = (hn.np.array(rng.integers(0, 8, (5, 3))) for _ in range(2))

    def measured(layers: dict[str, Any], own: Any = None) -> dict[str, Any]:
        """By layer the output and the gradients; values are drawn by name, whole. ``own``: this rank's part of the last axis."""
        found = {}
        for name, layer in layers.items():
            given = words if name == "embedding" else (x if own is None or name not in ("row", "loss") else x[..., own]).copy()
            if name != "embedding":
                given.attach_grad()
            layer.initialize()
            layer(given, labels) if name == "loss" else layer(given)
            values = np.random.default_rng(1)
            for p in layer.collect_params().values():
                p.set_data(values.normal(size=getattr(p, "whole_shape", p.shape)))
            with autograd.record():
                y = layer(given, labels % 6) if name == "loss" else layer(given)
                head = (y * hn.np.arange(1.0, y.size + 1).reshape(y.shape)).sum()
            head.backward()
            slopes = [p.whole_of(p.grad()) if hasattr(p, "whole_of") else p.grad() for p in layer.collect_params().values()]
            found[name] = [y.asnumpy(), *([] if name == "embedding" else [given.grad.asnumpy()]), *(s.asnumpy() for s in slopes)]
        return found

    expected = measured(
        {
            "column": nn.Dense(8, "tanh", flatten=False),
            "row": nn.Dense(4, flatten=False),
            "flat": nn.Dense(8),
            "embedding": nn.Embedding(8, 4),
            "loss": gluon.loss.SoftmaxCrossEntropyLoss(),
        }
    )

    def run(rank: int) -> Any:
        group, own = distributed.group([range(2)]), slice(3 * rank, 3 * rank + 3)
        layers = {
            "column": nn.ColumnParallelDense(8, group, "tanh", flatten=False, gather_output=True),
            "row": nn.RowParallelDense(4, group, flatten=False),
            "flat": nn.ColumnParallelDense(8, group, gather_output=True),
            "embedding": nn.VocabParallelEmbedding(8, 4, group),
            "loss": gluon.loss.VocabParallelSoftmaxCELoss(group),
        }
        drop = nn.GroupDropout(0.5, group)
        with autograd.train_mode():
            dropped = drop(hn.np.ones((400,))).asnumpy()
        return measured(layers, own), own, dropped

    for found, own, dropped in on_ranks(2, run):
        assert set(dropped.tolist()) == {0.0, 2.0} and 120 < (dropped == 0).sum() < 280
        for name, values in expected.items():
            for i, (a, b) in enumerate(zip(found[name], values, strict=True)):
                whole = b[..., own] if i == 1 and name in ("row", "loss") else b
                np.testing.assert_allclose(a, whole, rtol=1e-5, atol=1e-5, err_msg=f"{name} {i}")
