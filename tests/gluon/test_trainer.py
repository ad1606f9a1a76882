"""Trainer and optimizers: MXNet's numbers, the same in every mode, states in files, errors."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy
import pytest
from support.paths import DATA

import hybridnet as hn
from hybridnet import autograd, gluon, init, lr_scheduler, np, optimizer
from hybridnet.errors import ArgumentError, AutogradError, FileFormatError, TraceError
from hybridnet.gluon import nn

ALL = ["sgd", "nag", "adam", "adamw", "rmsprop", "adagrad", "groupadagrad", "adadelta", "adamax", "nadam", "ftrl", "ftml", "signum"]
ALL += ["lamb", "sgld", "lars", "dcasgd"]
X = np.array(numpy.random.default_rng(0).normal(size=(6, 5)).astype("float32"))
Y = np.array(numpy.random.default_rng(1).integers(0, 3, 6))
LOSS = gluon.loss.SoftmaxCrossEntropyLoss()


@pytest.fixture(autouse=True)
def seeded() -> None:
    hn.random.seed(7)


def network(hybrid: bool = False, seed: int = 7) -> nn.HybridSequential:
    hn.random.seed(seed)
    net = nn.HybridSequential()
    net.add(nn.Dense(4, activation="tanh"), nn.BatchNorm(), nn.Dense(3))
    net.initialize(init.Normal(0.5))
    net.hybridize(hybrid)
    return net


def values(net: Any) -> list[Any]:
    return [p.data().asnumpy() for p in net.collect_params().values()]


class Training:
    """A network in training, one step at a time, in one of three modes."""

    def __init__(self, mode: str, *args: Any, **kwargs: Any) -> None:
        self.net = network(mode == "hybridize")
        self.trainer = gluon.Trainer(self.net.collect_params(), *args, **kwargs)
        self.run = hn.jit(self.step) if mode == "jit" else self.step

    def step(self, x: Any, y: Any) -> Any:
        with autograd.record():
            loss = LOSS(self.net(x), y)
        loss.backward()
        self.trainer.step(x.shape[0])
        return loss

    def retraces(self) -> list[str]:
        jits = [self.run] if isinstance(self.run, hn.compile.Jit) else self.trainer._compiled.values()
        return [why for compiled in jits for why in compiled.retraces]


CASES = [json.loads(line.rstrip(",")) for line in (DATA / "mxnet_1_9_1_optimizers.json").read_text().splitlines() if line.startswith("{")]


@pytest.mark.parametrize("kind", ["one by one", "arrays for numbers"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_updates_are_mxnets(case: Any, kind: str) -> None:
    rng = numpy.random.RandomState(0)
    weight = np.array(rng.randn(4, 3).astype("float32"))
    opt = optimizer.create(case["name"], **case["args"], rescale_grad=0.5, param_idx2name={0: "a_weight"})
    state = opt.create_state_multi_precision(0, weight)
    for t in range(5):
        grad = np.array(rng.randn(4, 3).astype("float32"))
        if kind == "one by one":
            opt.update_multi_precision(0, weight, grad, state)
        else:
            opt.update_all([(0, weight, grad, state)], *(np.array(v, dtype="float64") for v in (opt.lr, t + 1, 0.5)))
    # MXNet's NAG decays the momentum by the weight after the step.
    numpy.testing.assert_allclose(weight.asnumpy(), case["weight"], atol=2e-5 if case["name"] == "nag" else 2e-6)


def test_adamw_decays_apart_from_the_gradient() -> None:
    for correct in (True, False):
        weight, m, v, lr, wd = np.array([2.0]), 0.0, 0.0, 0.1, 0.5
        opt = optimizer.AdamW(learning_rate=lr, wd=wd, correct_bias=correct)
        state = opt.create_state(0, weight)
        expected = 2.0
        for t, g in enumerate([1.0, -0.5, 2.0], 1):
            opt.update(0, weight, np.array([g]), state)
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            mh, vh = (m / (1 - 0.9**t), v / (1 - 0.999**t)) if correct else (m, v)
            expected -= lr * (mh / (vh**0.5 + 1e-6) + wd * expected)
        assert weight.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("classic", [False, True], ids=["np", "nd"])
@pytest.mark.parametrize("name", ALL)
def test_all_modes_end_with_the_same_parameters(name: str, classic: bool) -> None:
    ended = []
    x, y = (hn.nd.array(X.asnumpy()), hn.nd.array(Y.asnumpy())) if classic else (X, Y)
    with hn.util.np_array(not classic):
        for mode in ("imperative", "hybridize", "jit"):
            training = Training(mode, name, {"learning_rate": 0.01, "wd": 0.01, "clip_gradient": 0.3})
            for i in range(5):
                if i == 3:
                    training.trainer.set_learning_rate(0.003)
                training.run(x, y)
            assert training.retraces() == [], "a changed learning rate needs no new program"
            assert training.trainer.optimizer.num_update == 5
            ended.append(values(training.net))
    for mode in ended[1:]:
        for a, b in zip(ended[0], mode, strict=True):
            numpy.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mode", ["imperative", "jit"])
def test_schedules_are_followed(mode: str) -> None:
    seen: list[int] = []

    class Noting(lr_scheduler.FactorScheduler):
        def __call__(self, num_update: int) -> float:
            seen.append(num_update)
            return super().__call__(num_update)

    training = Training(mode, "sgd", {"lr_scheduler": Noting(2, 0.5, base_lr=1.0)})
    training.run(X, Y)
    seen.clear()
    before = values(training.net)[0]
    moved = []
    for _ in range(4):
        training.run(X, Y)
        moved.append(training.trainer.learning_rate)
    assert moved == [1.0, 0.5, 0.5, 0.25] and seen == [2, 2, 3, 3, 4, 4, 5, 5]
    assert training.retraces() == [] and not (values(training.net)[0] == before).all()
    with pytest.raises(ArgumentError, match="without lr_scheduler"):
        training.trainer.set_learning_rate(0.1)


@pytest.mark.parametrize("mode", ["imperative", "jit"])
def test_hyper_parameters_and_multipliers_are_seen_when_changed(mode: str) -> None:
    training = Training(mode, "sgd", {"learning_rate": 0.1, "momentum": 0.5})
    training.run(X, Y)
    kept = training.net[2].weight.data().asnumpy()
    training.net[2].setattr("lr_mult", 0.0)
    training.trainer.optimizer.momentum = 0.0
    training.run(X, Y)
    numpy.testing.assert_array_equal(training.net[2].weight.data().asnumpy(), kept)
    (why,) = training.retraces()
    names = [p.name for p in training.net[2].collect_params().values()]
    assert sorted(why.split("; ")) == sorted(f"{name}.lr_mult changed" for name in names)
    training.net[2].setattr("grad_req", "null")
    training.run(X, Y)
    numpy.testing.assert_array_equal(training.net[2].weight.data().asnumpy(), kept)


def test_another_batch_size_needs_no_new_update() -> None:
    training = Training("imperative", "adam")
    for n in (6, 3, 4):
        training.run(X[:n], Y[:n])
    assert training.retraces() == []


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop"])
def test_the_compiled_step_is_the_formula(name: str) -> None:
    """One dense layer, its gradient by hand."""
    net = nn.Dense(1, in_units=2, use_bias=False)
    net.initialize(init.One())
    trainer = gluon.Trainer(net.collect_params(), name, {"learning_rate": 0.1})
    with autograd.record():
        y = net(np.array([[1.0, 2.0], [3.0, 4.0]]))
    y.backward()
    trainer.step(2)
    g = numpy.array([[2.0, 3.0]])
    step = {"sgd": g, "adam": g / (abs(g) + 1e-7), "rmsprop": g / (g * g * 0.1) ** 0.5}[name]
    numpy.testing.assert_allclose(net.weight.data().asnumpy(), 1 - 0.1 * step, rtol=1e-5)


@pytest.mark.parametrize("mode", ["imperative", "jit"])
def test_multi_precision_keeps_a_float32_copy(mode: str) -> None:
    net = nn.Dense(1, in_units=2, use_bias=False)
    net.initialize(init.One())
    net.cast("float16")
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1e-4, "momentum": 0.9, "multi_precision": True})

    def step(x: Any) -> None:
        with autograd.record():
            y = net(x)
        y.backward()
        trainer.step(1)

    run = hn.jit(step) if mode == "jit" else step
    for _ in range(10):
        run(np.ones((1, 2), dtype="float16"))
    master = trainer._states[0][0][0]
    # Each step alone is below float16's resolution at 1.
    assert master.dtype == numpy.float32 and 0.993 < master[0, 0].item() < 0.999
    assert net.weight.data().dtype == numpy.float16
    numpy.testing.assert_array_equal(net.weight.data().asnumpy(), master.asnumpy().astype("float16"))


def test_gradients_are_summed_over_devices() -> None:
    devices = [hn.cpu(0), hn.cpu(1)]
    alone, several = network(), network()
    for net in (alone, several):
        net[1].setattr("grad_req", "null")
    one = Training("imperative", "adam")
    one.net = alone
    one.trainer = gluon.Trainer(alone.collect_params(), "adam")
    alone(X)
    several(X)
    for a, b in zip(alone.collect_params().values(), several.collect_params().values(), strict=True):
        b.set_data(a.data())
    several.reset_ctx(devices)
    trainer = gluon.Trainer(several.collect_params(), "adam")
    for _ in range(3):
        with autograd.record(train_mode=False):
            loss = LOSS(alone(X), Y)
            losses = [LOSS(several(x), y) for x, y in zip(*(gluon.utils.split_and_load(v, devices) for v in (X, Y)), strict=True)]
        loss.backward()
        autograd.backward(losses)
        one.trainer.step(6)
        trainer.step(6)
    for a, b in zip(alone.collect_params().values(), several.collect_params().values(), strict=True):
        for x in b.list_data():
            numpy.testing.assert_allclose(x.asnumpy(), a.data().asnumpy(), rtol=1e-5, atol=1e-6)


def test_stale_gradients() -> None:
    training = Training("imperative", "sgd", {"learning_rate": 0.1})
    trainer, net = training.trainer, training.net
    net(X)
    with pytest.raises(AutogradError, match=r"none for '.*' since the last step; .*ignore_stale_grad=True"):
        trainer.step(1)
    training.run(X, Y)
    before = values(net)
    with autograd.record():
        y = net[0](X)
    y.backward()
    trainer.step(1, ignore_stale_grad=True)
    after = values(net)
    assert not (after[0] == before[0]).all() and (after[6] == before[6]).all()
    with pytest.raises(AutogradError):
        trainer.step(1)


def test_a_compiled_backward_delivers_fresh_gradients() -> None:
    training = Training("imperative", "sgd", {"learning_rate": 0.1})

    @hn.jit
    def backward(x: Any, y: Any) -> Any:
        with autograd.record():
            loss = LOSS(training.net(x), y)
        loss.backward()
        return loss

    losses = []
    for _ in range(3):
        losses.append(float(backward(X, Y).mean()))
        training.trainer.step(6)
    assert losses[2] < losses[1] < losses[0]


def test_gradients_may_be_changed_between_reduction_and_update() -> None:
    training = Training("imperative", "sgd", {"learning_rate": 1.0})
    net, trainer = training.net, training.trainer
    with autograd.record():
        loss = LOSS(net(X), Y)
    loss.backward()
    trainer.allreduce_grads()
    grads = [p.grad() for p in net.collect_params().values() if p.grad_req != "null"]
    gluon.utils.clip_global_norm(grads, 0.01)
    before = values(net)
    trainer.update(1)
    moved = sum(float(((a - b) ** 2).sum()) for a, b in zip(before, values(net), strict=True)) ** 0.5
    assert moved == pytest.approx(0.01, rel=1e-3)


# -- optimizers of programs -----------------------------------------------------------------------


@optimizer.register
class Halving(optimizer.Optimizer):
    """MXNet's interface: states and an update in Python."""

    def create_state(self, index: Any, weight: Any) -> Any:
        return np.zeros_like(weight)

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        self._update_count(index)
        state += 1
        weight[:] = weight * 0.5 - grad * (self.rescale_grad * self._get_lr(index))


