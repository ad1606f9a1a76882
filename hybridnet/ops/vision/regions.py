"""Regions of images, each brought to one size by sums that are separate by axis: ROIAlign and PSROIPooling.

What is read of a region is, on each axis, a matrix (bins, pixels) of shares, which is made on the host from the region's sides: how many
places a bin is read at may depend on them. Two operators, each the other's gradient, multiply parts of images by these matrices, region by
region: only the part of the image that a region covers is touched. The regions themselves have no gradient, as in MXNet.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from hybridnet.core import ArrayLike, Kind, Op, Sample, Spec, apply, call, register
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.array.row_sums import mix, sparse_matrix, spread
from hybridnet.ops.common import normal, tensor
from hybridnet.ops.nn.common import as_tuple, narrow, wide, wide_dtype
from hybridnet.ops.vision.host import on_host

#: A share of the shares is as wide as what it is multiplied with.
Size = tuple[int, int]

#: Pixels from an image at which a region is nowhere: MXNet counts them in 32 bits.
_NOWHERE = 2.0**31


def within_reach(*places: Any) -> Any:
    """Where all places, arrays of one shape in pixels, are less than 2³¹, and no NaN: else a region is nowhere, and 0."""
    return np.logical_and.reduce([np.abs(x) < _NOWHERE for x in places])


def known_regions(rois: Any, scale: float) -> tuple[Any, Any]:
    """Which regions (n, 5) are somewhere, and all of them, the others as zeros."""
    with np.errstate(over="ignore", invalid="ignore"):
        here = within_reach(rois[:, 0], *(rois[:, 1:] * rois.dtype.type(scale)).T)
    return here, np.where(here[:, None], rois, 0)


# -- shares ---------------------------------------------------------------------------------------


def _infer_shares(rois: Spec, *, size: Size, bins: Size, **attrs: Any) -> tuple[Spec, Spec]:
    return Spec((rois.shape[0], bins[0], size[0]), rois.dtype), Spec((rois.shape[0], bins[1], size[1]), rois.dtype)


@on_host(_infer_shares)
def _aligned_shares(rois: Any, *, size: Size, bins: Size, scale: float, samples: int, aligned: bool) -> Any:
    """ROIAlign's: a bin is the mean of places between pixels, ``samples`` on each axis, or as many as it has pixels."""
    here, rois = known_regions(rois, scale)
    return tuple(_aligned(here, rois[:, 2 - axis], rois[:, 4 - axis], size[axis], bins[axis], scale, samples, aligned) for axis in (0, 1))


def _aligned(here: Any, near: Any, far: Any, size: int, bins: int, scale: float, samples: int, aligned: bool) -> Any:
    start, length = near * near.dtype.type(scale), (far - near) * near.dtype.type(scale)
    if aligned:
        start = start - near.dtype.type(0.5)
    else:
        length = np.maximum(length, 1)
    start, step = start[:, None], (length / near.dtype.type(bins))[:, None]
    counts = np.where(here[:, None], samples if samples > 0 else np.ceil(step), 0).astype(int)
    shares = np.zeros((len(near), bins, size), near.dtype)
    regions, places = np.arange(len(near))[:, None], np.broadcast_to(np.arange(bins), (len(near), bins))
    begin = start + np.arange(bins, dtype=near.dtype) * step
    first, most = _near_image(begin, step, counts, size, samples)
    for i in range(most):
        k = first + i
        at = begin + (k.astype(near.dtype) + near.dtype.type(0.5)) * step / np.maximum(counts, 1)
        counted = (at >= -1) & (at <= size) & (k < counts)
        at = np.clip(at, 0, size - 1)
        low = np.floor(at).astype(int)
        part = at - low
        weight = counted / np.maximum(counts, 1).astype(near.dtype)
        np.add.at(shares, (regions, places, low), (1 - part) * weight)
        np.add.at(shares, (regions, places, np.minimum(low + 1, size - 1)), part * weight)
    return shares


