"""Recording, backward, gradients of gradients, custom functions, and the errors of each."""

import gc
import threading
import weakref
from typing import Any

import numpy as np
import pytest

from hybridnet import autograd
from hybridnet.autograd import Function, record
from hybridnet.core import NDArray, array
from hybridnet.errors import ArgumentError, AutogradError, DtypeError, ShapeError


def variable(*values: float, req: str = "write") -> NDArray:
    x: NDArray = array(np.array(values, np.float64))
    x.attach_grad(req)
    return x


def values(x: Any) -> list[float]:
    found: list[float] = x.tolist()
    return found


# -- modes ----------------------------------------------------------------------------------------


def test_modes() -> None:
    assert (autograd.is_recording(), autograd.is_training()) == (False, False)
    with autograd.record():
        assert (autograd.is_recording(), autograd.is_training()) == (True, True)
        with autograd.predict_mode():
            assert (autograd.is_recording(), autograd.is_training()) == (True, False)
        with autograd.pause():
            assert (autograd.is_recording(), autograd.is_training()) == (False, False)
            with autograd.train_mode():
                assert (autograd.is_recording(), autograd.is_training()) == (False, True)
        with autograd.pause(train_mode=True):
            assert (autograd.is_recording(), autograd.is_training()) == (False, True)
        assert (autograd.is_recording(), autograd.is_training()) == (True, True)
    with autograd.record(train_mode=False):
        assert (autograd.is_recording(), autograd.is_training()) == (True, False)
    assert (autograd.is_recording(), autograd.is_training()) == (False, False)


def test_modes_are_put_back_after_an_error() -> None:
    with pytest.raises(KeyError), autograd.record():
        raise KeyError
    assert (autograd.is_recording(), autograd.is_training()) == (False, False)


def test_set_modes_give_what_was() -> None:
    assert autograd.set_recording(True) is False
    assert autograd.set_recording(False) is True
    assert autograd.set_training(True) is False
    assert autograd.set_training(False) is True


def test_modes_belong_to_a_thread() -> None:
    seen = []
    with autograd.record():
        thread = threading.Thread(target=lambda: seen.append((autograd.is_recording(), autograd.is_training())))
        thread.start()
        thread.join()
    assert seen == [(False, False)]


def test_pause_does_not_record() -> None:
    x = variable(2.0)
    with record():
        y = x * x
        with autograd.pause():
            factor = x * 3
        z = y * factor
    z.backward()
    assert values(x.grad) == [24.0]  # d(6 x²)/dx, the factor a constant


# -- backward -------------------------------------------------------------------------------------


def test_backward_sums_over_uses_and_broadcasts() -> None:
    x, w = variable(1.0, 2.0, 3.0), variable(0.5)
    with record():
        y = (x * w + x).sum()
    y.backward()
    assert values(x.grad) == [1.5, 1.5, 1.5]
    assert values(w.grad) == [6.0]


def test_head_gradients() -> None:
    x = variable(1.0, 2.0)
    with record():
        y = x * x
    y.backward(array(np.array([10.0, 100.0])))
    assert values(x.grad) == [20.0, 400.0]


def test_several_heads() -> None:
    x = variable(2.0)
    with record():
        y, z = x * x, x * 3
    autograd.backward([y, z], [None, array(np.array([10.0]))])
    assert values(x.grad) == [34.0]


def test_a_head_that_is_an_input_of_another() -> None:
    x = variable(2.0)
    with record():
        y = x * x
        z = y * 5
    autograd.backward([y, z])
    assert values(x.grad) == [24.0]


def test_a_variable_as_head() -> None:
    x = variable(2.0, 3.0)
    with record():
        pass
    x.backward()
    assert values(x.grad) == [1.0, 1.0]


def test_head_gradient_errors() -> None:
    x = variable(1.0, 2.0)
    with record():
        y = x * 2
    with pytest.raises(AutogradError, match=r"head gradient of shape \(2,\); got \(3,\)"):
        y.backward(array(np.ones(3)))
    with pytest.raises(ArgumentError, match="1 head gradients; got 2"):
        autograd.backward([y], [None, None])


