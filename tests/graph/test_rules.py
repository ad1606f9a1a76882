"""Each rewrite rule and each pass fires where it should, keeps every bit if it says so, and names operators that exist."""

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pytest
from support.samples import ALL_OPS
from support.special_values import same_bits, special

import hybridnet as hn
from hybridnet import autograd, dtypes, npx
from hybridnet.compile import jit
from hybridnet.config import config
from hybridnet.core import OPS, NDArray, Spec, call, wrap
from hybridnet.device import cpu
from hybridnet.errors import ArgumentError
from hybridnet.graph.interpret import interpret
from hybridnet.graph.ir import Graph, Rewriter
from hybridnet.graph.passes import NAMES, PASSES, optimize
from hybridnet.graph.passes.fuse import fuse
from hybridnet.graph.passes.group import group
from hybridnet.graph.passes.simplify import RULES, rule, simplify
from hybridnet.graph.trace import Trace, tracing

PACKAGE = Path(hn.__file__).parent


def transposed(x: Any) -> Any:
    return call("transpose", x, axes=(1, 0))


class Example(NamedTuple):
    """A program in which a rule fires; ``exact``: with numbers of any size, not only with whole ones."""

    rule: str
    fn: Callable[[Any], Any]
    dtype: str = "float32"
    exact: bool = True


EXAMPLES = [
    Example("times_one", lambda x: (1.0 * x) * 1),
    Example("times_one", lambda x: x * 1, "int8"),
    Example("times_one", lambda x: x * True, "bool"),
    Example("over_one", lambda x: x / 1),
    Example("plus_nothing", lambda x: -0.0 + (x + -0.0)),
    Example("plus_nothing", lambda x: x + 0, "uint8"),
    Example("minus_nothing", lambda x: x - 0.0, "float16"),
    Example("minus_nothing", lambda x: x - 0, "int64"),
    Example("plus_negative", lambda x: (x + -x[::-1]) + (-x + x[::-1])),
    Example("plus_negative", lambda x: x + -x[::-1], "uint16"),
    *(Example("power_by_name", lambda x, n=n: x**n, t) for n in (1, 2, 0.5) for t in ("float16", "bfloat16", "float32", "float64")),
    Example("nothing_changes", lambda x: call("cast", x.copy().reshape(x.shape), dtype=x.dtype)),
    Example("cast_of_cast", lambda x: x.astype("float32").astype("float16"), "float16"),
    Example("cast_of_cast", lambda x: x.astype("float64").astype("bfloat16"), "float32"),
    Example("whole_slice", lambda x: x[:, :]),
    Example("whole_slice", lambda x: call("slice_grad", x, shape=x.shape, key=(("slice", None, None, None),))),
    Example("reshape_of_reshape", lambda x: x.reshape((-1,)).reshape((2, -1))),
    Example("transpose_of_nothing", lambda x: call("transpose", x, axes=(0, 1))),
    Example("transpose_of_transpose", lambda x: transposed(transposed(x))),
    Example("transpose_of_product", lambda x: transposed(call("matmul", x, transposed(x))), exact=False),
    Example("product_of_transposes", lambda x: call("matmul", transposed(x), x), exact=False),
    *(Example("reduce_one", lambda x, n=n: call(n, x[:, :1], axis=(1,), keepdims=False)) for n in ("sum", "prod", "max", "min")),
    Example("reduce_one", lambda x: call("sum", x[:, :1], axis=(1,), keepdims=True), "bfloat16"),
]
#: Programs in which a rule fires under ``fast_math``, and operands for which it then gives another result.
FAST = [
    Example("plus_zero", lambda x: x + 0.0),
    Example("plus_zero", lambda x: x - -0.0),
    Example("gather_factors", lambda x: (x * 1000) * 1000, "float16"),
    Example("gather_factors", lambda x: ((x * 1e-20) ** 2) * 3),
]


def traced(fn: Callable[..., Any], *arrays: Any) -> Graph:
    trace = Trace()
    with tracing(trace):
        result = fn(*(wrap(NDArray, trace.argument(Spec(x.shape, x.dtype), cpu(), "x"), cpu()) for x in arrays))
        return trace.graph([trace.read(result)])


def without(name: str) -> Any:
    """``RULES`` with one left out."""
    return mock.patch.dict(RULES, {op: [r for r in rules if r.name != name] for op, rules in RULES.items()})


