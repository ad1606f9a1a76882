"""GPT-2: "Language models are unsupervised multitask learners" (Radford and others, 2019)."""

from __future__ import annotations

from typing import Any

from hybridnet.gluon import nn
from hybridnet.gluon.model_zoo.transformers.language_model import LanguageModel
from hybridnet.gluon.model_zoo.transformers.layers import stack, table


class GPT2(LanguageModel):
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
        self.vocab_size, self.max_length = vocab_size, max_length
        with self.name_scope():
            self.word_embed = table(vocab_size, units, "word_embed_")
            self.position_embed = table(max_length, units, "position_embed_", sigma=0.01)
            self.dropout = nn.Dropout(dropout)
            given: dict[str, Any] = {"activation": "gelu_tanh", "pre_norm": True, "causal": True, "dropout": dropout, "epsilon": epsilon}
            self.layers = stack(num_layers, units, num_heads, hidden_size, **given)
            self.norm = nn.LayerNorm(epsilon=epsilon, in_channels=units, prefix="norm_")
            self.output = nn.Dense(vocab_size, flatten=False, use_bias=False, in_units=units, params=self.word_embed.params)

    def _embedded(self, tokens: Any, places: Any) -> Any:
        return self.dropout(self.word_embed(tokens) + self.position_embed(places))


def gpt2_124m(**kwargs: Any) -> GPT2:
    """GPT-2 with 124 million parameters."""
    return GPT2(**kwargs)


def gpt2_355m(**kwargs: Any) -> GPT2:
    """GPT-2 medium, with 355 million parameters."""
    return GPT2(**{"units": 1024, "num_layers": 24, "num_heads": 16, **kwargs})


def gpt2_774m(**kwargs: Any) -> GPT2:
    """GPT-2 large, with 774 million parameters."""
    return GPT2(**{"units": 1280, "num_layers": 36, "num_heads": 20, **kwargs})
