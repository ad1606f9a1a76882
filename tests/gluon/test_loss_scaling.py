"""Scaled losses: an overflow leaves everything as it was, in every mode and with every optimizer; the scale follows."""

from collections.abc import Iterator
from typing import Any

import numpy
import pytest
from support.amp_steps import MODES, SCALE, backward, counters, held_by, inputs, network, reference_gradient, small, train
from support.ranks import on_ranks

from hybridnet import amp, autograd, cpu, gluon, gpu, init, jit, np, optimizer
from hybridnet.gluon import nn


@pytest.fixture(autouse=True)
def switched_off_again() -> Iterator[None]:
    with numpy.errstate(over="ignore", invalid="ignore"):  # too large a scale is found out by trying
        yield
    amp.init("float32")


@pytest.mark.parametrize("mode", MODES)
def test_an_overflow_leaves_everything_and_halves_the_scale(mode: str) -> None:
    amp.init("float16")
    seen: list[dict[str, Any]] = []

    def watch(i: int, trainer: Any) -> None:
        scaler = trainer._amp_loss_scaler
        if i == 1:
            counters(trainer).scale[...] = 2.0**24  # more than the gradients can take
        held = [p.data() for p in trainer._params if p.grad_req != "null"]
        states = [s for p, per in zip(trainer._params, trainer._states, strict=False) if p.grad_req != "null" for s in per[0]]
        t = [s.t for s in trainer._scalars.values()]
        seen.append({"scale": scaler.loss_scale, "held": [a.asnumpy() for a in (*held, *states, *t)]})

    *_, trainer = train(mode, 4, watch=watch)
    assert [s["scale"] for s in seen] == [SCALE, 2.0**24, 2.0**23, 2.0**22]
    assert trainer._amp_loss_scaler.loss_scale == 2.0**21
    assert len(seen[1]["held"]) == len(seen[3]["held"]) == 8 * 3 + 1  # weights, what Adam follows, the count of steps
    for a, b in zip(seen[1]["held"], seen[3]["held"], strict=True):
        numpy.testing.assert_array_equal(a, b)
    assert numpy.any(seen[1]["held"][0] != 0)


@pytest.mark.parametrize("mode", MODES)
def test_the_scale_grows_back(mode: str) -> None:
    amp.init("float16")

    def watch(i: int, trainer: Any) -> None:
        if i == 1:
            counters(trainer).good[...] = 1999

    *_, trainer = train(mode, 2, watch=watch)
    assert trainer._amp_loss_scaler.loss_scale == 2 * SCALE
    assert int(counters(trainer).good) == 0


@pytest.mark.parametrize("mode", ["imperative", "jit"])
def test_unscale(mode: str) -> None:
    amp.init("float16")
    net, trainer, x = small()

    def step(x: Any) -> Any:
        backward(net, trainer, x)
        trainer.allreduce_grads()
        amp.unscale(trainer)
        grad = net.weight.grad() * 1
        trainer.update(2)
        return grad

    before = net.weight.data().asnumpy()
    grad = (jit(step) if mode == "jit" else step)(x).asnumpy()
    numpy.testing.assert_allclose(grad, reference_gradient(x.asnumpy()), rtol=1e-2, atol=1e-2)
    numpy.testing.assert_allclose(net.weight.data().asnumpy(), before - 0.05 * grad, rtol=1e-5)
    with pytest.raises(ValueError, match="scale_loss"):
        amp.unscale(trainer)


def test_a_compiled_backward_and_a_step_outside() -> None:
    """The second call of the compiled function scales the loss as well, though no Python code of it runs."""
    amp.init("float16")
    net, trainer, x = small()
    run = jit(lambda x: backward(net, trainer, x))
    for _ in range(3):
        before = net.weight.data().asnumpy()
        run(x)
        grad = net.weight.grad().asnumpy() / trainer._amp_loss_scaler.loss_scale
        trainer.step(1)
        numpy.testing.assert_allclose(net.weight.data().asnumpy(), before - 0.1 * grad, rtol=1e-4, atol=1e-6)


