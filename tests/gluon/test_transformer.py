"""Attention and transformer layers against their formulas in float64, imperatively and hybridized; generation with a cache."""

import math
from typing import Any

import numpy
import pytest
from support.gluon_blocks import sample

import hybridnet as hn
from hybridnet import autograd, nd, np
from hybridnet.errors import ArgumentError, ShapeError
from hybridnet.gluon import nn

Host = numpy.ndarray[Any, Any]
BATCH, LENGTH, UNITS = 2, 5, 8


@pytest.fixture(autouse=True)
def seeded() -> None:
    hn.random.seed(5)


def weights(net: Any) -> dict[str, Host]:
    """By place."""
    return {name: p.data().asnumpy().astype(numpy.float64) for name, p in net._collect_params_with_prefix().items()}


def made(net: Any) -> Any:
    net.initialize(hn.init.Normal(0.5))
    return net


def dense(w: dict[str, Host], name: str, x: Host) -> Host:
    return x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", numpy.zeros(1))


def turned(x: Host, base: float, interleaved: bool = False) -> Host:
    """Rotary embedding by complex numbers."""
    half = x.shape[3] // 2
    z = x[..., ::2] + 1j * x[..., 1::2] if interleaved else x[..., :half] + 1j * x[..., half:]
    z = z * numpy.exp(1j * numpy.arange(x.shape[1])[:, None, None] * base ** (-numpy.arange(half) / half))
    return numpy.stack([z.real, z.imag], -1).reshape(x.shape) if interleaved else numpy.concatenate([z.real, z.imag], -1)


