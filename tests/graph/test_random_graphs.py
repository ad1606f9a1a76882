"""Random programs, forward and backward: every pass alone and all together keep their values, on every way to run them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest import mock

import numpy as np
import pytest
from emulator.device import emulated_gpu
from emulator.suite import on_gpu
from hypothesis import given, settings
from hypothesis import strategies as st
from support.programs import Program, programs

from hybridnet import autograd
from hybridnet.codegen import numpy_program
from hybridnet.compile import jit
from hybridnet.config import config
from hybridnet.core import NDArray, Spec, wrap
from hybridnet.graph.interpret import interpret
from hybridnet.graph.ir import Graph, Node
from hybridnet.graph.partition import partition
from hybridnet.graph.passes import PASSES, optimize
from hybridnet.graph.trace import Trace, tracing
from hybridnet.graph.verify import verify
from hybridnet.lowering import LOWERING, NAMES, Target
from hybridnet.lowering.multi_tensor import GROUP
from hybridnet.runtime.numpy_program import NumpyProgram
from hybridnet.runtime.spec import ProgramSpec


def groups(graph: Graph) -> set[Node]:
    return {node for node in graph.nodes if node.op is GROUP}


TARGET = Target(unwanted=groups)
ALL_PASSES: dict[str, Callable[[Graph], Graph]] = {p.name: p.run for p in PASSES}
ALL_PASSES |= {p.name: lambda graph, run=p.run: run(graph, TARGET) for p in (*LOWERING["cpu"], *LOWERING["cpu body"])}


def traced(program: Program, xs: list[NDArray], states: list[NDArray]) -> tuple[Graph, list[Any]]:
    """The graph of a program as it was written, and its inputs' data: the arguments', then the states'."""
    trace = Trace()
    with tracing(trace):
        tracers = [wrap(NDArray, trace.argument(Spec(x.shape, x.dtype), x.device, "x"), x.device) for x in xs]
        for state in states:
            trace.read(state)
        outputs = [trace.read(y) for y in program(tracers, states)]
    return verify(trace.graph(outputs)), [x._data for x in (*xs, *states)]


def same(found: Sequence[Any], expected: Sequence[Any]) -> None:
    assert len(found) == len(expected)
    for y, e in zip(found, expected, strict=True):
        y, e = (v._data if isinstance(v, NDArray) else v for v in (y, e))
        assert (y.shape, y.dtype) == (e.shape, e.dtype)
        np.testing.assert_allclose(y, e, rtol=1e-7, atol=1e-7)


def start(program: Program) -> tuple[list[NDArray], list[NDArray]]:
    return program.arrays(program.inputs, 1), program.arrays(program.states, 2)


@given(programs())
def test_the_graph_means_what_the_program_does(program: Program) -> None:
    xs, states = start(program)
    graph, data = traced(program, xs, states)
    results = interpret(graph, data)
    same(results, [*program(xs, states), *states])


@pytest.mark.parametrize("name", ALL_PASSES)
@given(programs())
def test_each_pass_keeps_values(name: str, program: Program) -> None:
    graph, data = traced(program, *start(program))
    after = verify(ALL_PASSES[name](graph), name)
    assert [v.spec for v in after.outputs] == [v.spec for v in graph.outputs]
    same(interpret(after, data), interpret(graph, data))


@pytest.fixture(scope="module")
def device() -> Iterator[None]:
    with emulated_gpu():
        yield


@pytest.mark.parametrize("name", [p.name for p in LOWERING["gpu"]])
@given(programs())
@settings(max_examples=30)
def test_each_rewrite_for_a_gpu_keeps_values(device: None, name: str, program: Program) -> None:
    """And all that stand before it."""
    graph, data = traced(program, *start(program))
    expected = interpret(graph, data)
    alone = after = on_gpu(graph)
    for p in LOWERING["gpu"]:
        after = verify(p.run(after, TARGET), p.name)
        if p.name == name:
            same(interpret(after, data), expected)
            same(interpret(verify(p.run(alone, TARGET), name), data), expected)
            break


@given(programs(max_steps=20), st.permutations(sorted(ALL_PASSES)))
def test_passes_in_any_order(program: Program, order: list[str]) -> None:
    graph, data = traced(program, *start(program))
    expected = interpret(graph, data)
    for name in order:
        graph = verify(ALL_PASSES[name](graph), name)
        same(interpret(graph, data), expected)


