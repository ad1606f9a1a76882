"""``CSVIter``: rows of numbers from text files, separated by commas."""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy

from hybridnet.errors import ArgumentError, DtypeError, FileFormatError, ShapeError, fail
from hybridnet.io.base import DataDesc
from hybridnet.io.files import Host, MXDataIter, files_of, shape_of

_OP = "CSVIter"
_DTYPES = ("float32", "int32", "int64")


class CSVIter(MXDataIter):
    """Batches of rows of CSV files, which are read whole, at the start.

    ``data_csv``, ``label_csv``: a file, or a folder, of which all files are read by name; a row of numbers is a sample of
    ``data_shape`` (a label of ``label_shape``). Without labels they are 0. ``dtype``: float32 (also for ``None``), int32 or int64, of data
    and labels. ``round_batch``: a last batch that is not full goes on at the start, and the next epoch after that; without
    it, the batch before stays at its end. ``pad`` says how many samples are such.

    ``prefetch_buffer`` and ``ctx`` tune MXNet's iterator and change nothing here. An empty line is passed over.
    """

    def __init__(
        self,
        *,
        data_csv: Any,
        data_shape: Any,
        batch_size: int,
        label_csv: Any = None,
        label_shape: Any = (1,),
        round_batch: bool = True,
        prefetch_buffer: int = 4,
        ctx: str = "gpu",
        dtype: Any = None,
        data_name: str = "data",
        label_name: str = "softmax_label",
    ) -> None:
        super().__init__(_OP, batch_size, data_name, label_name)
        kind = numpy.dtype("float32" if dtype is None else dtype)
        if kind.name not in _DTYPES:
            fail(DtypeError, _OP, expected=f"a dtype of {', '.join(_DTYPES)}", got=repr(dtype))
        data_shape, label_shape = shape_of(_OP, "data_shape", data_shape), shape_of(_OP, "label_shape", label_shape)
        self._data = _rows(data_csv, data_shape, kind)
        one = () if math.prod(label_shape) == 1 else label_shape
        if label_csv is None or label_csv == "NULL":
            self._label = numpy.zeros((len(self._data), *one), kind)
        else:
            self._label = _rows(label_csv, label_shape, kind).reshape(-1, *one)
        if len(self._label) != len(self._data):
            got = f"{len(self._label)} in {label_csv} for {len(self._data)} in {data_csv}"
            fail(FileFormatError, _OP, expected="a row of labels for each row of data", got=got)
        self._open(len(self._data), DataDesc("data", data_shape, kind.type), DataDesc("label", one, kind.type), bool(round_batch))

    def _load(self, rows: Host) -> tuple[Host, Host, Host]:
        return self._data[rows], self._label[rows], rows


def _rows(path: Any, shape: tuple[int, ...], dtype: numpy.dtype[Any]) -> Host:
    """The rows of a file, or of all in a folder, each as an array of ``shape``."""
    parts = [_read(file, dtype) for file in files_of(_OP, path)]
    parts = [part for part in parts if part.size]
    if not parts:
        fail(ArgumentError, _OP, expected="at least one row", got=f"none in {path}")
    width = math.prod(shape)
    odd = next((part for part in parts if part.shape[1] != width), None)
    if odd is not None:
        fail(ShapeError, _OP, expected=f"rows of {width} numbers, for the shape {shape}", got=f"rows of {odd.shape[1]} in {path}")
    return numpy.concatenate(parts).reshape(-1, *shape)


def _read(file: str, dtype: numpy.dtype[Any]) -> Host:
    with open(file, "rb") as stream:
        lines = stream.read().split(b"\n")
    text = [line for line in lines if line.strip()]
    if not text:
        return numpy.empty((0, 0), dtype)
    try:
        return numpy.loadtxt(text, dtype, delimiter=",", comments=None, ndmin=2, encoding="latin1")
    except (ValueError, OverflowError) as error:
        _explain(file, lines, dtype, error)


def _explain(file: str, lines: list[bytes], dtype: numpy.dtype[Any], error: Exception) -> NoReturn:
    """Raise for the first row that is not as the ones before it, or not numbers."""
    width = None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        fields = line.decode("latin1").strip("\r").split(",")
        for at, field in enumerate(fields, 1):
            try:
                numpy.loadtxt([field if field.strip() else "?"], dtype, delimiter=",", comments=None)
            except (ValueError, OverflowError):
                got = f"{field[:40]!r} at line {number}, field {at} of {file}"
                fail(FileFormatError, _OP, expected=f"numbers ({dtype}), separated by commas", got=got)
        width = width or len(fields)
        if len(fields) != width:
            fail(FileFormatError, _OP, expected=f"{width} numbers in each row", got=f"{len(fields)} at line {number} of {file}")
    fail(FileFormatError, _OP, expected=f"numbers ({dtype}), separated by commas", got=f"{file}: {error}")