#: Of ours those with updates that can be compiled; LBSGD's are not.
NAMES = sorted(
    {
        cls.__name__
        for cls in optimizer.Optimizer.opt_registry.values()
        if cls.__module__.startswith("hybridnet.optimizer.") and cls().traceable
    }
    - {"Test"}
)


@pytest.mark.parametrize("name", NAMES)
def test_every_optimizer_leaves_out_an_overflow(name: str) -> None:
    """In compiled steps, its states included; and moves in the next step as it would have."""
    amp.init("float16")
    (net, trainer, x), (other, theirs, _) = small(name), small(name)
    run, expected = (jit(lambda x, n=n, t=t: (backward(n, t, x), t.step(5))[1]) for n, t in ((net, trainer), (other, theirs)))
    run(x), expected(x)
    held = [a.asnumpy() for a in held_by(trainer)]
    run(x * float("inf"))
    for a, b in zip(held_by(trainer), held, strict=True):
        numpy.testing.assert_array_equal(a.asnumpy(), b)
    assert trainer._amp_loss_scaler.loss_scale == SCALE / 2
    if name != "SGLD":  # which draws noise
        run(x), expected(x)
        numpy.testing.assert_allclose(net.weight.data().asnumpy(), other.weight.data().asnumpy(), rtol=1e-3, atol=1e-4)


def test_an_optimizer_that_cannot_be_compiled() -> None:
    @optimizer.register
    class Plain(optimizer.Optimizer):
        def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
            weight -= grad * (self.rescale_grad * self.learning_rate)

    amp.init("float16")
    net, trainer, x = small("plain")
    backward(net, trainer, x)
    trainer.step(1)
    moved = net.weight.data().asnumpy()
    numpy.testing.assert_allclose(moved, 0.25 - 0.1 * reference_gradient(x.asnumpy()), rtol=1e-2, atol=1e-3)
    backward(net, trainer, x * float("inf"))
    trainer.step(1)
    numpy.testing.assert_array_equal(net.weight.data().asnumpy(), moved)
    assert trainer._amp_loss_scaler.loss_scale == SCALE / 2


@pytest.mark.parametrize("mode", ["imperative", "jit"])
def test_16_bit_parameters_with_a_float32_copy(mode: str) -> None:
    """Steps that are too small for float16 add up in the copy."""
    amp.init("float16")
    net, trainer, x = small("adam", "float16", multi_precision=True, learning_rate=1e-5)

    def step(x: Any) -> None:
        backward(net, trainer, x)
        trainer.step(1)

    run = jit(step) if mode == "jit" else step
    for _ in range(30):
        run(x)
    (master, _), *_ = trainer._states[trainer._param2idx[net.weight.name]]
    assert master.dtype == numpy.float32
    assert net.weight.data().dtype == net.weight.grad().dtype == numpy.float16
    numpy.testing.assert_allclose(numpy.abs(master.asnumpy() - 0.25), 3e-4, rtol=1e-2)
    numpy.testing.assert_array_equal(net.weight.data().asnumpy(), master.asnumpy().astype("float16"))


def test_bfloat16_needs_no_scale() -> None:
    amp.init("bfloat16")
    net, trainer, x = small()
    assert trainer._amp_loss_scaler is None
    loss = np.ones((2,))
    with amp.scale_loss(loss, trainer) as scaled:
        assert scaled is loss
    amp.unscale(trainer)
    amp.init("float16")
    with amp.scale_loss([loss, loss], small()[1]) as both:
        assert [float(one.sum()) for one in both] == [2 * SCALE] * 2


def test_what_was_forgotten() -> None:
    net = nn.Dense(2, in_units=2)
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "sgd")
    with pytest.raises(ValueError, match=r"amp\.init"):
        amp.init_trainer(trainer)
    amp.init("float16")
    with pytest.raises(ValueError, match="init_trainer"), amp.scale_loss(np.ones(()), trainer):
        pass


def test_parameters_on_different_devices() -> None:
    amp.init("float16")
    nets = [nn.Dense(2, in_units=2), nn.Dense(2, in_units=2)]
    for i, net in enumerate(nets):
        net.initialize(ctx=cpu(i))
    trainer = gluon.Trainer([p for net in nets for p in net.collect_params().values()], "sgd")
    amp.init_trainer(trainer)
    for i, net in enumerate(nets):
        backward(net, trainer, np.ones((1, 2), ctx=cpu(i)))
    with pytest.raises(ValueError, match="same devices"):
        trainer.step(1)


