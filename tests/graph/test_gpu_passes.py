"""Passes that change what a GPU computes: the same numbers with and without each, and what they are for."""

import re
from collections.abc import Callable, Sequence
from typing import Any
from unittest import mock

import numpy
import pytest

import hybridnet as hn
from hybridnet import amp, autograd, npx
from hybridnet.config import config

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("emulated_gpu")]

RNG = numpy.random.default_rng(5)


def normal(*shape: int, dtype: str = "float32") -> Any:
    return hn.np.array(RNG.normal(size=shape).astype("float32"), ctx=hn.gpu()).astype(dtype)


def nodes(function: Callable[..., Any], arrays: Sequence[Any], stage: str = "optimized") -> list[str]:
    """The operators of a compiled function's graph, with the types of their first operand and first result where they differ."""
    found = []
    for node in hn.jit(function).graph(*arrays, stage=stage).nodes:
        types = [v.dtype.name for v in (*node.inputs[:1], node.outputs[0])]
        found.append(node.op.name if len(set(types)) == 1 else f"{node.op.name} {' '.join(types)}")
    return found


def with_and_without(name: str, function: Callable[..., Any], arrays: Sequence[Any]) -> tuple[list[numpy.ndarray], list[numpy.ndarray]]:
    """The results of a compiled function with the pass of that name, and without."""
    found = []
    for left_out in (frozenset(), frozenset({name})):
        with mock.patch.object(config, "disabled_passes", left_out):
            results = hn.jit(lambda *xs: function(*xs))(*arrays)
            found.append([y.astype("float32").asnumpy() for y in results])
    return found[0], found[1]


def gradients(loss: Callable[..., Any]) -> Callable[..., Any]:
    """A function of arrays that gives the result of ``loss`` and its gradients."""

    def function(*arrays: Any) -> Any:
        for x in arrays:
            x.attach_grad()
        with autograd.record():
            y = loss(*arrays)
        y.backward()
        return (y, *(x.grad for x in arrays))

    return function


# -- casts ----------------------------------------------------------------------------------------


def _one_reader(x: Any, gamma: Any, beta: Any, w: Any) -> Any:
    return npx.fully_connected(npx.layer_norm(x, gamma, beta), w, no_bias=True, flatten=False)


def _flattened(x: Any, gamma: Any, beta: Any, w: Any) -> Any:
    y = npx.layer_norm(x, gamma, beta).reshape((-1, x.shape[-1]))
    again = npx.fully_connected(y.reshape((2, -1, x.shape[-1])), w, no_bias=True, flatten=False)
    return npx.fully_connected(y, w, no_bias=True) + again.sum()


def _of_squares(x: Any, gamma: Any, beta: Any, w: Any) -> Any:
    return npx.fully_connected(npx.rms_norm(x, gamma), w, no_bias=True, flatten=False) + beta.sum()


def _read_otherwise(x: Any, gamma: Any, beta: Any, w: Any) -> Any:
    y = npx.layer_norm(x, gamma, beta)
    return npx.fully_connected(y, w, no_bias=True, flatten=False).sum() + (y * y).sum()


@pytest.mark.parametrize("half", ["bfloat16", "float16"])
@pytest.mark.parametrize(
    ("model", "forward", "backward"),
    [(_one_reader, True, True), (_flattened, True, False), (_of_squares, True, True), (_read_otherwise, False, False)],
)
def test_norms_take_the_casts_beside_them_along(half: str, model: Any, forward: bool, backward: bool) -> None:
    arrays = [normal(2, 3, 40), normal(40), normal(40), normal(8, 40)]
    amp.init(half)
    try:
        found = nodes(gradients(model), arrays)
        kind = "rms_norm" if model is _of_squares else "layer_norm"
        assert (f"{kind} float32 {half}" in found) is forward
        assert (f"{kind}_grad {half} float32" in found) is backward  # where the gradient is not a float32 sum
        for new, old in zip(*with_and_without("casts", gradients(model), arrays), strict=True):
            numpy.testing.assert_array_equal(new, old)
    finally:
        amp.init("float32")


def test_casts_to_several_types_and_of_results_stay() -> None:
    arrays = [normal(4, 32), normal(32), normal(32)]
    several = nodes(lambda *xs: [npx.layer_norm(*xs).astype(t) for t in ("float16", "bfloat16")], arrays)
    returned = nodes(lambda *xs: (y := npx.layer_norm(*xs), y.astype("float16")), arrays)
    assert several == ["layer_norm", "cast float32 float16", "cast float32 bfloat16"]
    assert returned == ["layer_norm", "cast float32 float16"]
    assert nodes(lambda *xs: npx.layer_norm(*xs).astype("float16"), arrays) == ["layer_norm float32 float16"]


