"""``LibSVMIter``: samples of which only the numbers that are not 0 are written, ``label index:value index:value …``."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy

from hybridnet.core.stored import Csr, index_dtype
from hybridnet.errors import ArgumentError, DtypeError, FileFormatError, ShapeError, fail
from hybridnet.io.base import DataDesc
from hybridnet.io.files import Host, MXDataIter, check_part, files_of, part_of_bytes, shape_of

_OP = "LibSVMIter"


class LibSVMIter(MXDataIter):
    """Batches of the samples of LibSVM files: indices count from 0, lines are ``label index:value …``, and ``#`` begins a comment.

    ``data_shape`` is ``(width,)``. Without ``label_libsvm`` the labels are the lines' first numbers, of shape ``(batch_size,)``; with
    it they are that file's samples, of ``label_shape``, whose own first numbers are not read. Files are read whole, at the start,
    and kept as they are written; a batch of data, and of labels that a file has, is a matrix of csr storage. Of ``num_parts`` parts,
    equally many bytes of the data, ``part_index`` is read. ``round_batch`` must stay true, as in MXNet: the last batch goes on at
    the start, and the next epoch after that.

    ``prefetch_buffer`` and ``ctx`` tune MXNet's iterator and change nothing here.
    """

    def __init__(
        self,
        *,
        data_libsvm: Any,
        data_shape: Any,
        batch_size: int,
        label_libsvm: Any = None,
        label_shape: Any = (1,),
        num_parts: int = 1,
        part_index: int = 0,
        round_batch: bool = True,
        prefetch_buffer: int = 4,
        ctx: str = "gpu",
        dtype: Any = None,
        data_name: str = "data",
        label_name: str = "softmax_label",
    ) -> None:
        super().__init__(_OP, batch_size, data_name, label_name)
        if not round_batch:
            fail(ArgumentError, _OP, expected="round_batch=True", got=repr(round_batch), fix="NDArrayIter, or CSVIter")
        if numpy.dtype("float32" if dtype is None else dtype) != numpy.float32:
            fail(DtypeError, _OP, expected="dtype float32", got=repr(dtype), fix="batch.data[0].astype(...)")
        check_part(_OP, num_parts, part_index)
        width = _width("data_shape", data_shape)
        rows = _read(data_libsvm, width)
        first, last = rows.part(num_parts, part_index)
        self._data, self._labels, self._first = rows, None, first
        label: tuple[int, ...] = ()
        if label_libsvm is not None and label_libsvm != "NULL":
            label = (_width("label_shape", label_shape),)
            self._labels = _read(label_libsvm, *label)
            if len(self._labels) != len(rows):
                got = f"{len(self._labels)} in {label_libsvm} for {len(rows)} in {data_libsvm}"
                fail(FileFormatError, _OP, expected="a line of labels for each line of data", got=got)
        elif _width("label_shape", label_shape) != 1:
            fail(ShapeError, _OP, expected="a label_shape of (1,), or label_libsvm", got=repr(label_shape))
        self._open(last - first, DataDesc("data", (width,)), DataDesc("label", label), True)

    def _load(self, rows: Host) -> tuple[Any, Any, Host]:
        at = rows + self._first
        label = self._data.first[at] if self._labels is None else self._labels.csr(at)
        return self._data.csr(at), label, rows


def _width(what: str, shape: Any) -> int:
    numbers = shape_of(_OP, what, shape)
    if len(numbers) != 1:
        fail(ShapeError, _OP, expected=f"a {what} of one dimension", got=repr(shape))
    return numbers[0]


@dataclass
class _Rows:
    """Samples in compressed rows: sample i has ``values`` at ``columns``, both from ``starts[i]`` to ``starts[i + 1]``."""

    width: int
    first: Host  # the number that a line begins with
    starts: Host
    columns: Host
    values: Host
    places: Host  # the byte, in all files, at which a line begins
    size: int

    def __len__(self) -> int:
        return len(self.first)

    def csr(self, rows: Host) -> Csr:
        """Those samples, one a row."""
        lengths = numpy.diff(self.starts)[rows]
        starts = numpy.concatenate([[0], numpy.cumsum(lengths)])
        source = numpy.repeat(self.starts[rows] - starts[:-1], lengths) + numpy.arange(starts[-1])
        kind = index_dtype((len(rows), self.width), len(source))
        return Csr(self.values[source], self.columns[source].astype(kind), starts.astype(kind), (len(rows), self.width))

    def part(self, num_parts: int, part_index: int) -> tuple[int, int]:
        """The samples of a part: a line belongs to the part in which the byte before it lies."""
        first, end = part_of_bytes(self.size, num_parts, part_index)
        begin = 0 if not part_index else int(numpy.searchsorted(self.places, first, "right"))
        return begin, int(numpy.searchsorted(self.places, end, "right"))


@dataclass
class _Line:
    """A line with a sample: its text without a comment, and where it stands; the place counts on from file to file."""

    text: bytes
    file: str
    number: int
    place: int


def _lines(path: Any) -> tuple[list[_Line], int]:
    """The lines with samples, and how many bytes all files have."""
    lines, place = [], 0
    for file in files_of(_OP, path):
        with open(file, "rb") as stream:
            for number, line in enumerate(stream, 1):
                text = line.partition(b"#")[0].strip()
                if text:
                    lines.append(_Line(text, file, number, place))
                place += len(line)
    return lines, place


_WHOLE = re.compile(rb"[^\s:]+(?:\s+\d+:[^\s:]+)*")
_ENTRY = re.compile(rb"(\d+):(\S+)")


def _read(path: Any, width: int) -> _Rows:
    lines, size = _lines(path)
    if not lines:
        fail(ArgumentError, _OP, expected="at least one sample", got=f"none in {path}")
    counts = numpy.array([line.text.count(b":") for line in lines])
    starts = numpy.concatenate([[0], numpy.cumsum(counts)])
    at = 2 * starts[:-1] + numpy.arange(len(lines))  # of each label among all numbers
    numbers = _numbers(lines)
    if numbers is None or len(numbers) != len(lines) + 2 * starts[-1]:
        _explain(lines, width)
    first, entries = numbers[at], numpy.delete(numbers, at).reshape(-1, 2)
    if (entries[:, 0] >= width).any():
        _explain(lines, width)
    with numpy.errstate(over="ignore"):  # what float32 has no room for becomes infinite
        labels, values = first.astype(numpy.float32), entries[:, 1].astype(numpy.float32)
    places = numpy.array([line.place for line in lines])
    return _in_order(_Rows(width, labels, starts, entries[:, 0].astype(numpy.int64), values, places, size))


def _in_order(rows: _Rows) -> _Rows:
    """The same with the columns of each sample in order, and of several values for one column the last."""
    row = numpy.repeat(numpy.arange(len(rows)), numpy.diff(rows.starts))
    place = row * rows.width + rows.columns
    if (numpy.diff(place) > 0).all():
        return rows
    order = numpy.argsort(place, kind="stable")
    order = order[numpy.append(numpy.diff(place[order]) > 0, True)]
    starts = numpy.searchsorted(place[order], numpy.arange(len(rows) + 1) * rows.width)
    return replace(rows, starts=starts, columns=rows.columns[order], values=rows.values[order])


def _numbers(lines: list[_Line]) -> Host | None:
    """All numbers of all lines, in one go; ``None`` if something is none."""
    if not all(_WHOLE.fullmatch(line.text) for line in lines):
        return None
    text = b" ".join(line.text for line in lines).replace(b":", b" ").decode("latin1")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # NumPy warns of what is no number, and stops there
            return numpy.fromstring(text, sep=" ")
    except (DeprecationWarning, ValueError):
        return None


def _explain(lines: list[_Line], width: int) -> NoReturn:
    """Raise for the first thing that is not as it should be."""
    for line in lines:
        label, *fields = line.text.split()
        if not _is_number(label):
            _refuse("a label, a number", label, line.file, line.number)
        for field in fields:
            match = _ENTRY.fullmatch(field)
            if match is None or not _is_number(match[2]):
                _refuse("entries index:value", field, line.file, line.number)
            if int(match[1]) >= width:
                _refuse(f"indices from 0 to below {width}", field, line.file, line.number)
    _refuse("labels and entries index:value", lines[0].text, lines[0].file, lines[0].number)


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return b"_" not in text  # which Python passes over in numbers


def _refuse(expected: str, got: bytes, file: str, number: int) -> NoReturn:
    fail(FileFormatError, _OP, expected=expected, got=f"{got[:40].decode('latin1')!r} at line {number} of {file}")
