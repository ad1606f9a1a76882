"""``ImageDetRecordIter``: images with boxes of objects from record files."""

from __future__ import annotations

import difflib
import logging
import os
from dataclasses import fields
from typing import Any

import numpy

from hybridnet.errors import ArgumentError, DtypeError, FileFormatError, SignatureError, fail
from hybridnet.image.samples import image_of_record
from hybridnet.io.base import DataDesc
from hybridnet.io.box_changes import PARAMETERS, BoxChanges
from hybridnet.io.files import Host
from hybridnet.io.image_record import RecordImages, image_shape, labels_in, listed_label
from hybridnet.io.normalizing import Normalizing
from hybridnet.io.records import Records
from hybridnet.recordio import unpack

#: What a row of labels has before those of the record: channels, height, width, and how many numbers follow.
_HEAD = 4
_NORMALIZING = {field.name for field in fields(Normalizing)} - {
    "mirror",
    "rand_mirror",
    "max_random_contrast",
    "max_random_illumination",
    "mean",
}


class ImageDetRecordIter(RecordImages):
    """Batches of images (batch, channels, height, width), float32, with rows of labels of their objects.

    A record's labels are ``[header width, object width, more of the header …, objects …]``, an object ``[class, left, top, right,
    bottom, more …]`` in parts of the image's width and height. A row of a batch's labels is ``[channels, height, width, count, the record's
    labels …]``, ``count`` of those, filled up with ``label_pad_value`` to the longest of all records (of this part), or to
    ``label_pad_width`` numbers. ``label_width``, if it is not -1, is how many labels each record must have.

    Records, parts, order, seeds and threads are as in :class:`ImageRecordIter`. What is done to an image, each with its
    probability: ``max_random_hue``, ``max_random_saturation`` and ``max_random_illumination`` added to OpenCV's hue, saturation and
    lightness; ``max_random_contrast``; mirrored; padded with ``fill_value`` to at most ``max_pad_scale`` times its sides; cut by
    ``num_crop_sampler`` samplers, tried in random order ``max_crop_trials`` times each. A sampler's window has a scale and an aspect ratio
    within its limits, and so has what it has in common with at least one box: as a part of both (``overlaps``), of
    the window (``sample_coverages``), of the box (``object_coverages``). Boxes stay whose centre is in the window
    (``crop_emit_mode="center"``), or of which more than ``emit_overlap_thresh`` is (``"overlap"``). ``resize_mode``: ``"force"`` to
    ``data_shape``, ``"fit"`` into it in its ratio, ``"shrink"`` only if it is larger; what is left is 0.

    Numbers are ``(x - mean) * scale / std``; a ``std`` of 0 is none. ``ctx`` and ``shuffle_chunk_size`` tune MXNet's iterator and
    change nothing here. ``aug_seq`` must be ``"det_aug_default"``, and ``mean_img`` empty.
    """

    def __init__(
        self,
        *,
        path_imgrec: Any = "./data/imgrec.rec",
        data_shape: Any,
        batch_size: int,
        path_imglist: Any = "",
        aug_seq: str = "det_aug_default",
        label_width: int = -1,
        preprocess_threads: int = 4,
        verbose: bool = True,
        num_parts: int = 1,
        part_index: int = 0,
        shuffle_chunk_size: int = 0,
        shuffle_chunk_seed: int = 0,
        label_pad_width: int = 0,
        label_pad_value: float = -1,
        shuffle: bool = False,
        seed: int = 0,
        round_batch: bool = True,
        prefetch_buffer: int = 4,
        ctx: str = "gpu",
        dtype: Any = None,
        mean_img: Any = "",
        data_name: str = "data",
        label_name: str = "softmax_label",
        **changes: Any,
    ) -> None:
        super().__init__("ImageDetRecordIter", batch_size, data_name, label_name)
        if numpy.dtype("float32" if dtype is None else dtype) != numpy.float32:
            fail(DtypeError, self._op, expected="dtype float32", got=repr(dtype), fix="batch.data[0].astype(...)")
        if aug_seq != "det_aug_default" or mean_img:
            got = f"{aug_seq!r} and {mean_img!r}"
            fail(ArgumentError, self._op, expected="aug_seq='det_aug_default' and no mean_img", got=got, fix="mean_r, mean_g, mean_b")
        unknown = sorted(set(changes) - PARAMETERS - _NORMALIZING)
        if unknown:
            near = difflib.get_close_matches(unknown[0], [*PARAMETERS, *_NORMALIZING], 1)
            fail(SignatureError, self._op, expected="a parameter that it has", got=repr(unknown[0]), fix=f"{near[0]}=" if near else "")
        channels, height, width = image_shape(self._op, data_shape)
        if channels == 4:
            fail(ArgumentError, self._op, expected="1 or 3 channels", got="4")
        self._flag, self._pad = int(channels == 3), float(label_pad_value)
        self._changes = BoxChanges((width, height), **{name: x for name, x in changes.items() if name in PARAMETERS})
        numbers: dict[str, Any] = {name: changes[name] for name in changes if name in _NORMALIZING}
        self._normalizing = Normalizing(**(numbers | {name: x or 1 for name, x in numbers.items() if name.startswith("std_")}))
        self._normalizing.prepare(self._op, channels, numpy.dtype(numpy.float32))
        self._records = Records(self._op, path_imgrec, "", num_parts, part_index)
        self._listed = labels_in(self._op, os.fspath(path_imglist)) if path_imglist else None
        longest = self._longest(int(label_width))
        if 0 < label_pad_width < longest:
            fail(ArgumentError, self._op, expected=f"label_pad_width of at least {longest}, the longest label", got=repr(label_pad_width))
        label = DataDesc("label", (_HEAD + max(longest, int(label_pad_width)),))
        if verbose:
            logging.getLogger(__name__).info("%s: %d records of %s, labels of %d", self._op, len(self._records), path_imgrec, longest)
        self._start(
            DataDesc("data", (channels, height, width)),
            label,
            round_batch=round_batch,
            shuffle=shuffle,
            seed=(int(seed), int(shuffle_chunk_seed)),
            seed_aug=int(seed),
            threads=preprocess_threads,
            ahead=prefetch_buffer,
        )

    def _longest(self, width: int) -> int:
        """How many labels a record has at most; all of them are looked at."""
        longest = 0
        for number in range(len(self._records)):
            header, _ = unpack(self._records[number])
            found = len(self._label_of(header, number))
            if width not in (-1, found):
                got = f"{found} in {self._records.name(number)}"
                fail(FileFormatError, self._op, expected=f"label_width={width} labels", got=got, fix="label_width=-1")
            longest = max(longest, found)
        return longest

    def _label_of(self, header: Any, number: int) -> Host:
        name = self._records.name(number)
        found = header.label if self._listed is None else listed_label(self._op, self._listed, header.id, name)
        return numpy.array(found, numpy.float32, ndmin=1)

    def _sample(self, number: int, data: Host, label: Host) -> int:
        source = self._records.name(number)
        header, image = image_of_record(self._records[number], (), source, self._flag)
        head, objects = _parsed(self._op, self._label_of(header, number), source)
        image, objects = self._changes(image, objects)
        height, width = image.shape[:2]
        if (height, width) != data.shape[1:]:
            data[...] = 0
        self._normalizing.write(image, data[:, :height, :width], source, False)
        numbers = [*head, *objects.ravel()]
        row = label.reshape(-1)
        row[...] = self._pad
        row[: _HEAD + len(numbers)] = [image.shape[2], height, width, len(numbers), *numbers]
        return header.id


def _parsed(op: str, label: Host, source: str) -> tuple[Host, Host]:
    """The header of a record's labels, and its objects as rows."""
    known = len(label) >= 2 and numpy.isfinite(label[:2]).all()
    head, width = (int(label[0]), int(label[1])) if known else (0, 0)
    if head < 2 or width < 5 or head > len(label) or (len(label) - head) % width:
        expected = "labels [header width of 2 or more, object width of 5 or more, …] and then whole objects"
        fail(FileFormatError, op, expected=expected, got=f"{len(label)} numbers that begin with {label[:2].tolist()}, in {source}")
    return label[:head], label[head:].reshape(-1, width)
