"""What training in one call shows and what it refuses, before anything is trained."""

from typing import Any

import numpy as np
import pytest
from support.fitting import CLASSES, blobs, fitted, network, one_hot, same, values

import hybridnet as hn
from hybridnet import gluon, optimizer
from hybridnet.errors import ArgumentError, ShapeError
from hybridnet.gluon import nn
from hybridnet.gluon.training import History, losses
from hybridnet.gluon.training.progress import Progress

# -- what one sees ---------------------------------------------------------------------------------


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


# -- what is refused -------------------------------------------------------------------------------


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
        ({"x": [(np.zeros((2, 2)),)], "y": None}, r"batches \(x, y\) or \(x, y, sample_weight\); got a tuple of 1"),
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
    with pytest.raises(hn.HybridnetError, match=r"test_fit_refusals\.py"):
        fitted(net, x, y)


def test_every_loss_is_named_once() -> None:
    assert losses.find("MSE") is losses.find("mean-squared-error") is losses.LOSSES["mean_squared_error"]
    assert losses.named("nothing") is None