def test_an_optimizer_with_its_own_update() -> None:
    net = nn.Dense(1, in_units=2, use_bias=False)
    net.initialize(init.One())
    trainer = gluon.Trainer(net.collect_params(), "halving", {"learning_rate": 0.1})

    def step(x: Any) -> None:
        with autograd.record():
            y = net(x)
        y.backward()
        trainer.step(2)

    step(np.ones((1, 2)))
    step(np.ones((1, 2)))
    numpy.testing.assert_allclose(net.weight.data().asnumpy(), [[0.175, 0.175]], rtol=1e-6)
    assert trainer.optimizer.num_update == 2 and trainer._states[0][0].tolist() == [[2, 2]]
    with pytest.raises(TraceError, match=r"Halving, which overrides update.*Halving\.rule"):
        hn.jit(step)(np.ones((1, 2)))


def test_multipliers_by_name() -> None:
    opt = optimizer.SGD(learning_rate=0.01, wd=0.1, param_idx2name={0: "a_weight", 1: "a_bias", 2: "a_gamma", 3: "a_beta"})
    assert [opt._get_wd(i) for i in range(4)] == [0.1, 0, 0.1, 0]
    opt.set_wd_mult({"a_bias": 2.0})
    opt.set_lr_mult({"a_weight": 3.0})
    assert opt._get_wd(1) == 0.2 and opt._get_lrs([0, 1]) == pytest.approx([0.03, 0.01])


