"""Data sets of images: MNIST and its like from their files, folders, lists and record files of images.

A sample is ``(image, label)``; an image is a uint8 array (height, width, channels), on the CPU. ``transform(image, label)``, where there
is one, makes the sample of them.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy

from hybridnet import absent
from hybridnet.errors import ArgumentError, FileFormatError, fail
from hybridnet.gluon.data.dataset import Dataset, RecordFileDataset
from hybridnet.gluon.data.stored import Stored, archived_files, default_root, packed_file
from hybridnet.image import imdecode, imread
from hybridnet.image.sources import listed, read_list
from hybridnet.io.base import array_of
from hybridnet.io.idx import read_images
from hybridnet.recordio import unpack

Transform = Callable[[Any, Any], Any]


class _StoredDataset(Dataset):
    """Images and labels that are in memory as a whole: ``[i]`` may be a slice as well.

    A subclass gives ``_get_data``, which fills ``_data`` and ``_label``.
    """

    _data: Any
    _label: Any

    def __init__(self, root: str | os.PathLike[str], train: bool, transform: Transform | None) -> None:
        self._root = os.path.expanduser(os.fspath(root))
        self._train = bool(train)
        self._transform = transform
        self._get_data()

    def _get_data(self) -> None:
        raise NotImplementedError(f"{type(self).__name__}._get_data")

    def __getitem__(self, idx: Any) -> Any:
        image, label = self._data[idx], self._label[idx]
        return (image, label) if self._transform is None else self._transform(image, label)

    def __len__(self) -> int:
        return len(self._label)


class MNIST(_StoredDataset):
    """Handwritten digits, http://yann.lecun.com/exdb/mnist: 60000 images to train with, or 10000 to test with.

    Images are (28, 28, 1), labels int32. ``root`` holds ``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte`` (``t10k-`` for the
    test), packed by gzip (``.gz``) or not; files that are there are taken as they are, others are downloaded.
    """

    _namespace: ClassVar[str] = "mnist"
    #: For training, then for the test: images and labels.
    _files: ClassVar[tuple[tuple[Stored, Stored], ...]] = (
        (
            Stored("train-images-idx3-ubyte.gz", "6c95f4b05d2bf285e1bfb0e7960c31bd3b3f8a7d"),
            Stored("train-labels-idx1-ubyte.gz", "2a80914081dc54586dbdf242f9805a6b8d2a15fc"),
        ),
        (
            Stored("t10k-images-idx3-ubyte.gz", "c3a25af1f52dad7f726cce8cacb138654b760d48"),
            Stored("t10k-labels-idx1-ubyte.gz", "763e7fa3757d93b0cdec073cef058b2004252c17"),
        ),
    )

    def __init__(
        self, root: str | os.PathLike[str] = default_root("mnist"), train: bool = True, transform: Transform | None = None
    ) -> None:
        super().__init__(root, train, transform)

    def _get_data(self) -> None:
        op = type(self).__name__
        paths = [packed_file(op, self._root, self._namespace, file) for file in self._files[not self._train]]
        images, labels = read_images(op, *paths)
        self._data = array_of(images[..., None])
        self._label = labels.astype(numpy.int32)


class FashionMNIST(MNIST):
    """Images of clothes, https://github.com/zalandoresearch/fashion-mnist, in files of MNIST's names and shapes."""

    _namespace = "fashion-mnist"
    _files = (
        (
            Stored("train-images-idx3-ubyte.gz", "0cf37b0d40ed5169c6b3aba31069a9770ac9043d"),
            Stored("train-labels-idx1-ubyte.gz", "236021d52f1e40852b06a4c3008d8de8aef1e40b"),
        ),
        (
            Stored("t10k-images-idx3-ubyte.gz", "626ed6a7c06dd17c0eec72fa3be1740f146a2863"),
            Stored("t10k-labels-idx1-ubyte.gz", "17f9ab60e7257a1620f4ad76bbbaf857c3920701"),
        ),
    )

    def __init__(
        self, root: str | os.PathLike[str] = default_root("fashion-mnist"), train: bool = True, transform: Transform | None = None
    ) -> None:
        super().__init__(root, train, transform)


class CIFAR10(_StoredDataset):
    """Small images of 10 classes, https://www.cs.toronto.edu/~kriz/cifar.html: 50000 to train with, or 10000 to test with.

    Images are (32, 32, 3), labels int32. ``root`` holds ``data_batch_1.bin`` … ``data_batch_5.bin`` (``test_batch.bin`` for the test), in
    it or in a folder of it, or the archive ``cifar-10-binary.tar.gz``; what is there is taken as it is, else the archive is downloaded.
    """

    _namespace: ClassVar[str] = "cifar10"
    _archive: ClassVar[Stored] = Stored("cifar-10-binary.tar.gz", "fab780a1e191a7eda0f345501ccd62d20f7ed891")
    _names: ClassVar[tuple[tuple[str, ...], ...]] = (tuple(f"data_batch_{i}.bin" for i in range(1, 6)), ("test_batch.bin",))
    #: Bytes of labels that an image has before it, and which of them is the label.
    _labels: ClassVar[int] = 1
    _which = 0

    def __init__(
        self, root: str | os.PathLike[str] = default_root("cifar10"), train: bool = True, transform: Transform | None = None
    ) -> None:
        super().__init__(root, train, transform)

    def _get_data(self) -> None:
        op = type(self).__name__
        files = archived_files(op, self._root, self._namespace, self._archive, self._names[not self._train])
        records = numpy.concatenate([self._records(op, path, data) for path, data in files])
        images = records[:, self._labels :].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        self._data = array_of(numpy.ascontiguousarray(images))
        self._label = records[:, self._which].astype(numpy.int32)

    def _records(self, op: str, path: str, data: bytes) -> numpy.ndarray[Any, Any]:
        size = self._labels + 3 * 32 * 32
        if not data or len(data) % size:
            got = f"{len(data)} bytes ({len(data) // size} images and {len(data) % size} bytes) in {path}"
            fail(FileFormatError, op, expected=f"images of {size} bytes, {self._labels} of them labels", got=got)
        return numpy.frombuffer(data, numpy.uint8).reshape(-1, size)


