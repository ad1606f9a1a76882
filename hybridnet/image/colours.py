"""Colours: what a jitter does to the pixels of one image, as matrices between colours; and tensors of images.

All but the change of hue in HLS is ``matrix @ colour + offset``. Values that leave the range of an integer dtype are cut to it, and
fractions are cut off, as MXNet's operators have it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from hybridnet.errors import ShapeError, fail
from hybridnet.image.pixels import Image
from hybridnet.ndarray.image import LUMA, PCA_VALUES, PCA_VECTORS
from hybridnet.opencv import opencv

#: What red, green and blue are to ``RandomGrayAug``.
GRAY = (0.21, 0.72, 0.07)
#: RGB to YIQ and back, in which the hue is an angle.
TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.321], [0.211, -0.523, 0.311]])
FROM_YIQ = np.array([[1.0, 0.956, 0.621], [1.0, -0.272, -0.647], [1.0, -1.107, 1.705]])
#: ImageNet's mean and standard deviation, of bytes.
MEAN = np.array([123.68, 116.28, 103.53])
STD = np.array([58.395, 57.12, 57.375])

#: OpenCV rounds; less than half a step down, it cuts fractions off.
_CUT = 0.4999


def affine(image: Image, matrix: Any, offset: Any = 0.0) -> Image:
    """``matrix @ colour + offset`` of every pixel. ``matrix`` may be a number for all channels, ``offset`` one a channel."""
    if image.dtype == np.uint8 and not np.ndim(matrix) and not np.ndim(offset):
        return opencv().addWeighted(image, matrix, image, 0, offset - _CUT).reshape(image.shape)
    channels = image.shape[-1]
    whole = np.empty((channels, channels + 1), np.float32)
    whole[:, :-1] = matrix if np.ndim(matrix) else np.eye(channels) * matrix
    whole[:, -1] = offset
    changed = opencv().transform(image.astype(np.float32, copy=False), whole).reshape(image.shape)
    return _cast(changed, image.dtype)


def _cast(image: Image, dtype: Any) -> Image:
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        image = np.clip(image, limits.min, limits.max)
    return image.astype(dtype, copy=False)


def brightness(image: Image, factor: float) -> Image:
    """Every value times ``factor``."""
    return affine(image, factor)


def contrast(image: Image, factor: float) -> Image:
    """The distance of every value from the image's mean brightness, times ``factor``."""
    means = np.array(opencv().mean(image)[: image.shape[-1]])
    mean = means @ LUMA if len(means) == 3 else means.mean()
    return affine(image, factor, (1 - factor) * mean)


def saturation(image: Image, factor: float) -> Image:
    """The distance of every colour from the gray of its brightness, times ``factor``."""
    if image.shape[-1] != 3:
        return image
    return affine(image, np.eye(3) * factor + (1 - factor) * np.array([LUMA] * 3))


def hue_in_yiq(image: Image, turn: float) -> Image:
    """Colours turned by ``turn`` half circles in YIQ, as ``HueJitterAug`` does."""
    _three(image)
    u, w = math.cos(turn * math.pi), math.sin(turn * math.pi)
    return affine(image, FROM_YIQ @ np.array([[1, 0, 0], [0, u, -w], [0, w, u]]) @ TO_YIQ)


def hue(image: Image, factor: float) -> Image:
    """Colours turned by ``factor - 1`` circles in HLS, as ``nd.image.random_hue`` does."""
    if image.shape[-1] != 3:
        return image
    cv2 = opencv()
    hls = cv2.cvtColor(image.astype(np.float32) * np.float32(1 / 255), cv2.COLOR_RGB2HLS)
    hls[..., 0] = np.mod(hls[..., 0] + (factor - 1) * 360, 360)
    turned = cv2.cvtColor(hls, cv2.COLOR_HLS2RGB)
    turned *= 255
    return _cast(turned + 1e-3 if image.dtype.kind in "iu" else turned, image.dtype)


def lighting(image: Image, alpha: Sequence[float], values: Any = PCA_VALUES, vectors: Any = PCA_VECTORS) -> Image:
    """The principal components of colours, times ``alpha``, added to every pixel."""
    if image.shape[-1] != 3:
        return image
    return affine(image, 1.0, np.dot(np.asarray(vectors) * alpha, values))


def gray(image: Image, weights: Sequence[float] = GRAY) -> Image:
    """Without colour, in three channels."""
    _three(image)
    return affine(image, np.array([weights] * 3))


def _three(image: Image) -> None:
    if image.shape[-1] != 3:
        fail(ShapeError, "colour", expected="an image (height, width, 3)", got=str(image.shape))


def normalized_colours(image: Image, mean: Any = None, std: Any = None) -> Image:
    """(image - mean) / std of (h, w, c), each a number or one a channel, as float32; twenty times as fast as by broadcasting."""
    channels = image.shape[-1]
    scale = 1 / np.broadcast_to(np.asarray(1.0 if std is None else std, np.float64), (channels,))
    return affine(image.astype(np.float32, copy=False), np.diag(scale), -np.asarray(0.0 if mean is None else mean) * scale)


def normalized(image: Image, mean: Any = None, std: Any = None) -> Image:
    """(image - mean) / std, each a number or an array that broadcasts; float32 from bytes."""
    dtype = image.dtype if image.dtype.kind == "f" else np.dtype(np.float32)
    result = image.astype(dtype) if mean is None else np.subtract(image, np.asarray(mean, dtype), dtype=dtype)
    if std is not None:
        result /= np.asarray(std, dtype)
    return result


def to_tensor(image: Image) -> Image:
    """(..., h, w, c) in 0 to 255 to float32 (..., c, h, w) in 0 to 1."""
    scaled = np.divide(image, np.float32(255), dtype=np.float32, casting="unsafe")
    return np.ascontiguousarray(np.moveaxis(scaled, -1, -3))
