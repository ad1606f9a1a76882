"""The losses and metrics of training in one call, against their formulas."""

from typing import Any

import numpy as np
import pytest
from support.fitting import CLASSES, blobs, fitted, network, one_hot, same, values

import hybridnet as hn
from hybridnet import gluon, metric
from hybridnet.gluon import nn

# -- losses ----------------------------------------------------------------------------------------


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


# -- metrics ---------------------------------------------------------------------------------------


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
