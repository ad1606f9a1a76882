"""Which steps of CUDA programs wait for which: proved on random programs, and kept by captures on the emulated device."""

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import pytest
from emulator import streams
from emulator.device import emulated_gpu
from emulator.emulator import COMPILER
from emulator.suite import on_gpu
from hypothesis import given, settings
from support.programs import Program, programs

import hybridnet as hn
from hybridnet.codegen import memory
from hybridnet.codegen.cuda_program import CudaSource, write_cuda_program
from hybridnet.codegen.memory import FREE_BYTES
from hybridnet.codegen.order import Order, Span, Touched, chain, order_of, verify_order
from hybridnet.config import config
from hybridnet.core import Spec, wrap
from hybridnet.core.ndarray import NDArray
from hybridnet.device import Capture
from hybridnet.errors import GraphError
from hybridnet.graph.passes import optimize
from hybridnet.graph.trace import Trace, tracing


def closure(before: Any) -> list[set[int]]:
    """For each step all that it waits for, directly or not."""
    found: list[set[int]] = []
    for steps in before:
        found.append(set(steps).union(*(found[p] for p in steps)))
    return found


def random_steps(seed: int) -> list[Touched]:
    """Steps over a few bytes of two memories; some communicate, some run alone."""
    rng = random.Random(seed)

    def spans(most: int) -> tuple[Span, ...]:
        begins = [rng.randrange(24) for _ in range(rng.randrange(most + 1))]
        return tuple(Span(rng.randrange(2), b, b + rng.randrange(7)) for b in begins)

    made = []
    for _ in range(rng.randrange(1, 40)):
        made.append(Touched(spans(3), spans(2), rng.choice(["", "", "", "", "", "NCCL", "cuDNN"]), alone=rng.random() < 0.04))
    return made


def share(a: Touched, b: Touched) -> bool:
    """Whether two steps touch a byte that one of them writes, or one runs alone."""

    def meet(xs: Any, ys: Any) -> bool:
        return any(x.base == y.base and max(x.begin, y.begin) < min(x.end, y.end) for x in xs for y in ys)

    return a.alone or b.alone or (a.channel == b.channel != "") or meet(a.writes, (*b.reads, *b.writes)) or meet(a.reads, b.writes)


def without_each_edge(order: Order) -> Iterator[Order]:
    for i, steps in enumerate(order.before):
        for p in steps:
            kept = (*order.before[:i], tuple(q for q in steps if q != p), *order.before[i + 1 :])
            yield replace(order, before=kept, lanes=tuple(range(len(kept))))


@pytest.mark.parametrize("seed", range(150))
def test_an_order_is_that_of_every_two_steps_and_no_more(seed: int) -> None:
    steps = random_steps(seed)
    order = order_of(steps)
    verify_order(order, steps, "steps")
    verify_order(chain(len(steps)), steps, "steps")
    pairs = [[j for j in range(i) if share(steps[j], steps[i])] for i in range(len(steps))]
    assert closure(order.before) == closure(pairs)
    lanes = {(order.lanes[i], s.channel) for i, s in enumerate(steps)}
    channels = [channel for _, channel in lanes if channel]
    assert len(lanes) == order.width and len(channels) == len(set(channels))
    for broken in without_each_edge(order):  # each is needed: none follows from others
        with pytest.raises(GraphError, match="no order between them"):
            verify_order(broken, steps, "steps")


@pytest.mark.parametrize("seed", range(30))
def test_a_capture_has_these_dependencies_and_no_others(emulated_gpu: Any, seed: int) -> None:
    steps = random_steps(seed)
    order = order_of(steps)
    done: list[int] = []
    marks: dict[int, Any] = {}
    with Capture(hn.gpu()) as capture:
        for i, before in enumerate(order.before):
            with capture.on(order.lanes[i], [marks[p] for p in before if order.lanes[p] != order.lanes[i]]) as stream:
                streams.enqueue(stream.ptr, lambda i=i: done.append(i))
                marks[i] = capture.mark(stream)
    assert closure(capture.graph.after) == closure(order.before)
    assert not streams.capturing()
    orders = set()
    for _ in range(4):
        capture.graph.launch()
        at = {i: n for n, i in enumerate(done)}
        assert all(at[p] < at[i] for i, before in enumerate(order.before) for p in before)
        orders.add(tuple(done))
        done.clear()
    if order.width > 3:
        assert len(orders) > 1


def written(program: Program) -> CudaSource:
    """A random program as one for a GPU; its states are written in place."""
    xs, states = program.arrays(program.inputs, 1), program.arrays(program.states, 2)
    trace = Trace()
    with tracing(trace):
        tracers = [wrap(NDArray, trace.argument(Spec(x.shape, x.dtype), x.device, "x"), x.device) for x in xs]
        for state in states:
            trace.read(state)
        ys = [trace.read(y) for y in program(tracers, states)]
        graph = trace.graph([*ys, *(trace.read(state) for state in states)])
    donate = {len(ys) + i: len(xs) + i for i in range(len(states))}
    return write_cuda_program(optimize(on_gpu(graph)), donate, fixed=frozenset(donate.values()))


@given(programs(max_steps=20))
@settings(max_examples=60)
def test_random_programs(program: Program) -> None:
    """No two steps without an order touch the same bytes, one writing; and without any one of its edges that would not hold."""
    with emulated_gpu():
        source = written(program)
        with mock.patch.object(config, "graph_branches", False):
            plain = written(program)
    verify_order(source.order, source.touched, "program")
    assert source.arena_bytes <= max(plain.arena_bytes, FREE_BYTES) and plain.order == chain(len(plain.steps))
    assert len(source.order.before) == len(source.steps)
    for broken in without_each_edge(source.order):
        with pytest.raises(GraphError):
            verify_order(broken, source.touched, "program")


needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")


def branching(x: Any, y: Any) -> Any:
    """Sums that do not read one another, and one that reads both."""
    a, b = hn.np.cumsum(x, axis=0), hn.np.cumsum(y * 2, axis=1)
    return a, b, hn.np.cumsum(a * b)


@needs_compiler
def test_a_program_runs_on_branches_and_without(emulated_gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    arrays = [hn.np.array(rng.normal(size=(8, 8)), dtype="float32", device=hn.gpu()) for _ in range(2)]
    found = {}
    for branches in (True, False):
        monkeypatch.setattr(config, "graph_branches", branches)
        f = hn.jit(branching)
        found[branches] = [[y.tolist() for y in f(*arrays)] for _ in range(4)]
        (program,) = [c.program for c in f.cache.values()]
        order = program.source.order
        assert (order.critical_path < len(program.source.steps)) == branches == (order.width > 1)
    assert found[True] == found[False] and all(ys == found[True][0] for ys in found[True])


@needs_compiler
def test_values_of_steps_that_could_run_at_once_lie_apart(emulated_gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after another two chains would use the same bytes; then the second would wait for the first."""

    def chains(x: Any, y: Any) -> Any:
        for _ in range(3):
            x = hn.np.cumsum(x, axis=0)
        for _ in range(3):
            y = hn.np.cumsum(y, axis=0)
        return x, y

    def path() -> int:
        f = hn.jit(chains)
        f(*(hn.np.ones((8, 8), device=hn.gpu()) for _ in range(2)))
        (program,) = [c.program for c in f.cache.values()]
        return int(program.source.order.critical_path)

    assert path() == 3
    monkeypatch.setattr(memory, "FREE_BYTES", 0)
    assert path() > 3
