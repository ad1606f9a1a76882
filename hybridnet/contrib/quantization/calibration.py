"""What ranges arrays of a network have on examples: collectors that are shown them one after the other."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection
from typing import Any

import numpy as np

from hybridnet.contrib.quantization.thresholds import optimal_threshold

Host = np.ndarray[Any, Any]
Ranges = dict[str, tuple[float, float]]


class CalibrationCollector:
    """What is shown the outputs of layers on examples, and says in which range each is to be written.

    A class of one's own has :meth:`collect`, which is called with every array, and fills :attr:`min_max_dict`, by then or in
    :meth:`post_collect`. ``include_layers``: patterns of the names of arrays that are asked for, all unless given.
    """

    def __init__(self, include_layers: Collection[str] | None = None) -> None:
        self.include_layers = include_layers
        self.min_max_dict: Ranges = {}
        self.quantizes: Any = None  # the graph that it is for, and what of that is to be in bytes

    def includes(self, name: str) -> bool:
        """Whether the array ``name`` is asked for."""
        return self.include_layers is None or any(fnmatch.fnmatch(name, pattern) for pattern in self.include_layers)

    def collect(self, name: str, op_name: str, arr: Any) -> None:
        """Look at an array of any shape that the operator ``op_name`` gave, ``name`` in the graph."""
        raise NotImplementedError

    def post_collect(self) -> Ranges:
        """The least and the largest number to be written, by names of arrays."""
        return self.min_max_dict


class _LayerOutputMinMaxCollector(CalibrationCollector):
    """The least and the largest number that there was."""

    def collect(self, name: str, op_name: str, arr: Any) -> None:
        if not self.includes(name):
            return
        host = np.asarray(arr)
        low, high = float(host.min()), float(host.max())
        if name in self.min_max_dict:
            before = self.min_max_dict[name]
            low, high = min(low, before[0]), max(high, before[1])
        self.min_max_dict[name] = low, high


class _LayerHistogramCollector(CalibrationCollector):
    """The range that loses least: of a histogram of ``num_bins`` on both sides of 0, which widens with what comes, the best threshold."""

    def __init__(self, num_bins: int = 2001, include_layers: Collection[str] | None = None, steps: int = 255) -> None:
        super().__init__(include_layers)
        self._bins, self._steps = num_bins, steps
        #: counts, the end of their range, the least and the largest number, by names.
        self._seen: dict[str, tuple[Host, float, float, float]] = {}

    def collect(self, name: str, op_name: str, arr: Any) -> None:
        if not self.includes(name):
            return
        host = np.asarray(arr, np.float32)
        low, high = float(host.min()), float(host.max())
        end = max(abs(low), abs(high), float(np.finfo(np.float32).tiny))
        if name not in self._seen:
            self._seen[name] = self._counted(host, self._bins, end), end, low, high
            return
        counts, before, least, most = self._seen[name]
        if end > before:
            # Bins stay as wide as they were, and as many are added on both sides as hold what has come.
            width = 2 * before / len(counts)
            more = int(np.ceil((end - before) / width))
            counts, before = np.pad(counts, more), before + more * width
        self._seen[name] = counts + self._counted(host, len(counts), before), before, min(low, least), max(high, most)

    @staticmethod
    def _counted(host: Host, bins: int, end: float) -> Host:
        return np.histogram(host, bins, (-end, end))[0]

    def post_collect(self) -> Ranges:
        for name, (counts, end, low, high) in self._seen.items():
            best, _ = optimal_threshold(counts, np.linspace(-end, end, len(counts) + 1), self._steps)
            self.min_max_dict[name] = max(low, -best), min(high, best)
        return self.min_max_dict