def test_updater_goes_on_where_it_was() -> None:
    def run(updater: Any, weight: Any, steps: range) -> None:
        for i in steps:
            updater([0, "b"], [np.full((2,), i + 1.0), np.ones((2,))], weight)

    whole = [np.ones((2,)), np.ones((2,))]
    run(optimizer.get_updater(optimizer.create("adam")), whole, range(4))
    halves = [np.ones((2,)), np.ones((2,))]
    first = optimizer.get_updater(optimizer.create("adam"))
    run(first, halves, range(2))
    second = optimizer.get_updater(optimizer.create("adam"))
    second.set_states(first.get_states())
    run(second, halves, range(2, 4))
    for a, b in zip(whole, halves, strict=True):
        numpy.testing.assert_array_equal(a.asnumpy(), b.asnumpy())


def test_creation_errors() -> None:
    with pytest.raises(ArgumentError, match="adam"):
        optimizer.create("adamm")
    with pytest.raises(ArgumentError, match="collect_params"):
        gluon.Trainer(network(), "sgd")
    with pytest.raises(ArgumentError, match="no optimizer_params"):
        gluon.Trainer(network().collect_params(), optimizer.SGD(), {"wd": 0.1})


# -- states in files ------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["imperative", "jit"])
@pytest.mark.parametrize("name", ["sgd", "adam", "nadam"])
def test_training_goes_on_from_saved_states(tmp_path: Path, name: str, mode: str) -> None:
    args = (name, {"learning_rate": 0.05, **({"momentum": 0.9} if name == "sgd" else {})})
    whole = Training(mode, *args)
    for i in range(6):
        if i == 3:
            whole.trainer.save_states(str(tmp_path / "s"))
            whole.net.save_parameters(str(tmp_path / "p"))
        whole.run(X, Y)
    again = Training(mode, name, {**args[1], "learning_rate": 0.9})
    again.run(X, Y)
    again.net.load_parameters(str(tmp_path / "p"))
    again.trainer.load_states(str(tmp_path / "s"))
    assert again.trainer.learning_rate == 0.05 and again.trainer.optimizer.num_update == 3
    for _ in range(3):
        again.run(X, Y)
    for a, b in zip(values(whole.net), values(again.net), strict=True):
        numpy.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


