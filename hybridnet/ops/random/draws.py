"""The primitive random operators: each a pure function of (seed, counter) and its parameters.

They draw standard variates and counts; :mod:`hybridnet.ops.random.distributions` makes all distributions of them.
On a GPU they are the device functions of ``kernels/random.cuh``, or compositions of those.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import Kind, Op, Sample, Spec, apply, broadcast_shapes, call, on_cuda, register
from hybridnet.errors import ShapeError, fail
from hybridnet.ops.array.creation import arange
from hybridnet.ops.random.philox import DRAW, generator

#: Of draws whose kernels loop until a number is accepted: too dear to be drawn again rather than stored.
_LOOPS = 1000

_KEY = (np.asarray(7, np.uint64), np.asarray(3, np.uint64))


def _drawing(name: str, draw: Callable[..., Any], cuda: str, cost: int, *made: Sample) -> Op:
    """Register a primitive: ``draw(generator, *parameters, shape)`` in whatever dtype it gives."""

    def infer(seed: Spec, counter: Spec, *parameters: Any, shape: tuple[int, ...], dtype: Any) -> Spec:
        given = [p.shape for p in parameters if isinstance(p, Spec)]
        if broadcast_shapes(name, shape, *given) != shape:
            fail(ShapeError, name, expected=f"parameters that broadcast to size {shape}", got=" and ".join(map(str, given)))
        return Spec(shape, dtype)

    def compute(xp: Any, seed: Any, counter: Any, *parameters: Any, shape: tuple[int, ...], dtype: Any) -> Any:
        wide = [p.astype(np.float64) if hasattr(p, "dtype") else p for p in parameters]
        return np.asarray(draw(generator(seed, counter), *wide, shape)).astype(dtype, copy=False)

    op = register(Op(name, Kind.RANDOM, infer, compute=compute, cost=cost, sample=lambda: [*made]))
    return on_cuda(op, functor=cuda)


def _sample(*parameters: Any, shape: tuple[int, ...] = (2, 3), dtype: Any = dtypes.float32) -> Sample:
    return Sample((*_KEY, *parameters), {"shape": shape, "dtype": dtype}, differentiable=False)


def _standard(name: str, draw: Callable[..., Any], cost: int) -> Op:
    """Register a primitive without parameters, drawn in its own dtype so that nothing is cast."""

    def compute(xp: Any, seed: Any, counter: Any, *, shape: tuple[int, ...], dtype: Any) -> Any:
        return np.asarray(draw(generator(seed, counter), shape, dtype))

    def samples() -> list[Sample]:
        return [_sample(), _sample(shape=(), dtype=dtypes.float64), _sample(shape=(0, 2), dtype=dtypes.float16)]

    cuda = f"hn_{name}<{{dtype}}>({DRAW})"
    op = register(Op(name, Kind.RANDOM, lambda seed, counter, *, shape, dtype: Spec(shape, dtype), compute, cost=cost, sample=samples))
    return on_cuda(op, functor=cuda)


def _uniform(g: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    if dtype.itemsize > 2:
        return g.random(shape, dtype=dtype)
    # Rounding to 16 bits must not reach 1, so only as many bits are kept as the type holds.
    steps = 2.0 ** (11 if dtype == dtypes.float16 else 8)
    return (np.floor(g.random(shape, dtype=np.float32) * steps) / steps).astype(dtype)


def _wide(method: str) -> Callable[..., Any]:
    """A draw of a generator's method in float32 or float64, cast to 16 bits where asked."""

    def draw(g: Any, shape: tuple[int, ...], dtype: Any) -> Any:
        drawn = getattr(g, method)(shape, dtype=dtype if dtype.itemsize > 2 else np.float32)
        return drawn if dtype.itemsize > 2 else np.asarray(drawn).astype(dtype)

    return draw


UNIFORM = _standard("random_uniform", _uniform, cost=20)
NORMAL = _standard("random_normal", _wide("standard_normal"), cost=50)
EXPONENTIAL = _standard("random_exponential", _wide("standard_exponential"), cost=40)
_alpha = np.array([0.5, 1.0, 4.0])
GAMMA = _drawing(
    "random_gamma",
    lambda g, alpha, shape: g.standard_gamma(alpha, shape),
    f"hn_random_gamma<{{dtype}}>({DRAW}, {{2}})",
    _LOOPS,
    _sample(_alpha),
    _sample(2.0),
)
POISSON = _drawing(
    "random_poisson",
    lambda g, lam, shape: g.poisson(lam, shape),
    f"hn_random_poisson({DRAW}, {{2}})",
    _LOOPS,
    _sample(_alpha),
    _sample(3.0),
)
BINOMIAL = _drawing(
    "random_binomial",
    lambda g, n, p, shape: g.binomial(n.astype(np.int64) if hasattr(n, "dtype") else int(n), p, shape),
    f"hn_random_binomial({DRAW}, {{2}}, {{3}})",
    _LOOPS,
    _sample(5, np.array([0.0, 0.5, 1.0])),
    _sample(np.array([1.0, 2.0, 3.0]), 0.5),
)
RANDINT = _drawing(
    "random_randint",
    lambda g, low, high, shape: g.integers(low, high, shape),
    f"hn_random_randint({DRAW}, {{2}}, {{3}})",
    40,
    _sample(-2, 5, dtype=dtypes.int64),
    _sample(0, 9, shape=(), dtype=dtypes.int32),
)


def _permutation(xp: Any, seed: Any, counter: Any, *, n: int) -> Any:
    return generator(seed, counter).permutation(n).astype(dtypes.int64, copy=False)


def _permutation_parts(seed: Any, counter: Any, *, n: int) -> Any:
    """The order of uniform numbers."""
    return call("argsort", _uniforms(seed, counter, (n,)), axis=0, descending=False)


