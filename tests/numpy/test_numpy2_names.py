"""What NumPy 2 and the standard brought, ``like=``, ``poly1d`` and ``as_strided``: where random calls do not reach."""

import warnings
from typing import Any

import numpy
import pytest
from support.against_numpy import check_gradient

import hybridnet as hn
from hybridnet import autograd, nd, np
from hybridnet.errors import ArgumentError, AxisError, DtypeError, ShapeError

A = numpy.random.default_rng(0).normal(size=(3, 4)).astype("float32")


# -- like= ------------------------------------------------------------------------------------------

MAKERS: dict[str, tuple[Any, ...]] = {
    "array": ([1.0, 2.0],), "asarray": ([1.0, 2.0],), "asanyarray": ([1.0],), "ascontiguousarray": ([1.0],), "asfortranarray": ([1.0],),
    "require": ([1.0],), "zeros": (2,), "ones": (2,), "empty": (2,), "full": (2, 3.0), "eye": (2,), "identity": (2,), "tri": (2,),
    "arange": (3.0,), "fromiter": ([1.0, 2.0], "float32"), "fromstring": ("1 2", "float32", -1, " "), "loadtxt": (["1 2"],),
    "frombuffer": (b"\0" * 8, "float32"), "genfromtxt": (["1 2"],), "fromfunction": (lambda i: i * 1.0, (3,)),
}  # fmt: skip


@pytest.mark.parametrize("name", MAKERS)
def test_like_gives_the_class_and_the_device(name: str) -> None:
    for like in (np.ones(1), nd.ones((1,)), nd.ones((1,), ctx=hn.cpu(1))):
        for found in (getattr(np, name)(*MAKERS[name], like=like), getattr(numpy, name)(*MAKERS[name], like=like)):
            assert type(found) is type(like) and found.device == like.device
            numpy.testing.assert_array_equal(found.asnumpy(), getattr(np, name)(*MAKERS[name]).asnumpy())


def test_like_takes_our_arrays_and_leaves_a_device_that_is_told() -> None:
    assert np.zeros(2, device=hn.cpu(1), like=nd.ones((1,))).device == hn.cpu(1)
    with pytest.raises(DtypeError, match=r"\[zeros\] expected like to be one of our arrays; got list"):
        np.zeros(2, like=[1])


def test_parameters_that_numpy_2_brought() -> None:
    x = np.ones((1, 2), "float32")
    assert np.astype(x, "int32", device=hn.cpu(1)).device == hn.cpu(1) and np.astype(x, "int32").device == x.device
    source = numpy.arange(3.0)
    shared, copied = np.from_dlpack(source), np.from_dlpack(source, copy=True)
    source[0] = 7
    assert shared[0].item() == 7 and copied[0].item() == 0
    with pytest.raises(ArgumentError, match="copy=None"):
        np.from_dlpack(source, device=hn.cpu(1), copy=False)
    assert np.array([[1, 2]], ndmax=2).shape == (1, 2)
    with pytest.raises(DtypeError, match="objects"):
        np.array([[1, 2]], ndmax=1)
    state = np.random.get_state()
    first = np.random.normal(size=3)
    np.random.set_state(state=state)
    assert (np.random.normal(size=3) == first).all()


# -- products, running sums, sets ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["vecdot", "matvec", "vecmat"])
def test_products_have_gradients(name: str) -> None:
    shapes = {"vecdot": ((2, 3), (3,)), "matvec": ((2, 4, 3), (3,)), "vecmat": ((3,), (2, 3, 4))}[name]
    rng = numpy.random.default_rng(1)
    check_gradient(lambda a, b: getattr(np, name)(a, b), *(rng.normal(size=shape) for shape in shapes))


def test_products_of_complex_vectors_conjugate_the_first() -> None:
    z = (A + 1j * A[::-1]).astype("complex64")
    for name, args in (("vecdot", (z, z)), ("vecmat", (z[0], z.T)), ("matvec", (z, z[0]))):
        ours = getattr(np, name)(*map(np.array, args)).asnumpy()
        numpy.testing.assert_allclose(ours, getattr(numpy, name)(*args), rtol=1e-5)
    with pytest.raises(ShapeError, match="one length"):
        np.vecdot(np.ones(3), np.ones(4))


