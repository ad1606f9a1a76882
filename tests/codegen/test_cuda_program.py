"""CUDA programs on the emulated device: training in the three modes agrees with the CPU; graphs, arenas, results, errors."""

from collections.abc import Callable
from typing import Any

import numpy
import pytest
from emulator.emulator import COMPILER
from emulator.memory import heap

import hybridnet as hn
from hybridnet import autograd, gluon, np, npx
from hybridnet.codegen import cuda_program
from hybridnet.config import config
from hybridnet.core import Kind, Op, apply
from hybridnet.errors import DeviceError, HybridnetError, OutOfMemoryError
from hybridnet.gluon import nn

pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here"),
    pytest.mark.usefixtures("emulated_gpu"),
]

MODES = ("imperative", "hybridize", "jit")


def perceptron() -> nn.HybridSequential:
    net = nn.HybridSequential()
    net.add(nn.Dense(32, activation="relu"), nn.Dense(24, activation="tanh"), nn.Dense(10))
    return net


def convolutional() -> nn.HybridSequential:
    net = nn.HybridSequential()
    net.add(nn.Conv2D(8, 3, padding=1, use_bias=False), nn.BatchNorm(), nn.Activation("relu"), nn.MaxPool2D(2))
    net.add(nn.Conv2D(8, 3, padding=1), nn.Activation("relu"), nn.GlobalAvgPool2D(), nn.Flatten(), nn.Dense(10))
    return net


def normalised() -> nn.HybridSequential:
    net = nn.HybridSequential()
    net.add(nn.Dense(32), nn.LayerNorm(), nn.GELU(), nn.Dense(10))
    return net


NETWORKS: dict[str, tuple[Callable[[], Any], tuple[int, ...], str, dict[str, Any]]] = {
    "perceptron": (perceptron, (16, 20), "adam", {"learning_rate": 1e-2}),
    "convolutional": (convolutional, (8, 2, 8, 8), "sgd", {"learning_rate": 0.1, "momentum": 0.9, "wd": 1e-3}),
    "layer norm": (normalised, (12, 20), "rmsprop", {"learning_rate": 1e-3}),
}


def trained(name: str, mode: str, device: hn.Device, steps: int = 4) -> dict[str, Any]:
    """The parameters, and the losses, after a few steps from the same start."""
    build, shape, optimizer, options = NETWORKS[name]
    rng = numpy.random.default_rng(0)
    hn.random.seed(1)
    net = build()
    net.initialize(hn.init.Xavier(), ctx=hn.cpu())
    net(np.zeros(shape))  # shapes, and the same values on both devices
    net.collect_params().reset_ctx(device)
    loss_fn = gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), optimizer, dict(options))
    if mode == "hybridize":
        net.hybridize()
        loss_fn.hybridize()

    def step(x: Any, y: Any) -> Any:
        with autograd.record():
            loss = loss_fn(net(x), y)
        loss.backward()
        trainer.step(x.shape[0])
        return loss.mean()

    run = hn.jit(step) if mode == "jit" else step
    losses = []
    for i in range(steps):
        x = np.array(rng.normal(size=shape).astype("float32"), device=device)
        y = np.array(rng.integers(0, 10, shape[:1]).astype("int32"), device=device)
        if i == 2:
            trainer.set_learning_rate(options["learning_rate"] / 2)
        losses.append(run(x, y))
    found = {n: p.data().asnumpy() for n, p in net._collect_params_with_prefix().items()}
    return found | {"losses": numpy.array([float(loss.asnumpy()) for loss in losses])}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_three_modes_agree_with_the_cpu(name: str) -> None:
    expected = trained(name, "imperative", hn.cpu())
    for mode in MODES:
        for key, value in trained(name, mode, hn.gpu()).items():
            numpy.testing.assert_allclose(value, expected[key], rtol=2e-4, atol=2e-5, err_msg=f"{key}, {mode}")


# -- arenas, results, states ----------------------------------------------------------------------------


def on_gpu(values: Any, dtype: str = "float32") -> Any:
    return np.array(numpy.asarray(values, dtype), device=hn.gpu())


