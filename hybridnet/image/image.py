"""MXNet's place for functions, augmenters and the iterator of images: ``mx.image.image``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.image.augment import (
    Augmenter,
    BrightnessJitterAug,
    CastAug,
    CenterCropAug,
    ColorJitterAug,
    ColorNormalizeAug,
    ContrastJitterAug,
    CreateAugmenter,
    ForceResizeAug,
    HorizontalFlipAug,
    HueJitterAug,
    LightingAug,
    RandomCropAug,
    RandomGrayAug,
    RandomOrderAug,
    RandomSizedCropAug,
    ResizeAug,
    SaturationJitterAug,
    SequentialAug,
)
from hybridnet.image.functions import (
    center_crop,
    color_normalize,
    copyMakeBorder,
    fixed_crop,
    imdecode,
    imread,
    imresize,
    imrotate,
    random_crop,
    random_rotate,
    random_size_crop,
    resize_short,
    scale_down,
)
from hybridnet.image.iterator import (
    ImageIter,
)

__all__ = [
    "Augmenter", "BrightnessJitterAug", "CastAug", "CenterCropAug", "ColorJitterAug", "ColorNormalizeAug", "ContrastJitterAug",
    "CreateAugmenter", "ForceResizeAug", "HorizontalFlipAug", "HueJitterAug", "ImageIter", "LightingAug", "RandomCropAug",
    "RandomGrayAug", "RandomOrderAug", "RandomSizedCropAug", "ResizeAug", "SaturationJitterAug", "SequentialAug", "center_crop",
    "color_normalize", "copyMakeBorder", "fixed_crop", "imdecode", "imread", "imresize", "imrotate", "random_crop", "random_rotate",
    "random_size_crop", "resize_short", "scale_down",
]  # fmt: skip

if not TYPE_CHECKING:  # what MXNet imports there, and programs take from there
    _elsewhere = {
        "io": "hybridnet.io",
        "is_np_array": "hybridnet.util:is_np_array",
        "nd": "hybridnet.ndarray",
        "recordio": "hybridnet.recordio",
    }
    __getattr__, __dir__ = absent.Later(__name__, _elsewhere).functions
