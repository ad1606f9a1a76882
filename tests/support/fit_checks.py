"""``fit`` and ``Estimator`` on ranks, as ``rank_checks`` has them run: what they come to is compared with one process."""

from __future__ import annotations

import io
import logging
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hybridnet as hn
from hybridnet import distributed, gluon, metric
from hybridnet.errors import RankError
from hybridnet.gluon import nn
from hybridnet.gluon.contrib.estimator import CheckpointHandler, Estimator
from hybridnet.gluon.data import ArrayDataset, DataLoader, SplitSampler

SAMPLES, CLASSES = 37, 2
#: How ``fit`` is called; of 37 samples in batches of 8 the last has 5, which ranks do not divide evenly.
FITS: dict[str, dict[str, Any]] = {
    "plain": {"batch_size": 8},
    "few": {"batch_size": 12},  # the last batch has one sample, and some ranks none
    "clipped": {"batch_size": 8, "clip_global_norm": 0.3},
    "accumulated": {"batch_size": 8, "accumulate": 2},
    "weighted": {"batch_size": 8, "sample_weight": np.linspace(0.5, 2, SAMPLES).astype("float32")},
}


def data() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(SAMPLES, 6)).astype("float64")
    return x, (x[:, 0] + 0.3 * rng.normal(size=SAMPLES) > 0).astype("int32")


def network(norm: bool = False) -> Any:
    hn.random.seed(7)
    net = nn.HybridSequential()
    net.add(nn.Dense(12, activation="relu", in_units=6))
    if norm:
        net.add(nn.BatchNorm(in_channels=12))
    net.add(nn.Dense(CLASSES, in_units=12))
    net.initialize(hn.init.Xavier())
    net.cast("float64")
    return net


def fitted(name: str) -> tuple[list[Any], dict[str, list[float]], dict[str, float]]:
    """The parameters that a way to call ``fit`` comes to, the history, and what is measured of other data."""
    net = network()
    net.compile("adam", "softmax_cross_entropy", ["accuracy", metric.F1(average="micro"), "pcc"], {"learning_rate": 0.02})
    x, y = data()
    history = net.fit(x, y, epochs=3, verbose=0, validation_data=(x[:11], y[:11]), **FITS[name])
    return [p.data().asnumpy() for p in net.collect_params().values()], history.history, net.evaluate(x[5:], y[5:], batch_size=10)


def fits(folder: Path) -> None:
    """All ranks come to the same parameters and results; rank 0 writes them."""
    found: dict[str, Any] = {}
    for name in FITS:
        params, history, measured = fitted(name)
        told = distributed.gather_objects((history, measured, b"".join(p.tobytes() for p in params)))
        assert all(each == told[0] for each in told), name
        found |= {f"{name} parameter {i}": p for i, p in enumerate(params)}
        found |= {f"{name} history {key}": values for key, values in history.items()}
        found |= {f"{name} measured {key}": value for key, value in measured.items()}
    if distributed.rank() == 0:
        np.savez(folder / "fitted.npz", **found)


def compare(found: Any) -> None:
    """What ranks wrote is what one process comes to."""
    for name in FITS:
        params, history, measured = fitted(name)
        expected = {f"{name} parameter {i}": p for i, p in enumerate(params)}
        expected |= {f"{name} history {key}": values for key, values in history.items()}
        expected |= {f"{name} measured {key}": value for key, value in measured.items()}
        assert {key for key in found if key.startswith(f"{name} ")} == set(expected)
        for key, value in expected.items():
            np.testing.assert_allclose(found[key], value, rtol=1e-5, atol=1e-7, err_msg=key)


def only_the_first_shows(folder: Path) -> None:
    net = network()
    net.compile("sgd", "softmax_cross_entropy")
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        net.fit(*data(), epochs=1, batch_size=8, verbose=2)
        net.evaluate(*data(), verbose=2)
    assert bool(out.getvalue()) is (distributed.rank() == 0), out.getvalue()
    if distributed.rank() == 0:
        assert out.getvalue().startswith("Epoch 1/1: loss=") and "\nEvaluate: loss=" in out.getvalue()