def test_one_graph_from_the_second_call_on(emulated_gpu: Any) -> None:
    """A training step is launched as one CUDA graph; a changed learning rate needs no new one."""
    net = perceptron()
    net.initialize(ctx=hn.gpu())
    trainer = gluon.Trainer(net.collect_params(), "adam")

    @hn.jit
    def step(x: Any) -> Any:
        with autograd.record():
            loss = ((net(x) - 3) ** 2).mean()
        loss.backward()
        trainer.step(1)
        return loss

    x = on_gpu(numpy.ones((4, 6)))
    captured: list[int] = []
    begin = emulated_gpu.cuda.Stream.begin_capture
    try:
        emulated_gpu.cuda.Stream.begin_capture = lambda self, mode=None: (captured.append(1), begin(self))[1]
        losses = []
        for i in range(5):
            trainer.set_learning_rate(1e-3 * (i + 1))
            losses.append(float(step(x).asnumpy()))
    finally:
        emulated_gpu.cuda.Stream.begin_capture = begin
    assert captured == [1]
    assert losses == sorted(losses, reverse=True), losses
    assert not step.retraces
    assert "1 CUDA graph (" in step.explain(x)


def test_results_are_never_overwritten() -> None:
    f = hn.jit(lambda x: (x * 2, (x + 1).sum()))
    kept = [(f(on_gpu([i, i + 1.0])), i) for i in range(5)]
    for (y, total), i in kept:
        assert y.asnumpy().tolist() == [2 * i, 2 * i + 2]
        assert total.item() == 2 * i + 3


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_forwards_before_their_backwards(order: tuple[int, ...]) -> None:
    net = perceptron()
    net.initialize(ctx=hn.gpu())
    weight = None
    expected, found = [], []
    for hybridized in (False, True):
        if hybridized:
            net.hybridize()
        for _ in range(3):
            outputs = []
            for i in range(3):
                with autograd.record():
                    outputs.append((net(on_gpu(numpy.full((2, 5), i + 1.0))) ** 2).sum())
            grads = []
            for i in order:
                outputs[i].backward()
                weight = net[0].weight
                grads.append(weight.grad().asnumpy())
            (found if hybridized else expected).append(grads)
    numpy.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_a_backward_twice_and_gradients_of_arguments() -> None:
    f = hn.jit(lambda x, w: np.tanh(x * w).sum())
    for _ in range(3):
        x, w = on_gpu([0.5, -1.0, 2.0]), on_gpu([1.0, 2.0, 3.0])
        x.attach_grad()
        w.attach_grad("add")
        with autograd.record():
            y = f(x, w)
        y.backward(retain_graph=True)
        y.backward()
        slope = 1 - numpy.tanh(x.asnumpy() * w.asnumpy()) ** 2
        numpy.testing.assert_allclose(x.grad.asnumpy(), slope * w.asnumpy(), rtol=1e-5, atol=1e-6)
        numpy.testing.assert_allclose(w.grad.asnumpy(), 2 * slope * x.asnumpy(), rtol=1e-5, atol=1e-6)


def test_states_may_move() -> None:
    """A state whose array is replaced, or is a view at an odd place, or has gaps: it is read and written where it is."""
    base = on_gpu(numpy.arange(12.0))
    state = base[1:4]
    f = hn.jit(lambda x: state.__iadd__(x) * 2)
    for i in range(4):
        f(on_gpu([1.0, 1, 1]))
        assert state.asnumpy().tolist() == [2.0 + i, 3 + i, 4 + i]
    assert base.asnumpy().tolist() == [0, 5, 6, 7, *range(4, 12)]
    state._data = on_gpu([7.0, 7, 7])._data
    for i in range(4):
        assert f(on_gpu([1.0, 1, 1])).asnumpy().tolist() == [16.0 + 2 * i] * 3
    gaps = on_gpu(numpy.zeros((3, 4)))
    column = gaps[:, 1]
    g = hn.jit(lambda x: column.__iadd__(x).sum())
    assert [g(on_gpu([1.0, 2, 3])).item() for _ in range(3)] == [6, 12, 18]
    assert gaps.asnumpy()[:, 1].tolist() == [3, 6, 9]


def test_arguments_are_written_and_read_at_any_strides() -> None:
    def f(x: Any, y: Any) -> Any:
        x += y
        return x * 10

    compiled = hn.jit(f)
    for _ in range(3):
        whole = on_gpu(numpy.arange(8.0).reshape(2, 4))
        x = whole.T
        assert compiled(x, on_gpu(numpy.ones((4, 2)))).asnumpy().tolist() == (numpy.arange(8.0).reshape(2, 4).T * 10 + 10).tolist()
        assert x.asnumpy().tolist() == (numpy.arange(8.0).reshape(2, 4).T + 1).tolist()


def test_a_bound_on_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "max_programs", 3)
    f = hn.jit(lambda x: x + 1)
    for n in (1, 2, 3, 4, 5, 1, 5):
        assert f(on_gpu(numpy.zeros(n))).asnumpy().tolist() == [1.0] * n
    assert len(f.cache) == 3


