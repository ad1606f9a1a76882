"""16-bit copies of weights, which updates write: training gives the same bits as with casts in each step, whoever writes weights too."""

import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy
import pytest
from emulator.emulator import COMPILER

import hybridnet as hn
from hybridnet import amp, autograd, gluon, np
from hybridnet.config import Budget, config
from hybridnet.core.kernel import is_half
from hybridnet.gluon import nn
from hybridnet.graph.ir import Graph, Node
from hybridnet.graph.operators import CAST
from hybridnet.lowering.multi_tensor import GROUP
from hybridnet.lowering.working_copies import NAME, working_copies
from hybridnet.runtime.work import bytes_of
from hybridnet.runtime.working_copies import KeptCopies

pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here"),
    pytest.mark.usefixtures("emulated_gpu", "mixed_precision"),
]

OPTIMIZERS = {
    "sgd": {"learning_rate": 0.1},
    "nag": {"learning_rate": 0.1, "momentum": 0.9},
    "adam": {"learning_rate": 1e-2},
    "adamw": {"learning_rate": 1e-2, "wd": 0.1},
    "rmsprop": {"learning_rate": 1e-2},
    "ftrl": {},
    "lamb": {"learning_rate": 1e-2},
}


@pytest.fixture(name="mixed_precision")
def _mixed_precision() -> Iterator[None]:
    amp.init("bfloat16")
    yield
    amp.init("float32")


@pytest.fixture(name="casts")
def _casts() -> Iterator[mock.Mock]:
    """Counts how often programs cast weights that others may have written."""
    with mock.patch.object(KeptCopies, "_cast", autospec=True, side_effect=KeptCopies._cast) as counted:
        yield counted


class Training:
    """A network whose training step is one program; two of its layers have the same weight."""

    def __init__(self, optimizer: str = "adamw", kept: bool = True) -> None:
        hn.random.seed(1)
        first = nn.Dense(24, in_units=24, activation="tanh")
        second = nn.Dense(24, in_units=24, activation="relu", params=first.params)
        self.net = nn.HybridSequential()
        self.net.add(nn.Dense(24, in_units=20), first, second, nn.LayerNorm(in_channels=24), nn.Dense(10, in_units=24))
        self.net.initialize(hn.init.Xavier(), ctx=hn.gpu(0))
        loss_fn = gluon.loss.SoftmaxCrossEntropyLoss()
        trainer = gluon.Trainer(self.net.collect_params(), optimizer, dict(OPTIMIZERS[optimizer]))

        def step(x: Any, y: Any) -> Any:
            with autograd.record():
                loss = loss_fn(self.net(x), y)
            loss.backward()
            trainer.step(x.shape[0])
            return loss

        self.step = hn.jit(step)
        self.kept = kept

    def run(self, k: int, rows: int = 8) -> None:
        """The step on batch ``k``."""
        with mock.patch.object(config, "disabled_passes", frozenset() if self.kept else frozenset({NAME})):
            self.step(*batch(k, rows))

    def program(self, rows: int = 8) -> Any:
        """Its program for batches of that many rows."""
        with mock.patch.object(config, "disabled_passes", frozenset() if self.kept else frozenset({NAME})):
            (program,) = self.step._inspect(batch(0, rows), {}).programs
        return program

    def numbers(self) -> list[Any]:
        return [p.data().asnumpy() for p in self.net.collect_params().values()]


def batch(k: int, rows: int) -> tuple[Any, Any]:
    rng = numpy.random.default_rng(k)
    x, y = rng.normal(size=(rows, 20)).astype("float32"), rng.integers(0, 10, rows)
    return np.array(x, ctx=hn.gpu(0)), np.array(y, ctx=hn.gpu(0))


def assert_same(one: Training, other: Training) -> None:
    for x, y in zip(one.numbers(), other.numbers(), strict=True):
        numpy.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("optimizer", [o if o in ("sgd", "adamw") else pytest.param(o, marks=pytest.mark.slow) for o in OPTIMIZERS])
def test_updates_write_what_a_cast_would_give(optimizer: str, casts: mock.Mock) -> None:
    one, other = Training(optimizer), Training(optimizer, kept=False)
    for k in range(4):
        one.run(k)
        other.run(k)
    assert_same(one, other)
    assert casts.call_count == 1  # before the first step
    lowered = one.program().source.lowered
    assert not any(node.op is CAST and is_half(node.output.dtype) and node.inputs[0] in lowered.inputs[2:] for node in lowered.nodes)
    assert "16-bit copies of 6 arrays" in one.program().explain()
    assert other.program().copies is None


def test_the_kernel_of_an_update_writes_the_copies() -> None:
    one, other = Training().program(), Training(kept=False).program()
    grouped = [[n for n in p.source.lowered.nodes if n.op is GROUP] for p in (one, other)]
    outputs = [max(len(n.outputs) / n.attrs["members"] for n in nodes) for nodes in grouped]
    assert outputs[0] == outputs[1] + 1
    moved = [sum(map(bytes_of, p.source.lowered.nodes)) for p in (one, other)]
    weights = sum(v.nbytes for v, _ in zip(one.copies._values, one.copies._of, strict=True))
    assert moved[1] - moved[0] == weights  # read once less


def _set(t: Training, p: Any, rng: Any) -> None:
    p.set_data(np.array(rng.normal(size=p.shape).astype("float32"), ctx=hn.gpu(0)))


