"""``Trainer`` on several devices: who sums, who updates; values that MXNet 1.9.1 gave for the same calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest

import hybridnet as hn
from hybridnet import autograd, gluon, kv, nd
from hybridnet.errors import ArgumentError
from hybridnet.gluon import nn

DEVICES = [hn.cpu(0), hn.cpu(1)]


def network(bn: bool = False) -> Any:
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=3, weight_initializer="ones"))
    if bn:
        net.add(nn.BatchNorm(in_channels=2))
    net.initialize(ctx=DEVICES)
    return net


def trained(net: Any, trainer: Any, by_hand: bool = False) -> None:
    """Two steps of the squared sum."""
    parts = gluon.utils.split_and_load(nd.array(numpy.arange(12).reshape(4, 3)), DEVICES)
    for _ in range(2):
        with autograd.record():
            losses = [(net(x) ** 2).sum() for x in parts]
        autograd.backward(losses)
        if by_hand:
            trainer.allreduce_grads()
            trainer.update(4)
        else:
            trainer.step(4)


SUMMED = [504.55002, 582.1, 659.65]
PARTED = [[2.3274999, 2.965, 3.6024997], [409.6675, 462.325, 514.9825]]


@pytest.mark.parametrize("update_on_kvstore", [None, True, False])
@pytest.mark.parametrize("store", ["device", "local", kv.create("local")], ids=["device", "local", "a store"])
def test_stores_sum(store: Any, update_on_kvstore: bool | None) -> None:
    net = network()
    trained(net, gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1}, store, update_on_kvstore=update_on_kvstore))
    for x in net[0].weight.list_data():
        numpy.testing.assert_allclose(x.asnumpy()[0], SUMMED, rtol=1e-5)


@pytest.mark.parametrize("by_hand", [False, True])
def test_without_a_store_devices_part(by_hand: bool) -> None:
    net = network()
    trained(net, gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1}, None), by_hand)
    for x, expected in zip(net[0].weight.list_data(), PARTED, strict=True):
        numpy.testing.assert_allclose(x.asnumpy()[0], expected, rtol=1e-5)


def test_the_halves_of_a_step() -> None:
    """By hand each device updates its own copy; with update_on_kvstore that is refused, as in MXNet."""
    net = network()
    trained(net, gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1}), by_hand=True)
    numpy.testing.assert_allclose(net[0].weight.list_data()[1].asnumpy()[0], SUMMED, rtol=1e-5)
    numpy.testing.assert_array_equal(*[g.asnumpy() for g in net[0].weight.list_grad()])
    trainer = gluon.Trainer(net.collect_params(), "sgd", update_on_kvstore=True)
    for half in (trainer.allreduce_grads, lambda: trainer.update(1)):
        with pytest.raises(ArgumentError, match="update_on_kvstore=False"):
            half()


@pytest.mark.parametrize("update_on_kvstore", [None, False])
def test_an_optimizer_that_draws_keeps_devices_alike_where_one_updates(update_on_kvstore: bool | None) -> None:
    """SGLD's noise: drawn once with update_on_kvstore, else by each device for itself. So it is in MXNet."""
    net = network()
    trained(net, gluon.Trainer(net.collect_params(), "sgld", {"learning_rate": 0.1}, update_on_kvstore=update_on_kvstore))
    first, second = (x.asnumpy() for x in net[0].weight.list_data())
    assert (first == second).all() == (update_on_kvstore is None)


def test_states_are_held_once_where_one_device_updates() -> None:
    for update_on_kvstore, copies in ((None, 1), (False, 2)):
        net = network()
        trainer = gluon.Trainer(net.collect_params(), "adam", update_on_kvstore=update_on_kvstore)
        trained(net, trainer)
        assert [len(states) for states in trainer._states] == [copies] * 2


def test_an_update_of_ones_own_counts_steps_not_devices() -> None:
    class Counting(hn.optimizer.Optimizer):
        def create_state(self, index: Any, weight: Any) -> Any:
            return None

        def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
            self._update_count(index)
            weight[:] = float(self._index_update_count[index])

    for update_on_kvstore in (None, False):
        net = network()
        trained(net, gluon.Trainer(net.collect_params(), Counting(), update_on_kvstore=update_on_kvstore))
        assert [x.asnumpy()[0, 0] for x in net[0].weight.list_data()] == [2, 2]


def test_batch_norm_keeps_statistics_of_each_device() -> None:
    """Each of its own part of the batches, as MXNet does; a file has their mean."""
    net = network(bn=True)
    parts = gluon.utils.split_and_load(nd.array(numpy.arange(12).reshape(4, 3)), DEVICES)
    for _ in range(2):
        with autograd.record():
            for x in parts:
                net(x)
    found = [x.asnumpy() for x in net[1].running_mean.list_data()]
    numpy.testing.assert_allclose(found, [[1.425, 1.425], [4.845, 4.845]], rtol=1e-5)
    numpy.testing.assert_allclose(net[1].running_mean._reduce().asnumpy(), [3.135, 3.135], rtol=1e-5)


@pytest.mark.parametrize("store", ["device", None])
def test_states_of_devices_go_into_files(tmp_path: Path, store: str | None) -> None:
    """A trainer that goes on from files ends like one that was not stopped, also where each device has states of its own."""
    nets = [network(), network()]
    trainers = [gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.1}, store) for net in nets]
    trained(nets[0], trainers[0])
    for mine, theirs in zip(nets[1].collect_params().values(), nets[0].collect_params().values(), strict=True):
        for x, y in zip(mine.list_data(), theirs.list_data(), strict=True):
            x[:] = y.as_in_context(x.context)
    trainers[0].save_states(str(tmp_path / "states"))
    trainers[1].load_states(str(tmp_path / "states"))
    for net, trainer in zip(nets, trainers, strict=True):
        trained(net, trainer)
    for one, other in zip(nets[0][0].weight.list_data(), nets[1][0].weight.list_data(), strict=True):
        numpy.testing.assert_array_equal(one.asnumpy(), other.asnumpy())


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"kvstore": "dist_async"}, "a store that sums over all ranks"),
        ({"kvstore": 3}, "kvstore to be a store, its name or None; got 3"),
        ({"kvstore": None, "update_on_kvstore": True}, "a store of one machine for update_on_kvstore; got no store"),
        ({"compression_params": {"type": "1bit"}}, "set_gradient_compression"),
    ],
)
def test_refusals(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentError, match=text):
        gluon.Trainer(network().collect_params(), "sgd", **arguments)