def test_backward_outside_record() -> None:
    x = variable(1.0)
    y = x * 2
    with pytest.raises(AutogradError, match=r"test_autograd\.py:\d+; try attach_grad"):
        y.backward()


def test_backward_of_constants() -> None:
    with record():
        y = array([1.0]) * 2
    with pytest.raises(AutogradError, match="was not recorded"):
        y.backward()


@pytest.mark.parametrize(("req", "expected"), [("write", 4.0), ("add", 12.0)])
def test_grad_req(req: str, expected: float) -> None:
    x = variable(2.0, req=req)
    for _ in range(3):
        with record():
            y = x * x
        y.backward()
    assert values(x.grad) == [expected]


def test_grad_req_add_sums_within_one_backward_once() -> None:
    x = variable(3.0, req="add")
    x.grad[...] = 100
    with record():
        y = x * x + x
    y.backward()
    assert values(x.grad) == [107.0]


def test_grad_req_null() -> None:
    x, w = variable(2.0, req="null"), variable(5.0)
    with record():
        y = x * w
    y.backward()
    assert x.grad is None
    assert values(w.grad) == [2.0]


def test_zero_grad_and_the_gradient_is_the_same_array() -> None:
    x = variable(2.0)
    kept = x.grad
    with record():
        y = x * x
    y.backward()
    assert x.grad is kept and values(kept) == [4.0]
    x.zero_grad()
    assert values(kept) == [0.0]


def test_attach_grad_errors() -> None:
    with pytest.raises(ArgumentError, match="write, add or null"):
        variable(1.0, req="multiply")
    with pytest.raises(DtypeError, match="floating"):
        array([1, 2]).attach_grad()


def test_attach_grad_detaches_from_the_tape() -> None:
    x = variable(2.0)
    with record():
        y = x * x
        y.attach_grad()
        z = y * 3
    z.backward()
    assert values(y.grad) == [3.0]
    assert values(x.grad) == [0.0]


def test_mark_variables() -> None:
    x, g = array([3.0]), array([0.0])
    autograd.mark_variables([x], [g])
    with record():
        y = x * x
    y.backward()
    assert values(g) == [6.0]
    assert x.grad is g
    with pytest.raises(ShapeError, match=r"shape \(1,\)"):
        autograd.mark_variables([x], [array([0.0, 0.0])])


def test_detach() -> None:
    x = variable(2.0)
    with record():
        y = x * x
        z = y.detach() * x
    z.backward()
    assert values(x.grad) == [4.0]


def test_integers_have_no_gradient() -> None:
    x = variable(1.0, 2.0, 3.0)
    with record():
        index = array([0, 2])
        y = x[index].sum()
    y.backward()
    assert values(x.grad) == [1.0, 0.0, 1.0]


def test_gradients_keep_the_dtype() -> None:
    for dtype in ("float16", "bfloat16", "float32", "float64"):
        x = array([1.0, 2.0], dtype)
        x.attach_grad()
        with record():
            y = (x.astype("float32") * 3).sum()
        y.backward()
        assert x.grad.dtype == x.dtype
        assert values(x.grad.astype("float32")) == [3.0, 3.0]


# -- freeing --------------------------------------------------------------------------------------


def test_backward_twice_says_so() -> None:
    x = variable(2.0)
    with record():
        y = x * x
    line = test_backward_twice_says_so.__code__.co_firstlineno + 3
    y.backward()
    with pytest.raises(
        AutogradError, match=rf"multiply recorded at test_autograd\.py:{line}.*freed by an earlier backward.*retain_graph=True"
    ):
        y.backward()


def test_retain_graph() -> None:
    x = variable(2.0, req="add")
    with record():
        y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert values(x.grad) == [8.0]
    with pytest.raises(AutogradError):
        y.backward()


