"""Gradients by differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

Host = numpy.ndarray[Any, Any]


def slopes(function: Callable[[Host], float], x: Host, eps: float) -> Host:
    """The slope of a number along each element of ``x``, by the values half a step on either side; of the shape of ``x``."""
    result = numpy.zeros(x.shape, numpy.float64)
    for at in numpy.ndindex(x.shape):
        ends = []
        for side in (eps / 2, -eps / 2):
            moved = x.copy()
            moved[at] += side
            ends.append((function(moved), float(moved[at])))
        result[at] = (ends[0][0] - ends[1][0]) / (ends[0][1] - ends[1][1])
    return result
