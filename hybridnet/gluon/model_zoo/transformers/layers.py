"""What the transformers of the zoo are made of: Gluon's layers, with the small first weights that their papers begin with."""

from __future__ import annotations

from typing import Any

from hybridnet.gluon import nn
from hybridnet.initializer import Normal


def dense(units: int, in_units: int, prefix: str) -> nn.Dense:
    """A dense layer over the last axis."""
    return nn.Dense(units, flatten=False, in_units=in_units, weight_initializer=Normal(0.02), prefix=prefix)


def table(number: int, units: int, prefix: str, sigma: float = 0.02) -> nn.Embedding:
    """What ``number`` things mean at first: tokens, or positions."""
    return nn.Embedding(number, units, weight_initializer=Normal(sigma), prefix=prefix)


def stack(number: int, units: int, num_heads: int, hidden_size: int | None, **kwargs: Any) -> nn.HybridSequential:
    """``number`` layers, named ``layer0_``, ``layer1_`` …, each with these arguments of ``nn.TransformerEncoderLayer``.

    ``hidden_size``: four times ``units`` unless given.
    """
    sizes = units, num_heads, hidden_size or 4 * units
    layers = nn.HybridSequential(prefix="")
    layers.add(*[nn.TransformerEncoderLayer(*sizes, weight_initializer=Normal(0.02), prefix=f"layer{i}_", **kwargs) for i in range(number)])
    return layers