class CIFAR100(CIFAR10):
    """Small images of 100 classes (``fine_label=True``), or of the 20 groups that they make (``False``), as :class:`CIFAR10`.

    ``root`` holds ``train.bin`` (``test.bin``), in it or in a folder of it, or the archive ``cifar-100-binary.tar.gz``.
    """

    _namespace = "cifar100"
    _archive = Stored("cifar-100-binary.tar.gz", "a0bb982c76b83111308126cc779a992fa506b90b")
    _names = (("train.bin",), ("test.bin",))
    _labels = 2

    def __init__(
        self,
        root: str | os.PathLike[str] = default_root("cifar100"),
        fine_label: bool = False,
        train: bool = True,
        transform: Transform | None = None,
    ) -> None:
        self._which = int(bool(fine_label))
        super().__init__(root, train, transform)


class ImageRecordDataset(RecordFileDataset):
    """The images of a record file, with the labels in it: a number, or an array of several. Its ``.idx`` file lies beside it.

    ``flag``: 1 for three channels, 0 for one.
    """

    def __init__(self, filename: str | os.PathLike[str], flag: int = 1, transform: Transform | None = None) -> None:
        super().__init__(filename)
        self._flag = flag
        self._transform = transform

    def __getitem__(self, idx: int) -> Any:
        header, encoded = unpack(super().__getitem__(idx))
        image = imdecode(encoded, self._flag)
        return (image, header.label) if self._transform is None else self._transform(image, header.label)


class ImageFolderDataset(Dataset):
    """The images in the folders of a folder, each of which is a class: ``root/cat/1.jpg``. Labels are ints, in order of the names.

    ``flag``: 1 for three channels, 0 for one. ``synsets``: the names of the classes; ``items``: ``(file, label)`` of each image. What is
    no folder, and no ``.jpg``, ``.jpeg`` or ``.png``, is left out with a warning.
    """

    def __init__(self, root: str | os.PathLike[str], flag: int = 1, transform: Transform | None = None) -> None:
        self._root = os.path.expanduser(os.fspath(root))
        self._flag = flag
        self._transform = transform
        self._exts = [".jpg", ".jpeg", ".png"]
        self._list_images(self._root)

    def _list_images(self, root: str) -> None:
        self.synsets: list[str] = []
        self.items: list[tuple[str, int]] = []
        if not os.path.isdir(root):
            fail(FileFormatError, type(self).__name__, expected="a folder of folders of images", got=f"{root!r}, which is none")
        for name in sorted(os.listdir(root)):
            folder = os.path.join(root, name)
            if not os.path.isdir(folder):
                warnings.warn(f"Ignoring {folder}, which is not a directory.", stacklevel=3)
                continue
            for file in sorted(os.listdir(folder)):
                path, kind = os.path.join(folder, file), os.path.splitext(file)[1]
                if kind.lower() in self._exts:
                    self.items.append((path, len(self.synsets)))
                else:
                    warnings.warn(f"Ignoring {path} of type {kind}. Only support {', '.join(self._exts)}", stacklevel=3)
            self.synsets.append(name)

    def __getitem__(self, idx: int) -> Any:
        path, label = self.items[idx]
        image = imread(path, self._flag)
        return (image, label) if self._transform is None else self._transform(image, label)

    def __len__(self) -> int:
        return len(self.items)


class ImageListDataset(Dataset):
    """The images of a list, with float32 labels (an array, of one number or several).

    ``imglist``: a ``.lst`` file in ``root`` (number, labels and file in each line, with tabs between), or a list of
    ``[label, file]``; files lie in ``root``. ``flag``: 1 for three channels, 0 for one.
    """

    def __init__(
        self, root: str | os.PathLike[str] = ".", imglist: str | os.PathLike[str] | Sequence[Any] | None = None, flag: int = 1
    ) -> None:
        self._root = os.path.expanduser(os.fspath(root))
        self._flag = flag
        if imglist is None:
            fail(ArgumentError, "ImageListDataset", expected="an imglist: a file, or a list of [label, file]", got="None")
        if isinstance(imglist, (str, os.PathLike)):
            found = read_list(os.path.join(self._root, os.fspath(imglist)))
        else:
            found = listed(imglist)
        self.items = [(os.path.join(self._root, file), numpy.array(label, numpy.float32, ndmin=1)) for label, file in found.values()]

    def __getitem__(self, idx: int) -> Any:
        path, label = self.items[idx]
        return imread(path, self._flag), label

    def __len__(self) -> int:
        return len(self.items)


if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
