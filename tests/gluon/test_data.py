"""``gluon.data``: datasets and samplers, as MXNet 1.9.1 has them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy
import pytest
from support import loader_samples as some

import hybridnet as hn
from hybridnet import nd, np, recordio
from hybridnet.errors import ArgumentError, DtypeError, ShapeError
from hybridnet.gluon import data
from hybridnet.gluon.contrib.data import IntervalSampler


def ten() -> data.SimpleDataset:
    return data.SimpleDataset(list(range(10)))


def double(x: Any) -> Any:
    return 2 * x


def test_simple_dataset() -> None:
    assert list(data.SimpleDataset([1, 2, 3])) == [1, 2, 3] and data.SimpleDataset([1, 2, 3])[-1] == 3
    assert data.SimpleDataset(np.ones((3, 2)))[1].shape == (2,) and len(data.SimpleDataset(nd.ones((3, 2)))) == 3


def test_array_dataset_puts_arrays_side_by_side() -> None:
    x, y = numpy.arange(6).reshape(3, 2), ["a", "b", "c"]
    pairs = data.ArrayDataset(x, y)
    assert len(pairs) == 3 and pairs[1][1] == "b" and (pairs[1][0] == [2, 3]).all()
    assert (data.ArrayDataset(x)[2] == [4, 5]).all()
    assert [t[1] for t in data.ArrayDataset(x, data.SimpleDataset(y))] == y


@pytest.mark.parametrize("make", [np.array, nd.array])
def test_samples_of_an_array_of_one_dimension_are_numbers(make: Any) -> None:
    sample = data.ArrayDataset(make([[1.0, 2.0], [3.0, 4.0]]), make([5.0, 6.0]))[1]
    assert isinstance(sample[0], hn.core.Array) and isinstance(sample[1], numpy.float32) and sample[1] == 6


def test_what_array_dataset_refuses() -> None:
    with pytest.raises(ShapeError, match="got 2 and 1"):
        data.ArrayDataset([1, 2], ["a"])
    with pytest.raises(ArgumentError, match="at least one array"):
        data.ArrayDataset()


def test_transform() -> None:
    calls: list[int] = []

    def noted(x: int) -> int:
        calls.append(x)
        return x + 1

    lazy = data.SimpleDataset([1, 2]).transform(noted)
    assert not calls and lazy[0] == lazy[0] == 2 and calls == [1, 1]
    eager = data.SimpleDataset([1, 2]).transform(noted, lazy=False)
    assert list(eager) == [2, 3] and calls == [1, 1, 1, 2]
    assert data.ArrayDataset([1, 2], [3, 4]).transform(lambda x, y: (10 * x, y))[0] == (10, 3)
    assert data.SimpleDataset([[1, 2]]).transform(len)[0] == 2  # a list is one argument


def test_transform_first() -> None:
    assert data.ArrayDataset([1, 2], [3, 4], [5, 6]).transform_first(double)[0] == (2, 3, 5)
    assert data.ArrayDataset([1, 2], [3, 4]).transform_first(lambda x: (x, x))[0] == ((1, 1), 3)
    assert list(ten().transform_first(double, lazy=False)) == list(range(0, 20, 2))


def test_filter_reads_each_sample_once_and_takes_a_tuple_whole() -> None:
    assert list(ten().filter(lambda x: x % 2)) == [1, 3, 5, 7, 9]
    assert list(data.ArrayDataset([1, 2], [3, 4]).filter(lambda pair: pair[0] > 1)) == [(2, 4)]


@pytest.mark.parametrize(("number", "parts"), [(1, [10]), (3, [4, 3, 3]), (4, [3, 3, 2, 2]), (12, [1] * 10 + [0, 0])])
def test_shards_are_in_order_and_nearly_equal(number: int, parts: list[int]) -> None:
    shards = [ten().shard(number, i) for i in range(number)]
    assert [len(s) for s in shards] == parts and [i for s in shards for i in s] == list(range(10))


@pytest.mark.parametrize(("number", "index"), [(3, 3), (3, -1), (0, 0)])
def test_shards_that_are_not_there(number: int, index: int) -> None:
    with pytest.raises(ArgumentError, match=f"index {index} of {number}"):
        ten().shard(number, index)


def test_take_and_sample() -> None:
    assert [len(ten().take(n)) for n in (3, 0, None, 99)] == [3, 0, 10, 10]
    taken = ten().take(2)
    assert list(taken) == [0, 1] and taken[-1] == 1
    with pytest.raises(IndexError):
        taken[2]
    with pytest.raises(ArgumentError, match="0 or more; got -1"):
        ten().take(-1)
    assert list(ten().sample(data.SequentialSampler(3, 2))) == [2, 3, 4]
    with pytest.raises(DtypeError, match="got a list"):
        ten().sample([1, 2])  # type: ignore[arg-type]


def test_datasets_go_through_pickle() -> None:
    made = data.ArrayDataset(np.arange(6).reshape(3, 2), [1, 2, 3]).transform_first(double).shard(2, 0)
    assert [y for _, y in pickle.loads(pickle.dumps(made))] == [1, 2]


def test_records_of_a_file(tmp_path: Path) -> None:
    with recordio.MXIndexedRecordIO(tmp_path / "some.idx", tmp_path / "some.rec", "w") as file:
        for i in range(9):
            file.write_idx(10 * i, numpy.int32([i, i * i]).tobytes())
    dataset = data.RecordFileDataset(tmp_path / "some.rec")
    assert len(dataset) == 9 and dataset[-1] == numpy.int32([8, 64]).tobytes()
    with pytest.raises(IndexError):
        dataset[9]
    expected = [[[i, i * i] for i in numbers] for numbers in ([0, 1, 2, 3], [4, 5, 6, 7], [8])]
    for way in ({}, {"num_workers": 2}, {"num_workers": 2, "thread_pool": True}):  # each process opens it anew, threads share it
        loader = data.DataLoader(dataset.transform(some.numbers_of), 4, **way)  # type: ignore[arg-type]
        assert [batch.tolist() for batch in loader] == expected


def test_a_dataset_of_ones_own_says_what_it_lacks() -> None:
    class Lacking(data.Dataset):
        pass

    with pytest.raises(NotImplementedError, match=r"Lacking.__len__"):
        len(Lacking())
    with pytest.raises(NotImplementedError, match=r"Lacking.__getitem__"):
        Lacking()[0]


# -- samplers -------------------------------------------------------------------------------------


def test_sequential_and_filter_samplers() -> None:
    assert list(data.SequentialSampler(3, 2)) == [2, 3, 4] and len(data.SequentialSampler(3, 2)) == 3
    chosen = data.FilterSampler(lambda x: x % 3 == 0, ten())
    assert list(chosen) == [0, 3, 6, 9] and len(chosen) == 4


def test_random_sampler_follows_the_seed() -> None:
    sampler = data.RandomSampler(50)
    hn.random.seed(3)
    first, second = list(sampler), list(sampler)
    hn.random.seed(3)
    assert list(sampler) == first != second and sorted(first) == sorted(second) == list(range(50))
    assert all(type(i) is int for i in first)


@pytest.mark.parametrize(
    ("last_batch", "epochs"),
    [
        ("keep", [[[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]] * 2),
        ("discard", [[[0, 1, 2], [3, 4, 5], [6, 7, 8]]] * 2),
        (
            "rollover",
            [
                [[0, 1, 2], [3, 4, 5], [6, 7, 8]],
                [[9, 0, 1], [2, 3, 4], [5, 6, 7]],
                [[8, 9, 0], [1, 2, 3], [4, 5, 6], [7, 8, 9]],
                [[0, 1, 2], [3, 4, 5], [6, 7, 8]],
            ],
        ),
    ],
)
def test_batch_sampler(last_batch: str, epochs: list[list[list[int]]]) -> None:
    sampler = data.BatchSampler(data.SequentialSampler(10), 3, last_batch)
    for expected in epochs:
        assert len(sampler) == len(expected)
        assert list(sampler) == expected


def test_batch_sampler_refuses() -> None:
    with pytest.raises(ArgumentError, match="keep, discard, rollover; got 'drop'"):
        data.BatchSampler(data.SequentialSampler(10), 3, "drop")
    with pytest.raises(ArgumentError, match="batch_size of 1 or more; got 0"):
        data.BatchSampler(data.SequentialSampler(10), 0)


def test_interval_sampler() -> None:
    assert list(IntervalSampler(13, 3)) == [0, 3, 6, 9, 12, 1, 4, 7, 10, 2, 5, 8, 11] and len(IntervalSampler(13, 3)) == 13
    assert list(IntervalSampler(13, 3, rollover=False)) == [0, 3, 6, 9, 12]
    assert len(IntervalSampler(13, 3, rollover=False)) == 5  # MXNet says 13
    with pytest.raises(ArgumentError, match="from 1 to the length, 3; got 5"):
        IntervalSampler(3, 5)


@pytest.mark.parametrize("rest", ["pad", "discard"])
@pytest.mark.parametrize(("length", "parts"), [(10, 3), (12, 4), (3, 5), (0, 2), (7, 1)])
def test_split_samplers_give_every_part_as_many(length: int, parts: int, rest: str) -> None:
    own = -(-length // parts) if rest == "pad" else length // parts
    for shuffle in (False, True):
        samplers = [data.SplitSampler(length, parts, i, shuffle, seed=3, rest=rest) for i in range(parts)]
        epochs = [[list(s) for s in samplers] for _ in range(2)]
        for epoch in epochs:
            assert [len(p) for p in epoch] == [len(s) for s in samplers] == [own] * parts
            numbers = [n for part in epoch for n in part]
            assert set(numbers) <= set(range(length)) and len(set(numbers)) == min(length, own * parts)
        assert (epochs[0] != epochs[1]) == (shuffle and own * parts > 2)
        again = data.SplitSampler(length, parts, 0, shuffle, seed=3, rest=rest)
        again.load_state_dict({"epoch": 1})
        assert list(again) == epochs[1][0]


def test_a_part_that_there_is_not() -> None:
    with pytest.raises(ArgumentError, match=r"\[SplitSampler\] expected a part_index from 0 to below num_parts=2; got 2"):
        data.SplitSampler(4, 2, 2)
