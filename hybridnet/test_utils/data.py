"""Data sets that MXNet's examples fetch by these functions: MNIST, CIFAR-10, and archives from anywhere."""

from __future__ import annotations

import bz2
import os
import shutil
import zipfile
from typing import Any

import numpy

from hybridnet.errors import FileFormatError, fail
from hybridnet.gluon.data.stored import default_root, packed_file
from hybridnet.gluon.data.vision.datasets import MNIST
from hybridnet.gluon.utils import download as fetch
from hybridnet.io import DataBatch, DataIter, MNISTIter
from hybridnet.io.idx import read_bytes, read_images

Host = numpy.ndarray[Any, Any]


def download(url: str, fname: str | None = None, dirname: str | None = None, overwrite: bool = False, retries: int = 5) -> str:
    """The path of a file with what ``url`` gives, in ``dirname``, under ``fname`` or the url's own name; fetched if it is not there yet."""
    name = fname if fname is not None else url.rstrip("/").rpartition("/")[2]
    path = name if dirname is None else os.path.join(dirname, name)
    if os.path.dirname(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
    return fetch(url, path, overwrite=overwrite, retries=retries)


def _mnist_files() -> list[tuple[str, str]]:
    """Images and labels, for training and for the test: of the current folder if they are there, else of the data sets' folder."""
    names = [file.name for pair in MNIST._files for file in pair]
    here = all(os.path.isfile(name) or os.path.isfile(name.removesuffix(".gz")) for name in names)
    root = "." if here else os.path.expanduser(default_root("mnist"))
    images = [tuple(packed_file("get_mnist", root, "mnist", file) for file in pair) for pair in MNIST._files]
    return images  # type: ignore[return-value]


def get_mnist() -> dict[str, Host]:
    """MNIST as arrays of NumPy: ``train_data`` and ``test_data`` float32 (samples, 1, 28, 28) in [0, 1], labels int8.

    The files are read from the current folder, as MXNet does, or from ``datasets/mnist`` in ``MXNET_HOME``, into which they are fetched.
    """
    result = {}
    for part, (images, labels) in zip(("train", "test"), _mnist_files(), strict=True):
        pixels, numbers = read_images("get_mnist", images, labels)
        result[f"{part}_data"] = pixels[:, None].astype(numpy.float32) / 255
        result[f"{part}_label"] = numbers.astype(numpy.int8)
    return result


def get_mnist_ubyte() -> None:
    """MNIST's four files, unpacked, in the folder ``data``."""
    os.makedirs("data", exist_ok=True)
    names = [file.name.removesuffix(".gz") for pair in MNIST._files for file in pair]
    if all(os.path.isfile(os.path.join("data", name)) for name in names):
        return
    for name, path in zip(names, [path for pair in _mnist_files() for path in pair], strict=True):
        with open(os.path.join("data", name), "wb") as file:
            file.write(read_bytes("get_mnist_ubyte", path))


def get_mnist_iterator(batch_size: int, input_shape: Any, num_parts: int = 1, part_index: int = 0) -> tuple[MNISTIter, MNISTIter]:
    """Iterators over MNIST for training and for the test, shuffled; flat if ``input_shape`` has one dimension."""
    get_mnist_ubyte()
    train, test = (
        MNISTIter(
            image=f"data/{part}-images-idx3-ubyte",
            label=f"data/{part}-labels-idx1-ubyte",
            batch_size=batch_size,
            shuffle=True,
            flat=len(input_shape) == 1,
            num_parts=num_parts,
            part_index=part_index,
        )
        for part in ("train", "t10k")
    )
    return train, test


def get_mnist_pkl() -> None:
    """MNIST as one pickled file, ``data/mnist.pkl.gz``. Unpickling a file that others have made runs what they put into it."""
    if not os.path.isfile("data/mnist.pkl.gz"):
        download("http://deeplearning.net/data/mnist/mnist.pkl.gz", dirname="data")


def get_cifar10() -> None:
    """CIFAR-10 as record files, ``data/cifar/train.rec`` and ``test.rec`` with their lists."""
    names = ("train.rec", "test.rec", "train.lst", "test.lst")
    if all(os.path.isfile(os.path.join("data", "cifar", name)) for name in names):
        return
    _unzip(download("http://data.mxnet.io/mxnet/data/cifar10.zip", dirname="data"), "data")


def get_zip_data(data_dir: str, url: str, data_origin_name: str) -> None:
    """What a zip archive holds, in ``data_dir``; fetched as ``data_dir/data_origin_name`` if it is not there yet."""
    path = os.path.join(data_dir, data_origin_name)
    _unzip(path if os.path.exists(path) else download(url, fname=data_origin_name, dirname=data_dir), data_dir)


def _unzip(path: str, folder: str) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)  # names that lead out of the folder are made to stay in it
    except (zipfile.BadZipFile, EOFError) as error:
        fail(FileFormatError, "get_zip_data", expected="a zip archive", got=f"{path}: {error}")


