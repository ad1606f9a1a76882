"""Iterators over arrays, and around iterators, against what MXNet 1.9.1 gives for the same calls."""

import pickle
import threading
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hybridnet as hn
from hybridnet import autograd, io, nd
from hybridnet.errors import ArgumentError, DtypeError, ShapeError
from hybridnet.io import DataBatch, DataDesc, NDArrayIter, PrefetchingIter, ResizeIter

TEN = numpy.arange(10)


def seen(it: io.DataIter, epochs: int = 1) -> list[list[tuple[list[int], Any]]]:
    """The samples and the padding of every batch, epoch by epoch."""
    found = []
    for _ in range(epochs):
        found.append([([int(v) for v in batch.data[0].asnumpy()], batch.pad) for batch in it])
        it.reset()
    return found


class TestDescriptions:
    def test_a_description_is_a_name_and_a_shape(self) -> None:
        desc = DataDesc("data", (3, 4), numpy.int32, "NT")
        assert repr(desc) == "DataDesc[data,(3, 4),<class 'numpy.int32'>,NT]"
        name, shape = desc
        assert (name, shape) == desc == ("data", (3, 4))
        assert (DataDesc("data", (3,)).dtype, DataDesc("data", (3,)).layout) == (numpy.float32, "NCHW")
        copy = pickle.loads(pickle.dumps(desc))
        assert (copy, copy.dtype, copy.layout) == (desc, numpy.int32, "NT")

    def test_the_batch_axis(self) -> None:
        assert [DataDesc.get_batch_axis(layout) for layout in (None, "NCHW", "TNC", "CHW")] == [0, 0, 1, -1]

    def test_lists(self) -> None:
        pairs = [("a", (2, 3)), ("b", (4,))]
        assert [d.dtype for d in DataDesc.get_list(pairs, None)] == [numpy.float32] * 2
        for types in ([("b", numpy.float16), ("a", numpy.int32)], {"a": numpy.int32, "b": numpy.float16}):
            assert [d.dtype for d in DataDesc.get_list(dict(pairs), types)] == [numpy.int32, numpy.float16]
        with pytest.raises(ArgumentError, match=r"DataDesc.get_list.*none for 'b'"):
            DataDesc.get_list(pairs, {"a": numpy.int32})

    def test_a_batch_holds_lists(self) -> None:
        batch = DataBatch([nd.ones((2, 3))], [nd.ones((2,))])
        assert str(batch) == "DataBatch: data shapes: [(2, 3)] label shapes: [(2,)]"
        assert str(DataBatch([nd.ones((2, 3))])) == "DataBatch: data shapes: [(2, 3)] label shapes: None"
        with pytest.raises(ArgumentError, match=r"a list of arrays as label; got a NDArray.*try \[label\]"):
            DataBatch([1], nd.ones(3))

    def test_the_base_class_is_empty(self) -> None:
        base = io.DataIter(3)
        assert list(base) == [] and base.batch_size == 3
        assert [base.getdata(), base.getlabel(), base.getindex(), base.getpad()] == [None] * 4


#: (samples, batch size, last_batch_handle, shuffled after numpy.random.seed(1)) and the epochs that MXNet gives.
EPOCHS: list[tuple[tuple[Any, ...], list[Any]]] = [
    ((10, 4, "pad", False), [[([0, 1, 2, 3], 0), ([4, 5, 6, 7], 0), ([8, 9, 0, 1], 2)]] * 2),
    ((3, 8, "pad", False), [[([0, 1, 2, 0, 1, 2, 0, 1], 5)]] * 2),
    ((10, 4, "discard", False), [[([0, 1, 2, 3], 0), ([4, 5, 6, 7], 0)]] * 2),
    ((3, 8, "discard", False), [[], []]),
    (
        (10, 4, "roll_over", False),
        [[([0, 1, 2, 3], 0), ([4, 5, 6, 7], 0)], [([8, 9, 0, 1], 2), ([2, 3, 4, 5], 0), ([6, 7, 8, 9], 0)]] * 2,
    ),
    (
        (5, 4, "roll_over", False),
        [[([0, 1, 2, 3], 0)], [([4, 0, 1, 2], 1)], [([3, 4, 0, 1], 2)], [([2, 3, 4, 0], 3), ([1, 2, 3, 4], 0)], [([0, 1, 2, 3], 0)]],
    ),
    ((3, 4, "roll_over", False), [[], [([0, 1, 2, 0], 3)], [([1, 2, 0, 1], 2)], [([2, 0, 1, 2], 1)], [], [([0, 1, 2, 0], 3)]]),
    (
        (10, 4, "roll_over", True),
        [
            [([2, 9, 6, 4], 0), ([0, 3, 1, 7], 0)],
            [([8, 5, 3, 4], 2), ([0, 6, 8, 2], 0), ([1, 5, 9, 7], 0)],
            [([4, 0, 3, 5], 0), ([2, 1, 6, 7], 0)],
            [([9, 8, 4, 1], 2), ([7, 0, 5, 3], 0), ([6, 9, 8, 2], 0)],
        ],
    ),
]


