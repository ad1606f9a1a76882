"""Profiles by step, on the CPU and on the emulated GPU: what they say of each step, and that they leave everything as it was."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from emulator.device import emulated_gpu
from emulator.emulator import COMPILER

import hybridnet as hn
from hybridnet import autograd, dtypes, gluon, np, npx
from hybridnet.codegen import cuda_program
from hybridnet.core import Kind, Op, apply, random
from hybridnet.core.tree import flatten
from hybridnet.errors import ArgumentError, TraceError, UninitializedError
from hybridnet.gluon import nn, rnn
from hybridnet.runtime import arena, cuda_timing, profile, timing
from hybridnet.runtime.record import StepRecord

FIELDS = {
    "step",
    "program",
    "kind",
    "name",
    "operator",
    "site",
    "block",
    "seconds",
    "bytes",
    "flops",
    "share",
    "limit",
    "grid",
    "gradients",
}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "COPIED_BYTES", (1 << 12, 1 << 12))
    monkeypatch.setattr(profile, "ROWS", (16, 16))
    for module in (timing, cuda_timing):
        monkeypatch.setattr(module, "REPEATS", 3)


@pytest.fixture(params=["host", "emulated"])
def device(request: pytest.FixtureRequest) -> Iterator[hn.Device]:
    """Where programs run in a test: the CPU, then the emulated GPU."""
    if request.param == "host":
        yield hn.cpu()
        return
    if COMPILER is None:
        pytest.skip("needs g++, which runs CUDA C++ on the CPU here")
    with emulated_gpu():
        yield hn.gpu()


def perceptron(device: hn.Device) -> nn.HybridSequential:
    net = nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(nn.Dense(8, activation="relu", in_units=6), nn.Dropout(0.5), nn.Dense(4, in_units=8))
    net.initialize(hn.init.Xavier(), ctx=device)
    return net


class Training:
    """A network, a step of its training under ``jit``, and all the arrays that a step writes."""

    def __init__(self, device: hn.Device, optimizer: str = "adam") -> None:
        hn.random.seed(3)
        self.net = perceptron(device)
        self.trainer = gluon.Trainer(self.net.collect_params(), optimizer)
        self.count = np.zeros((3,), ctx=device)  # an argument that the step writes
        rng = numpy.random.default_rng(0)
        self.x, self.y = (np.array(rng.normal(size=(5, n)).astype("float32"), ctx=device) for n in (6, 4))
        self.device = device
        self.step = hn.jit(self._step, name="step")
        hn.random.seed(4)

    def _step(self, x: Any, y: Any, count: Any) -> Any:
        with autograd.record():
            loss = ((self.net(x) - y) ** 2).mean()
        loss.backward()
        self.trainer.step(1)
        count += 1
        return loss

    def call(self) -> float:
        return float(self.step(self.x, self.y, self.count).asnumpy())

    def profile(self) -> profile.Profile:
        return self.step.profile(self.x, self.y, self.count)

    def arrays(self) -> dict[str, bytes]:
        """The bytes of everything that belongs to the user."""
        parameters = self.net.collect_params().values()
        found = {p.name: p.data() for p in parameters} | {f"{p.name} grad": p.grad() for p in parameters}
        states: list[Any] = []
        flatten(self.trainer._states, states)
        found |= {f"state {i}": s for i, s in enumerate(states)}
        found |= {"x": self.x, "y": self.y, "count": self.count}
        scalars = self.trainer._scalars[self.device]
        found |= {f"scalar {i}": a for i, a in enumerate((scalars.rates.array("learning_rate", dtypes.float64), scalars.t))}
        found |= {f"random {i}": a for i, a in enumerate(random._state(self.device))}
        return {name: a.asnumpy().tobytes() for name, a in found.items()}


# -- everything stays as it was -------------------------------------------------------------------------


def test_a_training_step_leaves_everything_as_it_was(device: hn.Device) -> None:
    """Parameters, gradients, the optimizer's states, the random state and arguments, bit for bit, and what comes after."""
    plain = Training(device)
    expected, end = [plain.call() for _ in range(3)], plain.arrays()
    profiled = Training(device)
    losses = [profiled.call()]
    before, updates = profiled.arrays(), profiled.trainer._optimizer.num_update
    profiled.profile()
    assert profiled.arrays() == before
    assert profiled.trainer._optimizer.num_update == updates
    losses += [profiled.call() for _ in range(2)]
    assert losses == expected
    assert list(profiled.arrays().values()) == list(end.values())