def programs(example: Example) -> tuple[Any, Graph, Graph, Graph]:
    """The operand, and the graph as it is written, simplified, and simplified by all other rules."""
    dtype = dtypes.as_dtype(example.dtype)
    x = special((6, 4), dtype, 3)
    if not example.exact:
        x = np.random.default_rng(3).integers(-3, 4, (6, 4)).astype(dtype)
    graph = traced(example.fn, x)
    with without(example.rule):
        others = simplify(graph)
    return x, graph, simplify(graph), others


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: f"{e.rule}-{e.dtype}")
def test_each_rule_fires_and_keeps_every_bit(example: Example) -> None:
    x, graph, after, others = programs(example)
    assert str(after) != str(others), "the rule did not fire"
    with np.errstate(all="ignore"):
        same_bits(interpret(after, [x])[0], interpret(graph, [x])[0], str(after))


@pytest.mark.parametrize("example", FAST, ids=lambda e: f"{e.rule}-{e.dtype}")
def test_rules_that_are_not_exact_fire_when_they_are_allowed(example: Example) -> None:
    x, graph, after, others = programs(example)
    assert str(after) == str(others), "an inexact rule fired by itself"
    with mock.patch.object(config, "fast_math", True):
        _, _, fast, _ = programs(example)
    assert str(fast) != str(after)
    with np.errstate(all="ignore"), pytest.raises(AssertionError):
        same_bits(interpret(fast, [x])[0], interpret(graph, [x])[0])  # if it is exact, it belongs to the others


def test_every_rule_has_an_example() -> None:
    rules = {r.name: r.fast for found in RULES.values() for r in found}
    assert {e.rule for e in EXAMPLES} == {name for name, fast in rules.items() if not fast}
    assert {e.rule for e in FAST} == {name for name, fast in rules.items() if fast}
    assert {OPS[op.name] for op in RULES} == set(RULES)


def test_what_a_setting_allows_is_part_of_the_key() -> None:
    x = hn.np.array([-0.0])
    f = jit(lambda x: x + 0.0)
    assert not np.signbit(f(x).asnumpy()[0])
    with mock.patch.object(config, "fast_math", True):
        assert np.signbit(f(x).asnumpy()[0])
    assert not np.signbit(f(x).asnumpy()[0])


# -- passes -----------------------------------------------------------------------------------------


def gradient(loss: Callable[..., Any]) -> Callable[..., Any]:
    def step(*arrays: Any) -> Any:
        for x in arrays:
            x.attach_grad()
        with autograd.record():
            y = loss(*arrays)
        y.backward()
        return (y, *(x.grad for x in arrays))

    return step


def normal(*shape: int, dtype: str = "float32", device: Any = None) -> Any:
    data = np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")
    return hn.np.array(data, ctx=device or hn.cpu()).astype(dtype)


def loop(x: Any) -> Any:
    return npx.foreach(lambda row, s: (row * 2 + row * 2, s), x, x[0])[0]


CPU_PASSES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "dce": (lambda x: (x.exp(), x + 2)[1], ((3,),)),
    "expand": (lambda x: npx.softmax(x), ((3,),)),
    "fold": (lambda x: x * (hn.np.ones(()) + 1), ((3,),)),
    "simplify": (lambda x: x * 1 + 2, ((3,),)),
    "cse": (lambda x: x.exp() + x.exp(), ((3,),)),
    "tiles": (gradient(lambda x: (x[:2] * x[2:]).sum()), ((4,),)),
    "bodies": (loop, ((40, 2),)),
    "dce-late": (lambda x: x * (hn.np.ones(()) + 1), ((3,),)),
    "fuse": (lambda x: x.exp() * 2 + 1, ((1 << 17,),)),
    "group": (lambda x, y: _decay(x, y), ((3,), (4,))),
}
GPU_PASSES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "layout": (lambda x, w: npx.convolution(npx.relu(npx.convolution(x, w, no_bias=True)), w, no_bias=True), ((2, 8, 9, 9), (8, 8, 3, 3))),
    "expand-late": (lambda x, w: npx.convolution(x, w, no_bias=True), ((2, 8, 9, 9), (8, 8, 3, 3))),
    "casts": (lambda *xs: npx.layer_norm(*(x.astype("float32") * 2 for x in xs)).astype("float16"), ((4, 32), (32,), (32,))),
    "epilogue": (lambda x, w, b: npx.fully_connected(x, w, b), ((3, 8), (8, 8), (8,))),
}


def _decay(*xs: Any) -> Any:
    for x in xs:
        x[...] = x * 0.5 + 1
    return xs[0].sum()