# -- epilogues ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("half", "rows", "joined"),
    [("bfloat16", 4096, True), ("float16", 4096, True), ("bfloat16", 16, False), ("float32", 4096, False)],
)
def test_a_bias_gets_its_gradient_with_the_weight(half: str, rows: int, joined: bool) -> None:
    """If the library does it, and where the sum would be a launch of its own."""
    x, w, b = normal(rows, 16), normal(136, 16), normal(136)

    def model(x: Any, w: Any, b: Any) -> Any:
        return npx.fully_connected(x, w, b) * 0.01

    amp.init(half)
    try:
        found = nodes(gradients(model), [x, w, b])
        assert [name for name in found if name.startswith("matmul_sums")] == ["matmul_sums"] * joined
        for new, old in zip(*with_and_without("epilogue", gradients(model), [x, w, b]), strict=True):
            numpy.testing.assert_allclose(new, old, rtol=2e-2, atol=2e-2)
    finally:
        amp.init("float32")


def test_sums_wait_for_both_operands() -> None:
    """What reads the sum may make the product's other operand: then they cannot be one."""

    def function(g: Any, x: Any) -> Any:
        total = g.sum(axis=0)
        return hn.np.dot(g.T, x + total), total

    g, x = normal(4096, 136, dtype="bfloat16"), normal(4096, 136, dtype="bfloat16")
    assert "matmul_sums" not in nodes(function, [g, x])


