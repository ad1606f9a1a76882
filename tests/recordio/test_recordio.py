"""Record files: MXNet's format to the byte, indices, several threads and processes, and what is broken."""

import multiprocessing
import os
import pickle
import struct
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.paths import DATA

import hybridnet as hn
from hybridnet import recordio
from hybridnet.errors import ArgumentError, DtypeError, FileFormatError
from hybridnet.recordio import IRHeader, MXIndexedRecordIO, MXRecordIO, pack, pack_img, unpack, unpack_img
from hybridnet.recordio.files import RecordFileError
from hybridnet.tools import rec2idx

cv2 = pytest.importorskip("cv2")
MAGIC = struct.pack("<I", 0xCED7230A)
PAYLOADS = [
    b"", b"a", b"abcd", MAGIC, MAGIC * 2, b"abcd" + MAGIC, b"ab" + MAGIC + b"cd", b"abc" + MAGIC + b"def0", MAGIC * 3 + b"xy",
    b"abcd" + MAGIC * 2 + b"x", bytes(range(256)),
]  # fmt: skip


def image() -> np.ndarray:
    y, x = np.mgrid[:12, :16]
    return np.stack([x * 15, y * 20, (x + y) * 9], 2).astype(np.uint8)


def written(path: Path, payloads: list[bytes]) -> str:
    with MXRecordIO(path, "w") as file:
        for payload in payloads:
            file.write(payload)
    return str(path)


def all_of(file: MXRecordIO) -> list[bytes]:
    return list(iter(file.read, None))


def test_what_mxnet_wrote() -> None:
    file = MXIndexedRecordIO(DATA / "mxnet_1_9_1_records.idx", DATA / "mxnet_1_9_1_records.rec", "r")
    assert file.keys == [*range(0, 33, 3), 100, 101]
    assert [file.read_idx(3 * i) for i in range(len(PAYLOADS))] == PAYLOADS
    header, picture = unpack_img(file.read_idx(100))
    assert header == IRHeader(0, 2.5, 100, 0)
    np.testing.assert_array_equal(picture, image())
    header, picture = unpack_img(file.read_idx(101))
    assert (header.flag, header.id, header.id2, header.label.tolist()) == (3, 101, 7, [1, 2, 3])
    assert np.abs(picture.astype(int) - image()).max() < 40


def test_the_same_bytes_as_mxnet_writes(tmp_path: Path) -> None:
    with MXIndexedRecordIO(tmp_path / "a.idx", tmp_path / "a.rec", "w") as file:
        for i, payload in enumerate(PAYLOADS):
            file.write_idx(3 * i, payload)
        end = file.tell()
        file.write_idx(100, pack(IRHeader(0, 2.5, 100, 0), unpack(theirs(100))[1]))
        file.write_idx(101, pack((9, [1, 2, 3], 101, 7), unpack(theirs(101))[1]))
    assert (tmp_path / "a.idx").read_bytes() == (DATA / "mxnet_1_9_1_records.idx").read_bytes()
    assert (tmp_path / "a.rec").read_bytes() == (DATA / "mxnet_1_9_1_records.rec").read_bytes()
    assert end == file.idx[100]


def theirs(key: int) -> bytes:
    with MXIndexedRecordIO(DATA / "mxnet_1_9_1_records.idx", DATA / "mxnet_1_9_1_records.rec", "r") as file:
        return file.read_idx(key)


@given(st.lists(st.lists(st.sampled_from([MAGIC, MAGIC[:2], b"a", b"bcd", b"efgh"]), max_size=8).map(b"".join), max_size=6))
def test_any_payloads(tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes]) -> None:
    path = written(tmp_path_factory.mktemp("any") / "a.rec", payloads)
    file = MXRecordIO(path, "r")
    assert all_of(file) == payloads
    assert file.read() is None
    file.reset()
    assert all_of(file) == payloads
    starts = list(recordio.positions(path))
    assert len(starts) == len(payloads)
    data = Path(path).read_bytes()
    assert all(data[at : at + 4] == MAGIC for at in starts)


