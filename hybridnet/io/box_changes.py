"""What ``ImageDetRecordIter`` does to an image and its boxes on their way to ``data_shape``: MXNet's augmenter for detection.

In this order: the shorter edge resized; hue, saturation and lightness moved, contrast changed; mirrored; padded; cut; resized to the
shape. Labels are as in :mod:`hybridnet.image.boxes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy

from hybridnet.core.random import host
from hybridnet.errors import ArgumentError, fail
from hybridnet.image import boxes, colours, pixels
from hybridnet.image.boxes import Labels, Part
from hybridnet.image.pixels import Image, Size
from hybridnet.io.image_changes import moved_in_hls

_OP = "ImageDetRecordIter"
_MODES, _EMITTED = ("force", "shrink", "fit"), ("center", "overlap")


@dataclass
class Sampler:
    """The windows that one sampler of crops accepts: limits of scale, aspect ratio and of what they have in common with a box."""

    scale: tuple[float, float]
    aspect_ratio: tuple[float, float]
    overlap: tuple[float, float]
    sample_coverage: tuple[float, float]
    object_coverage: tuple[float, float]
    trials: int

    def accepts(self, window: Part, label: Labels) -> bool:
        """Whether what the window has in common with at least one box is within all limits."""
        common = boxes.covered(label, window) * boxes.areas(label)
        area = window[2] * window[3]
        union = boxes.areas(label) + area - common
        shares = (common / numpy.maximum(union, 1e-12), common / area, boxes.covered(label, window))
        limits = (self.overlap, self.sample_coverage, self.object_coverage)
        within = [(low - 1e-6 <= share) & (share <= high + 1e-6) for share, (low, high) in zip(shares, limits, strict=True)]
        return bool((numpy.logical_and.reduce(within) & (common > 0)).any())


@dataclass
class BoxChanges:
    """Parameters as MXNet names them; see :class:`hybridnet.io.ImageDetRecordIter`."""

    size: Size  # (width, height) of the result
    resize: int = -1
    rand_crop_prob: float = 0
    min_crop_scales: Any = (0.0,)
    max_crop_scales: Any = (1.0,)
    min_crop_aspect_ratios: Any = (1.0,)
    max_crop_aspect_ratios: Any = (1.0,)
    min_crop_overlaps: Any = (0.0,)
    max_crop_overlaps: Any = (1.0,)
    min_crop_sample_coverages: Any = (0.0,)
    max_crop_sample_coverages: Any = (1.0,)
    min_crop_object_coverages: Any = (0.0,)
    max_crop_object_coverages: Any = (1.0,)
    num_crop_sampler: int = 1
    crop_emit_mode: str = "center"
    emit_overlap_thresh: float = 0.3
    max_crop_trials: Any = (25,)
    rand_pad_prob: float = 0
    max_pad_scale: float = 1
    max_random_hue: int = 0
    random_hue_prob: float = 0
    max_random_saturation: int = 0
    random_saturation_prob: float = 0
    max_random_illumination: int = 0
    random_illumination_prob: float = 0
    max_random_contrast: float = 0
    random_contrast_prob: float = 0
    rand_mirror_prob: float = 0
    fill_value: int = 127
    inter_method: int = 1
    resize_mode: str = "force"

    def __post_init__(self) -> None:
        for name, known in (("resize_mode", _MODES), ("crop_emit_mode", _EMITTED)):
            if getattr(self, name) not in known:
                fail(ArgumentError, _OP, expected=f"{name} of {', '.join(map(repr, known))}", got=repr(getattr(self, name)))
        if self.max_pad_scale < 1:
            fail(ArgumentError, _OP, expected="max_pad_scale of 1 or more", got=repr(self.max_pad_scale))
        limits = [self._limits(kind) for kind in ("scales", "aspect_ratios", "overlaps", "sample_coverages", "object_coverages")]
        trials = self._numbers("max_crop_trials")
        self.samplers = [
            Sampler(limits[0][i], limits[1][i], limits[2][i], limits[3][i], limits[4][i], int(trials[i]))
            for i in range(self.num_crop_sampler)
        ]

    def _numbers(self, name: str) -> list[float]:
        """A parameter's number for each sampler; one alone is for all of them."""
        given = getattr(self, name)
        numbers = list(given) if isinstance(given, Sequence) else [given]
        if len(numbers) not in (1, self.num_crop_sampler):
            fail(ArgumentError, _OP, expected=f"{name} for each of num_crop_sampler={self.num_crop_sampler}", got=repr(given))
        return numbers * self.num_crop_sampler if len(numbers) == 1 else numbers

    def _limits(self, name: str) -> list[tuple[float, float]]:
        pairs = list(zip(self._numbers(f"min_crop_{name}"), self._numbers(f"max_crop_{name}"), strict=True))
        odd = next((pair for pair in pairs if pair[0] > pair[1]), None)
        if odd is not None:
            fail(ArgumentError, _OP, expected=f"max_crop_{name} of at least min_crop_{name}", got=f"{odd[1]} and {odd[0]}")
        return pairs

    def __call__(self, image: Image, label: Labels) -> tuple[Image, Labels]:
        """The image, at most of the size that is asked for, and its boxes."""
        if self.resize > 0:
            image = pixels.resize(image, *pixels.short_size(pixels.size_of(image), self.resize), self.inter_method)
        image = self._coloured(image)
        if host().random() < self.rand_mirror_prob:
            image, label = pixels.flipped(image), boxes.mirrored(label)
        if host().random() < self.rand_pad_prob:
            image, label = self._padded(image, label)
        if host().random() < self.rand_crop_prob:
            image, label = self._cut(image, label)
        return self._resized(image), label

    def _coloured(self, image: Image) -> Image:
        if image.shape[2] != 3:
            return image
        draw = host()
        amounts = [
            draw.randint(-most, most) if draw.random() < chance else 0
            for most, chance in (
                (self.max_random_hue, self.random_hue_prob),
                (self.max_random_illumination, self.random_illumination_prob),
                (self.max_random_saturation, self.random_saturation_prob),
            )
        ]
        if any(amounts):
            image = moved_in_hls(image, *amounts)
        if draw.random() < self.random_contrast_prob:
            image = colours.brightness(image, 1 + draw.uniform(-self.max_random_contrast, self.max_random_contrast))
        return image

    def _padded(self, image: Image, label: Labels) -> tuple[Image, Labels]:
        scale, (width, height) = host().uniform(1, self.max_pad_scale), pixels.size_of(image)
        w, h = int(width * scale), int(height * scale)
        x, y = host().randint(0, w - width), host().randint(0, h - height)
        padded = pixels.border(image, y, h - height - y, x, w - width - x, value=self.fill_value)
        return padded, boxes.moved(label, (-x / width, -y / height, w / width, h / height))

    def _cut(self, image: Image, label: Labels) -> tuple[Image, Labels]:
        """A window that a sampler accepts and that leaves a box; the image as it is where none is found."""
        draw, (width, height) = host(), pixels.size_of(image)
        for sampler in draw.sample(self.samplers, len(self.samplers)):
            for _ in range(sampler.trials):
                scale, ratio = draw.uniform(*sampler.scale), draw.uniform(*sampler.aspect_ratio)
                side = scale * (width * height) ** 0.5
                w, h = round(side * ratio**0.5), round(side / ratio**0.5) if ratio > 0 else 0
                if not (0 < w <= width and 0 < h <= height):
                    continue
                x, y = draw.randint(0, width - w), draw.randint(0, height - h)
                window = x / width, y / height, w / width, h / height
                if sampler.accepts(window, label):
                    kept = self._emitted(label, window)
                    if len(kept):
                        return pixels.crop(image, (x, y, w, h)), kept
        return image, label

    def _emitted(self, label: Labels, window: Part) -> Labels:
        """The boxes that stay: those whose centre is in the window, or of which enough is."""
        if self.crop_emit_mode == "overlap":
            return boxes.inside(label, window, self.emit_overlap_thresh)
        moved = boxes.moved(label, window)
        centres = (moved[:, 1:3] + moved[:, 3:5]) / 2
        return boxes.inside(label[((centres >= 0) & (centres <= 1)).all(axis=1)], window, 0)

    def _resized(self, image: Image) -> Image:
        if self.resize_mode == "force":
            return pixels.resize(image, *self.size, self.inter_method)
        width, height = pixels.size_of(image)
        factor = min(self.size[0] / width, self.size[1] / height)
        if self.resize_mode == "shrink":
            factor = min(factor, 1)
        return pixels.resize(image, max(int(width * factor), 1), max(int(height * factor), 1), self.inter_method)


#: The names of what may be given.
PARAMETERS = {field.name for field in fields(BoxChanges)} - {"size"}
