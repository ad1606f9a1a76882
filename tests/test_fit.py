"""Training in one call: what ``compile`` takes, what ``fit`` does with it, what it refuses."""

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import hybridnet as hn
from hybridnet import autograd, gluon, metric, optimizer
from hybridnet.core import NDArray
from hybridnet.errors import ArgumentError, ShapeError, UninitializedError
from hybridnet.gluon import nn
from hybridnet.gluon.training import History, losses
from hybridnet.gluon.training.progress import Progress

CLASSES = 3


def blobs(n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points around the corners of a triangle, and which corner: easy to learn."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, CLASSES, n)
    corners = np.array([[0.0, 2.0], [2.0, -1.0], [-2.0, -1.0]])
    return corners[y] + rng.normal(0, 0.3, (n, 2)), y


def one_hot(y: np.ndarray) -> np.ndarray:
    return np.eye(CLASSES, dtype=np.float32)[y]


def network(activation: str | None = None, outputs: int = CLASSES, seed: int = 1) -> nn.HybridSequential:
    hn.random.seed(seed)
    net = nn.HybridSequential()
    net.add(nn.Dense(8, activation="tanh", in_units=2), nn.Dense(outputs, activation=activation, in_units=8))
    net.initialize(hn.init.Xavier())
    return net


def values(net: Any) -> list[np.ndarray]:
    return [p.data().asnumpy().copy() for p in net.collect_params().values()]


def same(a: list[np.ndarray], b: list[np.ndarray], tolerance: float = 1e-6) -> bool:
    return all(np.allclose(x, y, atol=tolerance, rtol=tolerance) for x, y in zip(a, b, strict=True))


def fitted(net: Any, x: Any, y: Any, loss: Any = "softmax_cross_entropy", opt: Any = "adam", **kwargs: Any) -> History:
    net.compile(opt, loss, ["accuracy"], optimizer_params={"learning_rate": 0.05} if isinstance(opt, str) else None)
    return net.fit(x, y, **{"epochs": 8, "batch_size": 16, "verbose": 0, **kwargs})


# -- it trains ------------------------------------------------------------------------------------


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
    assert len(net._session.programs.steps["train_step"].cache) == 2
    assert len(net._session.programs.steps["train_step"].retraces) == 1
    net.fit(x, y, epochs=2, batch_size=16, verbose=0)
    assert len(net._session.programs.steps["train_step"].retraces) == 1


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


# -- full-batch gradient descent ------------------------------------------------------------------


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


# -- data -----------------------------------------------------------------------------------------


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
    kinds = [(x, y), (x.tolist(), y.tolist()), ours, (Loader(x, y), None), (Loader(*ours).parts, None), ((x,), y)]
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


# -- losses ---------------------------------------------------------------------------------------


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def loss_of(net: Any, loss: Any, x: Any, y: Any) -> float:
    net.compile("sgd", loss)
    return net.evaluate(x, y)["loss"]


@pytest.mark.parametrize(
    "name", ["categorical_crossentropy", "sparse_categorical_crossentropy", "softmax_cross_entropy", "SoftmaxCrossEntropyLoss"]
)
def test_a_softmax_at_the_end_is_taken_once(name: str) -> None:
    x, y = blobs(10)
    net = network("softmax")
    p = net.predict(x).asnumpy()
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-5)
    expected = -np.log(p[np.arange(10), y]).mean()
    assert loss_of(net, name, x, y) == pytest.approx(expected, rel=1e-4)
    assert loss_of(net, name, x, one_hot(y)) == pytest.approx(expected, rel=1e-4)


