"""A number that is watched: a metric, or by name one of the results of ``net.fit``; and whether it has become better."""

from __future__ import annotations

import math
import warnings
from typing import Any

from hybridnet.errors import ArgumentError, fail
from hybridnet.metric import EvalMetric

_RISING = ("acc", "f1", "mcc", "correlation", "top_k")
_MODES = {"min": -1, "max": 1}


def check_monitor(op: str, monitor: Any) -> None:
    """Raise for what cannot be watched."""
    if not isinstance(monitor, (EvalMetric, str)):
        expected = "monitor to be a metric of estimator.train_metrics or estimator.val_metrics, or of net.fit's results by name"
        fail(ArgumentError, op, expected=expected, got=repr(monitor))


def direction(op: str, mode: str, monitor: Any) -> int:
    """1 where more is better, -1 where less is; ``auto`` goes by the name, in which accuracies and the like are told by their names."""
    if mode not in ("auto", *_MODES):
        warnings.warn(f"{op}: mode {mode!r} is neither auto, min nor max; auto is taken", stacklevel=3)
        mode = "auto"
    if mode != "auto":
        return _MODES[mode]
    name = name_of(monitor).lower()
    return 1 if any(part in name for part in _RISING) else -1


def name_of(monitor: Any) -> str:
    """What the number is called."""
    return monitor if isinstance(monitor, str) else str(monitor.get()[0])


def value_of(op: str, monitor: Any, estimator: Any) -> float:
    """The number of now: of a metric, or of the metric of the estimator that has that name (ArgumentError if none has)."""
    if not isinstance(monitor, str):
        return float(monitor.get()[1])
    results = {name: value for m in [*estimator.train_metrics, *estimator.val_metrics] for name, value in m.get_name_value()}
    if monitor not in results:
        fail(ArgumentError, op, expected="monitor to be one of " + ", ".join(map(repr, results)), got=repr(monitor))
    return float(results[monitor])


def worst(sign: int) -> float:
    """A number that every other is better than."""
    return -sign * math.inf
