"""Small image files, lists and records of them, for tests: image ``i`` is (20 + i, 24, 3), every value 10·i."""

from pathlib import Path
from typing import Any

import numpy as np

from hybridnet.recordio import IRHeader, MXIndexedRecordIO, pack, pack_img

COUNT = 7


def picture(number: int) -> np.ndarray:
    return np.full((20 + number, 24, 3), 10 * number, np.uint8)


def write_files(folder: Path, labels: list[Any] | None = None, broken: int = -1) -> None:
    """``0.png`` …, ``a.lst`` and ``a.rec`` with ``a.idx``; image ``broken`` is none. Labels are ``number % 3`` unless given."""
    import cv2

    lines = []
    with MXIndexedRecordIO(folder / "a.idx", folder / "a.rec", "w") as records:
        for number in range(COUNT):
            label = number % 3 if labels is None else labels[number]
            header = IRHeader(0, label, number, 0)
            if number == broken:
                records.write_idx(number, pack(header, b"no image"))
                (folder / f"{number}.png").write_bytes(b"no image")
            else:
                records.write_idx(number, pack_img(header, picture(number), 9, ".png"))
                cv2.imwrite(str(folder / f"{number}.png"), picture(number))
            numbers = "\t".join(map(str, np.ravel(label).tolist()))
            lines.append(f"{number}\t{numbers}\t{number}.png\n")
    (folder / "a.lst").write_text("".join(lines))
