"""A training step under ``foreach`` in ``jit``: many steps in one program, which are to the bit what single steps do."""

import re
from collections.abc import Callable
from typing import Any

import numpy
import pytest
from emulator.emulator import COMPILER

import hybridnet as hn
from hybridnet import amp, autograd, gluon, np, npx
from hybridnet.errors import ShapeError, TraceError
from hybridnet.gluon import nn
from hybridnet.gluon.data import ArrayDataset, DataLoader
from hybridnet.lr_scheduler import CosineScheduler, FactorScheduler

BATCH = 6  # labels of 24 bytes: those of every second batch begin where wide accesses cannot
LOSS = gluon.loss.SoftmaxCrossEntropyLoss()


def dense() -> nn.HybridSequential:
    net = nn.HybridSequential()
    net.add(nn.Dense(7, activation="relu"), nn.BatchNorm(), nn.Dropout(0.3), nn.Dense(3))
    return net


def convolutional() -> nn.HybridSequential:
    net = nn.HybridSequential()
    net.add(nn.HybridLambda(lambda F, x: x.reshape((-1, 1, 2, 4))), nn.Conv2D(3, 2), nn.BatchNorm(), nn.Activation("tanh"))
    net.add(nn.Flatten(), nn.Dense(3))
    return net


def recurrent() -> nn.HybridSequential:
    net = nn.HybridSequential()
    net.add(nn.HybridLambda(lambda F, x: x.reshape((-1, 4, 2))), gluon.rnn.LSTM(5, layout="NTC"), nn.Dense(3))
    return net


Run = Callable[[Any, Any], Any]


def started(build: Callable[[], Any], optimizer: str, options: dict[str, Any], device: hn.Device) -> tuple[Any, gluon.Trainer, Run]:
    """A network, its trainer and its step, the same each time."""
    hn.random.seed(3)
    net = build()
    net.initialize(hn.init.Xavier(), ctx=device)
    net(np.zeros((2, 8), device=device))
    trainer = gluon.Trainer(net.collect_params(), optimizer, dict(options))

    def step(x: Any, y: Any) -> Any:
        with autograd.record():
            loss = LOSS(net(x), y)
        loss.backward()
        trainer.step(x.shape[0])
        return loss.mean()

    return net, trainer, step


def epoch_of(step: Run) -> Any:
    def epoch(xs: Any, ys: Any) -> Any:
        return npx.foreach(lambda batch, none: (step(*batch), none), [xs, ys], [])[0]

    return hn.jit(epoch)


def batches(number: int, device: hn.Device, size: int = BATCH) -> tuple[Any, Any]:
    rng = numpy.random.default_rng(0)
    x = np.array(rng.normal(size=(number, size, 8)).astype("float32"), device=device)
    return x, np.array(rng.integers(0, 3, (number, size)).astype("int32"), device=device)


def state_of(net: Any, trainer: gluon.Trainer, tmp_path: Any) -> list[Any]:
    """Everything that training moves: parameters, running statistics, gradients, the optimizer's states and counts, the random state."""
    trainer.save_states(str(tmp_path / "states"))
    parameters = list(net.collect_params().values())
    values = [p.data().asnumpy() for p in parameters]
    values += [p.grad().asnumpy() for p in parameters if p.grad_req != "null"]
    device = parameters[0].list_ctx()[0]
    drawn = np.random.uniform(size=(3,), device=device).asnumpy()
    return [*values, drawn, numpy.frombuffer((tmp_path / "states").read_bytes(), numpy.uint8)]


def same_as_single_steps(build: Any, optimizer: str, options: Callable[[], dict[str, Any]], device: hn.Device, tmp_path: Any) -> None:
    lengths = (3, 3, 2)
    xs, ys = batches(sum(lengths), device)
    net, trainer, step = started(build, optimizer, options(), device)
    compiled = hn.jit(step)
    losses = [compiled(xs[i].copy(), ys[i].copy()).asnumpy() for i in range(len(xs))]
    expected = [numpy.stack(losses), *state_of(net, trainer, tmp_path)]

    net, trainer, step = started(build, optimizer, options(), device)
    epoch = epoch_of(step)
    losses, begin = [], 0
    for length in lengths:
        losses.append(epoch(xs[begin : begin + length].copy(), ys[begin : begin + length].copy()).asnumpy())
        begin += length
    found = [numpy.concatenate(losses), *state_of(net, trainer, tmp_path)]
    assert len(epoch.retraces) == 1  # the other length
    assert trainer.optimizer.num_update == sum(lengths)
    for a, b in zip(found, expected, strict=True):
        numpy.testing.assert_array_equal(a, b)