def test_backward_frees_what_the_tape_kept() -> None:
    x = variable(2.0)
    with record():
        y = x * 1.0
        z = y * y
    kept = weakref.ref(y._data)
    del y
    gc.collect()
    assert kept() is not None
    z.backward()
    gc.collect()
    assert kept() is None


def test_the_tape_keeps_only_what_gradients_need() -> None:
    x = variable(2.0)
    with record():
        y = x * 1.0
        kept = weakref.ref(y._data)
        z = (y + 1) - 3
        del y
    gc.collect()
    assert kept() is None, "the sum kept its operand"
    z.backward()
    assert values(x.grad) == [1.0]


def test_a_deep_tape() -> None:
    x = variable(1.0)
    with record():
        y = x
        for _ in range(5000):
            y = y + 1e-6
    y.backward()
    assert values(x.grad) == [1.0]
    del y


# -- gradients of gradients -----------------------------------------------------------------------


def test_grad() -> None:
    x, w = variable(2.0), variable(3.0)
    with record():
        y = x * x * w
    gx, gw = autograd.grad(y, [x, w], retain_graph=True)
    assert (values(gx), values(gw)) == ([12.0], [4.0])
    assert values(autograd.grad(y, x)) == [12.0]
    assert values(x.grad) == [0.0], "grad returns gradients and delivers none"


def test_grad_of_an_intermediate() -> None:
    x = variable(2.0)
    with record():
        y = x * x
        z = y * y
    gy, gx = autograd.grad(z, [y, x])
    assert (values(gy), values(gx)) == ([8.0], [32.0])


def test_third_order() -> None:
    x = variable(0.7)
    with record():
        y = x.sin()
        first = autograd.grad(y, x, create_graph=True)
        second = autograd.grad(first, x, create_graph=True)
        third = autograd.grad(second, x, create_graph=True)
    third.backward()
    np.testing.assert_allclose(
        [first.item(), second.item(), third.item(), x.grad.item()], [np.cos(0.7), -np.sin(0.7), -np.cos(0.7), np.sin(0.7)]
    )


def test_a_gradient_penalty() -> None:
    rng = np.random.default_rng(0)
    start = rng.normal(size=(3, 4))
    w = array(start)
    w.attach_grad()
    x = array(rng.normal(size=(2, 3)))
    x.attach_grad()

    def penalty() -> Any:
        with record():
            y = (x @ w).tanh().sum()
            g = autograd.grad(y, x, create_graph=True)
            return (g * g).sum()

    penalty().backward()
    numeric = np.zeros_like(start)
    for i in np.ndindex(*start.shape):
        for sign in (1, -1):
            w[...] = start
            w[i] = start[i] + sign * 1e-6
            numeric[i] += sign * penalty().item() / 2e-6
    np.testing.assert_allclose(w.grad.asnumpy(), numeric, rtol=1e-6, atol=1e-7)


def test_grad_errors() -> None:
    x, other = variable(2.0), variable(3.0)
    with record():
        y = x * x
        unrelated = other * 2
    with pytest.raises(AutogradError, match="no head depends on"):
        autograd.grad(y, [x, other], retain_graph=True)
    with pytest.raises(AutogradError, match="not on the tape"):
        autograd.grad(y, array([1.0]), retain_graph=True)
    with pytest.raises(AutogradError, match="no head depends on"):
        autograd.grad(y, unrelated)


def test_modes_during_backward() -> None:
    seen = []

    class Spy(Function):
        def forward(self, x: Any) -> Any:
            return x * 2

        def backward(self, g: Any) -> Any:
            seen.append((autograd.is_recording(), autograd.is_training()))
            return g * 2

    x = variable(1.0)
    with record():
        y = Spy()(x)
    y.backward(retain_graph=True)
    y.backward(retain_graph=True, train_mode=False)
    autograd.grad(y, x, create_graph=True)
    assert seen == [(False, True), (False, False), (True, True)]
