"""Communication between processes: no pass leaves a call out, repeats it, joins two or moves one past another.

The operator here notes that it was called; what it notes in compiled programs, forward and backward,
is what it notes when operators run one by one.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import hybridnet as hn
from hybridnet import autograd
from hybridnet.compile import jit
from hybridnet.config import config
from hybridnet.core import Kind, Op, apply
from hybridnet.errors import DeviceError, GraphError, TraceError
from hybridnet.graph.ir import Graph
from hybridnet.graph.passes import PASSES
from hybridnet.graph.pipeline import run_pass
from hybridnet.lowering.fuse import fuse
from hybridnet.lowering.multi_tensor import GROUP, multi_tensor

CALLS: list[int] = []


def _compute(xp: Any, x: Any, *, tag: int) -> Any:
    CALLS.append(tag)
    return x + x


#: A sum over two processes of which the other has the same: its gradient is the sum of gradients.
EXCHANGE = Op(
    "exchange",
    Kind.COMMUNICATION,
    lambda x, *, tag: x,
    compute=_compute,
    grad=(lambda g, y, x, *, tag: apply(EXCHANGE, (g,), {"tag": -tag}),),
)


def exchange(x: Any, tag: int) -> Any:
    return apply(EXCHANGE, (x,), {"tag": tag})


@pytest.fixture(autouse=True)
def verified(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(config, "debug", 1)
    CALLS.clear()
    yield
    CALLS.clear()


def program(seed: int, steps: int = 24) -> Callable[..., Any]:
    """Random arithmetic on arrays, with communication of which some is alike and some has no reader."""

    def run(*inputs: Any) -> Any:
        rng = np.random.default_rng(seed)
        values = list(inputs)
        for step in range(steps):
            a, b = (values[int(i)] for i in rng.integers(0, len(values), 2))
            match int(rng.integers(0, 6)):
                case 0 | 1:
                    made = exchange(a, int(rng.integers(1, 4)))  # often equal to one before
                case 2:
                    made = a * 0.5 + b.sin()
                case 3:
                    made = a - b.mean(axis=-1, keepdims=True)
                case 4:
                    made = hn.np.tanh(a) * b
                case _:
                    made = a * 1 + (a.exp() * 0.1).sin() * (step + 1)
            values.append(made)
        return sum(values[-1:], values[-2] * 1)

    return run


def arrays(seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [hn.np.array(rng.normal(size=(4, 8)), dtype="float64") for _ in range(3)]


@pytest.mark.parametrize("seed", range(40))
def test_compiled_programs_communicate_as_written(seed: int) -> None:
    """In one graph, and with the gradient in a graph of its own."""
    fn, xs = program(seed), arrays(seed)
    expected = fn(*xs).asnumpy()
    called = CALLS.copy()
    compiled = jit(fn)
    for _ in range(2):
        CALLS.clear()
        np.testing.assert_allclose(compiled(*xs).asnumpy(), expected, rtol=1e-12)
        assert called == CALLS
    notes = []
    for f in (fn, jit(fn)):
        CALLS.clear()
        for x in xs:
            x.attach_grad()
        with autograd.record():
            y = f(*xs)
        y.backward()
        notes.append(([t for t in CALLS if t > 0], [t for t in CALLS if t < 0], [x.grad.asnumpy() for x in xs]))
    assert notes[0][0] == notes[1][0]
    assert notes[0][1] == notes[1][1]
    for a, b in zip(notes[0][2], notes[1][2], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_what_nobody_reads_and_what_is_equal_stays() -> None:
    def fn(x: Any) -> Any:
        exchange(x, 1)
        return exchange(x, 2) + exchange(x, 2) + x.exp() * x.exp()

    x = hn.np.ones((3,))
    graph = jit(fn).graph(x)
    assert [n.attrs["tag"] for n in graph.nodes if n.communicates] == [1, 2, 2]
    assert sum(n.op.name == "exp" for n in graph.nodes) == 1


@pytest.mark.parametrize("name", [p.name for p in PASSES])
def test_each_pass_by_itself_keeps_the_order(name: str) -> None:
    (entry,) = [p for p in PASSES if p.name == name]
    for seed in range(8):
        traced = jit(program(seed)).graph(*arrays(seed), stage="traced")
        run_pass(name, entry.run, traced)  # verifies


@pytest.mark.parametrize("change", [lambda nodes: nodes[:-1], lambda nodes: [*nodes, nodes[-1]], lambda nodes: nodes[::-1]])
def test_a_pass_that_does_not_is_found(change: Callable[[list[Any]], list[Any]]) -> None:
    graph = jit(lambda x: (exchange(x, 1), exchange(x, 2))).graph(hn.np.ones((3,)))

    def broken(graph: Graph) -> Graph:
        calls = change([n for n in graph.nodes if n.communicates])
        renewed = [n.with_inputs(n.inputs) for n in calls]
        return Graph(graph.inputs, renewed, [n.output for n in renewed])

    with pytest.raises(GraphError, match=r"communication . of 2 was left out, repeated or moved after pass broken"):
        run_pass("broken", broken, graph)


def test_what_is_alike_in_many_tensors_is_not_joined_across_it() -> None:
    """One node for both would have the second communication run before the first, which reads a result of that node."""

    def fn(x: Any, y: Any) -> Any:
        first = (x * 2).exp()
        sent = exchange(first, 1)
        return first, sent, (exchange(y, 2) * 2).exp()

    graph = jit(fn).graph(*arrays(1)[:2])
    run_pass("multi_tensor", multi_tensor, graph)
    apart = jit(lambda x, y: ((x * 2).exp(), exchange(x, 1), (y * 2).exp(), exchange(y, 2))).graph(*arrays(1)[:2])
    assert any(n.op is GROUP for n in run_pass("multi_tensor", multi_tensor, apart).nodes)


def test_numbers_are_not_fused_across_it(emulated_gpu: Any) -> None:
    """Numbers may be computed early, but not where that would exchange the communication that they wait for with one before."""

    def fn(s: Any, t: Any) -> Any:
        number = s * 2
        sent = exchange(number, 1)
        return sent, number + exchange(t, 2)

    numbers = [hn.np.array(x, dtype="float32", device=hn.gpu()) for x in (2.0, 3.0)]
    run_pass("fuse", fuse, jit(fn).graph(*numbers))


def test_in_the_body_of_control_flow_it_is_refused() -> None:
    """How often a body runs, and whether, is not known; processes might differ in it."""

    def fn(x: Any) -> Any:
        return hn.npx.foreach(lambda row, state: (exchange(row, 1), state), x, [])[0]

    with pytest.raises(TraceError, match=r"\[exchange\] expected communication outside of control flow"):
        jit(fn)(hn.np.ones((200, 3)))
    assert sum(n.communicates for n in jit(fn).graph(hn.np.ones((2, 3))).nodes) == 2  # steps that are written out are no body


def test_regions_form_on_either_side() -> None:
    graph = jit(lambda x: exchange((x * 2).exp(), 1).sin() + 1).graph(arrays(1)[0])
    assert [n.op.name for n in run_pass("fuse", fuse, graph).nodes if n.inputs] == ["fused", "exchange", "fused"]


def test_a_graph_is_on_one_device(emulated_gpu: Any) -> None:
    """A value's device is part of it; a program of several is refused where programs are made."""
    fn = jit(lambda x, y: (x + 1, y + 1))
    with pytest.raises(DeviceError, match=r"expected arrays on one device in a compiled function; got .*cpu\(0\) and gpu\(0\)"):
        fn(hn.np.ones((3,)), hn.np.ones((3,), device=hn.gpu()))