def test_explain_names_what_stands_between_graphs() -> None:
    def f(x: Any) -> Any:
        return np.sort(np.exp(x)) * 2

    compiled = hn.jit(f)
    x = on_gpu([3.0, 1.0, 2.0])
    for _ in range(3):
        numpy.testing.assert_allclose(compiled(x).asnumpy(), 2 * numpy.exp([1.0, 2, 3]), rtol=1e-6)
    text = compiled.explain(x)
    assert "2 CUDA graphs" in text
    assert "sort" in text
    assert "test_cuda_program.py" in text


def test_the_program_shows_steps_and_kernels() -> None:
    text = hn.jit(lambda x: np.tanh(x) + 1).program(on_gpu([1.0]))
    assert "__global__" in text
    assert "<<<" in text
    assert "test_cuda_program.py" in text


def test_large_arrays_are_not_copied(monkeypatch: pytest.MonkeyPatch, emulated_gpu: Any) -> None:
    """Where copying costs more than launching: arguments are read, and written, where they lie; results are fresh arrays."""
    monkeypatch.setattr(cuda_program, "HOST_LAUNCH_BYTES", 0)
    copies: list[int] = []
    copy = emulated_gpu.cuda.runtime.memcpyAsync
    monkeypatch.setattr(emulated_gpu.cuda.runtime, "memcpyAsync", lambda *a: (copies.append(a[2]), copy(*a))[1])
    weight = on_gpu([1.0, 2.0, 3.0, 4.0])

    def f(x: Any, y: Any) -> Any:
        x += y
        weight[...] = weight + 1
        z = np.exp(x) * weight
        return z, z.sum(), (z + 1).reshape(2, 2), np.sort(y)

    compiled = hn.jit(f)
    arrays = [numpy.arange(4.0) / 4, numpy.array([1.0, 3.0, 0.0, 2.0])]
    kept = []
    for i in range(4):
        x, y = on_gpu(arrays[0] + i), on_gpu(arrays[1])
        if i == 3:  # views with gaps are copied first, and back
            x = on_gpu(numpy.stack([arrays[0] + i] * 2, 1))[:, 0]
        copies.clear()
        kept.append(compiled(x, y))
        assert not copies
        numpy.testing.assert_allclose(x.asnumpy(), arrays[0] + i + arrays[1], rtol=1e-6)
        assert weight.asnumpy().tolist() == [2.0 + i, 3 + i, 4 + i, 5 + i]
    for i, (z, total, wide, ordered) in enumerate(kept):
        expected = numpy.exp(arrays[0] + i + arrays[1]) * (numpy.arange(2.0, 6) + i)
        numpy.testing.assert_allclose(z.asnumpy(), expected, rtol=1e-5)
        numpy.testing.assert_allclose(total.item(), expected.sum(), rtol=1e-5)
        numpy.testing.assert_allclose(wide.asnumpy(), (expected + 1).reshape(2, 2), rtol=1e-5)
        assert ordered.asnumpy().tolist() == [0, 1, 2, 3]
    assert "launched one by one" in compiled.explain(on_gpu(arrays[0]), on_gpu(arrays[1]))


# -- errors -----------------------------------------------------------------------------------------------


def test_an_operator_without_a_gpu_version() -> None:
    def compute(xp: Any, x: Any) -> Any:
        return xp.there_is_no_such_function(x)

    op = Op("lonely", Kind.OPAQUE, lambda x: x, compute=compute)
    x = on_gpu([1.0])
    for f in (lambda x: apply(op, (x,)), hn.jit(lambda x: apply(op, (x + 1,)) * 2)):
        with pytest.raises(DeviceError, match=r"\[lonely\] expected an operator with a GPU version.*test_cuda_program.py.*cpu\(\)"):
            f(x)


def test_nan_is_found_at_its_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "debug", 3)
    f = hn.jit(lambda x: np.exp(np.log(x) + 1).sum())
    f(on_gpu([1.0]))
    with pytest.raises(HybridnetError, match=r"\[log\] expected no NaN.*test_cuda_program.py"):
        f(on_gpu([-1.0]))


def test_out_of_memory_holds_the_plan() -> None:
    net = perceptron()
    net.initialize(ctx=hn.gpu())
    net(on_gpu(numpy.ones((1, 6))))
    net.hybridize()
    x = on_gpu(numpy.ones((1 << 14, 6)))
    heap.limit = heap.used + (1 << 20)
    try:
        with pytest.raises(OutOfMemoryError, match=r"(?s)free of.*the plan of .* needs .*largest values.*dense\d") as caught:
            net(x)
    finally:
        heap.limit = 0
    assert "bytes: float32[16384,32]" in str(caught.value)
    net(x)  # and nothing is lost


