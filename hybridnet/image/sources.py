"""Where an image iterator has its samples from: a record file, a list in a file or in memory, with files in a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from hybridnet.errors import ArgumentError, FileFormatError, fail
from hybridnet.recordio import MXIndexedRecordIO, MXRecordIO

#: Key of an image -> (its label, its file).
ImageList = dict[Any, tuple[Any, str]]


def read_list(path: str | os.PathLike[str]) -> ImageList:
    """A ``.lst`` file: in each line a number, a label or several, and a file, with tabs between; by the numbers, labels as lists of floats.

    The names of files are in UTF-8, or in whatever bytes the file system has for them. FileFormatError for a line that is not of this
    form, unless it is empty.
    """
    found: ImageList = {}
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        for number, line in enumerate(file, 1):
            parts = line.rstrip("\n").split("\t")
            if not line.strip():
                continue
            try:
                if len(parts) < 3:
                    raise ValueError(f"{len(parts)} parts")
                if "\0" in parts[-1]:
                    raise ValueError("no file has a byte 0 in its name")
                key, label = int(parts[0]), [float(x) for x in parts[1:-1]]
            except ValueError as error:
                expected = "a number, a label (or several) and a file, with tabs between"
                fail(FileFormatError, "image list", expected=expected, got=f"{line.strip()[:80]!r} in line {number} of {path} ({error})")
            found[key] = label, parts[-1].strip()
    return found


def listed(entries: Sequence[Any]) -> ImageList:
    """A list in memory of ``[label, file]``, the label one number or several; keys count from 1, as text.

    ArgumentError for an entry that is not of this form.
    """
    found: ImageList = {}
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, (list, tuple)) or len(entry) < 2 or not isinstance(entry[-1], (str, os.PathLike)):
            fail(ArgumentError, "image list", expected="entries [label, file]", got=f"{entry!r} as number {number}")
        labels = entry[0] if len(entry) == 2 else list(entry[:-1])
        found[str(number)] = labels, os.fspath(entry[-1])
    return found


def open_records(path_imgrec: str | None, path_imgidx: str | None, strict: bool) -> MXRecordIO | None:
    """A record file, by its index where there is one; without and not ``strict``, broken records are passed over."""
    if path_imgrec is None:
        return None
    return MXRecordIO(path_imgrec, "r", strict) if path_imgidx is None else MXIndexedRecordIO(path_imgidx, path_imgrec, "r")


def part(keys: list[Any], part_index: int, num_parts: int) -> list[Any]:
    """The part ``part_index`` (from 0) of ``num_parts`` parts of equal length; what remains is left out.

    ArgumentError for a part that there is not.
    """
    if not 0 <= part_index < num_parts:
        got = f"part_index {part_index} and num_parts {num_parts}"
        fail(ArgumentError, "ImageIter", expected="0 ≤ part_index < num_parts", got=got)
    length = len(keys) // num_parts
    return keys[part_index * length : (part_index + 1) * length] if num_parts > 1 else keys