def _in_place(t: Training, p: Any, rng: Any) -> None:
    p.data()[0] = float(rng.normal())


def _by_a_view(t: Training, p: Any, rng: Any) -> None:
    view = p.data().reshape((-1,))
    view[1:3] = float(rng.normal())


def _anew(t: Training, p: Any, rng: Any) -> None:
    t.net.initialize(hn.init.Constant(float(rng.normal())), ctx=hn.gpu(0), force_reinit=True)


def _moved(t: Training, p: Any, rng: Any) -> None:
    p.cast("float64")
    p.cast("float32")


def _read(t: Training, p: Any, rng: Any) -> None:
    p.data().asnumpy()
    t.net(batch(3, 4)[0])


def _profiled(t: Training, p: Any, rng: Any) -> None:
    t.step.profile(*batch(3, 8))


def _checked(t: Training, p: Any, rng: Any) -> None:
    t.step.check(*batch(3, 8))


def _loaded(t: Training, p: Any, rng: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for one in t.net.collect_params().values():
            one.set_data(one.data() + float(rng.normal()) / 8)
        t.net.save_parameters(f"{folder}/p")
        t.net.load_parameters(f"{folder}/p", ctx=hn.gpu(0))


def _failed(t: Training, p: Any, rng: Any) -> None:
    with mock.patch("hybridnet.runtime.cuda_program.Instance.run", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        t.run(3)


def _on_another_thread(t: Training, p: Any, rng: Any) -> None:
    thread = threading.Thread(target=_in_place, args=(t, p, rng))
    thread.start()
    thread.join()


def _exported(t: Training, p: Any, rng: Any) -> None:
    """Memory that from then on anyone may write."""
    p.data().storage().share()
    p.data()._data[...] = float(rng.normal())


WRITES: tuple[Callable[[Training, Any, Any], None], ...] = (
    _set,
    _in_place,
    _by_a_view,
    _anew,
    _moved,
    _read,
    _loaded,
    _failed,
    _on_another_thread,
    _exported,
)


def interleaved(seed: int, length: int, kinds: tuple[Callable[[Training, Any, Any], None], ...] = WRITES) -> None:
    """Random steps on batches of two sizes, between which weights are written in random ways."""
    one, other = Training(), Training(kept=False)
    rng = numpy.random.default_rng(seed)
    for k in range(length):
        rows, at, kind, numbers = (8, 5)[rng.integers(2)], rng.integers(8), kinds[rng.integers(len(kinds))], rng.integers(1 << 30)
        writes = rng.random() < 0.5
        for t in (one, other):
            if writes:
                kind(t, list(t.net.collect_params().values())[at], numpy.random.default_rng(numbers))
            t.run(k, rows)
        assert_same(one, other)


def test_weights_are_written_between_steps() -> None:
    interleaved(0, 8)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 9))
def test_weights_are_written_between_steps_at_random(seed: int) -> None:
    interleaved(seed, 25, (*WRITES, _profiled, _checked))


def test_programs_of_other_shapes_share_the_copies(casts: mock.Mock) -> None:
    t = Training()
    for k in range(6):
        t.run(k, (8, 5)[k % 2])
    assert casts.call_count == 2  # each program once, when it first runs
    one, other = t.program(8).copies, t.program(5).copies
    assert [id(x) for x in one._kept] == [id(x) for x in other._kept]


def test_memory_that_others_may_write_is_cast_each_time(casts: mock.Mock) -> None:
    one, other = Training(), Training(kept=False)
    views = []
    for t in (one, other):
        t.run(0)
        weight = t.net[0].weight.data()
        weight.storage().share()  # as DLPack does
        views.append(weight._data)
    for k in range(1, 4):
        for t, view in zip((one, other), views, strict=True):
            view[0] = k  # tells nobody
            t.run(k)
        assert_same(one, other)
    assert casts.call_count == 4


def test_a_step_that_failed_is_followed_by_casts(casts: mock.Mock) -> None:
    t = Training()
    t.run(0)
    with mock.patch("hybridnet.runtime.cuda_program.Instance.run", side_effect=RuntimeError("no memory")), pytest.raises(RuntimeError):
        t.run(1)
    t.run(1)
    assert casts.call_count == 2
    t.run(2)
    assert casts.call_count == 2


def test_none_are_kept_under_a_budget() -> None:
    with mock.patch.object(config, "memory_budget", Budget(1e9, False)):
        assert Training().program().copies is None


def test_what_is_not_computed_by_arithmetic_has_none() -> None:
    def graph(op: str, *attrs: Any) -> Graph:
        def fn(x: Any) -> Any:
            y = w.astype("bfloat16") * x
            w[:] = np.concatenate([w[:2], w[2:] + 1]) if op == "concatenate" else w + 1
            return y

        w = np.zeros((4,), ctx=hn.gpu(0))
        return hn.jit(fn).graph(np.zeros((4,), dtype="bfloat16", ctx=hn.gpu(0)))

    assert working_copies(graph("concatenate"), {1: 1}, {1}) is None
    found = working_copies(graph("add"), {1: 1}, {1})
    assert found is not None
    assert [at for at, _ in found.of] == [1]
    assert found.donate == {1: 1, 2: 2}
    node = found.graph.outputs[2].node
    assert isinstance(node, Node)
    assert node.op is CAST and node.inputs == (found.graph.outputs[1],)