def _near_image(begin: Any, step: Any, counts: Any, size: int, samples: int) -> tuple[Any, int]:
    """The first sample of each bin that may lie on the image, and how many from there on: of a region that is much larger, few do."""
    if samples > 0:
        return np.zeros_like(begin, dtype=int), samples
    spacing = np.maximum(step / np.maximum(counts, 1), 0.5)  # more than half a pixel, where there is more than one
    first = np.clip(np.floor((-1 - begin) / spacing) - 1, 0, np.maximum(counts - 1, 0)).astype(int)
    return first, min(int(counts.max(initial=0)), 2 * size + 6)


@on_host(_infer_shares)
def _pooled_shares(rois: Any, *, size: Size, bins: Size, scale: float) -> Any:
    """PSROIPooling's: a bin is the mean of the pixels that it touches."""
    (here, rois), found = known_regions(rois, scale), []
    for axis in (0, 1):
        start = _rounded(rois[:, 2 - axis]) * rois.dtype.type(scale)
        stop = (_rounded(rois[:, 4 - axis]) + 1) * rois.dtype.type(scale)
        step = np.maximum(stop - start, rois.dtype.type(0.1)) / rois.dtype.type(bins[axis])
        number = np.arange(bins[axis], dtype=rois.dtype)
        first = np.clip(np.floor(number * step[:, None] + start[:, None]), 0, size[axis])[..., None]
        end = np.clip(np.ceil((number + 1) * step[:, None] + start[:, None]), 0, size[axis])[..., None]
        pixel = np.arange(size[axis])
        found.append(((pixel >= first) & (pixel < end) & here[:, None, None]) / np.maximum(end - first, 1))
    return tuple(found)


def _rounded(x: Any) -> Any:
    """To the next whole number, halves away from 0, as C's ``round``."""
    return np.trunc(x + np.copysign(x.dtype.type(0.5), x))


_rois = np.array([[0, 1, 0.5, 5, 6], [1, 2, 2, 3, 2.5], [0, -4, 3, 9, 20]])
_SHARES = {"size": (5, 6), "bins": (2, 3), "scale": 0.7}
ALIGNED_SHARES = register(
    Op(
        "aligned_shares",
        Kind.OPAQUE,
        _infer_shares,
        compute=_aligned_shares,
        sample=lambda: [
            Sample((_rois,), {**_SHARES, "samples": n, "aligned": aligned}, differentiable=False) for n, aligned in ((0, False), (2, True))
        ],
    )
)
POOLED_SHARES = register(
    Op(
        "pooled_shares",
        Kind.OPAQUE,
        _infer_shares,
        compute=_pooled_shares,
        sample=lambda: [Sample((_rois,), _SHARES, differentiable=False)],
    )
)


# -- sums -----------------------------------------------------------------------------------------


class _Region(NamedTuple):
    """What a region touches: its number and its image's, the rows and columns of pixels, and their shares there."""

    number: int
    image: int
    rows: slice
    columns: slice
    of_rows: Any
    of_columns: Any


def _regions(batch: int, images: Any, rows: Any, columns: Any) -> Iterator[_Region]:
    """The regions that touch an image; ``images``, their numbers as they came with the regions, on the host."""
    spans = [_span(x) for x in (rows, columns)]
    for number, image in enumerate(images.tolist()):
        (top, bottom), (left, right) = spans[0][number], spans[1][number]
        if -1 < image < batch and top < bottom and left < right:
            yield _Region(
                number, int(image), slice(top, bottom), slice(left, right), rows[number, :, top:bottom], columns[number, :, left:right]
            )


def _span(shares: Any) -> Any:
    """From where to where each region has shares of pixels."""
    used = (shares != 0).any(1)
    used = used if isinstance(used, np.ndarray) else used.get()
    some = used.any(1)
    return np.stack([np.where(some, used.argmax(1), 0), np.where(some, used.shape[1] - used[:, ::-1].argmax(1), 0)], 1).tolist()


#: Pixels, or places between them, that bins read at a time.
_AT_ONCE = 1 << 21


