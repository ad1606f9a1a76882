"""MXNet's binary list of arrays: the ``.params`` files that it and hybridnet both read and write.

The format, little endian throughout (learnt from files that MXNet 1.9.1 wrote)::

    file   u64 0x112, u64 0, u64 count, <count> arrays, u64 names (0 or count), each u64 length + UTF-8
    array  u32 0xF993FAC9, i32 storage (0: dense), i32 ndim, i64 dims..., i32 device type, i32 device id,
           i32 element type, elements in C order

An array of storage 1 (row_sparse) or 2 (csr) has the shape of what is stored before its own, ``i32 ndim, i64 dims...``; behind its
element type stand type and shape of its indices (of csr first those of indptr), ``i32 type, i32 ndim, i64 dims...``; and behind
the values that are stored these.

``0xF993FACA`` marks an array of NumPy's shape rules: the only ones under which no dimensions, or a
dimension of 0, may be written; MXNet takes a file under one set of rules only, and then loads it with
``npx.load`` alone. Types from int16 to uint64 are MXNet 2's: 1.9.1 does not know them. Older files
have ``0xF993FAC8`` (no storage field), or at its place the number of dimensions itself, which are
then u32. Nothing in a file is ever executed.

Works on NumPy arrays and the stored data of ``core.stored`` alone. :func:`save` and :func:`load` also know :mod:`hybridnet.safetensors`.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from hybridnet import disk, dtypes, safetensors
from hybridnet.core.stored import Csr, RowSparse, index_dtype
from hybridnet.errors import ArgumentError, FileFormatError, fail

_FILE_MAGIC = 0x112
_CLASSIC, _NUMPY, _OLD = 0xF993FAC9, 0xF993FACA, 0xF993FAC8
_MOST_DIMENSIONS = 32
_TYPES = (
    dtypes.float32, dtypes.float64, dtypes.float16, dtypes.uint8, dtypes.int32, dtypes.int8, dtypes.int64, dtypes.bool_,
    dtypes.int16, dtypes.uint16, dtypes.uint32, dtypes.uint64, dtypes.bfloat16,
)  # fmt: skip
_FLAG_OF = {dtype: flag for flag, dtype in enumerate(_TYPES)}
_STORAGES: tuple[Any, ...] = (np.ndarray, RowSparse, Csr)  # by MXNet's numbers

Host = np.ndarray[Any, Any]
Arrays = dict[str, Any] | list[Any]  # of NumPy's arrays, and stored data


def encode(arrays: Mapping[str, Any] | Sequence[Any], numpy: bool = False) -> bytes:
    """The file's bytes of named arrays, or of a plain list of them (anything that ``numpy.asarray`` takes).

    ``numpy``: whether they are marked as of NumPy's shape rules even if none needs it: MXNet reads either only where its own are the same.
    """
    named = isinstance(arrays, Mapping)
    values = [_host(x) for x in (arrays.values() if isinstance(arrays, Mapping) else arrays)]
    names = [str(name).encode() for name in arrays] if named else []
    parts = [struct.pack("<3Q", _FILE_MAGIC, 0, len(values))]
    magic = _NUMPY if numpy or not all(x.ndim and x.size for x in values) else _CLASSIC
    for x in values:
        parts.extend(_encode_array(x, magic) if isinstance(x, np.ndarray) else _encode_stored(x))
    parts.append(struct.pack("<Q", len(names)))
    for name in names:
        parts.append(struct.pack("<Q", len(name)) + name)
    return b"".join(parts)


def _host(x: Any) -> Any:
    """What is written of an array: NumPy's array, or stored data of such."""
    data = getattr(x, "_data", x)
    if isinstance(data, (Csr, RowSparse)):
        return data.moved(np.asarray if isinstance(data.data, np.ndarray) else lambda part: part.get())
    return np.asarray(x)


def _flag(x: Any) -> int:
    if x.dtype not in _FLAG_OF:
        # Of complex numbers MXNet's files have no type.
        fix = "np.save or np.savez, pickle, or a name that ends in .safetensors for complex64" if x.dtype.kind == "c" else ""
        fail(ArgumentError, "save", expected="arrays of " + ", ".join(map(str, _TYPES)), got=str(x.dtype), fix=fix)
    return _FLAG_OF[x.dtype]


def _encode_array(x: Host, magic: int) -> Iterable[bytes]:
    yield struct.pack(f"<Iii{x.ndim}q3i", magic, 0, x.ndim, *x.shape, 1, 0, _flag(x))
    yield x.tobytes()