CASES = {
    "sgd": (dense, "sgd", lambda: {"learning_rate": 0.1}),
    "momentum and decay": (convolutional, "sgd", lambda: {"learning_rate": 0.1, "momentum": 0.9, "wd": 1e-3}),
    "adam on a cosine": (dense, "adam", lambda: {"lr_scheduler": CosineScheduler(7, 0.05, 0.001, warmup_steps=2)}),
    "steps": (recurrent, "rmsprop", lambda: {"learning_rate": 0.01, "lr_scheduler": FactorScheduler(2, 0.5)}),
    "lamb": (dense, "lamb", lambda: {"learning_rate": 0.01}),
}


@pytest.mark.parametrize("case", CASES)
def test_many_steps_are_single_steps(case: str, tmp_path: Any) -> None:
    same_as_single_steps(*CASES[case], hn.cpu(), tmp_path)


@pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")
@pytest.mark.parametrize("case", ["momentum and decay", "adam on a cosine"])
@pytest.mark.usefixtures("emulated_gpu")
def test_many_steps_are_single_steps_on_a_gpu(case: str, tmp_path: Any) -> None:
    same_as_single_steps(*CASES[case], hn.gpu(), tmp_path)


@pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")
@pytest.mark.usefixtures("emulated_gpu")
def test_an_epoch_is_one_cuda_graph_of_the_steps_launches() -> None:
    xs, ys = batches(5, hn.gpu(), 8)
    _, _, step = started(dense, "adam", {}, hn.gpu())
    single = hn.jit(step).explain(xs[0], ys[0])
    _, _, step = started(dense, "adam", {}, hn.gpu())
    told = epoch_of(step).explain(xs, ys)
    counts = re.search(r"\((\d+) kernels, (\d+) library calls, (\d+) copies\)", single)
    assert counts is not None
    launches = sum(map(int, counts.groups()))
    assert "1 CUDA graph (" in told
    assert f"5 rounds of {launches}, in a graph" in told


def test_states_stay_where_they_are() -> None:
    """No round copies a parameter or a state of the optimizer, and small tensors are updated together, as in a single step."""
    xs, ys = batches(4, hn.cpu())
    _, _, step = started(lambda: nn.Dense(3), "adam", {}, hn.cpu())
    text = epoch_of(step).program(xs, ys)
    rounds = text[text.index("for k0") :]
    assert "copyto(x" not in rounds
    assert ".copy()" not in rounds
    assert "sweep(" in rounds  # one region for all


def test_two_steps_in_a_round_and_loops_in_loops_follow_the_schedule_in_order() -> None:
    """The rates of an SGD whose gradient is 1 are how far the weight goes."""
    weight = gluon.Parameter("w", shape=(1,))
    weight.initialize(hn.init.Zero())
    trainer = gluon.Trainer([weight], "sgd", {"lr_scheduler": FactorScheduler(1, 0.5, base_lr=1.0)})

    def step() -> Any:
        with autograd.record():
            weight.data().sum().backward()
        trainer.step(1)
        return weight.data().copy()

    def inner(xs: Any) -> Any:
        return npx.foreach(lambda x, none: ([step(), step()], none), xs, [])[0]

    @hn.jit
    def run(xs: Any) -> Any:
        first = step()
        many = npx.foreach(lambda x, none: (inner(x), none), xs, [])[0]
        return [first, *many, step()]

    found = run(np.zeros((2, 3, 1)))
    positions = [found[0].item(), *(v for pair in zip(found[1].ravel().tolist(), found[2].ravel().tolist(), strict=True) for v in pair)]
    moved = -numpy.diff([0.0, *positions, found[3].item()])
    numpy.testing.assert_allclose(moved, 0.5 ** numpy.arange(14), rtol=1e-3, atol=1e-6)
    assert trainer.optimizer.num_update == 14


def test_random_lengths_and_schedules() -> None:
    """Rates drawn anew for each run: what each round moves by is its own."""
    rng = numpy.random.default_rng(0)
    weight = gluon.Parameter("w", shape=(1,))
    weight.initialize(hn.init.Zero())
    rates = rng.integers(1, 100, 200).astype(float)
    trainer = gluon.Trainer([weight], "sgd", {"lr_scheduler": lambda t: rates[t - 1]})

    def step(x: Any) -> Any:
        with autograd.record():
            (weight.data() * x).sum().backward()
        trainer.step(1)
        return weight.data().copy()

    run = hn.jit(lambda xs: npx.foreach(lambda x, none: (step(x), none), xs, [])[0])
    position, done = 0.0, 0
    for length in rng.choice([1, 2, 5, 9], 12):
        xs = rng.integers(1, 4, (length, 1)).astype("float32")
        found = run(np.array(xs)).asnumpy().ravel()
        expected = position - numpy.cumsum(xs.ravel() * rates[done : done + length])
        numpy.testing.assert_array_equal(found, expected)
        position, done = expected[-1], done + length


