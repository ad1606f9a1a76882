"""IDX files, which MNIST comes in: an array of numbers, big endian, compressed by gzip or not.

Two zero bytes, the element type, the number of dimensions, the dimensions as u32, then the elements in C order.
The format is described at the end of MNIST's own page, http://yann.lecun.com/exdb/mnist/.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from typing import Any, NoReturn

import numpy

from hybridnet.errors import FileFormatError, fail

_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
Host = numpy.ndarray[Any, Any]


def read_bytes(op: str, path: str) -> bytes:
    """A file's bytes, unpacked if it is one of gzip."""
    try:
        with open(path, "rb") as stream:
            data = stream.read()
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        fail(FileFormatError, op, expected="a whole file of gzip", got=f"{path}: {error}")
    except OSError as error:
        fail(FileFormatError, op, expected="a file that can be read", got=f"{path!r}: {error.strerror or error}")


def read_idx(op: str, path: str) -> Host:
    """The array in an IDX file."""
    data = read_bytes(op, path)

    def refuse(expected: str, got: str) -> NoReturn:
        fail(FileFormatError, op, expected=expected, got=f"{got} in {path}")

    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _TYPES:
        refuse("an IDX file, which begins with 0, 0, an element type and the number of dimensions", data[:4].hex(" ") or "nothing")
    ndim, start = data[3], 4 + 4 * data[3]
    if len(data) < start:
        refuse(f"{ndim} dimensions of 4 bytes after byte 4", f"{len(data) - 4} bytes")
    shape = struct.unpack(f">{ndim}I", data[4:start])
    dtype = numpy.dtype(_TYPES[data[2]])
    size = math.prod(shape) * dtype.itemsize
    if len(data) - start != size:
        refuse(f"{size} bytes of elements, for the shape {shape}", f"{len(data) - start}")
    return numpy.frombuffer(data, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


def read_images(op: str, images: str, labels: str) -> tuple[Host, Host]:
    """MNIST's images (samples, height, width) and labels (samples,), both of bytes, from two IDX files that belong together."""
    pixels, numbers = read_idx(op, images), read_idx(op, labels)
    for path, x, ndim in ((images, pixels, 3), (labels, numbers, 1)):
        if x.dtype != numpy.uint8 or x.ndim != ndim:
            fail(FileFormatError, op, expected=f"bytes in {ndim} dimensions", got=f"{x.dtype} of shape {x.shape} in {path}")
    if len(pixels) != len(numbers):
        got = f"{len(numbers)} in {labels} for {len(pixels)} in {images}"
        fail(FileFormatError, op, expected="a label for each image", got=got)
    return pixels, numbers
