"""Llama: "Llama 2: open foundation and fine-tuned chat models" (arXiv:2307.09288), and what is built as it is."""

from __future__ import annotations

from typing import Any

from hybridnet.gluon import nn
from hybridnet.gluon.model_zoo.transformers.language_model import LanguageModel
from hybridnet.gluon.model_zoo.transformers.layers import stack, table
from hybridnet.initializer import Normal


class Llama(LanguageModel):
    """Token numbers (batch, tokens) to scores of the token that follows each, (batch, tokens, ``vocab_size``).

    Layers with root mean square norms, positions turned into queries and keys, a gated feed-forward network of ``hidden_size``, and no
    biases. ``num_kv_heads``: the heads that keys and values have, as many as queries unless given; ``rotary``: the base of the angles;
    ``max_length``: the most tokens that it can read; ``tied``: the scores are products with the rows of the table of tokens.
    """

    def __init__(
        self,
        vocab_size: int = 32000,
        max_length: int = 4096,
        units: int = 4096,
        num_layers: int = 32,
        num_heads: int = 32,
        num_kv_heads: int | None = None,
        hidden_size: int = 11008,
        rotary: float = 10000.0,
        epsilon: float = 1e-5,
        tied: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.vocab_size, self.max_length = vocab_size, max_length
        with self.name_scope():
            self.word_embed = table(vocab_size, units, "word_embed_")
            given: dict[str, Any] = {"activation": "swiglu", "norm": "rms", "pre_norm": True, "causal": True, "use_bias": False}
            given |= {"num_kv_heads": num_kv_heads, "rotary": rotary, "epsilon": epsilon}
            self.layers = stack(num_layers, units, num_heads, hidden_size, **given)
            self.norm = nn.RMSNorm(epsilon=epsilon, in_channels=units, prefix="norm_")
            shared: dict[str, Any] = (
                {"params": self.word_embed.params} if tied else {"weight_initializer": Normal(0.02), "prefix": "output_"}
            )
            self.output = nn.Dense(vocab_size, flatten=False, use_bias=False, in_units=units, **shared)


def llama_7b(**kwargs: Any) -> Llama:
    """Llama 2 with 7 billion parameters."""
    return Llama(**kwargs)
