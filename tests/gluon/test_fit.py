"""Training in one call: what ``fit`` does with networks, optimizers and data."""

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support.fitting import CLASSES, blobs, fitted, network, one_hot, same, values

import hybridnet as hn
from hybridnet import autograd, gluon, metric, optimizer
from hybridnet.core import NDArray
from hybridnet.errors import ArgumentError, UninitializedError
from hybridnet.gluon import nn

# -- it trains -------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", [None, "softmax"])
@pytest.mark.parametrize(
    "form", [lambda y: y, one_hot, lambda y: y[:, None], lambda y: y.astype(np.float32)], ids=["numbers", "one-hot", "column", "float"]
)
def test_classes_are_learnt_whatever_the_form_of_labels(activation: str | None, form: Any) -> None:
    x, y = blobs()
    net = network(activation)
    history = fitted(net, x, form(y))
    assert history.epoch == list(range(8))
    assert history.history["loss"][-1] < 0.3 < history.history["loss"][0]
    assert history.history["accuracy"][-1] == 1.0
    results = net.evaluate(x, form(y))
    assert results["accuracy"] == 1.0
    assert (net.predict(x).asnumpy().argmax(1) == y).all()


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop", "SGD", "nag"])
def test_optimizers_by_name(name: str) -> None:
    x, y = blobs()
    history = fitted(network(), x, y, opt=name)
    assert history.history["loss"][-1] < history.history["loss"][0] * 0.7


def test_an_update_is_the_one_of_a_loop_written_by_hand() -> None:
    x, y = blobs(40)
    by_fit, by_hand = network(), network()
    by_fit.compile(optimizer.SGD(learning_rate=0.1, momentum=0.9), "softmax_cross_entropy")
    by_fit.fit(x, y, epochs=3, batch_size=16, shuffle=False, verbose=0)
    trainer = gluon.Trainer(by_hand.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.9})
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
    for _ in range(3):
        for start in range(0, 40, 16):  # batches of 16, 16 and 8
            part = hn.np.array(x[start : start + 16], dtype="float32")
            with autograd.record():
                loss = loss_of(by_hand(part), hn.np.array(y[start : start + 16]))
            loss.backward()
            trainer.step(len(part))
    assert same(values(by_fit), values(by_hand))


def test_one_compilation_for_each_batch_size() -> None:
    x, y = blobs(40)
    net = network()
    net.compile("adam", "softmax_cross_entropy", ["accuracy"])
    net.fit(x, y, epochs=3, batch_size=16, verbose=0)
    assert net._session is not None
    (step,) = [step for (name, *_), step in net._session.programs.steps.items() if name == "train_step"]
    assert len(step.cache) == 2
    assert len(step.retraces) == 1
    net.fit(x, y, epochs=2, batch_size=16, verbose=0)
    assert len(step.retraces) == 1


def test_fit_goes_on_where_it_ended() -> None:
    x, y = blobs()
    together, apart = network(), network()
    fitted(together, x, y, epochs=4, shuffle=False)
    fitted(apart, x, y, epochs=2, shuffle=False)
    apart.fit(x, y, epochs=2, batch_size=16, shuffle=False, verbose=0)
    assert same(values(together), values(apart))


def test_the_order_follows_the_seed() -> None:
    x, y = blobs()
    first, second, other, straight = network(seed=4), network(seed=4), network(seed=4), network(seed=4)
    hn.random.seed(5)
    fitted(first, x, y, epochs=2)
    hn.random.seed(5)
    fitted(second, x, y, epochs=2)
    hn.random.seed(6)
    fitted(other, x, y, epochs=2)
    fitted(straight, x, y, epochs=2, shuffle=False)
    assert same(values(first), values(second), 0)
    assert not same(values(first), values(other))
    assert not same(values(first), values(straight))


