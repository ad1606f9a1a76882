"""``fit``: callbacks, weights, gradients that are added up or limited, several outputs, several devices."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.fitting import CLASSES, blobs, network, one_hot, same, values

import hybridnet as hn
from hybridnet import autograd, gluon
from hybridnet.errors import ArgumentError, ShapeError
from hybridnet.gluon import nn
from hybridnet.gluon.contrib import estimator as es

LOSS = "softmax_cross_entropy"


def fit(net: Any, x: Any, y: Any = None, loss: Any = LOSS, rate: float = 0.1, metrics: Any = None, **arguments: Any) -> Any:
    net.compile("sgd", loss, metrics, optimizer_params={"learning_rate": rate})
    return net.fit(x, y, **{"epochs": 2, "batch_size": 16, "verbose": 0, "shuffle": False, **arguments})


def by_hand(net: Any, batches: Any, clip: float | None = None) -> None:
    """Steps of SGD at a rate of 0.1, each from the weighted mean loss of a batch ``(x, y, weight)``."""
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    for x, y, weight in batches:
        with autograd.record():
            loss = (loss_of(net(hn.np.array(x, dtype="float32")), hn.np.array(y)) * hn.np.array(weight, dtype="float32")).mean()
        loss.backward()
        if clip is not None:
            gluon.utils.clip_global_norm([p.grad() for p in net.collect_params().values()], clip)
        trainer.step(1)


def cut(x: Any, y: Any, size: int, weight: Any = None, times: int = 2) -> list[Any]:
    weight = np.ones(len(x)) if weight is None else weight
    return [(x[i : i + size], y[i : i + size], weight[i : i + size]) for _ in range(times) for i in range(0, len(x), size)]


# -- weights ----------------------------------------------------------------------------------------


def test_weights_of_samples_and_classes() -> None:
    x, y = blobs(40)
    weight, of_class = np.linspace(0, 2, 40), np.array([1.0, 3.0, 0.5])
    nets = [network() for _ in range(5)]
    fit(nets[0], x, y, sample_weight=weight)
    fit(nets[1], [(x[i : i + 16], y[i : i + 16], weight[i : i + 16]) for i in range(0, 40, 16)])
    by_hand(nets[2], cut(x, y, 16, weight))
    assert same(values(nets[0]), values(nets[2])) and same(values(nets[1]), values(nets[2]))
    fit(nets[3], x, one_hot(y), sample_weight=weight, class_weight={1: 3.0, 2: 0.5})
    by_hand(nets[4], cut(x, y, 16, weight * of_class[y]))
    assert same(values(nets[3]), values(nets[4])) and not same(values(nets[3]), values(nets[2]))


def test_the_loss_that_is_shown_is_weighted_and_metrics_are_not() -> None:
    x, y = blobs(32)
    net = network()
    plain = fit(net, x, y, rate=0.0, metrics=["accuracy"], epochs=1).history
    double = fit(net, x, y, rate=0.0, metrics=["accuracy"], epochs=1, sample_weight=np.full(32, 2.0), validation_data=(x, y)).history
    assert double["loss"][0] == pytest.approx(2 * plain["loss"][0]) and double["accuracy"] == plain["accuracy"]
    assert double["val_loss"][0] == pytest.approx(plain["loss"][0])


# -- gradients --------------------------------------------------------------------------------------


@pytest.mark.parametrize("accumulate", [2, 3, 100])
def test_accumulated_batches_are_one(accumulate: int) -> None:
    """The mean over all their samples, of batches that differ in size too; what is left at an epoch's end is an update of its own."""
    x, y = blobs(40)
    added, whole = network(), network()
    fit(added, x, y, batch_size=7, accumulate=accumulate)
    by_hand(whole, cut(x, y, 7 * accumulate))
    assert same(values(added), values(whole), 1e-5)


