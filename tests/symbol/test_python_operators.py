"""``NumpyOp`` and ``NDArrayOp``: what MXNet 1.9.1 calls their methods with, and what it makes of what they write."""

from typing import Any

import numpy as np
import pytest

import hybridnet as mx


@pytest.fixture(autouse=True)
def classic_rules() -> Any:
    mx.util.reset_np()
    yield
    mx.util.set_np()


def softmax_of(base: Any, need_top_grad: bool) -> Any:
    class Softmax(base):  # type: ignore[misc]
        """A softmax whose gradient is that of a cross-entropy, or with the results' gradients that times their first."""

        def list_arguments(self) -> list[str]:
            return ["data", "label"]

        def infer_shape(self, in_shape: Any) -> Any:
            return [in_shape[0], (in_shape[0][0],)], [in_shape[0]]

        def forward(self, in_data: Any, out_data: Any) -> None:
            seen.append([type(x) for x in (*in_data, *out_data)])
            x = in_data[0] if base is mx.operator.NumpyOp else in_data[0].asnumpy()
            e = np.exp(x - x.max(axis=1, keepdims=True))
            out_data[0][:] = e / e.sum(axis=1, keepdims=True)

        def backward(self, out_data: Any, in_data: Any, in_grad: Any, out_grad: Any) -> None:
            assert len(out_grad) == need_top_grad
            label = np.asarray(in_data[1] if base is mx.operator.NumpyOp else in_data[1].asnumpy(), int)
            one = np.eye(in_data[0].shape[1], dtype="float32")[label]
            in_grad[0][:] = out_data[0] - (one if base is mx.operator.NumpyOp else mx.nd.array(one))
            if need_top_grad:
                in_grad[0][:] *= out_grad[0]

    seen: list[Any] = []
    return Softmax(need_top_grad), seen


@pytest.mark.parametrize("need_top_grad", [False, True])
@pytest.mark.parametrize("base", [mx.operator.NumpyOp, mx.operator.NDArrayOp])
def test_an_output_in_python(base: Any, need_top_grad: bool) -> None:
    operator, seen = softmax_of(base, need_top_grad)
    out = operator(mx.sym.var("x"), name="mine")
    assert (out.name, out.list_arguments(), out.list_outputs()) == ("mine", ["x", "mine_label"], ["mine_output"])
    x = np.random.RandomState(0).randn(4, 3).astype("float32")
    bound = out.simple_bind(mx.cpu(), x=(4, 3))
    bound.arg_dict["x"][:] = mx.nd.array(x)
    bound.arg_dict["mine_label"][:] = mx.nd.array([0, 2, 1, 1])
    y = bound.forward(is_train=True)[0].asnumpy()
    expected = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    np.testing.assert_allclose(y, expected, rtol=1e-5)
    bound.backward(mx.nd.ones((4, 3)) * 2)
    scale = 2 if need_top_grad else 1
    np.testing.assert_allclose(bound.grad_dict["x"].asnumpy(), scale * (expected - np.eye(3)[[0, 2, 1, 1]]), rtol=1e-4, atol=1e-6)
    kind = np.ndarray if base is mx.operator.NumpyOp else mx.nd.NDArray
    assert seen and all(issubclass(found, kind) for call in seen for found in call)


@pytest.mark.parametrize("base", [mx.operator.NumpyOp, mx.operator.NDArrayOp])
def test_two_of_one_class_are_two(base: Any) -> None:
    class Times(base):  # type: ignore[misc]
        def __init__(self, k: float) -> None:
            super().__init__()
            self.k = k

        def forward(self, in_data: Any, out_data: Any) -> None:
            out_data[0][:] = in_data[0] * self.k

    x = mx.sym.var("x")
    double, triple = Times(2), Times(3)
    out = double(triple(x)) + triple(x)
    bound = out.bind(mx.cpu(), {"x": mx.nd.array([1, 2])}, {"x": mx.nd.zeros(2)})
    assert bound.forward(is_train=True)[0].asnumpy().tolist() == [9, 18]
    bound.backward(mx.nd.ones(2))
    assert bound.grad_dict["x"].asnumpy().tolist() == [2, 2]  # the gradients by default: ones


def test_the_base() -> None:
    base = mx.operator.PythonOp(need_top_grad=False)
    assert (base.need_top_grad(), base.list_arguments(), base.list_outputs()) == (False, ["data"], ["output"])
    assert base.infer_shape([(2, 3)]) == ([(2, 3)], [(2, 3)])
    with pytest.raises(NotImplementedError, match=r"PythonOp\.get_symbol"):
        base(mx.sym.var("x"))
    assert mx.operator.NDArrayOp().declare_backward_dependency([0], [1], [2]) == [0, 1, 2]
