"""What compiles a function anew, what does not, and what is said of it."""

import re
from collections.abc import Callable
from typing import Any

import numpy
import pytest
from support.paths import ROOT

import hybridnet as hn
from hybridnet import amp, autograd, gluon, jit, np, optimizer
from hybridnet.core import call
from hybridnet.gluon import nn
from hybridnet.ops.array.creation import zeros_like
from hybridnet.optimizer.numbers import derived


class Training:
    """A network in training in one compiled step, or block by block."""

    def __init__(self, compiled: bool, name: str = "sgd", dtype: str = "float32", **options: Any) -> None:
        hn.random.seed(3)
        self.net = nn.HybridSequential()
        self.net.add(nn.Dense(4, activation="tanh", in_units=3), nn.Dense(2, in_units=4))
        self.net.initialize(hn.init.Normal(0.5))
        self.net.cast(dtype)
        self.net.hybridize(not compiled)
        self.trainer = gluon.Trainer(self.net.collect_params(), name, {"learning_rate": 0.05, **options})
        self.x = np.array([[0.3, -0.2, 0.9], [1.0, 0.4, -0.5]], dtype=dtype)
        self.compiled = jit(self._step, name="step") if compiled else None
        self.step = self.compiled or self._step

    def _step(self, x: Any) -> Any:
        with autograd.record():
            loss = (self.net(x) ** 2).sum()
        loss.backward()
        self.trainer.step(1)
        return loss

    def run(self) -> None:
        self.step(self.x)

    def retraces(self) -> list[str]:
        return [why for function in self.functions() for why in function.retraces]

    def functions(self) -> list[Any]:
        return [self.compiled] if self.compiled else [self.net._compiled, *self.trainer._compiled.values()]

    def weights(self) -> list[Any]:
        return [p.data().asnumpy() for p in self.net.collect_params().values()]


both = pytest.mark.parametrize("compiled", [True, False], ids=["one step", "blocks"])


@both
def test_what_happens_to_others_retraces_nothing(compiled: bool) -> None:
    one, other = Training(compiled), Training(compiled, momentum=0.5, clip_gradient=1.0)
    for training in (one, other):
        training.run()
    other.trainer.optimizer.momentum = 0.9
    other.trainer.optimizer.wd = 0.1
    other.trainer.optimizer.clip_gradient = 0.5
    other.net.hybridize()
    other.net.add(nn.Dense(2, in_units=2))
    other.net[0].weight.grad_req = "null"
    other.net[1].weight.lr_mult = 3.0
    other.net[0].register_forward_hook(lambda *args: None)
    optimizer.SGD(momentum=0.5).momentum = 0.3
    one.run()
    assert one.retraces() == []


#: Of each optimizer, hyper-parameters to change while it trains.
MOVED: dict[str, dict[str, float]] = {
    "sgd": {"momentum": 0.7, "wd": 0.2},
    "nag": {"momentum": 0.7, "wd": 0.2},
    "signum": {"momentum": 0.5, "wd": 0.2, "wd_lh": 0.1},
    "adam": {"beta1": 0.5, "beta2": 0.9, "epsilon": 1e-3, "wd": 0.2},
    "adamw": {"beta1": 0.5, "beta2": 0.9, "epsilon": 1e-3, "wd": 0.2},
    "rmsprop": {"gamma1": 0.5, "gamma2": 0.5, "epsilon": 1e-3, "wd": 0.2},
    "adagrad": {"float_stable_eps": 1e-2, "wd": 0.2},
    "groupadagrad": {"float_stable_eps": 1e-2},
    "adadelta": {"rho": 0.5, "epsilon": 1e-3, "wd": 0.2},
    "adamax": {"beta1": 0.5, "beta2": 0.9, "wd": 0.2},
    "nadam": {"beta1": 0.5, "beta2": 0.9, "epsilon": 1e-3, "schedule_decay": 0.1, "wd": 0.2},
    "ftrl": {"lamda1": 0.05, "beta": 2.0, "wd": 0.2},
    "ftml": {"beta1": 0.3, "beta2": 0.9, "epsilon": 1e-3, "wd": 0.2},
    "lamb": {"beta1": 0.5, "beta2": 0.9, "epsilon": 1e-3, "wd": 0.2},
    "sgld": {"wd": 0.2},
    "lars": {"momentum": 0.7, "eta": 0.1, "eps": 0.01, "wd": 0.2},
    "dcasgd": {"momentum": 0.7, "lamda": 1.0, "wd": 0.2},
}


