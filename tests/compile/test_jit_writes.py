"""Writing in place in compiled functions: to arguments, to arrays from outside, through views."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridnet import autograd
from hybridnet.compile import jit
from hybridnet.core import NDArray, array
from hybridnet.errors import AutogradError, TraceError


def start() -> NDArray:
    x: NDArray = array(np.arange(6.0).reshape(2, 3))
    return x


def add_one(x: Any) -> Any:
    x += 1
    return x * 2


def assign_part(x: Any) -> Any:
    x[0] = x[1] * 10
    return x.sum()


def add_to_part(x: Any) -> Any:
    x[0] += 5
    x[:, 1] *= 2
    return x + 0


def write_twice(x: Any) -> Any:
    y = x * 2
    x[...] = y
    x -= 1
    return y


def swap_rows(x: Any) -> Any:
    x[...] = x[::-1]
    return x.T + 0


def view_used_before_the_write(x: Any) -> Any:
    y = x.reshape(3, 2) * 3
    x += y.reshape(2, 3)
    return y


FUNCTIONS = [add_one, assign_part, add_to_part, write_twice, swap_rows, view_used_before_the_write]


@pytest.mark.parametrize("fn", FUNCTIONS)
def test_arguments_are_written(fn: Callable[[Any], Any]) -> None:
    x, y = start(), start()
    compiled = jit(fn)
    for _ in range(2):
        expected, found = fn(x), compiled(y)
        np.testing.assert_array_equal(found.asnumpy(), expected.asnumpy())
        np.testing.assert_array_equal(y.asnumpy(), x.asnumpy())


@pytest.mark.parametrize("fn", FUNCTIONS)
def test_arrays_from_outside_are_written(fn: Callable[[Any], Any]) -> None:
    x, y = start(), start()
    compiled = jit(lambda: fn(y))
    for _ in range(2):
        expected, found = fn(x), compiled()
        np.testing.assert_array_equal(found.asnumpy(), expected.asnumpy())
        np.testing.assert_array_equal(y.asnumpy(), x.asnumpy())


def test_an_argument_that_is_only_read_is_left_alone() -> None:
    x = start()
    compiled = jit(lambda x: x.reshape(-1) + 1)
    compiled(x)
    np.testing.assert_array_equal(x.asnumpy(), start().asnumpy())


def through_a_view(x: Any) -> Any:
    row = x[0]
    row += 1
    return x * 2


def view_after_a_write(x: Any) -> Any:
    flat = x.reshape(-1)
    x += 1
    return flat * 2


def write_and_forget(x: Any) -> Any:
    x[0][1] = 5
    return array([1.0])


def returned_view(x: Any) -> Any:
    flat = x.reshape(-1)
    x += 1
    return flat


def detached(x: Any) -> Any:
    y = x.detach()
    y *= 2
    return x + y


def rows(x: Any) -> Any:
    for i, row in enumerate(x):
        row += i
    return x


def views_of_views(x: Any) -> Any:
    part = x.T[1:].T[:, ::-1]
    whole = x.reshape(-1)
    part[0] = 7
    whole *= 2
    return part + 1, whole


def two_views(x: Any) -> Any:
    a, b = x[0], x[:, 0]
    a += 1
    b *= 3
    a -= b[0]
    return a, b, x


def a_copy_is_no_view(x: Any) -> Any:
    flat = x.T.reshape(-1)  # which NumPy copies
    flat += 100
    return x, flat


def of_an_intermediate(x: Any) -> Any:
    y = x * 2
    y.reshape(-1)[::2] = 0
    y[0] += 1
    return y


def an_empty_part(x: Any) -> Any:
    x[1:1] += 5
    x.reshape(-1)[:0] = 3
    return x


THROUGH_VIEWS = [
    through_a_view,
    view_after_a_write,
    write_and_forget,
    returned_view,
    detached,
    rows,
    views_of_views,
    two_views,
    a_copy_is_no_view,
    of_an_intermediate,
    an_empty_part,
]


def results_of(result: Any) -> list[Any]:
    return [y.asnumpy() for y in (result if isinstance(result, tuple) else (result,))]


@pytest.mark.parametrize("fn", THROUGH_VIEWS)
@pytest.mark.parametrize("outside", [True, False])
def test_writes_through_views_and_to_what_they_are_views_of(fn: Callable[[Any], Any], outside: bool) -> None:
    """Run imperatively these see each other's memory; compiled, they do as if they did."""
    x, y = start(), start()
    compiled = jit(lambda: fn(x)) if outside else jit(fn)
    for _ in range(2):
        found, expected = results_of(compiled() if outside else compiled(x)), results_of(fn(y))
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(x.asnumpy(), y.asnumpy())


