"""NDArray against NumPy: what it is, conversions, dtypes, devices, in-place operators, protocols."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from hybridnet import dtypes
from hybridnet.core import NDArray, array, asarray
from hybridnet.core.conversion import from_data
from hybridnet.device import cpu, cpu_pinned
from hybridnet.errors import ArgumentError, DtypeError, HybridnetError, ShapeError


def test_what_it_is() -> None:
    x = array([[1, 2, 3], [4, 5, 6]], "float32")
    assert (x.shape, x.ndim, x.size, x.dtype, x.itemsize, x.nbytes) == ((2, 3), 2, 6, np.float32, 4, 24)
    assert x.device == x.ctx == x.context == cpu()
    assert x.T.shape == (3, 2)
    assert x.stype == "default"
    assert len(x) == 2


# -- making arrays --------------------------------------------------------------------------------


def test_default_dtypes() -> None:
    assert array([1.0, 2]).dtype == dtypes.float32
    assert array(1.5).dtype == dtypes.float32
    assert array([1, 2]).dtype == dtypes.int64
    assert array([True]).dtype == dtypes.bool_
    assert array(np.array([1.0])).dtype == dtypes.float64
    assert array([1, 2], "bfloat16").dtype == dtypes.bfloat16


def test_array_copies_and_asarray_does_not() -> None:
    data = np.ones(3)
    x = array(data)
    data[0] = 5
    assert x.tolist() == [1, 1, 1]
    assert asarray(x) is x
    assert array(x) is not x
    y = array(x)
    y[0] = 7
    assert x.tolist() == [1, 1, 1]


def test_array_of_arrays() -> None:
    x = array([1.0, 2.0])
    assert array([x, x * 2]).tolist() == [[1, 2], [2, 4]]


def test_array_errors() -> None:
    with pytest.raises(ShapeError, match="equal lengths"):
        array([[1, 2], [3]])
    with pytest.raises(DtypeError, match="one of float16"):
        array(["a", "b"])
    with pytest.raises(DtypeError, match=r"bool; got .*float"):
        array([1], np.longdouble)
    with pytest.raises(DtypeError, match="nonsense"):
        array([1], "nonsense")


# -- Python numbers -------------------------------------------------------------------------------


def test_python_numbers() -> None:
    x = array([2.5])
    assert (float(x), int(x), bool(x), x.item(), x.asscalar(), complex(x)) == (2.5, 2, True, 2.5, 2.5, 2.5 + 0j)
    assert type(x.item()) is float
    assert type(array(3).item()) is int
    assert type(array(True).item()) is bool
    assert array([[1, 2], [3, 4]]).item(1, 0) == 3
    assert [10, 20, 30][array(1)] == 20
    assert f"{x:.2f}" == "2.50"
    assert round(float(x)) == 2


def test_python_number_errors() -> None:
    x = array([1.0, 2.0])
    with pytest.raises(ArgumentError, match=r"x\.any\(\) or x\.all\(\)"):
        bool(x)
    with pytest.raises(ShapeError, match="one element"):
        float(x)
    with pytest.raises(DtypeError, match="one integer"):
        range(x)  # type: ignore[call-overload]
    with pytest.raises(ShapeError, match="zero dimensions"):
        len(array(1.0))
    with pytest.raises(ArgumentError):
        bool(array([]))


def test_iteration() -> None:
    x = array([[1.0, 2.0], [3.0, 4.0]])
    assert [row.tolist() for row in x] == [[1, 2], [3, 4]]
    a, b = x
    assert b.tolist() == [3, 4]
    assert 4.0 in x and 5.0 not in x
    with pytest.raises(ShapeError):
        iter(array(1.0)).__next__()


# -- printing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (array([[1.0, 2.0], [3.0, 4.5]]), "array([[1. , 2. ],\n       [3. , 4.5]])"),
        (array([1, 2]), "array([1, 2], dtype=int64)"),
        (array([True]), "array([ True])"),
        (array(1.5), "array(1.5)"),
        (array([1.0], "float64"), "array([1.], dtype=float64)"),
        (array([1.0], "bfloat16"), "array([1], dtype=bfloat16)"),
        (array([1.0], device=cpu(1)), "array([1.], device=cpu(1))"),
        (array(np.zeros((0, 3), np.float32)), "array([], shape=(0, 3))"),
        (array(np.zeros(0, np.float32)), "array([])"),
    ],
    ids=lambda v: v.replace("\n", "") if isinstance(v, str) else "",
)
def test_printing(x: Any, text: str) -> None:
    assert repr(x) == text
    assert str(x) == str(x.asnumpy())  # as NumPy's and MXNet's: without a word on what it is


def test_printing_long_arrays_is_short() -> None:
    assert "..." in repr(array(np.zeros(100_000))) and len(repr(array(np.zeros(100_000)))) < 100


# -- operators ------------------------------------------------------------------------------------

BINARY = ["+", "-", "*", "/", "//", "%", "**", "<", "<=", ">", ">=", "==", "!="]
BITS = ["&", "|", "^", "<<", ">>"]


@pytest.mark.parametrize("symbol", BINARY)
def test_operators(symbol: str) -> None:
    a, b = np.array([[1.5, -2.0, 3.0]]), np.array([[2.0], [3.0]])
    x, y = array(a), array(b)
    f = eval(f"lambda u, v: u {symbol} v")
    for mine, theirs in [
        ((x, y), (a, b)),
        ((x, 2), (a, 2)),
        ((x, 2.5), (a, 2.5)),
        ((3, y), (3, b)),
        ((x, b), (a, b)),
        ((a, y), (a, b)),
        ((x, np.float32(2)), (a, 2)),
    ]:
        with np.errstate(invalid="ignore"):
            result, expected = f(*mine), f(*theirs)
        assert type(result) is NDArray and result.dtype == expected.dtype
        np.testing.assert_array_equal(result.asnumpy(), expected)


@pytest.mark.parametrize("symbol", BITS)
def test_operators_on_bits(symbol: str) -> None:
    a, b = np.array([1, 6, 7]), np.array([[2], [3]])
    f = eval(f"lambda u, v: u {symbol} v")
    np.testing.assert_array_equal(f(array(a), array(b)).asnumpy(), f(a, b))
    np.testing.assert_array_equal(f(array(a), 2).asnumpy(), f(a, 2))
    np.testing.assert_array_equal(f(5, array(b)).asnumpy(), f(5, b))


def test_unary_operators() -> None:
    a = np.array([1.0, -2.0])
    x = array(a)
    np.testing.assert_array_equal((-x).asnumpy(), -a)
    np.testing.assert_array_equal((+x).asnumpy(), a)
    np.testing.assert_array_equal(abs(x).asnumpy(), abs(a))
    np.testing.assert_array_equal((~array([True, False])).asnumpy(), [False, True])
    np.testing.assert_array_equal((~array([1, 2])).asnumpy(), [-2, -3])


def test_matmul_operator() -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    for x, y in [(a, b), (a, b[:, 0]), (a[0], b), (a[0], b[:, 0])]:
        np.testing.assert_array_equal((array(x) @ array(y)).asnumpy(), x @ y)
        np.testing.assert_array_equal((array(x) @ y).asnumpy(), x @ y)
        np.testing.assert_array_equal((x @ array(y)).asnumpy(), x @ y)


def test_operators_with_strangers() -> None:
    x = array([1.0])
    for other in ("a", None, object()):
        with pytest.raises(TypeError):
            x + other
        with pytest.raises(TypeError):
            other * x  # type: ignore[operator]
        with pytest.raises(TypeError):
            x @ other
    assert (x == "a") is False
    assert (x != None) is True  # noqa: E711


@pytest.mark.parametrize("symbol", ["+", "-", "*", "/", "//", "%", "**"])
@pytest.mark.parametrize("other", [2, 2.5, np.array([2.0, 4.0]), array([2.0, 4.0], "float64"), array([1, 2]), array(3.0)], ids=repr)
def test_in_place_operators(symbol: str, other: Any) -> None:
    a = np.array([[1.0, 2.0], [3.0, 5.0]])
    x = array(a)
    view, before = x[0], x
    theirs = other.asnumpy() if isinstance(other, NDArray) else other
    scope = {"x": x, "a": a, "other": other, "theirs": theirs}
    exec(f"x {symbol}= other\na {symbol}= theirs", scope)
    assert scope["x"] is before
    np.testing.assert_allclose(x.asnumpy(), a)
    np.testing.assert_allclose(view.asnumpy(), a[0])  # written into the same buffer


def test_in_place_keeps_the_dtype() -> None:
    x = array([1, 2], "int32")
    x += 1.7
    assert x.dtype == dtypes.int32 and x.tolist() == [2, 3]
    y = array([1.0], "float16")
    y += array([1.0], "float64")
    assert y.dtype == dtypes.float16


def test_in_place_with_itself() -> None:
    x = array([[1.0, 2.0], [3.0, 4.0]])
    x += x.T
    assert x.tolist() == [[2, 5], [5, 8]]
    x[:] = x[::-1]
    assert x.tolist() == [[5, 8], [2, 5]]


def test_in_place_cannot_grow() -> None:
    x = array([1.0, 2.0])
    with pytest.raises(ShapeError, match=r"\(2,\)"):
        x += array([[1.0], [2.0]])
    assert x.tolist() == [1, 2]


def test_writing_to_a_broadcast_view() -> None:
    x = array([1.0]).broadcast_to((3,))
    with pytest.raises(HybridnetError, match="copy"):
        x += 1
    with pytest.raises(HybridnetError, match="copy"):
        x[0] = 2


# -- dtype promotion ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("float32", "float64", "float64"),
        ("float16", "float32", "float32"),
        ("float16", "bfloat16", "float32"),
        ("bfloat16", "float32", "float32"),
        ("bfloat16", "bfloat16", "bfloat16"),
        ("int32", "float16", "float16"),
        ("int64", "float32", "float32"),
        ("int64", "bfloat16", "bfloat16"),
        ("int8", "int32", "int32"),
        ("uint8", "int8", "int16"),
        ("uint64", "int64", "float32"),
        ("bool", "int8", "int8"),
        ("bool", "float32", "float32"),
    ],
)
def test_promotion(a: str, b: str, expected: str) -> None:
    x, y = array([2], a), array([3], b)
    assert (x * y).dtype == (y * x).dtype == dtypes.as_dtype(expected)


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=str)
def test_numbers_are_weak(dtype: Any) -> None:
    x = array([1, 2]).astype(dtype)
    if dtypes.is_inexact(dtype):
        assert (x + 1).dtype == (x + 1.5).dtype == (2.5 * x).dtype == (x / 2).dtype == (x + True).dtype == dtype
    elif dtype != dtypes.bool_:
        assert (x + 1).dtype == (x * True).dtype == dtype
        assert (x + 1.5).dtype == (x / 2).dtype == dtypes.float32
    else:
        assert (x + 1).dtype == dtypes.int64
        assert (x + 1.5).dtype == dtypes.float32
        assert (x & True).dtype == dtypes.bool_
    assert (x + 1j).dtype == (2j * x).dtype == dtypes.complex_of(dtype)


def test_astype() -> None:
    x = array([1.7, -1.7])
    assert x.astype("int32").tolist() == [1, -1]
    assert x.astype("float32") is not x
    assert x.astype("float32", copy=False) is x
    assert x.astype(int).dtype == dtypes.int64
    assert x.astype(float).dtype == dtypes.float64
    assert x.astype(bool).tolist() == [True, True]


# -- copies, views, devices -----------------------------------------------------------------------


def test_asnumpy_is_a_copy() -> None:
    x = array([1.0, 2.0])
    y = x.asnumpy()
    y[0] = 5
    assert x.tolist() == [1, 2]


def test_views_share_memory() -> None:
    x = array(np.arange(6.0))
    x.reshape(2, 3)[1] = 0
    assert x.tolist() == [0, 1, 2, 0, 0, 0]
    x[::2] += 10
    assert x.tolist() == [10, 1, 12, 0, 10, 0]
    x.reshape(2, 3).T[0, 1] = 7
    assert x.tolist() == [10, 1, 12, 7, 10, 0]
    y = x.copy()
    y[0] = 99
    assert x[0].item() == 10


def test_copies() -> None:
    x = array([1.0, 2.0])
    x.attach_grad("add")
    x.grad[...] = 3
    for y in (copy.copy(x), copy.deepcopy(x), x.copy()):
        y[0] = 9
        assert x.tolist() == [1, 2]
    deep = copy.deepcopy({"a": x, "b": x})
    assert deep["a"] is deep["b"]
    assert deep["a"].grad is not None and deep["a"].grad is not x.grad


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=str)
def test_pickling(dtype: Any) -> None:
    x = array([[1, 0, 1]]).astype(dtype).to_device(cpu(2))
    y = pickle.loads(pickle.dumps(x))
    assert (type(y), y.dtype, y.shape, y.device) == (NDArray, dtype, (1, 3), cpu(2))
    assert y.device is x.device
    np.testing.assert_array_equal(y.real.astype("float32").asnumpy(), [[1, 0, 1]])


def test_moving_between_devices() -> None:
    x = array([1.0, 2.0], device=cpu(0))
    assert x.to_device(cpu(0)) is x
    y = x.as_in_context(cpu(1))
    assert y.device == cpu(1) and repr(y.device) == "cpu(1)"
    y[0] = 5
    assert x.tolist() == [1, 2]
    assert x.as_in_ctx(cpu_pinned()).device == cpu_pinned(0)
    z = x.copyto(y)
    assert z is y and y.tolist() == [1, 2]
    assert x.copyto(cpu(3)).device == cpu(3)
    with pytest.raises(HybridnetError, match=r"\[add\] expected arrays on one device.*as_in_context"):
        x + y
    with pytest.raises(HybridnetError, match=r"\[add\] expected arrays on one device"):
        x += y
    with pytest.raises(ShapeError, match=r"shape \(2,\)"):
        x.copyto(array([1.0]))


def test_gradients_flow_through_a_move() -> None:
    from hybridnet import autograd

    x = array([1.0, 2.0])
    x.attach_grad()
    with autograd.record():
        y = (x.to_device(cpu(1)) * 3).to_device(cpu(0)) * x
    y.backward()
    assert x.grad.device == cpu(0)
    assert x.grad.tolist() == [6, 12]


def test_arrays_are_made_on_the_current_device() -> None:
    with cpu(1):
        assert array([1]).device == cpu(1)
        with cpu(2):
            assert array([1]).device == cpu(2)
        assert (array([1]) + 1).device == cpu(1)
    assert array([1]).device == cpu(0)


# -- protocols ------------------------------------------------------------------------------------


def test_numpy_takes_it() -> None:
    x = array([1.0, 2.0])
    assert type(np.asarray(x)) is np.ndarray
    np.testing.assert_array_equal(np.asarray(x, dtype=np.float64), [1, 2])
    copied = np.array(x)
    copied[0] = 5
    assert x.tolist() == [1, 2]


@pytest.mark.parametrize("dtype", [d for d in dtypes.ALL if d not in (dtypes.bfloat16,)], ids=str)
def test_dlpack(dtype: Any) -> None:
    x = array([[1, 0, 1]]).astype(dtype)
    assert x.__dlpack_device__() == (1, 0)
    y = np.from_dlpack(x)
    np.testing.assert_array_equal(y, x.asnumpy())
    assert np.shares_memory(y, x._data)
    z = from_data(np.from_dlpack(np.arange(3)))
    assert z.tolist() == [0, 1, 2]


def test_hash_and_set() -> None:
    x, y = array([1.0]), array([1.0])
    assert len({id(x), id(y)}) == 2
    assert {x: 1}[x] == 1
    assert hash(x) != hash(y)


def test_wait_to_read() -> None:
    assert array([1.0]).wait_to_read() is None