def test_every_number_of_every_optimizer_is_moved() -> None:
    classes = {
        cls: {n for n in cls.numbers if not isinstance(getattr(cls, n, None), derived)}
        for cls in optimizer.Optimizer.opt_registry.values()
        if cls.numbers
    }
    tried = {optimizer.Optimizer.opt_registry[name]: set(values) for name, values in MOVED.items()}
    missing = {
        cls.__name__: numbers for cls, numbers in classes.items() if not any(issubclass(cls, c) and numbers == n for c, n in tried.items())
    }
    assert not missing


@pytest.mark.parametrize("name", MOVED)
def test_hyper_parameters_are_inputs(name: str) -> None:
    """Each moves at every step: one program, and the values of updates done one by one.

    In float64: where a gradient crosses zero, Adam's kin make much of a rounding.
    """
    options: dict[str, Any] = {"wd": 0.1} if "wd" in MOVED[name] else {}
    options |= {"momentum": 0.9} if "momentum" in MOVED[name] else {}
    options |= {"centered": True} if name == "rmsprop" else {}
    ended = []
    for compiled in (True, False):
        training = Training(compiled, name, "float64", **options)
        if not compiled:
            _one_by_one(training.trainer)
        training.run()
        opt = training.trainer.optimizer
        start = {key: getattr(opt, key) for key in MOVED[name]}
        for t in range(1, 6):
            for key, goal in MOVED[name].items():
                setattr(opt, key, start[key] + (goal - start[key]) * t / 5)
            training.run()
        assert training.retraces() == []
        ended.append(training.weights())
    plain = Training(True, name, "float64", **options)
    for _ in range(6):
        plain.run()
    for a, b, unmoved in zip(*ended, plain.weights(), strict=True):
        numpy.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
        assert abs(a - unmoved).max() > 1e-4, "the values have an effect"


def _one_by_one(trainer: Any) -> None:
    """Have updates done with the numbers themselves, imperatively."""
    opt = trainer._optimizer

    class OneByOne(type(opt)):  # type: ignore[misc]
        def update(self, *args: Any) -> None:
            super().update(*args)

    opt.__class__ = OneByOne


def test_a_warm_up_of_momentum_compiles_once() -> None:
    training = Training(True, momentum=0.5)
    for i in range(50):
        training.trainer.optimizer.momentum = 0.5 + 0.4 * i / 50
        training.run()
    assert training.retraces() == [] and len(training.compiled.cache) == 1  # type: ignore[union-attr]


def test_a_decay_that_begins_or_ends_compiles_anew() -> None:
    """Without a decay the update has no term of it: the one number whose being 0 is part of the program."""
    training = Training(True)
    moved = []
    for wd in (0.0, 0.0, 0.5, 0.25, 0.0):
        training.trainer.optimizer.wd = wd
        before = training.weights()[0]
        grad = training.net[0].weight.grad()
        training.run()
        moved.append(training.weights()[0] - before + 0.05 * (grad.asnumpy() + wd * before))
    assert training.retraces() == ["trainer.wd changed"] * 2
    for difference in moved:
        numpy.testing.assert_allclose(difference, 0, atol=1e-6)