@given(
    st.lists(
        st.tuples(st.sampled_from(["view", "write", "part", "rows", "moved", "read"]), st.integers(0, 5), st.integers(0, 8)),
        min_size=1,
        max_size=10,
    )
)
def test_random_views_and_writes(actions: list[tuple[str, int, int]]) -> None:
    """Chains of views, any of which is written, whole, in part, or in rows that are numbered by an array, and any of which is read."""
    views = [
        lambda a: a[1:],
        lambda a: a[::-1],
        lambda a: a.T,
        lambda a: a.reshape(-1),
        lambda a: a.reshape((-1, 2)) if a.size % 2 == 0 else a[None],
        lambda a: a[0] if a.ndim > 1 and a.shape[0] else a.detach(),
    ]

    def fn(x: Any) -> Any:
        arrays, seen = [x], []
        for number, (what, which, at) in enumerate(actions):
            a = arrays[at % len(arrays)]
            if what == "view":
                arrays.append(views[which](a))
            elif what == "write":
                a += number + 1
            elif what == "part" and a.shape[0]:
                a[0] = number * 10
            elif what == "rows" and a.shape[0]:
                a[array([which % a.shape[0], at % a.shape[0]], "int32")] = number * 10
            elif what == "moved" and a.shape[0]:
                a[array([which % a.shape[0]], "int32")] = arrays[number % len(arrays)].reshape(-1)[: a[:1].size].reshape(a[:1].shape)
            elif what == "read":
                seen.append(a * 1)
        return (x * 1, *seen, *(a * 1 for a in arrays))

    x, y = (array(np.arange(12, dtype="float32").reshape(3, 4)) for _ in range(2))
    found, expected = results_of(jit(fn)(x)), results_of(fn(y))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(x.asnumpy(), y.asnumpy())


PLACES = array([2, 0], "int32")


def kept(cache: Any, new: Any) -> Any:
    cache[PLACES] = new
    return cache.sum()


def read_after_the_write(cache: Any, new: Any) -> Any:
    before = cache * 1
    part = cache[1:]
    cache[PLACES] = new
    return before + 1, part * 1


def read_old_after_the_write(cache: Any, new: Any) -> Any:
    before = cache.copy()
    cache[PLACES] = new
    return before * cache


def of_itself(cache: Any, new: Any) -> Any:
    cache[PLACES] = cache[1:] * 1 + new * 0
    cache[PLACES] = cache[:2]
    return cache.sum()


@pytest.mark.parametrize("fn", [kept, read_after_the_write, read_old_after_the_write, of_itself])
def test_rows_are_written_where_they_lie(fn: Callable[[Any, Any], Any]) -> None:
    """A few rows of a large state, as of a cache: nothing else of it is moved, unless what it was is needed afterwards."""
    x, y = (array(np.arange(12, dtype="float32").reshape(3, 4)) for _ in range(2))
    new = array(np.full((2, 4), -1.0, "float32"))
    compiled = jit(fn)
    for _ in range(2):
        for a, b in zip(results_of(compiled(x, new)), results_of(fn(y, new)), strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(x.asnumpy(), y.asnumpy())
    text = compiled.program(x, new)
    assert fn is not kept or ("index_set(x0, x1, x2, key=(('array',),), out=x0)" in text and "copyto(" not in text)


def test_an_array_with_gaps_whose_reshape_would_be_a_copy_is_refused() -> None:
    compiled = jit(view_after_a_write)
    compiled(start())
    wide = array(np.arange(24, dtype="float32").reshape(4, 6))
    gaps = wide[:2, :3] if start().shape == (2, 3) else wide.reshape(start().shape[0], -1)[:, : start().shape[1]]
    assert gaps.shape == start().shape and not gaps._data.flags.c_contiguous
    with pytest.raises(TraceError, match=r"without gaps.*x.copy\(\)"):
        compiled(gaps)
    flatless = jit(through_a_view)  # without a reshape gaps do not matter
    before = gaps.asnumpy()
    np.testing.assert_array_equal(flatless(gaps).asnumpy()[1:], before[1:] * 2)


def test_a_recorded_write_to_a_view_is_refused_as_it_is_imperatively() -> None:
    w = start()
    w.attach_grad()

    def fn(x: Any) -> Any:
        y = x * 1
        y[0].__iadd__(w[0] * 2)
        return y

    for run in (fn, jit(fn)):
        with autograd.record(), pytest.raises(AutogradError, match="a view of another array"):
            run(start())


def test_writes_leave_what_a_tape_keeps() -> None:
    """A compiled call overwrites what a recorded operator needs: the backward still finds the old values."""
    x = start()
    w = start()
    w.attach_grad()
    with autograd.record():
        y = (w * x).sum()
    jit(add_one)(x)
    y.backward()
    np.testing.assert_array_equal(w.grad.asnumpy(), start().asnumpy())


def test_a_written_argument_through_which_gradients_flow() -> None:
    w = start()
    w.attach_grad()
    with autograd.record():
        x = w * 2
        with pytest.raises(AutogradError, match="to be left alone"):
            jit(add_one)(x)


def test_an_argument_that_is_what_the_function_writes_is_refused() -> None:
    """The same array as two arguments, or as an argument and a state: the program could not know which to read when."""
    state = array(np.zeros(3))

    def adds(a: Any, b: Any) -> Any:
        a += 1
        return a + b

    def moves(a: Any) -> Any:
        state[...] = state + 1
        return a + state

    x = array(np.ones(3))
    for function, arguments in ((jit(adds), (x, x)), (jit(adds), (x, x[:])), (jit(moves), (state,))):
        with pytest.raises(TraceError, match=r"reached in one way.*copy"):
            function(*arguments)
    assert x.tolist() == [1, 1, 1]
    assert state.tolist() == [0, 0, 0]
    assert jit(adds)(x, x.copy()).tolist() == [3, 3, 3]