def test_before_the_first_call(device: hn.Device) -> None:
    """A program that has not run yet, whose states do not lie where they will."""
    plain = Training(device, "sgd")
    expected, end = plain.call(), plain.arrays()
    profiled = Training(device, "sgd")
    assert profiled.profile().programs[0].program == "step"
    assert profiled.call() == expected
    assert list(profiled.arrays().values()) == list(end.values())


def test_every_run_begins_as_the_arrays_are(device: hn.Device) -> None:
    """However often a step is repeated, and the whole: what an operator is given is what it would be given at a call."""
    weight, x = np.ones((4,), ctx=device), np.arange(4, ctx=device)
    seen: list[list[float]] = []

    def compute(xp: Any, a: Any, b: Any) -> Any:
        seen.append([float(v) for v in (a + b)])
        return a + b

    look = Op("look", Kind.OPAQUE, lambda a, b: a, compute=compute)

    def step(x: Any) -> Any:
        weight[...] = weight * 2
        x += weight
        y = apply(look, (weight, x))
        weight[...] = weight + 1
        return y

    compiled = hn.jit(step)
    compiled.profile(x)
    assert len(seen) > 3
    assert all(values == [4, 5, 6, 7] for values in seen)


def locked() -> set[int]:
    return {id(a) for a in arena._arenas if a.taken.locked()}


def failing(times: int) -> Callable[[Any], Any]:
    """An operator whose computation fails from so many calls on."""
    calls: list[int] = []

    def compute(xp: Any, x: Any) -> Any:
        calls.append(1)
        if len(calls) > times:
            raise RuntimeError("enough")
        return x + 1

    return lambda x: apply(Op("fails_at_last", Kind.OPAQUE, lambda x: x, compute=compute), (x,))


@pytest.mark.parametrize("times", [0, 1, 3, 6])
def test_an_error_on_the_way_leaves_everything_as_it_was(device: hn.Device, times: int) -> None:
    weight, x = np.ones((4,), ctx=device), np.arange(4, ctx=device)
    op = failing(times)

    def step(x: Any) -> Any:
        weight[...] = weight * 2
        x += weight
        return op(x)

    compiled = hn.jit(step)
    before = locked()
    with pytest.raises(RuntimeError, match="enough"):
        compiled.profile(x)
    assert locked() <= before, "an arena is held for ever"
    assert weight.asnumpy().tolist() == [1] * 4
    assert x.asnumpy().tolist() == [0, 1, 2, 3]
    # The memory that the programs were lent is free again, and none of it is left in a wrong state.
    later = hn.jit(lambda x: np.tanh(x) * x.sum())
    numpy.testing.assert_allclose(later(x).asnumpy(), numpy.tanh([0.0, 1, 2, 3]) * 6, rtol=1e-6)
    assert later.profile(x).steps
    assert locked() <= before


