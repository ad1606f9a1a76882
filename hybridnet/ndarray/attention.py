"""``nd.contrib``'s operators of today's transformers, which MXNet 1.x has not."""

from __future__ import annotations

from typing import Any, Literal

from hybridnet.core import call
from hybridnet.ndarray.attributes import Array
from hybridnet.ndarray.record import when
from hybridnet.ndarray.register import classic
from hybridnet.ndarray.shapes import per_channel
from hybridnet.ops.array import gather
from hybridnet.ops.nn import attention, norm, rotary


@classic("_contrib_rms_norm", shapes=per_channel("gamma"))
def rms_norm(data: Array, gamma: Array, axis: int = -1, eps: float = 1e-6) -> Any:
    """data / sqrt(mean of data² along ``axis`` + eps) · gamma, of the axis's length."""
    return norm.rms_norm(data, gamma, axis, eps)


@classic("_contrib_scaled_dot_product_attention", asked={"mask": when("use_mask")})
def scaled_dot_product_attention(
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None = None,
    use_mask: bool = False,
    causal: bool = False,
    scale: float | None = None,
    layout: Literal["BHSD", "BSHD"] = "BSHD",
) -> Any:
    """softmax(scale · query · keyᵀ) · value for each head; ``scale`` is 1 / √features unless given.

    ``query``: (batch, queries, heads, features), ``key`` and ``value`` the same with keys in the place of queries, or by ``layout``
    heads first; these two may have fewer heads, each for as many neighbouring ones of the queries. With ``causal`` a query counts the
    keys up to its own position, with ``use_mask`` those where ``mask``, which broadcasts to (batch, heads, queries, keys), is not 0. A
    query without any key gives 0.
    """
    counts = call("not_equal", mask, 0) if mask is not None else None
    return attention.scaled_dot_product_attention(query, key, value, counts, causal, scale, layout)


@classic("_contrib_cache_update")
def cache_update(cache: Array, new: Array, positions: Array) -> Any:
    """``cache`` (batch, length, heads, features) with ``new``, the same of fewer positions, written to ``positions``, one for each of them.

    A compiled step that keeps the result in the place of ``cache`` moves nothing else of it.
    """
    indices = gather.as_indices("cache_update", positions, cache)
    return call("index_set", cache, new, indices, key=(("slice", None, None, None), ("array",)))


@classic("_contrib_rotary_embedding")
def rotary_embedding(data: Array, positions: Array, base: float = 10000.0, interleaved: bool = False) -> Any:
    """``data`` (batch, length, heads, features) with pairs of features turned by their position's angles.

    ``positions``: (length,) or (batch, length). A pair is the features i and i + features / 2, or with ``interleaved`` 2i and 2i + 1.
    """
    return rotary.rotary_embedding(data, positions, base, interleaved)
