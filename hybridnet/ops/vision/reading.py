"""Images read at places between their pixels, by linear interpolation of the four neighbours."""

from __future__ import annotations

from typing import Any

from hybridnet import dtypes
from hybridnet.core import apply, call
from hybridnet.ops.array.weighted_rows import WEIGHTED_ROWS


def read_between(rows: Any, first: Any, y: Any, x: Any, size: tuple[int, int], inside: Any = None) -> Any:
    """The pixels at places (*places, channels).

    ``rows`` (pixels, channels): those of all images of ``size`` (height, width), a row each; ``first``, which broadcasts to places: the
    first row of the image that is read; ``y`` and ``x``: places, in pixels. Neighbours beyond an edge are 0; with ``inside``, by which
    what is read is multiplied, they are the edge's pixel.
    """
    height, width = size
    below, right = _of_axis(y, height, inside is None), _of_axis(x, width, inside is None)
    starts = [first + row * width for row, _ in below]
    numbers = [start + column for start in starts for column, _ in right]
    shares = [of_row * of_column for _, of_row in below for _, of_column in right]
    if inside is not None:
        shares = [share * inside for share in shares]
    return apply(WEIGHTED_ROWS, (rows, *numbers, *shares))


def _of_axis(at: Any, n: int, bounded: bool) -> list[tuple[Any, Any]]:
    """The two pixels beside places along an axis of ``n``, and how much of each is read: nothing beyond the edges if ``bounded``."""
    found = []
    for place, share in _neighbours(at):
        pixel = call("cast", call("clip", place, a_min=0, a_max=n - 1), dtype=dtypes.int64)
        found.append((pixel, share * between(place, 0, n) if bounded else share))
    return found


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