def other_numbers_of_batches_are_an_error(folder: Path) -> None:
    """On all ranks, and not a wait for ever."""
    if distributed.size() == 1:
        return
    net = network()
    net.compile("sgd", "softmax_cross_entropy")
    x, y = data()
    batches = [(x[:4], y[:4])] * (3 + (distributed.rank() == 1))
    with pytest.raises(RankError, match=r"\[fit\] expected as many batches on every rank; got an end on rank 0"):
        net.fit(batches, verbose=0)
    distributed.barrier()


def statistics_are_averaged(folder: Path) -> None:
    net = network(norm=True)
    with hn.autograd.train_mode():
        net(hn.np.full((4, 6), distributed.rank() + 1.0, dtype="float64") * hn.np.arange(4).reshape(4, 1))
    params = net.collect_params()
    means = [p.data().asnumpy() for name, p in params.items() if "running" in name]
    trained = [p.data().asnumpy() for name, p in params.items() if "running" not in name]
    everyone = distributed.gather_objects(means)
    distributed.average_statistics(params)
    after = [p.data().asnumpy() for name, p in params.items() if "running" in name]
    assert len(after) == 2 and any(m.any() for m in means)
    for i, a in enumerate(after):
        np.testing.assert_allclose(a, np.mean([each[i] for each in everyone], axis=0), rtol=1e-12)
    for a, b in zip(trained, [p.data().asnumpy() for name, p in params.items() if "running" not in name], strict=True):
        np.testing.assert_array_equal(a, b)


def estimate(folder: Path, epochs: int, resume: bool, ranks: int, rank: int) -> tuple[list[Any], list[Any], str]:
    """An estimator's parameters, metrics, and what it logged; each rank's batches are its own samples."""
    net = network(norm=True)
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.01}, kvstore="dist_sync")
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    estimator = Estimator(net, loss, [metric.Accuracy(), metric.F1(average="micro")], trainer=trainer)
    out = io.StringIO()
    for handler in estimator.logger.handlers:
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(out)
    x, y = data()
    sampler = SplitSampler(36, num_parts=ranks, part_index=rank, shuffle=True, seed=3)
    loader = DataLoader(ArrayDataset(x[:36], y[:36]), 3, sampler=sampler)
    handler = CheckpointHandler(str(folder), "estimated", resume_from_checkpoint=resume, batch_period=2)
    measured = DataLoader(ArrayDataset(x[:36], y[:36]), 3, sampler=SplitSampler(36, ranks, rank))
    estimator.fit(loader, measured, epochs=epochs, event_handlers=[handler])
    values = [m.get() for m in [*estimator.train_metrics, *estimator.val_metrics]]
    return [p.data().asnumpy() for p in net.collect_params().values()], values, out.getvalue()


def estimators(folder: Path) -> None:
    """Ranks end alike, with metrics of all; one logs and writes; and they go on from its checkpoint to the same bits."""
    size, rank = distributed.size(), distributed.rank()
    (folder / "whole").mkdir(exist_ok=True)
    (folder / "parts").mkdir(exist_ok=True)
    params, values, said = estimate(folder / "whole", 3, False, size, rank)
    assert len({str(each) for each in distributed.gather_objects(values)}) == 1
    assert len(set(distributed.gather_objects(b"".join(p.tobytes() for p in params)))) == 1
    assert ("Training begin" in said) is (rank == 0)
    estimate(folder / "parts", 1, False, size, rank)
    distributed.barrier()
    again, values_again, _ = estimate(folder / "parts", 3, True, size, rank)
    for a, b in zip(params, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert values_again == values
    net = network(norm=True)  # whose running statistics are those of all ranks
    last = max((folder / "whole").glob("*.params"), key=lambda path: path.stat().st_mtime_ns)
    net.load_parameters(str(last))
    for a, p in zip(params, net.collect_params().values(), strict=True):
        np.testing.assert_array_equal(a, p.data().asnumpy())
    accuracy = (net(hn.np.array(data()[0][:36])).argmax(axis=-1).asnumpy() == data()[1][:36]).mean()
    told = dict(zip([m[0] for m in values], [m[1] for m in values], strict=True))
    np.testing.assert_allclose(told["validation accuracy"], accuracy, rtol=1e-12)


CHECKS = [fits, only_the_first_shows, other_numbers_of_batches_are_an_error, statistics_are_averaged, estimators]
