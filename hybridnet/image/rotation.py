"""Images (channels, height, width) turned about their middle, on NumPy arrays: linear between pixels, 0 outside."""

from __future__ import annotations

import math

import numpy as np

from hybridnet.errors import ArgumentError, DtypeError, ShapeError, fail
from hybridnet.image.pixels import Image


def rotated(image: Image, degrees: float, zoom_in: bool = False, zoom_out: bool = False) -> Image:
    """One image (c, h, w) float32, turned by ``degrees`` against the clock, in its size.

    ``zoom_in``: so large that nothing of the outside is seen at the sides; ``zoom_out``: so small that nothing is cut off.
    """
    if zoom_in and zoom_out:
        fail(ArgumentError, "imrotate", expected="zoom_in or zoom_out, or neither", got="both")
    if image.dtype != np.float32:
        got = str(image.dtype)
        fail(DtypeError, "imrotate", expected="an image float32 (channels, height, width)", got=got, fix="transforms.ToTensor() before it")
    height, width = image.shape[-2:]
    angle = math.radians(degrees)
    sine, cosine = math.sin(angle), math.cos(angle)
    fit = max((width * abs(sine) + height * abs(cosine)) / height, (width * abs(cosine) + height * abs(sine)) / width)
    zoom = fit if zoom_out else 1 / fit if zoom_in else 1.0
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    y, x = np.ogrid[:height, :width]
    y, x = (y - middle_y) * zoom, (x - middle_x) * zoom
    return _sampled(image, x * sine + y * cosine + middle_y, x * cosine - y * sine + middle_x)


def _sampled(image: Image, y: Image, x: Image) -> Image:
    """The image at fractional places, each the mean of the four pixels around it by their distances."""
    height, width = image.shape[-2:]
    top, left = np.floor(y).astype(np.intp), np.floor(x).astype(np.intp)
    below, right = (y - top).astype(np.float32), (x - left).astype(np.float32)
    total = np.zeros((*image.shape[:-2], *y.shape), np.float32)
    for rows, down in ((top, 1 - below), (top + 1, below)):
        for columns, across in ((left, 1 - right), (left + 1, right)):
            inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
            weight = down * across * inside
            total += image[..., rows.clip(0, height - 1), columns.clip(0, width - 1)] * weight
    return total


def check_rank(ndim: int) -> None:
    """Raise unless an array is an image or a batch of them."""
    if ndim not in (3, 4):
        fail(ShapeError, "imrotate", expected="an image (channels, height, width), or a batch of them", got=f"{ndim} dimensions")
