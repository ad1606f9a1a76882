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
    out = np.full((len(rois), channels, *bins), -1)
    here, rois = known_regions(rois, scale)
    images, corners = np.where(here, rois[:, 0], -1).astype(int), _rounded(rois[:, 1:] * rois.dtype.type(scale))
    channel = np.arange(channels)
    for i, (image, (left, top, right, bottom)) in enumerate(zip(images.tolist(), corners.tolist(), strict=True)):
        if not 0 <= image < batch:
            continue
        rows, columns = _bins(top, bottom, height, bins[0], data.dtype), _bins(left, right, width, bins[1], data.dtype)
        for q, (x0, x1) in enumerate(columns):
            if x0 >= x1:
                continue
            part = data[image, :, :, x0:x1]
            at = part.argmax(2)  # (channels, height)
            best = np.take_along_axis(part, at[..., None], 2)[..., 0]
            for p, (y0, y1) in enumerate(rows):
                if y0 < y1:
                    row = best[:, y0:y1].argmax(1) + y0
                    out[i, :, p, q] = ((image * channels + channel) * height + row) * width + at[channel, row] + x0
    return out


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
