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
from hybridnet.device import cpu, hardware, onednn
from hybridnet.errors import ArgumentError, GraphError
from hybridnet.graph import operators
from hybridnet.graph.interpret import interpret
from hybridnet.graph.ir import Graph
from hybridnet.graph.passes import PASSES
from hybridnet.graph.passes.simplify import RULES, simplify
from hybridnet.graph.trace import Trace, tracing
from hybridnet.lowering import LOWERING
from hybridnet.ops.collective.collective import all_reduce

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
    *(Example("negative_of_negative", lambda x: call("negative", -x), t) for t in ("float32", "bfloat16", "int8", "uint16")),
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


KERNEL, SCALE = normal(8, 8, 3, 3), normal(8, 1, 1)  # settled: not given, but read

CPU_PASSES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "dce": (lambda x: (x.exp(), x + 2)[1], ((3,),)),
    "decompose": (lambda x: npx.log_softmax(x), ((3,),)),
    "fold": (lambda x: x * (hn.np.ones(()) + 1), ((3,),)),
    "simplify": (lambda x: x * 1 + 2, ((3,),)),
    "cse": (lambda x: x.exp() + x.exp(), ((3,),)),
    "absorb": (lambda x: npx.convolution(x, KERNEL, no_bias=True) * SCALE, ((2, 8, 9, 9),)),
    "concat_slices": (gradient(lambda x: (x[:2] * x[2:]).sum()), ((4,),)),
    "subgraphs": (loop, ((40, 2),)),
    "dce-late": (lambda x: x * (hn.np.ones(()) + 1), ((3,),)),
    "fuse": (lambda x: x.exp() * 2 + 1, ((1 << 17,),)),
    "multi_tensor": (lambda x, y: _decay(x, y), ((3,), (4,))),
    "dce-lowered": (lambda x: x.exp() * 2 + 1, ((1 << 17,),)),
    "insert_copies": (lambda x: (x, x.T.reshape((-1,))), ((2, 3),)),
    "copy_inputs": (lambda x: npx.foreach(lambda row, s: (row, (s[1] + row, s[0])), x, [x[0], x[1]])[1], ((40, 2),)),
    "ungroup": (lambda x, y: _decay(x, y), ((3,), (4,))),  # arguments, which are not the program's to lay into one array
}
ONEDNN_PASSES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "join": (lambda x: npx.relu(npx.convolution(x, KERNEL, no_bias=True)), ((2, 8, 9, 9),)),
}
GPU_PASSES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "layout": (lambda x, w: npx.convolution(npx.relu(npx.convolution(x, w, no_bias=True)), w, no_bias=True), ((2, 8, 9, 9), (8, 8, 3, 3))),
    "decompose-late": (lambda x, w: npx.convolution(x, w, no_bias=True), ((2, 8, 9, 9), (8, 8, 3, 3))),
    "casts": (lambda *xs: npx.layer_norm(*(x.astype("float32") * 2 for x in xs)).astype("float16"), ((4, 32), (32,), (32,))),
    "epilogue": (lambda x, w, b: npx.fully_connected(x, w, b), ((3, 8), (8, 8), (8,))),
    "recompute": (lambda x: _twice_read(x), ((64, 64),)),
    "buckets": (lambda *xs: [all_reduce(x) for x in xs], ((3,), (4,))),
    "join_losses": (gradient(lambda x: npx.softmax_cross_entropy(x, hn.np.zeros(x.shape[:1], dtype="int32", ctx=hn.gpu()))), ((4, 8),)),
    "expose_parts": (lambda x, *parameters: _normalised(x, *parameters), ((128, 12, 13, 16), (16,), (16,))),
    "chunk_losses": (lambda x, w: _scores(x, w), ((192, 16), (16, 48))),
    "gelus": (lambda x, w, b: npx.gelu(npx.fully_connected(x, w, b), "tanh"), ((4, 16), (8, 16), (8,))),
    "reshapes": (lambda x: (x * 2).reshape((-1,)) + 1, ((4, 8),)),
    "residuals": (lambda x, y, gamma: _stream(x, y, gamma), ((6, 64), (64, 64), (64,))),
    "last_block": (lambda x, *parameters: _normalised(x, *parameters), ((128, 12, 13, 16), (16,), (16,))),
    "insert_layout_copies": (lambda x: x[:, ::2], ((4, 8),)),
    "cut_products": (lambda x: _stacked(x), ((12, 2, 4),)),
    "side_by_side": (gradient(lambda x: _stacked(x).sum()), ((12, 2, 4),)),
    "copy_elements": (loop, ((300, 3),)),  # rows of six bytes, which begin where not all kernels can read
}


def _normalised(x: Any, gamma: Any, beta: Any) -> Any:
    """In training, by the batch's statistics."""
    with autograd.record():
        return npx.batch_norm(x, gamma, beta, gamma * 0, gamma * 0 + 1, axis=3)