class TestArrays:
    @pytest.mark.parametrize(("case", "epochs"), EPOCHS, ids=lambda x: "-".join(map(str, x)) if isinstance(x, tuple) else "")
    def test_the_batches_are_mxnets(self, case: tuple[Any, ...], epochs: list[Any]) -> None:
        samples, batch_size, handle, shuffle = case
        numpy.random.seed(1)
        it = NDArrayIter(numpy.arange(samples), None, batch_size, shuffle, handle)
        assert seen(it, len(epochs)) == epochs

    @given(st.integers(1, 9), st.integers(1, 12), st.sampled_from(["pad", "discard"]), st.integers(1, 4))
    def test_a_sample_comes_once_an_epoch(self, samples: int, batch_size: int, handle: str, epochs: int) -> None:
        for epoch in seen(NDArrayIter(numpy.arange(samples), None, batch_size, True, handle), epochs):
            rows = [x for batch, _ in epoch for x in batch]
            if handle == "pad":
                assert sorted(rows[:samples]) == list(range(samples)) and epoch[-1][1] == len(rows) - samples < batch_size
            else:
                assert len(set(rows)) == len(rows) == samples // batch_size * batch_size

    @given(st.integers(1, 9), st.integers(1, 20), st.integers(1, 6))
    def test_rolling_over_loses_nothing(self, samples: int, batch_size: int, epochs: int) -> None:
        """All epochs together are a queue from which whole batches are taken."""
        queue: list[int] = []
        for epoch in seen(NDArrayIter(numpy.arange(samples), None, batch_size, False, "roll_over"), epochs):
            left = len(queue)
            queue += range(samples)
            expected = [queue[at : at + batch_size] for at in range(0, len(queue) - batch_size + 1, batch_size)]
            assert [rows for rows, _ in epoch] == expected
            assert [pad for _, pad in epoch] == [left, *[0] * (len(expected) - 1)][: len(expected)]
            queue = queue[len(expected) * batch_size :]

    def test_what_was_to_be_rolled_over_can_be_forgotten(self) -> None:
        it = NDArrayIter(TEN, None, 4, last_batch_handle="roll_over")
        list(it)
        it.hard_reset()
        assert seen(it)[0][0] == ([0, 1, 2, 3], 0)
        next(it), it.reset()  # an epoch that was left early rolls nothing over
        assert seen(it)[0][0] == ([0, 1, 2, 3], 0)
        it.hard_reset()
        list(it)
        assert not it.iter_next() and not it.iter_next()  # asking again changes nothing
        it.reset()
        assert seen(it)[0][0] == ([8, 9, 0, 1], 2)

    def test_names(self) -> None:
        def names(data: Any, label: Any = None, **more: Any) -> list[list[str]]:
            it = NDArrayIter(data, label, 2, **more)
            return [[desc.name for desc in part] for part in (it.provide_data, it.provide_label)]

        assert names(TEN) == [["data"], []]
        assert names([TEN], [TEN]) == [["data"], ["softmax_label"]]
        assert names([TEN, TEN], [TEN, TEN]) == [["_0_data", "_1_data"], ["_0_softmax_label", "_1_softmax_label"]]
        assert names({"b": TEN, "a": TEN}, {"z": TEN}) == [["a", "b"], ["z"]]
        assert names(TEN, TEN, data_name="x", label_name="y") == [["x"], ["y"]]
        (desc,) = NDArrayIter(numpy.ones((10, 3)), None, 2, layout="NTC").provide_data
        assert (desc, desc.layout) == (("data", (2, 3)), "NTC")

    def test_numpy_becomes_float32_and_arrays_keep_their_dtype(self) -> None:
        for dtype in ("int64", "float64", "uint8", "bool", "float16"):
            assert NDArrayIter(TEN.astype(dtype), None, 2).provide_data[0].dtype == numpy.float32
        it = NDArrayIter(nd.array(TEN, dtype="int32"), None, 3)
        assert it.provide_data[0].dtype == numpy.int32 == it.next().data[0].dtype

    def test_the_class_follows_the_rules(self) -> None:
        assert type(NDArrayIter(TEN).next().data[0]) is hn.np.ndarray
        with hn.util.np_array(False):
            assert type(NDArrayIter(TEN).next().data[0]) is nd.NDArray
        assert type(NDArrayIter(nd.array(TEN)).next().data[0]) is nd.NDArray

    @pytest.mark.parametrize("shuffle", [False, True])
    def test_a_batch_is_a_copy(self, shuffle: bool) -> None:
        data = nd.array(TEN)
        batch = NDArrayIter(data, None, 4, shuffle).next().data[0]
        batch[:] = -1
        assert (data.asnumpy() == TEN).all()

    def test_a_batch_is_made_under_record_as_well(self) -> None:
        weight = nd.ones((1,))
        weight.attach_grad()
        with autograd.record():
            loss = (NDArrayIter(TEN, None, 4).next().data[0] * weight).sum()
        loss.backward()
        assert weight.grad.asnumpy() == [6]

    def test_the_current_batch(self) -> None:
        it = NDArrayIter(TEN, TEN * 10, 4)
        with pytest.raises(ArgumentError, match=r"NDArrayIter.*a current batch; got none yet"):
            it.getdata()
        assert it.iter_next()
        assert (it.getdata()[0].asnumpy() == TEN[:4]).all() and (it.getlabel()[0].asnumpy() == TEN[:4] * 10).all()
        assert (it.getpad(), it.getindex(), it.cursor, it.num_data, it.num_source) == (0, None, 0, 10, 2)
        list(it)
        with pytest.raises(ArgumentError, match="the end of the data"):
            it.getlabel()

    @pytest.mark.parametrize(
        ("args", "error", "message"),
        [
            ((TEN, TEN, 0), ArgumentError, "a batch_size of 1 or more; got 0"),
            ((TEN, TEN, True), ArgumentError, "a batch_size of 1 or more; got True"),
            ((TEN[:0],), ArgumentError, r"at least one sample; got data: \(0,\)"),
            ((None,), ArgumentError, "data, at least one array; got none"),
            (([],), ArgumentError, "data, at least one array; got none"),
            ((TEN, TEN[:5], 2), ShapeError, r"as many samples in each array; got data: \(10,\), softmax_label: \(5,\)"),
            ((numpy.float32(3),), ShapeError, "data with samples along its first axis"),
            (("abc",), DtypeError, "data as a dense array of numbers.*got 'abc'"),
            (({"x": [[1, 2], [3]]},), DtypeError, "x as a dense array of numbers"),
            ((TEN, TEN, 2, False, "rest"), ArgumentError, "a last_batch_handle of 'pad', 'discard', 'roll_over'; got 'rest'"),
        ],
    )
    def test_errors(self, args: Any, error: type[Exception], message: str) -> None:
        with pytest.raises(error, match=rf"\[NDArrayIter\] expected {message}"):
            NDArrayIter(*args)

    def test_sparse_matrices_are_refused(self) -> None:
        from scipy.sparse import csr_matrix

        with pytest.raises(DtypeError, match=r"got a sparse matrix; .*try data.toarray\(\)"):
            NDArrayIter(csr_matrix(numpy.eye(3)))