def test_seek_tell_and_keys(tmp_path: Path) -> None:
    with MXIndexedRecordIO(tmp_path / "a.idx", tmp_path / "a.rec", "w", key_type=str) as file:
        for key in ("x", "y", "x"):
            file.write_idx(key, f"{key}{file.tell()}".encode())
    file = MXIndexedRecordIO(tmp_path / "a.idx", tmp_path / "a.rec", "r", str)
    assert file.keys == ["x", "y", "x"]
    assert file.read_idx("x") == b"x24"  # the last one of a key
    assert file.read() is None
    file.seek("y")
    assert (file.tell(), file.read(), file.tell()) == (12, b"y12", 24)
    with pytest.raises(KeyError, match=r"one of the 2 keys in .*a.idx; got 7 \(int\)"):
        file.read_idx(7)


def test_an_index_is_made_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "a.rec", PAYLOADS)
    rec2idx.main([path, str(tmp_path / "a.idx")])
    assert "11 records" in capsys.readouterr().out
    file = MXIndexedRecordIO(tmp_path / "a.idx", path, "r")
    assert [file.read_idx(i) for i in reversed(range(len(PAYLOADS)))] == PAYLOADS[::-1]


def test_beyond_four_gigabytes(tmp_path: Path) -> None:
    """Sparse files: what lies between is never written."""
    far = 5 << 30
    whole = Path(written(tmp_path / "b.rec", [b"far away" + MAGIC]))
    with open(tmp_path / "a.rec", "wb") as file:
        file.seek(far)
        file.write(whole.read_bytes())
    (tmp_path / "a.idx").write_text(f"7\t{far}\n")
    assert MXIndexedRecordIO(tmp_path / "a.idx", tmp_path / "a.rec", "r").read_idx(7) == b"far away" + MAGIC


def test_a_record_may_not_be_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordio.parts, "LONGEST", 10)
    with MXRecordIO(tmp_path / "a.rec", "w") as file:
        with pytest.raises(ArgumentError, match="at most 10 bytes; got 11 bytes"):
            file.write(b"x" * 11)
        file.write(b"y" * 10)
    assert all_of(MXRecordIO(tmp_path / "a.rec", "r")) == [b"y" * 10]


@pytest.mark.parametrize("way", ["_pread", "_seek_and_read"])
def test_several_threads_read_one_file(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordio.parts, "_pread", getattr(recordio.parts, way))
    payloads = [bytes([i % 256]) * (1000 + i) for i in range(300)]
    path = written(tmp_path / "a.rec", payloads)
    rec2idx.main([path, str(tmp_path / "a.idx")])
    file = MXIndexedRecordIO(tmp_path / "a.idx", path, "r")
    wrong: list[int] = []

    def read(seed: int) -> None:
        for i in np.random.default_rng(seed).permutation(300).tolist():
            if file.read_idx(i) != payloads[i]:
                wrong.append(i)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def _reads(file: MXIndexedRecordIO, out: "multiprocessing.Queue[list[bytes]]") -> None:
    out.put([file.read_idx(i) for i in range(6)])