_scores = gradient(lambda x, w: npx.softmax_cross_entropy(hn.np.dot(x, w), hn.np.zeros(192, dtype="int32", ctx=hn.gpu())))


def _stream(x: Any, y: Any, gamma: Any) -> Any:
    """A residual stream: what is normed is read again."""
    x = x + hn.np.dot(x, y)
    return hn.np.dot(npx.layer_norm(x, gamma, gamma), y) + x


def _stacked(x: Any) -> Any:
    """Two recurrent layers that go step by step."""
    net = hn.gluon.rnn.LSTM(4, num_layers=2, input_size=4, dtype="float16")
    net.initialize(ctx=hn.gpu())
    return net(x)


def _decay(*xs: Any) -> Any:
    for x in xs:
        x[...] = x * 0.5 + 1
    return xs[0].sum()


def _twice_read(x: Any) -> Any:
    """A difference to a row's mean, read before and after a product."""
    y = x - x.mean(axis=1, keepdims=True)
    return hn.np.dot(hn.np.exp(y), x) * y


def effects(fn: Callable[..., Any], arrays: list[Any]) -> set[str]:
    """Which passes change the graph of a function."""
    found: set[str] = set()

    def spied(name: str, run: Callable[..., Graph]) -> Callable[..., Graph]:
        def spy(graph: Graph, *given: Any) -> Graph:
            after = run(graph, *given)
            if str(after) != str(graph):
                found.add(name)
            return after

        return spy

    passes = tuple(p._replace(run=spied(p.name, p.run)) for p in PASSES)
    rewrites = {program: tuple(p._replace(run=spied(p.name, p.run)) for p in listed) for program, listed in LOWERING.items()}
    with mock.patch("hybridnet.graph.passes.PASSES", passes), mock.patch("hybridnet.lowering.LOWERING", rewrites):
        jit(lambda *xs: fn(*xs))(*arrays)
    return found


@pytest.mark.parametrize("name", CPU_PASSES)
def test_each_pass_fires(name: str) -> None:
    fn, shapes = CPU_PASSES[name]
    assert name in effects(fn, [normal(*s) for s in shapes])


@pytest.mark.skipif(not onednn.available(), reason="oneDNN is not installed (the extra cpu), or left out")
@pytest.mark.parametrize("name", ONEDNN_PASSES)
def test_each_pass_for_a_library_of_a_cpu_fires(name: str) -> None:
    fn, shapes = ONEDNN_PASSES[name]
    assert name in effects(fn, [normal(*s) for s in shapes])