def test_several_devices_agree() -> None:
    amp.init("float16")
    net = nn.Dense(3, in_units=4)
    net.initialize(init.Constant(0.25), ctx=[cpu(0), cpu(1)])
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    amp.init_trainer(trainer)
    scales = [trainer._amp_loss_scaler._on(cpu(i)).scale for i in range(2)]
    for scale in scales:
        scale[...] = SCALE
    for factor in (1.0, float("inf"), 1.0):  # on one device alone
        for i in range(2):
            backward(net, trainer, np.ones((2, 4), ctx=cpu(i)) * (factor if i else 1.0))
        trainer.step(4)
        first, second = (w.asnumpy() for w in net.weight.list_data())
        assert numpy.isfinite(first).all()
        numpy.testing.assert_array_equal(first, second)
    assert [float(scale) for scale in scales] == [SCALE / 2] * 2


@pytest.mark.parametrize("compiled", [False, True])
def test_ranks_agree(compiled: bool) -> None:
    """An overflow on one of them leaves everything as it was on all: what is looked at is the sum."""

    def run(rank: int) -> tuple[float, list[Any]]:
        amp.init("float16")
        net = nn.Dense(3, in_units=4)
        net.initialize(init.Constant(0.25))
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1}, kvstore="dist_sync")
        amp.init_trainer(trainer)
        scale = trainer._amp_loss_scaler._on(cpu()).scale
        scale[...] = SCALE

        def step(x: Any) -> None:
            backward(net, trainer, x)
            trainer.step(8)

        run = jit(step) if compiled else step
        weights = []
        with numpy.errstate(over="ignore", invalid="ignore"):  # of this thread
            for factor in (1.0, float("inf"), 1.0):
                run(np.ones((2, 4)) * (factor if rank else 1.0))
                weights.append(net.weight.data().asnumpy().copy())
        return float(scale), weights

    (scale, first), (other, second) = on_ranks(2, run)
    assert scale == other == SCALE / 2
    for a, b in zip(first, second, strict=True):
        assert numpy.isfinite(a).all()
        numpy.testing.assert_array_equal(a, b)
    numpy.testing.assert_array_equal(first[0], first[1])
    assert numpy.any(first[1] != first[2])


@pytest.mark.slow
def test_a_compiled_step_on_a_gpu(emulated_gpu: Any) -> None:
    """With channels last in between; and an overflow leaves everything there, too."""
    amp.init("float16")
    found = []
    for device in (cpu(), gpu(0)):
        net = network(device)
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.05, "momentum": 0.9})
        amp.init_trainer(trainer)
        scale = trainer._amp_loss_scaler._on(device).scale
        scale[...] = SCALE

        def step(x: Any, y: Any, net: Any = net, trainer: Any = trainer) -> Any:
            with autograd.record():
                loss = gluon.loss.SoftmaxCrossEntropyLoss()(net(x), y)
                with amp.scale_loss(loss, trainer) as scaled:
                    scaled.backward()
            trainer.step(6)
            return loss

        run = jit(step)
        data = [[a.to_device(device) for a in inputs(i)] for i in range(2)]
        losses = [run(*data[0]).asnumpy()]
        scale[...] = 2.0**24
        held = [p.data().asnumpy() for p in trainer._params if p.grad_req != "null"]
        run(*data[0])
        for a, b in zip([p.data() for p in trainer._params if p.grad_req != "null"], held, strict=True):
            numpy.testing.assert_array_equal(a.asnumpy(), b)
        assert float(scale) == 2.0**23
        scale[...] = SCALE
        losses.append(run(*data[1]).asnumpy())
        found.append(losses)
        assert all(n.attrs["last"] == device.is_gpu for n in run.graph(*data[0]).nodes if n.op.name.startswith("convolution"))
    numpy.testing.assert_allclose(*found, rtol=2e-2, atol=2e-2)
