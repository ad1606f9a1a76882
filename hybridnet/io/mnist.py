"""``MNISTIter``: images and labels from MNIST's files."""

from __future__ import annotations

import logging
import os
from typing import Any

import numpy

from hybridnet.errors import DtypeError, fail
from hybridnet.io.base import DataDesc
from hybridnet.io.files import Host, MXDataIter, check_part
from hybridnet.io.idx import read_images

_OP = "MNISTIter"


class MNISTIter(MXDataIter):
    """Batches of images in [0, 1), float32 of shape ``(batch_size, 1, height, width)``, or ``(batch_size, height * width)`` if ``flat``.

    ``image`` and ``label`` are IDX files, packed by gzip or not. ``shuffle`` puts the samples into one random order, from ``seed``, that
    stays the same in every epoch. A rest that fills no batch is left out. Of ``num_parts`` parts of equally many samples,
    ``part_index`` is read. A line in the log says what was read, unless ``silent``.

    ``prefetch_buffer`` and ``ctx`` tune MXNet's iterator and change nothing here.
    """

    def __init__(
        self,
        *,
        image: Any = "./train-images-idx3-ubyte",
        label: Any = "./train-labels-idx1-ubyte",
        batch_size: int = 128,
        shuffle: bool = True,
        flat: bool = False,
        seed: int = 0,
        silent: bool = False,
        num_parts: int = 1,
        part_index: int = 0,
        prefetch_buffer: int = 4,
        ctx: str = "gpu",
        dtype: Any = None,
        data_name: str = "data",
        label_name: str = "softmax_label",
    ) -> None:
        super().__init__(_OP, batch_size, data_name, label_name)
        if numpy.dtype("float32" if dtype is None else dtype) != numpy.float32:
            fail(DtypeError, _OP, expected="dtype float32", got=repr(dtype), fix="batch.data[0].astype(...)")
        check_part(_OP, num_parts, part_index)
        images, labels = read_images(_OP, os.fspath(image), os.fspath(label))
        count = len(images)
        part = slice(count * part_index // num_parts, count * (part_index + 1) // num_parts)
        self._images, self._labels = images[part], labels[part].astype(numpy.float32)
        self._order = numpy.arange(len(self._images))
        if shuffle:
            numpy.random.RandomState(seed).shuffle(self._order)
        self._first = part.start
        self._shape = (images[0].size,) if flat else (1, *images.shape[1:])
        if not silent:
            logging.getLogger(__name__).info("%s: %d images of %s", image, len(self._images), images.shape[1:])
        self._open(len(self._images), DataDesc("data", self._shape), DataDesc("label", ()), None)

    def _load(self, rows: Host) -> tuple[Host, Host, Host]:
        at = self._order[rows]
        images = self._images[at].reshape(len(at), *self._shape)
        return numpy.multiply(images, numpy.float32(1 / 256), dtype=numpy.float32), self._labels[at], at + self._first
