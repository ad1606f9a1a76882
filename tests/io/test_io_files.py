"""Iterators over CSV, LibSVM and MNIST's files, against what MXNet 1.9.1 gives for the same files; broken files."""

import gzip
import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridnet import nd
from hybridnet.errors import ArgumentError, DtypeError, FileFormatError, HybridnetError, ShapeError
from hybridnet.io import CSVIter, LibSVMIter, MNISTIter, MXDataIter
from hybridnet.io.files import Rounds, part_of_bytes

CSV = "1,2,3\n2,3,4\n3,4,5\n4,5,6\n"
SVM = "1.0 0:0.5 2:1.2\n-2.0\n-3.0 0:0.6 1:2.4 2:1.2\n4 2:-1.2\n"
SVM_ROWS = numpy.array([[0.5, 0, 1.2], [0, 0, 0], [0.6, 2.4, 1.2], [0, 0, -1.2]], numpy.float32)
SVM_LABELS = "1.0\n-2.0 0:0.125\n-3.0 2:1.2\n4 1:1.0 2:-1.2\n"
IMAGES = numpy.arange(40, dtype=numpy.uint8).reshape(10, 2, 2)


@pytest.fixture(name="write")
def _write(tmp_path: Path) -> Callable[[str, str | bytes], str]:
    def write(name: str, text: str | bytes) -> str:
        (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
        return str(tmp_path / name)

    return write


Write = Callable[[str, str | bytes], str]


def idx(x: numpy.ndarray[Any, Any]) -> bytes:
    return struct.pack(f">2xBB{x.ndim}I", 8, x.ndim, *x.shape) + x.tobytes()


def indices(it: MXDataIter, epochs: int = 1) -> list[list[tuple[list[int], int]]]:
    found = []
    for _ in range(epochs):
        found.append([([int(i) for i in batch.index], batch.pad) for batch in it])
        it.reset()
    return found


class TestRounds:
    def test_round_batch_is_mxnets(self, write: Write) -> None:
        it = CSVIter(data_csv=write("d", CSV), data_shape=(3,), batch_size=3)
        assert indices(it, 4) == [[([0, 1, 2], 0), ([3, 0, 1], 2)], [([2, 3, 0], 1)], [([1, 2, 3], 0)], [([0, 1, 2], 0), ([3, 0, 1], 2)]]
        it = CSVIter(data_csv=write("d", CSV), data_shape=(3,), batch_size=3, round_batch=False)
        assert indices(it, 2) == [[([0, 1, 2], 0), ([3, 1, 2], 2)]] * 2

    def test_an_epoch_that_was_left_is_over(self, write: Write) -> None:
        it = CSVIter(data_csv=write("d", CSV), data_shape=(3,), batch_size=3)
        next(it), it.reset()
        assert indices(it)[0][0] == ([0, 1, 2], 0)
        it = CSVIter(data_csv=write("d", "\n".join("0123456")), data_shape=(1,), batch_size=3)
        assert indices(it)[0][-1] == ([6, 0, 1], 2)
        next(it), it.reset()  # which began with 2
        assert indices(it)[0][0] == ([0, 1, 2], 0)

    @given(st.integers(1, 9), st.integers(1, 12), st.integers(1, 5))
    def test_rounds_go_on_where_they_stopped(self, samples: int, batch_size: int, epochs: int) -> None:
        rounds, places = Rounds(samples, batch_size, True), list[int]()
        for _ in range(epochs):
            pads = []
            while (batch := rounds.next()) is not None:
                places += batch[0].tolist()
                pads.append(batch[1])
            assert pads and pads[:-1] == [0] * (len(pads) - 1) and (places[-1] + 1 - pads[-1]) % samples == 0
            rounds.reset()
        assert places == list(range(len(places)))


class TestCSV:
    def test_shapes_and_dtypes(self, write: Write) -> None:
        data, label = write("d", CSV), write("l", "1\n2\n3\n4\n")
        it = CSVIter(data_csv=data, data_shape=(3, 1), label_csv=label, batch_size=2, dtype="int32", data_name="x", label_name="y")
        assert [it.provide_data, it.provide_label] == [[("x", (2, 3, 1))], [("y", (2,))]]
        assert it.provide_data[0].dtype == it.provide_label[0].dtype == numpy.int32
        batch = it.next()
        assert batch.data[0].asnumpy().tolist() == [[[1], [2], [3]], [[2], [3], [4]]] and batch.data[0].dtype == numpy.int32
        assert batch.label[0].asnumpy().tolist() == [1, 2]
        assert it.getdata().shape == (2, 3, 1) and it.getlabel().shape == (2,) and it.getindex().dtype == numpy.uint64
        it = CSVIter(data_csv=data, data_shape=(3,), label_csv=data, label_shape=(3,), batch_size=4)
        assert it.next().label[0].shape == (4, 3) and it.provide_data[0].dtype == numpy.float32
        assert (CSVIter(data_csv=data, data_shape=3, batch_size=4).next().label[0].asnumpy() == 0).all()

    def test_one_batch_for_ever(self, write: Write) -> None:
        it = CSVIter(data_csv=write("d", CSV), data_shape=(3,), batch_size=2)
        next(it), it.reset()
        it.debug_skip_load()
        assert [it.next().index.tolist() for _ in range(5)] == [[0, 1]] * 5
        it.reset()
        assert it.next().index.tolist() == [0, 1]

    def test_large_integers_stay_exact(self, write: Write) -> None:
        it = CSVIter(data_csv=write("d", f"{2**53 + 1}\n"), data_shape=(1,), batch_size=1, dtype="int64")
        assert it.next().data[0].asnumpy() == 2**53 + 1

    def test_a_folder_is_read_by_name(self, tmp_path: Path) -> None:
        for name, text in (("b.csv", "3\n4"), ("a.csv", "1\r\n\r\n2\r\n"), ("c.csv", "")):
            (tmp_path / name).write_text(text)
        it = CSVIter(data_csv=tmp_path, data_shape=(1,), batch_size=4)
        assert it.next().data[0].asnumpy().ravel().tolist() == [1, 2, 3, 4]

    @pytest.mark.parametrize(
        ("text", "error", "message"),
        [
            ("1,2,3\n1,x,3\n", FileFormatError, r"numbers \(float32\), separated by commas; got 'x' at line 2, field 2 of .*bad"),
            ("1,2,3\n\n1,,3\n", FileFormatError, r"got '' at line 3, field 2 of .*bad"),
            ("1,2,3,\n1,2,3,\n", FileFormatError, r"got '' at line 1, field 4"),
            ("1,2 3,4\n", FileFormatError, r"got '2 3' at line 1, field 2"),
            ("1,2,3\n1,2\n", FileFormatError, r"3 numbers in each row; got 2 at line 2 of .*bad"),
            ("1,2\n1,2\n", ShapeError, r"rows of 3 numbers, for the shape \(3,\); got rows of 2 in .*bad"),
            ("\n\n", ArgumentError, r"at least one row; got none in .*bad"),
            (b"1,2,\xff\xfe\n", FileFormatError, r"got 'ÿþ' at line 1, field 3"),
        ],
    )
    def test_broken_files(self, write: Write, text: str, error: type[Exception], message: str) -> None:
        with pytest.raises(error, match=message):
            CSVIter(data_csv=write("bad", text), data_shape=(3,), batch_size=2)

    def test_wrong_arguments(self, write: Write) -> None:
        data = write("d", CSV)
        with pytest.raises(FileFormatError, match=r"a row of labels for each row of data; got 2 in .*l for 4 in .*d"):
            CSVIter(data_csv=data, data_shape=(3,), label_csv=write("l", "1\n2"), batch_size=2)
        with pytest.raises(DtypeError, match="float32, int32, int64; got 'uint8'"):
            CSVIter(data_csv=data, data_shape=(3,), batch_size=2, dtype="uint8")
        with pytest.raises(FileFormatError, match=r"a file or a folder.*nowhere', which is not there"):
            CSVIter(data_csv="nowhere", data_shape=(3,), batch_size=2)
        with pytest.raises(ShapeError, match=r"a data_shape of numbers of 1 or more; got \(0,\)"):
            CSVIter(data_csv=data, data_shape=(0,), batch_size=2)
        with pytest.raises(TypeError, match="mean"):
            CSVIter(data_csv=data, data_shape=(3,), batch_size=2, mean=1)  # type: ignore[call-arg]
        it = CSVIter(data_csv=data, data_shape=(3,), batch_size=2)
        with pytest.raises(ArgumentError, match=r"CSVIter.*a current batch; got none"):
            it.getdata()


class TestLibSVM:
    def test_dense_batches_with_mxnets_values(self, write: Write) -> None:
        it = LibSVMIter(data_libsvm=write("d", SVM), data_shape=(3,), batch_size=3)
        first, second = list(it)
        assert (first.data[0].asnumpy() == SVM_ROWS[:3]).all() and first.label[0].asnumpy().tolist() == [1, -2, -3]
        assert (second.data[0].asnumpy() == SVM_ROWS[[3, 0, 1]]).all() and second.label[0].asnumpy().tolist() == [4, 1, -2]
        assert (second.pad, second.index.tolist()) == (2, [3, 0, 1])

    def test_labels_of_their_own(self, write: Write) -> None:
        files = {"data_libsvm": write("d", SVM), "label_libsvm": write("l", SVM_LABELS)}
        batch = LibSVMIter(**files, data_shape=(3,), label_shape=(4,), batch_size=3).next()
        assert batch.label[0].asnumpy().tolist() == [[0] * 4, [0.125, 0, 0, 0], [0, 0, pytest.approx(1.2), 0]]

    def test_comments_and_empty_lines(self, write: Write) -> None:
        it = LibSVMIter(data_libsvm=write("d", "# head\n1 0:2 # one\n\n2 1:1 0:3"), data_shape=(2,), batch_size=2)
        assert it.next().data[0].asnumpy().tolist() == [[2, 0], [3, 1]]
        it = LibSVMIter(data_libsvm=write("d", "1e99\t1:nan \r\n-inf 0:1e-99\n"), data_shape=(2,), batch_size=2)
        batch = it.next()
        assert repr(batch.data[0].asnumpy().tolist()) == "[[0.0, nan], [0.0, 0.0]]"
        assert batch.label[0].asnumpy().tolist() == [numpy.inf, -numpy.inf]

    def test_parts_are_mxnets(self, write: Write) -> None:
        data, label = write("d", SVM), write("l", SVM_LABELS)

        def rows(part: int, **more: Any) -> list[Any]:
            it = LibSVMIter(data_libsvm=data, data_shape=(3,), batch_size=1, num_parts=2, part_index=part, **more)
            return [batch.label[0].asnumpy().tolist()[0] for batch in it]

        assert [rows(0), rows(1)] == [[1, -2, -3], [4]]
        data = write("even", "1 0:1\n2 0:1\n3 0:1\n4 0:1\n")  # the third line begins where the second half does
        assert [rows(0), rows(1)] == [[1, 2, 3], [4]]
        data = write("d", SVM)
        labels = rows(1, label_libsvm=label, label_shape=(3,))  # those of the same lines
        assert labels == [[0, 1, pytest.approx(-1.2)]]

    @given(st.lists(st.integers(1, 30), min_size=1, max_size=20), st.integers(1, 7))
    def test_each_line_is_in_one_part(self, lengths: list[int], parts: int) -> None:
        total = sum(lengths)
        bounds = [part_of_bytes(total, parts, i) for i in range(parts)]
        assert [part_of_bytes(100, 3, i, align=4) for i in range(3)] == [(0, 36), (36, 72), (72, 100)]
        assert bounds[0][0] == 0 and bounds[-1][1] == total and all(a[1] == b[0] for a, b in pairwise(bounds))

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("1 0:1\none 0:2\n", r"a label, a number; got 'one' at line 2 of .*bad"),
            ("1 0:1 2:x\n", r"entries index:value; got '2:x' at line 1"),
            ("1 0:1 2\n", r"entries index:value; got '2' at line 1"),
            ("1e99 0:1e99\n1 -1:1\n", r"entries index:value; got '-1:1'"),
            ("1 0:1\n\n2 3:1\n", r"indices from 0 to below 3; got '3:1' at line 3"),
            ("1 0:1:2 2\n", r"entries index:value; got '0:1:2' at line 1"),
            ("1 0:1\n2 0: 1:5\n", r"entries index:value; got '0:' at line 2"),
            ("1_0 0:1\n", r"a label, a number; got '1_0'"),
            ("# nothing\n", r"at least one sample; got none in .*bad"),
        ],
    )
    def test_broken_files(self, write: Write, text: str, message: str) -> None:
        with pytest.raises(HybridnetError, match=message):
            LibSVMIter(data_libsvm=write("bad", text), data_shape=(3,), batch_size=2)

    def test_what_cannot_be(self, write: Write) -> None:
        given = {"data_libsvm": write("d", SVM), "data_shape": (3,), "batch_size": 2}
        for more, message in (
            ({"round_batch": False}, "round_batch=True"),
            ({"dtype": "int32"}, "dtype float32"),
            ({"data_shape": (3, 1)}, "a data_shape of one dimension"),
            ({"label_shape": (2,)}, r"a label_shape of \(1,\), or label_libsvm"),
            ({"num_parts": 2, "part_index": 2}, "a part_index from 0 to below num_parts=2; got 2"),
            ({"num_parts": 50, "part_index": 49}, "at least one sample; got none in this part"),
            ({"label_libsvm": write("l", "1\n"), "label_shape": (3,)}, "a line of labels for each line of data; got 1"),
        ):
            with pytest.raises(HybridnetError, match=message):
                LibSVMIter(**(given | more))


