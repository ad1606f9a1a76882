"""``check``: a program beside the interpreter. What agrees is said to; what is computed wrong is named with its line."""

from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy
import pytest
from emulator.device import emulated_gpu
from emulator.emulator import COMPILER
from hypothesis import given
from support.programs import Program, programs

import hybridnet as hn
from hybridnet import autograd, dtypes, gluon, jit, np, npx
from hybridnet.core import Kind, Op, Precision, apply, computing_in, infer_pointwise, on_cuda, random
from hybridnet.core.tree import flatten
from hybridnet.errors import MismatchError
from hybridnet.gluon import nn
from hybridnet.runtime import check

#: An operator whose programs compute something else than it means.
WRONG = Op(
    "wrong_tanh",
    Kind.POINTWISE,
    infer_pointwise("wrong_tanh"),
    compute=lambda xp, x: xp.tanh(x),
    grad=(lambda g, y, x: g * 3,),
    ufunc="sinh",
)
on_cuda(WRONG, functor="sinhf({0})")


def wrong(x: Any) -> Any:
    return apply(WRONG, (x,))


@pytest.fixture(params=["host", pytest.param("emulated", marks=pytest.mark.slow)])
def device(request: pytest.FixtureRequest) -> Iterator[hn.Device]:
    if request.param == "host":
        yield hn.cpu()
        return
    if COMPILER is None:
        pytest.skip("needs g++, which runs CUDA C++ on the CPU here")
    with emulated_gpu():
        yield hn.gpu()


class Training:
    def __init__(self, device: hn.Device, dtype: str = "float32", activation: Callable[[Any], Any] = np.tanh) -> None:
        hn.random.seed(1)
        self.net = nn.HybridSequential()
        self.net.add(nn.Dense(5, in_units=3), nn.BatchNorm(in_channels=5), nn.Dropout(0.3), nn.Dense(2, in_units=5))
        self.net.initialize(hn.init.Normal(0.5), ctx=device)
        self.net.cast(dtype)
        self.activation = activation
        self.trainer = gluon.Trainer(self.net.collect_params(), "adam", {"learning_rate": 0.1, "multi_precision": True})
        self.x = np.array(numpy.random.RandomState(0).randn(4, 3), dtype=dtype, device=device)
        self.count = np.zeros((), device=device)
        self.trainer._prepare()  # the optimizer's states are there before anything is compared
        self.compiled = jit(self.step)

    def step(self, x: Any, count: Any) -> Any:
        with autograd.record():
            loss = (self.activation(self.net(x)) ** 2).sum()
        loss.backward()
        self.trainer.step(4)
        count += 1
        return loss

    def everything(self) -> list[bytes]:
        parameters = self.net.collect_params().values()
        arrays = [*(p.data() for p in parameters), *(p.grad() for p in parameters if p.grad_req != "null"), self.x, self.count]
        flatten(self.trainer._states, arrays)
        return [a.asnumpy().tobytes() for a in (*arrays, *random._state(self.x.device))]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_step_agrees_and_nothing_is_changed(device: hn.Device, dtype: str) -> None:
    training = Training(device, dtype)
    if dtype == "float16":  # the arena has been used before
        training.compiled(training.x, training.count)
    before = training.everything()
    (found,) = training.compiled.check(training.x, training.count)
    assert training.everything() == before and training.trainer.optimizer.num_update == (dtype == "float16")
    assert found.worst < 1 and found.results > 10 and found.nodes > 50
    assert str(found).startswith(f"step: {found.results} results of {found.nodes} nodes agree; the largest difference is ")
    training.compiled(training.x, training.count)
    assert training.everything() != before and training.compiled.retraces == []


def test_forward_and_backward_of_a_block(device: hn.Device) -> None:
    net = nn.HybridSequential()
    net.add(nn.Dense(4, activation="tanh", in_units=3), nn.LayerNorm(in_channels=4), nn.Dropout(0.5))
    net.initialize(ctx=device)
    x = np.ones((2, 3), device=device)
    assert [c.worst < 1 for c in net.check(x)] == [True]
    net.hybridize()
    assert [c.worst < 1 for c in net.check(x, train=True)] == [True, True]
    with autograd.record():
        y = net(x)
    assert len(net._compiled.cache) == 1, "the program that is checked is the one that runs"
    y.backward()