def _encode_stored(x: Csr | RowSparse) -> Iterable[bytes]:
    """Sparse arrays are MXNet 1.x's whatever the shape rules of the file."""
    aux = [x.indptr, x.indices] if isinstance(x, Csr) else [x.indices]
    kept = x.data.shape
    yield struct.pack(f"<Iii{len(kept)}q", _CLASSIC, _STORAGES.index(type(x)), len(kept), *kept)
    yield struct.pack(f"<i{x.ndim}q3i", x.ndim, *x.shape, 1, 0, _flag(x))
    for part in aux:
        yield struct.pack("<iiq", _FLAG_OF[dtypes.int64], 1, len(part))
    yield x.data.tobytes()
    for part in aux:
        yield part.astype(np.int64).tobytes()


class _Reader:
    """A cursor over the bytes that says where a file ends too early."""

    def __init__(self, data: bytes, source: str) -> None:
        self.data = memoryview(data)
        self.at = 0
        self.source = source

    def take(self, n: int, what: str) -> memoryview:
        left = len(self.data) - self.at
        if n > left:
            fail(
                FileFormatError,
                "load",
                expected=f"{n} bytes of {what} at byte {self.at} of {self.source}",
                got=f"{left} bytes: the file is truncated",
                fix="copying or downloading it again",
            )
        self.at += n
        return self.data[self.at - n : self.at]

    def numbers(self, layout: str, what: str) -> tuple[int, ...]:
        return struct.unpack("<" + layout, self.take(struct.calcsize("<" + layout), what))

    def foreign(self, expected: str, got: str) -> Any:
        fail(
            FileFormatError,
            "load",
            expected=expected,
            got=f"{got} at byte {self.at} of {self.source}",
            fix="a file that save_parameters, nd.save or MXNet wrote",
        )


def decode(data: bytes, source: str = "the given bytes") -> Arrays:
    """The arrays in a file's bytes: a dict if they are named, else a list. ``source`` is for messages.

    Raises :class:`FileFormatError` if the bytes are truncated or foreign.
    """
    reader = _Reader(data, source)
    if len(data) < 8 or reader.numbers("Q", "the header")[0] != _FILE_MAGIC:
        reader.at = 0
        reader.foreign(f"a parameter file, which begins with {_FILE_MAGIC:#x}", repr(bytes(data[:8])))
    _, count = reader.numbers("2Q", "the header")
    arrays = [_decode_array(reader) for _ in range(_fitting(reader, count, 8, "arrays"))]
    (named,) = reader.numbers("Q", "the number of names")
    if named not in (0, count):
        reader.foreign(f"{count} names, one an array", f"{named} names")
    names = [_decode_name(reader) for _ in range(named)]
    if reader.at != len(data):
        reader.foreign("the end of the file", f"{len(data) - reader.at} more bytes")
    if not named and count:
        return arrays
    if len(set(names)) != len(names):
        reader.foreign("names that differ", f"{len(names) - len(set(names))} repeated names")
    return dict(zip(names, arrays, strict=True))


def decode_array(data: bytes, source: str = "the given bytes") -> Host:
    """The array in the bytes of one, as a pickle of MXNet's has it. Raises :class:`FileFormatError` as :func:`decode` does."""
    return _decode_array(_Reader(data, source))


def _fitting(reader: _Reader, count: int, least: int, what: str) -> int:
    """``count``, if that many items of at least ``least`` bytes can still follow."""
    left = len(reader.data) - reader.at
    if count * least > left:
        reader.foreign(f"at most {left // least} {what} in what is left", f"{count} {what}")
    return count


def _decode_name(reader: _Reader) -> str:
    (length,) = reader.numbers("Q", "the length of a name")
    raw = bytes(reader.take(length, "a name"))
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return str(reader.foreign("a name in UTF-8", repr(raw[:40])))


def _decode_array(reader: _Reader) -> Any:
    (magic,) = reader.numbers("I", "an array's header")
    if magic in (_CLASSIC, _NUMPY):
        (storage,) = reader.numbers("i", "an array's header")
        if storage != 0:
            return _decode_stored(reader, storage)
    if magic in (_CLASSIC, _NUMPY, _OLD):
        (ndim,) = reader.numbers("i", "an array's header")
        code = "q"
    else:
        ndim, code = magic, "I"
    if not 0 <= ndim <= _MOST_DIMENSIONS:
        reader.foreign(
            f"an array of 0 to {_MOST_DIMENSIONS} dimensions",
            f"{magic:#x} (an unknown kind of array)" if code == "I" else f"{ndim} dimensions",
        )
    shape = reader.numbers(f"{ndim}{code}", "a shape")
    if ndim == 0 and magic != _NUMPY:
        return np.zeros((0,), dtypes.float32)  # MXNet writes nothing more of an array without a shape
    if any(n < 0 for n in shape):
        reader.foreign("dimensions of 0 or more", str(shape))
    reader.numbers("2i", "a device")
    return _elements(reader, _type(reader), shape)


