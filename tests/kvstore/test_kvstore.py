"""``kvstore``: what MXNet 1.9.1 gives for the same calls, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest

import hybridnet as hn
from hybridnet import kv, nd
from hybridnet.errors import ArgumentError, HybridnetError, ShapeError, UninitializedError

ONES = numpy.ones(2, "float32")


def ones(device: int = 0) -> Any:
    return nd.ones((2,), ctx=hn.cpu(device))


def pulled(store: Any, key: Any) -> list[float]:
    out = nd.zeros((2,))
    store.pull(key, out=out)
    return out.asnumpy().tolist()


@pytest.mark.parametrize("name", ["local", "device", "local_update_cpu", "local_allreduce_cpu", "local_allreduce_device", "Local"])
def test_what_a_store_is(name: str) -> None:
    store = kv.create(name)
    assert (store.type, store.rank, store.num_workers) == (name.lower(), 0, 1)
    assert store.is_capable("optimizer") and not store.is_capable("sparse")


def test_a_push_replaces_and_sums_over_devices() -> None:
    store = kv.create()
    first = ones() * 2
    store.init(3, first)
    first[:] = 9  # the store has a value of its own
    assert pulled(store, 3) == [2, 2]
    store.push(3, ones() * 8)
    assert pulled(store, 3) == [8, 8]
    store.push(3, [ones(), ones(1)])
    assert pulled(store, 3) == [2, 2]


def test_pushpull_sums_and_leaves_the_value() -> None:
    """As in MXNet: without an updater the store's own value stays."""
    store = kv.create("device")
    store.init(3, ones())
    values = [ones(), ones(1) * 2]
    store.pushpull(3, values)
    assert [(x.device, x.asnumpy().tolist()) for x in values] == [(hn.cpu(0), [3, 3]), (hn.cpu(1), [3, 3])]
    assert pulled(store, 3) == [1, 1]


def test_lists_of_keys_and_several_devices() -> None:
    store = kv.create()
    store.init(["a", "b"], [ones(), ones() * 2])
    outs = [[nd.zeros((2,)), nd.zeros((2,), ctx=hn.cpu(1))] for _ in range(2)]
    store.pull(["a", "b"], out=outs)
    assert [[x.asnumpy()[0] for x in pair] for pair in outs] == [[1, 1], [2, 2]]


def test_an_updater_moves_what_is_stored() -> None:
    store, seen = kv.create(), []
    store.init("b", ones())

    def updater(key: Any, pushed: Any, stored: Any) -> None:
        seen.append((key, pushed.asnumpy().tolist()))
        stored += pushed

    store._set_updater(updater)
    store.push("b", [ones(), ones(1)])
    assert seen == [("b", [2, 2])] and pulled(store, "b") == [3, 3]
    out = nd.zeros((2,))
    store.pushpull("b", ones(), out=out)
    assert out.asnumpy().tolist() == [4, 4]


def test_an_optimizer_and_its_states(tmp_path: Path) -> None:
    """Two steps of SGD with momentum, -0.29 as in MXNet; a store with the saved states goes on alike."""

    def store() -> Any:
        made = kv.create()
        made.init(3, nd.zeros((2,)))
        made.set_optimizer(hn.optimizer.SGD(learning_rate=0.1, momentum=0.9))
        return made

    first, second = store(), store()
    for _ in range(2):
        first.push(3, ones())
    numpy.testing.assert_allclose(pulled(first, 3), -0.29 * ONES, rtol=1e-6)
    first.save_optimizer_states(str(tmp_path / "states"))
    second.load_optimizer_states(str(tmp_path / "states"))
    second.push(3, ones())
    first.push(3, ones())
    numpy.testing.assert_allclose(numpy.array(pulled(second, 3)), numpy.array(pulled(first, 3)) + 0.29, rtol=1e-5)


def test_broadcast_stores_and_writes() -> None:
    store, out = kv.create(), [nd.zeros((2,)), nd.zeros((2,), ctx=hn.cpu(1))]
    store.broadcast("q", ones() * 5, out=out)
    assert [x.asnumpy()[0] for x in out] == [5, 5] and pulled(store, "q") == [5, 5]


