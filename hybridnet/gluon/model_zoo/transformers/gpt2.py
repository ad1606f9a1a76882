"""GPT-2: "Language models are unsupervised multitask learners" (Radford and others, 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hybridnet import numpy as np
from hybridnet.errors import ShapeError, fail
from hybridnet.gluon import nn
from hybridnet.gluon.block import HybridBlock
from hybridnet.gluon.model_zoo.transformers.layers import Cache, stack
from hybridnet.initializer import Normal


class GPT2(HybridBlock):
    """Token numbers (batch, tokens) to scores of the token that follows each, (batch, tokens, ``vocab_size``).

    ``max_length``: the most tokens that it can read; ``hidden_size``: of the dense layers, four times ``units`` unless given. The
    scores are products with the rows of the table of tokens.
    """

    def __init__(
        self,
        vocab_size: int = 50257,
        max_length: int = 1024,
        units: int = 768,
        num_layers: int = 12,
        num_heads: int = 12,
        hidden_size: int | None = None,
        dropout: float = 0.1,
        epsilon: float = 1e-5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.vocab_size, self.max_length, self.num_heads, self.units = vocab_size, max_length, num_heads, units
        with self.name_scope():
            self.word_embed = nn.Embedding(vocab_size, units, weight_initializer=Normal(0.02), prefix="word_embed_")
            self.position_embed = nn.Embedding(max_length, units, weight_initializer=Normal(0.01), prefix="position_embed_")
            self.dropout = nn.Dropout(dropout)
            self.layers = stack(
                num_layers,
                units=units,
                hidden_size=hidden_size or 4 * units,
                num_heads=num_heads,
                pre_norm=True,
                causal=True,
                gelu="tanh",
                dropout=dropout,
                epsilon=epsilon,
            )
            self.norm = nn.LayerNorm(epsilon=epsilon, in_channels=units, prefix="norm_")
            self.output = nn.Dense(vocab_size, flatten=False, use_bias=False, in_units=units, params=self.word_embed.params)

    def forward(self, tokens: Any, start: Any = None, caches: Sequence[Cache] | None = None) -> Any:
        """With ``caches``, one of each layer, ``tokens`` are those from number ``start`` (an integer array of no dimensions) on, and
        the result is the scores of the token that follows the last, (batch, ``vocab_size``).
        """
        if tokens.shape[1] > self.max_length:
            fail(ShapeError, "GPT2", expected=f"at most max_length={self.max_length} tokens", got=str(tokens.shape))
        places = np.arange(tokens.shape[1], dtype="int32", device=tokens.device)
        x = self.word_embed(tokens) + self.position_embed(places if start is None else start + places)
        x = self.dropout(x)
        for i, layer in enumerate(self.layers):
            x = layer(x, None, start, None if caches is None else caches[i])
        return self.output(self.norm(x if caches is None else x[:, -1]))

    def make_caches(self, batch_size: int, max_length: int, device: Any = None) -> list[Cache]:
        """A place for the keys and values of ``max_length`` tokens in each layer."""
        shape = (batch_size, max_length, self.num_heads, self.units // self.num_heads)
        dtype = self.word_embed.weight.dtype
        return [(np.zeros(shape, dtype, device=device), np.zeros(shape, dtype, device=device)) for _ in self.layers]


def gpt2_124m(**kwargs: Any) -> GPT2:
    """GPT-2 with 124 million parameters."""
    return GPT2(**kwargs)


def gpt2_355m(**kwargs: Any) -> GPT2:
    """GPT-2 medium, with 355 million parameters."""
    return GPT2(**{"units": 1024, "num_layers": 24, "num_heads": 16, **kwargs})


def gpt2_774m(**kwargs: Any) -> GPT2:
    """GPT-2 large, with 774 million parameters."""
    return GPT2(**{"units": 1280, "num_layers": 36, "num_heads": 20, **kwargs})