@pytest.mark.parametrize("device", ["host", "emulated"], indirect=True)
def test_what_is_wrong_is_named_with_its_line_and_by_how_much(device: hn.Device) -> None:
    f = jit(lambda x, y: (x * y + wrong(x + y)).sum() * 2)
    x, y = np.array([0.1, 0.2], device=device), np.array([0.4, 0.9], device=device)
    with pytest.raises(MismatchError) as error:
        f.check(x, y)
    text = str(error.value)
    assert text.startswith("[wrong_tanh] expected 0.80") and "at [1] of float32[2] = wrong_tanh(float32[2])" in text
    assert "got 1.33" in text and "the largest of the differences, 0.535" in text and "at test_check.py:" in text
    assert jit(lambda x, y: x * y + np.tanh(x + y)).check(x, y)[0].worst < 1


def test_a_wrong_step_and_a_wrong_backward_are_found(device: hn.Device) -> None:
    training = Training(device, activation=wrong)
    before = training.everything()
    with pytest.raises(MismatchError, match=r"\[wrong_tanh\].* at test_check.py:\d+"):
        training.compiled.check(training.x, training.count)
    assert training.everything() == before

    def slope(x: Any) -> Any:
        return apply(BACKWARD, (x,))

    f = jit(slope)
    x = np.array([0.5, 1.0], device=device)
    x.attach_grad()
    f.check(x)
    with autograd.record(), pytest.raises(MismatchError, match=r"\[wrong_tanh\].*slope_backward.*, grad of slope"):
        f.check(x)


BACKWARD = Op(
    "slope",
    Kind.POINTWISE,
    infer_pointwise("slope"),
    compute=lambda xp, x: xp.exp(x),
    grad=(lambda g, y, x: g * wrong(x),),
    saves=(0,),
    ufunc="exp",
)
on_cuda(BACKWARD, functor="expf({0})")


def test_a_result_that_is_overwritten_is_told_from_a_node_that_is_wrong() -> None:
    f, x = jit(lambda x: (np.exp(x), np.log(x))), np.array([1.0, 2.0])
    right = check._outputs
    calls = []

    def spoilt(*args: Any) -> list[Any]:
        calls.append(args)
        found = right(*args)
        return [found[0], found[0], *found[2:]] if len(calls) == 1 else found

    with mock.patch.object(check, "_outputs", spoilt), pytest.raises(MismatchError, match=r"\[log\].*another result 1 of .*overwritten"):
        f.check(x)
    assert len(calls) == 2 and f.check(x)[0].worst <= 1


def test_roundings_that_a_step_magnifies_are_no_fault() -> None:
    """A gradient that is 0 but for rounding, whose sign Adam's first step takes."""
    net = nn.HybridSequential()
    net.add(nn.Dense(6, in_units=3), nn.BatchNorm(in_channels=6), nn.Dense(2, in_units=6))
    net.initialize(hn.init.Normal(1.0))
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.5, "epsilon": 0.0})
    x = np.array(numpy.random.RandomState(0).randn(40, 3).astype("float32"))

    def step(x: Any) -> Any:
        with autograd.record():
            loss = (np.exp(net(x)) ** 2).mean()
        loss.backward()
        trainer.step(1)
        return loss

    compiled = jit(step)
    right = check._outputs

    def rounded(spec: Any, inputs: Any) -> list[Any]:
        """The results of inputs that are a little off: the sums of the gradient come out otherwise."""
        if len(spec.graph.outputs) > 40:
            return right(spec, inputs)
        return right(spec, [x * numpy.float32(1 + 3e-7) if x.dtype == numpy.float32 and x.ndim > 1 else x for x in inputs])

    with mock.patch.object(check, "_outputs", rounded):
        (found,) = compiled.check(x)
    assert found.worst < 1