def effects(fn: Callable[..., Any], arrays: list[Any]) -> set[str]:
    """Which passes change the graph of a function."""
    found: set[str] = set()

    def spied(name: str, run: Callable[..., Graph]) -> Callable[..., Graph]:
        def spy(graph: Graph, *args: Any) -> Graph:
            after = run(graph, *args)
            if str(after) != str(graph):
                found.add(name)
            return after

        return spy

    passes = tuple(p._replace(run=spied(p.name, p.run)) for p in PASSES)
    with (
        mock.patch("hybridnet.graph.passes.PASSES", passes),
        mock.patch("hybridnet.codegen.numpy_program.fuse", spied("fuse", fuse)),
        mock.patch("hybridnet.codegen.numpy_program.group", spied("group", group)),
    ):
        jit(lambda *xs: fn(*xs))(*arrays)
    return found


@pytest.mark.parametrize("name", CPU_PASSES)
def test_each_pass_fires(name: str) -> None:
    fn, shapes = CPU_PASSES[name]
    assert name in effects(fn, [normal(*s) for s in shapes])


@pytest.mark.parametrize("name", GPU_PASSES)
def test_each_pass_for_a_gpu_fires(name: str, emulated_gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fn, shapes = GPU_PASSES[name]
    if name == "expand-late":  # as where no library computes convolutions
        monkeypatch.setattr(sys.modules["hybridnet.graph.passes.expand"], "stays_whole", lambda node: False)
    assert name in effects(fn, [normal(*s, dtype="float16", device=hn.gpu()) for s in shapes])


def test_every_pass_has_an_example() -> None:
    assert {*CPU_PASSES, *GPU_PASSES} == NAMES


def test_an_unknown_pass_cannot_be_left_out() -> None:
    with (
        mock.patch.object(config, "disabled_passes", frozenset({"simplfy"})),
        pytest.raises(ArgumentError, match=r"\[HYBRIDNET_DISABLE_PASSES\] expected names of passes: .*simplify.*; got simplfy"),
    ):
        jit(lambda x: x + 1)(hn.np.ones(2))


# -- names of operators -------------------------------------------------------------------------------


def test_a_misspelt_name_is_an_error() -> None:
    x = hn.np.ones(2)
    graph = traced(lambda x: x + 1, np.ones(2))
    (add,) = (n for n in graph.nodes if n.calls("add"))
    for wrong in (
        lambda: call("sinn", x),
        lambda: add.calls("add", "sinn"),
        lambda: rule("sinn"),
        lambda: Rewriter(graph).emit("sinn", add.inputs[:1], {}, add),
    ):
        with pytest.raises(ArgumentError, match=r"\[sinn\] expected the name of an operator; got 'sinn'; .*; try sin"):
            wrong()  # type: ignore[no-untyped-call]


#: Functions whose string arguments are names of operators.
TAKE_NAMES = {"call", "_call", "emit", "_emit", "find", "calls", "rule", "_made_by"}


def named_operators(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Names of operators in a module, each with its line."""
    for node in ast.walk(tree):
        found: list[ast.expr] = []
        if isinstance(node, ast.Call):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) and function.attr != "find" else getattr(function, "id", "")
            if name in TAKE_NAMES:
                found = node.args if name in ("calls", "rule", "_made_by") else node.args[:1]
        elif isinstance(node, ast.Subscript) and getattr(node.value, "id", "") == "OPS":
            found = [node.slice]
        elif isinstance(node, ast.Match) and is_name_of_operator(node.subject):
            found = [v for case in node.cases for p in ast.walk(case.pattern) if isinstance(p, ast.MatchValue) for v in (p.value,)]
        yield from ((v.value, v.lineno) for v in found if isinstance(v, ast.Constant) and isinstance(v.value, str))


def is_name_of_operator(node: ast.AST) -> bool:
    """Whether an expression is ``op.name``."""
    if not (isinstance(node, ast.Attribute) and node.attr == "name"):
        return False
    return getattr(node.value, "attr", getattr(node.value, "id", "")) == "op"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_names_of_operators_exist(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    known = {op.name for op in ALL_OPS}
    unknown = [f"{path}:{line} {name}" for name, line in named_operators(tree) if name not in known]
    assert not unknown, "no operator has that name"
    compared = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Compare) and is_name_of_operator(node.left)]
    assert not compared or "graph" not in path.parts, f"{path}:{compared}: node.calls(name) looks the name up"


def test_the_text_of_reductions_knows_their_names() -> None:
    from hybridnet.codegen.numpy_text import _REDUCERS

    assert set(_REDUCERS) <= set(OPS)


def test_optimised_programs_are_what_they_were() -> None:
    """The table's programs once more, through all passes."""
    for example in EXAMPLES:
        x, graph, _, _ = programs(example)
        with np.errstate(all="ignore"):
            same_bits(interpret(optimize(graph), [x])[0], interpret(graph, [x])[0], example.rule)