def test_loading_states_runs_no_code_and_changes_nothing_on_failure(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (open, (str(tmp_path / "owned"), "w"))

    training = Training("imperative", "adam")
    training.run(X, Y)
    before = training.trainer._states[0][0][0].asnumpy()
    file = tmp_path / "states"
    file.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(FileFormatError):
        training.trainer.load_states(str(file))
    assert not (tmp_path / "owned").exists()
    hn.serialization.save(file, {"header": numpy.frombuffer(b"{}", numpy.uint8)})
    with pytest.raises(FileFormatError, match="a file that save_states wrote"):
        training.trainer.load_states(str(file))
    other = Training("imperative", "sgd")
    other.run(X, Y)
    other.trainer.save_states(str(file))
    with pytest.raises(FileFormatError, match=r"states of Adam.*of SGD"):
        training.trainer.load_states(str(file))
    small = nn.Dense(1, in_units=1)
    small.initialize()
    gluon.Trainer(small.collect_params(), "adam").save_states(str(file))
    with pytest.raises(FileFormatError, match="differ in"):
        training.trainer.load_states(str(file))
    numpy.testing.assert_array_equal(training.trainer._states[0][0][0].asnumpy(), before)


def test_what_a_step_cannot_divide_by_and_numbers_as_text() -> None:
    net = nn.Dense(2, in_units=3)
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    with autograd.record():
        loss = net(np.ones((4, 3))).sum()
    loss.backward()
    with pytest.raises(ArgumentError, match=r"\[Trainer.step\] expected a batch_size .*; got 0; .* try loss.shape\[0\]"):
        trainer.step(0)
    with pytest.raises(ArgumentError, match=r"\[SGD\] expected a number for lr; got '0.1'; .* try float\('0.1'\)"):
        gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": "0.1"})
    with pytest.raises(ArgumentError, match=r"\[Adam\] expected a number for wd; got '0'"):
        gluon.Trainer(net.collect_params(), "adam", {"wd": "0"})


def test_a_trainer_tells_the_contexts_of_its_parameters() -> None:
    net = nn.Dense(1, in_units=2)
    net.initialize(ctx=[hn.cpu(0), hn.cpu(1)])
    assert gluon.Trainer(net.collect_params(), "sgd")._contexts == [hn.cpu(0), hn.cpu(1)]