@pytest.mark.parametrize("seed", range(6))
def test_roundings_to_16_bits_are_no_fault_and_a_spoilt_result_is(device: hn.Device, seed: int) -> None:
    """Steps of mixed precision at random, with weights that are all alike as well, where gradients are 0 but for rounding."""
    rng = numpy.random.default_rng(seed)
    net = nn.HybridSequential()
    net.add(nn.Dense(24, in_units=20), nn.Dense(24, in_units=24, activation="tanh"), nn.Dense(24, in_units=24, activation="relu"))
    net.add(nn.LayerNorm(in_channels=24), nn.Dense(4, in_units=24))
    net.initialize(hn.init.Constant(float(rng.normal())) if seed % 2 else hn.init.Xavier(), ctx=device)
    trainer = gluon.Trainer(net.collect_params(), "adamw", {"learning_rate": 1e-2, "wd": 0.1})
    x, y = np.array(rng.normal(size=(8, 20)).astype("float32"), device=device), np.array(rng.integers(0, 4, 8), device=device)

    def step(x: Any, y: Any) -> Any:
        with autograd.record(), computing_in(Precision(dtypes.bfloat16)):
            loss = gluon.loss.SoftmaxCrossEntropyLoss()(net(x), y)
        loss.backward()
        trainer.step(8)
        return loss

    compiled = jit(step)
    for _ in range(seed):
        compiled(x, y)
    compiled.check(x, y)
    right, calls = check._outputs, []

    def spoilt(*args: Any) -> list[Any]:
        calls.append(args)
        found = right(*args)
        if len(calls) == 1:
            found[0] = found[0] * 3
        return found

    with mock.patch.object(check, "_outputs", spoilt), pytest.raises(MismatchError, match="another result 0"):
        compiled.check(x, y)


def test_differences() -> None:
    inf, nan = numpy.inf, numpy.nan

    def apart(x: Any, y: Any, dtype: Any = "float32") -> float:
        return check._difference(numpy.array(x, dtype), numpy.array(y, dtype))

    assert apart([1, inf, nan], [1, inf, nan]) == 0 == apart([], []) == apart([1, 2], [1, 2], "int32")
    assert apart([1, 2], [1, 3], "int32") == inf == apart([True], [False], "bool") == apart([nan, 1], [1, 1]) == apart([inf], [-inf])
    assert apart([1, 2], [1, 2, 3]) == inf
    assert 0.9 < apart([100, 1], [100, 1 + 100 * 1.9e-4]) < 1 < apart([100, 1], [100, 1 + 100 * 2.1e-4])
    assert apart([1.0], [1 + 1e-9], "float64") > 1 > apart([1.0], [1 + 1e-12], "float64")
    assert apart([1.0], [1.001], dtypes.float16) < 1 and apart([1.0], [1.05], dtypes.bfloat16) < 1 < apart([1.0], [1.2], dtypes.bfloat16)
    assert apart([0.0], [0.0]) == 0 and apart([1e-3], [0.0]) > 1


def test_control_flow_and_written_arguments_are_checked_too() -> None:
    def run(x: Any, total: Any) -> Any:
        ys, last = npx.foreach(lambda e, s: (e + s, s * e), x, np.ones((2,)))
        total += ys
        return last

    x, total = np.array([[1.0, 2.0], [3.0, 4.0]]), np.zeros((2, 2))
    (found,) = jit(run).check(x, total)
    assert found.worst < 1 and total.asnumpy().tolist() == [[0, 0], [0, 0]]


@given(programs(backward=False))
def test_random_programs(program: Program) -> None:
    """Right as a whole and node by node; states stay."""
    xs, states = program.arrays(program.inputs, 1), program.arrays(program.states, 2)
    before = [s.asnumpy() for s in states]
    f = jit(lambda xs: program(xs, states))
    assert all(c.worst <= 1 for c in f.check(xs))
    entry = next(iter(f.cache.values()))
    assert check._check_nodes(entry.spec, [x._data for x in (*xs, *entry.states)]) <= 1
    for state, old in zip(states, before, strict=True):
        numpy.testing.assert_array_equal(state.asnumpy(), old)


@given(programs(backward=False, states=False))
def test_random_gradients(program: Program) -> None:
    xs = program.arrays(program.inputs, 1)
    for x in xs:
        x.attach_grad()
    f = jit(lambda xs: program.forward(xs, []))
    with autograd.record():
        found = f.check(xs)
    assert [c.program for c in found] in (["fn"], ["fn", "fn_backward"]) and all(c.worst <= 1 for c in found)
