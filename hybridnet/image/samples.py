"""From a record or a file to a sample in a batch: what image iterators do for each sample, safe in any thread.

Reading, decoding and augmenting work on NumPy arrays and, but for what Python itself does, without its lock. So an iterator may
have one thread a core at it; each draws its random numbers from ``core.random.host``, which a seed for each sample makes the same
in any thread (``core.random.seed_host``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from hybridnet.errors import FileFormatError, HybridnetError, ShapeError, fail
from hybridnet.image import pixels
from hybridnet.image.augment import Augmenter, augmented
from hybridnet.image.pixels import Image
from hybridnet.opencv import opencv
from hybridnet.recordio import IRHeader, unpack


def image_of_record(record: bytes, augmenters: Iterable[Augmenter] = (), source: str = "", flag: int = 1) -> tuple[IRHeader, Image]:
    """The header of a record, and its image decoded and augmented: NumPy's (height, width, channels), red first.

    ``source`` names the record in an error; ``flag`` is ``imdecode``'s.
    """
    try:
        header, encoded = unpack(record)
    except FileFormatError as error:
        raise FileFormatError(f"{error} (in {source or 'a record'})") from None
    return header, augmented(augmenters, pixels.decode(encoded, flag, source=source or f"the record of image id {header.id}"))


def put(image: Image, sample: np.ndarray[Any, Any], source: str = "") -> None:
    """Write an image (height, width, channels) into its place in a batch, ``sample`` (channels, height, width), in that one's dtype."""
    if (image.shape[2], *image.shape[:2]) != sample.shape:
        expected = f"images of the batch's (channels, height, width) {sample.shape}"
        got = f"one of {(image.shape[2], *image.shape[:2])}" + (f" from {source}" if source else "")
        fail(ShapeError, "image", expected=expected, got=got, fix="an augmenter to one size (ForceResizeAug, CenterCropAug)")
    if image.shape[2] > 1 and image.dtype in (np.uint8, np.float32):
        whole = np.ascontiguousarray(image)  # of a window OpenCV would take the channels apart at a tenth of the speed
        if image.dtype == sample.dtype and sample.flags.c_contiguous:
            opencv().split(whole, list(sample))
        else:
            for plane, channel in zip(sample, opencv().split(whole), strict=True):
                np.copyto(plane, channel, casting="unsafe")
    else:
        np.copyto(sample, np.moveaxis(image, -1, 0), casting="unsafe")


def label_of(label: Any, width: int, source: str) -> np.ndarray[Any, Any]:
    """A label as ``width`` float32 numbers."""
    try:
        found = np.asarray(label, np.float32).reshape(-1)
    except (ValueError, TypeError) as error:
        found = fail(FileFormatError, "label", expected="a label of numbers", got=f"{label!r} of {source} ({error})")
    if found.size != width:
        fix = f"label_width={found.size}"
        fail(FileFormatError, "label", expected=f"{width} numbers as a label", got=f"{found.size} of {source}", fix=fix)
    return found


#: What is passed over, with a warning, by an iterator that is not strict: a sample that cannot be read, or that has another size.
BROKEN = (HybridnetError, OSError)
