"""What is done to images on the way to a network: blocks from image to image, alone or in a ``Compose``."""

from __future__ import annotations

from hybridnet.gluon.data.vision.transforms.base import (
    Cast,
    Compose,
    HybridCompose,
    HybridRandomApply,
    Normalize,
    RandomApply,
    ToTensor,
)
from hybridnet.gluon.data.vision.transforms.jitter import (
    RandomBrightness,
    RandomColorJitter,
    RandomContrast,
    RandomGray,
    RandomHue,
    RandomLighting,
    RandomSaturation,
)
from hybridnet.gluon.data.vision.transforms.windows import (
    CenterCrop,
    CropResize,
    RandomCrop,
    RandomFlipLeftRight,
    RandomFlipTopBottom,
    RandomResizedCrop,
    RandomRotation,
    Resize,
    Rotate,
)

__all__ = [
    "Cast", "CenterCrop", "Compose", "CropResize", "HybridCompose", "HybridRandomApply", "Normalize", "RandomApply",
    "RandomBrightness", "RandomColorJitter", "RandomContrast", "RandomCrop", "RandomFlipLeftRight", "RandomFlipTopBottom",
    "RandomGray", "RandomHue", "RandomLighting", "RandomResizedCrop", "RandomRotation", "RandomSaturation", "Resize", "Rotate",
    "ToTensor",
]  # fmt: skip
