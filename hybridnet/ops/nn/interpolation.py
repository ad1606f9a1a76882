"""The matrices by which OpenCV, and so MXNet, brings an axis of an image to another length: nearest, cubic, area, Lanczos.

All are separable: rows and columns are multiplied by a matrix (out, size) each. Linear interpolation is in
:mod:`~hybridnet.ops.nn.resize`. Elements beyond the edges are those at the edges. Formulas: OpenCV 3.4, modules/imgproc/src/resize.cpp.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Matrix = np.ndarray[Any, Any]


def nearest(size: int, out: int) -> list[int]:
    """The place of each output's element."""
    return [min(math.floor(i * size / out), size - 1) for i in range(out)]


def cubic(size: int, out: int) -> Matrix:
    """Four neighbours each, by the cubic with a = -0.75."""
    a = -0.75

    def weights(x: float) -> list[float]:
        first = ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a
        second = ((a + 2) * x - (a + 3)) * x * x + 1
        third = ((a + 2) * (1 - x) - (a + 3)) * (1 - x) ** 2 + 1
        return [first, second, third, 1 - first - second - third]

    return _taps(size, out, weights, 1)


def lanczos(size: int, out: int) -> Matrix:
    """Eight neighbours each, by sinc(x) sinc(x / 4), made to sum to 1."""

    def weights(x: float) -> list[float]:
        found = [float(np.sinc(x + 3 - i) * np.sinc((x + 3 - i) / 4)) for i in range(8)]
        return [w / sum(found) for w in found]

    return _taps(size, out, weights, 3)


def _taps(size: int, out: int, weights: Any, before: int) -> Matrix:
    matrix = np.zeros((out, size))
    for i in range(out):
        at = (i + 0.5) * size / out - 0.5
        first = math.floor(at)
        for j, w in enumerate(weights(at - first)):
            matrix[i, min(max(first - before + j, 0), size - 1)] += w
    return matrix


def area(size: int, out: int, shrinks: bool) -> Matrix:
    """The mean over each output's share, where the image ``shrinks`` on both axes; else linear between the shares' ends."""
    matrix, step = np.zeros((out, size)), size / out
    for i in range(out):
        if shrinks:
            for j in range(size):
                matrix[i, j] = max(min((i + 1) * step, j + 1) - max(i * step, j), 0) / step
            continue
        at = math.floor(i * step)
        part = (i + 1) - (at + 1) / step
        part = 0 if part <= 0 else part - math.floor(part)
        matrix[i, min(at, size - 1)] += 1 - part
        matrix[i, min(at + 1, size - 1)] += part
    return matrix
