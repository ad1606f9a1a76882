"""``mx.image``: reading, decoding and cutting images, augmenters, and iterators over image files. OpenCV does the work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.image import detection, image
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
from hybridnet.image.det_augment import (
    CreateDetAugmenter,
    CreateMultiRandCropAugmenter,
    DetAugmenter,
    DetBorrowAug,
    DetHorizontalFlipAug,
    DetRandomCropAug,
    DetRandomPadAug,
    DetRandomSelectAug,
)
from hybridnet.image.det_iterator import (
    ImageDetIter,
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

det = detection

__all__ = [
    "Augmenter", "BrightnessJitterAug", "CastAug", "CenterCropAug", "ColorJitterAug", "ColorNormalizeAug", "ContrastJitterAug",
    "CreateAugmenter", "CreateDetAugmenter", "CreateMultiRandCropAugmenter", "DetAugmenter", "DetBorrowAug", "DetHorizontalFlipAug",
    "DetRandomCropAug", "DetRandomPadAug", "DetRandomSelectAug", "ForceResizeAug", "HorizontalFlipAug", "HueJitterAug",
    "ImageDetIter", "ImageIter", "LightingAug", "RandomCropAug", "RandomGrayAug", "RandomOrderAug", "RandomSizedCropAug",
    "ResizeAug", "SaturationJitterAug", "SequentialAug", "center_crop", "color_normalize", "copyMakeBorder", "det", "detection",
    "fixed_crop", "image", "imdecode", "imread", "imresize", "imrotate", "random_crop", "random_rotate", "random_size_crop",
    "resize_short", "scale_down",
]  # fmt: skip

if not TYPE_CHECKING:  # what MXNet imports there, and programs take from there
    _elsewhere = {
        "io": "hybridnet.io",
        "is_np_array": "hybridnet.util:is_np_array",
        "nd": "hybridnet.ndarray",
        "recordio": "hybridnet.recordio",
    }
    __getattr__, __dir__ = absent.Later(__name__, _elsewhere).functions