@pytest.mark.parametrize("arguments", [{}, {"accumulate": 2}, {"devices": 2}], ids=["one batch", "two batches", "two devices"])
def test_gradients_are_limited(arguments: dict[str, Any]) -> None:
    x, y = blobs(32)
    limited, expected, free = network(), network(), network()
    if arguments.pop("devices", 1) == 2:
        limited.collect_params().reset_ctx([hn.cpu(0), hn.cpu(1)])
    fit(limited, x, y, batch_size=16 // arguments.get("accumulate", 1), clip_global_norm=0.05, **arguments)
    by_hand(expected, cut(x, y, 16), clip=0.05)
    by_hand(free, cut(x, y, 16))
    found = [p.list_data()[-1].asnumpy() for p in limited.collect_params().values()]
    assert same(found, values(expected), 1e-5) and not same(found, values(free), 1e-3)


# -- several outputs --------------------------------------------------------------------------------


class Two(nn.HybridSequential):
    """A class and a number of each point."""

    def __init__(self) -> None:
        super().__init__()
        hn.random.seed(2)
        self.add(nn.Dense(8, activation="tanh", in_units=2))
        self.classes, self.number = nn.Dense(CLASSES, in_units=8), nn.Dense(1, in_units=8)
        self.initialize(hn.init.Xavier())

    def forward(self, x: Any) -> Any:
        hidden = self[0](x)
        return self.classes(hidden), self.number(hidden)


def test_several_outputs() -> None:
    x, y = blobs(48)
    number = x.sum(axis=1, keepdims=True).astype("float32")
    net, other = Two(), Two()
    net.compile("sgd", [LOSS, "mse"], [["accuracy"], "mae"], {"learning_rate": 0.1}, loss_weights=[1.0, 0.25])
    history = net.fit(x, (y, number), epochs=20, batch_size=16, verbose=0, shuffle=False, validation_data=(x, (y, number))).history
    first = {name: found[0] for name, found in history.items()}
    names = ["loss", "output0_loss", "output1_loss", "output0_accuracy", "output1_mae"]
    assert [*first] == names + [f"val_{name}" for name in names]
    assert first["loss"] == pytest.approx(first["output0_loss"] + 0.25 * first["output1_loss"], rel=1e-5)
    assert history["val_output0_accuracy"][-1] == 1 and history["output1_loss"][-1] < 0.2 * first["output1_loss"]
    predicted = net.predict(x, batch_size=20)
    assert [part.shape for part in predicted] == [(48, CLASSES), (48, 1)]

    loss_of, square = gluon.loss.SoftmaxCrossEntropyLoss(), gluon.loss.L2Loss()
    trainer = gluon.Trainer(other.collect_params(), "sgd", {"learning_rate": 0.1})
    for _ in range(20):
        for i in range(0, 48, 16):
            with autograd.record():
                classes, numbers = other(hn.np.array(x[i : i + 16], dtype="float32"))
                loss = loss_of(classes, hn.np.array(y[i : i + 16])) + 0.25 * 2 * square(numbers, hn.np.array(number[i : i + 16]))
            loss.backward()
            trainer.step(16)
    assert same(values(net), values(other), 1e-4)


# -- several devices --------------------------------------------------------------------------------


@pytest.mark.parametrize(("devices", "arguments"), [(2, {}), (8, {}), (2, {"accumulate": 2, "clip_global_norm": 0.3})])
def test_several_devices_train_as_one(devices: int, arguments: dict[str, Any]) -> None:
    """A last batch of 5 leaves three of eight devices without samples."""
    x, y = blobs(37)
    one, several = network(), network()
    several.collect_params().reset_ctx([hn.cpu(i) for i in range(devices)])
    histories = [
        fit(net, x, y, metrics=["accuracy", hn.metric.TopKAccuracy(top_k=2)], validation_data=(x, y), **arguments) for net in (one, several)
    ]
    for parameter, expected in zip(several.collect_params().values(), values(one), strict=True):
        for copy in parameter.list_data():
            np.testing.assert_allclose(copy.asnumpy(), expected, rtol=2e-5, atol=1e-6)
    for name, found in histories[0].history.items():
        assert histories[1].history[name] == pytest.approx(found, rel=1e-4)


# -- callbacks --------------------------------------------------------------------------------------


class Told(es.TrainBegin, es.EpochEnd, es.BatchEnd):
    """Writes down the results of now."""

    def __init__(self) -> None:
        self.batches, self.epochs = 0, []

    def train_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        self.lr = estimator.trainer.learning_rate

    def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        self.batches += 1

    def epoch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        self.epochs.append(dict(estimator.results))


def test_callbacks_hear_results_and_early_stopping_goes_by_name() -> None:
    x, y = blobs(32)
    told = Told()
    stop = es.EarlyStoppingHandler("val_loss", patience=2)
    history = fit(network(), x, y, rate=0.0, epochs=9, validation_data=(x, y), callbacks=[told, stop])
    assert history.epoch == [0, 1, 2] and stop.stopped_epoch == 2  # nothing becomes better at a rate of 0
    assert told.batches == 6 and told.lr == 0.0
    assert [results["val_loss"] for results in told.epochs] == history.history["val_loss"]


def test_the_best_is_kept(tmp_path: Path) -> None:
    x, y = blobs(32)
    net, best = network(), network()
    kept = es.CheckpointHandler(tmp_path, monitor="loss", save_best=True)
    history = fit(net, x, y, epochs=3, callbacks=kept).history
    assert kept.best == min(history["loss"])
    best.load_parameters(tmp_path / "model-best.params")
    assert same(values(best), values(net), 0)


def test_a_run_that_goes_on_has_the_whole_history_and_shows_where_it_is(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    x, y = blobs(32)
    whole = fit(network(), x, y, epochs=5)
    net = network()
    for epochs in (2, 5, 5):  # at last there is nothing left to do
        history = fit(net, x, y, epochs=epochs, callbacks=es.CheckpointHandler(tmp_path, resume_from_checkpoint=True), verbose=2)
    assert history.history == whole.history and history.epoch == list(range(5))
    assert re.findall(r"Epoch \d/\d", capfd.readouterr().out) == ["Epoch 1/2", "Epoch 2/2", "Epoch 3/5", "Epoch 4/5", "Epoch 5/5"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"accumulate": 0}, "accumulate of 1 or more batches; got 0"),
        ({"clip_global_norm": -1}, "a number above 0; got -1"),
        ({"class_weight": {3: 1.0}}, "classes from 0 to 2; got one of 3"),
        ({"class_weight": {1: 2.0}, "loss": "mse"}, "one loss of classes, by name, beside class_weight"),
        ({"sample_weight": np.ones(31)}, "as many labels as samples"),
        ({"sample_weight": np.ones((32, 2))}, "one sample_weight a sample"),
        ({"callbacks": [print]}, "callbacks to be event handlers"),
        ({"callbacks": es.GradientUpdateHandler()}, "tells of each batch's loss; got net.fit"),
        ({"callbacks": es.EarlyStoppingHandler("val_loss")}, "monitor to be one of 'loss'; got 'val_loss'"),
        ({"loss": [LOSS, "mse"]}, "as many losses as the network has outputs, 1; got 2"),
    ],
)
def test_refusals(arguments: dict[str, Any], text: str) -> None:
    x, y = blobs(32)
    net = network()
    label = one_hot(y) if arguments.get("loss") == "mse" else y
    with pytest.raises((ArgumentError, ShapeError), match=text):
        fit(net, x, label, **arguments)
