"""Writing in place while the tape may need what is overwritten: the tape keeps a copy."""

from typing import Any

import numpy as np
import pytest

import hybridnet
from hybridnet import autograd
from hybridnet.autograd import record
from hybridnet.compile import jit
from hybridnet.core import NDArray, array, call
from hybridnet.errors import AutogradError


def variable(*values: float, req: str = "write") -> NDArray:
    x: NDArray = array(np.array(values, np.float64))
    x.attach_grad(req)
    return x


def values(x: Any) -> list[float]:
    found: list[float] = x.tolist()
    return found


WRITES: dict[str, Any] = {
    "in place": lambda y: y.__iadd__(1),
    "a part": lambda y: y.__setitem__(slice(0, 1), 9),
    "an element": lambda y: y.__setitem__((0, 0), 9),
    "by an index array": lambda y: y.__setitem__([1], 9),
    "all of it": lambda y: y.__setitem__(slice(None), array(np.full((2, 2), 7.0))),
    "through a view": lambda y: y.reshape(4).__imul__(5),
    "through a view of a view": lambda y: y.reshape(4)[1:].__setitem__(slice(None), 3),
    "through a detached handle": lambda y: y.detach().__iadd__(1),
    "as the target of out=": lambda y: hybridnet.np.add(y, 1, out=y),
    "copyto": lambda y: array(np.full((2, 2), 7.0)).copyto(y),
    "by a compiled function": lambda y: jit(lambda v: v.__iadd__(1))(y),
    "by a compiled function's state": lambda y: jit(lambda: y.__iadd__(1))(),
}


@pytest.mark.parametrize("paused", [False, True])
@pytest.mark.parametrize("kind", WRITES)
def test_backward_sees_what_was_there_when_it_was_recorded(kind: str, paused: bool) -> None:
    """A write, under ``pause`` or after recording, to what a recorded operator keeps: an operand, a view of it, its result."""
    point = np.array([[1.0, 2.0], [3.0, 4.0]])
    results = []
    for write in (False, True):
        x, u = array(point), array(point + 1)
        x.attach_grad()
        with record():
            y = x * u
            z = (y * y).sum() + (y.reshape(4) ** 3).sum() + call("exp", y * 0.1).sum()
            if write and paused:
                with autograd.pause():
                    WRITES[kind](u)
                    WRITES[kind](y)
        if write and not paused:
            WRITES[kind](u)
            WRITES[kind](y)
        assert write == (not np.array_equal(u.asnumpy(), point + 1))
        z.backward()
        results.append(x.grad.asnumpy())
    np.testing.assert_array_equal(*results)


def test_only_what_is_still_needed_is_copied() -> None:
    x, w = variable(2.0), variable(3.0)
    for _ in range(100):
        with record():
            y = x * w
        y.backward()
        before = w._data
        w -= w.grad  # the backward is over: nobody keeps the old values
        assert w._data is before
        assert w._storage is not None
        assert len(w._storage._keepers) < 40
    with record():
        y = x * w
    w += 1
    y.backward()
    assert values(x.grad) == [values(w)[0] - 1]


def test_writing_over_what_backward_does_not_need() -> None:
    x = variable(2.0)
    with record():
        y = x * 3
        z = y + 1
    y += 1
    z.backward()
    assert values(x.grad) == [3.0]


def test_writing_to_a_variable_while_recording() -> None:
    x = variable(2.0)
    with record():
        with pytest.raises(AutogradError, match="variables to be left alone while recording"):
            x += 1
        with pytest.raises(AutogradError, match="variables to be left alone while recording"):
            x[...] = 1
        with autograd.pause():
            x += 1
    assert values(x) == [3.0]
    assert x.grad is not None


def test_updating_a_variable_between_steps() -> None:
    x = variable(2.0)
    for _ in range(2):
        with record():
            y = x * x
        y.backward()
        x -= x.grad * 0.25
    assert values(x) == [0.5]
    assert values(x.grad) == [2.0]


def test_in_place_operators_are_recorded() -> None:
    x = variable(2.0)
    with record():
        y = x * x
        y += x * 3
        y[...] = y - x
    y.backward()
    assert values(x.grad) == [6.0]  # d(x² + 2x)/dx


def test_assignment_to_a_part_is_recorded() -> None:
    x, v = variable(1.0, 2.0, 3.0), variable(10.0)
    with record():
        y = x * 2
        y[1:2] = v * 5
        z = (y * y).sum()
    z.backward()
    assert values(x.grad) == [8.0, 0.0, 24.0]
    assert values(v.grad) == [500.0]


def test_a_recorded_write_through_a_view_is_refused() -> None:
    x, v = array(np.ones((2, 3), "f")), array(np.ones(3, "f"))
    v.attach_grad()
    with record():
        y = x * 2
        row = y[0]
        with pytest.raises(AutogradError, match="a view of another array"):
            row += v
        y[1] = row + v  # a write to the array itself is recorded
        loss = y.sum()
    loss.backward()
    np.testing.assert_array_equal(v.grad.asnumpy(), np.ones(3))


def test_an_operand_that_no_gradient_needs_may_be_overwritten() -> None:
    x = array(np.ones(3, "f"))
    x.attach_grad()
    with record():
        y = x + 1
        y *= 2  # the product by a number keeps neither operand
        loss = y.sum()
    loss.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), np.full(3, 2.0))