class TestResize:
    def test_longer_epochs_start_again(self) -> None:
        it = ResizeIter(NDArrayIter(TEN, None, 4), 5)
        assert [[rows[0] for rows, _ in epoch] for epoch in seen(it, 2)] == [[0, 4, 8, 0, 4]] * 2
        assert (it.provide_data, it.batch_size) == ([("data", (4,))], 4)

    def test_shorter_epochs_can_go_on(self) -> None:
        it = ResizeIter(NDArrayIter(TEN, None, 4), 2, reset_internal=False)
        assert [[rows[0] for rows, _ in epoch] for epoch in seen(it, 3)] == [[0, 4], [8, 0], [4, 8]]

    def test_the_current_batch(self) -> None:
        it = ResizeIter(NDArrayIter(TEN, TEN, 4), 3)
        with pytest.raises(ArgumentError, match=r"getdata.*a current batch; got none yet"):
            it.getdata()
        list(it)
        assert (it.getpad(), it.getindex(), it.getlabel()[0].shape) == (2, None, (4,))

    def test_an_empty_iterator_is_told(self) -> None:
        with pytest.raises(ArgumentError, match=r"ResizeIter.*at least one batch; got none"):
            next(ResizeIter(NDArrayIter(TEN, None, 20, last_batch_handle="discard"), 2))


