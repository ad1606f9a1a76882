"""Mixed precision: the same imperatively, hybridized and in a compiled step; float32 gradients; scaled losses; what is cast."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import pytest

from hybridnet import amp, autograd, cpu, dtypes, gluon, init, jit, np, npx, optimizer
from hybridnet.core import OPS, computing_in, local
from hybridnet.gluon import nn
from hybridnet.tree import flatten

SCALE = 2.0**8  # that of MXNet is too large for these networks at first
MODES = ("imperative", "hybridized", "jit")


@pytest.fixture(autouse=True)
def switched_off_again() -> Iterator[None]:
    with numpy.errstate(over="ignore", invalid="ignore"):  # too large a scale is found out by trying
        yield
    amp.init("float32")


def inputs(seed: int = 0) -> tuple[Any, Any]:
    rng = numpy.random.default_rng(seed)
    return np.array(rng.normal(size=(6, 3, 8, 8)).astype("float32")), np.array(rng.integers(0, 4, 6).astype("int32"))


def network() -> Any:
    """Convolutions with batch norm, a residual, a dense layer; all weights the same at each call."""
    net = nn.HybridSequential()
    net.add(
        nn.Conv2D(6, 3, padding=1, in_channels=3),
        nn.BatchNorm(in_channels=6),
        nn.Activation("relu"),
        nn.MaxPool2D(),
        nn.Conv2D(5, 3, in_channels=6),
        nn.GELU(),
        nn.GlobalAvgPool2D(),
        nn.Dense(4, in_units=5),
    )
    net.initialize(init.Zero())
    rng = numpy.random.default_rng(7)
    for p in net.collect_params().values():
        if p.name.endswith("weight"):
            p.set_data(np.array(rng.normal(size=p.shape, scale=0.4).astype("float32")))
    return net


def counters(trainer: Any) -> Any:
    return trainer._amp_loss_scaler._on(cpu())


def train(mode: str, steps: int = 3, watch: Callable[[int, Any], None] | None = None) -> tuple[Any, Any, Any]:
    """Losses, parameters and trainer after a few steps, with the loss scaled."""
    net, loss_of = network(), gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.01})
    if local.precision is not None:
        amp.init_trainer(trainer)
    if trainer._amp_loss_scaler is not None:
        counters(trainer).scale[...] = SCALE

    def step(x: Any, y: Any) -> Any:
        with autograd.record():
            loss = loss_of(net(x), y)
            with amp.scale_loss(loss, trainer) as scaled:
                scaled.backward()
        trainer.step(x.shape[0])
        return loss

    if mode == "hybridized":
        net.hybridize()
        loss_of.hybridize()
    run = jit(step) if mode == "jit" else step
    losses = []
    for i in range(steps):
        if watch is not None:
            watch(i, trainer)
        losses.append(run(*inputs(i)).asnumpy())
    return losses, {k.split("_", 1)[-1]: p.data().asnumpy() for k, p in net.collect_params().items()}, trainer


@pytest.mark.parametrize("target", ["float16", "bfloat16"])
def test_a_training_step_agrees_in_the_three_modes(target: str) -> None:
    amp.init(target)
    results = [train(mode) for mode in MODES]
    for losses, parameters, *_ in results[1:]:
        numpy.testing.assert_allclose(losses, results[0][0], rtol=3e-2, atol=3e-2)
        for (k, p), q in zip(parameters.items(), results[0][1].values(), strict=True):
            assert p.dtype == numpy.float32
            numpy.testing.assert_allclose(p, q, rtol=3e-2, atol=1e-2, err_msg=k)
    amp.init("float32")
    plain, *_ = train("imperative")
    numpy.testing.assert_allclose(results[0][0], plain, rtol=5e-2, atol=5e-2)
    assert not numpy.array_equal(results[0][0], plain)  # and yet it was another arithmetic


def test_gradients_of_parameters_are_float32_and_the_backward_is_not() -> None:
    amp.init("bfloat16")
    net = nn.Dense(4, in_units=5)
    net.initialize(init.Normal(0.5))
    x = np.ones((2, 5))
    with autograd.record():
        y = net(x)
    assert y.dtype == dtypes.bfloat16  # the bias is part of the product
    y.backward()
    assert net.weight.grad().dtype == net.bias.grad().dtype == numpy.float32

    def step(x: Any) -> Any:
        with autograd.record():
            loss = npx.softmax(net(x)).sum()
        loss.backward()
        return loss

    graph = jit(step).graph(x)
    products = [node for node in graph.nodes if node.op.name == "matmul"]
    assert len(products) == 2  # forward, and the gradient of the weight
    assert all(v.dtype == dtypes.bfloat16 for node in products for v in (*node.inputs, *node.outputs))
    assert {node.inputs[0].dtype for node in graph.nodes if node.op.name == "exp"} == {dtypes.float32}


def test_casts_of_one_parameter_are_shared_and_casts_there_and_back_are_none() -> None:
    amp.init("float16")
    w = np.ones((3, 3))

    @jit
    def twice(x: Any) -> Any:
        y = np.dot(np.dot(x, w), w)
        return np.dot(y.astype("float32"), w)

    graph = twice.graph(np.ones((2, 3)))
    assert [node.op.name for node in graph.nodes] == ["cast", "cast", "matmul", "matmul", "matmul"]


def test_several_types_give_the_widest_and_float64_is_left_alone() -> None:
    amp.init("float16")
    half, single, double = (np.ones((2, 2), dtype=d) for d in ("float16", "float32", "float64"))
    assert (half + single).dtype == numpy.float32
    assert np.dot(half, single).dtype == numpy.float16
    assert np.dot(single, double).dtype == numpy.float64
    assert np.exp(half).dtype == numpy.float32
    assert (half * 70000.0).dtype == numpy.float16
    assert float(np.sum(np.full((300,), 300.0, dtype="float16"))) == 90000  # beyond float16


def test_the_policy_is_part_of_the_key() -> None:
    f = jit(lambda x: np.dot(x, x))
    x = np.ones((2, 2))
    types = []
    for target in ("float32", "bfloat16", "float16", "bfloat16"):
        amp.init(target)
        types.append(f(x).dtype)
    assert types == [numpy.float32, dtypes.bfloat16, numpy.float16, dtypes.bfloat16]
    assert len(f.retraces) == 2
    assert all(why.startswith("precision: ") for why in f.retraces)


def test_lists() -> None:
    halved, kept, follow = amp.list_lp16_ops(), amp.list_fp32_ops(), amp.list_lp16_fp32_ops()
    assert sorted(halved + kept + follow) == sorted(OPS)
    assert {"matmul", "convolution", "convolution_data_grad", "convolution_weight_grad", "rnn_sequence"} <= set(halved)
    assert {"softmax", "log_softmax", "softmax_cross_entropy", "exp", "log", "power", "square", "sum", "logsumexp", "svd"} <= set(kept)
    assert {"add", "multiply", "maximum", "relu", "max_pool", "concatenate", "reshape", "normalize"} <= set(follow)
    amp.init("float16", target_precision_ops=["exp"], fp32_ops=["matmul"])
    x = np.ones((2, 2))
    assert np.exp(x).dtype == numpy.float16
    assert np.dot(x, x).dtype == numpy.float32
    with pytest.raises(ValueError, match="in both"):
        amp.init("float16", target_precision_ops=["exp"], fp32_ops=["exp"])
    with pytest.raises(ValueError, match="maximum"):
        amp.init("float16", fp32_ops=["maximun"])
    with pytest.raises(ValueError, match="float16 or bfloat16"):
        amp.init("float64")


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


def small(name: str = "sgd", dtype: str = "float32", **options: Any) -> tuple[Any, Any, Any]:
    """A dense layer, its trainer, and a batch."""
    net = nn.Dense(3, in_units=4)
    net.initialize(init.Constant(0.25))
    net.cast(dtype)
    trainer = gluon.Trainer(net.collect_params(), name, {"learning_rate": 0.1, **options})
    amp.init_trainer(trainer)
    if trainer._amp_loss_scaler is not None:
        assert trainer._amp_loss_scaler.loss_scale == 2.0**16
        counters(trainer).scale[...] = SCALE
    return net, trainer, np.array(numpy.random.default_rng(3).normal(size=(5, 4)).astype(dtype))


def backward(net: Any, trainer: Any, x: Any) -> None:
    with autograd.record():
        loss = npx.log_softmax(net(x))[:, 0].sum()
        with amp.scale_loss(loss, trainer) as scaled:
            scaled.backward()


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


def reference_gradient(x: Any) -> Any:
    """Of the sum of log(1/3) over a batch, whose classes are alike, with respect to the weight."""
    return numpy.outer([2 / 3, -1 / 3, -1 / 3], x.sum(0))


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


NAMES = sorted({cls.__name__ for cls in optimizer.Optimizer.opt_registry.values()} - {"Test"})


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


def held_by(trainer: Any) -> list[Any]:
    """Weights, states and the count of steps."""
    found: list[Any] = [s.t for s in trainer._scalars.values()]
    flatten([*(p.data() for p in trainer._params), *trainer._states], found)
    return found


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


@pytest.mark.parametrize("hybridize", [False, True])
def test_a_converted_block(hybridize: bool) -> None:
    net = network()
    x, _ = inputs()
    converted = amp.convert_hybrid_block(net, "bfloat16", fp32_ops=["convolution"])
    if hybridize:
        converted.hybridize()
    y = converted(x)
    assert y.dtype == dtypes.bfloat16
    assert net(x).dtype == numpy.float32
    assert dict(converted.collect_params()) == dict(net.collect_params())
    numpy.testing.assert_allclose(y.astype("float32").asnumpy(), net(x).asnumpy(), rtol=3e-2, atol=3e-2)
    with pytest.raises(ValueError, match="HybridBlock"):
        amp.convert_hybrid_block(lambda x: x)


@pytest.mark.parametrize("compiled", [False, True])
def test_the_states_of_a_loop_keep_their_types(compiled: bool) -> None:
    amp.init("bfloat16")
    w = np.ones((2, 2)) * 0.5

    def run(x: Any) -> Any:
        return npx.foreach(lambda e, h: (np.dot(h, w) + e, np.dot(h, w)), x, np.ones((1, 2)))

    outputs, last = (jit(run) if compiled else run)(np.ones((40, 1, 2)))
    assert (outputs.shape, last.dtype) == ((40, 1, 2), numpy.float32)
    assert float(last.sum()) == 2


def test_other_threads_follow_and_what_a_block_chose_stays_its_own() -> None:
    amp.init("bfloat16")
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(np.dot(np.ones((2, 2)), np.ones((2, 2))).dtype))
    thread.start()
    thread.join()
    assert found == [dtypes.bfloat16]
    with computing_in(None):
        amp.init("float16")
        assert np.dot(np.ones((2, 2)), np.ones((2, 2))).dtype == numpy.float32
    assert np.dot(np.ones((2, 2)), np.ones((2, 2))).dtype == numpy.float16


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
def test_inside_an_operator_its_author_chose_the_types(compiled: bool) -> None:
    """GELU follows its operand, and its parts, of which one alone would be float32, are not asked."""
    amp.init("float16")
    f = jit(npx.gelu) if compiled else npx.gelu
    assert f(np.ones((3,), dtype="float16")).dtype == numpy.float16


def test_a_backward_computes_in_the_types_of_its_forward() -> None:
    """That of a float32 operator, which is made of products, in float32."""
    x = np.array(numpy.random.default_rng(0).normal(size=(4, 4)).astype("float32"))
    x.attach_grad()
    found = []
    for target in ("float32", "bfloat16"):
        amp.init(target)
        with autograd.record():
            y = np.linalg.inv(x)
        y.backward()
        found.append(x.grad.asnumpy())
    numpy.testing.assert_array_equal(*found)


def test_gradients_of_gradients_of_a_compiled_function() -> None:
    """Run again to be differentiated again, it is run by the policy that it was called under."""
    amp.init("bfloat16")
    w = np.array(numpy.random.default_rng(1).normal(size=(4, 4)).astype("float32"))
    found = []
    for run in (lambda x: np.tanh(np.dot(x, w)), jit(lambda x: np.tanh(np.dot(x, w)))):
        x = np.array(numpy.random.default_rng(2).normal(size=(3, 4)).astype("float32"))
        x.attach_grad()
        with autograd.record():
            y = run(x)
            g = autograd.grad(y, x, create_graph=True, retain_graph=True)
            z = (g * g).sum()
        z.backward()
        found.append((g.asnumpy(), x.grad.asnumpy()))
    numpy.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-6)
    numpy.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-6)
