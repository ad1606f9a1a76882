"""What one sees of training: a progress bar an epoch while it runs, the :class:`History` afterwards."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping
from typing import Any

from hybridnet.errors import ArgumentError, fail

_REFRESH = 0.2  # seconds between reading the losses from the device for the bar
_FORMAT = "{desc} |{bar:8}| {n_fmt}/{total_fmt}{postfix}"  # with loss and accuracy within 80 columns
_FORMAT_UNKNOWN = "{desc} {n_fmt}{postfix}"


class History:
    """What happened, epoch by epoch: ``history["loss"]`` is a list with a value an epoch, ``epoch`` their numbers."""

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def add(self, epoch: int, values: Mapping[str, float]) -> None:
        """Note the values of an epoch."""
        self.epoch.append(epoch)
        for name, value in values.items():
            self.history.setdefault(name, []).append(value)

    def __repr__(self) -> str:
        last = ", ".join(f"{name}={values[-1]:.4g}" for name, values in self.history.items())
        return f"<History of {len(self.epoch)} epochs{': ' + last if last else ''}>"

    def plot(self, path: str | None = None) -> Any:
        """Draw every value over the epochs (validation dashed) with matplotlib; gives the figure, saved to ``path`` if given."""
        try:
            figures = importlib.import_module("matplotlib.figure")
        except ImportError:
            fail(ArgumentError, "History.plot", expected="matplotlib", got="a Python without it", fix="pip install matplotlib")
        names = [name for name in self.history if not name.startswith("val_")]
        figure = figures.Figure(figsize=(5 * max(len(names), 1), 4), layout="constrained")
        for i, name in enumerate(names):
            axes = figure.add_subplot(1, len(names), i + 1)
            axes.plot(self.epoch, self.history[name], label="training")
            if "val_" + name in self.history:
                axes.plot(self.epoch, self.history["val_" + name], "--", label="validation")
            axes.set_xlabel("epoch")
            axes.set_ylabel(name)
            axes.legend()
        if path is not None:
            figure.savefig(path)
        return figure


def shown(values: Mapping[str, float]) -> str:
    """Values for the end of a line: ``loss=0.1234, accuracy=0.9876``."""
    return ", ".join(f"{name}={value:.4f}" for name, value in values.items())


class Progress:
    """One pass over the data, of which ``done`` samples are done; ``verbose`` 0 shows nothing, 1 a bar, 2 a line at the end."""

    def __init__(self, title: str, samples: int | None, verbose: int | str, done: int = 0) -> None:
        if verbose not in (0, 1, 2, "auto"):
            fail(ArgumentError, "fit", expected="verbose 0 (nothing), 1 (a progress bar) or 2 (a line an epoch)", got=repr(verbose))
        self.title, self.samples, self.verbose = title, samples, verbose
        self.done = self._before = done  # samples, of which so many in another process
        self._bar: Any = None

    def __enter__(self) -> Progress:
        self._start = time.perf_counter()
        self._next = self._start + _REFRESH
        if self.verbose in (1, "auto"):
            self._bar = importlib.import_module("tqdm").tqdm(
                total=self.samples, initial=self.done, desc=self.title, bar_format=_FORMAT if self.samples else _FORMAT_UNKNOWN
            )
        return self

    def advance(self, samples: int, values: Callable[[], Mapping[str, float]]) -> None:
        """Note that a batch is done; ``values()`` is asked for now and then."""
        self.done += samples
        if self._bar is None:
            return
        now = time.perf_counter()
        if now >= self._next:
            self._bar.set_postfix_str(self._with_speed(values(), now), refresh=False)
            self._next = now + _REFRESH
        self._bar.update(samples)

    def stop_clock(self) -> None:
        """The batches are done: what follows (validation) does not count in the speed."""
        self._stop = time.perf_counter()

    def _with_speed(self, values: Mapping[str, float], now: float) -> str:
        return f"{shown(values)}, {(self.done - self._before) / max(now - self._start, 1e-9):.0f} samples/s"

    def finish(self, values: Mapping[str, float]) -> None:
        """Show the values of the whole pass."""
        text = self._with_speed(values, self._stop)
        if self._bar is not None:
            self._bar.set_postfix_str(text)
        elif self.verbose == 2:
            print(f"{self.title}: {text}")

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.close()