def test_running_sums_with_a_start_have_gradients() -> None:
    check_gradient(lambda a: np.cumulative_sum(a, axis=1, include_initial=True), A.astype("float64"))
    check_gradient(lambda a: np.cumulative_prod(a, axis=-2, include_initial=True), A.astype("float64"))
    with pytest.raises(AxisError, match="cumulative_sum"):
        np.cumulative_sum(np.ones((2, 2)))


def test_sets_have_named_results_of_the_arrays_class() -> None:
    found = np.unique_all(nd.array([3, 1, 3]))
    assert found._fields == ("values", "indices", "inverse_indices", "counts") and type(found.values) is nd.NDArray
    assert np.linalg.svd(np.eye(2)).S.tolist() == [1, 1] and np.linalg.eigh(np.eye(2)).eigenvalues.tolist() == [1, 1]
    assert np.linalg.qr(np.eye(2)).Q.shape == (2, 2) and np.linalg.slogdet(np.eye(2)).logabsdet.item() == 0
    compiled = hn.jit(np.linalg.slogdet)(np.eye(2))
    assert compiled._fields == ("sign", "logabsdet")


def test_linalg_refuses_what_the_standard_does_not_have() -> None:
    for call in (lambda: np.linalg.outer(np.ones((2, 2)), np.ones(2)), lambda: np.linalg.cross(np.ones(2), np.ones(2))):
        with pytest.raises(ShapeError):
            call()


# -- polynomials --------------------------------------------------------------------------------------


def _same(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, tuple):
        for a, b in zip(ours, theirs, strict=True):
            _same(a, b)
        return
    if isinstance(theirs, numpy.poly1d):
        assert isinstance(ours, np.poly1d) and ours.order == theirs.order
        ours, theirs = ours.coeffs, theirs.coeffs
    numpy.testing.assert_allclose(getattr(ours, "asnumpy", lambda: ours)(), theirs, rtol=1e-5, atol=1e-5)


OPERATIONS = (
    lambda n, p, q: p + q, lambda n, p, q: p - q, lambda n, p, q: p * q, lambda n, p, q: p / q, lambda n, p, q: -p, lambda n, p, q: p**3,
    lambda n, p, q: 2 * p + 1, lambda n, p, q: 1.5 - p, lambda n, p, q: p / 2, lambda n, p, q: p(q), lambda n, p, q: p(2.5),
    lambda n, p, q: p(numpy.arange(3.0)), lambda n, p, q: p.deriv(), lambda n, p, q: p.integ(2, k=[1, 2]), lambda n, p, q: p[1] + p[9],
    lambda n, p, q: n.poly1d([2.0, 3.0], True), lambda n, p, q: n.poly1d([0, 0, 1.5, 2]), lambda n, p, q: n.poly1d([0]),
    lambda n, p, q: p * [1.0, 2.0], lambda n, p, q: numpy.sort(numpy.asarray(p.roots)), lambda n, p, q: len(p),
)  # fmt: skip


@pytest.mark.parametrize("operation", OPERATIONS)
def test_polynomials_are_numpys(operation: Any) -> None:
    p, q = [1.0, -3.5, 2.0], [2.0, 1.0]
    _same(operation(np, np.poly1d(p), np.poly1d(q)), operation(numpy, numpy.poly1d(p), numpy.poly1d(q)))


