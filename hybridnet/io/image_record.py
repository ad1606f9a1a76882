"""``ImageRecordIter`` and its variants: images from record files, decoded and augmented by threads."""

from __future__ import annotations

import difflib
import logging
import os
from dataclasses import fields
from typing import Any, ClassVar

import numpy

from hybridnet import ndarray
from hybridnet.core.random import host, seed_host
from hybridnet.errors import ArgumentError, DtypeError, FileFormatError, ShapeError, SignatureError, fail
from hybridnet.image.samples import image_of_record, label_of
from hybridnet.image.sources import read_list
from hybridnet.io.base import DataDesc, array_of
from hybridnet.io.files import Host, MXDataIter, shape_of
from hybridnet.io.image_changes import ImageChanges
from hybridnet.io.normalizing import Normalizing
from hybridnet.io.pipeline import Buffers, Pipeline
from hybridnet.io.records import Records
from hybridnet.opencv import opencv
from hybridnet.owned import OwnedMethod
from hybridnet.recordio import IRHeader, unpack
from hybridnet.util import np_array

#: imdecode's flag for a number of channels; four are not its.
_FLAGS = {1: 0, 3: 1}


class RecordImages(MXDataIter):
    """What the iterators over images in records share: the order of samples, threads, seeds.

    A subclass reads its parameters, calls :meth:`_start`, and gives :meth:`_sample`.
    """

    _records: Records

    def _start(
        self,
        data: DataDesc,
        label: DataDesc,
        *,
        round_batch: bool,
        shuffle: bool,
        seed: Any,
        seed_aug: int | None,
        threads: int,
        ahead: int,
    ) -> None:
        """Begin; ``data`` and ``label`` describe one sample."""
        if not isinstance(threads, int) or threads < 1 or not isinstance(ahead, int) or ahead < 0:
            got = f"{threads!r} and {ahead!r}"
            fail(ArgumentError, self._op, expected="preprocess_threads of 1 or more and a prefetch_buffer of 0 or more", got=got)
        self._shuffle, self._seed, self._orders = bool(shuffle), seed, dict[int, Host]()
        self._aug_seed = host().getrandbits(32) if seed_aug is None else int(seed_aug)
        self._open(len(self._records), data, label, bool(round_batch))
        buffers = [Buffers(desc.shape, desc.dtype) for desc in (self.provide_data[0], self.provide_label[0])]
        self._pipeline = Pipeline(OwnedMethod(self._fill), self._rounds, buffers[0], buffers[1], threads, ahead)

    def _sample(self, number: int, data: Host, label: Host) -> int:
        """Write the sample of a record into its place in a batch; gives its number, which the batch's index shows."""
        raise NotImplementedError

    def _fill(self, place: int, data: Host, label: Host) -> int:
        seed_host((self._aug_seed << 64) + place)
        turn, number = divmod(place, self._rounds.samples)
        return self._sample(int(self._order(turn)[number]) if self._shuffle else number, data, label)

    def _order(self, turn: int) -> Host:
        """The order of a round, which is drawn when it is first asked for; threads that both do draw the same."""
        order = self._orders.get(turn)
        if order is None:
            order = numpy.random.RandomState([*self._seed, turn]).permutation(self._rounds.samples)
            for old in [old for old in list(self._orders) if old < turn - 2]:
                self._orders.pop(old, None)
            self._orders[turn] = order
        return order

    def reset(self) -> None:
        """Start the next epoch."""
        self._pipeline.reset()
        self._current = None

    def iter_next(self) -> bool:
        """Go to the next batch; whether there is one."""
        batch = self._pipeline.next()
        self._current = None if batch is None else (array_of(batch.data), array_of(batch.label), batch.index, batch.pad)
        return batch is not None

    def __del__(self) -> None:
        if hasattr(self, "_pipeline"):
            self._pipeline.close()


