"""Images read at places between their pixels, by linear interpolation of the four neighbours: a composition of operators."""

from __future__ import annotations

from typing import Any

from hybridnet import dtypes
from hybridnet.core import call
from hybridnet.ops.array.gather import take


def read_between(rows: Any, first: Any, y: Any, x: Any, size: tuple[int, int], inside: Any = None) -> Any:
    """The pixels at places (*places, channels).

    ``rows`` (pixels, channels): those of all images of ``size`` (height, width), a row each; ``first``, which broadcasts to places: the
    first row of the image that is read; ``y`` and ``x``: places, in pixels. Neighbours beyond an edge are 0; with ``inside``, by which
    what is read is multiplied, they are the edge's pixel.
    """
    height, width = size
    total: Any = None
    for below, of_row in _neighbours(y):
        for right, of_column in _neighbours(x):
            share = of_row * of_column * (between(below, 0, height) * between(right, 0, width) if inside is None else inside)
            row, column = (
                call("cast", call("clip", at, a_min=0, a_max=n - 1), dtype=dtypes.int64) for at, n in ((below, height), (right, width))
            )
            part = take(rows, first + row * width + column, 0) * call("reshape", share, shape=(*share.shape, 1))
            total = part if total is None else total + part
    return total


def _neighbours(at: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """The whole numbers on both sides of a place, and how much of it each has."""
    lower = call("floor", at)
    return (lower, 1 - (at - lower)), (lower + 1, at - lower)


def between(at: Any, low: float, stop: float) -> Any:
    """1 where ``low <= at < stop``, else 0."""
    return call("cast", call("logical_and", at >= low, at < stop), dtype=at.dtype)


def as_rows(images: Any) -> Any:
    """The pixels of images (batch, channels, height, width), a row each: (batch · height · width, channels)."""
    batch, channels, height, width = images.shape
    return call("reshape", call("transpose", images, axes=(0, 2, 3, 1)), shape=(batch * height * width, channels))
