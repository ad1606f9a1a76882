"""Boxes of objects when their image is mirrored, cut or padded.

Labels are (objects, 5 or more): class, left, top, right, bottom as parts of the image's width and height, and more. A window is
(left, top, width, height) in the same parts, and may be larger than the image. All functions give new arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Labels = np.ndarray[Any, Any]
Part = tuple[float, float, float, float]


def areas(label: Labels) -> Labels:
    """The area of each box as a part of the image's."""
    sides = np.maximum(label[:, 3:5] - label[:, 1:3], 0)
    return sides[:, 0] * sides[:, 1]


def mirrored(label: Labels) -> Labels:
    """The boxes in the mirrored image."""
    label = label.copy()
    label[:, [1, 3]] = 1 - label[:, [3, 1]]
    return label


def moved(label: Labels, window: Part) -> Labels:
    """The boxes as parts of a window."""
    x, y, w, h = window
    label = label.copy()
    label[:, 1:5] = (label[:, 1:5] - (x, y, x, y)) / (w, h, w, h)
    return label


def _cut(label: Labels, window: Part) -> Labels:
    label = moved(label, window)
    label[:, 1:5] = label[:, 1:5].clip(0, 1)
    return label


def covered(label: Labels, window: Part) -> Labels:
    """Which part of each box lies in a window."""
    whole = areas(label)
    part = areas(_cut(label, window)) * window[2] * window[3]
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def inside(label: Labels, window: Part, least: float) -> Labels:
    """The boxes of which more than ``least`` lies in a window, as parts of it and cut off at its edges."""
    cut = _cut(label, window)
    kept = (covered(label, window) > least) & (cut[:, 3] > cut[:, 1]) & (cut[:, 4] > cut[:, 2])
    return cut[kept]