class ImageRecordIter(RecordImages):
    """Batches of images (batch, channels, height, width), red first, with their labels, float32.

    Which records: ``path_imgrec``, a file or a folder of them; ``path_imgidx``, an index, by which records are ordered and counted;
    ``num_parts`` and ``part_index``, a part of them. ``label_width``: how many labels a record has; 1 gives labels (batch,), more
    (batch, label_width). ``path_imglist``: lines ``id<tab>labels<tab>path`` whose labels stand for those of the records.
    ``shuffle``: a new order of all records in each epoch, from ``seed`` and ``shuffle_chunk_seed``. ``round_batch``: the last batch
    goes on at the start, and the next epoch after that; ``False``: the batch before stays at its end. ``data_shape``:
    (channels, height, width), 1 channel for gray, 3, or 4 with alpha. ``dtype``: float32, or uint8 or int8 without scaling.
    ``preprocess_threads``, ``prefetch_buffer``: threads, and batches that are made ahead. ``verbose``: a line in the log.

    What is done to an image, in this order:

    - ``resize``: its shorter edge made so long.
    - ``max_rotate_angle`` (degrees, or ``rotate`` for a fixed angle), ``max_shear_ratio``, ``min_`` and ``max_random_scale``,
      ``max_aspect_ratio`` (1 ± that, or from ``min_aspect_ratio`` on), all in one go, to a size from ``min_img_size`` to
      ``max_img_size``; what comes from outside is ``fill_value``.
    - ``pad``: so many pixels of ``fill_value`` on each side.
    - Cut to ``data_shape`` from the middle, or with ``rand_crop`` anywhere, enlarged before if it is too small; with ``min_`` and
      ``max_crop_size`` a square of that, resized; with ``random_resized_crop`` a part of its area (``min_`` to ``max_random_area``) with
      the aspect ratios above, resized.
    - ``brightness``, ``contrast``, ``saturation`` times 1 ± that in random order; ``random_h``, ``random_l``, ``random_s`` added to
      OpenCV's hue (of 180), lightness and saturation (of 255); ``pca_noise``, AlexNet's.
    - ``mirror``, or ``rand_mirror`` half of the time.
    - ``((x - mean) * (1 ± max_random_contrast) ± max_random_illumination) * scale / std``, with ``mean_r``, ``mean_g``, ``mean_b``,
      ``mean_a`` and ``std_`` in the same way. ``mean_img``: a file of an array ``mean_img`` (channels, height, width) in place of
      the means; one that is not there is computed from all records, and written.

    ``inter_method`` resizes: 0 nearest, 1 linear, 2 cubic, 3 area, 4 Lanczos, 9 by the sizes, 10 at random. Draws follow ``seed_aug``, or
    ``hybridnet.random.seed``: the same in any number of threads.

    ``ctx``, ``device_id`` and ``shuffle_chunk_size`` tune MXNet's iterator and change nothing here. ``aug_seq`` must be ``"aug_default"``.
    """

    _dtype: ClassVar[str] = "float32"

    def __init__(
        self,
        *,
        path_imgrec: Any,
        data_shape: Any,
        batch_size: int,
        path_imglist: Any = "",
        path_imgidx: Any = "",
        aug_seq: str = "aug_default",
        label_width: int = 1,
        preprocess_threads: int = 4,
        verbose: bool = True,
        num_parts: int = 1,
        part_index: int = 0,
        device_id: int = 0,
        shuffle_chunk_size: int = 0,
        shuffle_chunk_seed: int = 0,
        seed_aug: int | None = None,
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
        super().__init__(type(self).__name__, batch_size, data_name, label_name)
        kind = numpy.dtype(self._dtype if dtype is None else dtype)
        if kind.name not in ("float32", "uint8", "int8"):
            fail(DtypeError, self._op, expected="a dtype of float32, uint8 or int8", got=repr(dtype))
        if aug_seq != "aug_default":
            fail(
                ArgumentError,
                self._op,
                expected="aug_seq='aug_default'",
                got=repr(aug_seq),
                fix="image.ImageIter with augmenters of your own",
            )
        channels, height, width = image_shape(self._op, data_shape)
        self._flag, self._width = _FLAGS.get(channels), int(label_width)
        normalizing, changing = _sorted(self._op, changes)
        self._changes = ImageChanges((width, height), **changing)
        self._records = Records(self._op, path_imgrec, path_imgidx, num_parts, part_index)
        self._listed = labels_in(self._op, os.fspath(path_imglist)) if path_imglist else None
        self._normalizing = Normalizing(**normalizing)
        data, label = DataDesc("data", (channels, height, width), kind.type), DataDesc("label", () if self._width == 1 else (self._width,))
        if mean_img:
            self._normalizing.mean = self._mean_image(os.fspath(mean_img), data.shape)
        self._normalizing.prepare(self._op, channels, kind)
        if verbose:
            logging.getLogger(__name__).info("%s: %d records of %s", self._op, len(self._records), path_imgrec)
        self._start(
            data,
            label,
            round_batch=round_batch,
            shuffle=shuffle,
            seed=(int(seed), int(shuffle_chunk_seed)),
            seed_aug=seed_aug,
            threads=preprocess_threads,
            ahead=prefetch_buffer,
        )

    def _decoded(self, number: int) -> tuple[IRHeader, Host]:
        """A record's header and its image, augmented."""
        source, record = self._records.name(number), self._records[number]
        if self._flag is None:
            header, encoded = unpack(record)
            return header, self._changes.pixels(_with_alpha(encoded, source))
        return image_of_record(record, (self._changes,), source, self._flag)

    def _sample(self, number: int, data: Host, label: Host) -> int:
        header, image = self._decoded(number)
        source = self._records.name(number)
        self._normalizing.write(image, data, source, self._normalizing.mirrors())
        found = header.label if self._listed is None else listed_label(self._op, self._listed, header.id, source)
        label[...] = label_of(found, self._width, source).reshape(label.shape)
        return header.id

    def _mean_image(self, path: str, shape: tuple[int, ...]) -> Host:
        if os.path.exists(path):
            arrays = ndarray.load(path)
            mean = arrays.get("mean_img") if isinstance(arrays, dict) else None
            if mean is None or mean.shape != shape:
                got = "none" if mean is None else f"one of {mean.shape}"
                fail(FileFormatError, self._op, expected=f"an array mean_img of {shape} in {path}", got=got)
            return mean.asnumpy()
        total = numpy.zeros(shape, numpy.float64)
        for number in range(len(self._records)):
            seed_host(number)
            total += numpy.moveaxis(self._decoded(number)[1], -1, 0)
        mean = (total / max(len(self._records), 1)).astype(numpy.float32)
        with np_array(False):
            ndarray.save(path, {"mean_img": ndarray.array(mean)})
        return mean


class ImageRecordUInt8Iter(ImageRecordIter):
    """``ImageRecordIter(dtype="uint8")``."""

    _dtype = "uint8"


class ImageRecordInt8Iter(ImageRecordIter):
    """``ImageRecordIter(dtype="int8")``: bytes above 127 become 127, after the means are taken away."""

    _dtype = "int8"


class ImageRecordIter_v1(ImageRecordIter):
    """:class:`ImageRecordIter`, under the name of MXNet's older one."""


class ImageRecordUInt8Iter_v1(ImageRecordUInt8Iter):
    """:class:`ImageRecordUInt8Iter`, under the name of MXNet's older one."""


def image_shape(op: str, data_shape: Any) -> tuple[int, int, int]:
    """A shape (channels, height, width) that there can be."""
    shape = shape_of(op, "data_shape", data_shape)
    if len(shape) != 3 or shape[0] not in (1, 3, 4):
        fail(ShapeError, op, expected="a data_shape (channels, height, width) of 1, 3 or 4 channels", got=repr(data_shape))
    return shape  # type: ignore[return-value]


def _with_alpha(encoded: bytes, source: str) -> Host:
    """An encoded image of four channels: red, green, blue and alpha."""
    cv2 = opencv()
    image = cv2.imdecode(numpy.frombuffer(encoded, numpy.uint8), cv2.IMREAD_UNCHANGED) if encoded else None
    if image is None or image.ndim != 3 or image.shape[2] != 4 or image.dtype != numpy.uint8:
        got = f"{len(encoded)} bytes that OpenCV cannot decode" if image is None else f"{image.dtype} of shape {image.shape}"
        fail(FileFormatError, "ImageRecordIter", expected="an image of bytes in four channels", got=f"{got}, in {source}")
    return cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA)


def _sorted(op: str, changes: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Which parameters are of the numbers, and which of the pixels."""
    known = [{field.name for field in fields(kind)} - {"size", "mean"} for kind in (Normalizing, ImageChanges)]
    unknown = sorted(set(changes) - known[0] - known[1])
    if unknown:
        near = difflib.get_close_matches(unknown[0], [*known[0], *known[1], "path_imgrec", "data_shape", "batch_size", "shuffle"], 1)
        fail(SignatureError, op, expected="a parameter that it has", got=repr(unknown[0]), fix=f"{near[0]}=" if near else "")
    return tuple({name: changes[name] for name in changes if name in names} for names in known)  # type: ignore[return-value]


def listed_label(op: str, labels: dict[int, Any], key: int, source: str) -> Any:
    """The label of an image in a list."""
    if key not in labels:
        fail(FileFormatError, op, expected="labels in path_imglist for each record", got=f"none for the id {key} of {source}")
    return labels[key]


def labels_in(op: str, path: str) -> dict[int, Any]:
    """The labels in a list of images, by the images' ids."""
    if not os.path.isfile(path):
        fail(FileFormatError, op, expected="a list of images", got=f"{path!r}, which is not there")
    return {key: label for key, (label, _) in read_list(path).items()}
