"""``ImageDetIter``: batches of images with boxes.

The label of a sample, in a record or a list, is a flat row of numbers: how many numbers are its head (2 or more), how many an
object has (5 or more), what else is in the head; then the objects, class, left, top, right, bottom and more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hybridnet.errors import ArgumentError, FileFormatError, fail
from hybridnet.image.arrays import new_image, pixels_of
from hybridnet.image.boxes import Labels
from hybridnet.image.colours import MEAN as _MEAN
from hybridnet.image.colours import STD as _STD
from hybridnet.image.det_augment import CreateDetAugmenter, augmented_with_boxes
from hybridnet.image.iterator import ImageIter
from hybridnet.image.samples import BROKEN
from hybridnet.io.base import DataDesc
from hybridnet.opencv import opencv


class ImageDetIter(ImageIter):
    """As ``ImageIter``, with labels float32 (batch, objects, numbers an object): as many objects as the sample with the most has.

    Rows of objects that a sample does not have are -1. All further arguments go to ``CreateDetAugmenter``. Making one reads all labels.
    """

    def __init__(
        self,
        batch_size: int,
        data_shape: Sequence[int],
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
        label_name: str = "label",
        last_batch_handle: str = "pad",
        strict: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            batch_size=batch_size,
            data_shape=data_shape,
            path_imgrec=path_imgrec,
            path_imglist=path_imglist,
            path_root=path_root,
            path_imgidx=path_imgidx,
            shuffle=shuffle,
            part_index=part_index,
            num_parts=num_parts,
            aug_list=aug_list,
            imglist=imglist,
            data_name=data_name,
            label_name=label_name,
            last_batch_handle=last_batch_handle,
            strict=strict,
            **kwargs,
        )
        self.label_shape = self._estimate_label_shape()
        self._describe_label()

    def _augmenters(self, kwargs: dict[str, Any]) -> list[Any]:
        return list[Any](CreateDetAugmenter(self.data_shape, **kwargs))

    def _describe_label(self) -> None:
        self.provide_label = [DataDesc(self.provide_label[0].name, (self.batch_size, *self.label_shape))]

    # -- labels ---------------------------------------------------------------------------------

    def _estimate_label_shape(self) -> tuple[int, int]:
        """The most objects that a sample has, and the numbers of an object."""
        objects = width = 0
        while True:
            try:
                label, _ = self.next_sample()
                found = self._parse_label(label)
            except StopIteration:
                break
            except BROKEN as error:
                self._broken(error)
                continue
            objects, width = max(objects, found.shape[0]), max(width, found.shape[1])
        if not objects:
            fail(ArgumentError, "ImageDetIter", expected="one image with an object or more", got="none")
        self.reset()
        return objects, width

    def _parse_label(self, label: Any) -> Labels:
        """The objects of a label, those without width or height left out."""
        try:
            raw = np.asarray(label, np.float32).ravel()
        except (ValueError, TypeError) as error:
            raw = fail(FileFormatError, "label", expected="a label of numbers", got=f"{label!r} of {self._source} ({error})")
        known = raw.size >= 7 and np.isfinite(raw[:2]).all()
        head, width = (int(raw[0]), int(raw[1])) if known else (0, 0)
        if head < 2 or width < 5 or (raw.size - head) % width:
            expected = "a label (numbers of its head ≥ 2, numbers of an object ≥ 5, …, objects)"
            fail(FileFormatError, "label", expected=expected, got=f"{raw.size} numbers of {self._source}: {raw[:8].tolist()}")
        objects = raw[head:].reshape(-1, width)
        objects = objects[(objects[:, 3] > objects[:, 1]) & (objects[:, 4] > objects[:, 2])]
        if not len(objects):
            fail(FileFormatError, "label", expected="an object with a width and a height", got=f"none, in {self._source}")
        return objects

    def check_label_shape(self, label_shape: Sequence[int]) -> None:
        """Raise unless labels of ``label_shape`` (objects, numbers an object) hold all that there are."""
        if len(label_shape) != 2 or label_shape[0] < self.label_shape[0] or label_shape[1] != self.label_shape[1]:
            expected = f"a label_shape of {self.label_shape[0]} objects or more, of {self.label_shape[1]} numbers each"
            fail(ArgumentError, "ImageDetIter", expected=expected, got=str(tuple(label_shape)))

    def reshape(self, data_shape: Sequence[int] | None = None, label_shape: Sequence[int] | None = None) -> None:
        """Another ``data_shape`` (channels, height, width), for which the augmenters must provide, or more objects a sample."""
        if data_shape is not None:
            self.check_data_shape(data_shape)
            self.data_shape = tuple(data_shape)
            self.provide_data = [DataDesc(self.provide_data[0].name, (self.batch_size, *self.data_shape))]
        if label_shape is not None:
            self.check_label_shape(label_shape)
            self.label_shape = (label_shape[0], label_shape[1])
            self._describe_label()

    def sync_label_shape(self, it: ImageDetIter, verbose: bool = False) -> ImageDetIter:
        """Give this iterator and another one labels of one shape, that of the one with more objects; gives the other one."""
        shape = max(self.label_shape, it.label_shape)
        for one in (self, it):
            if one.label_shape != shape:
                if verbose:
                    print(f"labels of {one.provide_label[0].name}: {one.label_shape} becomes {shape}")
                one.reshape(label_shape=shape)
        return it

    # -- samples --------------------------------------------------------------------------------

    def _empty_labels(self) -> Labels:
        return np.full((self.batch_size, *self.label_shape), -1, np.float32)

    def _put(self, encoded: bytes, label: Any, sample: np.ndarray[Any, Any], target: Labels) -> None:
        objects = self._parse_label(label)
        image = self.imdecode(encoded)
        self.check_valid_image([image])
        image, objects = self.augmentation_transform(image, objects)
        self._put_image(image, sample)
        target[...] = -1
        target[: len(objects)] = objects[: len(target)]

    def augmentation_transform(self, data: Any, label: Any = None) -> Any:  # type: ignore[override]
        """What the augmenters make of an image and its boxes."""
        image, label = augmented_with_boxes(self.auglist, pixels_of("ImageDetIter", data), label)
        return new_image(image), label

    def draw_next(
        self,
        color: Any = None,
        thickness: int = 2,
        mean: Any = None,
        std: Any = None,
        clip: bool = True,
        waitKey: int | None = None,
        window_name: str = "draw_next",
        id2labels: Any = None,
    ) -> Iterator[Any]:
        """The augmented images one by one, uint8 (height, width, 3), with their boxes drawn in ``color``, by default one a class.

        ``mean``, ``std``: what images were normalized with (``True`` for ImageNet's), undone here. ``waitKey``: show each in a window
        for so many milliseconds, where OpenCV has windows. ``id2labels``: class number to a name that is written beside the box.
        """
        cv2 = opencv()
        mean, std = (usual if value is True else value for value, usual in ((mean, _MEAN), (std, _STD)))
        while True:
            try:
                label, encoded = self.next_sample()
            except StopIteration:
                return
            image, objects = self.augmentation_transform(self.imdecode(encoded), self._parse_label(label))
            picture = pixels_of("draw_next", image) * (1.0 if std is None else std) + (0.0 if mean is None else mean)
            drawn = np.ascontiguousarray(np.clip(picture, 0, 255) if clip else picture).astype(np.uint8)
            height, width = drawn.shape[:2]
            for row in objects:
                shade = color or tuple(int(v) for v in np.random.default_rng(int(row[0])).integers(64, 256, 3))
                left, top, right, bottom = (int(v) for v in row[1:5] * (width, height, width, height))
                cv2.rectangle(drawn, (left, top), (right, bottom), shade, thickness)
                if id2labels is not None:
                    cv2.putText(drawn, str(id2labels[int(row[0])]), (left + 5, top + 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, shade, 2)
            if waitKey is not None:
                cv2.imshow(window_name, drawn[..., ::-1])
                cv2.waitKey(waitKey)
            yield drawn
