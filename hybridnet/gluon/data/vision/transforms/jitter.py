"""Transforms of colours, each by a random amount."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hybridnet.core.random import host
from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.data.vision.transforms.base import Transform
from hybridnet.image import colours
from hybridnet.image.pixels import Image


class _RandomColour(Transform):
    """A change by a number between 1 - ``amount`` (0 at the least) and 1 + ``amount``."""

    change: Callable[[Image, float], Image]
    operator: str

    def __init__(self, amount: float) -> None:
        super().__init__()
        if amount < 0:
            fail(ArgumentError, type(self).__name__, expected="an amount of 0 or more", got=repr(amount))
        self._factors = max(0.0, 1 - amount), 1 + amount

    def pixels(self, image: Image) -> Image:
        return type(self).change(image, host().uniform(*self._factors))

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # type: ignore[override]
        return getattr(F.image, self.operator)(x, *self._factors)


class RandomBrightness(_RandomColour):
    """Values times 1 ± ``brightness``."""

    change, operator = staticmethod(colours.brightness), "random_brightness"

    def __init__(self, brightness: float) -> None:
        super().__init__(brightness)


class RandomContrast(_RandomColour):
    """Distances from the image's mean brightness times 1 ± ``contrast``."""

    change, operator = staticmethod(colours.contrast), "random_contrast"

    def __init__(self, contrast: float) -> None:
        super().__init__(contrast)


class RandomSaturation(_RandomColour):
    """Distances from gray times 1 ± ``saturation``."""

    change, operator = staticmethod(colours.saturation), "random_saturation"

    def __init__(self, saturation: float) -> None:
        super().__init__(saturation)


class RandomHue(_RandomColour):
    """Hues moved on by up to ± ``hue`` of the circle."""

    change, operator = staticmethod(colours.hue), "random_hue"

    def __init__(self, hue: float) -> None:
        super().__init__(hue)


class RandomColorJitter(Transform):
    """Brightness, contrast, saturation and hue changed, each by 1 ± its number, in random order (in this order if compiled)."""

    def __init__(self, brightness: float = 0, contrast: float = 0, saturation: float = 0, hue: float = 0) -> None:
        super().__init__()
        self._amounts = brightness, contrast, saturation, hue
        kinds = (RandomBrightness, RandomContrast, RandomSaturation, RandomHue)
        self._parts = tuple(kind(amount) for amount, kind in zip(self._amounts, kinds, strict=True) if amount > 0)

    def pixels(self, image: Image) -> Image:
        for part in host().sample(self._parts, len(self._parts)):
            image = part.pixels(image)
        return image

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # type: ignore[override]
        return F.image.random_color_jitter(x, *self._amounts)


class RandomLighting(Transform):
    """Noise along the principal components of ImageNet's colours, of standard deviation ``alpha``; AlexNet's."""

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self._alpha = alpha

    def pixels(self, image: Image) -> Image:
        return colours.lighting(image, [host().gauss(0, self._alpha) for _ in range(3)])

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # type: ignore[override]
        return F.image.random_lighting(x, self._alpha)


class RandomGray(Transform):
    """Without colour, in three channels, with probability ``p``."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def pixels(self, image: Image) -> Image:
        return colours.gray(image) if host().random() < self.p else image

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # type: ignore[override]
        return F.image.random_gray(x, self.p)