class TestPrefetch:
    def test_the_same_batches(self) -> None:
        it = PrefetchingIter(NDArrayIter(TEN, TEN, 4))
        assert seen(it, 3) == seen(NDArrayIter(TEN, TEN, 4), 3)
        next(it), it.reset()  # in the middle
        assert seen(it) == seen(NDArrayIter(TEN, TEN, 4))
        assert list(it) and not it.iter_next() and list(it) == []

    def test_several_iterators_make_one(self) -> None:
        parts = [NDArrayIter({"data": sign * TEN}, TEN, 4) for sign in (1, -1)]
        it = PrefetchingIter(parts, [{"data": "d1"}, {"data": "d2"}], [{"softmax_label": "l1"}, {}])
        assert [d.name for d in (*it.provide_data, *it.provide_label)] == ["d1", "d2", "l1", "softmax_label"]
        batch = next(it)
        assert [x.asnumpy().tolist() for x in batch.data] == [[0, 1, 2, 3], [0, -1, -2, -3]]
        assert (len(batch.label), batch.provide_data, it.batch_size) == (2, it.provide_data, 4)
        assert (it.getpad(), it.getindex(), len(it.getdata()), len(it.getlabel())) == (0, None, 2, 2)

    def test_it_reads_ahead_in_a_thread_under_the_same_rules(self) -> None:
        class Slow(NDArrayIter):
            threads: set[int] = set()

            def next(self) -> DataBatch:
                self.threads.add(threading.get_ident())
                return DataBatch([hn.util.default_array([1.0])], [], 0)

        with hn.util.np_array(False):
            it = PrefetchingIter(Slow(TEN, None, 4))
            assert type(next(it).data[0]) is nd.NDArray
        assert Slow.threads and threading.get_ident() not in Slow.threads

    def test_errors_come_through(self) -> None:
        class Broken(NDArrayIter):
            def next(self) -> DataBatch:
                raise OSError("the disk is gone")

        with pytest.raises(OSError, match="the disk is gone"):
            next(PrefetchingIter(Broken(TEN)))
        with pytest.raises(ArgumentError, match="at least one iterator"):
            PrefetchingIter([])
        with pytest.raises(ArgumentError, match="rename_data with a dict for each of 1 iterators"):
            PrefetchingIter(NDArrayIter(TEN), rename_data=[{}, {}])
        with pytest.raises(ArgumentError, match="equally many batches; got the end of number 1"):
            list(PrefetchingIter([NDArrayIter(TEN, None, 2), NDArrayIter(TEN[:4], None, 2)]))
        with pytest.raises(ArgumentError, match=r"the same padding; got padding of \[2, 0\]"):
            list(PrefetchingIter([NDArrayIter(TEN, None, 4), NDArrayIter(TEN, None, 2)]))