def test_every_sample_is_seen_once_an_epoch() -> None:
    net = nn.HybridSequential()
    net.add(nn.Dense(1, use_bias=False, in_units=1))
    net.initialize(hn.init.Zero())
    seen: list[np.ndarray] = []

    class Seen(metric.EvalMetric):
        def update(self, labels: Any, preds: Any) -> None:
            seen.append(labels[0].asnumpy())
            self.add(0.0, 1)

    net.compile("sgd", "mse", [Seen("seen")])
    net.fit(np.ones((10, 1)), np.arange(10.0)[:, None], batch_size=4, verbose=0)
    assert [len(s) for s in seen] == [4, 4, 2]
    order = np.concatenate(seen).ravel()
    assert sorted(order) == list(range(10))
    assert list(order) != list(range(10))


# -- full-batch gradient descent -------------------------------------------------------------------


def test_bgd_is_one_update_an_epoch_from_all_data() -> None:
    x, y = blobs(40)
    net, by_hand = network(), network()
    net.compile("bgd", "softmax_cross_entropy", optimizer_params={"learning_rate": 0.5})
    history = net.fit(x, y, epochs=5, batch_size=16, verbose=0)
    trainer = gluon.Trainer(by_hand.collect_params(), "sgd", {"learning_rate": 0.5})
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
    expected = []
    for _ in range(5):
        with autograd.record():
            loss = loss_of(by_hand(hn.np.array(x, dtype="float32")), hn.np.array(y))
        loss.backward()
        expected.append(loss.mean().item())
        trainer.step(40)
    np.testing.assert_allclose(history.history["loss"], expected, rtol=1e-5)
    assert same(values(net), values(by_hand), 1e-5)


def test_bgd_does_not_depend_on_the_batch_size() -> None:
    x, y = blobs(40)
    results = []
    for batch_size in (7, 40):
        net = network()
        net.compile("bgd", "softmax_cross_entropy", optimizer_params={"learning_rate": 0.5})
        net.fit(x, y, epochs=3, batch_size=batch_size, verbose=0)
        results.append(values(net))
    assert same(*results, 1e-5)


# -- data ------------------------------------------------------------------------------------------


class Loader:
    """Batches that start anew each time, like a DataLoader."""

    def __init__(self, x: Any, y: Any, size: int = 16) -> None:
        self.parts = [(x[i : i + size], y[i : i + size]) for i in range(0, len(x), size)]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.parts)


def test_all_kinds_of_data_train_alike() -> None:
    x, y = blobs(40)
    x32 = x.astype(np.float32)
    ours = hn.np.array(x32), hn.np.array(y)
    classic = hn.nd.array(x32), hn.nd.array(y)  # under MXNet 1.x's rules of shapes
    kinds = [classic, (x, y), (x.tolist(), y.tolist()), ours, (Loader(x, y), None), (Loader(*ours).parts, None), ((x,), y)]
    results = []
    for a, b in kinds:
        net = network()
        fitted(net, a, b, epochs=2, shuffle=False)
        results.append(values(net))
    for other in results[1:]:
        assert same(results[0], other)


def test_an_iterator_trains_one_epoch() -> None:
    x, y = blobs(40)
    net, whole = network(), network()
    fitted(net, iter(Loader(x, y)), None, epochs=1)
    fitted(whole, x, y, epochs=1, shuffle=False)
    assert same(values(net), values(whole))
    with pytest.raises(ArgumentError, match="every epoch; got a list_iterator"):
        net.fit(iter(Loader(x, y)), epochs=2, verbose=0)


def test_validation_data() -> None:
    x, y = blobs()
    held, truth = blobs(20, seed=9)
    net = network()
    history = fitted(net, x, y, validation_data=(held, truth))
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    results = net.evaluate(held, truth)
    assert history.history["val_loss"][-1] == pytest.approx(results["loss"])
    assert history.history["val_accuracy"][-1] == results["accuracy"]
    again = net.fit(x, y, epochs=1, verbose=0, validation_data=Loader(held, truth, 7))
    assert "val_loss" in again.history


