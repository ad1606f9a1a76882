"""MXNet's parameter files: read and written byte for byte as MXNet 1.9.1 does, and what is wrong with a file is said."""

import contextlib
import os
import struct
import threading
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from support.paths import DATA

from hybridnet import disk, serialization
from hybridnet.core.stored import KINDS
from hybridnet.errors import ArgumentError, FileFormatError


@pytest.mark.parametrize("name", ["network", "prefixed", "dtypes", "list", "numpy"])
def test_what_mxnet_wrote_is_written_the_same(name: str) -> None:
    path = DATA / f"mxnet_1_9_1_{name}.params"
    assert serialization.encode(serialization.load(path)) == path.read_bytes()


def test_what_mxnet_wrote_is_read() -> None:
    network = serialization.load_named(DATA / "mxnet_1_9_1_network.params")
    assert list(network) == ["0.weight", "0.bias", "1.gamma", "1.beta", "1.running_mean", "1.running_var"]
    np.testing.assert_array_equal(network["0.weight"], np.arange(6, dtype=np.float32).reshape(3, 2) / 4)
    by_dtype = serialization.load_named(DATA / "mxnet_1_9_1_dtypes.params")
    for name, value in by_dtype.items():
        assert value.dtype == name
        np.testing.assert_array_equal(value, np.array([[0, 1], [2, 3]]).astype(name))
    listed = serialization.load(DATA / "mxnet_1_9_1_list.params")
    assert isinstance(listed, list) and listed[0] == [1.5] and listed[1].dtype == np.int32
    rules = serialization.load_named(DATA / "mxnet_1_9_1_numpy.params")
    assert rules["zero_dim"].shape == () and rules["empty"].shape == (0, 2)


def test_round_trip(tmp_path: Path) -> None:
    arrays = {
        "half": np.ones((2, 3), np.float16),
        "brain": np.arange(4).astype(ml_dtypes.bfloat16),
        "bits": np.array([1, 2], np.uint16),
        "zero": np.array(2.5),
        "transposed": np.arange(6.0).reshape(2, 3).T,
        "näme": np.zeros((0, 4), np.int8),
    }
    serialization.save(tmp_path / "a.params", arrays)
    back = serialization.load_named(tmp_path / "a.params")
    assert list(back) == list(arrays)
    for name, value in arrays.items():
        assert back[name].dtype == value.dtype
        np.testing.assert_array_equal(back[name], value)
    serialization.save(tmp_path / "none.params", {})
    assert serialization.load(tmp_path / "none.params") == {}
    with pytest.raises(ArgumentError, match="complex128"):
        serialization.encode([np.ones(2, complex)])


def test_older_files_are_read() -> None:
    """Arrays before MXNet 1.0 have no storage field; before 0.11 no magic number, and dimensions of 32 bits."""
    values = np.arange(6, dtype=np.float32)
    v1 = struct.pack("<Ii2q3i", 0xF993FAC8, 2, 2, 3, 1, 0, 0) + values.tobytes()
    v0 = struct.pack("<I2I3i", 2, 2, 3, 1, 0, 0) + values.tobytes()
    for block in (v1, v0):
        (array,) = serialization.decode(struct.pack("<3Q", 0x112, 0, 1) + block + struct.pack("<Q", 0))
        np.testing.assert_array_equal(array, values.reshape(2, 3))


def test_every_truncation_is_an_error() -> None:
    whole = (DATA / "mxnet_1_9_1_network.params").read_bytes()
    for n in range(len(whole)):
        with pytest.raises(FileFormatError):
            serialization.decode(whole[:n])
    with pytest.raises(FileFormatError, match="truncated"):
        serialization.decode(whole[:100], "half.params")


def test_damaged_sparse_arrays_are_errors() -> None:
    """Cut anywhere, or with parts that do not fit: never an array whose indices lie outside of it."""
    whole = (DATA / "mxnet_1_9_1_sparse.params").read_bytes()
    for n in range(len(whole)):
        with pytest.raises(FileFormatError):
            serialization.decode(whole[:n])
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[rng.integers(24, len(whole))] ^= 1 << int(rng.integers(8))
        try:
            arrays = serialization.decode(bytes(damaged))
        except FileFormatError:
            continue
        for x in arrays.values() if isinstance(arrays, dict) else arrays:
            if isinstance(x, KINDS) and x.size < 1 << 20:  # few rows of many are no fault
                x.dense(np)