def _reads(xp: Any, shape: tuple[int, ...], images: Any, rows: Any, columns: Any, group: int) -> Iterator[tuple[slice, Any]]:
    """What bins read where each has channels of its own: some of the regions, and what their bins read of pixels.

    That is a sparse matrix of shares, a row for each bin, a column for each pixel of (batch, group, group, height, width).
    """
    batch, channels, height, width = shape
    images, of_rows, of_columns = _host(images).astype(float), _host(rows), _host(columns)
    (top, tall), (left, wide) = _extent(of_rows), _extent(of_columns)
    here = (images > -1) & (images < batch)
    tall, images = np.where(here[:, None], tall, 0), np.where(here, images, 0).astype(int)
    cells = [np.arange(n) * group // n for n in (tall.shape[1], wide.shape[1])]
    counts = tall[:, :, None] * wide[:, None, :]
    for part in some_at_a_time(counts):
        region, p, q = np.indices(counts[part].shape).reshape(3, -1)
        region += part.start
        cell = (images[region] * group + cells[0][p]) * group + cells[1][q]
        # The rows of all bins, then the pixels of all rows.
        bin, down = each(tall[region, p])
        y = top[region, p][bin] + down
        first, across = (cell * height)[bin] + y, left[region, q][bin]
        row, right = each(wide[region, q][bin])
        share = (
            of_rows[region[bin], p[bin], y][row] * of_columns.ravel()[((region * columns.shape[1] + q)[bin] * width + across)[row] + right]
        )
        starts = np.append(0, np.cumsum(counts[part]))
        pixel = (first * width + across)[row] + right
        yield part, sparse_matrix(xp, xp.asarray(share), xp.asarray(pixel), xp.asarray(starts), batch * group**2 * height * width)


def some_at_a_time(counts: Any) -> Iterator[slice]:
    """Regions, one after another, so many that not too much is read at a time; ``counts`` (regions, bins, bins): what each bin reads."""
    sums = np.cumsum(counts.sum((1, 2)))
    ends = np.searchsorted(sums, np.arange(_AT_ONCE, sums[-1] if len(sums) else 0, _AT_ONCE), "right")
    return itertools.starmap(slice, itertools.pairwise(sorted({0, *ends.tolist(), len(counts)})))


def each(counts: Any) -> tuple[Any, Any]:
    """Of things of which there are so many of each kind, all kinds one after another: each one's kind, and its number in it."""
    kind = np.repeat(np.arange(len(counts)), counts)
    return kind, np.arange(len(kind)) - (np.cumsum(counts) - counts)[kind]


def _extent(shares: Any) -> tuple[Any, Any]:
    """The first pixel of which each bin (regions, bins, pixels) has a share, and how many there are to the last; none of bins without."""
    used = shares != 0
    first = used.argmax(2)
    return first, np.where(used.any(2), used.shape[2] - used[..., ::-1].argmax(2) - first, 0)


def _host(x: Any) -> Any:
    return x if isinstance(x, np.ndarray) else x.get()


def _last(xp: Any, x: Any, group: int) -> Any:
    """Images (batch, channels · group², height, width) as (batch, group, group, height, width, channels), in one piece."""
    batch, channels, height, width = x.shape
    split = x.reshape(batch, channels // group**2, group, group, height, width)
    return xp.ascontiguousarray(split.transpose(0, 2, 3, 4, 5, 1))


def _sums(xp: Any, x: Any, images: Any, rows: Any, columns: Any, *, group: int) -> Any:
    # NumPy has no half-precision products, CuPy none in batches of bfloat16; sums are of float32, as elsewhere.
    dtype, (x, rows, columns) = x.dtype, (a.astype(wide_dtype(x.dtype), copy=False) for a in (x, rows, columns))
    pixels = _last(xp, x, max(group, 1))
    bins, channels = (rows.shape[1], columns.shape[1]), pixels.shape[-1]
    out = xp.zeros((len(rows), *bins, channels), x.dtype)
    for part, shares in _reads(xp, x.shape, images, rows, columns, group) if group > 1 else ():
        out[part] = mix(xp, shares, pixels.reshape(-1, channels)).reshape(out[part].shape)
    for r in _regions(len(x), _host(images), rows, columns) if group < 2 else ():
        along = xp.matmul(r.of_columns, pixels[r.image, 0, 0, r.rows, r.columns])  # (rows, bins, channels)
        out[r.number] = (r.of_rows @ along.reshape(len(along), -1)).reshape(*bins, channels)
    return xp.ascontiguousarray(out.transpose(0, 3, 1, 2)).astype(dtype, copy=False)


def _spread(xp: Any, g: Any, images: Any, rows: Any, columns: Any, *, shape: tuple[int, ...], group: int) -> Any:
    dtype, (g, rows, columns) = g.dtype, (a.astype(wide_dtype(g.dtype), copy=False) for a in (g, rows, columns))
    group_ = max(group, 1)
    batch, channels, height, width = shape
    out = xp.zeros((batch, group_, group_, height, width, channels // group_**2), g.dtype)
    heads = xp.ascontiguousarray(g.transpose(0, 2, 3, 1))
    bins = heads.shape[1:3]
    for part, shares in _reads(xp, shape, images, rows, columns, group) if group > 1 else ():
        out += spread(xp, shares, heads[part].reshape(-1, out.shape[-1])).reshape(out.shape)
    for r in _regions(batch, _host(images), rows, columns) if group < 2 else ():
        along = (r.of_rows.T @ heads[r.number].reshape(bins[0], -1)).reshape(-1, *heads.shape[2:])
        out[r.image, 0, 0, r.rows, r.columns] += xp.matmul(r.of_columns.T, along)
    return xp.ascontiguousarray(out.transpose(0, 5, 1, 2, 3, 4)).reshape(shape).astype(dtype, copy=False)


def _infer_sums(x: Spec, images: Spec, rows: Spec, columns: Spec, *, group: int) -> Spec:
    return Spec((rows.shape[0], x.shape[1] // max(group, 1) ** 2, rows.shape[1], columns.shape[1]), x.dtype)


def _infer_spread(g: Spec, images: Spec, rows: Spec, columns: Spec, *, shape: tuple[int, ...], group: int) -> Spec:
    expected = _infer_sums(Spec(shape, g.dtype), images, rows, columns, group=group).shape
    if g.shape != expected:
        fail(ShapeError, "region_spread", expected=f"bins {expected}", got=str(g.shape))
    return Spec(shape, g.dtype)


_images = np.array([0.0, 1, 0])


def _shared(*shape: int, seed: int) -> Any:
    """Shares of which some are 0 at the ends."""
    shares = np.abs(normal(*shape, seed=seed)) + 0.1
    shares[0, :, 0], shares[1, :, -2:] = 0, 0
    return shares


_shares = (_shared(3, 2, 5, seed=1), _shared(3, 3, 6, seed=2))
REGION_SUMS = register(
    Op(
        "region_sums",
        Kind.OPAQUE,
        _infer_sums,
        compute=_sums,
        grad=lambda needs, g, y, x, images, rows, columns, *, group: (
            call("region_spread", g, images, rows, columns, shape=x.shape, group=group),
            None,
            None,
            None,
        ),
        saves=(1, 2, 3),
        sample=lambda: [
            Sample(
                (normal(2, 4, 5, 6), _images, _shared(3, 2, 5, seed=1), _shared(3, 3, 6, seed=2)), {"group": group}, differentiable=False
            )
            for group in (0, 2)
        ],
    )
)
REGION_SPREAD = register(
    Op(
        "region_spread",
        Kind.OPAQUE,
        _infer_spread,
        compute=_spread,
        grad=lambda needs, g, y, x, images, rows, columns, *, shape, group: (
            call("region_sums", g, images, rows, columns, group=group),
            None,
            None,
            None,
        ),
        saves=(1, 2, 3),
        sample=lambda: [
            Sample(
                (normal(3, 4 // max(group, 1) ** 2, 2, 3), _images, *_shares),
                {"shape": (2, 4, 5, 6), "group": group},
                differentiable=False,
            )
            for group in (0, 2)
        ],
    )
)


# -- the functions of users -----------------------------------------------------------------------


def check_regions(op: str, data: Any, rois: Any, values: int = 5) -> None:
    """ShapeError unless these are images and regions of so many values."""
    if data.ndim != 4 or 0 in data.shape[1:]:
        fail(ShapeError, op, expected="data (batch, channels, height, width)", got=str(data.shape))
    if rois.ndim != 2 or rois.shape[1] != values:
        fail(ShapeError, op, expected=f"regions (count, {values}), the image's number first", got=str(rois.shape))


def _summed(data: Any, rois: Any, shares: tuple[Any, Any], group: int) -> Any:
    images = call("reshape", rois[:, :1], shape=(rois.shape[0],))
    rows, columns = (call("cast", x, dtype=wide_dtype(data.dtype)) for x in shares)
    return narrow(apply(REGION_SUMS, (wide(data), images, rows, columns), {"group": group}), data.dtype)


def roi_align(
    data: ArrayLike,
    rois: ArrayLike,
    pooled_size: Any,
    spatial_scale: float,
    sample_ratio: int = -1,
    position_sensitive: bool = False,
    aligned: bool = False,
) -> Any:
    """Regions of ``data`` (batch, channels, height, width) as (regions, channels, *pooled_size) (He et al., arXiv 1703.06870).

    ``rois``: rows image, left, top, right, bottom, in pixels over ``spatial_scale``; all 0 of an image that is not there, and of a
    region that is not finite. A bin is the mean of ``sample_ratio`` places on each axis, or of as many as it has pixels. With
    ``position_sensitive`` each bin has channels of its own, which are one after another. ``aligned``: a pixel's place is its centre.
    ShapeError for other shapes, ArgumentError for channels that bins do not divide.
    """
    data, rois, op = tensor(data), tensor(rois), "ROIAlign"
    check_regions(op, data, rois)
    bins = as_tuple(op, "pooled_size", pooled_size, 2, 1)
    size = data.shape[2:]
    attrs = {
        "size": size, "bins": bins, "scale": float(spatial_scale), "samples": max(int(sample_ratio), 0), "aligned": bool(aligned),
    }  # fmt: skip
    shares = apply(ALIGNED_SHARES, (rois,), attrs)
    if not position_sensitive:
        return _summed(data, rois, shares, 0)
    if data.shape[1] % math.prod(bins) or bins[0] != bins[1]:
        expected = "a square pooled_size whose number of bins divides the channels"
        fail(ArgumentError, op, expected=expected, got=f"{bins} and {data.shape[1]} channels")
    return _summed(data, rois, shares, bins[0]) if bins[0] > 1 else _summed(data, rois, shares, 0)


def psroi_pooling(data: ArrayLike, rois: ArrayLike, spatial_scale: float, output_dim: int, pooled_size: int, group_size: int = 0) -> Any:
    """Regions of ``data`` as (regions, output_dim, pooled_size, pooled_size), position-sensitive (Dai et al., arXiv 1605.06409).

    ``data`` (batch, output_dim · group_size², height, width) has channels of their own for each of ``group_size``² parts of a region
    (0: ``pooled_size``²). ``rois``: rows image, left, top, right, bottom, in pixels over ``spatial_scale``, rounded. A bin is the mean of
    the pixels that it touches; 0 of regions that are not finite. ShapeError for other shapes.
    """
    data, rois, op = tensor(data), tensor(rois), "PSROIPooling"
    check_regions(op, data, rois)
    group = group_size or pooled_size
    if data.shape[1] != output_dim * group**2:
        fail(ShapeError, op, expected=f"{output_dim} · {group}² channels", got=str(data.shape))
    attrs = {"size": data.shape[2:], "bins": (pooled_size, pooled_size), "scale": float(spatial_scale)}
    return _summed(data, rois, apply(POOLED_SHARES, (rois,), attrs), group if group > 1 else 0)
