"""What a program computes once of arrays that it reads is computed anew as soon as one of them is written, in whatever way."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

import hybridnet as hn
from hybridnet import autograd, gluon
from hybridnet.config import config
from hybridnet.core import call
from hybridnet.gluon import nn
from hybridnet.ops.nn.convolution import convolution


def network() -> Any:
    net = nn.HybridSequential()
    net.add(nn.Conv2D(8, 3, in_channels=3), nn.BatchNorm(in_channels=8), nn.Activation("relu"), nn.Dense(4, in_units=8 * 16))
    net.initialize(hn.init.Xavier())
    return net


X = np.random.default_rng(0).normal(size=(2, 3, 6, 6)).astype("float32")


def pair() -> tuple[Any, Any, Any]:
    """A network, the same parameters run imperatively, and data."""
    net = network()
    plain = network()
    share(net, plain)
    net.hybridize()
    x = hn.np.array(X)
    net(x)
    assert prepared(net, x) is not None
    return net, plain, x


def share(net: Any, plain: Any) -> None:
    for a, b in zip(net.collect_params().values(), plain.collect_params().values(), strict=True):
        b._data = a._data


def prepared(net: Any, *xs: Any) -> Any:
    return net._compiled._inspect(xs, {}).program.prepared


def runs(net: Any, *xs: Any) -> Any:
    """Counts how often what is computed once is computed."""
    one = prepared(net, *xs)
    return mock.patch.object(one, "_compute", wraps=one._compute)


def assert_same(net: Any, plain: Any, x: Any) -> None:
    np.testing.assert_allclose(net(x).asnumpy(), plain(x).asnumpy(), rtol=1e-5, atol=1e-5)


def first(net: Any) -> Any:
    return next(iter(net.collect_params().values()))


def by_trainer(net: Any) -> None:
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5})
    with autograd.record():
        loss = (net(hn.np.array(X)) ** 2).sum()
    loss.backward()
    trainer.step(2)


def by_one_step(net: Any) -> None:
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.5})

    def step(x: Any) -> Any:
        with autograd.record():
            loss = (net(x) ** 2).sum()
        loss.backward()
        trainer.step(2)
        return loss

    jitted = hn.jit(step)
    jitted(hn.np.array(X))
    jitted(hn.np.array(X))


def by_loading(net: Any) -> None:
    other = network()
    other.save_parameters(str(by_loading.path / "p"))  # type: ignore[attr-defined]
    net.load_parameters(str(by_loading.path / "p"))  # type: ignore[attr-defined]


def through_a_view(net: Any) -> None:
    first(net).data()[0][...] = 2.0


def through_a_kept_view(net: Any) -> None:
    through_a_kept_view.view += 1.0  # type: ignore[attr-defined]


def by_jit(net: Any) -> None:
    w = first(net).data()

    def write() -> Any:
        w[...] = w * 0.5
        return w.sum()

    hn.jit(write)()


def as_argument(net: Any) -> None:
    def write(w: Any) -> Any:
        w[...] = w * 0.5
        return w.sum()

    hn.jit(write)(first(net).data())


def running_statistics(net: Any) -> None:
    with autograd.train_mode():
        net(hn.np.array(X * 3 + 1))


WAYS: list[Callable[[Any], None]] = [
    lambda net: first(net).set_data(first(net).data() * 2),
    lambda net: first(net).data().__setitem__(slice(None), 0.5),
    lambda net: first(net).data().__setitem__((0, slice(None), 1), 0.5),
    lambda net: first(net).data().__iadd__(1),
    lambda net: (first(net).data() * 3).copyto(first(net).data()),
    lambda net: hn.np.multiply(first(net).data(), 2.0, out=first(net).data()),
    lambda net: np.asarray(first(net).data()).fill(0.25),
    lambda net: np.from_dlpack(first(net).data()).__array_interface__ and first(net).data().__imul__(2),
    by_trainer,
    by_one_step,
    by_loading,
    through_a_view,
    through_a_kept_view,
    by_jit,
    as_argument,
    running_statistics,
]  # fmt: skip


@pytest.mark.parametrize("way", range(len(WAYS)))
def test_every_way_to_write_a_parameter_is_seen(way: int, tmp_path: Path) -> None:
    net, plain, x = pair()
    by_loading.path = tmp_path  # type: ignore[attr-defined]
    through_a_kept_view.view = first(net).data()[0]  # type: ignore[attr-defined]
    assert_same(net, plain, x)
    before = net(x).asnumpy()
    for _ in range(2):
        WAYS[way](net)
        assert_same(net, plain, x)
        assert_same(net, plain, x)
    assert not np.allclose(before, net(x).asnumpy()), "nothing was written"


def test_it_is_computed_once_while_nothing_is_written() -> None:
    net, _, x = pair()
    with runs(net, x) as computed:
        for _ in range(3):
            net(x)
        assert not computed.call_count
        first(net).data()[0] = 1
        net(x)
        net(x)
        assert computed.call_count == 1


def test_a_view_that_numpy_was_given_makes_it_be_computed_at_every_call() -> None:
    net, plain, x = pair()
    shared = np.asarray(first(net).data())
    with runs(net, x) as computed:
        for value in (1.0, 2.0, 3.0):
            shared[...] = value
            assert_same(net, plain, x)
        assert computed.call_count == 3
    assert_same(net, plain, x)


def test_memory_of_others_is_not_trusted() -> None:
    theirs = np.random.default_rng(1).normal(size=(4, 3, 3, 3)).astype("float32")
    for made in (hn.nd.from_numpy(theirs), hn.np.from_dlpack(theirs), hn.nd.from_dlpack(theirs)):
        f = hn.jit(lambda x, w=made: convolution(x, w * 2))
        for value in (1.0, 2.0):
            theirs[...] = value
            expected = convolution(hn.np.array(X), hn.np.array(theirs * 2)).asnumpy()
            np.testing.assert_allclose(f(hn.np.array(X)).asnumpy(), expected, rtol=1e-4, atol=1e-4)


def test_gradients_that_a_function_reads_are_those_of_the_last_backward() -> None:
    w = hn.np.array([[1.0, 2.0]])
    w.attach_grad()
    norm = hn.jit(lambda x: (x * call("sqrt", w.grad * 2)).sum())
    loss = hn.jit(lambda x: (w * w * x).sum())
    for factor in (1.0, 2.0, 3.0):
        with autograd.record():
            y = loss(hn.np.array([factor]))
        y.backward()
        assert float(norm(hn.np.ones(2))) == pytest.approx(sum(np.sqrt(2 * 2 * v * factor) for v in (1, 2)))


def test_a_write_that_has_not_ended_leaves_nothing_kept() -> None:
    """As where another thread writes while this one computes."""
    net, plain, x = pair()
    data = first(net).data()
    storage = data.storage()
    storage.before_write()
    data._data[0] = 1  # half of it
    net(x)
    data._data[...] = 2
    storage.after_write()
    assert_same(net, plain, x)
    with runs(net, x) as computed:
        net(x)
        assert not computed.call_count


def test_threads_that_write_and_read_end_with_what_was_written_last() -> None:
    net, plain, x = pair()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            net(x)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for i in range(200):
            first(net).data()[...] = i / 100
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert_same(net, plain, x)


def test_results_that_are_prepared_are_the_callers_own() -> None:
    w = hn.np.array(np.arange(6.0))
    f = hn.jit(lambda x: (w * 2, x + w * 3))
    a, _ = f(hn.np.ones(6))
    a[...] = 0
    b, _ = f(hn.np.ones(6))
    assert (b.asnumpy() == np.arange(6) * 2).all()


def test_nothing_is_prepared_for_gradients_for_writers_and_without_the_pass() -> None:
    net, _, x = pair()
    with autograd.record():
        net(x)
        assert prepared(net, x) is None
    w = hn.np.ones(3)

    def count(x: Any) -> Any:
        w[...] = w + 1
        return (w * 2) * x

    assert hn.jit(count)._inspect((hn.np.ones(3),), {}).program.prepared is None
    with mock.patch.object(config, "disabled_passes", frozenset({"prepare"})):
        fresh = network()
        fresh.hybridize()
        fresh(x)
        assert prepared(fresh, x) is None


def test_random_numbers_are_drawn_at_each_call() -> None:
    w = hn.np.ones(1000)
    f = hn.jit(lambda x: call("multiply", w, 2) * hn.np.random.uniform(size=1000) + x)
    x = hn.np.zeros(1000)
    assert (f(x).asnumpy() != f(x).asnumpy()).any()


def test_the_check_and_the_profile_know_of_it() -> None:
    net, _, x = pair()
    assert net.check(x)
    assert net.profile(x)
    assert "# at each call" in net.program(x)