def test_a_network_of_two_inputs() -> None:
    class Sum(gluon.HybridBlock):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Dense(1, in_units=2), nn.Dense(1, in_units=3)

        def forward(self, x: Any, y: Any) -> Any:
            return self.a(x) + self.b(y)

    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(40, 2)), rng.normal(size=(40, 3))
    net = Sum()
    net.compile("adam", "mse", optimizer_params={"learning_rate": 0.1})
    history = net.fit((x, z), x[:, :1] - z[:, 2:], epochs=30, batch_size=20, verbose=0)
    assert history.history["loss"][-1] < 0.05
    assert net.predict((x, z)).shape == (40, 1)


def test_uninitialized_parameters_get_values_and_initialized_ones_stay() -> None:
    x, y = blobs()
    net = nn.Sequential()
    net.add(nn.Dense(4, weight_initializer=hn.init.Constant(0.25)), nn.Dense(CLASSES))
    net.compile("sgd", "softmax_cross_entropy", optimizer_params={"learning_rate": 0.0})
    net.fit(x, y, verbose=0)
    assert (net[0].weight.data().asnumpy() == 0.25).all()
    limit = np.sqrt(6 / (4 + CLASSES)) * 1.8  # Xavier's, in any of its forms
    spread = np.abs(net[1].weight.data().asnumpy())
    assert 0.07 < spread.max() <= limit


def test_parameters_that_only_add_gradients_and_those_that_stay() -> None:
    x, y = blobs()
    plain, adding = network(), network()
    adding.setattr("grad_req", "add")
    fitted(plain, x, y, epochs=2, shuffle=False)
    fitted(adding, x, y, epochs=2, shuffle=False)
    assert same(values(plain), values(adding))
    frozen = network()
    frozen[0].setattr("grad_req", "null")
    before = values(frozen)
    fitted(frozen, x, y, epochs=2)
    assert same(before[:2], values(frozen)[:2], 0)
    assert not same(before[2:], values(frozen)[2:])


def test_batch_norm_and_dropout_know_the_mode() -> None:
    x, y = blobs()
    net = nn.HybridSequential()
    net.add(nn.Dense(8, activation="relu"), nn.BatchNorm(), nn.Dropout(0.5), nn.Dense(CLASSES))
    fitted(net, x, y, epochs=15)
    assert np.abs(net[1].running_mean.data().asnumpy()).max() > 0.01
    np.testing.assert_array_equal(net.predict(x).asnumpy(), net.predict(x).asnumpy())
    assert net.evaluate(x, y)["accuracy"] > 0.9


# -- prediction ------------------------------------------------------------------------------------


def test_predict_needs_no_compile_and_takes_the_mode_back() -> None:
    x, _ = blobs(10)
    net = network()
    result = net.predict(x, batch_size=4)
    assert isinstance(result, NDArray)
    assert result.shape == (10, CLASSES)
    np.testing.assert_allclose(result.asnumpy(), net(hn.np.array(x, dtype="float32")).asnumpy(), rtol=1e-5, atol=1e-6)
    assert not autograd.is_training()
    with pytest.raises(UninitializedError, match="initialize"):
        nn.Dense(2, in_units=2).predict(x)


# -- copies ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))], ids=["deepcopy", "pickle"])
def test_a_copy_is_compiled_alike_and_trains_alone(copied: Any) -> None:
    x, y = blobs()
    net = network()
    fitted(net, x, y, epochs=1)
    before = values(net)
    other = copied(net)
    other.fit(x, y, epochs=2, verbose=0)
    assert same(before, values(net), 0)
    assert not same(before, values(other))


def test_layers_added_later_are_trained() -> None:
    x, y = blobs()
    net = network()
    fitted(net, x, y, epochs=1)
    net.add(nn.Dense(CLASSES, in_units=CLASSES))
    fitted(net, x, y, epochs=1)
    before = net[2].weight.data().asnumpy().copy()
    net.add(nn.Dense(CLASSES, in_units=CLASSES))
    net.fit(x, y, epochs=1, verbose=0)
    assert np.abs(net[2].weight.data().asnumpy() - before).max() > 0
    assert net[3].weight.grad().asnumpy().any()
