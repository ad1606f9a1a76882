"""The checks of symbols pass for what is right, fail for what is wrong, and refuse what they cannot check."""

from typing import Any

import numpy as np
import pytest

import hybridnet as mx
from hybridnet import test_utils
from hybridnet.errors import ArgumentError

W = np.random.RandomState(1).randn(2, 3).astype("float32")
X = np.random.RandomState(2).randn(4, 3).astype("float32")
G = np.random.RandomState(3).randn(4, 2).astype("float32")


def dense() -> Any:
    return mx.sym.FullyConnected(mx.sym.var("x"), weight=mx.sym.var("w"), no_bias=True, num_hidden=2, name="fc")


def test_forward() -> None:
    (out,) = test_utils.check_symbolic_forward(dense(), [X, W], [X @ W.T], rtol=1e-4)
    assert out.shape == (4, 2)
    test_utils.check_symbolic_forward(dense(), {"x": X, "w": W}, {"fc_output": X @ W.T}, rtol=1e-4)
    with pytest.raises(AssertionError, match=r"EXPECTED_fc_output"):
        test_utils.check_symbolic_forward(dense(), [X, W], [X @ W.T + 1])
    with pytest.raises(ArgumentError, match=r"arguments by the names \['x', 'w'\]"):
        test_utils.check_symbolic_forward(dense(), {"x": X, "v": W}, [X])
    with pytest.raises(ArgumentError, match=r"arguments for each of \['x', 'w'\]; got 1"):
        test_utils.check_symbolic_forward(dense(), [X], [X])


@pytest.mark.parametrize("request_", ["write", "add", "null"])
def test_backward(request_: str) -> None:
    expected = [G @ W, G.T @ X]
    test_utils.check_symbolic_backward(dense(), [X, W], [G], expected, rtol=1e-3, atol=1e-4, grad_req=request_)
    requests = {"x": request_, "w": "write"}
    grads = test_utils.check_symbolic_backward(dense(), [X, W], {"fc_output": G}, {"w": expected[1]}, rtol=1e-3, grad_req=requests)
    assert list(grads) == ["w"]
    if request_ != "null":
        with pytest.raises(AssertionError, match="BACKWARD_x"):
            test_utils.check_symbolic_backward(dense(), [X, W], [G], [expected[0] + 1, expected[1]], grad_req=request_)


def test_numeric_gradients() -> None:
    product = dense()
    net = mx.sym.tanh(product)
    test_utils.check_numeric_gradient(net, [X, W])
    test_utils.check_numeric_gradient(net, {"x": X, "w": W}, grad_nodes=["w"])
    test_utils.check_numeric_gradient(mx.sym.Group([net, product * 2]), [X, W])
    normalized = mx.sym.BatchNorm(mx.sym.var("x"), fix_gamma=False, name="bn")
    states = [np.zeros(3, "float32"), np.ones(3, "float32")]
    test_utils.check_numeric_gradient(normalized, [X, W[0], W[1]], aux_states=states, rtol=0.05, atol=0.02)
    with pytest.raises(AssertionError, match="numeric gradient of x"):
        test_utils.check_numeric_gradient(mx.sym.BlockGrad(mx.sym.var("x")) * 2, [X])
    with pytest.raises(ArgumentError, match="grad_nodes of"):
        test_utils.check_numeric_gradient(net, [X, W], grad_nodes=["v"])
    with pytest.raises(ArgumentError, match="a symbol, a function of arrays, or a block"):
        test_utils.check_numeric_gradient(3, [X])


def test_numeric_gradient_of_an_executor() -> None:
    executor = dense().simple_bind(mx.cpu(), x=(4, 3), w=(2, 3))
    grads = test_utils.numeric_grad(executor, {"x": X, "w": W}, eps=1e-2)
    np.testing.assert_allclose(grads["w"], np.ones((4, 2)).T @ X, atol=1e-2)


def test_consistency() -> None:
    settings = [{"ctx": mx.cpu(), "x": (4, 3), "w": (2, 3), "type_dict": {"x": t, "w": t}} for t in ("float64", "float32", "float16")]
    truth = test_utils.check_consistency(dense(), settings)
    assert sorted(truth) == ["fc_output", "w", "x"] and truth["x"].dtype == np.float64
    test_utils.check_consistency([dense(), dense()], settings[:2], ground_truth=None, arg_params={"x": X, "w": W})
    with pytest.raises(AssertionError, match="setting 1: fc_output"):
        test_utils.check_consistency([dense(), dense() * 2], settings[:2])
    test_utils.check_consistency([dense(), dense() * 2], settings[:2], raise_on_err=False)


def test_speed_and_structure() -> None:
    for kind in ("whole", "forward"):
        assert test_utils.check_speed(dense(), {"x": X, "w": W}, N=2, typ=kind) > 0
    assert test_utils.check_speed(dense(), N=1, x=(4, 3)) > 0
    with pytest.raises(ArgumentError, match="typ whole or forward"):
        test_utils.check_speed(dense(), N=1, typ="both", x=(4, 3))
    other = mx.sym.FullyConnected(mx.sym.var("a"), weight=mx.sym.var("b"), no_bias=True, num_hidden=2)
    assert test_utils.same_symbol_structure(dense(), other)
    a, b = mx.sym.var("a"), mx.sym.var("b")
    pairs = [(a + 1, b + 2), (a + 1, b * 2), (a + b, b + a), (a + b, a + a), (mx.sym.relu(a) + b, b + mx.sym.relu(a))]
    assert [test_utils.same_symbol_structure(*pair) for pair in pairs] == [True, False, True, False, False], "as MXNet says"
    np.testing.assert_allclose(test_utils.simple_forward(dense(), x=X, w=W), X @ W.T, rtol=1e-4, atol=1e-5)


def test_models_are_fetched_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[tuple[str, str]] = []
    monkeypatch.setattr("hybridnet.test_utils.data.download", lambda url, name: fetched.append((url, name)))
    assert test_utils.download_model("imagenet1k-inception-bn", "d") == ("d/imagenet1k-inception-bn", 0)
    assert fetched[1] == (
        "http://data.mxnet.io/models/imagenet/inception-bn/Inception-BN-0126.params",
        "d/imagenet1k-inception-bn-0000.params",
    )
    assert test_utils.download_model("m", "d", {"m": {"symbol": "u", "params": "v"}}) == ("d/m", 0)
    assert fetched[2:] == [("u", "d/m-symbol.json"), ("v", "d/m-0000.params")]
    assert test_utils.download_model("other") == (None, 0)
