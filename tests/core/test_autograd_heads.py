"""Where a backward begins and ends: heads without a gradient, tapes that an earlier backward freed, integer variables."""

from collections.abc import Callable
from typing import Any

import numpy
import pytest

from hybridnet import autograd, gluon, jit, nd, np
from hybridnet.core import tape
from hybridnet.errors import AutogradError
from hybridnet.gluon import nn, rnn

#: Operators through which no gradient flows: MXNet 1.9.1 gives zeros for each, alone or beside a loss.
DEAD: dict[str, Callable[[Any], Any]] = {
    "BlockGrad": nd.BlockGrad,
    "zeros_like": nd.zeros_like,
    "ones_like": nd.ones_like,
    "comparison": lambda x: x > 0,
    "logical_not": nd.logical_not,
    "argmax": lambda x: nd.argmax(x, axis=0),
    "floor": nd.floor,
    "round": nd.round,
    "sign": nd.sign,
    "one after the other": lambda x: nd.BlockGrad(nd.floor(x * 2) + 1),
    "of a cast": lambda x: x.astype("int32"),
}


@pytest.mark.parametrize("make", [nd.array, np.array], ids=["nd", "np"])
@pytest.mark.parametrize("kind", DEAD)
def test_a_head_without_a_gradient_gives_zeros(kind: str, make: Any) -> None:
    x = make([1.5, -2.0])
    x.attach_grad()
    with autograd.record():
        y, dead = x * 3, DEAD[kind](x)
    autograd.backward([y, dead])
    assert x.grad.asnumpy().tolist() == [3, 3]
    with autograd.record():
        dead = DEAD[kind](x)
    dead.backward()
    assert x.grad.asnumpy().tolist() == [0, 0]
    x.grad[:] = 7
    with autograd.record():
        y, dead = x * 3, DEAD[kind](x)
    assert autograd.grad([dead], [x])[0].asnumpy().tolist() == [0, 0]


def test_what_was_never_recorded_is_refused() -> None:
    x = np.ones(2)
    x.attach_grad()
    with autograd.record():
        unrelated = np.ones(2) + 1
    for head in (unrelated, np.ones(2), (x * 2).detach()):
        with pytest.raises(AutogradError, match="not recorded"):
            head.backward()


@pytest.mark.parametrize("hybridize", [False, True])
def test_a_network_with_an_output_that_has_no_gradient(hybridize: bool) -> None:
    class Both(gluon.HybridBlock):
        def __init__(self) -> None:
            super().__init__()
            self.dense = nn.Dense(1, in_units=2)

        def hybrid_forward(self, F: Any, x: Any) -> Any:
            y = self.dense(x)
            return F.mean(y), F.BlockGrad(y), y > 0

    net = Both()
    net.initialize()
    if hybridize:
        net.hybridize()
    with autograd.record():
        loss, *others = net(np.array([[1.0, 2.0]]))
    autograd.backward([loss, *others])
    assert net.dense.weight.grad().tolist() == [[1, 2]]
    with autograd.record():
        _, blocked, _ = net(np.array([[1.0, 2.0]]))
    blocked.backward()
    assert net.dense.weight.grad().tolist() == [[0, 0]]


def test_zeros_in_a_compiled_step() -> None:
    x = np.array([1.0, 2.0])
    x.attach_grad()
    x.grad[:] = 7

    @jit
    def step() -> None:
        with autograd.record():
            y = np.floor(x)
        y.backward()

    step()
    assert x.grad.tolist() == [0, 0]


def test_what_a_freed_tape_gave_is_a_constant() -> None:
    """A recurrent state carried over without ``detach``, as MXNet programs do: the gradient ends at the earlier backward."""
    x = np.array([1.0, 2.0])
    x.attach_grad()
    with autograd.record():
        h = x * 2
        aside = h + 1  # of the same recording, but not of its loss
        loss = (h * h).sum()
    loss.backward()
    for state in (h, aside):
        with autograd.record():
            loss = (state * x).sum()
        loss.backward()
        assert x.grad.tolist() == state.tolist()


def test_a_second_backward_through_what_the_first_freed_is_refused() -> None:
    x = np.array([1.0, 2.0])
    x.attach_grad()
    with autograd.record():
        h = x * 2
        first, second = (h * h).sum(), (h * 3).sum()
    first.backward()
    for head in (first, second, h):
        with pytest.raises(AutogradError, match=r"freed by an earlier backward.*retain_graph=True"):
            head.backward()
    with autograd.record():  # one loss that lacks nothing does not hide one that does
        third = (x * 5).sum()
    with pytest.raises(AutogradError, match="freed"):
        autograd.backward([third, second])


@pytest.mark.parametrize("hybridize", [False, True])
@pytest.mark.parametrize("kind", [rnn.RNN, rnn.LSTM, rnn.GRU, rnn.LSTMCell])
def test_truncated_backpropagation_without_detach(kind: Any, hybridize: bool) -> None:
    """The same gradients as with ``detach``, step after step, and no chain of old tapes behind the state."""
    grads: list[list[numpy.ndarray[Any, Any]]] = []
    for detach in (False, True):
        net = kind(3, input_size=2)
        net.initialize()
        for i, p in enumerate(net.collect_params().values()):
            p.set_data(np.array(numpy.random.default_rng(i).normal(size=p.shape), dtype="float32"))
        if hybridize:
            net.hybridize()
        state = net.begin_state(batch_size=1)
        found, behind = [], []
        for step in range(3):
            x = np.array(numpy.random.default_rng(step).normal(size=(1, 2) if kind is rnn.LSTMCell else (4, 1, 2)), dtype="float32")
            if detach:
                state = [s.detach() for s in state]
            with autograd.record():
                y, state = net(x, state)
                loss = (y * y).sum()
            loss.backward()
            found += [p.grad().asnumpy() for p in net.collect_params().values()]
            behind.append(len(tape._order([s._tape[0] for s in state if s._tape is not None], None, 0)[0]))
        assert behind[2] == behind[1] <= behind[0] + 1
        grads.append(found)
    for a, b in zip(*grads, strict=True):
        numpy.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint8"])
def test_integer_variables(dtype: str) -> None:
    """MXNet 1.9.1: ``attach_grad`` of integers gives a gradient of integers."""
    a = nd.array([1, 2], dtype=dtype)
    a.attach_grad()
    assert a.grad.asnumpy().tolist() == [0, 0]
    with autograd.record():
        y = a * a
    y.backward()
    assert a.grad.asnumpy().tolist() == [2, 4]
    assert a.grad.dtype is a.dtype is numpy.dtype(dtype).type
    with autograd.record():
        y = nd.topk(a, k=1)
    y.backward()
    assert a.grad.asnumpy().tolist() == [0, 0]