def get_bz2_data(data_dir: str, data_name: str, url: str, data_origin_name: str) -> None:
    """What a bz2 file holds, as ``data_dir/data_name``; unless that is there, the packed file is fetched, and removed when it has been
    unpacked. FileFormatError if it is no whole bz2 file.
    """
    target = os.path.join(data_dir, data_name)
    if os.path.exists(target):
        return
    packed = download(url, fname=data_origin_name, dirname=data_dir)
    try:
        with bz2.open(packed) as source, open(target + ".part", "wb") as file:
            shutil.copyfileobj(source, file)
    except (OSError, EOFError) as error:
        os.unlink(target + ".part")
        fail(FileFormatError, "get_bz2_data", expected="a whole bz2 file", got=f"{packed}: {error}")
    os.replace(target + ".part", target)
    os.unlink(packed)


def get_im2rec_path(home_env: str = "MXNET_HOME") -> str:
    """The path of the tool that makes record files of images, ``python -m hybridnet.tools.im2rec``. It is part of the package,
    wherever the variable ``home_env`` points.
    """
    return os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tools", "im2rec.py")


class DummyIter(DataIter):
    """The first batch of another iterator, again and again without end: for measuring how fast all else is."""

    def __init__(self, real_iter: DataIter) -> None:
        super().__init__(real_iter.batch_size)
        self.real_iter = real_iter
        self.provide_data = real_iter.provide_data
        self.provide_label = real_iter.provide_label
        self.the_batch: DataBatch = next(real_iter)

    def next(self) -> DataBatch:
        """The batch."""
        return self.the_batch


_MODELS = "http://data.mxnet.io/models/"
#: The networks that :func:`download_model` knows by itself: their files, behind that and without their ends.
_KNOWN_MODELS = {
    "imagenet1k-inception-bn": ("imagenet/inception-bn/Inception-BN", "0126"),
    **{f"imagenet1k-resnet-{n}": (f"imagenet/resnet/{n}-layers/resnet-{n}", "0000") for n in (18, 34, 50, 101, 152)},
    "imagenet1k-resnext-50": ("imagenet/resnext/50-layers/resnext-50", "0000"),
    "imagenet1k-resnext-101": ("imagenet/resnext/101-layers/resnext-101", "0000"),
    "imagenet1k-resnext-101-64x4d": ("imagenet/resnext/101-layers/resnext-101-64x4d", "0000"),
    "imagenet11k-resnet-152": ("imagenet-11k/resnet-152/resnet-152", "0000"),
    "imagenet11k-place365ch-resnet-152": ("imagenet-11k-place365-ch/resnet-152", "0000"),
    "imagenet11k-place365ch-resnet-50": ("imagenet-11k-place365-ch/resnet-50", "0000"),
}


def download_model(model_name: str, dst_dir: str = "./", meta_info: dict[str, dict[str, str]] | None = None) -> tuple[str | None, int]:
    """Fetch a network's ``-symbol.json`` and ``-0000.params``: the prefix of the files, for ``model.load_checkpoint``, and their epoch, 0.

    ``meta_info``: by name a dict of the urls ``symbol`` and ``params``; without it those of MXNet's site. ``(None, 0)`` for a name that is
    not there.
    """
    known = {
        n: {"symbol": f"{_MODELS}{f}-symbol.json", "params": f"{_MODELS}{f}-{epoch}.params"} for n, (f, epoch) in _KNOWN_MODELS.items()
    }
    found = (known if meta_info is None else meta_info).get(model_name)
    if found is None:
        return None, 0
    prefix = os.path.join(dst_dir, model_name)
    download(found["symbol"], f"{prefix}-symbol.json")
    download(found["params"], f"{prefix}-0000.params")
    return prefix, 0