@both
@pytest.mark.parametrize(
    "change, said",
    [
        (lambda t: setattr(t.trainer.optimizer, "clip_gradient", 0.1), "trainer.clip_gradient changed"),
        (lambda t: setattr(t.net[0].weight, "lr_mult", 0.5), "{0}.lr_mult changed"),
        (lambda t: setattr(t.net[0].weight, "wd_mult", 0.5), "{0}.wd_mult changed"),
        (lambda t: setattr(t.net[0].bias, "grad_req", "add"), "{1}.grad_req changed"),
        (lambda t: t.trainer.optimizer.set_lr_mult({0: 2.0}), "trainer.lr_mult changed"),
    ],
    ids=["clip_gradient", "lr_mult", "wd_mult", "grad_req", "set_lr_mult"],
)
def test_what_a_step_reads_is_named_when_it_changes(compiled: bool, change: Callable[[Training], None], said: str) -> None:
    training = Training(compiled)
    training.run()
    training.run()
    change(training)
    training.run()
    names = list(training.net.collect_params())
    expected = said.format(*names)
    training.run()
    assert {why for f in training.functions() for why in f.retraces} == {expected}
    assert max(len(f.retraces) for f in training.functions()) == 1, "once is enough"
    if not compiled and "grad_req" not in expected:
        assert training.net._compiled.retraces == [], "the forward does not depend on how parameters are moved"


def test_blocks_are_named_when_they_change() -> None:
    training = Training(True)
    net, label = training.net, training.net[0]._label
    assert training.compiled is not None
    training.run()
    handle = net[0].register_forward_hook(lambda *args: None)
    training.run()
    handle.detach()
    training.run()
    net.hybridize()
    training.run()
    assert training.retraces() == [f"{label}.hooks changed"] * 2, "hybridize() changes nothing of a program around it"


def test_a_child_that_is_replaced_is_seen_where_its_parent_is_not_called() -> None:
    class Pair(gluon.HybridBlock):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Dense(2, in_units=2), nn.Dense(2, in_units=2)

    pair, x = Pair(), np.ones((1, 2))
    pair.initialize()
    f = jit(lambda x: pair.second(pair.first(x)))
    f(x)
    pair.first = nn.Dense(2, in_units=2)
    pair.initialize(force_reinit=True)
    expected = pair.second(pair.first(x))
    numpy.testing.assert_allclose(f(x).asnumpy(), expected.asnumpy(), rtol=1e-6)
    pair.second.weight = gluon.Parameter("weight", shape=(2, 2), init="zeros")
    pair.second.weight.initialize()
    numpy.testing.assert_array_equal(f(x).asnumpy(), 0)
    g = jit(lambda x: x @ pair.second.weight.data())
    g(x)
    pair.second.weight = gluon.Parameter("weight", shape=(2, 2), init="ones")
    pair.second.weight.initialize()
    numpy.testing.assert_array_equal(g(x).asnumpy(), [[2, 2]])
    assert len(f.retraces) == 2 and g.retraces[0].endswith("weight.place as Dense.weight changed")


def test_loss_scaling_is_seen() -> None:
    training = Training(False)
    training.run()
    amp.init("float16")
    try:
        amp.init_trainer(training.trainer)
    finally:
        amp.init("float32")
    training.run()
    assert "trainer.loss scaling changed" in training.retraces()


def test_arguments_are_named_with_what_they_became() -> None:
    f = jit(lambda x, scale=1, pair=(1, 2), **more: x * scale * pair[0] + sum(more.values()))
    x = np.ones((3,))
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((x,), {}),
        ((np.ones((4,)),), {}),
        ((np.ones((4,), dtype="float64"),), {}),
        ((np.ones((4,), dtype="float64"), 2), {}),
        ((np.ones((4,), dtype="float64"), 3), {}),
        ((np.ones((4,), dtype="float64"), 3, (2, 3)), {}),
        ((np.ones((4,), dtype="float64"), 3, (5, 3)), {}),
        ((np.ones((4,), dtype="float64"), 3, (5, 3)), {"bias": np.ones((), dtype="float64")}),
        ((np.ones((4,), dtype="float64"), 3, [5, 3]), {"bias": np.ones((), dtype="float64")}),
    ]
    for args, kwargs in calls:
        f(*args, **kwargs)
    assert f.retraces == [
        "argument 0: float32[3] became float32[4]",
        "argument 0: float32[4] became float64[4]",
        "argument 1: nothing became 2",
        "argument 1: 2 became 3",
        "argument 2[0]: nothing became 2; argument 2[1]: nothing became 3",
        "argument 2[0]: 2 became 5",
        "argument bias: nothing became float64[]",
        "arguments: other tuples, lists or dicts hold the same values",
    ]


