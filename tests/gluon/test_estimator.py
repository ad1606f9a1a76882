"""``gluon.contrib.estimator``: what handlers are told and in which order, what is measured, logged, stopped; as MXNet 1.9.1 does it."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import numpy
import pytest

import hybridnet as hn
from hybridnet import gluon, metric
from hybridnet.errors import ArgumentError
from hybridnet.gluon import nn
from hybridnet.gluon.contrib import estimator as es

X = numpy.random.default_rng(0).random((20, 4)).astype("float32")
Y = numpy.random.default_rng(1).integers(0, 3, 20)


def loader(batch_size: int = 8) -> gluon.data.DataLoader:
    return gluon.data.DataLoader(gluon.data.ArrayDataset(X, Y), batch_size)


def made(devices: Any = None, loss: Any = None, **arguments: Any) -> es.Estimator:
    hn.random.seed(1)
    net = nn.Dense(3, in_units=4)
    net.initialize(ctx=devices)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    estimator = es.Estimator(net, loss or gluon.loss.SoftmaxCrossEntropyLoss(), trainer=trainer, context=devices, **arguments)
    estimator.logger.handlers.clear()
    return estimator


class Heard(es.TrainBegin, es.TrainEnd, es.EpochBegin, es.EpochEnd, es.BatchBegin, es.BatchEnd):
    """Writes down what it is told."""

    def __init__(self, told: list[str], name: str = "", priority: float = 0) -> None:
        self.told, self.name, self.priority = told, name, priority

    def __getattribute__(self, name: str) -> Any:
        if name.startswith(("train_", "epoch_", "batch_")):
            return lambda estimator, **what: self.told.append(" ".join([self.name + name, *sorted(what)]))
        return super().__getattribute__(name)


class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self, estimator: es.Estimator) -> None:
        super().__init__()
        self.lines: list[str] = []
        estimator.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def test_events_come_in_order_and_by_priority() -> None:
    told: list[str] = []
    made().fit(loader(16), epochs=1, event_handlers=[Heard(told, "a "), Heard(told, "b ", -5000)])
    batch = ["batch_begin batch", "batch_end batch label loss pred"]
    events = ["train_begin", "epoch_begin", *batch, *batch, "epoch_end", "train_end"]
    assert told == [f"{who} {event}" for event in events for who in ("b", "a")]


def test_a_number_of_batches_ends_in_the_middle_of_an_epoch() -> None:
    """MXNet ends that epoch, and begins and ends the next."""
    told: list[str] = []
    made().fit(loader(), batches=4, event_handlers=Heard(told))
    events = [event.split()[0] for event in told]
    assert [events.count(name) for name in ("batch_end", "epoch_begin", "epoch_end", "train_end")] == [4, 2, 2, 1]


def test_it_trains_as_a_loop_by_hand() -> None:
    estimator, other = made(), made()
    estimator.fit(loader(), epochs=3)
    for _ in range(3):
        for x, y in loader():
            with hn.autograd.record():
                loss = other.loss(other.net(x), y)
            loss.backward()
            other.trainer.step(len(x))
    numpy.testing.assert_array_equal(estimator.net.weight.data().asnumpy(), other.net.weight.data().asnumpy())


def test_two_devices_train_as_one() -> None:
    one, two = made(), made([hn.cpu(0), hn.cpu(1)])
    for estimator in (one, two):
        estimator.fit(loader(7), epochs=2)  # parts of 4 and 3, and of 3 each
    for x in two.net.weight.list_data():
        numpy.testing.assert_allclose(x.asnumpy(), one.net.weight.data().asnumpy(), rtol=1e-5)
    assert one.train_metrics[0].get() == two.train_metrics[0].get()


def test_metrics_have_mxnets_names_and_are_counted_by_epoch() -> None:
    estimator = made()
    names = ["training accuracy", "training softmaxcrossentropyloss"]
    assert [m.name for m in estimator.train_metrics] == names
    assert [m.name for m in estimator.val_metrics] == [name.replace("training", "validation") for name in names]
    assert [m.name for m in made(loss=gluon.loss.L2Loss()).train_metrics] == ["training l2loss"]
    assert [m.name for m in made(train_metrics=metric.Accuracy()).train_metrics] == ["training accuracy"]
    estimator.fit(loader(), loader(), epochs=2)
    expected = float((estimator.net(hn.np.array(X)).asnumpy().argmax(1) == Y).mean())
    assert estimator.val_metrics[0].get()[1] == expected and estimator.train_metrics[0].num_inst == 20
    estimator.net.weight.set_data(hn.np.zeros((3, 4)))
    estimator.net.bias.set_data(hn.np.array([0.0, 1.0, 0.0]))
    estimator.evaluate(loader())
    assert estimator.val_metrics[0].get()[1] == float((Y == 1).mean())


def test_what_is_logged() -> None:
    estimator = made()
    heard = Lines(estimator)
    estimator.fit(loader(), loader(), epochs=1, event_handlers=es.LoggingHandler(2, estimator.train_metrics))
    shape = [line.split(" time")[0].split(" Finished in")[0].split(" using total")[0] for line in heard.lines]
    assert shape == [
        "Training begin: using optimizer SGD with current learning rate 0.1000 ",
        "Train for 1 epochs.",
        "[Epoch 0] Begin, current learning rate: 0.1000",
        "[Epoch 0][Batch 0][Samples 8]",
        "[Epoch 0][Batch 2][Samples 20]",
        "Validation Begin",
        "[Epoch 0]",
        "[Epoch 0]",
        "Train finished",
    ]
    assert "validation accuracy: " in heard.lines[6] and "training accuracy: " in heard.lines[7]


def test_bars_know_how_many_batches_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of training, of its validation, and of a validation alone; a terminal would show them."""
    bars: list[list[Any]] = []

    class Bar:
        def __init__(self, total: int, **kwargs: Any) -> None:
            bars.append([total, 0])

        def update(self) -> None:
            bars[-1][1] += 1

        def close(self) -> None:
            bars[-1].append("closed")

    monkeypatch.setattr("tqdm.tqdm", Bar)
    estimator = made()
    estimator.evaluate(loader(10))
    estimator.fit(loader(), loader(5), epochs=1)
    # The bar of training is closed when its epoch has been validated: the mock's last one is the validation's.
    assert [bar[:2] for bar in bars] == [[2, 2], [3, 3], [4, 4]]
    assert sum(bar.count("closed") for bar in bars) == 3


