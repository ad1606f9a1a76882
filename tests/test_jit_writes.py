"""Writing in place in compiled functions: to arguments, to arrays from outside, through views."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

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


@pytest.mark.parametrize("fn", [through_a_view, view_after_a_write, write_and_forget, returned_view, detached])
@pytest.mark.parametrize("outside", [True, False])
def test_writes_that_a_graph_of_values_cannot_say_are_refused(fn: Callable[[Any], Any], outside: bool) -> None:
    """Run imperatively these see each other's memory; compiled, they say so rather than give other results."""
    x = start()
    with pytest.raises(TraceError, match=r"in-place write.*a copy in place of the view"):
        jit(lambda: fn(x))() if outside else jit(fn)(x)
    np.testing.assert_array_equal(x.asnumpy(), start().asnumpy())


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
