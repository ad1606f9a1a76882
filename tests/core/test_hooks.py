"""Hooks around operators: what they are told, what they may do, and that nothing is left of them."""

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy
import pytest
from support.paths import ROOT

import hybridnet as hn
from hybridnet import autograd, gluon, jit, np
from hybridnet.core import local
from hybridnet.errors import HybridnetError
from hybridnet.gluon import nn
from hybridnet.hooks import OperatorCall, operator_hook, stop_at_nan


class Telling:
    """A hook that notes the calls."""

    def __init__(self) -> None:
        self.calls: list[OperatorCall] = []
        self.places: list[str] = []

    def __call__(self, call: OperatorCall, compute: Callable[[], Any]) -> Any:
        self.calls.append(call)
        self.places.append(str(call.site))
        return compute()

    @property
    def names(self) -> list[str]:
        return [call.name for call in self.calls]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Any:
    yield
    assert local.hooks == () and not local.special


def test_a_hook_is_told_of_every_call_with_its_place() -> None:
    told, x = Telling(), np.array([1.0, 4.0])
    net = nn.Dense(2, in_units=2, prefix="layer_")
    net.initialize()
    with operator_hook(told):
        y = (np.sqrt(x) + 1).reshape(2, 1)
        x += 1
        net(x.reshape(1, 2))
    assert told.names[:4] == ["sqrt", "add", "reshape", "add"]
    assert told.calls[1].inputs[1] == 1 and told.calls[2].attrs == {"shape": (2, 1)}
    assert told.places[0].startswith("test_hooks.py:") and told.places[-1].endswith(" in layer")
    assert y.asnumpy().tolist() == [[2.0], [3.0]] and x.asnumpy().tolist() == [2.0, 5.0]
    np.sqrt(x)
    assert told.names.count("sqrt") == 1


def test_recording_and_gradients_go_through_hooks_and_stay_as_they_are() -> None:
    x, other = np.array([1.0, 2.0]), np.array([1.0, 2.0])
    told = Telling()
    for array, hooks in ((x, [told]), (other, [])):
        array.attach_grad()
        for hook in hooks:
            operator_hook(hook).attach()
        with autograd.record():
            y = np.exp(array * array).sum()
        y.backward()
        for hook in hooks:
            operator_hook(hook).detach()
    numpy.testing.assert_array_equal(x.grad.asnumpy(), other.grad.asnumpy())
    assert told.names[:3] == ["multiply", "exp", "sum"] and len(told.names) > 5


def test_a_composite_is_one_call_and_what_a_hook_computes_is_none() -> None:
    seen = []

    def around(call: OperatorCall, compute: Callable[[], Any]) -> Any:
        result = compute()
        first = result[0] if isinstance(result, tuple) else result
        seen.append((call.name, float(abs(first).max().asnumpy())))
        return result

    with operator_hook(around):
        hn.npx.layer_norm(np.array([[1.0, 3.0]]), np.ones((2,)), np.zeros((2,)))
    assert [name for name, _ in seen].count("layer_norm") == 1 and not {"maximum", "max", "absolute"} & {name for name, _ in seen}


def test_of_several_hooks_the_last_is_the_outermost_and_each_goes_alone() -> None:
    order: list[str] = []

    def hook(name: str) -> Any:
        def around(call: OperatorCall, compute: Callable[[], Any]) -> Any:
            order.append(name)
            return compute()

        return operator_hook(around)

    inner, outer, x = hook("inner"), hook("outer"), np.ones((2,))
    with inner, outer:
        np.exp(x)
        inner.detach()
        np.exp(x)
        inner.attach()
    assert order == ["outer", "inner", "outer"]
    with pytest.raises(HybridnetError, match="a hook that is attached in this thread"):
        inner.detach()


def test_errors_and_what_a_hook_gives_pass_through() -> None:
    def doubled(call: OperatorCall, compute: Callable[[], Any]) -> Any:
        return compute() * 2

    x = np.ones((2,))
    with operator_hook(doubled):
        assert np.exp(x * 0).asnumpy().tolist() == [2.0, 2.0]
        with pytest.raises(ValueError, match=r"\[add\]"):
            x + np.ones((3,))
        assert local.hooks == (doubled,)


def test_compiled_functions_and_traces_are_as_without() -> None:
    told, x = Telling(), np.array([1.0, 2.0])
    f = jit(lambda x: np.exp(x) * 2)
    with operator_hook(told):
        inside = f(x)
    outside = f(x)
    assert told.names == [] and f.retraces == []
    numpy.testing.assert_array_equal(inside.asnumpy(), outside.asnumpy())


def test_other_threads_are_not_told() -> None:
    told = Telling()
    with operator_hook(told):
        thread = threading.Thread(target=lambda: np.exp(np.ones((2,))))
        thread.start()
        thread.join()
    assert told.names == []


def test_a_profile_of_a_training_step() -> None:
    seconds: Counter[str] = Counter()

    def timed(call: OperatorCall, compute: Callable[[], Any]) -> Any:
        begin = time.perf_counter()
        result = compute()
        seconds[call.name] += time.perf_counter() - begin  # type: ignore[assignment]
        return result

    net = nn.Dense(3, in_units=4)
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "sgd")
    with operator_hook(timed):
        with autograd.record():
            loss = (net(np.ones((2, 4))) ** 2).sum()
        loss.backward()
        trainer.step(2)
    assert {"matmul", "add", "sum"} <= set(seconds) and min(seconds.values()) > 0


def test_the_first_nan_is_found() -> None:
    x = np.array([-1.0, 1.0])
    with operator_hook(stop_at_nan), numpy.errstate(invalid="ignore"):
        with pytest.raises(HybridnetError, match=r"\[log\] expected no NaN; got NaN in its result float32\[2\]; at test_hooks.py:"):
            np.log(x)
        x.attach_grad()
        with autograd.record(), pytest.raises(HybridnetError, match=r"\[sqrt\]"):
            np.sqrt(x)
        given = np.array([numpy.nan, 1.0])
        assert numpy.isnan((given + 1).asnumpy()).tolist() == [True, False], "one that came with an operand is not its own"


def test_debug_3_looks_for_nan_in_all_threads_and_in_compiled_functions() -> None:
    program = """
import threading, hybridnet as hn
from hybridnet import np, jit
x = np.array([-1.0])
def run(f):
    try:
        f(x)
    except hn.HybridnetError as error:
        print(error)
thread = threading.Thread(target=run, args=(np.log,))
thread.start(); thread.join()
run(np.sqrt)
run(jit(lambda x: np.arcsin(x - 1) * 2))
run(np.exp)
"""
    env = {**os.environ, "HYBRIDNET_DEBUG": "3", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert [line.partition("]")[0] for line in done.stdout.splitlines() if line.startswith("[")] == ["[log", "[sqrt", "[arcsin"]
