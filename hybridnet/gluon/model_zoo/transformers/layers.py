"""What transformers are made of: attention with several heads, which can keep keys and values, and the layer around it.

Relies on ``npx.scaled_dot_product_attention``, which a GPU computes without storing the scores.
"""

from __future__ import annotations

from typing import Any

from hybridnet import numpy as np
from hybridnet import numpy_extension as npx
from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon import nn
from hybridnet.gluon.block import HybridBlock
from hybridnet.initializer import Normal

#: Of one layer: keys and values, (batch, longest sequence, heads, features) each, of which the first tokens' are known.
Cache = tuple[Any, Any]


def dense(units: int, in_units: int, prefix: str) -> nn.Dense:
    """A dense layer over the last axis, with small initial weights."""
    return nn.Dense(units, flatten=False, in_units=in_units, weight_initializer=Normal(0.02), prefix=prefix)


class Attention(HybridBlock):
    """Each token of (batch, tokens, ``units``) takes a mean of what the others say, in ``num_heads`` ways side by side.

    ``causal``: a token sees those before it and itself, no later ones.
    """

    def __init__(self, units: int, num_heads: int, causal: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if units % num_heads:
            fail(ArgumentError, "Attention", expected=f"units that {num_heads} heads divide", got=str(units))
        self._num_heads, self._causal = num_heads, causal
        with self.name_scope():
            self.qkv = dense(3 * units, units, "qkv_")
            self.proj = dense(units, units, "proj_")

    def forward(self, x: Any, mask: Any = None, start: Any = None, cache: Cache | None = None) -> Any:
        """``mask``: true where a token counts, broadcast to (batch, heads, tokens, tokens). With a ``cache`` the tokens are
        those from number ``start`` (an integer array of no dimensions) on; their keys and values are written into it, and they
        see what it holds of the tokens before them.
        """
        batch, tokens, units = x.shape
        query, key, value = np.split(self.qkv(x).reshape(batch, tokens, 3 * self._num_heads, -1), 3, axis=2)
        causal = self._causal
        if cache is not None:
            keys, values = cache
            places = start + np.arange(tokens, dtype="int32", device=x.device)
            keys[:, places] = key
            values[:, places] = value
            mask = np.arange(keys.shape[1], dtype="int32", device=x.device) <= places.reshape(-1, 1)
            key, value, causal = keys, values, False  # what is not written yet lies after every token, where the mask is false
        mean = npx.scaled_dot_product_attention(query, key, value, mask, causal=causal, layout="BSHD")
        return self.proj(mean.reshape(batch, tokens, units))


class TransformerLayer(HybridBlock):
    """Attention, then two dense layers on each token; the input goes around either and is added.

    ``pre_norm``: the norm comes before each of both, as in GPT-2 and ViT, else after what is added, as in BERT. ``gelu``: "erf",
    the exact one, or "tanh". ``dropout``: of what is added (not of the attention's weights, which are never stored).
    """

    def __init__(
        self,
        units: int,
        hidden_size: int,
        num_heads: int,
        pre_norm: bool,
        causal: bool = False,
        gelu: str = "erf",
        dropout: float = 0.0,
        epsilon: float = 1e-5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._pre_norm = pre_norm
        with self.name_scope():
            self.attention = Attention(units, num_heads, causal, prefix="attention_")
            self.attention_norm = nn.LayerNorm(epsilon=epsilon, in_channels=units, prefix="attention_norm_")
            self.hidden = dense(hidden_size, units, "hidden_")
            self.gelu = nn.GELU(gelu)
            self.output = dense(units, hidden_size, "output_")
            self.output_norm = nn.LayerNorm(epsilon=epsilon, in_channels=units, prefix="output_norm_")
            self.dropout = nn.Dropout(dropout)

    def forward(self, x: Any, mask: Any = None, start: Any = None, cache: Cache | None = None) -> Any:
        """(batch, tokens, units), as :meth:`Attention.forward`."""
        if self._pre_norm:
            x = x + self.dropout(self.attention(self.attention_norm(x), mask, start, cache))
            return x + self.dropout(self._mlp(self.output_norm(x)))
        x = self.attention_norm(x + self.dropout(self.attention(x, mask, start, cache)))
        return self.output_norm(x + self.dropout(self._mlp(x)))

    def _mlp(self, x: Any) -> Any:
        return self.output(self.gelu(self.hidden(x)))


def stack(number: int, **kwargs: Any) -> nn.HybridSequential:
    """``number`` layers, named ``layer0_``, ``layer1_`` …, each with these arguments of :class:`TransformerLayer`."""
    layers = nn.HybridSequential(prefix="")
    layers.add(*[TransformerLayer(prefix=f"layer{i}_", **kwargs) for i in range(number)])
    return layers