def test_modes_and_gradients_are_named() -> None:
    f, x = jit(lambda x: x * 2), np.ones((2,))
    f(x)
    with autograd.train_mode():
        f(x)
    with autograd.record(train_mode=False):
        f(x)
    x.attach_grad()
    with autograd.record(train_mode=False):
        f(x)
    f(hn.nd.ones((2,)))
    assert f.retraces[:3] == ["training: False became True", "recording: False became True", "argument 0: it has a gradient now"]
    assert f.retraces[3].startswith("argument 0: hybridnet.") and f.retraces[3].endswith("became hybridnet.ndarray.classic.NDArray")
    assert len(f.cache) == 5


def test_the_nearest_program_is_what_a_call_is_compared_with() -> None:
    f, x = jit(lambda x: x * 2), np.ones((2,))
    f(x)
    with autograd.train_mode():
        f(np.ones((7, 7)))
    f(np.ones((3,)))
    assert f.retraces[-1] == "argument 0: float32[2] became float32[3]"


def test_what_was_compiled_before_a_change_is_let_go() -> None:
    net = nn.Dense(2, in_units=3)
    net.initialize()
    net.hybridize()
    for n in range(4):
        net(np.ones((n + 1, 3)))
    assert len(net._compiled.cache) == 4
    net.weight.grad_req = "null"
    net(np.ones((1, 3)))
    assert len(net._compiled.cache) == 1 and net._compiled.retraces[-1] == f"{net.weight.name}.grad_req changed"


def test_an_optimizer_of_ones_own_is_compiled_with_its_numbers_as_constants() -> None:
    """Unless it lists them: then they are arrays in its rule."""
    seen = []

    class Plain(optimizer.Optimizer):
        def __init__(self, power: float = 2.0, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.power = power

        def rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> None:
            seen.append((type(self.power), type(wd)))
            weight -= grad * scalars[0] * self.power + weight * wd

    class Listed(Plain):
        numbers = ("wd", "power")

    ended = []
    for opt in (Plain(wd=0.5), Listed(wd=0.5)):
        training = _with(opt)
        for power in (2.0, 3.0, 4.0):
            opt.power = power
            training.run()
        ended.append((training.retraces(), training.weights()))
    (retraces, weights), (others, same) = ended
    assert retraces == ["trainer.power changed"] * 2 and others == []
    for a, b in zip(weights, same, strict=True):
        numpy.testing.assert_allclose(a, b, rtol=1e-5)
    assert seen[0] == (float, float) and float not in seen[-1]


def _with(opt: Any) -> Training:
    training = Training(True)
    training.trainer = gluon.Trainer(training.net.collect_params(), opt)
    return training


def test_the_recipe_for_an_optimizer() -> None:
    """What CONTRIBUTING.md shows, as it stands there: trained in every mode, its numbers moved, its states named."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (source,) = re.findall(r"<!-- recipe: optimizer -->\n```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {"Any": Any, "Optimizer": optimizer.Optimizer, "derived": derived, "call": call, "zeros_like": zeros_like}
    exec(source, names | {"register": lambda cls: names.setdefault("made", cls)}, names)
    ended = []
    for compiled in (True, False):
        opt = names["made"](learning_rate=0.01, wd=0.1)
        training = Training(compiled)
        training.trainer = gluon.Trainer(training.net.collect_params(), opt)
        if not compiled:
            _one_by_one(training.trainer)
        for beta in (0.9, 0.5, 0.2):
            opt.beta1 = opt.beta2 = beta
            training.run()
        assert training.retraces() == []
        ended.append(training.weights())
        if training.compiled:
            assert f"{next(iter(training.net.collect_params()))}.mean" in {v.name for v in training.compiled.graph(training.x).inputs}
    for a, b in zip(*ended, strict=True):
        numpy.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