class Given(metric.EvalMetric):
    """A metric whose values by epoch are given."""

    def __init__(self, values: list[float], name: str = "accuracy") -> None:
        self.values = values
        super().__init__(name)

    def update(self, labels: Any, preds: Any) -> None:
        self.add(0.0, 0)

    def get(self) -> tuple[str, float]:
        return self.name, self.values[0]


class Next(es.EpochBegin):
    def __init__(self, of: Given) -> None:
        self.of, self.begun = of, False

    def epoch_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        if self.begun:
            self.of.values.pop(0)
        self.begun = True


@pytest.mark.parametrize(
    ("values", "arguments", "stopped"),
    [
        ([0.1, 0.2, 0.2, 0.3, 0.3, 0.3], {}, 2),
        ([0.1, 0.2, 0.2, 0.3, 0.3, 0.3], {"patience": 2}, 5),
        ([0.1, 0.2, 0.3, 0.35, 0.4, 0.5], {"min_delta": 0.07}, 3),
        ([3, 2, 2, 1, 1, 1], {"mode": "min"}, 2),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], {"baseline": 0.15, "patience": 1}, 0),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], {}, None),
        ([0.1, math.nan, 0.3, 0.4, 0.5, 0.6], {}, 1),
    ],
)
def test_early_stopping(values: list[float], arguments: dict[str, Any], stopped: int | None) -> None:
    estimator = made(train_metrics=Given(list(values)))
    handler = es.EarlyStoppingHandler(estimator.train_metrics[0], **arguments)
    told: list[str] = []
    estimator.fit(loader(), epochs=6, event_handlers=[handler, Next(estimator.train_metrics[0]), Heard(told)])  # type: ignore[arg-type]
    assert told.count("epoch_end") == (6 if stopped is None else stopped + 1)
    assert handler.stop_training == (stopped is not None) and handler.stopped_epoch == (stopped or 0)


