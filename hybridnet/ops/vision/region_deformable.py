"""Regions of images that are moved or turned: DeformablePSROIPooling and RROIAlign."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, Kind, Op, Sample, Spec, apply, call, register
from hybridnet.errors import ShapeError, fail
from hybridnet.ops.array.gather import positions, take_along_axis
from hybridnet.ops.array.row_sums import mix, sparse_matrix
from hybridnet.ops.array.shape import slice_axis
from hybridnet.ops.common import normal, tensor
from hybridnet.ops.nn.common import as_tuple, narrow, wide
from hybridnet.ops.nn.like import stop_gradient
from hybridnet.ops.vision.host import on_host
from hybridnet.ops.vision.reading import between, read_between
from hybridnet.ops.vision.regions import check_regions, each, some_at_a_time, within_reach

# -- moved ----------------------------------------------------------------------------------------


def deformable_psroi_pooling(
    data: ArrayLike,
    rois: ArrayLike,
    trans: ArrayLike | None,
    spatial_scale: float,
    output_dim: int,
    group_size: int,
    pooled_size: int,
    part_size: int = 0,
    sample_per_part: int = 1,
    trans_std: float = 0.0,
) -> Any:
    """Regions of ``data`` as (regions, output_dim, pooled_size, pooled_size), their bins moved (Dai et al., arXiv 1703.06211).

    ``data`` (batch, output_dim · group_size², height, width); ``rois``: rows image, left, top, right, bottom, rounded, in pixels over
    ``spatial_scale``; ``trans`` (regions, 2 · classes, part_size, part_size): how far to the right and below, times ``trans_std`` in sizes
    of the region, or ``None``. A bin is the mean of ``sample_per_part`` places on each axis, those beyond the image left out. Gradients go
    to ``data`` and ``trans``. ShapeError for other shapes.
    """
    data, rois, op = tensor(data), tensor(rois), "DeformablePSROIPooling"
    check_regions(op, data, rois)
    batch, _, height, width = data.shape
    group, bins, samples = group_size, pooled_size, sample_per_part
    if data.shape[1] != output_dim * group**2:
        fail(ShapeError, op, expected=f"{output_dim} · {group}² channels", got=str(data.shape))
    part = part_size or bins
    trans = None if trans is None else wide(tensor(trans))
    if trans is not None and (trans.shape != (len(rois), trans.shape[1], part, part) or trans.shape[1] % 2):
        fail(ShapeError, op, expected=f"trans ({len(rois)}, 2 · classes, {part}, {part})", got=str(trans.shape))
    classes = 1 if trans is None else trans.shape[1] // 2
    if output_dim % classes:
        fail(ShapeError, op, expected=f"classes that divide output_dim, {output_dim}", got=str(classes))
    image, places = _moved(wide(stop_gradient(rois)), trans, classes, spatial_scale, bins, part, samples, trans_std)
    y, x = (call("broadcast_to", at, shape=(len(rois), classes, bins, bins, samples, samples)) for at in places)
    counted = between(y, -0.5, height - 0.5) * between(x, -0.5, width - 0.5)  # 1 of a place that is read
    y, x = (call("clip", at, a_min=0, a_max=n - 1) for at, n in ((y, height), (x, width)))
    rows, first = _cells(wide(data), image, classes, group, bins)
    read = read_between(rows, first, y, x, (height, width), counted)
    total, count = call("sum", read, axis=(4, 5), keepdims=False), call("sum", counted, axis=(4, 5), keepdims=False)
    mean = total / call("reshape", call("maximum", count, 1), shape=(*count.shape, 1))
    found = call("reshape", call("transpose", mean, axes=(0, 1, 4, 2, 3)), shape=(len(rois), output_dim, bins, bins))
    return narrow(found, data.dtype)


def _moved(rois: Any, trans: Any, classes: int, scale: float, bins: int, part: int, samples: int, std: float) -> tuple[Any, Any]:
    """The number of each region's image, and where each bin's samples are, below and to the right: (regions, classes or 1, bins, …)."""
    count = rois.shape[0]
    image = call("cast", call("reshape", slice_axis(rois, 1, 0, 1), shape=(count,)), dtype=dtypes.int64)
    places = []
    for axis in (0, 1):
        near, far = (_rounded(call("reshape", slice_axis(rois, 1, i - axis, i + 1 - axis), shape=(count, 1, 1, 1, 1, 1))) for i in (2, 4))
        start = near * scale - 0.5
        length = call("maximum", (far + 1) * scale - 0.5 - start, 0.1)
        step = length / bins
        shape = (1, 1, bins, 1, 1, 1) if axis == 0 else (1, 1, 1, bins, 1, 1)
        at = start + step * call("reshape", positions(rois, bins, rois.dtype), shape=shape)
        if trans is not None:
            cells = positions(rois, bins) * part // bins
            move = slice_axis(call("reshape", trans, shape=(count, classes, 2, part, part)), 2, 1 - axis, 2 - axis)
            move = call("reshape", move, shape=(count, classes, part, part))
            for a in (2, 3):
                index = call("reshape", cells, shape=(1, 1, bins, 1) if a == 2 else (1, 1, 1, bins))
                move = take_along_axis(move, call("broadcast_to", index, shape=(*move.shape[:a], bins, *move.shape[a + 1 :])), a)
            at = at + call("reshape", move, shape=(count, classes, bins, bins, 1, 1)) * std * length
        within = call("reshape", positions(rois, samples, rois.dtype), shape=(samples, 1) if axis == 0 else (1, samples))
        places.append(at + step / samples * within)
    return image, places


def _rounded(x: Any) -> Any:
    """To the next whole number, halves away from 0."""
    return call("trunc", x + call("sign", x) * 0.5)


def _cells(data: Any, image: Any, classes: int, group: int, bins: int) -> tuple[Any, Any]:
    """The pixels (…, channels of a class), a row each, by image, class and part; and where each bin's begin."""
    batch, channels, height, width = data.shape
    split = call("reshape", data, shape=(batch, classes, channels // group**2 // classes, group, group, height, width))
    rows = call("transpose", split, axes=(0, 1, 3, 4, 5, 6, 2))
    rows = call("reshape", rows, shape=(batch * classes * group * group * height * width, rows.shape[-1]))
    number = call("reshape", image, shape=(image.shape[0], 1, 1, 1, 1, 1)) * classes
    number = number + call("reshape", positions(data, classes), shape=(1, classes, 1, 1, 1, 1))
    cells = positions(data, bins) * group // bins
    below, right = (call("reshape", cells, shape=shape) for shape in ((1, 1, bins, 1, 1, 1), (1, 1, 1, bins, 1, 1)))
    return rows, ((number * group + below) * group + right) * (height * width)


# -- turned ---------------------------------------------------------------------------------------


def _infer_rotated(data: Spec, rois: Spec, *, bins: tuple[int, int], scale: float, samples: int) -> Spec:
    return Spec((rois.shape[0], data.shape[1], *bins), data.dtype)


@on_host(_infer_rotated)
def _rotated(data: Any, rois: Any, *, bins: tuple[int, int], scale: float, samples: int) -> Any:
    batch, channels, height, width = data.shape
    pixels = np.ascontiguousarray(data.transpose(0, 2, 3, 1)).reshape(-1, channels)
    turned = _turned(rois.astype(float), batch, scale)
    # The image's corners, a pixel beyond, as seen from the region's centre along its sides.
    v, u = (np.array(ends)[:, None] - centre for ends, centre in (((-1, -1, height, height), turned.y), ((-1, width, -1, width), turned.x)))
    seen = v * turned.cosine + u * turned.sine, u * turned.cosine - v * turned.sine
    down, across = (_samples(*side, samples, far) for side, far in zip(zip(turned.sides, bins, strict=True), seen, strict=True))
    counts = np.where(turned.here[:, None, None], down.number[:, :, None] * across.number[:, None, :], 0)
    out = np.zeros((len(rois), *bins, channels), data.dtype)
    for part in some_at_a_time(counts):
        region, p, q = np.indices(counts[part].shape).reshape(3, -1)
        region += part.start
        bin, within = each(counts[part].ravel())
        below, right = np.divmod(within, across.number[region, q][bin])
        v, u = down.first[region, p][bin] + below * down.step[region][bin], across.first[region, q][bin] + right * across.step[region][bin]
        cosine, sine, y, x = (a[region][bin] for a in (turned.cosine, turned.sine, turned.y, turned.x))
        numbers, shares = _between(v * cosine - u * sine + y, u * cosine + v * sine + x, (height, width))
        numbers += (turned.image[region] * (height * width))[bin, None]
        shares *= (1 / (down.each * across.each))[region][bin, None]
        starts = np.append(0, np.cumsum(counts[part])) * 4
        matrix = sparse_matrix(np, shares.ravel().astype(data.dtype), numbers.ravel(), starts, len(pixels))
        out[part] = mix(np, matrix, pixels).reshape(out[part].shape)
    return np.ascontiguousarray(out.transpose(0, 3, 1, 2))


class _Turned(NamedTuple):
    """Regions: which are somewhere, the numbers of their images, centres, heights and widths, and how they are turned."""

    here: Any
    image: Any
    y: Any
    x: Any
    sides: tuple[Any, Any]
    cosine: Any
    sine: Any


def _turned(rois: Any, batch: int, scale: float) -> _Turned:
    """Those of (regions, 6), at least a pixel high and wide; what is nowhere as zeros."""
    image, angle = rois[:, 0], rois[:, 5]
    with np.errstate(over="ignore", invalid="ignore"):
        place = rois[:, 1:5].T * scale
    here = (image > -1) & (image < batch) & np.isfinite(angle) & within_reach(*place)
    x, y, w, h = np.where(here, place, 0)
    angle = np.radians(np.where(here, angle, 0))
    sides = np.maximum(h, 1), np.maximum(w, 1)
    return _Turned(here, np.where(here, image, 0).astype(int), y, x, sides, np.cos(angle), np.sin(angle))


class _Samples(NamedTuple):
    """Samples on a side of regions: how many a bin has, and of those that may lie on the image their number and the first's distance
    from the middle (regions, bins), and how far they are apart."""

    each: Any
    number: Any
    first: Any
    step: Any


def _samples(side: Any, bins: int, samples: int, seen: Any) -> _Samples:
    """Those that lie within ``seen`` (corners, regions): of a region that is much larger than the image, few."""
    step = side / bins
    count = np.full(len(side), samples) if samples > 0 else np.ceil(step).astype(int)
    # The number of the first and that after the last, among all bins'; one more on each end for rounding.
    ends = ((seen.min(0), -1), (seen.max(0), 2))
    first, end = (np.clip(np.floor((at + side / 2) / step * count) + more, 0, bins * count).astype(int) for at, more in ends)
    bin = np.arange(bins)
    begin, stop = (np.clip(at[:, None] - bin * count[:, None], 0, count[:, None]) for at in (first, end))
    distance = -side[:, None] / 2 + (bin + (begin + 0.5) / count[:, None]) * step[:, None]
    return _Samples(count, np.maximum(stop - begin, 0), distance, step / count)


def _between(y: Any, x: Any, size: tuple[int, int]) -> tuple[Any, Any]:
    """The four pixels that places (n,) lie between, by their numbers in an image, and their shares: (n, 4) each.

    Beyond the edge a place is at the edge; more than a pixel beyond it, no pixel has a share.
    """
    height, width = size
    counted = (y >= -1) & (y <= height) & (x >= -1) & (x <= width)
    y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
    row, column = y.astype(int), x.astype(int)
    down, across = (y - row) * counted, x - column
    rows = (row * width, counted - down), (np.minimum(row + 1, height - 1) * width, down)
    columns = (column, 1 - across), (np.minimum(column + 1, width - 1), across)
    numbers, shares = np.empty((len(y), 4), int), np.empty((len(y), 4))
    for i, ((below, of_row), (right, of_column)) in enumerate(itertools.product(rows, columns)):
        np.add(below, right, out=numbers[:, i])
        np.multiply(of_row, of_column, out=shares[:, i])
    return numbers, shares


ROTATED_ROI_ALIGN = register(
    Op(
        "rroi_align",
        Kind.OPAQUE,
        _infer_rotated,
        compute=_rotated,
        sample=lambda: [
            Sample(
                (normal(2, 3, 5, 6), np.array([[0, 3, 3, 5, 6, 30], [1, 2, 2, 3, 2.5, -50], [1, 9, 9, 9, 9, 0.0]])),
                {"bins": (2, 3), "scale": 0.7, "samples": samples},
                differentiable=False,
            )
            for samples in (0, 2)
        ],
    )
)


def rotated_roi_align(data: ArrayLike, rois: ArrayLike, pooled_size: Any, spatial_scale: float, sampling_ratio: int = -1) -> Any:
    """Turned regions of ``data`` (batch, channels, height, width) as (regions, channels, *pooled_size), without a gradient.

    ``rois``: rows image, centre x, centre y, width, height, in pixels over ``spatial_scale``, and angle in degrees. A bin is the mean of
    ``sampling_ratio`` places on each axis, or of as many as it has pixels; 0 of regions that are not finite. ShapeError for other shapes.
    """
    data, rois = tensor(data), tensor(rois)
    check_regions("RROIAlign", data, rois, 6)
    bins = as_tuple("RROIAlign", "pooled_size", pooled_size, 2, 1)
    return apply(ROTATED_ROI_ALIGN, (data, rois), {"bins": bins, "scale": float(spatial_scale), "samples": max(int(sampling_ratio), 0)})
