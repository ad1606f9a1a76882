"""``python -m hybridnet.tools.im2rec``: the lists and records that MXNet's program makes, and images that cannot be read."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.image_files import picture

from hybridnet.errors import ArgumentError, FileFormatError
from hybridnet.recordio import MXIndexedRecordIO, unpack, unpack_img
from hybridnet.tools import im2rec

cv2 = pytest.importorskip("cv2")
#: Below the root, and the number of ``picture``.
FILES = ["top.jpeg", "cat/0.png", "cat/1.png", "cat/sub/2.png", "dog/3.png", "dog/4.png", "dog/c.JPG"]
LABELS = [0, 1, 1, 2, 3, 3, 3]  # MXNet's, with --recursive


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Path:
    root = tmp_path / "images"
    for number, name in enumerate(FILES):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        encoded = cv2.imencode(".png", np.ascontiguousarray(np.concatenate([picture(number)] * 2, 1)))[1]
        (root / name).write_bytes(encoded.tobytes())
    (root / "dog" / "readme.txt").write_text("no image")
    (root / "empty").mkdir()
    return root


def lists(root: Path, *options: str) -> dict[str, list[tuple[int, float, str]]]:
    assert im2rec.main(["--list", *options, str(root.parent / "p"), str(root)]) == 0
    found = {}
    for path in sorted(root.parent.glob("p*.lst")):
        rows = [line.split("\t") for line in path.read_text().splitlines()]
        found[path.stem] = [(int(number), float(label), file) for number, label, file in rows]
        path.unlink()
    return found


def test_lists(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(zip(range(7), LABELS, FILES, strict=True))
    assert lists(root, "--recursive", "--no-shuffle") == {"p": rows}
    assert capsys.readouterr().out == ". 0\ncat 1\ncat/sub 2\ndog 3\n"
    shuffled = lists(root, "--recursive")["p"]
    # MXNet shuffles with the same seed: the same order.
    assert [number for number, _, _ in shuffled] == [0, 4, 2, 6, 5, 3, 1] and sorted(shuffled) == rows
    assert lists(root) == {"p": [(0, 0.0, "top.jpeg")]}
    assert lists(root, "--recursive", "--no-shuffle", "--train-ratio", "0.5") == {"p_train": rows[:3], "p_val": rows[3:]}
    assert lists(root, "--recursive", "--no-shuffle", "--train-ratio", "0", "--test-ratio", "0.3") == {
        "p_test": rows[:2],
        "p_train": [],
        "p_val": rows[2:],
    }
    chunks = lists(root, "--recursive", "--no-shuffle", "--chunks", "2", "--train-ratio", "0.5", "--test-ratio", "0.2")
    assert chunks == {
        "p_0_test": [],
        "p_0_train": rows[:2],
        "p_0_val": rows[2:4],
        "p_1_test": [],
        "p_1_train": rows[4:5],
        "p_1_val": rows[5:],
    }
    assert lists(root, "--exts", ".jpeg", ".jpg", "--recursive", "--no-shuffle") == {"p": [(0, 0.0, FILES[0]), (1, 1.0, FILES[6])]}
    assert (root.parent / "p.lst").exists() is False


def records(root: Path, *options: str) -> list[tuple[int, float, tuple[int, ...], bytes]]:
    """Of each record its key, label, the shape of its image, and how its bytes begin."""
    assert im2rec.main(["--quiet", *options, str(root.parent / "p"), str(root)]) == 0
    file = MXIndexedRecordIO(root.parent / "p.idx", root.parent / "p.rec", "r")
    found = []
    for key in file.keys:
        header, image = unpack_img(file.read_idx(key))
        assert header.id == key
        found.append((key, header.label, image.shape, unpack(file.read_idx(key))[1][:4]))
    return found


def test_records(root: Path) -> None:
    im2rec.main(["--list", "--recursive", "--no-shuffle", str(root.parent / "p"), str(root)])
    jpeg, png = b"\xff\xd8\xff\xe0", b"\x89PNG"
    plain = [(i, float(LABELS[i]), (20 + i, 48, 3), jpeg) for i in range(7)]
    assert records(root) == plain
    first = (root.parent / "p.rec").read_bytes()
    assert records(root, "--num-thread", "3") == plain
    assert (root.parent / "p.rec").read_bytes() == first
    assert [r[2] for r in records(root, "--resize", "10")] == [(10, 480 // (20 + i), 3) for i in range(7)]
    assert [r[2] for r in records(root, "--center-crop")] == [(20 + i, 20 + i, 3) for i in range(7)]
    assert [r[2] for r in records(root, "--center-crop", "--resize", "12")] == [(12, 12, 3)] * 7
    assert [r[2:] for r in records(root, "--color", "0", "--encoding", ".png", "--quality", "3")] == [((20 + i, 48), png) for i in range(7)]
    records(root, "--pass-through")
    file = MXIndexedRecordIO(root.parent / "p.idx", root.parent / "p.rec", "r")
    assert unpack(file.read_idx(6))[1] == (root / FILES[6]).read_bytes()
    assert len(first) > 0 and records(root, "--quality", "20") and (root.parent / "p.rec").read_bytes() != first


def test_several_labels(root: Path) -> None:
    (root.parent / "p.lst").write_text("5\t1\t2\tcat/0.png\n3\t4\ttop.jpeg\n")
    assert [(key, label) for key, label, _, _ in records(root)] == [(5, 1), (3, 4)]
    im2rec.main(["--quiet", "--pack-label", str(root.parent / "p"), str(root)])
    file = MXIndexedRecordIO(root.parent / "p.idx", root.parent / "p.rec", "r")
    header, _ = unpack(file.read_idx(5))
    assert (header.flag, header.label.tolist()) == (2, [1, 2])
    assert unpack(file.read_idx(3))[0][:2] == (0, 4)


def test_what_cannot_be_read(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "cat" / "1.png").write_bytes(b"no image")
    (root.parent / "p.lst").write_text("0\t1\tcat/0.png\n1\t1\tcat/1.png\n2\t1\tnothing.png\n3\t1\ttop.jpeg\n")
    arguments = ["--num-thread", "2", str(root.parent / "p"), str(root)]
    assert im2rec.main(arguments) == 1
    said = capsys.readouterr()
    assert "2 records, 2 images passed over" in said.out
    assert "8 bytes that OpenCV cannot decode" in said.err and "cat/1.png" in said.err and "nothing.png" in said.err
    assert MXIndexedRecordIO(root.parent / "p.idx", root.parent / "p.rec", "r").keys == [0, 3]
    with pytest.raises(FileFormatError, match=r"8 bytes that OpenCV cannot decode.* in .*cat/1.png"):
        im2rec.main(["--strict", "--quiet", *arguments])


def test_used_wrongly(root: Path) -> None:
    prefix = str(root.parent / "q")
    with pytest.raises(ArgumentError, match=r"a list .*q\*\.lst; got none.*--list"):
        im2rec.main([prefix, str(root)])
    with pytest.raises(ArgumentError, match=r"files \.jpeg \.jpg \.png in .*empty; got none.*--recursive"):
        im2rec.main(["--list", prefix, str(root / "empty")])
    with pytest.raises(ArgumentError, match="got no folder"):
        im2rec.main(["--list", prefix, str(root / "nothing")])
    with pytest.raises(ArgumentError, match=r"together at most 1; got 0\.8 and 0\.3"):
        im2rec.main(["--list", "--train-ratio", "0.8", "--test-ratio", "0.3", prefix, str(root)])
    with pytest.raises(ArgumentError, match="1 or more; got 0 and 1"):
        im2rec.main(["--num-thread", "0", prefix, str(root)])
    Path(f"{prefix}.lst").write_text("0\tcat\tcat/0.png\n")
    with pytest.raises(FileFormatError, match=r"'0\\tcat\\tcat/0.png' in line 1 of .*q.lst"):
        im2rec.main([prefix, str(root)])


def test_from_the_command_line(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    prefix, images = str(root.parent / "p"), str(root)
    im2rec.main(["--list", "--recursive", prefix, images])
    done = subprocess.run([sys.executable, "-m", "hybridnet.tools.im2rec", prefix, images], check=True, capture_output=True, text=True)
    assert "p.rec: 7 records" in done.stdout and "7/7" in done.stderr
    monkeypatch.setattr(sys, "argv", ["im2rec", str(root / "nothing"), images])
    capsys.readouterr()
    assert im2rec.run() == 2
    assert capsys.readouterr().err.startswith("[im2rec] expected a list ")
