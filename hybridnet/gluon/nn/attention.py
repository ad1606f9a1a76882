"""Attention of several heads, with rotary positions, fewer heads of keys than of queries, and a cache for generation."""

from __future__ import annotations

from typing import Any

from hybridnet import ndarray
from hybridnet.core import as_class
from hybridnet.device.groups import Group
from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.block import HybridBlock
from hybridnet.gluon.nn.parallel import entered, inputs_divided, outputs_divided


class RotaryEmbedding(HybridBlock):
    """(batch, length, heads, features) with pairs of features turned by angles that grow with the position (arXiv 2104.09864).

    ``base``: pair i turns by base^(-2i / features) a position. A pair is the features i and i + features / 2, or with
    ``interleaved`` 2i and 2i + 1. A second input has the positions, (length,) or (batch, length), without it 0, 1, 2 …
    """

    def __init__(self, base: float = 10000.0, interleaved: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._base, self._interleaved = base, interleaved

    def hybrid_forward(self, F: Any, x: Any, positions: Any = None) -> Any:
        positions = counted(F, x) if positions is None else positions
        return F.contrib.rotary_embedding(x, positions, base=self._base, interleaved=self._interleaved, name="fwd")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base={self._base}, interleaved={self._interleaved})"


def counted(F: Any, x: Any) -> Any:
    """0, 1, 2 … along axis 1, in float32: 16 bits do not hold the positions of long texts."""
    return F.contrib.arange_like(F.cast(x, dtype="float32"), axis=1)


class MultiHeadAttention(HybridBlock):
    """Attention of ``num_heads`` heads over (batch, length, units): softmax(query · keyᵀ / √features) · value, projected.

    Called with ``query`` alone it attends to itself; ``key`` and ``value`` (the key, if not given) are (batch, keys, inputs).
    ``mask`` broadcasts to (batch, heads, queries, keys) and is not 0 where a key counts; with ``causal`` a query counts the
    keys up to its own position. ``num_kv_heads``: the number of heads that keys and values have, each for as many of the
    queries' (arXiv 2305.13245). ``rotary``: the base of a :class:`RotaryEmbedding` of queries and keys. ``in_units``: the inputs of
    query, key and value, if they have as many; else the first call finds them. With ``group`` its ranks, which divide the heads of keys,
    have as many heads each (:mod:`hybridnet.gluon.nn.parallel`).

    *Generation.* ``begin_cache(batch, length)`` gives the memory of ``length`` positions. With ``cache`` and ``position``, an
    array (1,) with the number of positions before this query's first, the keys and values of the query are written there,
    it attends to all up to its own, and the result is (outputs, cache): shapes stay, so all steps are one compiled program.
    """

    def __init__(
        self,
        units: int,
        num_heads: int,
        num_kv_heads: int | None = None,
        causal: bool = False,
        rotary: float | None = None,
        use_bias: bool = True,
        weight_initializer: Any = None,
        bias_initializer: Any = "zeros",
        dtype: Any = "float32",
        in_units: int = 0,
        group: Group | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        kv_heads = num_kv_heads or num_heads
        if units % num_heads or num_heads % kv_heads:
            expected = "units that num_heads divides, and num_heads that num_kv_heads divides"
            fail(ArgumentError, type(self).__name__, expected=expected, got=f"{units}, {num_heads} and {kv_heads}")
        ranks = 1 if group is None else group.size
        if kv_heads % ranks:
            fail(ArgumentError, type(self).__name__, expected=f"heads that {ranks} ranks divide", got=f"{num_heads} and {kv_heads}")
        self._group, self._heads, self._kv_heads, self._features = group, num_heads // ranks, kv_heads // ranks, units // num_heads
        self._causal = causal
        given: dict[str, Any] = {"use_bias": use_bias, "weight_initializer": weight_initializer, "bias_initializer": bias_initializer}
        given |= {"flatten": False, "dtype": dtype}
        with self.name_scope():
            self.query_proj = outputs_divided(units, group, in_units=in_units, prefix="query_", **given)
            self.key_proj = outputs_divided(kv_heads * self._features, group, in_units=in_units, prefix="key_", **given)
            self.value_proj = outputs_divided(kv_heads * self._features, group, in_units=in_units, prefix="value_", **given)
            self.out_proj = inputs_divided(units, group, in_units=units, prefix="out_", **given)
            self.rotary = None if rotary is None else RotaryEmbedding(rotary, prefix="rotary_")

    def begin_cache(self, batch_size: int, length: int, like: Any = None) -> list[Any]:
        """Empty keys and values of ``length`` positions, (batch, length, kv heads, features); of the class and device of ``like``."""
        given = {"dtype": self.key_proj.weight.dtype, "ctx": None if like is None else like.device}
        made = [ndarray.zeros((batch_size, length, self._kv_heads, self._features), **given) for _ in range(2)]
        return made if like is None else [as_class(x, type(like)) for x in made]

    def hybrid_forward(
        self, F: Any, query: Any, key: Any = None, value: Any = None, mask: Any = None, cache: Any = None, position: Any = None
    ) -> Any:
        if (cache is None) != (position is None) or (cache is not None and key is not None):
            expected = "cache and position together, for a query that attends to itself"
            fail(ArgumentError, type(self).__name__, expected=expected, got="one of them, or a key beside them")
        key = query if key is None else key
        value = key if value is None else value
        if self._group is not None:
            given = {id(x): entered(x, self._group) for x in (query, key, value)}
            query, key, value = given[id(query)], given[id(key)], given[id(value)]
        q = self._split(F, self.query_proj(query), self._heads)
        k, v = (self._split(F, x, self._kv_heads) for x in (self.key_proj(key), self.value_proj(value)))
        places = counted(F, query) if position is None else F.broadcast_add(counted(F, query), F.cast(position, dtype="float32"))
        if self.rotary is not None:
            q, k = self.rotary(q, places), self.rotary(k, places if key is query else counted(F, key))
        causal = self._causal and cache is None
        if cache is not None:
            k, v = cache = [F.contrib.cache_update(old, new, places) for old, new in zip(cache, (k, v), strict=True)]
            known = F.broadcast_lesser_equal(F.expand_dims(counted(F, k), axis=0), F.expand_dims(places, axis=1))
            known = F.expand_dims(F.expand_dims(known, axis=0), axis=0)  # (1, 1, queries, keys)
            mask = known if mask is None else F.broadcast_mul(F.cast(known, dtype="float32"), F.cast(mask, dtype="float32"))
        masked = {} if mask is None else {"mask": mask, "use_mask": True}
        y = F.contrib.scaled_dot_product_attention(q, k, v, causal=causal, layout="BSHD", name="fwd", **masked)
        y = self.out_proj(F.reshape(y, shape=(0, 0, -3)))
        return y if cache is None else (y, cache)

    def _split(self, F: Any, x: Any, heads: int) -> Any:
        """(batch, length, heads · features) as (batch, length, heads, features)."""
        return F.reshape(x, shape=(0, 0, -4, heads, self._features))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(heads={self._heads}, kv_heads={self._kv_heads}, features={self._features}, causal={self._causal})"
