"""``ImageIter``: batches of images from a record file, or from files that a list names, augmented by a list of augmenters."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core.random import host
from hybridnet.errors import ArgumentError, fail
from hybridnet.image import pixels
from hybridnet.image.arrays import new_image, pixels_of
from hybridnet.image.augment import Augmenter, CreateAugmenter, augmented
from hybridnet.image.samples import BROKEN, label_of, put
from hybridnet.image.sources import ImageList, listed, open_records, part, read_list
from hybridnet.io.base import DataBatch, DataDesc, DataIter, array_of, check_batch_size
from hybridnet.recordio import MXIndexedRecordIO, unpack

_LAST = ("pad", "discard", "roll_over")
Sample = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]  # a place in a batch, or what goes there: image and label


class ImageIter(DataIter):
    """Batches float32 (batch, channels, height, width) of images, in Python, to be changed by subclasses.

    The images: ``path_imgrec``, a record file, with its index ``path_imgidx`` (without which there is no ``shuffle`` and no
    ``num_parts``); or ``path_imglist``, a ``.lst`` file, or ``imglist``, a list of ``[label, file]``, of files in ``path_root``. With both,
    the list gives the labels. ``label_width`` numbers are a label, of type ``dtype``. ``part_index`` of ``num_parts``: a part of
    the images. ``aug_list``: the augmenters; without, those that ``CreateAugmenter`` makes of ``data_shape`` and all further
    arguments. ``last_batch_handle`` when images run out: ``"pad"`` fills the batch with the first ones again and says in ``pad`` how
    many, ``"discard"`` leaves the batch out, ``"roll_over"`` begins the next epoch with it. ``strict=False``: an image that cannot be
    read is passed over with a warning; else it is an error that names it.
    """

    def __init__(
        self,
        batch_size: int,
        data_shape: Sequence[int],
        label_width: int = 1,
        path_imgrec: str | None = None,
        path_imglist: str | None = None,
        path_root: str | None = None,
        path_imgidx: str | None = None,
        shuffle: bool = False,
        part_index: int = 0,
        num_parts: int = 1,
        aug_list: Sequence[Any] | None = None,
        imglist: Sequence[Any] | None = None,
        data_name: str = "data",
        label_name: str = "softmax_label",
        dtype: Any = "float32",
        last_batch_handle: str = "pad",
        strict: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(check_batch_size(type(self).__name__, batch_size))
        if path_imgrec is None and path_imglist is None and imglist is None:
            expected = "images: path_imgrec, path_imglist or imglist"
            fail(ArgumentError, type(self).__name__, expected=expected, got="none of them")
        if last_batch_handle not in _LAST:
            fail(ArgumentError, type(self).__name__, expected=f"a last_batch_handle of {', '.join(_LAST)}", got=repr(last_batch_handle))
        self.check_data_shape(data_shape)
        self.data_shape = tuple(data_shape)
        self.label_width, self.last_batch_handle, self.strict = label_width, last_batch_handle, strict
        self.path_root, self.shuffle = path_root, shuffle
        self.imgrec = open_records(path_imgrec, path_imgidx, strict)
        self.imglist: ImageList | None = None
        if path_imglist is not None or imglist is not None:
            self.imglist = read_list(path_imglist) if path_imglist is not None else listed(imglist or ())
        self.seq = self._keys(part_index, num_parts)
        self.num_image = None if self.seq is None else len(self.seq)
        self._dtype = dtypes.as_dtype(dtype)
        self.provide_data = [DataDesc(data_name, (batch_size, *self.data_shape))]
        self.provide_label = [DataDesc(label_name, (batch_size, label_width) if label_width > 1 else (batch_size,))]
        self.auglist: list[Any] = self._augmenters(kwargs) if aug_list is None else list(aug_list)
        self.cur = 0
        self._kept: list[Sample] = []  # of the last batch, with roll_over
        self._ended = False
        self._source = ""  # of the sample that was read last
        self.reset()

    def _augmenters(self, kwargs: dict[str, Any]) -> list[Augmenter]:
        return CreateAugmenter(self.data_shape, **kwargs)

    def _keys(self, part_index: int, num_parts: int) -> list[Any] | None:
        """The images by key in their order; ``None`` for a record file that can only be read from its beginning."""
        if isinstance(self.imgrec, MXIndexedRecordIO):
            keys = list(self.imgrec.keys) if self.imglist is None else list(self.imglist)
        elif self.imgrec is not None:
            if self.shuffle or num_parts > 1 or self.imglist is not None:
                fix = f"path_imgidx=…; python -m hybridnet.tools.rec2idx {self.imgrec.uri} … makes an index"
                what = "shuffle, num_parts or a list of labels"
                fail(ArgumentError, type(self).__name__, expected=f"an index, for {what}", got="path_imgrec alone", fix=fix)
            return None
        else:
            keys = list(self.imglist or ())
        keys = part(keys, part_index, num_parts)
        if not keys:
            fail(ArgumentError, type(self).__name__, expected="one image or more", got=f"none in part {part_index} of {num_parts}")
        return keys

    # -- epochs ---------------------------------------------------------------------------------

    def reset(self) -> None:
        """Begin the next epoch, with ``shuffle`` in a new order."""
        if self.seq is not None and self.shuffle:
            host().shuffle(self.seq)
        self._rewind()
        self._ended = False

    def hard_reset(self) -> None:
        """Begin anew, without what ``roll_over`` has kept."""
        self._kept = []
        self.reset()

    def _rewind(self) -> None:
        self.cur = 0
        if self.seq is None and self.imgrec is not None:
            self.imgrec.reset()

    def next(self) -> DataBatch:
        if self._ended:
            raise StopIteration
        data = np.empty(self.provide_data[0].shape, np.float32)
        labels = self._empty_labels()
        count = 0
        for image, label in self._kept:
            data[count], labels[count] = image, label
            count += 1
        self._kept = []
        count = self._fill(data, labels, count)
        pad = 0
        if count < self.batch_size:
            self._ended = True
            if count == 0 or self.last_batch_handle == "discard":
                raise StopIteration
            if self.last_batch_handle == "roll_over":
                self._kept = [(data[i], labels[i]) for i in range(count)]
                raise StopIteration
            pad = self.batch_size - count
            while count < self.batch_size:
                self._rewind()
                before, count = count, self._fill(data, labels, count)
                if before == count:
                    got = "none that can be read any more"
                    fail(ArgumentError, type(self).__name__, expected="images to fill the last batch with", got=got)
        if self.label_width == 1 and labels.ndim == 2:
            labels = labels[:, 0]
        return DataBatch([array_of(data)], [array_of(labels)], pad, None)

    def _empty_labels(self) -> np.ndarray[Any, Any]:
        return np.empty((self.batch_size, self.label_width), self._dtype)

    def _fill(self, data: np.ndarray[Any, Any], labels: np.ndarray[Any, Any], start: int) -> int:
        """Write samples from number ``start`` on, until the batch is full or there are no more; how many there are then."""
        count = start
        while count < self.batch_size:
            try:
                label, encoded = self.next_sample()
            except StopIteration:
                break
            except BROKEN as error:
                self._broken(error)
                continue
            try:
                self._put(encoded, label, data[count], labels[count])
            except BROKEN as error:
                self._broken(error)
                continue
            count += 1
        return count

    def _put(self, encoded: bytes, label: Any, sample: np.ndarray[Any, Any], target: np.ndarray[Any, Any]) -> None:
        target[...] = label_of(label, self.label_width, self._source)
        image = self.imdecode(encoded)
        self.check_valid_image([image])
        self._put_image(self.augmentation_transform(image), sample)

    def _put_image(self, image: Any, sample: np.ndarray[Any, Any]) -> None:
        if type(self).postprocess_data is ImageIter.postprocess_data:
            put(pixels_of("ImageIter", image), sample, self._source)
        else:
            sample[...] = pixels_of("ImageIter", self.postprocess_data(image))

    def _broken(self, error: BaseException) -> None:
        if self.strict:
            raise error
        warnings.warn(f"{error}. Passed over, as strict=False asks", stacklevel=5)

    # -- samples --------------------------------------------------------------------------------

    def next_sample(self) -> tuple[Any, bytes]:
        """The label and the encoded image of the next sample; ``StopIteration`` where there is none."""
        if self.seq is None:
            assert self.imgrec is not None
            self._source = f"the record at byte {self.imgrec.tell()} of {self.imgrec.uri}"
            record = self.imgrec.read()
            if record is None:
                raise StopIteration
            header, encoded = unpack(record)
            return header.label, encoded
        if self.cur >= len(self.seq):
            raise StopIteration
        key = self.seq[self.cur]
        self.cur += 1
        if isinstance(self.imgrec, MXIndexedRecordIO):
            self._source = f"the record of key {key!r} of {self.imgrec.uri}"
            header, encoded = unpack(self.imgrec.read_idx(key))
            return header.label if self.imglist is None else self.imglist[key][0], encoded
        assert self.imglist is not None
        label, file = self.imglist[key]
        self._source = self._path(file)
        return label, self.read_image(file)

    def _path(self, fname: str) -> str:
        return os.path.join(self.path_root, fname) if self.path_root is not None else fname

    def read_image(self, fname: str) -> bytes:
        """The bytes of a file in ``path_root``."""
        with open(self._path(fname), "rb") as file:
            return file.read()

    def imdecode(self, s: bytes) -> Any:
        """The image (height, width, channels) in encoded bytes."""
        return new_image(pixels.decode(s, 0 if self.data_shape[0] == 1 else 1, source=self._source))

    def augmentation_transform(self, data: Any) -> Any:
        """What the augmenters make of an image."""
        return new_image(augmented(self.auglist, pixels_of("ImageIter", data)))

    def postprocess_data(self, datum: Any) -> Any:
        """The augmented image as it stands in the batch, (channels, height, width)."""
        return new_image(np.moveaxis(pixels_of("ImageIter", datum), -1, 0))

    # -- checks ---------------------------------------------------------------------------------

    def check_data_shape(self, data_shape: Sequence[int]) -> None:
        """Raise unless ``data_shape`` is (channels, height, width) with 1 or 3 channels."""
        if len(data_shape) != 3 or data_shape[0] not in (1, 3):
            expected = "a data_shape (channels, height, width) with 1 or 3 channels"
            fail(ArgumentError, type(self).__name__, expected=expected, got=str(tuple(data_shape)))

    def check_valid_image(self, data: Sequence[Any]) -> None:
        """Raise unless there is something in the image ``data[0]``."""
        if not data[0].size:
            fail(ArgumentError, type(self).__name__, expected="an image", got=f"shape {data[0].shape} from {self._source}")