def _uniforms(seed: Any, counter: Any, shape: tuple[int, ...]) -> Any:
    """Uniform numbers in float64."""
    return apply(UNIFORM, (seed, counter), {"shape": shape, "dtype": dtypes.float64})


PERMUTATION = register(
    Op(
        "random_permutation",
        Kind.RANDOM,
        lambda seed, counter, *, n: Spec((n,), dtypes.int64),
        compute=_permutation,
        sample=lambda: [Sample(_KEY, {"n": 5}, differentiable=False), Sample(_KEY, {"n": 0}, differentiable=False)],
    )
)
on_cuda(PERMUTATION, decomposition=_permutation_parts)


def _infer_categorical(seed: Spec, counter: Spec, p: Spec, *, shape: tuple[int, ...], dtype: Any) -> Spec:
    if p.ndim == 0 or p.shape[-1] == 0:
        fail(ShapeError, "random_categorical", expected="probabilities on a last axis that is not empty", got=str(p.shape))
    return Spec(p.shape[:-1] + shape, dtype)


def _categorical(xp: Any, seed: Any, counter: Any, p: Any, *, shape: tuple[int, ...], dtype: Any) -> Any:
    """The class in whose interval of the cumulative probabilities a uniform number falls."""
    bounds = np.cumsum(p.astype(np.float64), axis=-1)
    rows = bounds.reshape(-1, p.shape[-1])
    u = np.asarray(generator(seed, counter).random((rows.shape[0], int(np.prod(shape)))))
    drawn, several = np.empty(u.shape, dtype), max(1, _SIDE_BY_SIDE // max(u.shape[1], 1))
    for start in range(0, len(rows), several):
        part = slice(start, start + several)
        drawn[part] = _bounds_passed(rows[part, :-1], u[part] * rows[part, -1:])
    return drawn.reshape(p.shape[:-1] + shape)


#: Draws that look for their classes together: they and their bounds stay in the cache.
_SIDE_BY_SIDE = 1 << 14


def _bounds_passed(bounds: Any, x: Any) -> Any:
    """How many bounds (n, k) of its row, which ascend, each of ``x`` (n, draws) has reached: by halving, all draws at each step at once."""
    rows, count = bounds.shape
    width = 1 << count.bit_length()
    filled = np.full((rows, width), np.inf)
    filled[:, :count] = bounds
    flat, first = filled.reshape(-1), (np.arange(rows) * width)[:, None]
    at, half = np.broadcast_to(first, x.shape).copy(), width >> 1
    while half:
        at += (flat[half - 1 :].take(at) <= x) * half
        half >>= 1
    return at - first


def _categorical_parts(seed: Any, counter: Any, p: Any, *, shape: tuple[int, ...], dtype: Any) -> Any:
    """The same in other operators, with nothing of the size of all draws times all classes in memory."""
    *lead, classes = p.shape
    bounds = call("cumsum", p.astype(dtypes.float64).reshape((math.prod(lead), 1, classes)), axis=2)
    u = _uniforms(seed, counter, (math.prod(lead), math.prod(shape), 1))
    drawn = call("sum", u * bounds[:, :, -1:] >= bounds[:, :, :-1], axis=(2,), keepdims=True)
    return drawn.reshape((*lead, *shape)).astype(dtype)


_p = np.array([[0.2, 0.3, 0.5], [0.0, 1.0, 0.0]])
CATEGORICAL = register(
    Op(
        "random_categorical",
        Kind.RANDOM,
        _infer_categorical,
        compute=_categorical,
        sample=lambda: [
            Sample((*_KEY, _p), {"shape": (4,), "dtype": dtypes.int32}, differentiable=False),
            Sample((*_KEY, _p[0]), {"shape": (), "dtype": dtypes.int64}, differentiable=False),
            Sample((*_KEY, np.asarray(0.5)), {"shape": (), "dtype": dtypes.int64}, error=ValueError, differentiable=False),
        ],
    )
)
on_cuda(CATEGORICAL, decomposition=_categorical_parts)


def _multinomial(xp: Any, seed: Any, counter: Any, p: Any, *, n: int, shape: tuple[int, ...]) -> Any:
    """Counts class by class: a binomial share of what the classes before have left."""
    g, left, rest = generator(seed, counter), np.full(shape, n, np.int64), 1.0
    counts = np.zeros((*shape, p.shape[0]), np.int64)
    for i, share in enumerate(np.asarray(p.tolist(), np.float64)):
        last = i == p.shape[0] - 1
        counts[..., i] = left if last else g.binomial(left, min(1.0, share / rest) if rest > 0 else 0.0)
        left, rest = left - counts[..., i], rest - share
    return counts


def _multinomial_parts(seed: Any, counter: Any, p: Any, *, n: int, shape: tuple[int, ...]) -> Any:
    """How often each class is among ``n`` draws."""
    drawn = _categorical_parts(seed, counter, p, shape=(math.prod(shape), n, 1), dtype=dtypes.int32)
    classes = arange(p.shape[0], dtype=dtypes.int32, device=p.device)
    return call("sum", call("equal", drawn, classes), axis=(1,), keepdims=True).reshape((*shape, p.shape[0])).astype(dtypes.int64)


MULTINOMIAL = register(
    Op(
        "random_multinomial",
        Kind.RANDOM,
        lambda seed, counter, p, *, n, shape: Spec((*shape, p.shape[0]), dtypes.int64),
        compute=_multinomial,
        sample=lambda: [
            Sample((*_KEY, _p[0]), {"n": 10, "shape": (2,)}, differentiable=False),
            Sample((*_KEY, _p[1]), {"n": 3, "shape": ()}, differentiable=False),
        ],
    )
)
on_cuda(MULTINOMIAL, decomposition=_multinomial_parts)