@pytest.mark.parametrize("name", GPU_PASSES)
def test_each_pass_for_a_gpu_fires(name: str, emulated_gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fn, shapes = GPU_PASSES[name]
    if name == "decompose-late":  # as where no library computes convolutions
        monkeypatch.setattr(sys.modules["hybridnet.graph.passes.decompose"], "has_fused_implementation", lambda node: False)
    monkeypatch.setattr(hardware, "RECURRENT_BYTES", 0)  # few units would be one launch a layer
    monkeypatch.setattr(config, "score_bytes", 64 * 48 * 2 if name == "chunk_losses" else 0)
    assert name in effects(fn, [normal(*s, dtype="float16", device=hn.gpu()) for s in shapes])


def test_every_pass_has_an_example() -> None:
    listed = {p.name for p in (*PASSES, *(p for rewrites in LOWERING.values() for p in rewrites))}
    assert {*CPU_PASSES, *ONEDNN_PASSES, *GPU_PASSES} == listed - {
        "choose"
    }  # which notes who computes a node, and changes no graph: test_backend.py


@pytest.mark.parametrize(
    ("name", "got"),
    [("simplfy", "simplfy"), ("group", "group"), ("insert_copies", r"insert_copies \(.*; required, or results would share memory .*\)")],
)
def test_what_is_no_pass_and_what_no_program_can_do_without_cannot_be_left_out(name: str, got: str) -> None:
    with (
        mock.patch.object(config, "disabled_passes", frozenset({name})),
        pytest.raises(ArgumentError, match=rf"\[HYBRIDNET_DISABLE_PASSES\] expected names of passes: .*simplify.*; got {got}"),
    ):
        jit(lambda x: x + 1)(hn.np.ones(2))


@pytest.mark.parametrize("name", ["cse", "fuse", "insert_copies"])
def test_what_a_rewrite_breaks_is_found_after_it(name: str) -> None:
    """Under HYBRIDNET_DEBUG=1 every listed rewrite is verified, and named."""

    def broken(graph: Graph, *given: Any) -> Graph:
        return Graph(graph.inputs, graph.nodes[:-1], graph.outputs)

    passes = tuple(p._replace(run=broken) if p.name == name else p for p in PASSES)
    rewrites = {program: tuple(p._replace(run=broken) if p.name == name else p for p in listed) for program, listed in LOWERING.items()}
    with (
        mock.patch("hybridnet.graph.passes.PASSES", passes),
        mock.patch("hybridnet.lowering.LOWERING", rewrites),
        mock.patch.object(config, "debug", 1),
        pytest.raises(GraphError, match=f"the graph returns a value that it does not compute after pass {name}"),
    ):
        jit(lambda x: (x + 1).sum())(hn.np.ones(2))


# -- names of operators -------------------------------------------------------------------------------


def test_a_misspelt_name_is_an_error() -> None:
    with pytest.raises(ArgumentError, match=r"\[sinn\] expected the name of an operator; got 'sinn'; .*; try sin"):
        call("sinn", hn.np.ones(2))


def test_a_misspelt_operator_of_the_compiler_is_an_error_at_import() -> None:
    """Of a record that does not exist, and of a constant for one."""
    text = Path(operators.__file__).read_text(encoding="utf-8")
    assert 'find("negative")' in text
    with pytest.raises(ArgumentError, match=r"\[negativ\] expected the name of an operator; got 'negativ'; .*; try negative"):
        exec(text.replace('find("negative")', 'find("negativ")'), {"__name__": "operators"})
    with pytest.raises(ImportError, match="NEGATIV"):
        exec("from hybridnet.graph.operators import NEGATIV", {})


#: Functions that take an operator's name as their first argument.
TAKE_NAMES = {"call", "_call", "find"}
#: What compares operators as records, from ``graph/operators.py``.
COMPILER = ("graph", "lowering", "codegen", "runtime")


def uses_of_names(tree: ast.AST) -> Iterator[int]:
    """The lines of a module that look an operator up by its name or compare its name with something."""
    for node in ast.walk(tree):
        asked: list[ast.expr | None] = []
        if isinstance(node, ast.Compare):
            asked = [node.left, *node.comparators]
        elif isinstance(node, ast.Match):
            asked = [node.subject]
        elif isinstance(node, ast.Subscript):
            asked = [node.slice]
            if getattr(node.value, "id", getattr(node.value, "attr", "")) == "OPS":
                yield node.lineno
        elif isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Attribute):
                asked = list(node.args) if function.attr in ("get", "startswith", "endswith", "index", "count") else []
            elif getattr(function, "id", "") in TAKE_NAMES and any(isinstance(a, ast.Constant) for a in node.args[:1]):
                yield node.lineno
        yield from (node.lineno for a in asked if a is not None and is_name_of_operator(a))


def is_name_of_operator(node: ast.AST) -> bool:
    """Whether an expression is ``op.name``."""
    if not (isinstance(node, ast.Attribute) and node.attr == "name"):
        return False
    return getattr(node.value, "attr", getattr(node.value, "id", "")) == "op"


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize(
    "path", [p for p in MODULES if p.relative_to(PACKAGE).parts[0] in COMPILER], ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_the_compiler_compares_records_and_no_names(path: Path) -> None:
    lines = list(uses_of_names(ast.parse(path.read_text(encoding="utf-8"))))
    if path.name == "operators.py":
        assert lines
    else:
        assert not lines, f"{path}:{lines}: compare with a record of hybridnet/graph/operators.py"


@pytest.mark.parametrize(
    "text",
    [
        'node.op.name == "add"',
        'op.name in ("add", "sum")',
        'match node.op.name:\n    case "add": pass',
        "TABLE[node.op.name]",
        "TABLE.get(op.name)",
        'OPS["add"]',
        "OPS[name]",
        'find("add")',
        'call("add", x, y)',
    ],
)
def test_uses_of_names_are_seen(text: str) -> None:
    assert list(uses_of_names(ast.parse(text))) == [1]


def named_operators(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Names of operators that a module looks up, each with its line."""
    for node in ast.walk(tree):
        named: list[ast.expr] = []
        if isinstance(node, ast.Call):
            if getattr(node.func, "id", getattr(node.func, "attr", "")) in TAKE_NAMES - {"find"}:
                named = node.args[:1]
        elif isinstance(node, ast.Subscript) and getattr(node.value, "id", "") == "OPS":
            named = [node.slice]
        yield from ((v.value, v.lineno) for v in named if isinstance(v, ast.Constant) and isinstance(v.value, str))


def test_names_of_operators_exist() -> None:
    known = {op.name for op in ALL_OPS}
    named = [(path, line, name) for path in MODULES for name, line in named_operators(ast.parse(path.read_text(encoding="utf-8")))]
    assert len(named) > 100
    assert not [f"{path}:{line} {name}" for path, line, name in named if name not in known], "no operator has that name"
