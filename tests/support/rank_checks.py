"""What ranks must agree on, run by each of them: ``mpirun -n 4 python tests/support/rank_checks.py folder``.

Each check asserts what a rank can see by itself; rank 0 writes the parameters that trainings came to, which the test compares with those
of one process. :func:`trained` is what both run.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import rank_programs
from support.divided_language import train as train_divided
from support.fit_checks import CHECKS as FIT_CHECKS
from support.paths import ROOT

import hybridnet as hn
from hybridnet import autograd, distributed, gluon, kv
from hybridnet.gluon import nn
from hybridnet.gluon.contrib.nn import SyncBatchNorm

BATCH, STEPS, CLASSES = 16, 6, 5
#: How a step runs. With batch norms over all ranks, batches are of different lengths (norm); gradients of two halves are added (added).
WAYS = (
    "eager",
    "hybrid",
    "jit",
    "by_hand",
    "eager norm",
    "hybrid norm",
    "jit norm",
    "eager added",
    "jit added",
    "eager divided",
    "jit divided",
)


def network(dropout: float = 0.0, norm: bool = False) -> Any:
    net = nn.HybridSequential()
    for units, activation in ((24, "relu"), (16, "tanh")):
        net.add(nn.Dense(units, activation=activation))
        if norm:
            net.add(SyncBatchNorm())
    if dropout:
        net.add(nn.Dropout(dropout))
    net.add(nn.Dense(CLASSES))
    return net


def trained(way: str, optimizer: str, rank: int = 0, ranks: int = 1, kvstore: Any = "dist_sync", dtype: str = "float64") -> list[Any]:
    """The parameters after some steps of which each rank takes its rows."""
    hn.random.seed(5)
    net = network(norm="norm" in way)
    net.initialize(hn.init.Xavier())
    net.cast(dtype)
    params = list(net.collect_params().values())
    trainer = gluon.Trainer(params, optimizer, {"learning_rate": 0.05, "wd": 0.01}, kvstore=kvstore, shard_states="divided" in way)
    params[0].wd_mult = 0.0
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
    if way.startswith("hybrid"):
        net.hybridize()
    if "added" in way:
        net.setattr("grad_req", "add")

    def step(x: Any, y: Any) -> Any:
        halves = 2 if "added" in way else 1
        for i in range(halves):
            with autograd.record():
                loss = loss_of(net(x[i::halves]), y[i::halves])
            loss.backward()
        if way == "by_hand":
            trainer.allreduce_grads()
            trainer.update(BATCH)
        else:
            trainer.step(BATCH)
        if "added" in way:
            net.zero_grad()
        return loss.mean()

    run = hn.jit(step) if way.startswith("jit") else step
    rng = np.random.default_rng(0)
    rows = slice(rank, None, ranks)
    if "norm" in way:  # the first rank has more than half of them
        ends = [0, *(BATCH - 2 * (ranks - 1 - r) for r in range(ranks))]
        rows = slice(ends[rank], ends[rank + 1])
    for _ in range(STEPS):
        x, y = rng.normal(size=(BATCH, 12)), rng.integers(0, CLASSES, BATCH)
        run(hn.np.array(x[rows], dtype=dtype), hn.np.array(y[rows]))
    return [p.data().astype("float64").asnumpy() for p in params]


def alike(arrays: list[Any]) -> bool:
    """Whether all ranks have the same, to the bit."""
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()
    return len(set(distributed.gather_objects(digest))) == 1


# -- checks -----------------------------------------------------------------------------------------

CHECKS: list[Callable[[Path], None]] = []


def check(function: Callable[[Path], None]) -> Callable[[Path], None]:
    CHECKS.append(function)
    return function


@check
def trainings(folder: Path) -> None:
    found = {}
    for way in WAYS:
        for optimizer in ("sgd", "adam"):
            params = trained(way, optimizer, distributed.rank(), distributed.size())
            assert alike(params), (way, optimizer)
            found |= {f"{way} {optimizer} {i}": p for i, p in enumerate(params)}
    if distributed.rank() == 0:
        np.savez(folder / "trained.npz", **found)


@check
def first_values_are_those_of_rank_0(folder: Path) -> None:
    """Of parameters that have some, and of those that get theirs in the first forward, in whatever mode."""
    for hybrid in (False, True):
        hn.random.seed(100 + distributed.rank())
        net = network()
        net.add(nn.Dense(3, in_units=CLASSES))
        net.initialize()
        net.hybridize(hybrid)
        gluon.Trainer(net.collect_params(), "sgd", kvstore="dist_device_sync")
        net(hn.np.ones((2, 12)))
        values = [p.data().asnumpy() for p in net.collect_params().values()]
        assert alike(values) and all(v.std() > 0 for v in values[::2])


@check
def one_seed_gives_equal_values_and_other_masks(folder: Path) -> None:
    """And is drawn on as one seed: the same again after the same seed."""
    net = network(dropout=0.5)
    masks = []
    for _ in range(2):
        hn.random.seed(9)
        net.initialize(force_reinit=True)
        net(hn.np.ones((2, 12)))
        assert alike([p.data().asnumpy() for p in net.collect_params().values()])
        drops = nn.Dropout(0.5)
        ways = [drops, hn.jit(lambda x, drops=drops: drops(x))]
        with autograd.train_mode():
            masks.append([way(hn.np.ones((100,))).asnumpy() for way in ways])
    for first, second in zip(*masks, strict=True):
        np.testing.assert_array_equal(first, second)
        everyone = distributed.gather_objects(first.tobytes())
        assert len(set(everyone)) == distributed.size()


@check
def stores(folder: Path) -> None:
    store = kv.create("dist_sync")
    rank, size = store.rank, store.num_workers
    total = size * (size + 1) / 2
    assert (rank, size, store.type) == (distributed.rank(), distributed.size(), "dist_sync")
    store.init("w", hn.np.full((3,), rank + 5.0))
    out = hn.np.zeros((3,))
    store.pull("w", out)
    assert out.tolist() == [5.0] * 3
    store.push("w", hn.np.full((3,), rank + 1.0))
    store.pull("w", out)
    assert out.tolist() == [total] * 3
    store.pushpull("w", [hn.np.full((3,), rank + 1.0), hn.np.ones((3,))], out=[out])
    assert out.tolist() == [total + size] * 3
    store.set_optimizer(hn.optimizer.SGD(learning_rate=0.5))
    store.push("w", hn.np.full((3,), rank + 1.0))
    store.pull("w", out)
    assert out.tolist() == [total - 0.5 * total] * 3
    store.broadcast("b", hn.np.full((2,), rank + 7.0), out := hn.np.zeros((2,)))
    assert out.tolist() == [7.0] * 2
    store.barrier()


@check
def collectives(folder: Path) -> None:
    rank, size = distributed.rank(), distributed.size()
    x = hn.np.arange(2.0 * size).reshape(size, 2) + rank
    everyone = [np.arange(2.0 * size).reshape(size, 2) + r for r in range(size)]
    for way in (lambda fn: fn, hn.jit):
        np.testing.assert_array_equal(way(distributed.all_reduce)(x).asnumpy(), sum(everyone))
        np.testing.assert_array_equal(way(distributed.all_gather)(x).asnumpy(), np.concatenate(everyone))
        np.testing.assert_array_equal(way(distributed.reduce_scatter)(x).asnumpy(), np.split(sum(everyone), size)[rank])
        np.testing.assert_array_equal(way(distributed.all_to_all)(x).asnumpy(), np.concatenate([np.split(a, size)[rank] for a in everyone]))
        np.testing.assert_array_equal(way(lambda v: distributed.broadcast(v, size - 1))(x).asnumpy(), everyone[-1])
        halves = [way(distributed.all_reduce)(x.astype(t)).astype("float32").asnumpy() for t in ("float16", "bfloat16")]
        np.testing.assert_array_equal(halves, [sum(everyone)] * 2)
    params = {"a": hn.np.full((2,), float(rank)), "b": hn.np.full((3,), rank * 2.0)}
    distributed.broadcast_parameters(params, root=size - 1)
    assert [params["a"].tolist(), params["b"].tolist()] == [[size - 1.0] * 2, [2.0 * size - 2] * 3]


@check
def random_programs(folder: Path) -> None:
    """With collectives in them: compiled they give what they give imperatively, gradients and states too."""
    for seed in range(6):
        found = []
        for way in (lambda fn: fn, hn.jit):
            draw = np.random.default_rng(seed + 100 * distributed.rank())
            xs, states = ([hn.np.array(draw.normal(size=(8, 4)), dtype="float64") for _ in range(2)] for _ in range(2))
            fn = way(rank_programs.program(seed, states, 16))
            results = [fn(*xs) for _ in range(3)]
            for x in xs:
                x.attach_grad()
            with autograd.record():
                y = fn(*xs)
            y.backward()
            found.append([v.asnumpy() for v in (*results, y, *states, *(x.grad for x in xs))])
        for imperative, compiled in zip(*found, strict=True):
            np.testing.assert_allclose(compiled, imperative, rtol=1e-9, atol=1e-9)


@check
def layers_divided_among_ranks(folder: Path) -> None:
    """On a mesh, beside one part of it that has all: what they come to, first values and masks that are drawn among them."""
    size = distributed.size()
    found = {}
    for model in {1, 2, size} if size > 1 else {1}:
        mesh = distributed.mesh(data=-1, model=model)
        for way, dropout in (("eager", 0.5), ("jit", 0.0)):
            if dropout and mesh["data"].size > 1:
                continue  # other masks than one rank's
            params, _ = train_divided(mesh, way, dropout=dropout)
            assert alike(params), (model, way)
            found |= {f"{way} {model} {i}": p for i, p in enumerate(params)}
    if distributed.rank() == 0:
        np.savez(folder / "divided.npz", **found)


@check
def horovod(folder: Path) -> None:
    """Averages: gradients are divided by the number of ranks besides the batch size of one rank."""
    import hybridnet.compat.mxnet

    mx = hybridnet.compat.mxnet.install()
    hvd = importlib.import_module("horovod.mxnet")
    with hn.util.np_shape(False), hn.util.np_array(False):
        hvd.init()
        rank, size = hvd.rank(), hvd.size()
        assert (rank, size, hvd.local_rank(), hvd.local_size()) == (distributed.rank(), distributed.size(), rank, size)
        mean = (size + 1) / 2
        x = mx.nd.full((2, 2), rank + 1.0)
        assert hvd.allreduce(x).asnumpy().tolist() == [[mean] * 2] * 2
        assert hvd.allreduce(x, average=False, postscale_factor=2.0).asnumpy().tolist() == [[2 * size * mean] * 2] * 2
        assert type(hvd.allreduce(x)) is mx.nd.NDArray
        third = hvd.allreduce(x / 3, average=False, compression=hvd.Compression.fp16).asnumpy()
        rounded = np.float16(sum(np.float32(np.float16((r + 1) / 3)) for r in range(size)))
        np.testing.assert_allclose(third, np.full((2, 2), rounded if size > 1 else 1 / 3), rtol=1e-6)
        rows = hvd.allgather(mx.nd.full((rank + 1, 2), float(rank)))
        assert rows.asnumpy().tolist() == [[float(r)] * 2 for r in range(size) for _ in range(r + 1)]
        hvd.broadcast_(x, root_rank=size - 1)
        assert x.asnumpy().tolist() == [[float(size)] * 2] * 2
        assert hvd.broadcast_object({"of": rank}, 0) == {"of": 0} and hvd.allgather_object(rank) == list(range(size))

        params = mx.gluon.ParameterDict()
        w = params.get("w", shape=(2,), init=mx.init.Constant(rank + 1.0))
        late = params.get("late", shape=(0,), allow_deferred_init=True, init=mx.init.Constant(rank + 3.0))
        params.initialize()
        hvd.broadcast_parameters(params)
        late.shape = (2,)
        late._finish_deferred_init()
        assert [w.data().asnumpy().tolist(), late.data().asnumpy().tolist()] == [[1.0] * 2, [3.0] * 2]
        trainer = hvd.DistributedTrainer({"w": w}, "sgd", {"learning_rate": 1.0, "rescale_grad": 0.5})
        with autograd.record():
            loss = (w.data() * (rank + 1)).sum()
        loss.backward()
        trainer.step(4)
        np.testing.assert_allclose(w.data().asnumpy(), [1 - mean / 4 * 0.5] * 2, rtol=1e-6)

        plain = mx.optimizer.SGD(learning_rate=1.0, rescale_grad=0.25)
        opt = hvd.DistributedOptimizer(plain)
        assert isinstance(opt, mx.optimizer.SGD) and opt is plain and opt.rescale_grad == 0.25 / size
        weight, grad = mx.nd.ones((3,)), mx.nd.full((3,), rank + 1.0)
        opt.update_multi_precision(0, weight, grad, opt.create_state_multi_precision(0, weight))
        np.testing.assert_allclose(weight.asnumpy(), [1 - 0.25 * mean] * 3, rtol=1e-6)
        assert hvd.DistributedTrainer({"w": w}, opt).optimizer is plain and type(plain) is mx.optimizer.SGD and plain.rescale_grad == 0.25


@check
def documented(folder: Path) -> None:
    """The programs of docs/distributed.md, as they stand there; the second with layers that ranks divide two by two."""
    text = (ROOT / "docs" / "distributed.md").read_text(encoding="utf-8")
    first, second = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    for program in (first, second if distributed.size() == 1 else second.replace("model=1", "model=2")):
        names: dict[str, Any] = {}
        exec(program, names)
        assert alike([p._reduce().asnumpy() for p in names["net"].collect_params().values()])


@check
def modules(folder: Path) -> None:
    """``Module`` divides by the batch sizes of all ranks, as MXNet does."""
    mx = hn
    data = mx.sym.var("data")
    out = mx.sym.LinearRegressionOutput(mx.sym.FullyConnected(data, num_hidden=1, no_bias=True, name="fc"), mx.sym.var("label"))
    module = mx.mod.Module(out, label_names=["label"])
    module.bind([("data", (2, 3))], [("label", (2, 1))])
    module.init_params(mx.init.Constant(1.0 + distributed.rank()))
    for store in ("dist_sync", "dist_device_sync"):
        module.init_optimizer(store, "sgd", {"learning_rate": 1.0}, force_init=True)
        assert module._optimizer.rescale_grad == 1 / (2 * distributed.size())
    x = mx.nd.array(np.full((2, 3), distributed.rank() + 1.0))
    module.forward_backward(mx.io.DataBatch([x], [mx.nd.zeros((2, 1))]))
    module.update()
    size = distributed.size()
    mean = sum(3 * (r + 1) ** 2 for r in range(size)) / size  # of gradients: (w · x) x, w of rank 0
    np.testing.assert_allclose(module.get_params()[0]["fc_weight"].asnumpy(), np.full((1, 3), 1 - mean), rtol=1e-5)


@check
def an_optimizer_that_is_not_compiled(folder: Path) -> None:
    class Plain(hn.optimizer.SGD):
        def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
            weight -= self.learning_rate * self.rescale_grad * grad

    p = gluon.Parameter("p", shape=(2,))
    p.initialize(init="ones")
    trainer = gluon.Trainer([p], Plain(learning_rate=0.5), kvstore="nccl")
    with autograd.record():
        loss = (p.data() * (distributed.rank() + 1)).sum()
    loss.backward()
    trainer.step(1)
    size = distributed.size()
    assert p.data().tolist() == [1 - 0.5 * size * (size + 1) / 2] * 2


@check
def explained(folder: Path) -> None:
    p = gluon.Parameter("p", shape=(2,))
    p.initialize(init="ones")
    trainer = gluon.Trainer([p], "sgd", {"learning_rate": 0.1}, kvstore="horovod")

    def step() -> None:
        with autograd.record():
            loss = (p.data() * p.data()).sum()
        loss.backward()
        trainer.step(8)

    compiled = hn.jit(step)
    compiled()
    text = compiled.explain()
    size = distributed.size()
    if size > 1:
        assert f"gradients are summed over {size} ranks, then divided by the batch size that step was given, 8" in text, text
        assert f"all_reduce of an array, 8 bytes, over {size} ranks by " in text, text
        with pytest.raises(hn.errors.RankError, match="expected to time what needs no other rank"):
            compiled.profile()
        compiled.check()
    else:
        assert "all_reduce" not in text


CHECKS += FIT_CHECKS


def main(folder: Path) -> None:
    distributed.init()
    for function in CHECKS:
        function(folder)
    distributed.barrier()
    if distributed.rank() == 0:
        (folder / "done.json").write_text(json.dumps({"ranks": distributed.size(), "checks": [f.__name__ for f in CHECKS]}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
