"""Dropout: one operator, of which a part is a random mask that already holds the scale, so that it fuses both ways."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, Kind, Op, Sample, Spec, apply, local, on_cuda, register
from hybridnet.core.random import next_key
from hybridnet.errors import ArgumentError, fail
from hybridnet.ops.common import normal, normalize_axes, samples, tensor
from hybridnet.ops.nn.common import one_of
from hybridnet.ops.random.philox import DRAW, generator

_STEPS = 1 << 16


def _mask(xp: Any, seed: Any, counter: Any, *, shape: tuple[int, ...], p: float, dtype: Any) -> Any:
    """By comparing 16 random bits an element, four elements a 64-bit draw: five times faster than floats."""
    n = int(np.prod(shape))
    bits = cast(np.random.Philox, generator(seed, counter).bit_generator)
    kept = bits.random_raw((n + 3) // 4).view(np.uint16)[:n].reshape(shape) >= min(round(p * _STEPS), _STEPS - 1)
    return np.multiply(kept, np.asarray(1 / (1 - p) if p < 1 else 0.0, dtype))


_KEY = (np.asarray(7, np.uint64), np.asarray(3, np.uint64))
DROPOUT_MASK = register(
    Op(
        "dropout_mask",
        Kind.RANDOM,
        lambda seed, counter, *, shape, p, dtype: Spec(shape, dtype),
        compute=_mask,
        cost=10,
        sample=samples(
            Sample(_KEY, {"shape": (2, 3), "p": 0.5, "dtype": dtypes.float32}, differentiable=False),
            Sample(_KEY, {"shape": (5,), "p": 1.0, "dtype": dtypes.float64}, differentiable=False),
            Sample(_KEY, {"shape": (), "p": 0.2, "dtype": dtypes.float16}, differentiable=False),
            Sample(_KEY, {"shape": (0, 2), "p": 0.2, "dtype": dtypes.bfloat16}, differentiable=False),
        ),
    )
)
on_cuda(DROPOUT_MASK, functor=f"hn_dropout_mask<{{dtype}}, hn_in_16_bits({{p}})>({DRAW}, {{p}})")


def _infer(x: Spec, seed: Spec, counter: Spec, *, p: float, axes: tuple[int, ...]) -> tuple[Spec, Spec]:
    dtype = dtypes.floating(x.dtype)
    return Spec(x.shape, dtypes.promote(x.dtype, dtype)), Spec(tuple(1 if i in axes else n for i, n in enumerate(x.shape)), dtype)


def _dropout(x: Any, seed: Any, counter: Any, *, p: float, axes: tuple[int, ...]) -> tuple[Any, Any]:
    (_, mask), key = _infer(x, seed, counter, p=p, axes=axes), (seed, counter)
    drawn = apply(DROPOUT_MASK, key, {"shape": mask.shape, "p": p, "dtype": mask.dtype})
    return x * drawn, drawn


#: The data times the mask, and the mask, which holds 0 and 1 / (1 - p).
DROPOUT = register(
    Op(
        "dropout",
        Kind.RANDOM,
        _infer,
        decomposition=_dropout,
        grad=(lambda g, y, x, seed, counter, **attrs: g[0] * y[1], None, None),
        saves=("y1",),
        sample=samples(
            Sample((normal(2, 3), *_KEY), {"p": 0.4, "axes": ()}),
            Sample((normal(4, 3), *_KEY), {"p": 0.5, "axes": (0,)}),
            Sample((np.arange(6), *_KEY), {"p": 0.5, "axes": ()}, differentiable=False),
        ),
    )
)


def dropout(data: ArrayLike, p: float = 0.5, mode: str = "training", axes: Any = ()) -> Any:
    """Each element set to 0 with probability ``p``, the others divided by 1 - p.

    In training only, unless ``mode`` is ``always``. Along ``axes`` elements share their fate. ``p`` is
    taken to 1 / 65536.
    """
    data = tensor(data)
    one_of("dropout", "mode", mode, ("training", "always"))
    if not 0 <= p <= 1:
        fail(ArgumentError, "dropout", expected="a probability from 0 to 1", got=str(p))
    shared = normalize_axes("dropout", tuple(axes), data.ndim) if axes else ()
    if p == 0 or (mode == "training" and not local.training):
        return data
    return apply(DROPOUT, (data, *next_key(data.device)), {"p": float(p), "axes": shared})[0]