def test_without_a_softmax_the_name_says_what_outputs_are() -> None:
    x, y = blobs(10)
    net = network()
    z = net.predict(x).asnumpy()
    assert loss_of(net, "softmax_cross_entropy", x, y) == pytest.approx(-np.log(softmax(z)[np.arange(10), y]).mean(), rel=1e-4)
    net.add(nn.HybridLambda(lambda F, x: F.softmax(x) * 1.0))  # probabilities, but no softmax is last
    p = softmax(z)
    assert loss_of(net, "categorical_crossentropy", x, y) == pytest.approx(-np.log(p[np.arange(10), y]).mean(), rel=1e-4)
    assert loss_of(net, "categorical_crossentropy", x, one_hot(y)) == pytest.approx(-np.log(p[np.arange(10), y]).mean(), rel=1e-4)


@pytest.mark.parametrize(
    "last", [lambda net: net.add(nn.Dense(CLASSES, activation="softmax", in_units=CLASSES)), lambda net: net.add(nn.Activation("softmax"))]
)
def test_probabilities_that_round_to_zero_still_train(last: Any) -> None:
    """Logits far apart: the logarithm of the rounded probability would be infinite, its gradient zero or NaN."""
    x, y = blobs()
    net = network()
    last(net)
    net.initialize(hn.init.Xavier(), force_reinit=True)
    net.compile("sgd", "softmax_cross_entropy", optimizer_params={"learning_rate": 0.0})
    net[1].bias.set_data(np.array([0.0, 1e4, 0.0], np.float32))
    if len(net[2].collect_params()):
        net[2].weight.set_data(np.eye(CLASSES, dtype=np.float32))
    history = net.fit(x, np.zeros_like(y), batch_size=60, verbose=0)
    assert history.history["loss"][0] == pytest.approx(1e4, rel=1e-3)
    np.testing.assert_allclose(net[1].bias.grad().asnumpy(), [-1, 1, 0], atol=1e-5)


def test_hybridized_or_not_is_the_same() -> None:
    x, y = blobs()
    plain, hybrid = network("softmax"), network("softmax")
    hybrid.hybridize()
    fitted(plain, x, y, epochs=2, shuffle=False)
    fitted(hybrid, x, y, epochs=2, shuffle=False)
    assert same(values(plain), values(hybrid))


@pytest.mark.parametrize("activation", [None, "sigmoid"])
@pytest.mark.parametrize("column", [True, False])
def test_yes_and_no(activation: str | None, column: bool) -> None:
    x, y = blobs()
    truth = (y == 1).astype(np.float32)
    net = network(activation, outputs=1)
    z = net.predict(x).asnumpy()[:, 0]
    p = z if activation else 1 / (1 + np.exp(-z))
    expected = -(truth * np.log(p) + (1 - truth) * np.log(1 - p)).mean()
    given = truth[:, None] if column else truth
    assert loss_of(net, "sigmoid_binary_cross_entropy", x, given) == pytest.approx(expected, rel=1e-4)
    history = fitted(net, x, given, "sigmoid_binary_cross_entropy", epochs=20)
    assert history.history["accuracy"][-1] == 1.0


def test_binary_crossentropy_of_probabilities() -> None:
    x, y = blobs()
    truth = (y == 1).astype(np.float32)
    net = network("sigmoid", outputs=1)
    expected = loss_of(net, "binary_crossentropy", x, truth)
    net.add(nn.HybridLambda(lambda F, x: x * 1.0))  # probabilities, but no sigmoid is last
    assert loss_of(net, "binary_crossentropy", x, truth) == pytest.approx(expected, rel=1e-4)
    net.compile("sgd", "binary_crossentropy", ["accuracy", "binary_accuracy"])
    p = net.predict(x).asnumpy()[:, 0]
    results = net.evaluate(x, truth)
    assert results["accuracy"] == results["binary_accuracy"] == pytest.approx(((p > 0.5) == (truth > 0.5)).mean())


@pytest.mark.parametrize(
    ("name", "f"),
    [
        ("mse", lambda d: d**2),
        ("mean_squared_error", lambda d: d**2),
        ("mae", abs),
        ("l1", abs),
        ("L2Loss", lambda d: d**2 / 2),
        ("huber", lambda d: np.where(abs(d) < 1, d**2 / 2, abs(d) - 0.5)),
    ],
)
def test_losses_of_values(name: str, f: Any) -> None:
    x, _ = blobs(10)
    target = np.random.default_rng(3).normal(0, 2, (10, CLASSES))
    net = network()
    d = net.predict(x).asnumpy() - target
    assert loss_of(net, name, x, target) == pytest.approx(f(d).mean(), rel=1e-4)


