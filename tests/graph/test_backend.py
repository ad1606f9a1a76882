"""Back ends: who computes a node is one decision, which plans and ``explain`` read; what passes ask is answered by all of one kind."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any
from unittest import mock

import numpy
import pytest

import hybridnet as hn
from hybridnet import autograd, dtypes, gluon, lowering
from hybridnet.codegen import cuda_region
from hybridnet.core import OPS, Kind, Op, Spec, cuda_rules, on_cuda
from hybridnet.core.kernel import HandKernels, LibraryCall
from hybridnet.core.numpy_functions import NUMPY_FUNCTION_OF
from hybridnet.device.refusals import tell
from hybridnet.gluon import nn
from hybridnet.graph import backend
from hybridnet.graph.backend import CUDA, NUMPY, Backend, backend_of, cuda, implementation_of
from hybridnet.graph.backend.numpy import NumpyBackend
from hybridnet.graph.implementation import Alias, ArrayModule, Decomposed, Generated, LibraryPlan
from hybridnet.graph.ir import Graph, Node, Value, infer_node
from hybridnet.graph.operators import MATMUL, MATMUL_BIAS
from hybridnet.graph.passes import optimize
from hybridnet.graph.refusals import told_refusals
from hybridnet.lowering.choose import choose

Ask = Callable[..., Any]


def node_of(name: str, *shapes: tuple[int, ...], dtype: Any = dtypes.float32, device: Any = None, **attrs: Any) -> Node:
    device = device or hn.gpu()
    inputs = [Value(s, dtype, device) for s in shapes]
    return Node(OPS[name], inputs, attrs, infer_node(OPS[name], inputs, attrs), device)


# -- one decision a node ----------------------------------------------------------------------------------


@pytest.fixture
def asked() -> Iterator[dict[str, Counter[Node]]]:
    """How often each question is asked of each node."""
    counts: dict[str, Counter[Node]] = {"implement": Counter(), "plan": Counter(), "kernels": Counter()}

    def counted(question: str, ask: Ask) -> Ask:
        def asks(node: Node, *more: Any) -> Any:
            counts[question][node] += 1
            return ask(node, *more)

        return asks

    with (
        mock.patch.object(CUDA, "implement", counted("implement", CUDA.implement)),
        mock.patch.object(CUDA, "plan", counted("plan", CUDA.plan)),
        mock.patch.object(cuda, "kernels_for", counted("kernels", cuda.kernels_for)),
        mock.patch.object(cuda_region, "kernels_for", counted("kernels", cuda_region.kernels_for)),
    ):
        yield counts


def asked_after_choose(run: Callable[[], Any], asked: Counter[Node]) -> set[str]:
    """The operators of the nodes of which it is asked who computes them, after that was chosen for the program that ``run`` compiles."""
    before: list[int] = []
    with mock.patch.object(lowering, "choose", lambda graph: (choose(graph), before.append(len(asked)))[0]):
        run()
    assert len(before) == 1
    return {n.op.name for n in list(asked)[before[0] :]}


@pytest.mark.usefixtures("emulated_gpu")
def test_who_computes_a_node_is_decided_once(asked: dict[str, Counter[Node]]) -> None:
    """A whole training step: passes, the plan and the text of its kernels together ask of a node once."""
    net = nn.HybridSequential()
    net.add(nn.Dense(8, in_units=4), nn.BatchNorm(in_channels=8), nn.Dense(3, in_units=8))
    net.initialize(ctx=hn.gpu())
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.9})
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()

    def step(x: Any, y: Any) -> Any:
        with autograd.record():
            loss = loss_of(net(x), y)
        loss.backward()
        trainer.step(4)
        return loss

    x = hn.np.array(numpy.random.default_rng(0).normal(size=(4, 4)), dtype="float32", device=hn.gpu())
    labels = hn.np.array([0, 1, 2, 0], dtype="int32", device=hn.gpu())
    assert asked_after_choose(lambda: hn.jit(step)(x, labels), asked["implement"]) == set()
    assert {n.op.name for n in asked["implement"]} >= {"matmul_bias", "moments", "softmax_cross_entropy", "fused", "group"}
    for question, counts in asked.items():
        often = {n.op.name: times for n, times in counts.items() if times > 1}
        assert counts and not often, f"{question} is asked again: {often}"


@pytest.mark.usefixtures("emulated_gpu")
def test_a_node_whose_operand_is_copied_keeps_the_decision(asked: dict[str, Counter[Node]]) -> None:
    """Where kernels take no gaps, and where a reshape is no view: copies alone are new."""
    x = hn.np.array(numpy.arange(12.0).reshape(3, 4), dtype="float32", device=hn.gpu())
    compiled = hn.jit(lambda x: (hn.np.cumsum(x[:, ::2], axis=1), hn.np.exp(x.T.reshape(12) / 12)))
    assert asked_after_choose(lambda: compiled(x), asked["implement"]) == {"copy"}
    sums, exponentials = compiled(x)
    numpy.testing.assert_array_equal(sums.asnumpy(), numpy.cumsum(x.asnumpy()[:, ::2], axis=1))
    numpy.testing.assert_allclose(exponentials.asnumpy(), numpy.exp(x.asnumpy().T.reshape(12) / 12), rtol=1e-6)


@pytest.mark.usefixtures("emulated_gpu")
def test_operands_as_they_lie_are_a_question_of_their_own(asked: dict[str, Counter[Node]]) -> None:
    """A library is asked for a call on a view with gaps; that it computes the product is settled by then."""
    x = hn.np.array(numpy.random.default_rng(0).normal(size=(6, 8)), dtype="float32", device=hn.gpu())
    compiled = hn.jit(lambda x: hn.np.matmul(x[:, :4], x[:, 4:].T))
    found = compiled(x).asnumpy()
    numpy.testing.assert_allclose(found, x.asnumpy()[:, :4] @ x.asnumpy()[:, 4:].T, rtol=1e-5)
    assert "1 library calls" in compiled.explain(x) and "0 copies" in compiled.explain(x)
    assert max(asked["implement"].values()) == 1
    assert any(n.op.name == "matmul" and times > 1 for n, times in asked["plan"].items())


@pytest.mark.usefixtures("emulated_gpu")
def test_explain_reads_the_decision() -> None:
    x = hn.np.array([3.0, 1.0, 2.0], device=hn.gpu())
    compiled = hn.jit(lambda x: hn.np.sort(x + 1))
    text = compiled.explain(x)
    assert "it has no kernels of its own; runs through CuPy" in text
    with mock.patch.object(CUDA, "implement", side_effect=AssertionError("asked again")):
        assert compiled.explain(x) == text


# -- what the decision is -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("emulated_gpu")
def test_the_kinds_of_decision() -> None:
    chosen = {
        "reshape": implementation_of(node_of("reshape", (2, 3), shape=(3, 2))),
        "exp": implementation_of(node_of("exp", (2, 3))),
        "cumsum": implementation_of(node_of("cumsum", (2, 3), axis=1)),
        "matmul": implementation_of(node_of("matmul", (2, 3), (3, 4))),
        "integers": implementation_of(node_of("matmul", (2, 3), (3, 4), dtype=dtypes.int32)),
        "empty": implementation_of(node_of("cumsum", (0, 3), axis=1)),
        "on a CPU": implementation_of(node_of("exp", (2, 3), device=hn.cpu())),
    }
    kinds = {name: type(decision) for name, decision in chosen.items()}
    assert kinds == {
        "reshape": Alias,
        "exp": Generated,
        "cumsum": HandKernels,
        "matmul": LibraryPlan,
        "integers": ArrayModule,
        "empty": ArrayModule,
        "on a CPU": ArrayModule,
    }


@pytest.mark.parametrize("name", ["cpu", "cpu_pinned", "gpu"])
def test_every_operator_has_one_who_computes_it(name: str) -> None:
    """Or is decomposed: composites alone are."""
    device = hn.Device(name)
    for op in OPS.values():
        attrs: dict[str, Any] = {}
        node = Node(op, [Value((0,), dtypes.float32, device)], attrs, [Spec((0,), dtypes.float32)], device)
        decision = backend_of(device).implement(node)
        if op.compute is None:
            assert isinstance(decision, Decomposed) and backend_of(device).decomposition(op) is not None
        else:
            assert not isinstance(decision, (Decomposed, LibraryPlan, HandKernels)), f"{op.name} computes nothing here"


# -- another back end -----------------------------------------------------------------------------------------


class _Product:
    """A planned call of a library that multiplies matrices."""

    name, workspace, alignment, how = "products", 0, 4, ""

    def settle(self, pointers: Any, workspace: int, stream: int) -> None:
        raise AssertionError("no program runs it")

    def enqueue(self, pointers: Any, workspace: int, stream: int) -> None:
        raise AssertionError("no program runs it")


class _WithLibrary(NumpyBackend):
    """A CPU with a library that takes products of float32 with their bias, and no float64."""

    libraries = ("products",)

    def plan(self, node: Node, inputs: Any = None, outputs: Any = None) -> LibraryCall | None:
        if node.op not in (MATMUL, MATMUL_BIAS):
            return None
        if node.output.dtype != dtypes.float32:
            tell("products", node.output.spec, "float32 alone")
            return None
        return _Product()


@pytest.fixture
def with_library() -> Iterator[Backend]:
    other = _WithLibrary()
    with mock.patch.dict(backend._BACKENDS, {"cpu": other}):
        yield other


def biased(dtype: Any) -> Graph:
    product = node_of("matmul", (4, 3), (3, 5), dtype=dtype, device=hn.cpu())
    bias = Value((5,), dtype, hn.cpu())
    total = Node(OPS["add"], [product.output, bias], {}, [product.output.spec], hn.cpu())
    return Graph((*product.inputs, bias), (product, total), (total.output,))


def test_passes_find_out_what_another_back_end_can(with_library: Backend) -> None:
    """A product takes its bias along since the back end of its device has a library that does, whatever the device is."""
    graph = choose(optimize(biased(dtypes.float32)))
    assert [n.op.name for n in graph.nodes] == ["matmul_bias"]
    assert isinstance(graph.nodes[0].implementation, LibraryPlan)
    with told_refusals() as told:
        graph = choose(optimize(biased(dtypes.float64)))
    assert [n.op.name for n in graph.nodes] == ["matmul", "add"]
    assert [n.implementation for n in graph.nodes if n.op.name == "add"] == [ArrayModule()]
    assert {(r.op, r.library, r.reason) for r in told} >= {("matmul_bias", "products", "float32 alone")}


def test_without_it_they_do_not() -> None:
    assert [n.op.name for n in choose(optimize(biased(dtypes.float32))).nodes] == ["matmul", "add"]


# -- tables beside the records -----------------------------------------------------------------------------


def test_an_operator_has_one_rule_and_a_record_of_none() -> None:
    op = Op("only_here", Kind.POINTWISE, lambda x: x, compute=lambda xp, x: x)
    with mock.patch.dict(cuda_rules._RULES):
        assert on_cuda(op, functor="{0}") is op
        assert cuda_rules.cuda_rule(op).functor == "{0}"
        with pytest.raises(ValueError, match="'only_here' has a rule for CUDA already"):
            on_cuda(op, functor="{0}")
    assert {f.name for f in fields(Op)} & {f.name for f in fields(cuda_rules.CudaRule)} == {"decomposition"}
    assert all(OPS.get(op.name, op) is op for op in cuda_rules._RULES)


def test_operators_of_one_program_are_not_kept() -> None:
    op = Op("only_here", Kind.OPAQUE, lambda x: x, compute=lambda xp, x: xp.negative(x))
    assert NUMPY_FUNCTION_OF[op](numpy.ones(1))[0] == -1
    assert op not in NUMPY_FUNCTION_OF and NUMPY_FUNCTION_OF[OPS["add"]] is numpy.add
    composite = next(op for op in OPS.values() if op.compute is None)
    with pytest.raises(TypeError, match="is a composite"):
        NUMPY_FUNCTION_OF[composite]


def test_a_back_end_is_found_by_the_device() -> None:
    assert backend_of(hn.cpu(3)) is backend_of(hn.cpu_pinned()) is NUMPY and backend_of(hn.gpu(1)) is CUDA
    assert not NUMPY.limits.counts_launches and CUDA.limits.counts_launches