def test_a_pull_keeps_the_dtype_of_what_it_writes_to() -> None:
    store, half = kv.create(), nd.zeros((2,), dtype="float16")
    store.init(1, ones() * 3)
    store.pull(1, out=half)
    assert half.dtype == numpy.float16 and half.asnumpy().tolist() == [3, 3]


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda s: s.init(3, ones()), ArgumentError, "a key that is not there yet"),
        (lambda s: s.init("x", ones()), ArgumentError, "all integers or all strings"),
        (lambda s: s.push(9, ones()), UninitializedError, r"init\(9, value\) first"),
        (lambda s: s.pull(9, out=ones()), UninitializedError, "a key of the store"),
        (lambda s: s.pull(3), ArgumentError, "arrays to write to"),
        (lambda s: s.pull(3, out=nd.zeros((3,))), ShapeError, r"of shape \(2,\)"),
        (lambda s: s.push(3, nd.zeros((3,))), ShapeError, r"values of shape \(2,\)"),
        (lambda s: s.push(3, 4), ArgumentError, "arrays for key 3; got int"),
        (lambda s: s.init([5, 6], [ones()]), ArgumentError, "a value for each of 2 keys; got 1"),
        (lambda s: s.init(["a", 1], [ones(), ones()]), ArgumentError, "all integers or all strings"),
        (lambda s: s.row_sparse_pull(3, out=ones(), row_ids=ones()), ArgumentError, "out of row_sparse storage; got default"),
        (lambda s: s.set_gradient_compression({"type": "2bit"}), ArgumentError, "a store of type 'device'; got one of type 'local'"),
        (lambda s: s.set_optimizer(3), ArgumentError, "an Optimizer; got int"),
        (lambda s: s.save_optimizer_states("nowhere"), ArgumentError, "a store with an optimizer"),
        (lambda s: kv.create("dist_async"), ArgumentError, "a store that sums over all ranks; got 'dist_async'"),
        (lambda s: kv.create("byteps"), ArgumentError, "expected one of .*dist_sync.*; got 'byteps'"),
        (lambda s: kv.create("nope"), ArgumentError, "one of device, dist, dist_device, .*, local, .*; got 'nope'"),
        (lambda s: kv.create(3), ArgumentError, "the name of a store"),
    ],
)
def test_refusals(call: Any, error: type[HybridnetError], text: str) -> None:
    store = kv.create()
    store.init(3, ones())
    with pytest.raises(error, match=text):
        call(store)
    assert pulled(store, 3) == [1, 1]


def test_a_store_of_ones_own_sums_for_a_trainer() -> None:
    """It is told of the parameters once, and asked at each step, on one device as well: it may sum over processes."""
    calls = []

    @kv.KVStoreBase.register
    class Doubling(kv.KVStoreBase):
        def broadcast(self, key: Any, value: Any, out: Any, priority: int = 0) -> None:
            calls.append(("broadcast", key))

        def pushpull(self, key: Any, value: Any, out: Any = None, priority: int = 0) -> None:
            calls.append(("pushpull", key))
            for x in value:
                x *= 2

    try:
        parameter = hn.gluon.Parameter("w", shape=(2,), init="ones")
        parameter.initialize()
        trainer = hn.gluon.Trainer([parameter], "sgd", {"learning_rate": 1.0}, kvstore="doubling")
        for _ in range(2):
            with hn.autograd.record():
                loss = parameter.data().sum()
            loss.backward()
            trainer.step(4)
        assert parameter.data().asnumpy().tolist() == [0, 0]  # 1 - 2 · 2/4
        assert calls == [("broadcast", 0), ("pushpull", 0), ("pushpull", 0)]
    finally:
        del kv.KVStoreBase.kv_registry["doubling"]


def test_gradient_compression() -> None:
    """What MXNet 1.9.1 pulls: two bits of each device's values, and what is left of them waits."""
    store = kv.create("device")
    store.set_gradient_compression({"type": "2bit", "threshold": 0.5})
    store.init("a", nd.zeros(5))
    out = nd.zeros(5)
    expected = [[0, 0.5, 0, 0.5, -0.5], [0, 0.5, -0.5, 0.5, -0.5], [0.5, 0.5, 0, 0.5, -0.5], [0, 0.5, -0.5, 0.5, -0.5]]
    for row in expected:
        store.push("a", [nd.array([0.2, 0.6, -0.3, 1.4, -2.0]), nd.full(5, 0.1)])
        store.pull("a", out)
        assert out.asnumpy().tolist() == row
    store.push("a", nd.full(5, 0.3))  # one device alone sends nothing
    store.pull("a", out)
    assert out.asnumpy().tolist() == nd.full(5, 0.3).asnumpy().tolist()
    for params in ({"type": "1bit"}, {"threshold": 0.5}, 3, {"type": "2bit", "threshold": 0}, {"type": "2bit", "bits": 3}):
        with pytest.raises(ArgumentError, match="set_gradient_compression"):
            store.set_gradient_compression(params)
