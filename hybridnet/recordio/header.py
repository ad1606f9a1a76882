"""An image, or anything else with a label, in a record: a header of 24 bytes, labels, and what they are of.

Little endian: u32 number of labels (0: the one label stands in the header), f32 label, u64 id, u64 id2; then that many f32.
"""

from __future__ import annotations

import numbers
import struct
from typing import Any, NamedTuple

import numpy as np

from hybridnet.core import NDArray
from hybridnet.errors import ArgumentError, DtypeError, FileFormatError, fail
from hybridnet.opencv import decoded, opencv

_HEADER = struct.Struct("<IfQQ")


class IRHeader(NamedTuple):
    """What a record says of its content. ``flag``: 0, or how many labels there are; ``label``: a number or an array of them."""

    flag: int
    label: Any
    id: int
    id2: int


def pack(header: Any, s: bytes) -> bytes:
    """A record of a header (``IRHeader``, or its four values) and content."""
    header = IRHeader(*header)
    if isinstance(s, str):
        fail(DtypeError, "pack", expected="bytes", got="a str", fix="text.encode()")
    try:
        if isinstance(header.label, numbers.Number):
            return _HEADER.pack(0, float(header.label), header.id, header.id2) + s  # type: ignore[arg-type]
        label = np.asarray(header.label, dtype=np.float32)
        return _HEADER.pack(label.size, 0, header.id, header.id2) + label.tobytes() + s
    except (ValueError, TypeError, struct.error) as error:
        got = f"label {header.label!r}, id {header.id!r}, id2 {header.id2!r} ({error})"
        fail(ArgumentError, "pack", expected="a number, or several, as the label, and ids of 0 to 2**64 - 1", got=got)


def unpack(s: bytes) -> tuple[IRHeader, bytes]:
    """The header and the content of a record; several labels come as a float32 array."""
    if len(s) < _HEADER.size:
        fail(FileFormatError, "unpack", expected=f"a record that begins with a header of {_HEADER.size} bytes", got=f"{len(s)} bytes")
    header = IRHeader(*_HEADER.unpack_from(s))
    if not header.flag:
        return header, s[_HEADER.size :]
    end = _HEADER.size + 4 * header.flag
    if end > len(s):
        got = f"{len(s) - _HEADER.size} bytes behind the header, which is of image id {header.id}"
        fail(FileFormatError, "unpack", expected=f"{header.flag} labels of 4 bytes, as the header says", got=got)
    return header._replace(label=np.frombuffer(s, np.float32, header.flag, _HEADER.size)), s[end:]


def pack_img(header: Any, img: Any, quality: int = 95, img_fmt: str = ".jpg") -> bytes:
    """A record of an image (h, w, c) or (h, w), channels in the order blue, green, red, encoded as JPEG or PNG.

    ``quality``: of a JPEG 1 to 100, of a PNG the compression 0 to 9.
    """
    cv2 = opencv()
    jpeg = img_fmt.lower() in (".jpg", ".jpeg")
    if not jpeg and img_fmt.lower() != ".png":
        fail(ArgumentError, "pack_img", expected='an image format ".jpg", ".jpeg" or ".png"', got=repr(img_fmt))
    image = img.asnumpy() if isinstance(img, NDArray) else np.asarray(img)
    setting = [cv2.IMWRITE_JPEG_QUALITY if jpeg else cv2.IMWRITE_PNG_COMPRESSION, quality]
    try:
        done, encoded = cv2.imencode(img_fmt, image, setting)
    except cv2.error as error:
        fail(ArgumentError, "pack_img", expected="an image uint8 (h, w, c) or (h, w)", got=f"{image.dtype} {image.shape} ({error.err})")
    if not done:
        fail(ArgumentError, "pack_img", expected="an image that OpenCV can encode", got=f"{image.dtype} {image.shape}")
    return pack(header, encoded.tobytes())


def unpack_img(s: bytes, iscolor: int = -1) -> tuple[IRHeader, np.ndarray[Any, Any]]:
    """The header and the image of a record, a NumPy array, channels in the order blue, green, red.

    ``iscolor``: 0 gray (h, w), 1 colour (h, w, 3), -1 as it was encoded.
    """
    header, encoded = unpack(s)
    return header, decoded("unpack_img", encoded, iscolor, f"the record of image id {header.id}")
