"""Text, ``.npy`` and ``.npz`` files, buffers and iterators by NumPy's names."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hybridnet.numpy as hnp
from hybridnet.core import NDArray
from hybridnet.errors import DtypeError

A = np.array([[1.5, -2.0], [0.25, 4.0]], np.float32)


def test_files_are_numpys_both_ways(tmp_path: Path) -> None:
    hnp.save(tmp_path / "a.npy", hnp.array(A))
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), A)
    back = hnp.load(tmp_path / "a.npy")
    assert isinstance(back, NDArray) and back.dtype == np.float32
    for write in (hnp.savez, hnp.savez_compressed):
        write(tmp_path / "a.npz", hnp.array(A), b=hnp.array([1, 2], dtype="int8"))
        with np.load(tmp_path / "a.npz") as theirs:
            assert sorted(theirs.files) == ["arr_0", "b"]
        with hnp.load(tmp_path / "a.npz") as ours:
            assert sorted(ours.files) == ["arr_0", "b"] and ours["b"].dtype == np.int8
            np.testing.assert_array_equal(ours["arr_0"].asnumpy(), A)


def test_text(tmp_path: Path) -> None:
    hnp.savetxt(tmp_path / "a.txt", hnp.array(A))
    for read in (hnp.loadtxt, hnp.genfromtxt, hnp.io.genfromtxt):
        found = read(tmp_path / "a.txt")
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found.asnumpy(), A)
    assert hnp.loadtxt(tmp_path / "a.txt", np.float64).dtype == np.float64
    first, second = hnp.loadtxt(tmp_path / "a.txt", unpack=True)
    assert (first.tolist(), second.tolist()) == ([1.5, 0.25], [-2, 4])


def test_what_is_no_array_of_numbers_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "words.npy", np.array(["a", "b"]))
    with pytest.raises(DtypeError):
        hnp.load(tmp_path / "words.npy")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="pickle"):
        hnp.load(tmp_path / "objects.npy")


def test_buffers_and_iterators(tmp_path: Path) -> None:
    A.tofile(tmp_path / "raw")
    calls: list[tuple[str, Any, tuple[Any, ...], dict[str, Any]]] = [
        ("fromfile", tmp_path / "raw", (), {}),
        ("fromfile", tmp_path / "raw", ("int32",), {"count": 2}),
        ("frombuffer", A.tobytes(), (np.float32,), {"offset": 4}),
        ("fromiter", (1.5, 2.5), (), {}),
        ("fromstring", "1 2 3", (), {"sep": " "}),
    ]
    for name, source, args, kwargs in calls:
        found = getattr(hnp, name)(source, *args, **kwargs)
        theirs = getattr(np, name)(source, *(args or (np.float32,)), **kwargs)
        assert isinstance(found, NDArray) and found.dtype == theirs.dtype
        np.testing.assert_array_equal(found.asnumpy(), theirs)
    hnp.array(A).tofile(tmp_path / "ours")
    assert (tmp_path / "ours").read_bytes() == A.tobytes() == hnp.array(A).tobytes()