def _shape(reader: _Reader) -> tuple[int, ...]:
    (ndim,) = reader.numbers("i", "a shape")
    if not 0 <= ndim <= _MOST_DIMENSIONS:
        reader.foreign(f"a shape of 0 to {_MOST_DIMENSIONS} dimensions", f"{ndim} dimensions")
    shape = reader.numbers(f"{ndim}q", "a shape")
    if any(n < 0 for n in shape):
        reader.foreign("dimensions of 0 or more", str(shape))
    return shape


def _type(reader: _Reader) -> dtypes.Dtype:
    (flag,) = reader.numbers("i", "an element type")
    if not 0 <= flag < len(_TYPES):
        reader.foreign(f"an element type from 0 to {len(_TYPES) - 1}", str(flag))
    return _TYPES[flag]


def _elements(reader: _Reader, dtype: dtypes.Dtype, shape: tuple[int, ...]) -> Host:
    # Without elements too NumPy makes no array whose other dimensions would be more than a computer addresses.
    if math.prod([n or 1 for n in shape]) * dtype.itemsize >= 2**63:
        reader.foreign("an array that a computer can hold", f"the shape {shape}")
    raw = reader.take(math.prod(shape) * dtype.itemsize, f"an array {dtype}{list(shape)}")
    return np.frombuffer(raw, dtype).reshape(shape)


def _decode_stored(reader: _Reader, storage: int) -> Csr | RowSparse:
    """An array of row_sparse or csr storage, its indices looked at."""
    if not 0 < storage < len(_STORAGES):
        reader.foreign("an array that is dense, row_sparse or csr", f"storage {storage}")
    kept, shape = _shape(reader), _shape(reader)
    reader.numbers("2i", "a device")
    dtype = _type(reader)
    parts = [(_type(reader), _shape(reader)) for _ in range(storage)]
    data = _elements(reader, dtype, kept)
    *starts, indices = [_elements(reader, kind, size) for kind, size in parts]
    if storage == 1 and shape and kept == (*indices.shape, *shape[1:]) and _are_rows(indices, shape[0]):
        return RowSparse(data, indices.astype(np.int64), shape)
    if storage == 2 and len(shape) == 2 and kept == indices.shape and _are_columns(indices, starts[0], shape):
        kind = index_dtype(shape, len(indices))
        return Csr(data, indices.astype(kind), starts[0].astype(kind), shape)
    sizes = ", ".join(str(size) for _, size in parts)
    return reader.foreign(f"a {_STORAGES[storage].storage} array whose parts fit together", f"{shape} of {kept} values, indices {sizes}")


def _are_rows(indices: Host, n: int) -> bool:
    return indices.ndim == 1 and (not indices.size or bool(indices[0] >= 0 and indices[-1] < n and (np.diff(indices) > 0).all()))


def _are_columns(indices: Host, starts: Host, shape: tuple[int, ...]) -> bool:
    if starts.shape != (shape[0] + 1,) or indices.ndim != 1 or starts[0] != 0 or starts[-1] != len(indices) or (np.diff(starts) < 0).any():
        return False
    return not indices.size or bool(indices.min() >= 0 and indices.max() < shape[1])


def save(filename: str | os.PathLike[str], arrays: Mapping[str, Any] | Sequence[Any], numpy: bool = False) -> None:
    """Write arrays, named or not, to a file that MXNet reads too; to a name that ends in ``.safetensors`` in that format, by names.

    ``numpy`` is that of :func:`encode`.
    """
    if os.fspath(filename).endswith(".safetensors"):
        safetensors.save(filename, arrays)
    else:
        disk.write_bytes(filename, encode(arrays, numpy))


def load(filename: str | os.PathLike[str]) -> Arrays:
    """The arrays in a file that hybridnet or MXNet wrote, or in the format safetensors, as NumPy arrays (read-only)."""
    if safetensors.is_one(filename):
        return safetensors.load(filename)
    return decode(disk.read_bytes(filename), os.fspath(filename))


def load_named(filename: str | os.PathLike[str]) -> dict[str, Any]:
    """As :func:`load`, of a file in which the arrays have names. FileFormatError if they have none."""
    arrays = load(filename)
    if isinstance(arrays, list):
        fail(
            FileFormatError,
            "load",
            expected="arrays with names",
            got=f"{len(arrays)} arrays without, in {os.fspath(filename)}",
            fix="nd.load, which gives them as a list",
        )
    return arrays
