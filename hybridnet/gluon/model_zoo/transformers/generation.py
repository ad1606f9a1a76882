"""Writing on: a language model's next tokens, one after the other, by a compiled step over a cache of keys and values."""

from __future__ import annotations

from typing import Any

from hybridnet import numpy as np
from hybridnet import numpy_extension as npx
from hybridnet.compile import jit
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.gluon.model_zoo.transformers.language_model import LanguageModel
from hybridnet.owned import OwnedMethod


class Generator:
    """Continues sequences of tokens with ``net``, ``batch_size`` of them at a time, up to ``max_length`` tokens each.

    Keys and values of the tokens so far are kept, so that a step computes one token; it is compiled once, for all calls. A beginning
    is read in pieces whose lengths are powers of two, so that a new length needs no new program. All of it
    happens on the device of ``net``.
    """

    def __init__(self, net: LanguageModel, batch_size: int = 1, max_length: int | None = None) -> None:
        self.max_length = net.max_length if max_length is None else max_length
        if not 0 < self.max_length <= net.max_length:
            fail(ArgumentError, "Generator", expected=f"max_length from 1 to {net.max_length}, the network's", got=str(max_length))
        self._net = net
        self._batch_size = batch_size
        self._device = net.word_embed.weight.list_ctx()[0]
        self._caches = net.begin_cache(batch_size, self.max_length, np.zeros((1,), device=self._device))
        self._step = jit(OwnedMethod(self._next), name="generate")

    def __call__(
        self,
        tokens: Any,
        new_tokens: int,
        temperature: float = 0.0,
        top_k: int | None = None,
        end_token: int | None = None,
        valid_length: Any = None,
    ) -> Any:
        """``tokens`` (batch, number), continued: token numbers (batch, number + ``new_tokens``), int32.

        ``temperature`` 0 takes the most probable token each time; otherwise tokens are drawn with the probabilities
        softmax(scores / ``temperature``), from the ``top_k`` most probable ones if that is given. ``end_token``: when every sequence has
        had it, nothing more is computed, and what follows it is ``end_token`` as well. ``valid_length``: how many tokens of each sequence
        are its beginning, (batch,), all unless given; those after them are written over.

        Raises ``ShapeError`` for another number of sequences or too many tokens, ``ArgumentError`` for other numbers out of range.
        """
        tokens = np.array(tokens, dtype="int32", device=self._device)
        self._check(tokens, new_tokens, temperature, top_k)
        number = tokens.shape[1]
        lengths = self._lengths(valid_length, number)
        shortest = int(lengths.min())
        heat = np.array(temperature, dtype="float32", device=self._device) if temperature else None
        written = [tokens[:, :shortest]]
        start, rest = 0, written[0]
        ended = np.zeros((self._batch_size,), "bool", device=self._device)
        for place in range(shortest, number + new_tokens):
            found, start = self._read(rest, start, heat, top_k)
            if end_token is not None:
                found = np.where(ended, end_token, found).astype("int32")
                ended = np.logical_or(ended, np.logical_and(found == end_token, place >= lengths))
            if place < number:
                found = np.where(place < lengths, tokens[:, place], found)
            rest = found.reshape(-1, 1)
            written.append(rest)
            if end_token is not None and bool(ended.all()):
                break
        return np.concatenate(written, axis=1)

    def _read(self, tokens: Any, start: int, temperature: Any, top_k: int | None) -> tuple[Any, int]:
        """The tokens that follow ``tokens``, which begin at place ``start``, and the place of those: read in pieces of 2ⁿ tokens."""
        while True:
            piece = 1 << (tokens.shape[1].bit_length() - 1)
            found = self._step(tokens[:, :piece], np.array([start], dtype="int32", device=self._device), temperature, top_k)
            start, tokens = start + piece, tokens[:, piece:]
            if not tokens.shape[1]:
                return found, start

    def _lengths(self, valid_length: Any, number: int) -> Any:
        if valid_length is None:
            return np.full((self._batch_size,), number, dtype="int32", device=self._device)
        lengths = np.array(valid_length, dtype="int32", device=self._device)
        if lengths.shape != (self._batch_size,) or int(lengths.min()) < 1 or int(lengths.max()) > number:
            expected = f"valid_length ({self._batch_size},) with numbers from 1 to {number}"
            fail(ArgumentError, "Generator", expected=expected, got=str(valid_length))
        return lengths

    def _check(self, tokens: Any, new_tokens: int, temperature: float, top_k: int | None) -> None:
        most = self.max_length - new_tokens + 1  # the last token is written, never read
        if tokens.ndim != 2 or tokens.shape[0] != self._batch_size or not 0 < tokens.shape[1] <= most:
            expected = f"tokens ({self._batch_size}, 1 to {most}), so that {new_tokens} more are at most {self.max_length + 1}"
            fail(ShapeError, "Generator", expected=expected, got=str(tokens.shape))
        if new_tokens < 0 or temperature < 0 or (top_k is not None and not 0 < top_k <= self._net.vocab_size):
            fail(
                ArgumentError,
                "Generator",
                expected=f"new_tokens and a temperature of 0 or more, top_k from 1 to {self._net.vocab_size}",
                got=f"{new_tokens}, {temperature} and {top_k}",
            )

    def _next(self, tokens: Any, start: Any, temperature: Any, top_k: int | None) -> Any:
        """The tokens that follow ``tokens``, (batch,)."""
        scores, caches = self._net(tokens, start, self._caches)
        for kept, new in zip(self._caches, caches, strict=True):
            for old, array in zip(kept, new, strict=True):
                old[:] = array
        if temperature is None:
            return np.argmax(scores, axis=-1).astype("int32")
        if top_k is not None:
            least = npx.topk(scores, k=top_k, ret_typ="value")[:, -1:]
            scores = np.where(scores < least, -np.inf, scores)
        # The largest of scores with Gumbel noise is drawn by their softmax.
        noise = np.random.gumbel(size=scores.shape, device=self._device)
        return np.argmax(scores / temperature + noise, axis=-1).astype("int32")