def test_foreign_files_are_errors(tmp_path: Path) -> None:
    whole = bytearray((DATA / "mxnet_1_9_1_network.params").read_bytes())
    (tmp_path / "x.params").write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(FileFormatError, match=r"begins with 0x112.*x\.params"):
        serialization.load(tmp_path / "x.params")
    with pytest.raises(FileFormatError, match="the end of the file"):
        serialization.decode(bytes(whole) + b"\0")
    other = whole.copy()
    other[28:32] = struct.pack("<i", 3)
    with pytest.raises(FileFormatError, match="dense, row_sparse or csr; got storage 3"):
        serialization.decode(bytes(other))
    huge = whole.copy()
    huge[36:44] = struct.pack("<q", 1 << 50)  # nothing of that size may be allocated
    with pytest.raises(FileFormatError, match="truncated"):
        serialization.decode(bytes(huge))
    many = whole.copy()
    many[16:24] = struct.pack("<Q", 1 << 60)
    with pytest.raises(FileFormatError, match="arrays in what is left"):
        serialization.decode(bytes(many))
    with pytest.raises(FileFormatError, match="arrays with names"):
        serialization.load_named(DATA / "mxnet_1_9_1_list.params")


def test_any_corrupted_byte_is_an_error_or_another_value() -> None:
    whole = (DATA / "mxnet_1_9_1_numpy.params").read_bytes()
    for at in range(len(whole)):
        damaged = whole[:at] + bytes([whole[at] ^ 0x80]) + whole[at + 1 :]
        with contextlib.suppress(FileFormatError):
            serialization.decode(damaged)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.params"
    serialization.save(path, {"x": np.ones(3)})
    before = path.read_bytes()

    def broken(fd: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(serialization.os, "fsync", broken)
    with pytest.raises(OSError, match="disk full"):
        serialization.save(path, {"x": np.zeros(3)})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_of_the_same_number_left_is_written_over(tmp_path: Path) -> None:
    """In a container a program that is started again has the number of the one that was killed."""
    path = tmp_path / "file"
    left = tmp_path / f"file.{os.getpid()}.{threading.get_ident()}.tmp"
    left.write_bytes(b"half")
    disk.write_bytes(path, b"whole")
    assert path.read_bytes() == b"whole" and not left.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_what_is_no_file_stays_what_it_is(tmp_path: Path) -> None:
    """A rename would put a file into its place, of ``os.devnull`` too where the user may: for all programs of the machine."""
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    disk.write_parts(pipe, (b"two ", b"parts"))
    reader.join()
    assert read == [b"two parts"] and pipe.is_fifo() and list(tmp_path.iterdir()) == [pipe]


def test_a_link_stays_and_its_file_is_written(tmp_path: Path) -> None:
    file, link = tmp_path / "epoch-7.params", tmp_path / "latest.params"
    file.write_bytes(b"old")
    link.symlink_to(file)
    disk.write_bytes(link, b"new")
    assert link.is_symlink() and file.read_bytes() == b"new"


@pytest.mark.parametrize("shape", [(2**62, 0, 4), (0, 2**40, 2**40)])
def test_shapes_without_elements_that_no_computer_holds(shape: tuple[int, ...]) -> None:
    """Dense, and as the values of a sparse array: an error that says so, not NumPy's."""
    dims = struct.pack(f"<i{len(shape)}q", len(shape), *shape)
    dense = struct.pack("<Ii", 0xF993FACA, 0) + dims + struct.pack("<3i", 1, 0, 0)
    sparse = struct.pack("<Ii", 0xF993FAC9, 1) + dims + dims + struct.pack("<3iiiq", 1, 0, 0, 6, 1, 0)
    for array in (dense, sparse):
        with pytest.raises(FileFormatError, match="an array that a computer can hold; got the shape"):
            serialization.decode(struct.pack("<3Q", 0x112, 0, 1) + array + struct.pack("<Q", 0))
