"""``CheckpointHandler``: saves what is trained, and goes on from there."""

from __future__ import annotations

import glob
import os
import re
from typing import Any

from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.contrib.estimator.monitored import check_monitor, direction, name_of, value_of, worst
from hybridnet.gluon.training import checkpoint, together
from hybridnet.gluon.training.events import BatchEnd, EpochEnd, TrainBegin


class CheckpointHandler(TrainBegin, BatchEnd, EpochEnd):
    """Saves a checkpoint after every ``epoch_period`` epochs and every ``batch_period`` batches, and keeps the last ``max_checkpoints``.

    A checkpoint is ``<model_dir>/<model_prefix>-epoch<e>batch<b>``: ``.params`` and ``.states``, as MXNet writes them, and ``.run``, by
    which ``resume_from_checkpoint=True`` goes on in the middle of an epoch too: the same program, killed at any moment and started again,
    ends with the same parameters, to the bit. With none there it begins at the beginning. ``fit(epochs=...)`` is what is trained in all.
    Each run has a prefix or a folder of its own; checkpoints that MXNet wrote have no ``.run``, and are left alone. Of several ranks, which
    see one folder, the first writes; as many go on to the same bits, another number from the same parameters and place.

    With ``save_best`` ``<model_prefix>-best`` has parameters and states of the best ``monitor`` so far (a metric, or the name of one of
    ``net.fit``'s results), by ``mode`` as in ``EarlyStoppingHandler``. ``verbose=1`` logs what is saved.
    """

    kept = ("current_batch", "current_epoch", "best")

    def __init__(
        self,
        model_dir: str | os.PathLike[str],
        model_prefix: str = "model",
        monitor: Any = None,
        verbose: int = 0,
        save_best: bool = False,
        mode: str = "auto",
        epoch_period: int | None = 1,
        batch_period: int | None = None,
        max_checkpoints: int = 5,
        resume_from_checkpoint: bool = False,
    ) -> None:
        self.model_dir, self.model_prefix = os.fspath(model_dir), model_prefix
        os.makedirs(self.model_dir, exist_ok=True)
        if max_checkpoints < 1:
            fail(ArgumentError, "CheckpointHandler", expected="max_checkpoints of 1 or more", got=str(max_checkpoints))
        self.monitor, self.verbose, self.save_best = monitor, verbose, save_best
        self.epoch_period, self.batch_period = epoch_period, batch_period
        self.max_checkpoints, self.resume_from_checkpoint = max_checkpoints, resume_from_checkpoint
        self.current_batch = self.current_epoch = 0
        self.saved_checkpoints: list[str] = []
        self._sign = 0
        self.best: float | None = None
        if save_best:
            check_monitor("CheckpointHandler", monitor)
            self._sign = direction("CheckpointHandler", mode, monitor)
            self.best = worst(self._sign)

    def train_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        self.current_batch = self.current_epoch = 0
        if together.leads():
            self._remove_unfinished()
        self.saved_checkpoints = self._found() if self.resume_from_checkpoint else []
        if self.resume_from_checkpoint:
            estimator.run.afterwards(lambda: self._resume(estimator))

    def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        self.current_batch += 1
        if self.batch_period and self.current_batch % self.batch_period == 0:
            estimator.run.afterwards(lambda: self._save(estimator, self.current_epoch))

    def epoch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        epoch = self.current_epoch
        self.current_epoch += 1
        if self.epoch_period and self.current_epoch % self.epoch_period == 0:
            estimator.run.afterwards(lambda: self._save(estimator, epoch))

    # -- saving ---------------------------------------------------------------------------------

    def _path(self, name: str) -> str:
        return os.path.join(self.model_dir, name)

    def _log(self, estimator: Any, epoch: int, text: str) -> None:
        if self.verbose:
            estimator.logger.info("[Epoch %d] CheckpointHandler: %s", epoch, text)

    def _save(self, estimator: Any, epoch: int) -> None:
        name = f"{self.model_prefix}-epoch{epoch}batch{self.current_batch - 1}"
        if self.save_best:
            # Before the checkpoint, which says what the best was: killed between the two it is saved once more.
            self._save_best(estimator, epoch)
        where = f"saving model at {self.model_dir} with prefix: {name}"
        self._log(estimator, epoch, f"trained total {self.current_batch} batches, {where}")
        checkpoint.save(self._path(name), estimator)
        self.saved_checkpoints = [n for n in self.saved_checkpoints if n != name] + [name]
        while len(self.saved_checkpoints) > self.max_checkpoints:
            name = self.saved_checkpoints.pop(0)
            if together.leads():
                checkpoint.remove(self._path(name))

    def _save_best(self, estimator: Any, epoch: int) -> None:
        now, name = together.of_each(value_of("CheckpointHandler", self.monitor, estimator))[0], name_of(self.monitor)
        assert self.best is not None
        if self._sign * (now - self.best) > 0:
            improved = f"{name} improved from {self.best:.5f} to {now:.5f}"
            where = f"updating best model at {self.model_dir} with prefix: {self.model_prefix}-best"
            self._log(estimator, epoch, f"{improved}, {where}")
            self.best = now
            checkpoint.save_network(self._path(f"{self.model_prefix}-best"), estimator)
        else:
            self._log(estimator, epoch, f"{name} did not improve from {self.best:.5f}, skipping updating best model")

    # -- going on -------------------------------------------------------------------------------

    def _found(self) -> list[str]:
        """The checkpoints that are there, the oldest first."""
        pattern = re.compile(re.escape(self.model_prefix) + r"-epoch(\d+)batch(\d+)" + re.escape(checkpoint.RUN))
        found = {
            (int(m[2]), int(m[1])): m[0].removesuffix(checkpoint.RUN) for n in os.listdir(self.model_dir) if (m := pattern.fullmatch(n))
        }
        return [found[key] for key in sorted(found)]

    def _remove_unfinished(self) -> None:
        """Delete what a process that was killed had not written to the end."""
        for path in glob.glob(glob.escape(self._path(self.model_prefix)) + "-*.tmp"):
            os.remove(path)

    def _resume(self, estimator: Any) -> None:
        """Go on from the newest checkpoint that is whole."""
        for name in reversed(together.of_each(self.saved_checkpoints)[0]):
            state = checkpoint.read(self._path(name))
            if not all(together.of_each(state is not None)):
                estimator.logger.warning("CheckpointHandler: %s is not whole, and is left out", name)
                continue
            assert state is not None
            checkpoint.load(self._path(name), state, estimator)
            run = estimator.run
            estimator.logger.info("CheckpointHandler: resumed from %s, with %d epochs and %d batches done", name, run.epoch, run.batches)
            return