def test_a_failing_launch_names_the_users_line(monkeypatch: pytest.MonkeyPatch) -> None:
    f = hn.jit(lambda x: np.tanh(x) + 1)
    x = on_gpu([1.0])
    f(x)
    program = next(iter(f.cache.values())).program
    (instance,) = program.bound.values()

    def refuse(stream: int) -> None:
        raise RuntimeError("CUDA_ERROR_LAUNCH_FAILED")

    step = instance.segments[0].actions[0][1]
    instance.segments[0].actions[0] = (refuse, step)
    with pytest.raises(HybridnetError, match=r"a launch that the device accepts.*CUDA_ERROR_LAUNCH_FAILED.*test_cuda_program.py"):
        f(x)


# -- more of what networks are made of -------------------------------------------------------------------


def test_dropout_is_the_same_in_all_modes() -> None:
    def run(mode: str) -> Any:
        hn.random.seed(3)
        net = nn.HybridSequential()
        net.add(nn.Dense(16), nn.Dropout(0.5), nn.Dense(4))
        net.initialize(hn.init.One(), ctx=hn.gpu())
        if mode == "hybridize":
            net.hybridize()
        fn = hn.jit(net) if mode == "jit" else net
        found = []
        for _ in range(4):
            with autograd.record():
                found.append(fn(on_gpu(numpy.ones((3, 5)))))
        return numpy.stack([y.asnumpy() for y in found])

    first, second, third = map(run, MODES)
    numpy.testing.assert_allclose(first, second, rtol=1e-6)
    numpy.testing.assert_allclose(first, third, rtol=1e-6)
    assert len({y.tobytes() for y in first}) == 4


@pytest.mark.parametrize("mode", ["lstm", "gru", "rnn_tanh"])
def test_recurrent_layers_are_one_graph(mode: str) -> None:
    from hybridnet.ops.nn.rnn import rnn

    rng = numpy.random.default_rng(0)
    gates = {"lstm": 4, "gru": 3, "rnn_tanh": 1}[mode]
    x = rng.normal(size=(5, 3, 4)).astype("float32")
    size = gates * 6 * (4 + 6) + 2 * gates * 6
    weights = rng.normal(size=size).astype("float32") * 0.3
    h = numpy.zeros((1, 3, 6), "float32")

    def loss(x: Any, w: Any, h: Any, c: Any) -> Any:
        y = rnn(x, w, h, c if mode == "lstm" else None, mode=mode, state_size=6, num_layers=1)
        return (y[0] if isinstance(y, (tuple, list)) else y).sum()

    results = []
    for device in (hn.cpu(), hn.gpu()):
        compiled = hn.jit(loss)
        for _ in range(3):
            arrays = [np.array(a, device=device) for a in (x, weights, h, h)]
            arrays[1].attach_grad()
            with autograd.record():
                y = compiled(*arrays)
            y.backward()
        results.append(arrays[1].grad.asnumpy())
        if device.is_gpu:
            with autograd.record():
                text = compiled.explain(*arrays)
            assert text.count("1 CUDA graph (") == 2, text
    numpy.testing.assert_allclose(results[1], results[0], rtol=1e-4, atol=1e-5)


def test_a_loop_of_known_length_is_part_of_the_graph() -> None:
    def f(xs: Any, h: Any) -> Any:
        return npx.foreach(lambda x, h: (h * 2, np.tanh(x + h)), xs, h)

    xs, h = on_gpu(numpy.linspace(0, 1, 40).reshape(20, 2)), on_gpu([0.0, 0.5])
    outputs, last = f(xs.to_device(hn.cpu()), h.to_device(hn.cpu()))
    compiled = hn.jit(f)
    for _ in range(3):
        found, end = compiled(xs, h)
        numpy.testing.assert_allclose(found.asnumpy(), outputs.asnumpy(), rtol=1e-5)
        numpy.testing.assert_allclose(end.asnumpy(), last.asnumpy(), rtol=1e-5)
    assert "1 CUDA graph (" in compiled.explain(xs, h)


def test_loops_whose_length_is_found_out_run_between_graphs() -> None:
    def f(x: Any) -> Any:
        _, (x,) = npx.while_loop(lambda x: x.sum() < 100, lambda x: ([], [x * 2]), [x + 1], max_iterations=50)
        return x / 2

    compiled = hn.jit(f)
    for _ in range(3):
        assert compiled(on_gpu([1.0, 2.0])).asnumpy().tolist() == [32.0, 48.0]
    assert "while_loop at test_cuda_program.py" in compiled.explain(on_gpu([1.0, 2.0]))
