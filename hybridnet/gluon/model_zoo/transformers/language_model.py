"""What models that write on share: layers over a cache of keys and values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hybridnet import numpy as np
from hybridnet.errors import ShapeError, fail
from hybridnet.gluon.block import HybridBlock


class LanguageModel(HybridBlock):
    """Token numbers (batch, tokens) to scores of the token that follows each, (batch, tokens, ``vocab_size``).

    A class of them has ``vocab_size``, ``max_length``, the layers ``word_embed``, ``layers``, ``norm`` and ``output``, and what its tokens
    are at first, :meth:`_embedded`.
    """

    vocab_size: int
    max_length: int
    word_embed: Any
    layers: Any
    norm: Any
    output: Any

    def _embedded(self, tokens: Any, places: Any) -> Any:
        """What enters the first layer, of tokens at these places, (tokens,)."""
        return self.word_embed(tokens)

    def forward(self, tokens: Any, start: Any = None, caches: Sequence[Any] | None = None) -> Any:
        """With ``caches``, those of :meth:`begin_cache` at first, ``tokens`` are those from number ``start`` (an integer array (1,)) on,
        and the result is the scores of the token that follows the last, (batch, ``vocab_size``), and the caches for the next call.
        """
        if tokens.shape[1] > self.max_length:
            fail(ShapeError, type(self).__name__, expected=f"at most max_length={self.max_length} tokens", got=str(tokens.shape))
        places = np.arange(tokens.shape[1], dtype="int32", device=tokens.device)
        x = self._embedded(tokens, places if start is None else start + places)
        if caches is None:
            for layer in self.layers:
                x = layer(x)
            return self.output(self.norm(x))
        after = []
        for layer, cache in zip(self.layers, caches, strict=True):
            x, cache = layer(x, None, cache, start)
            after.append(cache)
        return self.output(self.norm(x[:, -1])), after

    def begin_cache(self, batch_size: int, length: int, like: Any = None) -> list[Any]:
        """A place for the keys and values of ``length`` tokens in each layer; of the class and device of ``like``."""
        layers: Iterable[Any] = self.layers
        return [layer.begin_cache(batch_size, length, like) for layer in layers]
