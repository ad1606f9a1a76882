"""MXNet's place for augmenters and the iterator of images with boxes: ``mx.image.detection`` and ``mx.image.det``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybridnet import absent
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

__all__ = [
    "CreateDetAugmenter", "CreateMultiRandCropAugmenter", "DetAugmenter", "DetBorrowAug", "DetHorizontalFlipAug",
    "DetRandomCropAug", "DetRandomPadAug", "DetRandomSelectAug", "ImageDetIter",
]  # fmt: skip

if not TYPE_CHECKING:  # what MXNet imports there, and programs take from there
    _elsewhere = {
        "io": "hybridnet.io",
        "is_np_array": "hybridnet.util:is_np_array",
        "nd": "hybridnet.ndarray",
        "recordio": "hybridnet.recordio",
    }
    __getattr__, __dir__ = absent.Later(__name__, _elsewhere).functions