class Attending(gluon.HybridBlock):
    """Words to scores through attention."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.joint = nn.Embedding(20, 8), nn.Dense(24, flatten=False)
        self.norm, self.scores = nn.LayerNorm(), nn.Dense(20, flatten=False)

    def forward(self, x: Any) -> Any:
        h = self.words(x)
        q, k, v = np.split(self.joint(h).reshape(2, 5, 3, 2, 4), 3, axis=2)
        q, k, v = (a.reshape(2, 5, 2, 4) for a in (q, k, v))
        y = npx.scaled_dot_product_attention(q, k, v, causal=True, layout="BSHD")
        return self.scores(self.norm(h + y.reshape(2, 5, 8)))


def convolutional() -> nn.HybridSequential:
    net = nn.HybridSequential()
    net.add(nn.Conv2D(4, 3, padding=1, use_bias=False), nn.BatchNorm(), nn.Activation("relu"), nn.MaxPool2D(2))
    net.add(nn.Conv2D(4, 3), nn.GlobalAvgPool2D(), nn.Dropout(0.3), nn.Dense(3))
    return net


NETWORKS: dict[str, tuple[Callable[[], Any], tuple[int, ...], str]] = {
    "convolutional": (convolutional, (2, 2, 8, 8), "sgd"),
    "attending": (Attending, (2, 5), "adam"),
    "recurrent": (lambda: rnn.LSTM(4, 1), (3, 2, 5), "lamb"),
}


@pytest.mark.usefixtures("emulated_gpu")
@pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")
@pytest.mark.parametrize("name", NETWORKS)
def test_steps_that_are_repeated_end_where_one_run_ends(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a step that writes over what it reads, each of the steps behind it finds what one launch leaves; so do results and states."""
    build, shape, optimizer = NETWORKS[name]
    hn.random.seed(0)
    net = build()
    net.initialize(ctx=hn.gpu())
    trainer = gluon.Trainer(net.collect_params(), optimizer)
    total = np.zeros((4,), ctx=hn.gpu())

    @hn.jit
    def step(x: Any, y: Any) -> Any:
        with autograd.record():
            loss = (net(x) ** 2).mean()
        loss.backward()
        trainer.step(1)
        total[...] = total + y  # in place, as are the next two
        y *= 3
        z = np.sort(y) * 2  # between two CUDA graphs
        return loss, np.concatenate([z, npx.softmax(z)]), z.sum(), y * 1

    x = np.array(numpy.random.default_rng(0).integers(0, 9, shape), dtype="int32" if name == "attending" else "float32", ctx=hn.gpu())
    y = np.array([3.0, 1.0, 2.0, 0.0], ctx=hn.gpu())
    net(x)  # finds the shapes
    ends: list[Any] = []
    step_by_step = cuda_timing._Timed.step_by_step

    def watched(self: Any) -> None:
        step_by_step(self)
        ends.append([a.get() for a in (*self.results(), *self.instance.fixed)])

    monkeypatch.setattr(cuda_timing._Timed, "step_by_step", watched)
    step.profile(x, y)
    results = step(x, y)
    (compiled,) = step.cache.values()
    expected = [*results, *(compiled.states[i - 2] for i in compiled.program.fixed)]
    assert len(expected) > 8
    for a, b in zip(ends[0], expected, strict=True):
        numpy.testing.assert_array_equal(a, b.asnumpy())


# -- what it says ---------------------------------------------------------------------------------------


def test_each_step_of_the_program_is_there(device: hn.Device) -> None:
    training = Training(device)
    found = training.profile()
    text = training.step.program(training.x, training.y, training.count)
    assert [s.step for s in found.steps] == list(range(len(found.steps)))
    for s in found.steps:
        for part in s.name.split("; "):
            assert part in text
        assert s.site.startswith("test_profile.py:") or s.operator == "copy"
        assert s.seconds >= 0
        assert not s.bytes or (s.share is not None and s.share > 0)
    assert {"net.dense0", "net.dense1"} <= {s.block for s in found.steps}
    # The random counter goes to its state at the end: by a copy, or by the one kernel of all single numbers.
    assert any(s.operator == "copy" and s.bytes == 16 for s in found.steps) == (device.device_type == "cpu")
    assert sum(s.operator.startswith("add+power+") for s in found.steps) == (device.device_type != "cpu")
    whole = found.programs[0]
    assert whole.steps == len(found.steps)
    assert whole.steps_seconds == pytest.approx(sum(s.seconds for s in found.steps))
    assert whole.seconds > 0
    assert set(found.product_rates) == {"float32"}
    kinds = {s.kind for s in found.steps}
    assert kinds <= ({"kernel", "library", "copy"} if device.is_gpu else {"statement", "region", "view", "copy"})
    assert all(bool(s.grid) == (s.kind == "kernel") for s in found.steps)


def test_bytes_and_operations_of_a_step(device: hn.Device) -> None:
    a, b = np.ones((16, 32), ctx=device), np.ones((32, 8), ctx=device)
    (step,) = hn.jit(lambda a, b: np.matmul(a, b)).profile(a, b).steps
    assert step.operator == "matmul"
    assert step.flops == 2 * 16 * 32 * 8
    assert step.bytes == 4 * (16 * 32 + 32 * 8 + 16 * 8)
    (step,) = hn.jit(lambda a: np.tanh(a) * a + 1).profile(a).steps[-1:]
    assert step.flops == 0
    assert step.limit == "copy"
    table = np.ones((1000, 8), ctx=device)
    indices = np.array([1, 5, 7], dtype="int32", ctx=device)
    looked_up = [s for s in hn.jit(lambda t, i: npx.embedding(i, t)).profile(table, indices).steps if s.operator == "index"]
    assert [s.bytes < 4 * 1000 for s in looked_up] == [True], "of a table what is looked up in it"


