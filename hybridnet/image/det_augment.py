"""Augmenters of images with boxes: they change the image and its label together.

A label is an array of NumPy's (objects, 5 or more): class, left, top, right, bottom, the last four as parts of the width and the
height of the image; then whatever else belongs to the object.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from hybridnet.core.random import host
from hybridnet.errors import ArgumentError, DtypeError, fail
from hybridnet.image import boxes, pixels
from hybridnet.image.arrays import new_image, on_pixels, pixels_of
from hybridnet.image.augment import Augmenter, CastAug, ForceResizeAug, PixelAugmenter, ResizeAug, colour_augmenters
from hybridnet.image.boxes import Labels
from hybridnet.image.pixels import Image, Size, Window


class DetAugmenter:
    """The base: ``augmenter(image, label)`` gives both, changed. What it is made with is kept for ``dumps``."""

    def __init__(self, **kwargs: Any) -> None:
        self._kwargs = {key: value.tolist() if hasattr(value, "tolist") else value for key, value in kwargs.items()}

    def dumps(self) -> Any:
        """Its name and arguments as JSON."""
        return json.dumps([type(self).__name__.lower(), self._kwargs])

    def __call__(self, src: Any, label: Labels) -> tuple[Any, Labels]:
        raise NotImplementedError(f"{type(self).__name__}.__call__(self, src, label), which gives both")


class DetPixelAugmenter(DetAugmenter):
    """A built-in one, a function of pixels and labels, :meth:`pixels`."""

    def __call__(self, src: Any, label: Labels) -> tuple[Any, Labels]:
        found: list[Labels] = []

        def change(image: Image) -> Image:
            image, changed = self.pixels(image, label)
            found.append(changed)
            return image

        return on_pixels(type(self).__name__, src, change), found[0]

    def pixels(self, image: Image, label: Labels) -> tuple[Image, Labels]:
        """The changed image and label; what is given stays as it is."""
        raise NotImplementedError(f"{type(self).__name__}.pixels(self, image, label)")


def augmented_with_boxes(augmenters: Sequence[Any], image: Image, label: Labels) -> tuple[Image, Labels]:
    """What a chain of augmenters makes of an image and its boxes; arrays are made only for those that are not built in."""
    for augmenter in augmenters:
        if type(augmenter).__call__ is DetPixelAugmenter.__call__:
            image, label = augmenter.pixels(image, label)
        else:
            changed, label = augmenter(new_image(image), label)
            image = pixels_of(type(augmenter).__name__, changed)
    return image, label


class DetBorrowAug(DetPixelAugmenter):
    """An augmenter that leaves boxes where they are."""

    def __init__(self, augmenter: Augmenter) -> None:
        if not isinstance(augmenter, Augmenter):
            fail(DtypeError, "DetBorrowAug", expected="an Augmenter", got=f"a {type(augmenter).__name__}")
        super().__init__()
        self.augmenter = augmenter

    def dumps(self) -> Any:
        return [type(self).__name__.lower(), self.augmenter.dumps()]

    def pixels(self, image: Image, label: Labels) -> tuple[Image, Labels]:
        if type(self.augmenter).__call__ is PixelAugmenter.__call__:
            return self.augmenter.pixels(image), label  # type: ignore[attr-defined]
        return pixels_of("DetBorrowAug", self.augmenter(new_image(image))), label


class DetRandomSelectAug(DetPixelAugmenter):
    """One of a list of augmenters, or with probability ``skip_prob`` none."""

    def __init__(self, aug_list: Sequence[DetAugmenter], skip_prob: float = 0) -> None:
        super().__init__(skip_prob=skip_prob)
        several: list[Any] = list(aug_list) if isinstance(aug_list, (list, tuple)) else [aug_list]
        odd = next((a for a in several if not isinstance(a, DetAugmenter)), None)
        if odd is not None:
            fail(ArgumentError, "DetRandomSelectAug", expected="a list of DetAugmenter", got=f"a {type(odd).__name__} in it")
        self.aug_list: list[DetAugmenter] = several
        self.skip_prob = skip_prob if several else 1

    def dumps(self) -> Any:
        return [type(self).__name__.lower(), [a.dumps() for a in self.aug_list]]

    def pixels(self, image: Image, label: Labels) -> tuple[Image, Labels]:
        if host().random() < self.skip_prob:
            return image, label
        return augmented_with_boxes([host().choice(self.aug_list)], image, label)


class DetHorizontalFlipAug(DetPixelAugmenter):
    """Mirrored with probability ``p``."""

    def __init__(self, p: float) -> None:
        super().__init__(p=p)
        self.p = p

    def pixels(self, image: Image, label: Labels) -> tuple[Image, Labels]:
        return (pixels.flipped(image), boxes.mirrored(label)) if host().random() < self.p else (image, label)


def _range(value: Any) -> tuple[float, float]:
    return (value, value) if isinstance(value, (int, float)) else tuple(value)


class _Shaped(DetPixelAugmenter):
    """What cutting and padding share: a window of a random part of the area and a random ratio of width to height."""

    enabled = True

    def _shape(self, area_range: Any, aspect_ratio_range: Any, max_attempts: int, least_area: float) -> None:
        self.area_range, self.aspect_ratio_range = _range(area_range), _range(aspect_ratio_range)
        self.max_attempts = max_attempts
        area, ratio = self.area_range, self.aspect_ratio_range
        self.enabled = area[0] <= area[1] and area[1] > least_area and 0 < ratio[0] <= ratio[1]
        if not self.enabled:
            warnings.warn(f"{type(self).__name__} does nothing: area_range {area}, aspect_ratio_range {ratio}", stacklevel=3)

    def _proposed(self, size: Size) -> Size:
        part, ratio = host().uniform(*self.area_range), host().uniform(*self.aspect_ratio_range)
        area = part * size[0] * size[1]
        return round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)


class DetRandomCropAug(_Shaped):
    """A window of a random part of the area (``area_range``) and a random ratio of width to height (``aspect_ratio_range``).

    Of every object that it meets, it holds more than ``min_object_covered``. An object of which not more than
    ``min_eject_coverage`` is left is dropped. Where no window is found in ``max_attempts``, the image stays as it is.
    """

    def __init__(
        self,
        min_object_covered: float = 0.1,
        aspect_ratio_range: Any = (0.75, 1.33),
        area_range: Any = (0.05, 1.0),
        min_eject_coverage: float = 0.3,
        max_attempts: int = 50,
    ) -> None:
        ratio, area = _range(aspect_ratio_range), _range(area_range)
        super().__init__(
            min_object_covered=min_object_covered,
            aspect_ratio_range=ratio,
            area_range=area,
            min_eject_coverage=min_eject_coverage,
            max_attempts=max_attempts,
        )
        self.min_object_covered, self.min_eject_coverage = min_object_covered, min_eject_coverage
        self._shape(area, ratio, max_attempts, 0)

    def pixels(self, image: Image, label: Labels) -> tuple[Image, Labels]:
        if self.enabled:
            found = self._window(pixels.size_of(image), label)
            if found is not None:
                window, kept = found
                return pixels.crop(image, window), kept
        return image, label

    def _window(self, size: Size, label: Labels) -> tuple[Window, Labels] | None:
        for _ in range(self.max_attempts):
            w, h = self._proposed(size)
            if not (0 < w <= size[0] and 0 < h <= size[1]) or w * h < 2:
                continue
            x, y = host().randint(0, size[0] - w), host().randint(0, size[1] - h)
            part = x / size[0], y / size[1], w / size[0], h / size[1]
            covered = boxes.covered(label, part)
            met = covered[covered > 0]
            if met.size and met.min() > self.min_object_covered:
                kept = boxes.inside(label, part, self.min_eject_coverage)
                if len(kept):
                    return (x, y, w, h), kept
        return None


class DetRandomPadAug(_Shaped):
    """The image at a random place in a larger one, filled with ``pad_val``, a number or one a channel."""

    def __init__(
        self,
        aspect_ratio_range: Any = (0.75, 1.33),
        area_range: Any = (1.0, 3.0),
        max_attempts: int = 50,
        pad_val: Any = (128, 128, 128),
    ) -> None:
        ratio, area = _range(aspect_ratio_range), _range(area_range)
        super().__init__(aspect_ratio_range=ratio, area_range=area, max_attempts=max_attempts, pad_val=pad_val)
        self.pad_val = pad_val
        self._shape(area, ratio, max_attempts, 1)

    def pixels(self, image: Image, label: Labels) -> tuple[Image, Labels]:
        width, height = pixels.size_of(image)
        for _ in range(self.max_attempts if self.enabled else 0):
            w, h = self._proposed((width, height))
            if w < width or h < height or (w, h) == (width, height):
                continue
            x, y = host().randint(0, w - width), host().randint(0, h - height)
            padded = pixels.border(image, y, h - height - y, x, w - width - x, 0, self.pad_val)
            return padded, boxes.moved(label, (-x / width, -y / height, w / width, h / height))
        return image, label


def CreateMultiRandCropAugmenter(
    min_object_covered: Any = 0.1,
    aspect_ratio_range: Any = (0.75, 1.33),
    area_range: Any = (0.05, 1.0),
    min_eject_coverage: Any = 0.3,
    max_attempts: Any = 50,
    skip_prob: float = 0,
) -> DetRandomSelectAug:
    """One of several ``DetRandomCropAug``: an argument that is a list (of pairs, where a range is asked for) has one of each."""
    given = (min_object_covered, aspect_ratio_range, area_range, min_eject_coverage, max_attempts)
    columns = [value if isinstance(value, list) else [value] for value in given]
    count = max(map(len, columns))
    odd = next((value for value in columns if len(value) not in (1, count)), None)
    if odd is not None:
        expected = f"lists of one length ({count}), or single values"
        fail(ArgumentError, "CreateMultiRandCropAugmenter", expected=expected, got=f"a list of {len(odd)}: {odd}")
    rows = zip(*(value * count if len(value) == 1 else value for value in columns), strict=True)
    return DetRandomSelectAug([DetRandomCropAug(*row) for row in rows], skip_prob)


def CreateDetAugmenter(
    data_shape: Sequence[int],
    resize: int = 0,
    rand_crop: float = 0,
    rand_pad: float = 0,
    rand_gray: float = 0,
    rand_mirror: bool = False,
    mean: Any = None,
    std: Any = None,
    brightness: float = 0,
    contrast: float = 0,
    saturation: float = 0,
    pca_noise: float = 0,
    hue: float = 0,
    inter_method: int = 2,
    min_object_covered: Any = 0.1,
    aspect_ratio_range: Any = (0.75, 1.33),
    area_range: Any = (0.05, 3.0),
    min_eject_coverage: float = 0.3,
    max_attempts: int = 50,
    pad_val: Any = (127, 127, 127),
) -> list[DetAugmenter]:
    """The augmenters that images with boxes for ``data_shape`` usually go through; as ``CreateAugmenter``.

    ``rand_crop``, ``rand_pad``: how probable it is that a window is cut, that the image is padded; ``area_range`` is of both, up to 1 and
    from 1.
    """
    augmenters: list[DetAugmenter] = []
    if resize > 0:
        augmenters.append(DetBorrowAug(ResizeAug(resize, inter_method)))
    if rand_crop > 0:
        cut = CreateMultiRandCropAugmenter(
            min_object_covered, aspect_ratio_range, area_range, min_eject_coverage, max_attempts, skip_prob=1 - rand_crop
        )
        augmenters.append(cut)
    if rand_mirror:
        augmenters.append(DetHorizontalFlipAug(0.5))
    if rand_pad > 0:
        largest = max(np.ravel(area_range).tolist())
        padded = DetRandomPadAug(aspect_ratio_range, (1.0, largest), max_attempts, pad_val)
        augmenters.append(DetRandomSelectAug([padded], 1 - rand_pad))
    plain: list[Augmenter] = [ForceResizeAug((data_shape[2], data_shape[1]), inter_method), CastAug()]
    plain += colour_augmenters(brightness, contrast, saturation, hue, pca_noise, rand_gray, mean, std)
    return augmenters + [DetBorrowAug(augmenter) for augmenter in plain]
