"""Samples to batches, and anything through shared memory."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import loader_samples as some

from hybridnet import dtypes, np
from hybridnet.errors import ArgumentError, DtypeError, ShapeError
from hybridnet.gluon import data
from hybridnet.gluon.data import batchify, shared


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([1, 2.5], [1, 2.5]),
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]]),
        ([(1, (2, 3)), (4, (5, 6))], [[1, 4], [[2, 5], [3, 6]]]),
        ([numpy.float16(1), numpy.float16(2)], [1, 2]),
        ([numpy.array([1, 2], ">i4")] * 2, [[1, 2], [1, 2]]),
    ],
)
def test_default_batchify(samples: Any, expected: Any) -> None:
    def plain(x: Any) -> Any:
        return [plain(part) for part in x] if isinstance(x, list) else x.tolist()

    assert plain(batchify.default_batchify_fn(samples)) == expected


@pytest.mark.parametrize(
    ("samples", "kind", "match"),
    [
        ([numpy.ones(2), numpy.ones(3)], ShapeError, r"one shape; got \(2,\) for number 0 of the batch and \(3,\) for number 1.*Pad\(\)"),
        (["a", "b"], DtypeError, "numbers; got number 0 of the batch, a str.*AsList"),
        (numpy.array(["a", "b"]), DtypeError, "got number 0 of the batch, a str_"),
        ([1, None], DtypeError, "got number 1 of the batch, a NoneType"),
        ([[1, [2, 3]]], DtypeError, "got number 0 of the batch, a list"),
        ([(1, 2), (1,)], ShapeError, "samples of 2 elements; got 1 for number 1"),
        ([np.ones(2), numpy.ones(2)], ArgumentError, "one device; got cpu.0. for number 0 of the batch and ndarray for number 1"),
        ([], ArgumentError, "at least one sample"),
    ],
)
def test_what_makes_no_batch(samples: Any, kind: type[Exception], match: str) -> None:
    with pytest.raises(kind, match=match):
        batchify.default_batchify_fn(samples)


def test_other_batchify_functions() -> None:
    padded = batchify.Pad(val=-1, round_to=4)([[1, 2], [3, 4, 5]])
    assert padded.tolist() == [[1, 2, -1, -1], [3, 4, 5, -1]]
    assert batchify.Pad(dtype="float16")([numpy.ones((1, 3)), numpy.ones((2, 2))]).dtype == "float16"
    assert batchify.Pad()([1, 2]).tolist() == [1, 2]
    assert [x.shape for x in batchify.Append()([numpy.ones(2), numpy.ones(3)])] == [(1, 2), (1, 3)]
    assert [x.shape for x in batchify.Append(batch_axis=1)([numpy.ones(2)])] == [(2, 1)]
    assert [x.shape for x in batchify.Append(expand=False)([numpy.ones(2)])] == [(2,)]
    lists, labels, texts = batchify.Group(batchify.Pad(), batchify.Stack(), batchify.AsList())([([1], 2, "a"), ([3, 4], 5, "b")])
    assert lists.tolist() == [[1, 0], [3, 4]] and labels.tolist() == [2, 5] and texts == ["a", "b"]
    assert batchify.Tuple is batchify.Group and batchify.List is batchify.AsList
    with pytest.raises(ShapeError, match=r"as many axes; got \(\) for number 0 .* and \(1,\) for number 1"):
        batchify.Pad()([1, [2]])
    with pytest.raises(ArgumentError, match="functions, or one list of them; got a int"):
        batchify.Group(batchify.Stack(), 3)
    with pytest.raises(ArgumentError, match="round_to of 1 or more; got 0"):
        batchify.Pad(round_to=0)


def test_a_batch_of_appended_samples_is_no_view_of_the_dataset() -> None:
    rows = numpy.ones((2, 2))
    (first, _) = batchify.Append()(list(rows))
    first[...] = 5
    assert (rows == 1).all()


DTYPES = ("float32", "float64", "bfloat16", "int8", "uint16", "bool", "S3", "object")


@st.composite
def some_array(draw: Any) -> Any:
    """Of any type and shape, of NumPy or of ours, contiguous or not."""
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(st.lists(st.integers(0, 4), max_size=3))
    made = numpy.arange(int(numpy.prod(shape)), dtype="int8").reshape(shape)
    made = made.astype(dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    made = draw(st.sampled_from([made, made.T, made[..., None][..., ::-1], made.reshape(-1)[::2]]))
    return np.array(made) if made.dtype in dtypes.ALL and draw(st.booleans()) else made


@given(
    st.recursive(
        some_array() | st.integers() | st.text() | st.none(), lambda x: st.lists(x) | st.dictionaries(st.text(), x) | st.tuples(x, x)
    )
)
def test_anything_goes_through_shared_memory(value: Any) -> None:
    def same(a: Any, b: Any) -> bool:
        if isinstance(a, (list, tuple)):
            return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
        if isinstance(a, dict):
            return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
        if isinstance(a, (numpy.ndarray, np.ndarray)):
            return type(a) is type(b) and (a.shape, a.dtype) == (b.shape, b.dtype) and bool((numpy.asarray(a) == numpy.asarray(b)).all())
        return type(a) is type(b) and a == b

    packed = shared.Packed(value)
    memory = numpy.full(packed.size + 64, 255, "uint8")
    packed.write(memory)
    assert (memory[packed.size :] == 255).all()
    assert same(shared.unpacked(memory), value)


@given(st.data())
def test_batches_of_random_samples_are_those_of_numpy(given_data: Any) -> None:
    """Gathered or read one by one, from views of views, in any order."""
    length = given_data.draw(st.integers(1, 12))
    shapes = given_data.draw(st.lists(st.lists(st.integers(0, 3), max_size=2), min_size=1, max_size=3))
    columns = [
        numpy.arange(length * int(numpy.prod(s))).reshape(length, *s).astype(given_data.draw(st.sampled_from(DTYPES[:2] + DTYPES[3:6])))
        for s in shapes
    ]
    dataset: Any = data.ArrayDataset(*columns)
    rows = numpy.arange(length)
    for _ in range(given_data.draw(st.integers(0, 2))):
        parts = given_data.draw(st.integers(1, 3))
        part = given_data.draw(st.integers(0, parts - 1))
        dataset, rows = dataset.shard(parts, part), numpy.array_split(rows, parts)[part]
    size = given_data.draw(st.integers(1, 5))
    order = given_data.draw(st.permutations(range(len(rows))))
    batches = [order[i : i + size] for i in range(0, len(order), size)]
    plain = dataset.transform(some.as_it_is)
    for source in (dataset, plain):
        for batch, at in zip(data.DataLoader(source, batch_sampler=batches), batches, strict=True):
            found = batch if isinstance(batch, list) else [batch]
            for x, column in zip(found, columns, strict=True):
                expected = column[rows[list(at)]]
                assert (x.shape, x.dtype) == (expected.shape, expected.dtype) and (x.asnumpy() == expected).all()