def test_a_schedule_that_fails_leaves_the_next_run_right() -> None:
    weight = gluon.Parameter("w", shape=(1,))
    weight.initialize(hn.init.Zero())
    broken = [True]

    def rate(t: int) -> float:
        if t == 2 and broken.pop():
            raise OverflowError("not yet")
        return float(t)

    trainer = gluon.Trainer([weight], "sgd", {"lr_scheduler": rate})

    def step() -> Any:
        with autograd.record():
            weight.data().sum().backward()
        trainer.step(1)
        return weight.data().copy()

    run = hn.jit(lambda xs: npx.foreach(lambda x, none: (step(), none), xs, [])[0])
    trainer.optimizer.lr_scheduler, kept = (lambda t: 0.0), rate
    run(np.zeros((3, 1)))  # makes what depends on the rate at the first call
    trainer.optimizer.num_update = 0
    trainer.optimizer.lr_scheduler = kept
    with pytest.raises(OverflowError):
        run(np.zeros((3, 1)))
    trainer.optimizer.num_update, broken[:] = 0, [False]
    assert run(np.zeros((3, 1))).ravel().tolist() == [-1.0, -3.0, -6.0]


def test_loss_scaling_goes_on_in_the_rounds() -> None:
    try:
        amp.init("float16")
        xs, ys = batches(3, hn.cpu())
        net, trainer, step = started(lambda: nn.Dense(3), "sgd", {"learning_rate": 0.1}, hn.cpu())
        amp.init_trainer(trainer)
        trainer._amp_loss_scaler._first = 8.0  # so that nothing overflows

        def scaled(x: Any, y: Any) -> Any:
            with autograd.record():
                loss = LOSS(net(x), y)
                with amp.scale_loss(loss, trainer) as head:
                    head.backward()
            trainer.step(BATCH)
            return loss.mean()

        epoch_of(scaled)(xs, ys)
        assert trainer._amp_loss_scaler._counters[hn.cpu()].good.item() == 3
    finally:
        amp.init("float32")


def test_looking_at_a_loss_in_a_round_names_the_line() -> None:
    xs, ys = batches(3, hn.cpu())
    _, _, step = started(lambda: nn.Dense(3), "sgd", {}, hn.cpu())

    def looking(x: Any, y: Any) -> Any:
        loss = step(x, y)
        print(loss.item())
        return loss

    with pytest.raises(TraceError, match=r"test_epoch.py"):
        epoch_of(looking)(xs, ys)


def test_batches_of_other_lengths_are_refused() -> None:
    xs, ys = batches(3, hn.cpu())
    _, _, step = started(lambda: nn.Dense(3), "sgd", {}, hn.cpu())
    with pytest.raises(ShapeError, match="same length of the first axis"):
        epoch_of(step)(xs, ys[:2])


# -- the loader's side ------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [{}, {"num_workers": 1, "thread_pool": True}])
def test_a_loader_stacks_batches(workers: dict[str, Any]) -> None:
    data = ArrayDataset(numpy.arange(46, dtype="float32").reshape(23, 2), numpy.arange(23))
    loader = DataLoader(data, 2, stack=4, **workers)
    found = list(loader)
    assert [x.shape for x, _ in found] == [(4, 2, 2), (4, 2, 2), (3, 2, 2), (1, 1, 2)]
    assert len(loader) == 4
    assert numpy.concatenate([y.asnumpy().ravel() for _, y in found]).tolist() == list(range(23))
    assert [x.shape for x, _ in DataLoader(data, 2, stack=4, last_batch="discard")] == [(4, 2, 2), (4, 2, 2), (3, 2, 2)]


def test_a_loader_that_stacks_goes_on_where_it_was() -> None:
    hn.random.seed(1)
    data = ArrayDataset(numpy.arange(20))
    loader = DataLoader(data, 2, shuffle=True, stack=3)
    whole = [x.asnumpy() for x in loader]
    hn.random.seed(1)
    loader = DataLoader(data, 2, shuffle=True, stack=3)
    groups = iter(loader)
    next(groups)
    state = loader.state_dict()
    again = DataLoader(data, 2, shuffle=True, stack=3)
    again.load_state_dict(state)
    rest = numpy.concatenate([x.asnumpy().ravel() for x in again])
    assert rest.tolist() == numpy.concatenate([x.ravel() for x in whole[1:]]).tolist()


def test_batches_that_cannot_be_stacked_are_refused() -> None:
    def pad(samples: list[int]) -> Any:
        return np.zeros((len(samples), max(samples)))

    loader = DataLoader([3, 3, 3, 5], 2, stack=2, batchify_fn=pad)
    with pytest.raises(ShapeError, match=r"float32\[2, 5\] after float32\[2, 3\]"):
        list(loader)


@pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")
@pytest.mark.usefixtures("emulated_gpu")
def test_stacked_batches_come_to_a_gpu() -> None:
    data = ArrayDataset(numpy.arange(24, dtype="float32").reshape(12, 2))
    found = list(DataLoader(data, 2, stack=4, device=hn.gpu()))
    assert [x.device for x in found] == [hn.gpu()] * 2
    assert numpy.concatenate([x.asnumpy().ravel() for x in found]).tolist() == list(range(24))