def attended(
    w: dict[str, Host], x: Host, memory: Host, heads: int, kv: int, mask: Any = None, causal: bool = False, base: Any = None
) -> Host:
    """Attention, head by head."""
    size = x.shape[2] // heads
    q, k, v = (
        dense(w, name, y).reshape(*y.shape[:2], n, size)
        for name, y, n in (("query_proj", x, heads), ("key_proj", memory, kv), ("value_proj", memory, kv))
    )
    if base is not None:
        q, k = turned(q, base), turned(k, base)
    found = numpy.zeros_like(q)
    for b, h in numpy.ndindex(x.shape[0], heads):
        scores = q[b, :, h] @ k[b, :, h * kv // heads].T / math.sqrt(size)
        if causal:
            scores[numpy.triu_indices(len(scores), 1)] = -numpy.inf
        if mask is not None:
            scores[numpy.broadcast_to(mask, (x.shape[0], heads, *scores.shape))[b, h] == 0] = -numpy.inf
        p = numpy.exp(scores - scores.max(1, keepdims=True))
        found[b, :, h] = p / p.sum(1, keepdims=True) @ v[b, :, h * kv // heads]
    return dense(w, "out_proj", found.reshape(x.shape))


def close(found: Any, expected: Any) -> None:
    numpy.testing.assert_allclose(found.asnumpy(), expected, rtol=2e-4, atol=2e-5)


def as_class(cls: Any, *arrays: Any) -> list[Any]:
    return [None if x is None else cls.array(numpy.asarray(x)) for x in arrays]


@pytest.mark.parametrize("hybridize", [False, True], ids=["imperative", "hybridized"])
@pytest.mark.parametrize("cls", [np, nd], ids=["np", "nd"])
@pytest.mark.parametrize(
    ("kv", "causal", "base", "masked"), [(4, False, None, False), (2, True, 100.0, False), (1, False, None, True), (2, True, None, True)]
)
def test_multi_head_attention(kv: int, causal: bool, base: Any, masked: bool, cls: Any, hybridize: bool) -> None:
    net = made(nn.MultiHeadAttention(UNITS, 4, kv, causal, base))
    x = numpy.random.default_rng(0).normal(size=(BATCH, LENGTH, UNITS)).astype("float32")
    mask = numpy.ones((BATCH, 1, 1, LENGTH), "float32") if masked else None
    if mask is not None:
        mask[1, ..., 3:] = 0
    net.hybridize(hybridize)
    y = net(*as_class(cls, x, None, None, mask))
    close(y, attended(weights(net), x, x, 4, kv, mask, causal, base))
    assert type(y) is type(cls.ones(1))


@pytest.mark.parametrize("hybridize", [False, True])
def test_attention_to_something_else(hybridize: bool) -> None:
    net = made(nn.MultiHeadAttention(UNITS, 2, use_bias=False))
    x, memory = sample(BATCH, LENGTH, UNITS), sample(BATCH, 3, 6, seed=1)
    net.hybridize(hybridize)
    close(net(x, memory), attended(weights(net), x.asnumpy(), memory.asnumpy(), 2, 2))
    assert net.key_proj.weight.shape == (UNITS, 6)


@pytest.mark.parametrize("interleaved", [False, True])
def test_rotary_embedding(interleaved: bool) -> None:
    x = sample(BATCH, LENGTH, 3, 6)
    close(nn.RotaryEmbedding(50.0, interleaved)(x), turned(x.asnumpy().astype("float64"), 50.0, interleaved))
    later = numpy.arange(LENGTH) + numpy.array([[0], [7]])
    y = nn.RotaryEmbedding(50.0, interleaved)(x, np.array(later))
    longer = numpy.concatenate([numpy.zeros((1, 7, 3, 6)), x.asnumpy()[1:]], 1)
    close(y[1], turned(longer, 50.0, interleaved)[0, 7:])
    with pytest.raises(ShapeError, match="an even number of features"):
        nn.RotaryEmbedding()(sample(1, 2, 3, 5))


def normed(w: dict[str, Host], name: str, x: Host, kind: str) -> Host:
    if kind == "rms":
        return x / numpy.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * w[f"{name}.gamma"]
    x = x - x.mean(-1, keepdims=True)
    return x / numpy.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * w[f"{name}.gamma"] + w[f"{name}.beta"]


def fed(w: dict[str, Host], x: Host, swiglu: bool) -> Host:
    up = dense(w, "ffn.up", x)
    if swiglu:
        gate = dense(w, "ffn.gate", x)
        return dense(w, "ffn.down", gate / (1 + numpy.exp(-gate)) * up)
    return dense(w, "ffn.down", numpy.maximum(up, 0))


def part_of(w: dict[str, Host], name: str) -> dict[str, Host]:
    return {key.removeprefix(name + "."): value for key, value in w.items() if key.startswith(name + ".")}


@pytest.mark.parametrize("hybridize", [False, True], ids=["imperative", "hybridized"])
@pytest.mark.parametrize("decoder", [False, True], ids=["encoder", "decoder"])
@pytest.mark.parametrize("pre_norm", [False, True])
@pytest.mark.parametrize("modern", [False, True])
def test_layers(modern: bool, pre_norm: bool, decoder: bool, hybridize: bool) -> None:
    kind, base, kv = ("rms", 100.0, 1) if modern else ("layer", None, 2)
    options: dict[str, Any] = {"num_kv_heads": kv, "norm": kind, "rotary": base, "pre_norm": pre_norm}
    options |= {"activation": "swiglu", "use_bias": False, "causal": True} if modern else {}
    net = made((nn.TransformerDecoderLayer if decoder else nn.TransformerEncoderLayer)(UNITS, 2, 12, **options))
    given = [sample(BATCH, LENGTH, UNITS), *([sample(BATCH, 3, UNITS, seed=2)] if decoder else [])]
    net.hybridize(hybridize)
    y, w = net(*given), weights(net)
    x, *memory = (a.asnumpy().astype("float64") for a in given)

    def around(x: Host, norm: str, part: Any) -> Host:
        return x + part(normed(w, norm, x, kind)) if pre_norm else normed(w, norm, x + part(x), kind)

    x = around(x, "attention_norm", lambda h: attended(part_of(w, "attention"), h, h, 2, kv, None, modern or decoder, base))
    for m in memory:
        x = around(x, "memory_norm", lambda h, m=m: attended(part_of(w, "memory_attention"), h, m, 2, kv))
    close(y, around(x, "ffn_norm", lambda h: fed(w, h, modern)))


def test_hybridized_layers_learn_alike() -> None:
    net, x = made(nn.TransformerEncoderLayer(UNITS, 2, 12, 1, activation="gelu", rotary=10.0, dropout=0.1)), sample(BATCH, LENGTH, UNITS)
    net(x)
    found = []
    for hybridize in (False, True):
        net.hybridize(hybridize)
        hn.random.seed(1)
        with autograd.record():
            y = net(x)
        y.backward(sample(*y.shape, seed=3))
        found.append([p.grad().asnumpy().copy() for p in net.collect_params().values()])
    for a, b in zip(*found, strict=True):
        assert abs(a).max() > 0
        numpy.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("hybridize", [False, True], ids=["imperative", "hybridized"])
@pytest.mark.parametrize("cls", [np, nd], ids=["np", "nd"])
def test_generation(cls: Any, hybridize: bool) -> None:
    """Token by token, after a beginning of two at once, with a cache: what the causal layer gives for the whole, by one program a shape."""
    net = made(nn.TransformerEncoderLayer(UNITS, 4, 12, 2, causal=True, rotary=100.0, pre_norm=True, norm="rms"))
    (x,) = as_class(cls, sample(BATCH, LENGTH, UNITS).asnumpy())
    whole = net(x)
    cache, found = net.begin_cache(BATCH, LENGTH + 2, x), []
    net.hybridize(hybridize)
    for start, stop in ((0, 2), (2, 3), (3, 4), (4, 5)):
        y, cache = net(x[:, start:stop], None, cache, cls.array([start]))
        assert type(y) is type(cache[0]) is type(x)
        found.append(y.asnumpy())
    close(whole, numpy.concatenate(found, 1))
    if hybridize:
        assert len(net._compiled.retraces) == 1, net._compiled.retraces
    with pytest.raises(ArgumentError, match="cache and position together"):
        net.attention(x, None, None, None, cache)


@pytest.mark.parametrize("hybridize", [False, True])
def test_small_layers(hybridize: bool) -> None:
    x = sample(3, UNITS)
    h = x.asnumpy().astype("float64")
    sigmoid = lambda a: 1 / (1 + numpy.exp(-a))
    erf = numpy.vectorize(math.erf)
    swiglu, plain = made(nn.SwiGLU(4, 6)), made(nn.FeedForward(4, 6))
    w = {f"ffn.{name}": value for name, value in weights_after(swiglu, x).items()}
    for net, expected in (
        (made(nn.RMSNorm(in_channels=UNITS)), h / numpy.sqrt((h * h).mean(-1, keepdims=True) + 1e-6)),
        (made(nn.RMSNorm(axis=0, epsilon=0.1, gamma_initializer=hn.init.Constant(2.0))), 2 * h / numpy.sqrt((h * h).mean(0) + 0.1)),
        (nn.GELU(), h * (1 + erf(h / math.sqrt(2))) / 2),
        (nn.GELU("tanh"), h * (1 + numpy.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3))) / 2),
        (nn.GELU("sigmoid"), h * sigmoid(1.702 * h)),
        (nn.SiLU(), h * sigmoid(h)),
        (swiglu, fed(w, h, True)),
        (plain, fed({f"ffn.{name}": value for name, value in weights_after(plain, x).items()}, h, False)),
    ):
        net.hybridize(hybridize)
        close(net(x), expected)
    assert made(nn.RMSNorm(scale=False, in_channels=2)).gamma.grad_req == "null"


def weights_after(net: Any, x: Any) -> dict[str, Host]:
    net(x)
    return weights(net)


def test_what_cannot_be() -> None:
    for make, match in (
        (lambda: nn.MultiHeadAttention(8, 3), "units that num_heads divides"),
        (lambda: nn.MultiHeadAttention(8, 4, 3), "num_kv_heads divides"),
        (lambda: nn.TransformerEncoderLayer(8, 2, 8, norm="batch"), "norm layer"),
        (lambda: nn.TransformerEncoderLayer(8, 2, 8, activation="rely"), "relu"),
    ):
        with pytest.raises(ArgumentError, match=match):
            make()
