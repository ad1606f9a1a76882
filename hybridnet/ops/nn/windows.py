"""Sliding windows over spatial axes: their geometry, and blocks of them laid out as matrices.

What convolution's three operators share. Works on NumPy and CuPy arrays, of either layout.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from hybridnet.device import threads
from hybridnet.errors import ArgumentError, ShapeError, fail

#: The layouts of data by number of spatial axes; weights follow, filters first: (O, C, *kernel) or (O, *kernel, C).
LAYOUTS = {1: ("NCW", "NWC"), 2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}

#: How many numbers of a column matrix are made at a time: they should still be in the cache when they are used.
BLOCK = 1 << 19
#: In how many blocks at least a large convolution's samples are done, and what is large, in multiply-adds.
BLOCKS = 8
LARGE = 64 << 20
#: What copying a number to a column matrix costs, in multiply-adds.
COPY = 8


class Geometry(NamedTuple):
    """Sizes of one convolution; ``size`` is that of the data, ``out`` that of the result."""

    batch: int
    groups: int
    channels: int  # of the data, in one group
    filters: int  # in one group
    size: tuple[int, ...]
    out: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad: tuple[int, ...]
    dilate: tuple[int, ...]
    last: bool  # whether channels come last

    @property
    def is_pointwise(self) -> bool:
        """Whether the data is the column matrix as it stands."""
        return all(k == 1 for k in self.kernel) and all(s == 1 for s in self.stride) and not any(self.pad)

    @property
    def is_depthwise(self) -> bool:
        """Whether each filter reads one channel."""
        return self.channels == 1 and self.groups > 1

    def blocks(self, least: int = BLOCKS) -> list[slice]:
        """The samples that are done at a time: few enough for the cache, and ``least`` blocks for threads to share where that pays."""
        columns = self.groups * self.channels * math.prod(self.kernel) * math.prod(self.out)
        step = max(1, min(self.batch, BLOCK // max(columns, 1)))
        if self.batch * columns * (self.filters + COPY) >= LARGE:
            step = min(step, math.ceil(self.batch / least))
        return [slice(start, min(start + step, self.batch)) for start in range(0, self.batch, step)]

    def spatial(self, of: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of one channel-first or channel-last array's spatial axes with its channels' axis, without the batch."""
        channels = self.groups * self.channels
        return (*of, channels) if self.last else (channels, *of)


def output_size(size: int, kernel: int, stride: int, pad: int, dilate: int) -> int:
    """How many windows fit on an axis; 0 or less if none does."""
    return (size + 2 * pad - dilate * (kernel - 1) - 1) // stride + 1


def spatial_of(shape: tuple[int, ...], last: bool) -> tuple[int, ...]:
    """The spatial part of a data shape, or the kernel of a weight's."""
    return shape[1:-1] if last else shape[2:]


def channels_of(shape: tuple[int, ...], last: bool) -> int:
    """The number of channels of data of a shape: (N, C, *size), or (N, *size, C) with ``last``."""
    return shape[-1] if last else shape[1]


def with_channels(first: int, channels: int, spatial: tuple[int, ...], last: bool) -> tuple[int, ...]:
    """A data (or weight) shape in its layout."""
    return (first, *spatial, channels) if last else (first, channels, *spatial)


def is_last(op: str, layout: str | None, spatial: int) -> bool:
    """Whether a layout has the channels last; ``None`` is channels first.

    ShapeError for other than 1 to 3 spatial axes, ArgumentError for a layout that these do not have.
    """
    if spatial not in LAYOUTS:
        fail(ShapeError, op, expected="1, 2 or 3 spatial axes", got=str(spatial))
    if layout is None:
        return False
    if layout not in LAYOUTS[spatial]:
        fail(ArgumentError, op, expected="layout " + " or ".join(LAYOUTS[spatial]), got=repr(layout))
    return layout == LAYOUTS[spatial][1]


class _Scratch(threading.local):
    """Buffers of one thread that the blocks of every call are made in: fresh pages cost as much as filling them."""

    def __init__(self) -> None:
        self.buffers: dict[Any, Any] = {}

    def get(self, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
        n = math.prod(shape)
        if n > 2 * BLOCK:
            return np.empty(shape, dtype)
        key = name, dtype
        if key not in self.buffers or self.buffers[key].size < n:
            self.buffers[key] = np.empty(n, dtype)
        return self.buffers[key][:n].reshape(shape)


_scratch = _Scratch()


def share(xp: Any, parts: Sequence[Any], compute: Callable[[Any], None], enough: int) -> None:
    """Have ``compute`` do each part: threads take them in turn from ``enough`` of them on, on NumPy's arrays, each on one BLAS thread."""

    def work(worker: int, own: Iterator[Any]) -> None:
        for part in own:
            compute(part)

    if xp is np and len(parts) >= enough:
        with threads.one_thread:
            threads.share(work, parts)
    else:
        work(0, iter(parts))


def scratch(xp: Any, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
    """A buffer for use before the next request under the same name in this thread; its values do not matter."""
    return _scratch.get(name, shape, dtype) if xp is np else xp.empty(shape, dtype)


def padded(xp: Any, x: Any, geometry: Geometry) -> Any:
    """A block of data with zeros around its spatial axes."""
    pad = geometry.pad
    if not any(pad):
        return x
    wide = tuple(n + 2 * p for n, p in zip(geometry.size, pad, strict=True))
    result = scratch(xp, "padded", (x.shape[0], *geometry.spatial(wide)), x.dtype)
    result.fill(0)
    result[inner(geometry)] = x
    return result


def inner(geometry: Geometry) -> tuple[slice, ...]:
    """Where the data lies in its padded form."""
    spatial = tuple(slice(p, p + n) for p, n in zip(geometry.pad, geometry.size, strict=True))
    return (slice(None), *spatial) if geometry.last else (slice(None), slice(None), *spatial)


def positions(geometry: Geometry) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """Each place in the kernel, with the key of the padded data that all windows have there."""
    for place in itertools.product(*map(range, geometry.kernel)):
        starts = [k * d for k, d in zip(place, geometry.dilate, strict=True)]
        spatial = tuple(slice(a, a + s * (n - 1) + 1, s) for a, s, n in zip(starts, geometry.stride, geometry.out, strict=True))
        yield place, (slice(None), *spatial) if geometry.last else (slice(None), slice(None), *spatial)


def windows(xp: Any, x: Any, geometry: Geometry) -> Any:
    """All windows of padded data as a view: (batch, groups, channels, *kernel, *out), or (batch, *out, groups, *kernel, channels)."""
    g = geometry
    nd = len(g.kernel)
    batch, channel, axes = (x.strides[0], x.strides[-1], x.strides[1:-1]) if g.last else (x.strides[0], x.strides[1], x.strides[2:])
    step = tuple(s * k for s, k in zip(axes, g.stride, strict=True))
    inside = tuple(s * d for s, d in zip(axes, g.dilate, strict=True))
    n = x.shape[0]
    assert len(axes) == nd
    if g.last:
        shape = (n, *g.out, g.groups, *g.kernel, g.channels)
        strides = (batch, *step, channel * g.channels, *inside, channel)
    else:
        shape = (n, g.groups, g.channels, *g.kernel, *g.out)
        strides = (batch, channel * g.channels, channel, *inside, *step)
    return xp.lib.stride_tricks.as_strided(x, shape, strides)