def test_gluon_losses_and_functions() -> None:
    x, y = blobs(10)
    net = network()
    named = loss_of(net, "softmax_cross_entropy", x, y)
    assert loss_of(net, gluon.loss.SoftmaxCrossEntropyLoss(), x, y) == pytest.approx(named, rel=1e-5)
    assert loss_of(net, gluon.loss.SoftmaxCrossEntropyLoss(sparse_label=False), x, one_hot(y)) == pytest.approx(named, rel=1e-5)
    assert loss_of(net, lambda output, label: ((output - label) ** 2).mean(), x, one_hot(y)) == pytest.approx(
        loss_of(net, "mse", x, one_hot(y)), rel=1e-5
    )
    assert fitted(net, x, y, gluon.loss.SoftmaxCrossEntropyLoss()).history["loss"][-1] < named
    assert not any("loss" in name for name in net.collect_params())
    assert len(net) == 2, "a loss block is no part of the network"


def test_sequences_of_classes() -> None:
    """Outputs (batch, time, classes): labels (batch, time), or one-hot."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 5, (12, 4))
    net = nn.HybridSequential()
    net.add(nn.Embedding(5, 6), nn.Dense(5, flatten=False, activation="softmax"))
    net.compile("adam", "categorical_crossentropy", ["accuracy"], optimizer_params={"learning_rate": 0.1})
    history = net.fit(x, x, epochs=30, batch_size=12, verbose=0)
    assert history.history["accuracy"][-1] == 1.0
    first = net.evaluate(x, x)
    second = net.evaluate(x, np.eye(5)[x])
    assert second == pytest.approx(first, rel=1e-5)


# -- metrics --------------------------------------------------------------------------------------


def test_metrics_by_name_and_as_objects() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 2)), rng.integers(0, CLASSES, 30)
    net = network()
    names = ["acc", "categorical_accuracy", "top_2_accuracy", "top_k_accuracy", "softmax_cross_entropy"]
    net.compile("sgd", "softmax_cross_entropy", [*names, metric.Accuracy(name="host"), metric.TopKAccuracy(2)])
    results = net.evaluate(x, y, batch_size=7)
    z = net.predict(x).asnumpy()
    right = (z.argmax(1) == y).mean()
    best = (np.argsort(z, axis=1)[:, -2:] == y[:, None]).any(1).mean()
    assert results["acc"] == results["categorical_accuracy"] == pytest.approx(right)
    assert results["host"] == pytest.approx(right)
    assert results["top_2_accuracy"] == results["top_k_accuracy_2"] == pytest.approx(best)
    assert results["top_k_accuracy"] == 1.0  # 5 of 3
    assert results["softmax_cross_entropy"] == pytest.approx(results["loss"])
    assert net.evaluate(x, one_hot(y))["top_2_accuracy"] == pytest.approx(best)


def test_metrics_of_the_host_by_name_and_by_function() -> None:
    x, y = blobs()
    net = network(outputs=2)
    net.compile("sgd", "softmax_cross_entropy", ["f1", lambda label, pred: float((pred.argmax(1) == label).mean())])
    results = net.fit(x, (y == 1).astype(int), verbose=0, batch_size=60).history
    assert 0 <= results["f1"][0] <= 1
    assert any(name.startswith("custom") for name in results)


def test_metrics_are_of_the_epoch_not_of_the_last_batch() -> None:
    net = nn.HybridSequential()
    net.add(nn.Dense(1, use_bias=False, in_units=1))
    net.initialize(hn.init.Zero())
    net.compile("sgd", "mse", ["mae"], optimizer_params={"learning_rate": 0.0})
    y = np.array([1.0, 2.0, 3.0, 4.0, 10.0])[:, None]
    history = net.fit(np.ones((5, 1)), y, epochs=2, batch_size=2, verbose=0).history
    assert history["loss"] == pytest.approx([(y**2).mean()] * 2)
    assert history["mae"] == pytest.approx([y.mean()] * 2)


# -- prediction -----------------------------------------------------------------------------------


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


# -- copies ---------------------------------------------------------------------------------------


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


# -- what one sees --------------------------------------------------------------------------------


def test_verbose(capfd: pytest.CaptureFixture[str]) -> None:
    x, y = blobs()
    net = network()
    fitted(net, x, y, epochs=2, verbose=0)
    assert capfd.readouterr() == ("", "")
    fitted(net, x, y, epochs=2, verbose=1, validation_data=(x, y))
    bar = capfd.readouterr().err
    for part in ("Epoch 1/2", "Epoch 2/2", "60/60", "loss=", "val_accuracy=", "samples/s"):
        assert part in bar
    fitted(net, x, y, epochs=2, verbose=2)
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("Epoch 2/2: loss=")
    assert lines[1].endswith("samples/s")
    net.evaluate(x, y, verbose=1)
    assert "Evaluate" in capfd.readouterr().err


def test_the_bar_asks_for_values_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    from hybridnet.gluon.training import progress as module

    clock = iter(np.arange(0, 1000, 0.01))
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(clock))
    asked = []
    with Progress("Epoch", 1000, 1) as progress:
        for _ in range(100):
            progress.advance(10, lambda: asked.append(1) or {"loss": 0.0})
        progress.stop_clock()
    assert 3 <= len(asked) <= 8


def test_history_plots_where_matplotlib_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    history = History()
    history.add(0, {"loss": 1.0, "val_loss": 2.0})
    history.add(1, {"loss": 0.5, "val_loss": 1.0})
    assert repr(history) == "<History of 2 epochs: loss=0.5, val_loss=1>"
    drawn: list[Any] = []

    class Axes:
        def __getattr__(self, name: str) -> Any:
            return lambda *args, **kwargs: drawn.append((name, *args))

    class Figure:
        def __init__(self, **kwargs: Any) -> None: ...

        def add_subplot(self, *args: int) -> Any:
            return Axes()

        def savefig(self, path: Any) -> None:
            drawn.append(("savefig", path))

    class Module:
        pass

    Module.Figure = Figure  # type: ignore[attr-defined]
    from hybridnet.gluon.training import progress as module

    monkeypatch.setattr(module.importlib, "import_module", lambda name: Module)
    history.plot(str(tmp_path / "h.png"))
    assert ("plot", [0, 1], [1.0, 0.5]) in drawn
    assert ("plot", [0, 1], [2.0, 1.0], "--") in drawn
    assert drawn[-1] == ("savefig", str(tmp_path / "h.png"))

    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(module.importlib, "import_module", missing)
    with pytest.raises(ArgumentError, match="pip install matplotlib"):
        history.plot()


# -- what is refused ------------------------------------------------------------------------------


def test_compile_comes_first() -> None:
    x, y = blobs()
    for method in (network().fit, network().evaluate):
        with pytest.raises(ArgumentError, match=r"net\.compile\(optimizer='adam'"):
            method(x, y)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimizer": "adan", "loss": "mse"}, "got 'adan'.*try.*'adam'"),
        ({"optimizer": 3, "loss": "mse"}, "a name or an Optimizer; got int"),
        ({"optimizer": "adam"}, "expected a loss; got none"),
        ({"optimizer": "adam", "loss": "softmax_crossentrapy"}, "got 'softmax_crossentrapy'.*try 'softmax_cross_entropy'"),
        ({"optimizer": "adam", "loss": 1.5}, "a name, a gluon.loss block or a function"),
        ({"optimizer": "adam", "loss": "mse", "metrics": ["acuracy"]}, "got 'acuracy'.*try 'accuracy'"),
        ({"optimizer": "adam", "loss": "mse", "optimizer_params": {"learning_rat": 1}}, "learning_rat"),
        ({"optimizer": optimizer.Adam(), "loss": "mse", "optimizer_params": {"learning_rate": 1}}, "made already"),
    ],
)
def test_unknown_names(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((ArgumentError, TypeError), match=message):
        network().compile(**arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.zeros(59, int)}, "as many labels as samples"),
        ({"x": np.zeros((0, 2)), "y": np.zeros(0, int)}, "at least one sample; got empty data"),
        ({"y": None}, "labels y beside the array x"),
        ({"x": [], "y": None}, "at least one batch; got none"),
        ({"x": [(np.zeros((2, 2)),)], "y": None}, r"batches \(x, y\); got a tuple of 1"),
        ({"x": 3.0, "y": None}, "an iterable of batches"),
        ({"x": np.array([["a", "b"]] * 60)}, "arrays of numbers"),
        ({"y": np.full(60, CLASSES)}, "labels from 0 to 2, for 3 outputs; got labels from 3 to 3"),
        ({"y": np.full(60, -1)}, "labels from 0 to 2, for 3 outputs; got labels from -1 to -1"),
        ({"y": np.full(60, 0.5)}, "fractions as labels"),
        ({"y": np.zeros((60, 2))}, r"labels of shape \(16,\) \(numbers of classes\) or \(16, 3\) \(one-hot\)"),
        ({"x": np.zeros((60, 5))}, "dense0|fully_connected"),
        ({"batch_size": 0}, "a batch_size of 1 or more"),
        ({"epochs": -1}, "epochs of 0 or more"),
        ({"verbose": 3}, "verbose 0"),
        ({"validation_data": (np.zeros((3, 2)), np.full(3, 7))}, "got labels from 7 to 7"),
    ],
)
def test_bad_data_is_refused_before_anything_is_trained(change: dict[str, Any], message: str) -> None:
    x, y = blobs()
    net = network()
    net.compile("sgd", "softmax_cross_entropy", optimizer_params={"learning_rate": 1.0})
    before = values(net)
    with pytest.raises(ValueError, match=message):
        net.fit(**{"x": x, "y": y, "batch_size": 16, "verbose": 0, **change})
    assert same(before, values(net), 0)


def test_labels_of_later_batches_are_checked_too() -> None:
    x, y = blobs()
    net = network()
    net.compile("sgd", "softmax_cross_entropy")
    with pytest.raises(ArgumentError, match="got labels from 9 to 9"):
        net.fit([(x, y), (x, np.full_like(y, 9))], verbose=0)


def test_losses_and_outputs_that_do_not_fit() -> None:
    x, y = blobs()
    with pytest.raises(ShapeError, match="try binary_crossentropy"):
        fitted(network(outputs=1), x, y, "categorical_crossentropy")
    with pytest.raises(ShapeError, match="labels of the shape of the outputs"):
        fitted(network(), x, y, "mse")
    with pytest.raises(ArgumentError, match="labels from 0 to 1; got labels from 0 to 2"):
        fitted(network(outputs=1), x, y, "binary_crossentropy")
    with pytest.raises(ArgumentError, match="a loss of classes; got mean_squared_error"):
        fitted(network(), x, one_hot(y), "mse")


def test_value_dependent_python_in_a_network_says_where() -> None:
    class Choosy(gluon.Block):
        def __init__(self) -> None:
            super().__init__()
            self.dense = nn.Dense(CLASSES, in_units=2)

        def forward(self, x: Any) -> Any:
            return self.dense(x) if x.sum() > 0 else -self.dense(x)

    net = Choosy()
    x, y = blobs()
    with pytest.raises(hn.HybridnetError, match=r"test_fit\.py"):
        fitted(net, x, y)


def test_every_loss_is_named_once() -> None:
    assert losses.find("MSE") is losses.find("mean-squared-error") is losses.LOSSES["mean_squared_error"]
    assert losses.named("nothing") is None
