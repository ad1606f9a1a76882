"""What ``ImageRecordIter`` does to the pixels of an image on its way to ``data_shape``: MXNet's default augmenter.

In this order: the shorter edge resized; rotated, sheared and scaled in one go; padded; cut; brightness, contrast and saturation
jittered; hue, lightness and saturation moved; noise along the principal components of colours. Images are bytes, red first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy

from hybridnet.core.random import host
from hybridnet.errors import ArgumentError, fail
from hybridnet.image import colours, pixels
from hybridnet.image.augment import PixelAugmenter
from hybridnet.image.pixels import Image, Size, Window
from hybridnet.opencv import opencv


@dataclass
class ImageChanges(PixelAugmenter):
    """Parameters as MXNet names them; see :class:`hybridnet.io.ImageRecordIter`."""

    size: Size  # (width, height) of the result
    resize: int = -1
    rand_crop: bool = False
    random_resized_crop: bool = False
    max_rotate_angle: int = 0
    max_aspect_ratio: float = 0
    min_aspect_ratio: float | None = None
    max_shear_ratio: float = 0
    max_crop_size: int = -1
    min_crop_size: int = -1
    max_random_scale: float = 1
    min_random_scale: float = 1
    max_random_area: float = 1
    min_random_area: float = 1
    max_img_size: float = 1e10
    min_img_size: float = 0
    brightness: float = 0
    contrast: float = 0
    saturation: float = 0
    pca_noise: float = 0
    random_h: int = 0
    random_s: int = 0
    random_l: int = 0
    rotate: int = -1
    fill_value: int = 255
    inter_method: int = 1
    pad: int = 0

    def __post_init__(self) -> None:
        alone = (self.max_random_scale, self.min_random_scale, self.max_crop_size, self.min_crop_size, self.rand_crop)
        if self.random_resized_crop and alone != (1, 1, -1, -1, False):
            got = "one of them"
            expected = "random_resized_crop without rand_crop, and random scales and crop sizes as they are"
            fail(ArgumentError, "ImageRecordIter", expected=expected, got=got)
        for name in ("max_random_scale", "max_crop_size", "max_random_area", "max_img_size"):
            least, most = getattr(self, name.replace("max", "min")), getattr(self, name)
            if least > most:
                fail(
                    ArgumentError, "ImageRecordIter", expected=f"{name} of at least {name.replace('max', 'min')}", got=f"{most} and {least}"
                )

        if self.min_aspect_ratio is not None and self.min_aspect_ratio > self.max_aspect_ratio:
            got = f"{self.max_aspect_ratio} and {self.min_aspect_ratio}"
            fail(ArgumentError, "ImageRecordIter", expected="max_aspect_ratio of at least min_aspect_ratio", got=got)

    @property
    def is_random(self) -> bool:
        """Whether two calls may differ."""
        ranges = (self.max_rotate_angle, self.max_shear_ratio, self.brightness, self.contrast, self.saturation, self.pca_noise)
        spans = (self.max_random_scale - self.min_random_scale, self.max_crop_size - self.min_crop_size, self.inter_method == pixels.ANY)
        moved = (self.random_h, self.random_s, self.random_l, self.rand_crop, self.random_resized_crop, self.max_aspect_ratio)
        return any((*ranges, *spans, *moved))

    def pixels(self, image: Image) -> Image:
        """The image, of the size that is asked for."""
        if self.resize > 0:
            image = pixels.resize(image, *pixels.short_size(pixels.size_of(image), self.resize), self.inter_method)
        image = self._warped(image)
        if self.pad:
            image = pixels.border(image, self.pad, self.pad, self.pad, self.pad, value=self.fill_value)
        return self._coloured(self._cut(image))

    def _ratio(self) -> float:
        least = 1 - self.max_aspect_ratio if self.min_aspect_ratio is None else self.min_aspect_ratio
        most = 1 + self.max_aspect_ratio if self.min_aspect_ratio is None else self.max_aspect_ratio
        return host().uniform(least, most)

    def _warped(self, image: Image) -> Image:
        """Sheared, turned and scaled about its middle."""
        aspect = self.max_aspect_ratio and not self.random_resized_crop
        turned = self.max_rotate_angle > 0 or self.rotate > 0 or self.max_shear_ratio > 0
        scaled = self.max_random_scale != 1 or self.min_random_scale != 1 or self.max_img_size != 1e10 or self.min_img_size != 0
        if not (aspect or turned or scaled):
            return image
        draw, (width, height) = host(), pixels.size_of(image)
        shear = draw.uniform(-self.max_shear_ratio, self.max_shear_ratio)
        angle = self.rotate if self.rotate > 0 else draw.randint(-self.max_rotate_angle, self.max_rotate_angle)
        scale, ratio = draw.uniform(self.min_random_scale, self.max_random_scale), self._ratio() if aspect else 1.0
        across = 2 * scale / (1 + ratio)
        down = ratio * across
        u, v = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        matrix = numpy.array([[across * u - shear * v * down, across * v + shear * u * down], [-down * v, down * u]])
        size = [int(max(self.min_img_size, min(self.max_img_size, scale * n))) for n in (width, height)]
        if min(size) < 1:
            fail(ArgumentError, "ImageRecordIter", expected="a scale that leaves a pixel", got=f"{scale:g} of {width}×{height}")
        offset = (numpy.array(size) - matrix @ [width, height]) / 2
        cv2 = opencv()
        fill = (self.fill_value,) * image.shape[2]
        flags = pixels.method(self.inter_method, (width, height), (size[0], size[1]))
        moved = cv2.warpAffine(
            image, numpy.c_[matrix, offset], size, flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=fill
        )  # fmt: skip
        return moved.reshape(*moved.shape[:2], image.shape[2])

    def _cut(self, image: Image) -> Image:
        old = pixels.size_of(image)
        if self.random_resized_crop:
            window = self._of_area(old)
            if window is not None:
                return pixels.crop(image, window, self.size, self.inter_method)
        if self.max_crop_size > 0 or self.min_crop_size > 0:
            side = host().randint(max(self.min_crop_size, 1), self.max_crop_size)
            if side > min(old):
                fail(ArgumentError, "ImageRecordIter", expected=f"images of at least {side}×{side}, to be cut so", got=f"{old[0]}×{old[1]}")
            return pixels.crop(image, self._window(old, (side, side)), self.size, self.inter_method)
        image = self._grown(image)
        return pixels.crop(image, self._window(pixels.size_of(image), self.size))

    def _window(self, old: Size, size: Size) -> Window:
        free = old[0] - size[0], old[1] - size[1]
        x, y = (host().randint(0, n) if self.rand_crop else n // 2 for n in free)
        return x, y, *size

    def _of_area(self, old: Size) -> Window | None:
        """A window of a random area and a random ratio, either way round; ``None`` where ten draws do not fit."""
        draw = host()
        for _ in range(10):
            area, ratio = draw.uniform(self.min_random_area, self.max_random_area) * old[0] * old[1], self._ratio()
            if ratio <= 0:
                fail(ArgumentError, "ImageRecordIter", expected="aspect ratios above 0", got=f"{ratio:g}", fix="min_aspect_ratio=")
            ratio = ratio if draw.random() < 0.5 else 1 / ratio
            width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < width <= old[0] and 0 < height <= old[1]:
                return draw.randint(0, old[0] - width), draw.randint(0, old[1] - height), width, height
        return None

    def _grown(self, image: Image) -> Image:
        """The image, enlarged in its ratio if it is smaller than what is to be cut from it: first to the height, then to the width."""
        for axis in (1, 0):
            old = pixels.size_of(image)
            if old[axis] < self.size[axis]:
                size = [n * self.size[axis] // old[axis] for n in old]
                image = pixels.resize(image, size[0], size[1], self.inter_method)
        return image

    def _coloured(self, image: Image) -> Image:
        if image.shape[2] != 3:
            return image
        draw = host()
        jitters: list[Any] = [
            (colours.brightness, self.brightness),
            (colours.contrast, self.contrast),
            (saturated, self.saturation),
        ]
        jitters = [(change, most) for change, most in jitters if most > 0]
        for change, most in draw.sample(jitters, len(jitters)):
            image = change(image, 1 + draw.uniform(-most, most))
        if self.random_h or self.random_s or self.random_l:
            image = moved_in_hls(image, *(draw.randint(-n, n) for n in (self.random_h, self.random_l, self.random_s)))
        if self.pca_noise > 0:
            image = colours.lighting(image, [draw.gauss(0, self.pca_noise) for _ in range(3)])
        return image


def saturated(image: Image, factor: float) -> Image:
    """The distance of every colour from its gray, times ``factor``: of bytes, rounded, many times as fast as through floats."""
    cv2 = opencv()
    gray = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(image, factor, gray, 1 - factor, 0)


def moved_in_hls(image: Image, hue: int, lightness: int, saturation: int) -> Image:
    """Numbers added to OpenCV's hue (0 to 180), lightness and saturation (0 to 255) of an image of bytes, which stay in their ranges."""
    cv2 = opencv()
    hls = cv2.cvtColor(image, cv2.COLOR_RGB2HLS).astype(numpy.int16) + numpy.array([hue, lightness, saturation], numpy.int16)
    return cv2.cvtColor(numpy.clip(hls, 0, [180, 255, 255]).astype(numpy.uint8), cv2.COLOR_HLS2RGB)
