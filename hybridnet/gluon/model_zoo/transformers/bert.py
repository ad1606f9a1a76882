"""BERT: "BERT: pre-training of deep bidirectional transformers for language understanding" (arXiv:1810.04805)."""

from __future__ import annotations

from typing import Any

from hybridnet import numpy as np
from hybridnet.errors import ShapeError, fail
from hybridnet.gluon import nn
from hybridnet.gluon.block import HybridBlock
from hybridnet.gluon.model_zoo.transformers.layers import dense, stack, table


class BERT(HybridBlock):
    """Token numbers (batch, tokens) to what each means there, (batch, tokens, ``units``), and a summary, (batch, ``units``).

    The summary is a dense layer with tanh on the first token. ``token_types``: the number of segments that tokens can belong to.
    """

    def __init__(
        self,
        vocab_size: int = 30522,
        max_length: int = 512,
        units: int = 768,
        num_layers: int = 12,
        num_heads: int = 12,
        hidden_size: int | None = None,
        token_types: int = 2,
        dropout: float = 0.1,
        epsilon: float = 1e-12,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._max_length = max_length
        with self.name_scope():
            self.word_embed = table(vocab_size, units, "word_embed_")
            self.position_embed = table(max_length, units, "position_embed_")
            self.token_type_embed = table(token_types, units, "token_type_embed_")
            self.embed_norm = nn.LayerNorm(epsilon=epsilon, in_channels=units, prefix="embed_norm_")
            self.dropout = nn.Dropout(dropout)
            self.layers = stack(num_layers, units, num_heads, hidden_size, activation="gelu", dropout=dropout, epsilon=epsilon)
            self.pooler = dense(units, units, "pooler_")

    def forward(self, tokens: Any, token_types: Any = None, valid_length: Any = None) -> tuple[Any, Any]:
        """``token_types``: the segment of each token, (batch, tokens), all 0 unless given; ``valid_length``: how many tokens of each
        sequence count, (batch,), all unless given.
        """
        _, number = tokens.shape
        if number > self._max_length:
            fail(ShapeError, "BERT", expected=f"at most max_length={self._max_length} tokens", got=str(tokens.shape))
        places = np.arange(number, dtype="int32", device=tokens.device)
        types = np.zeros(tokens.shape, "int32", device=tokens.device) if token_types is None else token_types
        x = self.word_embed(tokens) + self.position_embed(places) + self.token_type_embed(types)
        x = self.dropout(self.embed_norm(x))
        mask = None if valid_length is None else (places < valid_length.reshape(-1, 1)).reshape(-1, 1, 1, number)
        for layer in self.layers:
            x = layer(x, mask)
        return x, np.tanh(self.pooler(x[:, 0]))


def bert_base(**kwargs: Any) -> BERT:
    """BERT with 12 layers of 768 units."""
    return BERT(**kwargs)


def bert_large(**kwargs: Any) -> BERT:
    """BERT with 24 layers of 1024 units."""
    return BERT(**{"units": 1024, "num_layers": 24, "num_heads": 16, **kwargs})
