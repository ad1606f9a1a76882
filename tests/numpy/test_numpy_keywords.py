"""What NumPy's functions take besides their arrays: keywords of ufuncs, ``out=``, masks, initial values; and the kinds of results.

Every keyword of every function is tried by the random calls of ``test_random_calls.py``.
"""

import warnings
from typing import Any

import numpy as np
import pytest

import hybridnet.numpy as hnp
from hybridnet import autograd
from hybridnet.errors import ArgumentError, DtypeError, HybridnetError, ShapeError
from hybridnet.numpy.functions import FUNCTIONS

A = np.array([[3.0, -1.0, 2.0], [0.5, 5.0, -4.0]])
I = np.array([[3, 1, 2], [7, 5, 4]])
M = np.array([[True, False, True], [True, True, False]])
T = np.arange(24.0).reshape(2, 3, 4)


def wrapped(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return hnp.array(x)
    return type(x)(map(wrapped, x)) if isinstance(x, (tuple, list)) else x


def same(result: Any, expected: Any) -> None:
    if isinstance(expected, (tuple, list)):
        assert len(result) == len(expected)
        for r, e in zip(result, expected, strict=True):
            same(r, e)
        return
    result, expected = np.asarray(result), np.asarray(expected)
    assert result.shape == expected.shape
    assert (result.dtype.kind == "b") == (expected.dtype.kind == "b")
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-12)


# -- what every ufunc takes ------------------------------------------------------------------------

UFUNCS = sorted(name for name in FUNCTIONS if isinstance(getattr(np, name, None), np.ufunc))
_INTEGERS = {
    "gcd",
    "lcm",
    "left_shift",
    "right_shift",
    "bitwise_left_shift",
    "bitwise_right_shift",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
}
_INTEGERS |= {"invert", "bitwise_not", "bitwise_invert", "ldexp", "bitwise_count"}
_UNIT = {"arccos", "acos", "arcsin", "asin", "arctanh", "atanh"}


def operands(name: str) -> list[Any]:
    ufunc = getattr(np, name)
    if name in _INTEGERS:
        return [I, I % 3][: ufunc.nin] if name != "ldexp" else [A, I % 3]
    first = abs(A) / 6 if name in _UNIT else abs(A) + 1
    return [first, abs(A[::-1]) + 1][: ufunc.nin]


@pytest.mark.parametrize("name", [n for n in UFUNCS if getattr(np, n).signature is None])
def test_ufuncs_take_where_out_and_dtype(name: str) -> None:
    ufunc, args = getattr(np, name), operands(name)
    ours = wrapped(args)
    if ufunc.nout == 1:
        plain = ufunc(*args)
        out = np.full(plain.shape, 1, plain.dtype)
        given = hnp.array(out)
        assert FUNCTIONS[name](*ours, out=given, where=hnp.array(M, dtype=bool)) is given
        same(given, ufunc(*args, out=out, where=M))
        given = hnp.array(out)
        assert FUNCTIONS[name](*ours, given) is given
        same(given, plain)
    floats = ufunc.types[0].split("->")[1] != "?" and name not in _INTEGERS | {"frexp"}  # which has results of two dtypes
    if floats:
        halves = [a.astype(np.float32) for a in args]
        theirs, found = ufunc(*halves, dtype="float64"), FUNCTIONS[name](*wrapped(halves), dtype="float64")
        same(found, theirs)
        for y in found if isinstance(found, tuple) else (found,):
            assert y.dtype == np.float64
        with pytest.raises(DtypeError, match="dtype int32"):
            FUNCTIONS[name](*ours, dtype="int32")


def test_out_has_an_array_a_result() -> None:
    x, given = hnp.array(A), hnp.zeros(A.shape)
    whole, rest = hnp.divmod(x, 2, out=(None, given))
    assert rest is given
    same(whole * 2 + rest, A)
    for out in (given, (given,), (given, given, given)):
        with pytest.raises(ArgumentError, match=r"\[divmod\] expected .*2 arrays.*got"):
            hnp.divmod(x, 2, out=out)


def test_what_only_ufuncs_take_is_refused_elsewhere() -> None:
    x = hnp.array(A)
    for name in ("sort", "argmax", "cumsum", "reshape", "transpose", "concatenate"):
        with pytest.raises(TypeError, match="where"):
            FUNCTIONS[name](*((x, (3, 2)) if name == "reshape" else (x,)), where=hnp.array(M))