def test_a_group_moves_all_its_arrays(device: hn.Device) -> None:
    """The update of all parameters: weights, gradients and both means in; weights and means out."""
    training = Training(device)
    size = sum(p.data().size for p in training.net.collect_params().values())
    found = training.profile()
    (update,) = (s for s in found.steps if s.bytes >= 28 * size)
    assert update.bytes < 28 * size + 100
    assert update.block == "update"


def test_forward_and_backward(device: hn.Device) -> None:
    net = perceptron(device)
    x = np.ones((5, 6), ctx=device)
    alone = net.profile(x)  # not hybridized: as it would run
    assert [p.program for p in alone.programs] == ["net"]
    net.hybridize()
    both = net.profile(x, train=True)
    with autograd.record():
        again = net.profile(x)
    for found in (both, again):
        assert [p.program for p in found.programs] == ["net", "net_backward"]
        assert sum(p.steps for p in found.programs) == len(found.steps)
        # A product forward, and for each layer that of the weight, for the second that of its input.
        assert sum(s.flops for s in found.steps if s.program == "net") == 2 * 5 * (6 * 8 + 8 * 4)
        assert sum(s.flops for s in found.steps if s.program == "net_backward") == 2 * 5 * (6 * 8 + 2 * 8 * 4)
    assert not autograd.is_recording()
    with autograd.record():
        loss = net(x).sum()
    loss.backward()
    assert net[0].weight.grad().asnumpy().any()


def test_the_backward_is_what_a_call_runs(device: hn.Device) -> None:
    """Gradients of a call after a profile are those of a network that was never profiled."""
    grads = []
    for profiled in (False, True):
        hn.random.seed(0)
        net = perceptron(device)
        net.hybridize()
        x = np.array(numpy.linspace(-1, 1, 30).reshape(5, 6).astype("float32"), ctx=device)
        x.attach_grad()
        if profiled:
            net.profile(x, train=True)
        with autograd.record():
            y = net(x)
        y.backward()
        grads.append([x.grad.asnumpy(), *(p.grad().asnumpy() for p in net.collect_params().values())])
    for a, b in zip(*grads, strict=True):
        assert (a == b).all()


# -- tables, JSON, traces -------------------------------------------------------------------------------


def test_the_table(device: hn.Device) -> None:
    found = Training(device).profile()
    slowest = max(found.steps, key=lambda s: s.seconds)
    lines = found.table().splitlines()
    start = next(i for i, line in enumerate(lines) if line.lstrip().startswith("step "))
    assert lines[0].startswith(f"{device}: copies ")
    assert "in one go" in lines[1]
    assert lines[start + 1].split()[0] == str(slowest.step)
    assert len(lines) == start + 1 + len(found.steps)
    in_order = found.table(order="program").splitlines()[start + 1 :]
    assert [line.split()[0] for line in in_order] == [str(s.step) for s in found.steps]
    few = found.table(limit=2).splitlines()
    assert f"and {len(found.steps) - 2} more steps" in few[-1]
    assert str(found).splitlines()[0] == lines[0]
    assert "step" in repr(found)
    with pytest.raises(ArgumentError, match='"time" or "program"'):
        found.table(order="size")


def test_json_is_flat_and_complete(device: hn.Device, tmp_path: Path) -> None:
    found = Training(device).profile()
    found.save(tmp_path / "profile.json")
    read = json.loads((tmp_path / "profile.json").read_text())
    assert read == json.loads(json.dumps(found.json()))
    assert read["device"] == str(device)
    assert read["copy_rate"] > 0
    assert [StepRecord(**s) for s in read["steps"]] == list(found.steps)
    for s in read["steps"]:
        assert set(s) == FIELDS
        assert all(isinstance(v, (str, int, float)) or (k == "share" and v is None) for k, v in s.items())


