"""Custom gradients: ``autograd.Function``."""

from typing import Any

import numpy as np
import pytest

from hybridnet.autograd import Function, record
from hybridnet.core import NDArray, array
from hybridnet.errors import AutogradError, ShapeError


def variable(*values: float) -> NDArray:
    x: NDArray = array(np.array(values, np.float64))
    x.attach_grad()
    return x


def values(x: Any) -> list[float]:
    found: list[float] = x.tolist()
    return found


class Sigmoid(Function):
    def forward(self, x: Any) -> Any:
        y = 1 / (1 + (-x).exp())
        self.save_for_backward(y)
        return y

    def backward(self, g: Any) -> Any:
        (y,) = self.saved_tensors
        return g * y * (1 - y)


class SumAndProduct(Function):
    def forward(self, a: Any, b: Any) -> Any:
        self.a, self.b = a, b
        return a + b, a * b

    def backward(self, g_sum: Any, g_product: Any) -> Any:
        return g_sum + g_product * self.b, g_sum + g_product * self.a


def test_function() -> None:
    x = variable(0.0, 1.0)
    with record():
        y = Sigmoid()(x)
    y.backward()
    s = 1 / (1 + np.exp(-np.array([0.0, 1.0])))
    np.testing.assert_allclose(y.asnumpy(), s)
    np.testing.assert_allclose(x.grad.asnumpy(), s * (1 - s))


def test_function_of_several_arrays() -> None:
    a, b = variable(2.0), variable(5.0)
    with record():
        total, product = SumAndProduct()(a, b)
        z = total * product
    z.backward()
    assert values(a.grad) == [2 * 2 * 5 + 25.0]  # d(a²b + ab²)/da
    assert values(b.grad) == [4 + 2 * 2 * 5.0]


def test_function_with_an_unused_output() -> None:
    a, b = variable(2.0), variable(5.0)
    with record():
        _, product = SumAndProduct()(a, b)
    product.backward()
    assert (values(a.grad), values(b.grad)) == ([5.0], [2.0])


def test_function_that_returns_its_input() -> None:
    class Reverse(Function):
        def forward(self, x: Any) -> Any:
            return x

        def backward(self, g: Any) -> Any:
            return -g

    x = variable(2.0)
    with record():
        y = Reverse()(x) * 3
    y.backward()
    assert values(x.grad) == [-3.0]


def test_function_with_the_wrong_number_of_gradients() -> None:
    class Wrong(SumAndProduct):
        def backward(self, g_sum: Any, g_product: Any) -> Any:
            return g_sum

    a, b = variable(2.0), variable(5.0)
    with record():
        total, _ = Wrong()(a, b)
    with pytest.raises(AutogradError, match=r"\[Wrong\] expected 2 gradients"):
        total.backward()


def test_function_with_a_gradient_of_the_wrong_shape() -> None:
    class Wrong(Function):
        def forward(self, x: Any) -> Any:
            return x * 2

        def backward(self, g: Any) -> Any:
            return array(np.ones(3))

    x = variable(1.0, 2.0)
    with record():
        y = Wrong()(x)
    with pytest.raises((AutogradError, ShapeError), match=r"\(2,\)"):
        y.backward()


def test_function_mixed_inputs() -> None:
    class Scale(Function):
        def forward(self, x: Any, factor: float) -> Any:
            self.factor = factor
            return x * factor

        def backward(self, g: Any) -> Any:
            return g * self.factor, None

    x = variable(2.0)
    with record():
        y = Scale()(x, 3.0)
    y.backward()
    assert values(x.grad) == [3.0]