@pytest.mark.parametrize("method", ["spawn", "fork"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork")
def test_in_other_processes(tmp_path: Path, method: str) -> None:
    path = written(tmp_path / "a.rec", PAYLOADS)
    rec2idx.main([path, str(tmp_path / "a.idx")])
    file = MXIndexedRecordIO(tmp_path / "a.idx", path, "r")
    file.read_idx(3)
    context = multiprocessing.get_context(method)
    out = context.Queue()
    process = context.Process(target=_reads, args=(file, out))
    process.start()
    assert out.get(timeout=60) == PAYLOADS[:6]
    process.join()
    assert file.read() == PAYLOADS[4]  # untouched by what the other process read


def test_pickled(tmp_path: Path) -> None:
    path = written(tmp_path / "a.rec", PAYLOADS)
    file = MXRecordIO(path, "r")
    file.read()
    assert all_of(pickle.loads(pickle.dumps(file))) == PAYLOADS
    file.close()
    again = pickle.loads(pickle.dumps(file))
    assert not again.is_open
    again.reset()
    assert all_of(again) == PAYLOADS
    with MXRecordIO(tmp_path / "b.rec", "w") as writer, pytest.raises(RecordFileError, match="open for reading, to be pickled"):
        pickle.dumps(writer)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork")
def test_a_writer_stays_in_its_process(tmp_path: Path) -> None:
    file = MXRecordIO(tmp_path / "a.rec", "w")
    file.write(b"one")
    child = os.fork()
    if not child:
        try:
            file.write(b"two")
        except RecordFileError as error:
            os._exit(7 if "in the process that opened it" in str(error) else 1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    file.write(b"three")
    file.close()
    assert all_of(MXRecordIO(tmp_path / "a.rec", "r")) == [b"one", b"three"]


def test_misuse(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match='flag "r" or "w"; got \'a\''):
        MXRecordIO(tmp_path / "a.rec", "a")
    with pytest.raises(FileNotFoundError, match=r"nothing\.rec"):
        MXRecordIO(tmp_path / "nothing.rec", "r")
    writer = MXRecordIO(tmp_path / "a.rec", "w")
    with pytest.raises(DtypeError, match="expected bytes; got a str"):
        writer.write("text")  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="open for reading; got one that was opened with 'w'"):
        writer.read()
    writer.write(b"x")
    writer.reset()  # empties it
    writer.write(b"y")
    writer.close()
    writer.close()
    with pytest.raises(RuntimeError, match="got a closed one"):
        writer.write(b"z")
    assert all_of(MXRecordIO(tmp_path / "a.rec", "r")) == [b"y"]


# -- what is broken ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cut", "said"),
    [
        (slice(0, -4), "expected a record of 5 bytes; got 4 bytes, then the end of the file, at byte 12"),
        (slice(0, -14), "expected the 8 bytes that a record begins with; got 2 bytes, then the end of the file, at byte 12"),
        (slice(4, None), "expected a record, which begins with 0a 23 d7 ce; got 01 00 00 00, at byte 0"),
    ],
    ids=["data", "header", "begin"],
)
def test_a_truncated_record(tmp_path: Path, cut: slice, said: str) -> None:
    path = tmp_path / "a.rec"
    written(path, [b"a", b"bcdef"])
    path.write_bytes(path.read_bytes()[cut])
    file = MXRecordIO(path, "r")
    with pytest.raises(FileFormatError, match=f"{said} of .*a.rec; at test_recordio.py.*strict=False"):
        all_of(file)
    with pytest.raises(FileFormatError):
        list(recordio.positions(str(path)))


def test_reading_goes_on_behind_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.rec"
    payloads = [b"first", b"x" * 9000, b"in" + b"  " + MAGIC + b"parts", b"last"]
    written(path, payloads)
    starts = list(recordio.positions(str(path)))
    data = bytearray(path.read_bytes())
    data[starts[1]] ^= 255  # its magic word
    data[starts[2] + 12] ^= 255  # that of its second part
    path.write_bytes(data)
    with pytest.warns(UserWarning, match="Passed over; reading goes on") as caught:
        assert all_of(MXRecordIO(path, "r", strict=False)) == [b"first", b"last"]
    assert [str(w.message).rpartition(" at byte ")[2] for w in caught] == [str(starts[2]), str(starts[3])]


def test_an_index_that_lies(tmp_path: Path) -> None:
    path = written(tmp_path / "a.rec", [b"one", b"two"])
    (tmp_path / "a.idx").write_text("0\t0\n1\t4\n\n2\t999\n3\t12\n")
    file = MXIndexedRecordIO(tmp_path / "a.idx", path, "r")
    assert (file.read_idx(0), file.read_idx(3)) == (b"one", b"two")
    with pytest.raises(FileFormatError, match=r"got 03 00 00 00, at byte 4 of .*a.rec.*a.idx says that the record of key 1 begins"):
        file.read_idx(1)
    with pytest.raises(FileFormatError, match=r"a byte of .*a.rec, which has 24; got byte 999 for the key 2 in .*a.idx.*rec2idx"):
        file.read_idx(2)
    for line in ("no tab here", "1\tx", "x\t1", "1\t-5"):
        (tmp_path / "a.idx").write_text(f"0\t0\n{line}\n")
        with pytest.raises(FileFormatError, match=r"a key \(int\), a tab and a byte.*in line 2 of .*a.idx.*rec2idx"):
            MXIndexedRecordIO(tmp_path / "a.idx", path, "r")


# -- headers and images -----------------------------------------------------------------------------


@pytest.mark.parametrize("label", [3, 2.5, np.float32(1.5), True])
def test_one_label(label: float) -> None:
    assert unpack(pack(IRHeader(4, label, 2**63, 3), b"data")) == (IRHeader(0, float(label), 2**63, 3), b"data")


@pytest.mark.parametrize("label", [[1, 2, 3], (1.0, 2.0, 3.0), np.array([[1.0], [2], [3]]), hn.nd.array([1, 2, 3])])
def test_several_labels(label: object) -> None:
    header, data = unpack(pack(IRHeader(0, label, 1, 2), b"data"))
    assert (header.flag, data, header.label.dtype) == (3, b"data", np.float32)
    np.testing.assert_array_equal(header.label, [1, 2, 3])


def test_labels_that_are_no_numbers() -> None:
    with pytest.raises(ArgumentError, match=r"\[pack\] expected a number, or several, as the label.*'cat'"):
        pack(IRHeader(0, "cat", 1, 2), b"")
    with pytest.raises(ArgumentError, match=r"ids of 0 to 2\*\*64 - 1; got label 1.0, id -1"):
        pack(IRHeader(0, 1.0, -1, 2), b"")
    with pytest.raises(FileFormatError, match=r"\[unpack\].*24 bytes; got 3 bytes"):
        unpack(b"abc")
    with pytest.raises(FileFormatError, match=r"5 labels of 4 bytes, as the header says; got 6 bytes behind the header.*id 9"):
        unpack(struct.pack("<IfQQ", 5, 0, 9, 0) + b"abcdef")


def test_images() -> None:
    header = IRHeader(0, 1.0, 5, 0)
    found, picture = unpack_img(pack_img(header, image(), 3, ".png"))
    assert found == header
    np.testing.assert_array_equal(picture, image())
    assert unpack_img(pack_img(header, hn.nd.array(image(), dtype="uint8"), 3, ".png"))[1].tolist() == image().tolist()
    jpeg = pack_img(header, image())
    assert np.abs(unpack_img(jpeg)[1].astype(int) - image()).max() < 30
    assert unpack_img(jpeg, 0)[1].shape == (12, 16)
    assert len(pack_img(header, image(), 30)) < len(jpeg)
    assert unpack_img(pack_img(header, image()[:, :, 0], img_fmt=".JPEG"))[1].shape == (12, 16)
    with pytest.raises(ArgumentError, match=r"\.jpg.*got '\.gif'"):
        pack_img(header, image(), img_fmt=".gif")
    with pytest.raises(ArgumentError, match=r"got float64 \(2, 2, 7\)"):
        pack_img(header, np.zeros((2, 2, 7)))
    with pytest.raises(FileFormatError, match=r"got 7 bytes that OpenCV cannot decode.*in the record of image id 5"):
        unpack_img(pack(header, b"nothing"))


def test_files_are_closed_without_a_word(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MXRecordIO(tmp_path / "a.rec", "w").write(b"x")
        MXIndexedRecordIO(tmp_path / "b.idx", tmp_path / "b.rec", "w").reset()
        assert MXRecordIO(tmp_path / "a.rec", "r").read() == b"x"
