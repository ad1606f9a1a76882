"""ROIPooling: the largest pixel of each bin of a region (Girshick, Fast R-CNN, arXiv 1504.08083).

An operator finds on the host where the largest pixels are; taking them there has the gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, Kind, Op, Sample, Spec, apply, call, register
from hybridnet.ops.array.gather import take
from hybridnet.ops.common import normal, tensor
from hybridnet.ops.nn.common import as_tuple
from hybridnet.ops.vision.host import on_host
from hybridnet.ops.vision.regions import check_regions, known_regions

Size = tuple[int, int]


def _infer(data: Spec, rois: Spec, *, bins: Size, scale: float) -> Spec:
    return Spec((rois.shape[0], data.shape[1], *bins), dtypes.int64)


@on_host(_infer)
def _largest(data: Any, rois: Any, *, bins: Size, scale: float) -> Any:
    """The place of each bin's largest pixel in the flattened data, that of the first row and then column among equals; -1 for none."""
    batch, channels, height, width = data.shape
    out = np.zeros((len(rois), *bins, channels), np.uint64)
    here, rois = known_regions(rois, scale)
    images, corners = np.where(here, rois[:, 0], -1).astype(int), _rounded(rois[:, 1:] * rois.dtype.type(scale))
    keys = _keys(data)
    for i, (image, (left, top, right, bottom)) in enumerate(zip(images.tolist(), corners.tolist(), strict=True)):
        if not 0 <= image < batch:
            continue
        rows, columns = _bins(top, bottom, height, bins[0], data.dtype), _bins(left, right, width, bins[1], data.dtype)
        first, stop = min(y for y, _ in rows), max(y for _, y in rows)
        along = np.zeros((bins[1], stop - first, channels), np.uint64)
        for q, (x0, x1) in enumerate(columns):
            if x0 < x1:
                np.maximum.reduce(keys[image, first:stop, x0:x1], 1, out=along[q])
        for p, (y0, y1) in enumerate(rows):
            if y0 < y1:
                np.maximum.reduce(along[:, y0 - first : y1 - first], 1, out=out[i, p])
    planes = (np.maximum(images, 0)[:, None, None, None] * channels + np.arange(channels)) * (height * width)
    places = np.where(out > 0, planes + (_LAST - (out & _LAST)).astype(np.int64), -1)
    return np.ascontiguousarray(places.transpose(0, 3, 1, 2))


_LAST = np.uint64(0xFFFFFFFF)


def _keys(data: Any) -> Any:
    """For each pixel (batch, height, width, channels) a number above 0: in order of the data, and of equal ones the first place is above.

    The upper half are a float's bits, in order but for its sign; of what has more bits, how many numbers are less. NaN is above all.
    """
    batch, channels, height, width = data.shape
    x = np.ascontiguousarray(data.transpose(0, 2, 3, 1))
    if x.dtype == np.float32:
        bits = (x + np.float32(0)).view(np.uint32)  # no -0
        order = np.where(bits >> 31, ~bits, bits | np.uint32(0x80000000))
        order[np.isnan(x)] = 0xFFFFFFFF
    else:
        order = np.unique(x, return_inverse=True)[1].reshape(x.shape) + 1
    place = _LAST - np.arange(height * width, dtype=np.uint64).reshape(height, width, 1)
    return (order.astype(np.uint64) << np.uint64(32)) | place


def _rounded(x: Any) -> Any:
    return np.trunc(x + np.copysign(x.dtype.type(0.5), x)).astype(int)


def _bins(start: int, stop: int, size: int, bins: int, dtype: Any) -> list[tuple[int, int]]:
    """From where to where each bin goes, cut to an axis of ``size``."""
    step = np.float32(max(stop - start + 1, 1)) / np.float32(bins)
    number = np.arange(bins, dtype=np.float32)
    first, end = np.floor(number * step).astype(int) + start, np.ceil((number + 1) * step).astype(int) + start
    return list(zip(np.clip(first, 0, size).tolist(), np.clip(end, 0, size).tolist(), strict=True))


REGION_LARGEST = register(
    Op(
        "region_largest",
        Kind.OPAQUE,
        _infer,
        compute=_largest,
        sample=lambda: [
            Sample(
                (normal(2, 3, 5, 6), np.array([[0, 1, 0.5, 5, 6], [1, 2, 2, 3, 2.5], [0, 7, 7, 9, 20]])),
                {"bins": (2, 3), "scale": 0.7},
                differentiable=False,
            )
        ],
    )
)


def roi_pooling(data: ArrayLike, rois: ArrayLike, pooled_size: Any, spatial_scale: float) -> Any:
    """The largest pixels of regions of ``data`` (batch, channels, height, width): (regions, channels, *pooled_size); 0 of empty bins.

    ``rois``: rows image, left, top, right, bottom, in pixels over ``spatial_scale``, rounded; 0 of those not finite.
    ShapeError for other shapes.
    """
    data, rois = tensor(data), tensor(rois)
    check_regions("ROIPooling", data, rois)
    bins = as_tuple("ROIPooling", "pooled_size", pooled_size, 2, 1)
    places = apply(REGION_LARGEST, (data, rois), {"bins": bins, "scale": float(spatial_scale)})
    found = take(call("reshape", data, shape=(data.size,)), call("maximum", places, 0), 0)
    return call("where", places >= 0, found, 0)
