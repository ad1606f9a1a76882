"""Attention: its values and gradients, the layouts and masks, and cuDNN's forward and backward against its parts."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from emulator.libraries import installed
from support.samples import as_array, directions, samples_of, slope, wide
from test_dnn import by_library

from hybridnet import autograd, dtypes, npx
from hybridnet.compile import jit
from hybridnet.core import OPS, NDArray, array
from hybridnet.device import Device, cuda
from hybridnet.ops.nn.attention import scaled_dot_product_attention

Data = np.ndarray[Any, Any]


def filled(*shape: int, seed: int = 0) -> Data:
    return np.random.default_rng(seed).normal(size=shape)


def reference(q: Data, k: Data, v: Data, keep: Data | None = None, scale: float | None = None) -> Data:
    """Head by head, row by row."""
    y = np.zeros((*q.shape[:3], v.shape[3]))
    for b, h, s in np.ndindex(*q.shape[:3]):
        scores = (k[b, h] @ q[b, h, s]) * (q.shape[3] ** -0.5 if scale is None else scale)
        rows = np.arange(len(scores)) if keep is None else np.flatnonzero(np.broadcast_to(keep, (*y.shape[:3], len(scores)))[b, h, s])
        weights = np.exp(scores[rows] - scores[rows].max())
        y[b, h, s] = weights @ v[b, h, rows] / weights.sum()
    return y


def repeated(x: Data, heads: int, axis: int = 1) -> Data:
    """Keys or values with a head for each of the queries' ``heads``."""
    return np.repeat(x, heads // x.shape[axis], axis)


Q, K, V = filled(2, 3, 5, 4), filled(2, 3, 6, 4, seed=1), filled(2, 3, 6, 7, seed=2)


def attend(*arrays: Data, **attrs: Any) -> Data:
    operands = [as_array(x) for x in arrays[:3]]
    mask = attrs.pop("mask", None)
    return wide(scaled_dot_product_attention(*operands, mask=None if mask is None else as_array(mask), **attrs))


def test_values() -> None:
    np.testing.assert_allclose(attend(Q, K, V), reference(Q, K, V), rtol=1e-12)
    np.testing.assert_allclose(attend(Q, K, V, scale=0.3), reference(Q, K, V, scale=0.3), rtol=1e-12)
    turned = attend(*(x.swapaxes(1, 2) for x in (Q, K, V)), layout="BSHD")
    np.testing.assert_allclose(turned.swapaxes(1, 2), reference(Q, K, V), rtol=1e-12)


@pytest.mark.parametrize("shared", [1, 2, 3])
def test_shared_heads(shared: int) -> None:
    """Each head of keys and values is that of as many neighbouring heads of queries, whatever masks there are."""
    q, k, v = filled(2, 6, 5, 4), filled(2, shared, 7, 4, seed=1), filled(2, shared, 7, 3, seed=2)
    keep = filled(2, 6, 5, 7, seed=3) > -0.5
    keep[..., 0] = True
    expected = reference(q, repeated(k, 6), repeated(v, 6), keep & np.tri(5, 7, dtype=bool))
    np.testing.assert_allclose(attend(q, k, v, mask=keep, causal=True), expected, rtol=1e-12)
    turned = attend(*(x.swapaxes(1, 2) for x in (q, k, v)), mask=keep, causal=True, layout="BSHD")
    np.testing.assert_allclose(turned.swapaxes(1, 2), expected, rtol=1e-12)


@pytest.mark.parametrize("shape", [(2, 1, 1, 6), (5, 6), (1, 3, 5, 1), (2, 3, 5, 6)])
def test_masks(shape: tuple[int, ...]) -> None:
    keep = filled(*shape, seed=3) > -0.5
    keep[..., 0] = True
    np.testing.assert_allclose(attend(Q, K, V, mask=keep), reference(Q, K, V, keep), rtol=1e-12)
    added = attend(Q, K, V, mask=np.where(keep, 0.0, -1e4))
    np.testing.assert_allclose(added, reference(Q, K, V, keep), rtol=1e-12)


def test_causal() -> None:
    keep = np.tri(5, 6, dtype=bool)
    np.testing.assert_allclose(attend(Q, K, V, causal=True), reference(Q, K, V, keep), rtol=1e-12)
    np.testing.assert_allclose(
        attend(Q, K[:, :, :3], V[:, :, :3], causal=True), reference(Q, K[:, :, :3], V[:, :, :3], keep[:, :3]), rtol=1e-12
    )


NOTHING: dict[str, tuple[Any, bool]] = {  # a mask, and whether it is causal besides
    "no keys for some": (np.arange(30).reshape(5, 6) < 18, False),
    "no keys for a sample": (np.array([True, False]).reshape(2, 1, 1, 1), False),
    "none up to some positions": (np.arange(6) > 2, True),
    "minus infinity added": (np.where(np.arange(30).reshape(5, 6) < 18, 0.5, -np.inf), False),
    "minus infinity added, causal": (np.where(np.arange(6) > 2, 0.5, -np.inf), True),
}


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("layout", ["BHSD", "BSHD"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", NOTHING)
def test_a_query_without_a_key_has_nothing(name: str, dtype: Any, layout: str, compiled: bool) -> None:
    """Its result is 0 and so are all gradients; others are as they would be without it."""
    mask, causal = NOTHING[name]
    keep = np.broadcast_to(mask if mask.dtype == bool else np.isfinite(mask), (2, 3, 5, 6)) & (np.tri(5, 6, dtype=bool) | (not causal))
    alive = keep.any(-1, keepdims=True)
    assert not alive.all() and alive.any()
    turn = (lambda x: x.swapaxes(1, 2)) if layout == "BSHD" else lambda x: x
    expected = np.where(alive, reference(Q, K, V, keep | ~alive), 0)

    def step(*arrays: Any) -> Any:
        for x in arrays:
            x.attach_grad()
        with autograd.record():
            y = scaled_dot_product_attention(*arrays, mask=as_array(mask, dtype), causal=causal, layout=layout)
        return y, *autograd.grad(y, list(arrays))

    arrays = [as_array(np.ascontiguousarray(turn(x)), dtype) for x in (Q, K, V)]
    y, *gradients = (jit(step) if compiled else step)(*arrays)
    np.testing.assert_allclose(turn(wide(y)), expected, atol=1e-2 if dtype == np.float16 else 1e-5)
    assert not wide(y)[~np.broadcast_to(turn(alive), y.shape)].any()
    assert all(np.isfinite(wide(g)).all() for g in gradients)
    assert not wide(gradients[0])[~np.broadcast_to(turn(alive), arrays[0].shape)].any()
    if name == "no keys for a sample":
        assert not any(wide(g)[1].any() for g in gradients) and all(wide(g)[0].any() for g in gradients)


def test_no_keys_at_all() -> None:
    assert not attend(Q, K[:, :, :0], V[:, :, :0]).any()
    assert attend(Q, K[:, :, :0], V[:, :, :0]).shape == (2, 3, 5, 7)
    q, k, v = (as_array(x) for x in (Q, K[:, :, :0], V[:, :, :0]))
    for x in (q, k, v):
        x.attach_grad()
    with autograd.record():
        y = scaled_dot_product_attention(q, k, v)
    y.backward()
    assert not wide(q.grad).any() and k.grad.shape == k.shape


def test_scores_beyond_16_bits() -> None:
    """A product that float16 does not hold, though its scaled value and every result fit."""
    q = np.full((1, 1, 2, 64), 60, np.float16)
    np.testing.assert_array_equal(attend(q, q, q), q)
    steep = (np.random.default_rng(0).normal(size=(1, 1, 3, 64)) * 600).astype(np.float16)
    np.testing.assert_allclose(attend(steep, steep, steep), reference(*[steep.astype(np.float64)] * 3), rtol=2e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((Q[0], K, V), "arrays of 4 dimensions"),
        ((Q, K[..., :3], V), "as many batches and heads"),
        ((Q, K, V[:, :, :2]), "as many batches and heads"),
        ((Q, K[:, :2], V[:, :2]), "a divisor of the queries' heads"),
        ((Q, K[:, :1], V), "as many batches and heads"),
        ((Q, K[:, :0], V[:, :0]), "a divisor of the queries' heads"),
        ((Q, K, V, np.ones((2, 3, 4, 6), bool)), "mask that broadcasts|shapes that broadcast"),
        ((Q, K, V, np.ones((1, 2, 3, 5, 6), bool)), "a mask of 4 dimensions"),
    ],
)
def test_errors(arguments: tuple[Data, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scaled_dot_product_attention(*map(as_array, arguments))
    with pytest.raises(ValueError, match="layout BHSD, BSHD"):
        scaled_dot_product_attention(*map(as_array, (Q, K, V)), layout="SBHD")


VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "causal": {"causal": True},
    "heads behind positions": {"layout": "BSHD", "scale": 0.3},
    "added mask": {"mask": True},
    "added mask, causal, heads behind positions": {"mask": True, "causal": True, "layout": "BSHD"},
    "shared heads": {"shared": 1, "mask": True},
    "shared heads behind positions": {"shared": 1, "causal": True, "layout": "BSHD"},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_gradients(name: str) -> None:
    """First and second order, by differences, with respect to query, key, value and what is added to the scores."""
    attrs = dict(VARIANTS[name])
    masked = attrs.pop("mask", False)
    few = attrs.pop("shared", 2)
    shapes = [(1, 2, 3, 2), (1, few, 4, 2), (1, few, 4, 3)]
    if attrs.get("layout") == "BSHD":
        shapes = [(b, s, h, d) for b, h, s, d in shapes]
    point = [filled(*s, seed=i) for i, s in enumerate(shapes)] + ([filled(1, 1, 3, 4, seed=5)] if masked else [])
    y = scaled_dot_product_attention(*map(as_array, point), **attrs)
    weight = as_array(filled(*y.shape, seed=6))
    weights = [filled(*x.shape, seed=7 + i) for i, x in enumerate(point)]

    def first(arrays: list[Any], create_graph: bool = False) -> list[Any]:
        with autograd.record():
            total = (scaled_dot_product_attention(*arrays, **attrs) * weight).sum()
            return autograd.grad(total, arrays, create_graph=create_graph, retain_graph=create_graph)

    def value(p: Any) -> float:
        return float(wide((scaled_dot_product_attention(*map(as_array, p), **attrs) * weight).sum()))

    def variables(p: Any) -> list[Any]:
        arrays = [as_array(x) for x in p]
        for x in arrays:
            x.attach_grad()
        return arrays

    def projected(p: Any) -> float:
        return float(sum((wide(g) * w).sum() for g, w in zip(first(variables(p)), weights, strict=True)))

    gradients = first(variables(point))
    for i, d in directions(point, 2):
        assert float((wide(gradients[i]) * d).sum()) == pytest.approx(slope(value, point, i, d, 1e-6), rel=1e-6, abs=1e-7)
    arrays = variables(point)
    with autograd.record():
        total = sum((g * as_array(w)).sum() for g, w in zip(first(arrays, create_graph=True), weights, strict=True))
    total.backward()
    for i, d in directions(point, 2):
        assert float((wide(arrays[i].grad) * d).sum()) == pytest.approx(slope(projected, point, i, d, 1e-6), rel=1e-5, abs=1e-6)


def test_npx() -> None:
    q, k, v = (as_array(x) for x in (Q, K, V))
    np.testing.assert_allclose(wide(npx.scaled_dot_product_attention(q, k, v)), attend(Q, K, V))


# -- by cuDNN ------------------------------------------------------------------------------------------


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(cuda, "device_count", lambda: 1)
    monkeypatch.setattr(cuda, "current_id", lambda: 0)
    with installed():
        yield


@pytest.mark.parametrize("dtype", [dtypes.float16, dtypes.bfloat16], ids=str)
@pytest.mark.parametrize("bias", [None, (2, 1, 1, 6), (1, 1, 5, 6)], ids=str)
@pytest.mark.parametrize("layout", ["BHSD", "BSHD"])
@pytest.mark.parametrize("causal", [False, True])
def test_library(one_gpu: None, dtype: Any, bias: Any, layout: str, causal: bool) -> None:
    """Forward and backward, on operands that are parts of one array."""
    attrs = {"scale": 0.3, "causal": causal, "layout": layout}
    shape, parts = ((2, 3, 6, 3, 8), (0, 2, 1, 3)) if layout == "BSHD" else ((2, 6, 3, 3, 8), (0, 1, 2, 3))
    packed = filled(*shape).astype(dtype)
    q, k, v = (packed[:, :, :, i] if layout == "BHSD" else packed[:, i] for i in range(3))
    q, k, v = (x.transpose(0, 2, 1, 3) if layout == "BHSD" else x for x in (q, k, v))
    q = q[:, :, :5] if layout == "BHSD" else q[:, :5]
    extra = [] if bias is None else [filled(*bias, seed=4).astype(dtype)]
    found = by_library(OPS["attention"], [q, k, v, *extra], attrs)
    assert found is not None
    expected = _by_parts("attention", [q, k, v, *extra], attrs)
    _close(found, expected, dtype)
    g = filled(*found[0].shape, seed=9).astype(dtype)
    operands = [q, k, v, *found, g, *extra]
    gradients = by_library(OPS["attention_grad"], operands, attrs)
    assert gradients is not None
    _close(gradients, _by_parts("attention_grad", operands, attrs), dtype)


@pytest.mark.parametrize("shared", [1, 2])
@pytest.mark.parametrize("layout", ["BHSD", "BSHD"])
def test_library_with_shared_heads(one_gpu: None, layout: str, shared: int) -> None:
    """Forward and backward: keys and values are read as they are, and their gradients are sums over the heads of queries."""
    axis = 1 if layout == "BHSD" else 2
    shapes = [(2, h, n, 8) if axis == 1 else (2, n, h, 8) for h, n in ((4, 5), (shared, 6), (shared, 6))]
    q, k, v = (filled(*s, seed=i).astype(dtypes.float16) for i, s in enumerate(shapes))
    attrs = {"scale": 0.3, "causal": True, "layout": layout}
    found = by_library(OPS["attention"], [q, k, v], attrs)
    assert found is not None
    for_each = [q, *(repeated(x, 4, axis) for x in (k, v))]
    _close(found, _by_parts("attention", for_each, attrs), np.float16)
    g = filled(*found[0].shape, seed=9).astype(dtypes.float16)
    gradients = by_library(OPS["attention_grad"], [q, k, v, *found, g], attrs)
    assert gradients is not None
    _close(gradients, _by_parts("attention_grad", [q, k, v, *found, g], attrs), np.float16)
    dq, *apart = _by_parts("attention_grad", [*for_each, *found, g], attrs)
    split = [np.split(x, shared, axis) for x in apart]
    _close(gradients, [dq, *(np.stack([y.sum(axis) for y in parts], axis) for parts in split)], np.float16)


def test_shared_heads_move_nothing_on_a_gpu(emulated_gpu: Any) -> None:
    """A compiled step reads keys and values where a layer wrote them, and copies nothing."""

    def step(q: Any, k: Any, v: Any) -> Any:
        for x in (q, k, v):
            x.attach_grad()
        with autograd.record():
            y = npx.scaled_dot_product_attention(q, k, v, causal=True, layout="BSHD")
        return y, *autograd.grad(y, [q, k, v])

    data = [filled(2, n, h, 8, seed=h).astype(np.float16) for n, h in ((5, 6), (7, 2), (7, 2))]
    arrays = [array(x, device=Device("gpu", 0)) for x in data]
    compiled = jit(step)
    results = [x.asnumpy() for x in compiled(*arrays)]
    _close(results, [wide(x) for x in step(*(as_array(x.astype(np.float64)) for x in data))], np.float16)
    (program,) = compiled._inspect(arrays, {}).programs
    assert [s.node.op.name for s in program.source.steps if s.node is not None and s.node.op.name != "full"] == [
        "attention",
        "attention_grad",
    ]


def _by_parts(name: str, arrays: list[Data], attrs: dict[str, Any]) -> list[Data]:
    """The parts in float64."""
    decomposition: Any = OPS[name].decomposition
    return [wide(y) for y in decomposition(*[as_array(x.astype(np.float64)) for x in arrays], **attrs)]


def _close(found: list[Data], expected: list[Data], dtype: Any) -> None:
    tolerance = 2e-3 if dtype == dtypes.float16 else 2e-2
    for y, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(wide(y), e, rtol=tolerance, atol=tolerance * np.abs(e).max())


def test_what_the_library_does_not_take(one_gpu: None) -> None:
    attrs = samples_of(OPS["attention"])[0].attrs
    half = [x.astype(np.float16) for x in (Q, K, V)]
    assert by_library(OPS["attention"], half, attrs) is None  # features that are no multiple of 8
    assert by_library(OPS["attention"], [np.repeat(x, 2, -1) for x in (Q, K, K)], attrs) is None  # float64
    assert isinstance(scaled_dot_product_attention(*map(as_array, half)), NDArray)


@pytest.mark.parametrize("compiled", [False, True], ids=["imperative", "compiled"])
@pytest.mark.parametrize("features", [8, 7], ids=["by the library", "by its parts"])
@pytest.mark.parametrize("name", NOTHING)
def test_nothing_on_a_gpu(emulated_gpu: Any, name: str, features: int, compiled: bool) -> None:
    """A query without a key has nothing there either, nor have its gradients."""
    mask, causal = NOTHING[name]
    keep = np.broadcast_to(mask if mask.dtype == bool else np.isfinite(mask), (2, 3, 5, 6)) & (np.tri(5, 6, dtype=bool) | (not causal))
    alive = keep.any(-1, keepdims=True)

    def step(*arrays: Any) -> Any:
        for x in arrays[:3]:
            x.attach_grad()
        with autograd.record():
            y = npx.scaled_dot_product_attention(*arrays[:3], mask=arrays[3], causal=causal)
        return y, *autograd.grad(y, list(arrays[:3]))

    data = [filled(2, 3, n, features, seed=i).astype(np.float16) for i, n in enumerate((5, 6, 6))]
    device = Device("gpu", 0)
    arrays = [array(x, device=device) for x in (*data, mask if mask.dtype == bool else mask.astype(np.float16))]
    y, *gradients = (x.asnumpy() for x in (jit(step) if compiled else step)(*arrays))
    expected = np.where(alive, reference(*(x.astype(np.float64) for x in data), keep | ~alive), 0)
    np.testing.assert_allclose(y, expected, atol=1e-2)
    assert not y[~np.broadcast_to(alive, y.shape)].any() and not gradients[0][~np.broadcast_to(alive, y.shape)].any()
    assert all(np.isfinite(g).all() for g in gradients)