class TestMNIST:
    @pytest.fixture(name="files")
    def _files(self, write: Write) -> dict[str, str]:
        return {"image": write("i", idx(IMAGES)), "label": write("l", gzip.compress(idx(numpy.arange(10, dtype=numpy.uint8))))}

    def test_values_and_shapes_are_mxnets(self, files: dict[str, str]) -> None:
        it = MNISTIter(**files, batch_size=4, shuffle=False)
        first, second = list(it)  # a rest of two is left out
        assert first.data[0].dtype == numpy.float32 and (second.data[0].asnumpy() == IMAGES[4:8, None] / 256).all()
        assert second.label[0].asnumpy().tolist() == [4, 5, 6, 7] and second.pad == 0
        assert it.provide_data == [("data", (4, 1, 2, 2))]
        assert MNISTIter(**files, batch_size=4, flat=True).next().data[0].shape == (4, 4)

    def test_shuffling_keeps_pairs_and_is_reproducible(self, files: dict[str, str]) -> None:
        def order(**more: Any) -> list[int]:
            it = MNISTIter(**files, batch_size=10, flat=True, **more)
            batch = it.next()
            label = batch.label[0].asnumpy().astype(int)
            assert (batch.data[0].asnumpy() == IMAGES.reshape(10, 4)[label] / 256).all() and (batch.index == label).all()
            it.reset()
            assert (it.next().label[0].asnumpy() == label).all()
            return [int(i) for i in label]

        assert order(seed=1) == order(seed=1) != order(seed=2)
        assert sorted(order(seed=1)) == list(range(10))

    def test_parts_are_mxnets(self, files: dict[str, str]) -> None:
        parts = [MNISTIter(**files, batch_size=1, shuffle=False, num_parts=3, part_index=i) for i in range(3)]
        assert [[int(batch.index[0]) for batch in part] for part in parts] == [[0, 1, 2], [3, 4, 5], [6, 7, 8, 9]]

    def test_it_says_what_was_read(self, files: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level("INFO"):
            MNISTIter(**files, silent=True)
            assert not caplog.text
            MNISTIter(**files)
        assert "10 images of (2, 2)" in caplog.text

    def test_broken_files(self, files: dict[str, str], write: Write) -> None:
        whole = idx(IMAGES)
        for image, message in (
            (b"", "an IDX file, which begins with 0, 0, an element type .*; got nothing in .*bad"),
            (b"\1" + whole[1:], "an IDX file"),
            (whole[:2] + b"\7" + whole[3:], "an IDX file"),
            (whole[:9], r"3 dimensions of 4 bytes after byte 4; got 5 bytes"),
            (whole[:-1], r"40 bytes of elements, for the shape \(10, 2, 2\); got 39 in .*bad"),
            (whole + b"x", "got 41"),
            (gzip.compress(whole)[:-9], "a whole file of gzip; got .*bad"),
            (idx(IMAGES[:9]), r"a label for each image; got 10 in .*l for 9 in .*bad"),
            (idx(IMAGES.reshape(10, 4)), r"bytes in 3 dimensions; got uint8 of shape \(10, 4\) in .*bad"),
            (idx(IMAGES[:0]), "a label for each image"),
        ):
            with pytest.raises(FileFormatError, match=message):
                MNISTIter(image=write("bad", image), label=files["label"])
        with pytest.raises(FileFormatError, match=r"a file that can be read; got 'nowhere': No such file"):
            MNISTIter(image="nowhere", label=files["label"])
        with pytest.raises(DtypeError, match=r"dtype float32; got 'uint8'"):
            MNISTIter(**files, dtype="uint8")


def test_libsvm_gives_matrices_by_rows(tmp_path: Path) -> None:
    """Of csr storage, labels of a file too; columns in order, and of a column that stands twice the last value."""
    (tmp_path / "x").write_text("1 0:1 2:3\n2 3:4 1:2 3:5\n3\n")
    (tmp_path / "y").write_text("0 1:7\n0 0:8\n0 0:9 1:1\n")
    batches = list(LibSVMIter(data_libsvm=str(tmp_path / "x"), data_shape=(4,), batch_size=2))
    assert [b.data[0].stype for b in batches] == ["csr", "csr"]
    assert batches[0].data[0].asnumpy().tolist() == [[1, 0, 3, 0], [0, 2, 0, 5]]
    assert batches[0].data[0].indices.asnumpy().tolist() == [0, 2, 1, 3]
    batches[0].data[0].check_format()
    assert batches[1].data[0].asnumpy().tolist() == [[0, 0, 0, 0], [1, 0, 3, 0]]
    both = LibSVMIter(
        data_libsvm=str(tmp_path / "x"), data_shape=(4,), label_libsvm=str(tmp_path / "y"), label_shape=(2,), batch_size=3
    ).next()
    assert both.label[0].stype == "csr"
    assert both.label[0].asnumpy().tolist() == [[0, 7], [8, 0], [9, 1]]
    weight = nd.ones((4, 2))
    assert nd.dot(both.data[0], weight).asnumpy().tolist() == [[4, 4], [7, 7], [0, 0]]
