"""``mx.monitor``: numbers about an executor's outputs and arguments, to see where a training goes wrong."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hybridnet import absent
from hybridnet.core import Array


def _root_mean_square(x: Any) -> Any:
    return x.norm() / math.sqrt(x.size)


class Monitor:
    """Statistics of what executors compute, every ``interval`` batches.

    ``stat_func`` makes a statistic (an array, or a list of them) of an array: the root of the mean of squares, if it is not given. Arrays
    whose names match ``pattern`` are looked at: the outputs of operators, with ``monitor_all`` their inputs too, and arguments.
    ``sort`` orders :meth:`toc`'s list by name. Use: ``install(executor)`` (or ``Module.install_monitor``), then for each batch ``tic()``,
    the work, ``toc_print()``.
    """

    def __init__(
        self,
        interval: int,
        stat_func: Callable[[Any], Any] | None = None,
        pattern: str = ".*",
        sort: bool = False,
        monitor_all: bool = False,
    ) -> None:
        self.interval = interval
        self.stat_func = stat_func or _root_mean_square
        self.re_prog = re.compile(pattern)
        self.sort = sort
        self.monitor_all = monitor_all
        self.activated = False
        self.step = 0
        self.exes: list[Any] = []
        self.queue: list[tuple[int, str, Any]] = []

    def stat_helper(self, name: str, array: Any) -> None:
        """Note the statistic of an array, if this batch is looked at and the name matches."""
        if self.activated and self.re_prog.match(name):
            self.queue.append((self.step, name, self.stat_func(array)))

    def install(self, exe: Any, monitor_all: bool | None = None) -> None:
        """Look at an executor."""
        exe.set_monitor_callback(self.stat_helper, self.monitor_all if monitor_all is None else monitor_all)
        self.exes.append(exe)

    def tic(self) -> None:
        """Begin a batch: if it is one of those looked at, notes are taken until :meth:`toc`."""
        if self.step % self.interval == 0:
            self.queue = []
            self.activated = True
        self.step += 1

    def toc(self) -> list[tuple[int, str, str]]:
        """End a batch: (number, name, statistic as text) of all that was noted; empty for a batch that is not looked at."""
        if not self.activated:
            return []
        for exe in self.exes:
            for name, array in zip(exe._symbol.list_arguments(), exe.arg_arrays, strict=True):
                self.stat_helper(name, array)
        self.activated = False
        notes = sorted(self.queue, key=lambda note: note[1]) if self.sort else self.queue
        self.queue = []
        return [(step, name, _text(statistic)) for step, name, statistic in notes]

    def toc_print(self) -> None:
        """End a batch, and log what :meth:`toc` gives."""
        for step, name, text in self.toc():
            logging.info("Batch: %7d %-30s %s", step, name, text)


def _text(statistic: Any) -> str:
    values = statistic if isinstance(statistic, list) else [statistic]
    return "".join(f"{_shown(value)}\t" for value in values)


def _shown(value: Any) -> Any:
    """A number of an array of one element, NumPy's array of another."""
    if not isinstance(value, Array):
        return value
    host: Any = value.asnumpy()  # type: ignore[attr-defined]
    return host.item() if host.shape in ((), (1,)) else host


if not TYPE_CHECKING:  # what MXNet imports there, and programs take from there
    __getattr__, __dir__ = absent.Later(__name__, {"ndarray": "hybridnet.ndarray"}).functions