def test_checkpoints_are_kept_to_a_number_and_the_best_apart(tmp_path: Path) -> None:
    estimator = made(train_metrics=Given([0.5, 0.9, 0.1, 0.2]))
    shown: Given = estimator.train_metrics[0]  # type: ignore[assignment]
    best: list[Any] = []

    class Keep(es.EpochEnd):
        def epoch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
            best.append(estimator.net.weight.data().asnumpy())

    handler = es.CheckpointHandler(tmp_path, "m", monitor=shown, save_best=True, max_checkpoints=2)
    estimator.fit(loader(), epochs=4, event_handlers=[handler, Next(shown), Keep()])
    names = sorted({path.stem for path in tmp_path.iterdir()})
    assert names == ["m-best", "m-epoch2batch8", "m-epoch3batch11"]
    assert sorted(path.suffix for path in tmp_path.glob("m-epoch2batch8.*")) == [".params", ".run", ".states"]
    other = made()
    other.net.load_parameters(tmp_path / "m-best.params")
    numpy.testing.assert_array_equal(other.net.weight.data().asnumpy(), best[1])


def test_a_processor_of_ones_own() -> None:
    class Halved(es.BatchProcessor):
        def fit_batch(self, estimator: Any, train_batch: Any, batch_axis: int = 0) -> Any:
            data, label, pred, loss = super().fit_batch(estimator, train_batch, batch_axis)
            for parameter in estimator.net.collect_params().values():
                parameter.grad()[:] *= 0
            return data, label, pred, loss

    estimator = made(batch_processor=Halved())
    before = estimator.net.weight.data().asnumpy()
    estimator.fit(loader(), epochs=1)
    numpy.testing.assert_array_equal(estimator.net.weight.data().asnumpy(), before)


def test_a_network_without_values_or_trainer_gets_them() -> None:
    net = nn.Dense(3)
    with pytest.warns(UserWarning, match=r"SGD with a learning rate of 0\.001"):
        estimator = es.Estimator(net, gluon.loss.SoftmaxCrossEntropyLoss(), initializer=hn.init.One())
    estimator.logger.handlers.clear()
    estimator.evaluate(loader())
    assert (net.weight.data().asnumpy() == 1).all() and estimator.trainer.learning_rate == 0.001


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda e: e.fit(loader()), "either epochs or batches; got epochs=None, batches=None"),
        (lambda e: e.fit(loader(), epochs=1, batches=2), "either epochs or batches"),
        (lambda e: e.fit(3, epochs=1), "a DataLoader, or another iterable of batches; got int"),
        (lambda e: e.fit(loader(), epochs=1, event_handlers=[3]), "an EventHandler or several; got 3"),
        (lambda e: e.fit(loader(), epochs=1, event_handlers=es.MetricHandler([metric.Accuracy()])), r"metrics of estimator\.train_metrics"),
        (lambda e: e.evaluate("x"), "an iterable|another iterable"),
        (lambda e: made(loss=lambda a, b: a), r"loss to be a gluon\.loss\.Loss"),
        (lambda e: made("x"), "Device|context to be a device"),
        (lambda e: made(train_metrics=3), "a metric or several; got 3"),
        (lambda e: made(batch_processor=4), r"fit_batch\(\) and evaluate_batch\(\)"),
        (lambda e: es.Estimator(e.net, e.loss, trainer=3), r"a gluon\.Trainer; got 3"),
        (lambda e: es.LoggingHandler("x"), "a number of batches or 'epoch'"),
        (lambda e: es.EarlyStoppingHandler(3), "monitor to be a metric"),
        (lambda e: es.CheckpointHandler("nowhere", max_checkpoints=0), "max_checkpoints of 1 or more"),
    ],
)
def test_refusals(call: Any, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ArgumentError, hn.HybridnetError), match=text):
        call(made())
