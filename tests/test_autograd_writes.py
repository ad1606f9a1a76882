"""Writing in place while the tape may need what is overwritten."""

from typing import Any

import numpy as np
import pytest

from hybridnet import autograd
from hybridnet.autograd import record
from hybridnet.core import NDArray, array
from hybridnet.errors import AutogradError


def variable(*values: float, req: str = "write") -> NDArray:
    x: NDArray = array(np.array(values, np.float64))
    x.attach_grad(req)
    return x


def values(x: Any) -> list[float]:
    found: list[float] = x.tolist()
    return found


def test_writing_over_what_backward_needs_names_both_lines() -> None:
    x = variable(2.0)
    first = test_writing_over_what_backward_needs_names_both_lines.__code__.co_firstlineno
    with record():
        y = x * 3
        z = y * y
    y += 1
    with pytest.raises(
        AutogradError,
        match=rf"\[multiply\].*called with at test_\w+\.py:{first + 5} .*written in place at test_\w+\.py:{first + 6}",
    ):
        z.backward()


def test_writing_over_what_backward_does_not_need() -> None:
    x = variable(2.0)
    with record():
        y = x * 3
        z = y + 1
    y += 1
    z.backward()
    assert values(x.grad) == [3.0]


def test_a_write_through_a_view_counts() -> None:
    x = variable(2.0, 3.0)
    with record():
        y = x * 3
        z = (y * y).sum()
    y[:1] = 0
    with pytest.raises(AutogradError, match="written in place"):
        z.backward()
    with record():
        y = x * 3
        view = y.reshape(2, 1)
        z = (y * y).sum()
    view[...] = 0
    with pytest.raises(AutogradError, match="written in place"):
        z.backward()
    with record():
        y = x * 3
        alias = y.detach()
        z = (y * y).sum()
    alias += 1
    with pytest.raises(AutogradError, match="written in place"):
        z.backward()


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
