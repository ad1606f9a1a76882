"""Epochs over images in a record file, or in files, decoded, resized and cut; prints JSON. The peer's side of images.py.

    python image_loading.py hybridnet ImageRecordIter FOLDER --seconds 1

The folder is what ``python image_loading.py write FOLDER`` (hybridnet's Python) makes. Every reader gives batches of 32 images
3×224×224 float32: decoded, the shorter side resized to 256, a window at a random place, mirrored half of the time, normalized.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

BATCH, THREADS = 32, 2
COUNT, SIDES = 256, (500, 375)  # photographs as ImageNet's are, nearly
MEAN, STD = (123.68, 116.28, 103.53), (58.395, 57.12, 57.375)
Epochs = Callable[[], Iterable[Any]]  # each call an epoch of batches (data, label)


def write(folder: Path) -> None:
    """``a.rec`` and ``a.idx``, and the same images as ``0.jpg`` …: smooth shapes with grain, which compress as photographs do."""
    import cv2

    from hybridnet.recordio import IRHeader, MXIndexedRecordIO, pack

    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(0)
    with MXIndexedRecordIO(folder / "a.idx", folder / "a.rec", "w") as records:
        for number in range(COUNT):
            shapes = cv2.resize(draw.integers(0, 256, (12, 16, 3), dtype=np.uint8), SIDES, interpolation=cv2.INTER_CUBIC)
            picture = np.clip(shapes + draw.normal(0, 12, shapes.shape), 0, 255).astype(np.uint8)
            encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
            records.write_idx(number, pack(IRHeader(0, number % 10, number, 0), encoded))
            (folder / f"{number}.jpg").write_bytes(encoded)


def _iterator(it: Any) -> Epochs:
    """Epochs of an iterator of MXNet's kind; each batch is waited for."""

    def epoch() -> Iterable[Any]:
        it.reset()
        for batch in it:
            batch.data[0].wait_to_read()
            yield batch.data[0], batch.label[0]

    return epoch


def _record_iter(io: Any, folder: Path) -> Epochs:
    arguments = dict(zip((f"{kind}_{c}" for kind in ("mean", "std") for c in "rgb"), (*MEAN, *STD), strict=True))
    it = io.ImageRecordIter(
        path_imgrec=str(folder / "a.rec"), data_shape=(3, 224, 224), batch_size=BATCH, resize=256, rand_crop=True, rand_mirror=True,
        preprocess_threads=THREADS, **arguments,
    )  # fmt: skip
    return _iterator(it)


def _image_iter(image: Any, folder: Path) -> Epochs:
    it = image.ImageIter(
        BATCH, (3, 224, 224), path_imgrec=str(folder / "a.rec"), path_imgidx=str(folder / "a.idx"), resize=256, rand_crop=True,
        rand_mirror=True, mean=True, std=True, inter_method=1,
    )  # fmt: skip
    return _iterator(it)


def hybridnet(reader: str, folder: Path) -> tuple[Epochs, str]:
    import hybridnet as hn
    from hybridnet.gluon import data
    from hybridnet.gluon.data.vision import ImageRecordDataset, transforms

    if reader != "DataLoader":
        make = _record_iter if reader == "ImageRecordIter" else _image_iter
        return make(hn.io if reader == "ImageRecordIter" else hn.image, folder), hn.__version__
    chain = transforms.Compose([
        transforms.Resize(256, keep_ratio=True), transforms.RandomCrop(224), transforms.RandomFlipLeftRight(), transforms.ToTensor(),
        transforms.Normalize(np.divide(MEAN, 255), np.divide(STD, 255)),
    ])  # fmt: skip
    dataset = ImageRecordDataset(str(folder / "a.rec")).transform_first(chain)
    loader = data.DataLoader(dataset, BATCH, shuffle=True, num_workers=THREADS)
    return lambda: loader, hn.__version__


def mxnet(reader: str, folder: Path) -> tuple[Epochs, str]:
    import mxnet as mx

    make = _record_iter if reader == "ImageRecordIter" else _image_iter
    return make(mx.io if reader == "ImageRecordIter" else mx.image, folder), mx.__version__


def torch(reader: str, folder: Path) -> tuple[Epochs, str]:
    import torchvision
    from torch.utils.data import DataLoader

    loader = DataLoader(Files(folder), BATCH, shuffle=True, num_workers=THREADS, persistent_workers=True)
    return lambda: loader, torchvision.__version__


class Files:
    """The image files as torchvision's users read them: by Pillow."""

    def __init__(self, folder: Path) -> None:
        from torchvision import transforms

        self.folder = folder
        self.chain = transforms.Compose([
            transforms.Resize(256), transforms.RandomCrop(224), transforms.RandomHorizontalFlip(), transforms.ToTensor(),
            transforms.Normalize([m / 255 for m in MEAN], [s / 255 for s in STD]),
        ])  # fmt: skip

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, i: int) -> Any:
        from PIL import Image

        return self.chain(Image.open(self.folder / f"{i}.jpg").convert("RGB")), i % 10


#: Peer -> (how it is made, its readers).
PEERS: dict[str, tuple[Callable[[str, Path], tuple[Epochs, str]], tuple[str, ...]]] = {
    "hybridnet": (hybridnet, ("ImageRecordIter", "DataLoader", "ImageIter")),
    "mxnet": (mxnet, ("ImageRecordIter", "ImageIter")),
    "torch": (torch, ("DataLoader",)),
}


def images_of(epoch: Iterable[Any]) -> int:
    """How many images an epoch has, each batch gone through."""
    count = 0
    for data, _ in epoch:
        assert tuple(data.shape[1:]) == (3, 224, 224), data.shape
        count += len(data)
    return count


def timed(epochs: Epochs, seconds: float) -> list[float]:
    """Images a second of each epoch, of at least two, after a first one that starts workers; before them the seconds of that one."""
    begin = time.perf_counter()
    assert images_of(epochs()) >= COUNT
    found = [time.perf_counter() - begin]
    end = time.perf_counter() + seconds
    while len(found) < 3 or time.perf_counter() < end:
        begin = time.perf_counter()
        count = images_of(epochs())
        found.append(count / (time.perf_counter() - begin))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Epochs over images")
    parser.add_argument("peer", choices=[*PEERS, "write"])
    parser.add_argument("reader", help="which of the peer's readers; the folder, to write")
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--seconds", type=float, default=1.0)
    arguments = parser.parse_args()
    if arguments.peer == "write":
        write(Path(arguments.reader))
        print("{}")  # what every worker ends with
        return
    epochs, version = PEERS[arguments.peer][0](arguments.reader, arguments.folder)
    first, *speeds = timed(epochs, arguments.seconds)
    versions = {arguments.peer: version, "numpy": np.__version__}
    print(json.dumps({"first": first, "speed": statistics.median(speeds), "epochs": len(speeds), "versions": versions}))


if __name__ == "__main__":
    main()