@given(programs(max_steps=20))
def test_passes_are_idempotent(program: Program) -> None:
    """A second run of all passes finds little left to do, and never adds work."""
    graph, _ = traced(program, *start(program))
    once = optimize(graph)
    assert len(once.nodes) <= len(graph.nodes) + 40  # composites are written out
    assert len(optimize(once).nodes) <= len(once.nodes)


@given(programs(max_steps=20), st.sampled_from([1, 64, 1 << 17]), st.sampled_from([1, 2]))
@settings(max_examples=120)
def test_numpy_program(program: Program, block_bytes: int, threads: int) -> None:
    """Blocks of one row, of a few, of all; on one thread and two; run twice, since the arena is used again."""
    graph, data = traced(program, *start(program))
    expected = interpret(graph, data)
    before = [d.copy() for d in data]
    with (
        mock.patch.object(config, "block_bytes", block_bytes),
        mock.patch.object(config, "threads", threads),
        mock.patch.object(numpy_program, "PARALLEL_WORK", 0),
    ):
        compiled = NumpyProgram(ProgramSpec(optimize(graph)))
        first = compiled(data)
        second = compiled(data)
    same(first, expected)
    same(second, expected)
    for y, z in zip(first, second, strict=True):
        assert not np.shares_memory(y, z), "a returned array is overwritten by a later call"
    for d, old in zip(data, before, strict=True):
        np.testing.assert_array_equal(d, old)


@pytest.mark.parametrize("without", sorted(NAMES))
@given(programs())
@settings(max_examples=25)
def test_numpy_program_without_one_pass(without: str, program: Program) -> None:
    graph, data = traced(program, *start(program))
    expected = interpret(graph, data)
    with mock.patch.object(config, "disabled_passes", frozenset({without})), mock.patch.object(config, "block_bytes", 64):
        same(NumpyProgram(ProgramSpec(optimize(graph)))(data), expected)


@given(programs())
def test_numpy_program_without_any_pass(program: Program) -> None:
    graph, data = traced(program, *start(program))
    with mock.patch.object(config, "disabled_passes", NAMES):
        same(NumpyProgram(ProgramSpec(optimize(graph)))(data), interpret(graph, data))


@given(programs(), st.sampled_from([64, 1 << 17]))
def test_jit_with_backward_inside(program: Program, block_bytes: int) -> None:
    """Three calls in a row, states moving on, as a training step does."""
    xs, states = start(program)
    mine, theirs = start(program)
    compiled = jit(lambda a: program(a, theirs))
    with mock.patch.object(config, "block_bytes", block_bytes):
        for _ in range(3):
            expected = program(xs, states)
            kept = compiled(mine)
            same(kept, expected)
            same(theirs, states)
        copies = [y.asnumpy() for y in kept]
        compiled(mine)
        same(kept, copies)


@given(programs(backward=False))
def test_jit_with_backward_outside(program: Program) -> None:
    """Recorded calls: two forwards before two backwards, each with what it kept, as a hybridized block is used."""

    def run(function: Callable[..., Any], states: list[NDArray]) -> list[Any]:
        xs = program.arrays(program.inputs, 1)
        for x in xs:
            x.attach_grad("add")
        calls = []
        for _ in range(2):
            with autograd.record():
                calls.append(function(xs))
        found = [y.asnumpy() for ys in calls for y in ys]
        for ys in calls:
            heads = [y for y in ys if y._tape is not None]
            if heads:
                autograd.backward(heads)
        return [*found, *(x.grad for x in xs), *states]

    states, theirs = (program.arrays(program.states, 2) for _ in range(2))
    expected = run(lambda xs: program.forward(xs, states), states)
    same(run(jit(lambda xs: program.forward(xs, theirs)), theirs), expected)


@given(programs(backward=False, states=False))
def test_partition(program: Program) -> None:
    """Forward, residuals, backward: together what the joint graph says."""
    xs, _ = start(program)
    for x in xs:
        x.attach_grad()
    seen: list[Graph] = []
    original = partition

    def spy(graph: Graph, *args: Any) -> Any:
        halves = original(graph, *args)
        seen.append(graph)
        verify(halves.forward)
        verify(halves.backward)
        assert len(halves.forward.outputs) == args[1] + halves.residuals
        return halves

    with mock.patch("hybridnet.compiled.partition", spy), autograd.record():
        jit(lambda a: program.forward(a, []))(xs)
