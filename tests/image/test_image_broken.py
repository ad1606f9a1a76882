"""Record files, indices and images with random damage: an error that says so or a result, never a crash, a hang or growth."""

import random
import resource
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.image_files import write_files

from hybridnet import image, recordio
from hybridnet.errors import HybridnetError

cv2 = pytest.importorskip("cv2")
pytestmark = pytest.mark.slow
SECONDS = 12  # for each kind of file


def damaged(data: bytes, draw: random.Random) -> bytes:
    """``data`` with something wrong: bytes changed, left out, doubled, or numbers made extreme."""
    found = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(found)) if found else 0
        kind = draw.randrange(6)
        if kind == 0 and found:
            found[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            del found[at:]
        elif kind == 2:
            del found[at : at + draw.randint(1, 40)]
        elif kind == 3:
            found[at:at] = found[at : at + draw.randint(1, 200)]
        elif kind == 4:
            found[at : at + 4] = draw.choice([b"\xff\xff\xff\xff", b"\xff\xff\xff\x1f", bytes(4), recordio.parts.MAGIC])
        else:
            found[at // 4 * 4 : at // 4 * 4 + 4] = draw.randbytes(4)
    return bytes(found)


def campaign(check: Callable[[random.Random], None]) -> None:
    """Call ``check`` for a while; none may take long, and memory may not grow."""
    begin, count, peak = time.monotonic(), 0, 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what is passed over
        while time.monotonic() - begin < SECONDS:
            started = time.monotonic()
            check(random.Random(count))
            assert time.monotonic() - started < 5, f"number {count} took long"
            count += 1
            if count == 100:
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert count > 100
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
    assert grown < 64 << 10, f"{grown} kB more than after 100"


def tried(action: Callable[[], Any]) -> None:
    try:
        action()
    except (HybridnetError, OSError) as error:
        assert "expected" in str(error) or isinstance(error, OSError)


def test_records(tmp_path: Path) -> None:
    write_files(tmp_path)
    whole = (tmp_path / "a.rec").read_bytes()
    path = tmp_path / "b.rec"

    def check(draw: random.Random) -> None:
        path.write_bytes(damaged(whole, draw))
        tried(lambda: list(iter(recordio.MXRecordIO(path, "r").read, None)))
        tried(lambda: list(recordio.positions(str(path))))
        found = list(iter(recordio.MXRecordIO(path, "r", strict=False).read, None))
        assert sum(map(len, found)) <= path.stat().st_size + 4 * len(found) * path.stat().st_size
        it = image.ImageIter(2, (3, 16, 16), path_imgrec=str(path), strict=False)
        tried(lambda: [batch.data[0].shape for batch in it])

    campaign(check)


def test_indices(tmp_path: Path) -> None:
    write_files(tmp_path)
    whole = (tmp_path / "a.idx").read_bytes()
    path = tmp_path / "b.idx"

    def check(draw: random.Random) -> None:
        path.write_bytes(damaged(whole, draw))
        try:
            file = recordio.MXIndexedRecordIO(path, tmp_path / "a.rec", "r")
        except HybridnetError:
            return
        for key in file.keys:
            tried(lambda key=key: file.read_idx(key))

    campaign(check)


@pytest.mark.parametrize("kind", [".jpg", ".png"])
def test_images(kind: str) -> None:
    y, x = np.mgrid[:60, :80]
    whole = cv2.imencode(kind, np.stack([x * 3, y * 4, x + y], 2).astype(np.uint8))[1].tobytes()
    augmenters = image.CreateAugmenter((3, 24, 24), resize=30, rand_crop=True, rand_mirror=True)

    def check(draw: random.Random) -> None:
        data = damaged(whole, draw)
        tried(lambda: image.imdecode(data))
        record = recordio.pack(recordio.IRHeader(0, [1, 2], 3, 0), data)
        tried(lambda: image.samples.image_of_record(damaged(record, draw), augmenters))

    campaign(check)