# -- selections ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_random_selections(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 4, size=rng.integers(1, 4)))
    x = rng.normal(size=shape)
    mask = rng.random(shape[rng.integers(0, len(shape)) :]) < 0.6
    axis = None if rng.random() < 0.3 else int(rng.integers(0, len(shape)))
    keepdims = bool(rng.random() < 0.5)
    with np.errstate(all="ignore"):
        for name in ("sum", "prod", "max", "min", "any", "all", "mean", "var", "std", "nansum", "nanmean", "nanmax"):
            extra = {"initial": 0.5} if name in ("sum", "prod", "max", "min", "nansum", "nanmax") else {}
            kwargs: dict[str, Any] = {"axis": axis, "keepdims": keepdims, **extra}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = getattr(np, name)(x, where=mask, **kwargs)
            same(FUNCTIONS[name](hnp.array(x), where=hnp.array(mask), **kwargs), expected)


def test_selections_have_gradients() -> None:
    x = hnp.array(A)
    x.attach_grad()
    with autograd.record():
        y = hnp.mean(x, axis=1, where=hnp.array(M)).sum() + hnp.max(x, initial=0, where=hnp.array(M))
    y.backward()
    np.testing.assert_allclose(x.grad.asnumpy(), [[0.5, 0, 0.5], [0.5, 1.5, 0]])


def test_refusals_of_selections() -> None:
    x = hnp.array(A)
    with pytest.raises(ShapeError, match="where to broadcast"):
        hnp.sum(x, where=hnp.array(np.ones((2, 2, 3), bool)))
    with pytest.raises(ArgumentError, match="initial"):
        hnp.max(x, where=hnp.array(M))
    with pytest.raises(HybridnetError):
        hnp.max(hnp.zeros((0,)))
    assert hnp.max(hnp.zeros((0, 2)), axis=0, initial=3).tolist() == [3, 3]


# -- dtypes of integers and booleans ---------------------------------------------------------------

#: (call, whether the result is integer, boolean or floating): NumPy's kinds, of the default float32 where floating.
KINDS: list[tuple[str, str]] = [
    ("np.tril(np.array(M))", "b"),
    ("np.triu(np.array(M))", "b"),
    ("np.fabs(np.array(I))", "f"),
    ("np.heaviside(np.array(I), 0.5)", "f"),
    ("np.heaviside(np.array(I), np.array(I))", "f"),
    ("np.float_power(np.array(I), 2)", "f"),
    ("np.floor(np.array(I))", "i"),
    ("np.ceil(np.array(I))", "i"),
    ("np.trunc(np.array(I))", "i"),
    ("np.fix(np.array(I))", "i"),
    ("np.clip(np.array(I), 1.5, 4.5)", "f"),
    ("np.clip(np.array(I), 2, 4)", "i"),
    ("np.clip(np.array(M), 0, 2)", "i"),
    ("np.quantile(np.array(I), 0.3, method='lower')", "i"),
    ("np.quantile(np.array(I), 0.3, method='nearest')", "i"),
    ("np.median(np.array(I))", "f"),
    ("np.linalg.vector_norm(np.array(I))", "f"),
    ("np.sum(np.array(M))", "i"),
    ("np.rint(np.array(I))", "f"),
]


@pytest.mark.parametrize(("call", "kind"), KINDS, ids=lambda v: v)
def test_kinds_of_results(call: str, kind: str) -> None:
    found = eval(call, {"np": hnp, "M": M, "I": I})
    theirs = np.asarray(eval(call, {"np": np, "M": M, "I": I}))
    assert found.dtype.kind == kind
    assert kind != "f" or found.dtype == np.float32
    same(found, theirs)


def test_defaults_of_vector_norm_and_signs() -> None:
    assert hnp.linalg.vector_norm(hnp.ones((2, 3))).shape == ()
    for ord in (2, 1, 0, np.inf, -np.inf, 3):
        for axis in (None, 0, 1, (0, 1)):
            for keepdims in (False, True):
                same(
                    hnp.linalg.vector_norm(hnp.array(A), ord=ord, axis=axis, keepdims=keepdims),
                    np.linalg.vector_norm(A, ord=ord, axis=axis, keepdims=keepdims),
                )
    signs = np.array([-0.0, 0.0, -1.0, 2.0, np.inf, -np.inf])
    same(hnp.signbit(hnp.array(signs)), np.signbit(signs))
    for start in range(-3, 4):
        assert hnp.rollaxis(hnp.array(T), 1, start).shape == np.rollaxis(T, 1, start).shape