# -- what is computed again -----------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "arrays"), [("bfloat16", 2), ("float32", 3)])
def test_what_an_activation_and_its_gradient_share_is_stored_only_in_full_width(
    dtype: str, arrays: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float32 a tangent hyperbolicus costs more than the memory; that of a 16-bit number costs less."""
    x, w = normal(256, 256, dtype=dtype), normal(256, 256, dtype=dtype)
    monkeypatch.setattr(config, "disabled_passes", frozenset({"gelus"}))  # of 16-bit numbers it would go with the product
    model = gradients(lambda x, w: hn.np.dot(npx.gelu(hn.np.dot(x, w), approximation="tanh"), w))
    (forward,) = re.findall(r"tanh_\d+<<<.*>>>\((.*)\)", hn.jit(model).program(x, w))[:1]
    assert len(forward.split(", ")) == arrays
    for new, old in zip(*with_and_without("fuse", model, [x, w]), strict=True):
        numpy.testing.assert_allclose(new, old, rtol=2e-2, atol=2e-2 * abs(old).max())


# -- losses ---------------------------------------------------------------------------------------


def _focused(losses: Any) -> Any:
    return (losses * losses).sum()


@pytest.mark.parametrize(
    ("of_losses", "joined"),
    [
        (lambda losses: losses.mean(), True),
        (lambda losses: (losses * hn.np.arange(5.0, ctx=hn.gpu())).sum() * 3, True),
        (_focused, False),  # what comes from behind it needs the loss
        (lambda losses: losses.mean() + _focused(losses.detach()), True),
    ],
    ids=["mean", "weighted", "of the loss itself", "read beside"],
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_loss_and_its_gradient_are_one_kernel(dtype: str, of_losses: Callable[[Any], Any], joined: bool) -> None:
    labels = hn.np.array([0, 6, 9, 2, 2], ctx=hn.gpu())

    def function(x: Any) -> Any:
        y, dx = gradients(lambda x: of_losses(npx.softmax_cross_entropy(x * 2, labels)))(x)
        return y + 1, dx, y * 2  # what reads the loss waits for it

    x = normal(5, 7, dtype=dtype)
    program = hn.jit(function).program(x)
    assert ("softmax_cross_entropy_both" in program) == joined
    assert ("softmax_cross_entropy_grad" in program) != joined
    for a, b in zip(*with_and_without("join_losses", function, (x,)), strict=True):
        assert a.tolist() == b.tolist(), "to the last bit"


# -- statistics of channels -----------------------------------------------------------------------


def _normalised(layout: str, then: Callable[[Any], Any]) -> Callable[..., Any]:
    def loss(x: Any, gamma: Any, beta: Any, head: Any) -> Any:
        mean, var = (hn.np.full(gamma.shape, float(i), ctx=hn.gpu()) for i in range(2))
        y = npx.batch_norm(x, gamma, beta, mean, var, fix_gamma=False, axis=3 if layout == "NHWC" else 1)
        return (then(y) * head).sum() + (mean * var).sum().detach()

    return gradients(loss)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("then", [npx.relu, lambda y: y, lambda y: npx.relu(y) + hn.np.exp(-y)], ids=["relu", "plain", "read twice"])
def test_parts_of_channels_are_joined_with_what_follows(layout: str, dtype: str, then: Callable[[Any], Any]) -> None:
    """Each batch norm has two launches for its statistics, and a relu's mask is no array."""
    shape = (70, 12, 13, 16) if layout == "NHWC" else (70, 16, 12, 13)
    arrays = normal(*shape, dtype=dtype), normal(16) + 2, normal(16), normal(*shape, dtype=dtype)
    function = _normalised(layout, then)
    program = hn.jit(lambda *xs: function(*xs)).program(*arrays)
    steps = program[: program.index("#include")]
    for whole in ("moments", "centred"):
        assert len(re.findall(rf"{whole}_parts\w+<<<", steps)) == 1
    assert not re.findall(r" (?:multiply_)?sum\w+<<<", steps), "what joins parts is no launch"
    for new, old in zip(*with_and_without("expose_parts", function, arrays), strict=True):
        atol = (1e-2 if dtype == "bfloat16" else 1e-5) * abs(old).max()
        numpy.testing.assert_allclose(new, old, rtol=1e-2 if dtype == "bfloat16" else 1e-4, atol=atol)


# -- residual streams -----------------------------------------------------------------------------


def _stream(norm: Callable[..., Any], narrow: str) -> Callable[..., Any]:
    """Two blocks of a transformer without its attention: products in a 16-bit type, or in float32 as the stream is."""

    def loss(x: Any, w: Any, gamma: Any, beta: Any) -> Any:
        for _ in range(2):
            y = norm(x, gamma, beta) if norm is npx.layer_norm else norm(x, gamma)
            x = x + hn.np.dot(y.astype(narrow), w.astype(narrow)).astype("float32")
        return (norm(x, gamma, beta) if norm is npx.layer_norm else norm(x, gamma)).sum() + (x * x).sum()

    return gradients(loss)


@pytest.mark.parametrize("narrow", ["float32", "bfloat16"])
@pytest.mark.parametrize("norm", [npx.layer_norm, npx.rms_norm])
def test_norms_take_the_sums_of_residuals_along(norm: Callable[..., Any], narrow: str) -> None:
    """To the last bit what sums of their own give, and no kernel that only adds."""
    arrays = normal(12, 64), normal(64, 64), normal(64), normal(64)
    function = _stream(norm, narrow)
    found = nodes(function, arrays, "lowered")
    joined = [name for name in found if name.startswith("residual_norm")]
    assert len([n for n in joined if "grad" not in n]) == 2 and len([n for n in joined if "grad" in n]) >= 2, found
    for new, old in zip(*with_and_without("residuals", function, arrays), strict=True):
        assert new.tolist() == old.tolist()


def _branches(norm: Callable[..., Any], count: int) -> Callable[..., Any]:
    """A norm that so many products read in 16 bits, as matrices."""

    def loss(x: Any, w: Any, gamma: Any, beta: Any) -> Any:
        y = norm(x, gamma, beta) if norm is npx.layer_norm else norm(x, gamma)
        for i in range(count):
            product = hn.np.dot(y.astype("bfloat16").reshape((-1, 64)), (w * (i + 1)).astype("bfloat16"))
            x = x + product.astype("float32").reshape(x.shape)
        return x * x

    return gradients(loss)


@pytest.mark.parametrize("count", [2, 3, 4, 5])
@pytest.mark.parametrize("norm", [npx.layer_norm, npx.rms_norm])
def test_a_norm_sums_what_products_give_for_it(norm: Callable[..., Any], count: int) -> None:
    """As its gradient reads them, up to four; of five a region does. To the last bit what sums of their own give."""
    arrays = normal(3, 4, 64), normal(64, 64), normal(64), normal(64)
    function = _branches(norm, count)
    lowered = hn.jit(function).graph(*arrays, stage="lowered").nodes
    (grad,) = [node for node in lowered if node.op.name == "residual_norm_grad"]
    assert grad.attrs["summands"] == (count - 1 if count <= 4 else 0)
    for name in ("residuals", "reshapes"):
        for new, old in zip(*with_and_without(name, function, arrays), strict=True):
            assert new.tolist() == old.tolist()


def test_a_sum_stays_with_what_computes_its_operand() -> None:
    """What only the sum reads is one kernel with it: joined to the norm it would be stored for it."""

    def loss(x: Any, y: Any, gamma: Any, beta: Any) -> Any:
        x = x + hn.np.tanh(y)
        return npx.layer_norm(x, gamma, beta) * x

    arrays = normal(12, 64), normal(12, 64), normal(64), normal(64)
    assert not [name for name in nodes(loss, arrays, "lowered") if name.startswith("residual")]


# -- GELU -----------------------------------------------------------------------------------------


def _with_gelu(approximation: str) -> Callable[..., Any]:
    def loss(x: Any, w: Any, b: Any, v: Any) -> Any:
        y = npx.gelu(npx.fully_connected(x, w, b, flatten=False), approximation)
        return npx.fully_connected(y, v, no_bias=True, flatten=False).astype("float32").sum()

    return loss


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_products_take_gelu_along(dtype: str) -> None:
    """Forward with what it is of for the gradient, and that gradient's product with its slope; in inference without."""
    arrays = normal(2, 3, 16, dtype=dtype), normal(24, 16, dtype=dtype), normal(24, dtype=dtype), normal(8, 24, dtype=dtype)
    loss = _with_gelu("tanh")
    lowered = hn.jit(gradients(loss)).graph(*arrays, stage="lowered").nodes
    (forward,) = [n for n in lowered if n.op.name == "matmul_gelu"]
    assert forward.attrs["stored"] and [n.op.name for n in lowered].count("matmul_gelu_slope") == 1
    assert not [n for n in lowered if n.op.name == "fused" and "tanh" in str(n.attrs["body"])]
    (alone,) = [n for n in hn.jit(loss).graph(*arrays, stage="lowered").nodes if n.op.name == "matmul_gelu"]
    assert not alone.attrs["stored"] and len(alone.outputs) == 1
    for new, old in zip(*with_and_without("gelus", gradients(loss), arrays), strict=True):
        tolerance = 4e-3 if dtype == "float16" else 3e-2
        numpy.testing.assert_allclose(new, old, rtol=tolerance, atol=tolerance * abs(old).max())


@pytest.mark.parametrize(
    ("dtype", "approximation", "columns"),
    [("float32", "tanh", 24), ("bfloat16", "erf", 24), ("bfloat16", "tanh", 20)],
    ids=["float32", "another form", "rows that the library does not take"],
)
def test_gelu_that_stays_a_kernel(dtype: str, approximation: str, columns: int) -> None:
    arrays = [normal(*s, dtype=dtype) for s in ((6, 16), (columns, 16), (columns,), (8, columns))]
    lowered = hn.jit(gradients(_with_gelu(approximation))).graph(*arrays, stage="lowered").nodes
    assert not [n for n in lowered if n.op.name.startswith("matmul_gelu")]


# -- losses in chunks -----------------------------------------------------------------------------


def _scored(transposed: bool, read: bool = False) -> Callable[..., Any]:
    labels = hn.np.array(numpy.arange(2 * 96).reshape(2, 96) % 48, ctx=hn.gpu())

    def loss(x: Any, w: Any) -> Any:
        scores = npx.fully_connected(x, w, no_bias=True, flatten=False) if transposed else hn.np.dot(x, w)
        y = npx.softmax_cross_entropy(scores, labels).mean()
        return y + scores.astype("float32").mean() if read else y

    return gradients(loss)


@pytest.mark.parametrize("transposed", [True, False])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_scores_come_in_chunks(dtype: str, transposed: bool) -> None:
    """Of 192 rows 64 at a time: no array has all scores, and the loss and its gradients are what they are at once."""
    arrays = normal(2, 96, 16, dtype=dtype), normal(*((48, 16) if transposed else (16, 48)), dtype=dtype)
    function, found = _scored(transposed), []
    for most in (64 * 48 * 2, 0):
        with mock.patch.object(config, "score_bytes", most):
            lowered = hn.jit(function).graph(*arrays, stage="lowered")
            names = [n.op.name for n in lowered.nodes]
            assert names.count("softmax_cross_entropy_both") == (3 if most else 1)
            assert (names.count("matmul_wide"), names.count("matmul_added")) == ((1, 2) if most else (0, 0))
            assert any(v.size == 192 * 48 for n in lowered.nodes for v in n.outputs) == (not most)
            found.append([y.astype("float32").asnumpy() for y in hn.jit(lambda *xs: function(*xs))(*arrays)])
    for new, old in zip(*found, strict=True):
        tolerance = 2e-3 if dtype == "float16" else 2e-2
        numpy.testing.assert_allclose(new, old, rtol=tolerance, atol=tolerance * abs(old).max())


@pytest.mark.parametrize(("dtype", "read"), [("float32", False), ("bfloat16", True)], ids=["float32", "read beside"])
def test_scores_that_stay_whole(dtype: str, read: bool) -> None:
    arrays = normal(2, 96, 16, dtype=dtype), normal(48, 16, dtype=dtype)
    with mock.patch.object(config, "score_bytes", 64 * 48 * 2):
        lowered = hn.jit(_scored(True, read)).graph(*arrays, stage="lowered")
    assert not [n for n in lowered.nodes if n.op.name in ("matmul_wide", "matmul_added")]
