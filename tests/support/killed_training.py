"""A program that trains, writes down what it ended with, and goes on when it was killed: ``python killed_training.py <way> <folder>``.

It shuffles, drops out, keeps running statistics, decays its rate and augments by NumPy's random numbers: whatever a checkpoint might
forget shows in the last bits of the parameters.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy

import hybridnet as hn
from hybridnet import amp, gluon, lr_scheduler
from hybridnet.gluon import nn
from hybridnet.gluon.contrib.estimator import CheckpointHandler, Estimator

SAMPLES, FEATURES, EPOCHS, BATCH = 72, 6, 3, 8


def arrays() -> tuple[Any, Any]:
    rng = numpy.random.default_rng(5)
    return rng.normal(size=(SAMPLES, FEATURES)).astype("float32"), rng.integers(0, 3, SAMPLES)


def noisy(x: Any, y: Any) -> tuple[Any, Any]:
    """A transform that draws from NumPy's global generator, in a worker or here."""
    return x + numpy.random.normal(0, 0.01, x.shape).astype("float32"), y


def network(devices: Any) -> nn.HybridSequential:
    net = nn.HybridSequential()
    net.add(nn.Dense(16, activation="relu"), nn.BatchNorm(), nn.Dropout(0.3), nn.Dense(3))
    net.initialize(hn.init.Xavier(), ctx=devices)
    return net


def loader(workers: int = 0) -> gluon.data.DataLoader:
    dataset = gluon.data.ArrayDataset(*arrays()).transform(noisy)
    return gluon.data.DataLoader(dataset, BATCH, shuffle=True, last_batch="rollover", num_workers=workers)


def schedule() -> Any:
    return lr_scheduler.FactorScheduler(5, 0.8, base_lr=0.05)


def checkpoints(folder: str) -> CheckpointHandler:
    return CheckpointHandler(folder, batch_period=2, max_checkpoints=2, resume_from_checkpoint=True)


def by_estimator(folder: str, workers: int = 0, devices: Any = None, validates: bool = False, **trainer: Any) -> Any:
    """``Estimator.fit`` over a loader; validation draws from the random state too."""
    devices = devices or [hn.cpu()]
    net = network(devices)
    net.hybridize()
    made = gluon.Trainer(net.collect_params(), "adam", {"lr_scheduler": schedule()}, **trainer)
    estimator = Estimator(net, gluon.loss.SoftmaxCrossEntropyLoss(), trainer=made, context=devices)
    estimator.logger.setLevel("ERROR")
    estimator.fit(loader(workers), loader() if validates else None, epochs=EPOCHS, event_handlers=[checkpoints(folder)])
    return net


def by_fit(folder: str, data: Callable[[], Any] | None = None, devices: Any = None, **arguments: Any) -> Any:
    """``net.fit`` over arrays that it shuffles, or over ``data()``."""
    net = network(devices)
    net.compile(hn.optimizer.create("adam", lr_scheduler=schedule()), "softmax_cross_entropy", ["accuracy"])
    x, y = arrays() if data is None else (data(), None)
    net.fit(x, y, epochs=EPOCHS, batch_size=BATCH, verbose=0, callbacks=[checkpoints(folder)], **arguments)
    return net


class Scaled(gluon.contrib.estimator.BatchProcessor):
    """A batch in float16, with a loss that is scaled: some steps are left out."""

    def fit_batch(self, estimator: Any, train_batch: Any, batch_axis: int = 0) -> Any:
        data, label = self._get_data_and_label(train_batch, estimator.context, batch_axis)
        with hn.autograd.record():
            pred = [estimator.net(x) for x in data]
            loss = [estimator.loss(p, y) for p, y in zip(pred, label, strict=True)]
            with amp.scale_loss(loss, estimator.trainer) as scaled:
                hn.autograd.backward(scaled)
        return data, label, pred, loss


def in_float16(folder: str) -> Any:
    """``Estimator.fit`` with float16 and loss scaling, whose first steps overflow."""
    amp.init("float16")
    net = network([hn.cpu()])
    made = gluon.Trainer(net.collect_params(), "adam", {"lr_scheduler": schedule()})
    amp.init_trainer(made)
    made._amp_loss_scaler._first = 2.0**22
    made._amp_loss_scaler._window = 4
    estimator = Estimator(net, gluon.loss.SoftmaxCrossEntropyLoss(), trainer=made, batch_processor=Scaled())
    estimator.logger.setLevel("ERROR")
    estimator.fit(loader(), epochs=EPOCHS, event_handlers=[checkpoints(folder)])
    return net


def iterator() -> Any:
    x, y = arrays()
    return hn.io.NDArrayIter(x, y, BATCH, shuffle=True, last_batch_handle="roll_over")


TWO = [hn.cpu(0), hn.cpu(1)]

WAYS: dict[str, Callable[[str], Any]] = {
    "estimator": by_estimator,
    "estimator, validation": lambda folder: by_estimator(folder, validates=True),
    "estimator, worker": lambda folder: by_estimator(folder, workers=1),
    "estimator, two devices": lambda folder: by_estimator(folder, devices=TWO),
    "estimator, two devices that part": lambda folder: by_estimator(folder, devices=TWO, kvstore=None),
    "estimator, float16": in_float16,
    "fit, arrays": by_fit,
    "fit, loader": lambda folder: by_fit(folder, loader),
    "fit, validation": lambda folder: by_fit(folder, loader, validation_data=loader()),
    "fit, iterator": lambda folder: by_fit(folder, iterator),
    "fit, accumulated and clipped": lambda folder: by_fit(folder, accumulate=3, clip_global_norm=0.5),
    "fit, two devices": lambda folder: by_fit(folder, devices=TWO),
}


def digest(net: Any) -> str:
    """What tells two networks apart by a bit, on whichever device."""
    found = hashlib.sha256()
    for parameter in net.collect_params().values():
        for x in parameter.list_data():
            found.update(x.asnumpy().tobytes())
    return found.hexdigest()


def train(way: str, folder: str) -> str:
    """Train, or go on; gives the digest of what it ended with, which is written to ``<folder>.done`` too."""
    hn.random.seed(3)
    numpy.random.seed(4)
    print("begun", flush=True)  # from now on it may be killed
    found = digest(WAYS[way](folder))
    with open(f"{folder}.{os.getpid()}", "w", encoding="utf-8") as file:
        file.write(found)
    os.replace(f"{folder}.{os.getpid()}", f"{folder}.done")
    return found


if __name__ == "__main__":
    train(sys.argv[1], sys.argv[2])