def test_polynomials_as_objects() -> None:
    p = np.poly1d([1, 0, -2], variable="z")
    assert repr(p) == "poly1d([1, 0, -2])" and str(p) == "1 z^2 - 2" and str(np.poly1d([0])) == "0"
    assert p == np.poly1d([0, 1, 0, -2]) and p != np.poly1d([1, 0]) and np.poly1d(p).variable == "z" and list(p.c) == list(p.coef)
    assert numpy.polyval(numpy.asarray(p), 3) == 7
    x = np.array([1.0, 2.0])
    x.attach_grad()
    with autograd.record():
        y = hn.jit(lambda x: p(x))(x)
    y.backward()
    assert x.grad.tolist() == [2, 4]
    with pytest.raises(ArgumentError, match="whole power"):
        p**-1
    with pytest.raises(ShapeError, match="one dimension"):
        np.poly1d([[1, 2]])


# -- strides, requirements, complex numbers -------------------------------------------------------------


def test_as_strided_is_a_copy_of_what_a_view_would_show() -> None:
    rng = numpy.random.default_rng(3)
    answered = 0
    for _ in range(200):
        x = rng.normal(size=tuple(rng.integers(1, 5, rng.integers(1, 3)))).astype(rng.choice(["float32", "float64", "int64"]))
        shape = tuple(int(n) for n in rng.integers(0, 4, rng.integers(0, 4)))
        strides = tuple(int(n) * x.itemsize for n in rng.integers(-1, 4, len(shape)))
        last = [sum(pick(0, (n - 1) * s) for n, s in zip(shape, strides, strict=True)) // x.itemsize for pick in (min, max)]
        if 0 not in shape and not 0 <= last[0] <= last[1] < x.size:
            with pytest.raises(ShapeError, match="as_strided"):
                np.lib.stride_tricks.as_strided(np.array(x), shape, strides)
            continue
        answered += 1
        theirs = numpy.lib.stride_tricks.as_strided(x, shape, strides)
        ours = np.lib.stride_tricks.as_strided(np.array(x), shape, strides)
        assert ours.dtype == theirs.dtype
        numpy.testing.assert_array_equal(ours.asnumpy(), theirs)
    assert answered > 50
    check_gradient(lambda a: np.stride_tricks.as_strided(a, (5, 8), (8, 8)), A.astype("float64"))


def test_as_strided_refuses_what_only_a_view_can_do() -> None:
    strided = np.lib.stride_tricks.as_strided
    with pytest.raises(ArgumentError, match="copy"):
        strided(np.ones(3), writeable=True)
    with pytest.raises(ArgumentError, match="C order"):
        strided(np.ones((2, 3)).T, (2,), (4,))
    for shape, steps in (((2,), (3,)), ((2,), (4, 4)), ((-1,), (4,))):
        with pytest.raises(ShapeError, match="multiples of 4 bytes"):
            strided(np.ones(3), shape, steps)


def test_requirements() -> None:
    assert np.require(np.ones((2, 3)).T, "float64", ["C", "W"]).dtype == numpy.float64
    with pytest.raises(ArgumentError, match="got 'F'"):
        np.require(np.ones(2), requirements="F")


def test_complex_numbers_in_order_and_made_real() -> None:
    z = (numpy.round(A) + 1j * numpy.round(A[::-1])).astype("complex64")
    for x in (z, z[0], A):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            numpy.testing.assert_array_equal(np.sort_complex(np.array(x)).asnumpy(), numpy.sort_complex(x))
    assert np.real_if_close(np.array([1 + 1e-9j])).dtype == numpy.float32
    assert np.real_if_close(np.array([1 + 1e-2j])).dtype == numpy.complex64
    assert np.real_if_close(np.array([1 + 1e-2j]), tol=0.1).dtype == numpy.float32


def test_types_in_common() -> None:
    assert (
        np.common_type(np.ones(1, "float16"), np.ones(1)) is numpy.float32 and np.common_type(np.ones(1, "complex128")) is numpy.complex128
    )
    with pytest.raises(DtypeError, match="bool"):
        np.common_type(np.ones(1, "bool"))
    assert (
        np.can_cast(np.ones(1, "int8"), "int16")
        and not np.can_cast("float64", "float32")
        and np.can_cast("float64", "float32", "same_kind")
    )
    with pytest.raises(ArgumentError, match="real floating"):
        np.isdtype("float32", "floating")