def test_a_chrome_trace_is_written(device: hn.Device, tmp_path: Path) -> None:
    net = perceptron(device)
    found = net.profile(np.ones((5, 6), ctx=device), train=True)
    found.chrome_trace(str(tmp_path / "trace.json"))
    trace = json.loads((tmp_path / "trace.json").read_text())
    assert {e["ph"] for e in trace["traceEvents"]} == {"X", "M"}
    events = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    assert [e["args"]["step"] for e in events if e["cat"] not in ("program", "block")] == [s.step for s in found.steps]
    assert [e["args"]["steps"] for e in events if e["cat"] == "program"] == [p.steps for p in found.programs]
    assert {e["name"] for e in events if e["cat"] == "block"} >= {"net", "dense0", "dense1"}


# -- unusual programs, bad input ------------------------------------------------------------------------


def test_control_flow(device: hn.Device) -> None:
    """On a GPU it stands between CUDA graphs; its state may be what the function writes."""
    position = np.zeros((), dtype="int32", ctx=device)

    def f(x: Any) -> Any:
        _, (y,) = npx.while_loop(lambda y: y.sum() < 100, lambda y: ([], [y * 2]), [x + 1], max_iterations=50)
        position[...] = position + 1
        return npx.cond(y.sum() > 3, lambda: y / 2, lambda: y) + x[position]

    x = np.array([1.0, 2.0], ctx=device)
    compiled = hn.jit(f)
    found = compiled.profile(x)
    kinds = {s.operator: s.kind for s in found.steps}
    assert kinds["while_loop"] == kinds["cond"] == ("cupy" if device.is_gpu else "loop")
    assert position.item() == 0
    assert compiled(x).asnumpy().tolist() == [34.0, 50.0]
    assert position.item() == 1
    loop = hn.jit(lambda xs, h, w: npx.foreach(lambda x, h: (h, np.tanh(np.matmul(h, w) + x)), xs, h))
    operands = [np.ones(shape, ctx=device) for shape in ((300, 2, 4), (2, 4), (4, 4))]
    assert sum(s.flops for s in loop.profile(*operands).steps) == 300 * 2 * 2 * 4 * 4


@pytest.mark.usefixtures("emulated_gpu")
@pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")
def test_a_program_that_is_launched_on_its_arguments_where_they_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_program, "HOST_LAUNCH_BYTES", 0)

    def f(x: Any, y: Any) -> Any:
        x += y
        return np.exp(x), np.sort(y)

    x, y = np.zeros((4,), ctx=hn.gpu()), np.arange(4, ctx=hn.gpu())
    compiled = hn.jit(f)
    assert "launched one by one" in compiled.explain(x, y)
    found = compiled.profile(x, y)
    assert {s.kind for s in found.steps} == {"kernel", "cupy"}
    assert not x.asnumpy().any()
    assert y.asnumpy().tolist() == [0, 1, 2, 3]
    numpy.testing.assert_allclose(compiled(x, y)[0].asnumpy(), numpy.exp(numpy.arange(4.0)), rtol=1e-6)


def test_shapes_that_wait_are_found(device: hn.Device) -> None:
    net = nn.HybridSequential()
    net.add(nn.Dense(3), nn.Dense(2))
    x = np.ones((2, 5), ctx=device)
    with pytest.raises(UninitializedError):
        net.profile(x)
    net.initialize(ctx=device)
    net.hybridize()
    assert net.profile(x).steps
    assert net[0].weight.shape == (3, 5)


def test_what_cannot_be_compiled(device: hn.Device) -> None:
    x = np.ones((3,), ctx=device)
    with pytest.raises(TraceError, match="test_profile"):
        hn.jit(lambda x: x if x.sum() > 0 else -x).profile(x)

    @hn.jit
    def add(x: Any, y: Any) -> Any:
        x += y
        return x

    with pytest.raises(TraceError, match="copy"):
        add.profile(x, x)
    assert x.asnumpy().tolist() == [1, 1, 1]
    with pytest.raises(TraceError, match="outside"):
        hn.jit(lambda x: add.profile(x, x) and x)(x)


def test_a_program_without_steps(device: hn.Device) -> None:
    found = hn.jit(lambda x: x).profile(np.zeros((0,), ctx=device))
    assert all(s.seconds >= 0 for s in found.steps)
    assert str(found)
