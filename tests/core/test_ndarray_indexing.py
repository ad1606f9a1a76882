"""Indexing and assignment against NumPy: every kind of key, on random shapes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hybridnet.autograd import record
from hybridnet.core import array
from hybridnet.errors import AxisError, DtypeError, HybridnetError, ShapeError

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


def numbered(shape: tuple[int, ...]) -> Any:
    return np.arange(int(np.prod(shape)), dtype=np.float64).reshape(shape)


@st.composite
def basic(draw: st.DrawFn) -> tuple[Any, Any]:
    a = numbered(draw(SHAPES))
    return a, draw(hnp.basic_indices(a.shape, allow_newaxis=True))


@st.composite
def advanced(draw: st.DrawFn) -> tuple[Any, Any]:
    """Index arrays that broadcast against each other, among slices, integers and new axes, in any place."""
    a = numbered(draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4)))
    result = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    key: list[Any] = []
    for n in a.shape:
        kind = draw(st.sampled_from(["array", "array", "list", "slice", "int", "stop"]))
        if kind == "stop":
            break
        if kind == "slice":
            key.append(draw(st.slices(n)))
        elif kind == "int":
            key.append(draw(st.integers(-n, n - 1)))
        else:
            shape = result[draw(st.integers(0, len(result))) :]
            index = draw(hnp.arrays(np.int64, shape, elements=st.integers(-n, n - 1)))
            key.append(index.tolist() if kind == "list" and index.ndim and index.size else index)
        if draw(st.integers(0, 5)) == 0:
            key.append(None)
    return a, tuple(key)


@st.composite
def masked(draw: st.DrawFn) -> tuple[Any, Any]:
    a = numbered(draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)))
    start = draw(st.integers(0, a.ndim - 1))
    stop = draw(st.integers(start + 1, a.ndim))
    mask = draw(hnp.arrays(np.bool_, a.shape[start:stop]))
    return a, (*[slice(None)] * start, mask) if start else mask


KEYS = st.one_of(basic(), advanced(), masked())


def as_ours(key: Any) -> Any:
    """The key with NumPy arrays as arrays of ours."""
    if isinstance(key, tuple):
        return tuple(map(as_ours, key))
    return array(key) if isinstance(key, np.ndarray) else key


@given(KEYS, st.booleans())
def test_get(case: tuple[Any, Any], ours: bool) -> None:
    a, key = case
    result = array(a)[as_ours(key) if ours else key]
    np.testing.assert_array_equal(result.asnumpy(), a[key], strict=True)


@given(KEYS, st.data())
def test_set(case: tuple[Any, Any], data: st.DataObject) -> None:
    a, key = case
    target = a[key].shape
    shape = tuple(n if data.draw(st.booleans()) else 1 for n in target)[data.draw(st.integers(0, len(target))) :]
    value = -1 - numbered(shape)
    x = array(a)
    x[key] = array(value)
    a = a.copy()
    a[key] = value
    np.testing.assert_array_equal(x.asnumpy(), a)


@given(KEYS)
def test_set_a_number(case: tuple[Any, Any]) -> None:
    a, key = case
    x = array(a)
    x[key] = -5
    a = a.copy()
    a[key] = -5
    np.testing.assert_array_equal(x.asnumpy(), a)


@given(KEYS)
def test_gradient_of_get(case: tuple[Any, Any]) -> None:
    """Each element's gradient is the weight of the places where it was taken."""
    a, key = case
    x = array(a)
    x.attach_grad()
    with record():
        y = x[key]
    weights = 1 + numbered(y.shape)
    y.backward(array(weights))
    expected = np.zeros_like(a)
    np.add.at(expected, key, weights)
    np.testing.assert_allclose(x.grad.asnumpy(), expected)


@given(KEYS)
def test_gradient_of_set(case: tuple[Any, Any]) -> None:
    """What is overwritten gets none; a value's is that of the place which it fills in the end."""
    a, key = case
    places = np.arange(a.size).reshape(a.shape)
    x, v = array(a), array(-numbered(a[key].shape))
    x.attach_grad()
    v.attach_grad()
    with record():
        y = x * 1
        y[key] = v
    weights = np.asarray(1 + numbered(a.shape))
    y.backward(array(weights))
    taken = places[key].ravel()
    expected = weights.copy()
    expected.flat[taken] = 0
    np.testing.assert_array_equal(x.grad.asnumpy(), expected)
    if len(set(taken.tolist())) == taken.size:  # otherwise the last of equal places wins
        np.testing.assert_array_equal(v.grad.asnumpy(), weights[key])


@pytest.mark.parametrize("key", [0, (0, 1), slice(1, 3), (slice(None), 0), Ellipsis, None], ids=str)
def test_basic_keys_give_views(key: Any) -> None:
    x = array(np.zeros((3, 4)))
    x[key][...] = 7
    expected = np.zeros((3, 4))
    expected[key] = 7
    np.testing.assert_array_equal(x.asnumpy(), expected)


def test_float_indices() -> None:
    """Programs for MXNet often hold indices in float32 arrays."""
    x = array([10.0, 20.0, 30.0])
    assert x[array([2.0, 0.0])].tolist() == [30, 10]


def test_integers_as_arrays() -> None:
    x = array([[1.0, 2.0], [3.0, 4.0]])
    assert x[array(1)].tolist() == [3, 4]
    assert x[np.int64(1), array(0)].item() == 3
    assert x[: array(1)].tolist() == [[1, 2]]


def test_indexed_in_place_operators() -> None:
    x = array(np.zeros(4))
    x[1:3] += 5
    x[array([0, 0])] += 1  # as in NumPy, a repeated index counts once
    x[array([False, False, False, True])] -= 2
    assert x.tolist() == [1, 5, 5, -2]


def test_index_errors() -> None:
    x = array(np.zeros((2, 3)))
    with pytest.raises(
        AxisError, match=r"\[index\] expected an index from -2 to 1 on axis 0 of shape \(2, 3\); got 2; at test_ndarray_indexing\.py:"
    ):
        x[2]
    with pytest.raises(IndexError):
        x[2]
    with pytest.raises(AxisError, match="at most 2 indices"):
        x[0, 0, 0]
    with pytest.raises(AxisError, match="one ellipsis"):
        x[..., ...]
    with pytest.raises(DtypeError, match="got str"):
        x["a"]
    with pytest.raises(AxisError):
        x[array([0, 5])]
    with pytest.raises(AxisError):
        x[array([0, -3])] = 1
    with pytest.raises(HybridnetError):
        x[array([True, False, True])]
    with pytest.raises(ShapeError):
        x[array([0, 1]), array([0, 1, 2])]
    with pytest.raises(ShapeError, match=r"broadcasts to \(3,\); got \(2,\)"):
        x[0] = array([1.0, 2.0])
    with pytest.raises(ShapeError):
        x[:] = np.zeros((3, 3))
    np.testing.assert_array_equal(x.asnumpy(), np.zeros((2, 3)))


def test_iterating_ends() -> None:
    assert [v.item() for v in array([1.0, 2.0])] == [1, 2]
    assert list(array(np.zeros((0, 3)))) == []
