"""``gluon.data.vision``: data sets of images from small files of their formats, with what MXNet 1.9.1 gives for those."""

import gzip
import hashlib
import io
import struct
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

import hybridnet as hn
from hybridnet import nd
from hybridnet.config import config
from hybridnet.errors import ArgumentError, FileFormatError, HybridnetError
from hybridnet.gluon.data import stored, vision
from hybridnet.gluon.utils import DownloadError
from hybridnet.opencv import opencv

IMAGES = numpy.random.RandomState(0).randint(0, 256, (6, 28, 28)).astype(numpy.uint8)
LABELS = numpy.arange(6, dtype=numpy.uint8)
SMALL = numpy.random.RandomState(1).randint(0, 256, (20, 3, 32, 32)).astype(numpy.uint8)


def idx(x: numpy.ndarray[Any, Any]) -> bytes:
    return struct.pack(f">2xBB{x.ndim}I", 8, x.ndim, *x.shape) + x.tobytes()


def records(images: numpy.ndarray[Any, Any], *labels: Any) -> bytes:
    return b"".join(bytes([label[i] for label in labels]) + image.tobytes() for i, image in enumerate(images))


@pytest.fixture(name="no_network", autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(config, "repository", "http://127.0.0.1:9/")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield


@pytest.fixture(name="mnist")
def _mnist(tmp_path: Path) -> Path:
    for name, images, labels in (("train", IMAGES, LABELS), ("t10k", IMAGES[:2], LABELS[:2])):
        (tmp_path / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (tmp_path / f"{name}-labels-idx1-ubyte").write_bytes(idx(labels))  # one packed, one not
    return tmp_path


class TestMNIST:
    @pytest.mark.parametrize("kind", [vision.MNIST, vision.FashionMNIST])
    def test_samples(self, mnist: Path, kind: type[vision.MNIST]) -> None:
        data = kind(mnist)
        image, label = data[1]
        assert (len(data), len(kind(mnist, train=False))) == (6, 2)
        assert (image.shape, image.dtype, label, label.dtype) == ((28, 28, 1), numpy.uint8, 1, numpy.int32)
        assert (image.asnumpy()[..., 0] == IMAGES[1]).all() and (data[-1][0].asnumpy()[..., 0] == IMAGES[5]).all()
        images, labels = data[2:5]
        assert images.shape == (3, 28, 28, 1) and labels.tolist() == [2, 3, 4]
        with pytest.raises(IndexError):
            data[6]

    def test_the_class_follows_the_rules(self, mnist: Path) -> None:
        assert type(vision.MNIST(str(mnist))[0][0]) is hn.np.ndarray
        with hn.util.np_array(False):
            assert type(vision.MNIST(mnist)[0][0]) is nd.NDArray

    def test_transforms(self, mnist: Path) -> None:
        data = vision.MNIST(mnist, transform=lambda image, label: (image.astype("float32") / 255, label + 1))
        assert data[0][0].dtype == numpy.float32 and data[0][1] == 1
        first = vision.MNIST(mnist).transform_first(lambda image: image.shape)
        assert first[3] == ((28, 28, 1), 3)

    def test_without_files_and_network_it_says_what_to_put_where(self, tmp_path: Path) -> None:
        root = tmp_path / "new"
        with pytest.raises(
            DownloadError, match=rf"\[FashionMNIST\] expected train-images-idx3-ubyte.gz in {root}.*try putting .* into {root}"
        ):
            vision.FashionMNIST(root)

    def test_files_are_fetched_from_the_repository(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        source = tmp_path / "gluon" / "dataset" / "mnist"
        source.mkdir(parents=True)
        files = []
        for name, x in (("train-images-idx3-ubyte.gz", IMAGES), ("train-labels-idx1-ubyte.gz", LABELS)):
            (source / name).write_bytes(gzip.compress(idx(x)))
            files.append(stored.Stored(name, hashlib.sha1((source / name).read_bytes()).hexdigest()))
        monkeypatch.setattr(config, "repository", tmp_path.as_uri())
        monkeypatch.setattr(vision.MNIST, "_files", (tuple(files),))
        assert len(vision.MNIST(tmp_path / "root")) == 6
        assert sorted(p.name for p in (tmp_path / "root").iterdir()) == [file.name for file in files]

    def test_a_broken_file_is_named(self, mnist: Path) -> None:
        (mnist / "train-labels-idx1-ubyte").write_bytes(idx(LABELS)[:-1])
        with pytest.raises(FileFormatError, match=r"\[MNIST\] expected 6 bytes of elements.*got 5 in .*train-labels-idx1-ubyte"):
            vision.MNIST(mnist)


class TestCIFAR:
    def write(self, root: Path, where: str) -> None:
        """The training files in a folder, in one below it, or in an archive."""
        files = {f"data_batch_{i + 1}.bin": records(SMALL[4 * i : 4 * i + 4], range(4)) for i in range(5)}
        if where == "archive":
            with tarfile.open(root / "cifar-10-binary.tar.gz", "w:gz") as tar:
                for name, data in {"readme.html": b"x", **files}.items():
                    info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
            return
        (root / where).mkdir(exist_ok=True)
        for name, data in files.items():
            (root / where / name).write_bytes(data)

    @pytest.mark.parametrize("where", ["", "cifar-10-batches-bin", "archive"])
    def test_samples(self, tmp_path: Path, where: str) -> None:
        self.write(tmp_path, where)
        data = vision.CIFAR10(tmp_path)
        assert len(data) == 20 and data[6][0].shape == (32, 32, 3) and data[6][0].dtype == numpy.uint8
        assert (data[6][0].asnumpy() == SMALL[6].transpose(1, 2, 0)).all()
        assert [int(data[i][1]) for i in range(8)] == [0, 1, 2, 3] * 2 and data[0][1].dtype == numpy.int32

    def test_classes_and_their_groups(self, tmp_path: Path) -> None:
        (tmp_path / "train.bin").write_bytes(records(SMALL, range(20), range(50, 70)))
        (tmp_path / "test.bin").write_bytes(records(SMALL[:3], range(3), range(3)))
        assert [int(vision.CIFAR100(tmp_path, fine_label=fine)[2][1]) for fine in (False, True)] == [2, 52]
        assert (vision.CIFAR100(tmp_path)[1][0].asnumpy() == SMALL[1].transpose(1, 2, 0)).all()
        assert len(vision.CIFAR100(tmp_path, train=False)) == 3

    def test_broken_files_are_named(self, tmp_path: Path) -> None:
        self.write(tmp_path, "archive")
        archive = tmp_path / "cifar-10-binary.tar.gz"
        whole = archive.read_bytes()
        archive.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(FileFormatError, match=r"\[CIFAR10\] expected a whole archive; got .*cifar-10-binary.tar.gz"):
            vision.CIFAR10(tmp_path)
        archive.write_bytes(whole)
        with pytest.raises(FileFormatError, match=r"expected test_batch.bin in .*cifar-10-binary.tar.gz; got no test_batch.bin"):
            vision.CIFAR10(tmp_path, train=False)
        (tmp_path / "test.bin").write_bytes(records(SMALL, range(20), range(20))[:-5])
        with pytest.raises(
            FileFormatError, match=r"images of 3074 bytes, 2 of them labels; got 61475 bytes \(19 images and 3069 bytes\) in .*test.bin"
        ):
            vision.CIFAR100(tmp_path, train=False)
        with pytest.raises(DownloadError, match=rf"cifar-10-binary.tar.gz in {tmp_path / 'nowhere'}"):
            vision.CIFAR10(tmp_path / "nowhere")


def image(seed: int) -> numpy.ndarray[Any, Any]:
    return numpy.random.RandomState(seed).randint(0, 256, (4, 5, 3)).astype(numpy.uint8)


def png(pixels: numpy.ndarray[Any, Any]) -> bytes:
    """Encoded, red first."""
    return opencv().imencode(".png", pixels[..., ::-1])[1].tobytes()


class TestImageFiles:
    @pytest.fixture(name="folder")
    def _folder(self, tmp_path: Path) -> Path:
        for number, name in enumerate(("dog/2.png", "dog/1.PNG", "cat/x.png")):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(png(image(number)))
        return tmp_path

    def test_folders_are_classes(self, folder: Path) -> None:
        data = vision.ImageFolderDataset(folder)
        assert data.synsets == ["cat", "dog"] and [Path(path).name for path, _ in data.items] == ["x.png", "1.PNG", "2.png"]
        pixels, label = data[1]
        assert (pixels.asnumpy() == image(1)).all() and (label, type(label), len(data)) == (1, int, 3)
        assert vision.ImageFolderDataset(folder, flag=0)[0][0].shape == (4, 5, 1)
        assert vision.ImageFolderDataset(folder, transform=lambda x, y: (x.shape, y))[2] == ((4, 5, 3), 1)
        loader = hn.gluon.data.DataLoader(data.transform_first(vision.transforms.ToTensor()), 3)
        assert next(iter(loader))[0].shape == (3, 3, 4, 5)

    def test_other_files_are_left_out_with_a_warning(self, folder: Path) -> None:
        (folder / "cat" / "notes.txt").write_text("x")
        (folder / "list.txt").write_text("x")
        with pytest.warns(UserWarning) as caught:
            assert len(vision.ImageFolderDataset(folder)) == 3
        assert [str(w.message)[:9] for w in caught] == ["Ignoring "] * 2 and "Only support .jpg, .jpeg, .png" in str(caught[0].message)
        with pytest.raises(FileFormatError, match=r"a folder of folders of images; got .*nowhere', which is none"):
            vision.ImageFolderDataset(folder / "nowhere")

    def test_lists(self, folder: Path) -> None:
        (folder / "l.lst").write_text("7\t1.5\tcat/x.png\n9\t2\tdog/2.png\n")
        for data in (
            vision.ImageListDataset(folder, "l.lst"),
            vision.ImageListDataset(folder, [[1.5, "cat/x.png"], [2, "dog/2.png"]]),
        ):
            pixels, label = data[0]
            assert (pixels.asnumpy() == image(2)).all() and label.tolist() == [1.5] and label.dtype == numpy.float32 and len(data) == 2
        assert vision.ImageListDataset(folder, [[1, 2, "cat/x.png"]])[0][1].tolist() == [1, 2]
        with pytest.raises(ArgumentError, match="an imglist"):
            vision.ImageListDataset(folder)

    def test_records(self, tmp_path: Path) -> None:
        with hn.recordio.MXIndexedRecordIO(tmp_path / "x.idx", tmp_path / "x.rec", "w") as file:
            for i, label in enumerate((3.0, [1.0, 2.0])):
                file.write_idx(i, hn.recordio.pack((0, label, i, 0), png(image(i))))  # type: ignore[attr-defined]
        data = vision.ImageRecordDataset(tmp_path / "x.rec")
        assert len(data) == 2 and data[0][1] == 3 and data[1][1].tolist() == [1, 2]
        assert (data[1][0].asnumpy() == image(1)).all()
        assert vision.ImageRecordDataset(tmp_path / "x.rec", 0, lambda x, y: (x.shape, y))[0] == ((4, 5, 1), 3)


@pytest.mark.slow
def test_mutated_files_give_an_error_or_images(tmp_path: Path, mnist: Path) -> None:
    """Bytes changed and cut at random: an error of ours or whole images, never another one."""
    rng = numpy.random.RandomState(0)
    TestCIFAR().write(tmp_path, "archive")
    targets = [tmp_path / "cifar-10-binary.tar.gz", mnist / "train-images-idx3-ubyte.gz", mnist / "train-labels-idx1-ubyte"]
    outcomes = {"error": 0, "images": 0}
    until = time.monotonic() + 10
    while time.monotonic() < until:
        target = targets[rng.randint(3)]
        whole = target.read_bytes()
        mutated = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            at = int(len(mutated) * rng.rand() ** 3)  # mostly near the beginning
            mutated[at : at + rng.randint(3)] = rng.bytes(rng.randint(3))
        target.write_bytes(bytes(mutated[: rng.randint(len(mutated))] if rng.rand() < 0.2 else mutated))
        try:
            data: Any = vision.CIFAR10(tmp_path) if target is targets[0] else vision.MNIST(mnist)
            assert data[len(data) - 1][0].shape in ((32, 32, 3), data[0][0].shape)
            outcomes["images"] += 1
        except HybridnetError as error:
            assert "cifar-10" in str(error) or "train-" in str(error)
            outcomes["error"] += 1
        target.write_bytes(whole)
    assert min(outcomes.values()) > 10, outcomes
