"""Make lists of image files, and record files of lists: ``python -m hybridnet.tools.im2rec [options] prefix root``.

With ``--list``, the images below ``root`` are listed in ``prefix.lst`` (``prefix_train.lst`` and the like where they are divided).
Without, the images of every list whose name begins with ``prefix`` are packed: ``prefix.rec``, and its index ``prefix.idx``. The
options are those of MXNet's program; records come in the order of the list whatever the number of threads.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tqdm import tqdm

from hybridnet.errors import ArgumentError, HybridnetError, fail
from hybridnet.image import pixels
from hybridnet.image.sources import read_list
from hybridnet.opencv import decoded, opencv
from hybridnet.recordio import IRHeader, MXIndexedRecordIO, pack, pack_img

#: A line of a list: the file, below the root, and its label.
Listed = tuple[str, int]


# -- lists --------------------------------------------------------------------------------------------


def found_images(root: str, recursive: bool, extensions: Sequence[str]) -> Iterator[Listed]:
    """The image files below ``root``, in order of their names; with ``recursive`` each folder of images is a label of its own."""
    wanted = {extension.lower() for extension in extensions}
    label = 0
    for folder, folders, files in os.walk(root, followlinks=True):
        folders.sort()
        images = [name for name in sorted(files) if os.path.splitext(name)[1].lower() in wanted]
        for name in images:
            yield os.path.relpath(os.path.join(folder, name), root), label
        if not recursive:
            return
        label += bool(images)


def divided(images: list[Any], chunks: int, train_ratio: float, test_ratio: float) -> Iterator[tuple[str, list[Any]]]:
    """The lists to write, by what their names end with: of each chunk the test, the validation and the training part."""
    size = -(-len(images) // chunks)
    for number in range(chunks):
        chunk = images[number * size : (number + 1) * size]
        name = f"_{number}" if chunks > 1 else ""
        if train_ratio == 1:
            yield name, chunk
            continue
        test = int(len(chunk) * test_ratio)
        train = test + int(len(chunk) * train_ratio)
        if test_ratio:
            yield f"{name}_test", chunk[:test]
        if train_ratio + test_ratio < 1:
            yield f"{name}_val", chunk[train:]
        yield f"{name}_train", chunk[test:train]


def make_lists(options: argparse.Namespace) -> None:
    """``--list``."""
    if not os.path.isdir(options.root):
        fail(ArgumentError, "im2rec", expected="a folder of images as root", got=f"no folder {options.root}")
    found = list(found_images(options.root, options.recursive, options.exts))
    if not found:
        fix = "" if options.recursive else "--recursive, for images in folders below it; --exts, for other names"
        fail(ArgumentError, "im2rec", expected=f"files {' '.join(options.exts)} in {options.root}", got="none", fix=fix)
    if options.recursive:
        folders = dict.fromkeys((os.path.dirname(file) or ".", label) for file, label in found)
        for folder, label in folders:
            print(folder, label)
    numbered = list(enumerate(found))
    if options.shuffle:
        random.Random(100).shuffle(numbered)
    for name, part in divided(numbered, options.chunks, options.train_ratio, options.test_ratio):
        lines = [f"{number}\t{label:f}\t{file}\n" for number, (file, label) in part]
        Path(f"{options.prefix}{name}.lst").write_text("".join(lines))


# -- records ------------------------------------------------------------------------------------------


def record_of(path: str, header: IRHeader, options: argparse.Namespace) -> bytes:
    """One image file as a record."""
    encoded = Path(path).read_bytes()
    if options.pass_through:
        return pack(header, encoded)
    image = decoded("im2rec", encoded, options.color, path)
    height, width = image.shape[:2]
    if options.center_crop:
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        image = image[top : top + side, left : left + side]
        height = width = side
    if options.resize:
        image = opencv().resize(image, pixels.short_size((width, height), options.resize))
    return pack_img(header, image, options.quality, options.encoding)


def make_records(list_file: Path, options: argparse.Namespace) -> tuple[int, int]:
    """Pack the images of a list; how many records were written, and how many images were passed over."""
    entries = read_list(list_file)
    stem = list_file.with_suffix("")
    written = passed_over = 0
    with (
        ThreadPoolExecutor(options.num_thread) as pool,
        MXIndexedRecordIO(f"{stem}.idx", f"{stem}.rec", "w") as records,
        tqdm(total=len(entries), desc=f"{stem.name}.rec", unit="image", disable=options.quiet) as progress,
    ):
        waiting: deque[tuple[int, Future[bytes]]] = deque()

        def write_first() -> None:
            nonlocal written, passed_over
            key, future = waiting.popleft()
            try:
                records.write_idx(key, future.result())
                written += 1
            except (HybridnetError, OSError) as error:
                if options.strict:
                    raise
                passed_over += 1
                progress.write(f"passed over: {error}", file=sys.stderr)
            progress.update()

        for key, (labels, file) in entries.items():
            label = labels if options.pack_label and len(labels) > 1 else labels[0]
            path = os.path.join(options.root, file)
            waiting.append((key, pool.submit(record_of, path, IRHeader(0, label, key, 0), options)))
            if len(waiting) >= 8 * options.num_thread:  # no more images in memory than that
                write_first()
        while waiting:
            write_first()
    return written, passed_over


def lists_of(prefix: str) -> list[Path]:
    """The lists whose names begin with ``prefix``, or that are in the folder of that name."""
    path = Path(prefix)
    found = sorted(path.glob("*.lst") if path.is_dir() else path.parent.glob(f"{path.name}*.lst"))
    if not found:
        fix = f"python -m hybridnet.tools.im2rec --list {prefix} ROOT, which makes one"
        fail(ArgumentError, "im2rec", expected=f"a list {prefix}*.lst", got="none", fix=fix)
    return found


# -- the program --------------------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    """The options, under MXNet's names."""
    result = argparse.ArgumentParser(
        prog="python -m hybridnet.tools.im2rec",
        description="Make lists of image files, and record files of lists.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    result.add_argument("prefix", help="what the names of list and record files begin with")
    result.add_argument("root", help="the folder of the images")
    lists = result.add_argument_group("to make lists")
    lists.add_argument("--list", action="store_true", help="make lists; without, make records of lists")
    lists.add_argument("--exts", nargs="+", default=[".jpeg", ".jpg", ".png"], help="what names of image files end with")
    lists.add_argument("--chunks", type=int, default=1, help="number of lists to divide the images into")
    lists.add_argument("--train-ratio", type=float, default=1.0, help="part of the images to train with")
    lists.add_argument("--test-ratio", type=float, default=0.0, help="part of the images to test with")
    lists.add_argument("--recursive", action="store_true", help="also the folders below; each folder of images is a label")
    lists.add_argument("--no-shuffle", dest="shuffle", action="store_false", help="list in the order of names")
    records = result.add_argument_group("to make records")
    records.add_argument("--pass-through", action="store_true", help="pack the files as they are")
    records.add_argument("--resize", type=int, default=0, help="make the shorter side so long")
    records.add_argument("--center-crop", action="store_true", help="cut the square in the middle, before resizing")
    records.add_argument("--quality", type=int, default=95, help="of JPEG 1 to 100; of PNG the compression, 1 to 9")
    records.add_argument("--num-thread", type=int, default=1, help="threads that read, resize and encode")
    records.add_argument("--color", type=int, default=1, choices=[-1, 0, 1], help="1: colour, 0: gray, -1: as it is, with transparency")
    records.add_argument("--encoding", default=".jpg", choices=[".jpg", ".png"], help="how images are encoded")
    records.add_argument("--pack-label", action="store_true", help="pack all labels of an image, not the first alone")
    records.add_argument("--strict", action="store_true", help="stop at an image that cannot be read; without, pass over it and say so")
    records.add_argument("--quiet", action="store_true", help="no progress line")
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """The program; ``argv``: its arguments, those of the command line unless given. What it exits with: 1 if images were passed over."""
    options = parser().parse_args(argv)
    if options.num_thread < 1 or options.chunks < 1:
        fail(ArgumentError, "im2rec", expected="--num-thread and --chunks of 1 or more", got=f"{options.num_thread} and {options.chunks}")
    if not (0 <= options.train_ratio <= 1 and 0 <= options.test_ratio <= 1 and options.train_ratio + options.test_ratio <= 1.0000001):
        got = f"{options.train_ratio} and {options.test_ratio}"
        fail(ArgumentError, "im2rec", expected="--train-ratio and --test-ratio from 0 to 1, together at most 1", got=got)
    if options.list:
        make_lists(options)
        return 0
    lost = 0
    for list_file in lists_of(options.prefix):
        written, passed_over = make_records(list_file, options)
        lost += passed_over
        print(f"{list_file.with_suffix('.rec')}: {written} records" + (f", {passed_over} images passed over" if passed_over else ""))
    return 1 if lost else 0


def run() -> int:
    """As :func:`main`, with an error as one line."""
    try:
        return main()
    except (HybridnetError, OSError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(run())
