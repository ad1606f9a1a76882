"""From the pixels of an image to numbers of a batch: mirrored, a mean taken away, scaled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy

from hybridnet.core.random import host
from hybridnet.errors import ArgumentError, fail
from hybridnet.image import pixels
from hybridnet.image.pixels import Image
from hybridnet.image.samples import put
from hybridnet.io.files import Host


@dataclass
class Normalizing:
    """Parameters as MXNet names them: ``((image - mean) * contrast + illumination) * scale / std``, one mean and std a channel.

    ``mean``: an array (channels, height, width) in place of the means of the channels.
    """

    mirror: bool = False
    rand_mirror: bool = False
    mean_r: float = 0
    mean_g: float = 0
    mean_b: float = 0
    mean_a: float = 0
    std_r: float = 1
    std_g: float = 1
    std_b: float = 1
    std_a: float = 1
    scale: float = 1
    max_random_contrast: float = 0
    max_random_illumination: float = 0
    mean: Host | None = None

    def prepare(self, op: str, channels: int, dtype: numpy.dtype[Any]) -> None:
        """What can be known before the first image; refuses what ``dtype`` has no room for."""
        letters = "rgba"[:channels]
        mean = numpy.array([getattr(self, f"mean_{c}") for c in letters], numpy.float32)[:, None, None]
        std = numpy.array([getattr(self, f"std_{c}") for c in letters], numpy.float32)[:, None, None]
        if not (std > 0).all():
            fail(
                ArgumentError,
                op,
                expected="standard deviations above 0",
                got=", ".join(f"std_{c}={s:g}" for c, s in zip(letters, std.flat, strict=True)),
            )
        self._mean = self.mean if self.mean is not None else mean if mean.any() else None
        self._factor = None if self.scale == 1 and (std == 1).all() else numpy.float32(self.scale) / std
        self._jitters = self.max_random_contrast != 0 or self.max_random_illumination != 0
        if dtype.kind in "iu" and (self._factor is not None or self._jitters or (dtype.kind == "u" and self._mean is not None)):
            fail(
                ArgumentError,
                op,
                expected=f"images as {dtype}, which are not normalized",
                got="a mean, std, scale or jitter",
                fix="float32",
            )

    @property
    def is_random(self) -> bool:
        """Whether two calls may differ."""
        return self.rand_mirror or self._jitters

    def mirrors(self) -> bool:
        """Whether this image is to be mirrored."""
        return self.mirror or (self.rand_mirror and host().random() < 0.5)

    def write(self, image: Image, sample: Host, source: str, mirrored: bool) -> None:
        """The image (height, width, channels) into its place in a batch (channels, height, width)."""
        if mirrored:
            image = pixels.flipped(image)
        if sample.dtype == numpy.int8:
            moved = numpy.moveaxis(image, -1, 0).astype(numpy.float32)
            numpy.copyto(sample, numpy.clip(moved if self._mean is None else moved - self._mean, -128, 127), casting="unsafe")
            return
        put(image, sample, source)
        if self._mean is not None:
            sample -= self._mean
        if self._jitters:
            sample *= 1 + host().uniform(-self.max_random_contrast, self.max_random_contrast)
            sample += host().uniform(-self.max_random_illumination, self.max_random_illumination)
        if self._factor is not None:
            sample *= self._factor
