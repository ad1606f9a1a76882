"""Kinds of files that are damaged at random: a whole one of each, what damages it, and what reads it.

Records, their indices and lists, images, IDX files of MNIST, CSV and LibSVM. ``support.mutations`` reads them.
"""

from __future__ import annotations

import gzip
import random
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy
from support.image_files import write_files

from hybridnet import image, io, recordio
from hybridnet.errors import HybridnetError
from hybridnet.opencv import opencv

Read = Callable[[Path, random.Random], Any]


class Kind(NamedTuple):
    """A whole file, what reads one, raising HybridnetError or OSError where it finds damage, and what does the damage."""

    whole: bytes
    read: Read
    damage: Callable[[bytes, random.Random], bytes]


#: Four bytes that are much, nothing, not a number, infinity, or the beginning of a record.
EXTREME = [b"\xff\xff\xff\xff", b"\xff\xff\xff\x1f", bytes(4), b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f", recordio.parts.MAGIC]


def damaged(data: bytes, draw: random.Random) -> bytes:
    """``data`` with something wrong: bytes changed, left out, doubled, or numbers made extreme."""
    found = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(found)) if found else 0
        kind = draw.randrange(6)
        if kind == 0 and found:
            found[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            del found[at:]
        elif kind == 2:
            del found[at : at + draw.randint(1, 40)]
        elif kind == 3:
            found[at:at] = found[at : at + draw.randint(1, 200)]
        elif kind == 4:
            found[at // 4 * 4 : at // 4 * 4 + 4] = draw.choice(EXTREME)
        else:
            found[at // 4 * 4 : at // 4 * 4 + 4] = draw.randbytes(4)
    return bytes(found)


def damaged_text(data: bytes, draw: random.Random) -> bytes:
    """``data`` with bytes left out, and in their place what means something in a file of numbers."""
    found = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        at = draw.randint(0, len(found))
        put = draw.choice([b"", b"\0", b",", b"\n", b":", b"-", b"e9", b"1" * 30, draw.randbytes(2)])
        found[at : at + draw.randint(0, 2)] = put
    return bytes(found)


def idx(x: numpy.ndarray[Any, Any]) -> bytes:
    """An array of bytes as an IDX file."""
    return struct.pack(f">2xBB{x.ndim}I", 8, x.ndim, *x.shape) + x.tobytes()


def kinds(folder: Path) -> dict[str, Kind]:
    """All kinds of files; what is read along with them is written into a folder."""
    write_files(folder)
    records, pictures, few = folder / "a.rec", numpy.arange(16, dtype=numpy.uint8).reshape(4, 2, 2), numpy.arange(4, dtype=numpy.uint8)
    (folder / "images").write_bytes(idx(pictures))
    (folder / "labels").write_bytes(idx(few))
    write_boxes(folder / "boxes.rec")
    y, x = numpy.mgrid[:60, :80]
    picture = numpy.stack([x * 3, y * 4, x + y], 2).astype(numpy.uint8)
    csv, svm = b"1,2,3\n2,3,4\n3,4,5\n4,5,6\n", b"1.0 0:0.5 2:1.2\n-2.0\n-3.0 0:0.6 1:2.4 2:1.2\n4 2:-1.2\n"
    shape = (3, 16, 16)
    recorded = {"data_shape": shape, "batch_size": 2, "preprocess_threads": 1}
    binary = {
        "records": (records.read_bytes(), read_records),
        "records, by ImageIter": (records.read_bytes(), lambda path, draw: batches(image.ImageIter(2, shape, path_imgrec=str(path)))),
        "records, by ImageIter that passes over": (
            records.read_bytes(),
            lambda path, draw: batches(image.ImageIter(2, shape, path_imgrec=str(path), strict=False)),
        ),
        "records, by ImageRecordIter": (
            records.read_bytes(),
            lambda path, draw: batches(io.ImageRecordIter(path_imgrec=str(path), **recorded)),
        ),
        "records of boxes": (
            (folder / "boxes.rec").read_bytes(),
            lambda path, draw: batches(io.ImageDetRecordIter(path_imgrec=str(path), **recorded)),
        ),
        "records of boxes, by ImageDetIter": (
            (folder / "boxes.rec").read_bytes(),
            lambda path, draw: batches(image.ImageDetIter(2, shape, path_imgrec=str(path))),
        ),
        "indices": ((folder / "a.idx").read_bytes(), lambda path, draw: read_index(path, records)),
        "lists": ((folder / "a.lst").read_bytes(), lambda path, draw: read_list(path, folder)),
        "images, .jpg": (opencv().imencode(".jpg", picture)[1].tobytes(), read_image),
        "images, .png": (opencv().imencode(".png", picture)[1].tobytes(), read_image),
        "IDX": (
            idx(pictures),
            lambda path, draw: batches(io.MNISTIter(image=str(path), label=str(folder / "labels"), batch_size=2, silent=True)),
        ),
        "IDX, gzip": (
            gzip.compress(idx(few), mtime=0),
            lambda path, draw: batches(io.MNISTIter(image=str(folder / "images"), label=str(path), batch_size=2, silent=True)),
        ),
    }
    text = {
        "CSV": (csv, lambda path, draw: batches(io.CSVIter(data_csv=str(path), data_shape=(3,), batch_size=2))),
        "CSV of integers": (csv, lambda path, draw: batches(io.CSVIter(data_csv=str(path), data_shape=(3,), batch_size=2, dtype="int64"))),
        "LibSVM": (svm, lambda path, draw: batches(io.LibSVMIter(data_libsvm=str(path), data_shape=(3,), batch_size=2))),
    }
    found = {name: Kind(whole, read, damaged) for name, (whole, read) in binary.items()}
    return found | {name: Kind(whole, read, damaged_text) for name, (whole, read) in text.items()}


def write_boxes(path: Path) -> None:
    """A record file of three images with one or two boxes."""
    one, two = [2, 5, 0, 0.1, 0.2, 0.5, 0.6], [2, 5, 1, 0.3, 0.3, 0.9, 0.8, 0, 0.0, 0.1, 0.2, 0.4]
    with recordio.MXIndexedRecordIO(path.with_suffix(".idx"), path, "w") as file:
        for i, label in enumerate([one, two, one]):
            header = recordio.IRHeader(0, label, i, 0)
            file.write_idx(i, recordio.pack_img(header, numpy.full((20, 24, 3), 40 * i, numpy.uint8), 9, ".png"))


# -- what reads them, and what must be true of the result ------------------------------------------


def batches(it: Any) -> None:
    """All batches of an iterator are of the shapes that it says."""
    (data,), (label,) = it.provide_data, it.provide_label
    for batch in it:
        assert batch.data[0].shape == tuple(data[1]) and batch.label[0].shape == tuple(label[1]), (batch.data[0].shape, data)
        batch.data[0].asnumpy()


def read_records(path: Path, draw: random.Random) -> None:
    """By the reader, which fails at damage, and by the one that passes over it, which gives nothing that is not in the file."""
    found = list(iter(recordio.MXRecordIO(path, "r", strict=False).read, None))
    size = path.stat().st_size
    assert sum(map(len, found)) <= size + 4 * len(found) * size
    assert len(list(iter(recordio.MXRecordIO(path, "r").read, None))) == len(list(recordio.positions(str(path))))


def read_index(path: Path, records: Path) -> None:
    file = recordio.MXIndexedRecordIO(path, records, "r")
    for key in file.keys:
        file.read_idx(key)


def read_list(path: Path, folder: Path) -> None:
    batches(image.ImageIter(2, (3, 16, 16), path_imglist=str(path), path_root=str(folder)))


def read_image(path: Path, draw: random.Random) -> None:
    """As a file's bytes, and in a record that is damaged once more."""
    data = path.read_bytes()
    augmenters = image.CreateAugmenter((3, 24, 24), resize=30, rand_crop=True, rand_mirror=True)
    record = recordio.pack(recordio.IRHeader(0, [1, 2], 3, 0), data)
    with suppress(HybridnetError):
        image.samples.image_of_record(damaged(record, draw), augmenters)
    image.imdecode(data)
