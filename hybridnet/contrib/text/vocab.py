"""``Vocabulary``: which number stands for which token."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from numbers import Integral
from typing import Any

from hybridnet.errors import ArgumentError, fail


class Vocabulary:
    """Tokens by number: 0 is the unknown token, then come the reserved ones, then those of a counter, the most frequent first.

    Of tokens that are equally frequent the smaller comes first. ``counter``: how often each token was seen. ``most_freq_count``: at most so
    many of the counter's tokens, reserved ones not counted. ``min_freq``: those that were seen so often, or more. ``unknown_token``: what
    stands for every token that has no number. ``reserved_tokens``: tokens that have one in any case, ``"<pad>"`` say.

    ArgumentError for a ``counter`` that is no ``collections.Counter``, a ``min_freq`` below 1, and reserved tokens that come twice or are
    the unknown one.
    """

    def __init__(
        self,
        counter: Counter[Any] | None = None,
        most_freq_count: int | None = None,
        min_freq: int = 1,
        unknown_token: Hashable = "<unk>",
        reserved_tokens: Sequence[Hashable] | None = None,
    ) -> None:
        if min_freq < 1:
            fail(ArgumentError, "Vocabulary", expected="a min_freq of 1 or more", got=str(min_freq))
        reserved = list(reserved_tokens or ())
        twice = [token for token, n in Counter([unknown_token, *reserved]).items() if n > 1]
        if twice:
            expected = "reserved tokens that come once, and not the unknown one"
            fail(ArgumentError, "Vocabulary", expected=expected, got=", ".join(map(repr, twice)) + " twice")
        self._unknown_token = unknown_token
        self._reserved_tokens = None if reserved_tokens is None else reserved
        self._idx_to_token: list[Any] = [unknown_token, *reserved]
        self._token_to_idx = {token: i for i, token in enumerate(self._idx_to_token)}
        if counter is not None:
            self._enter(_by_frequency(counter, min_freq, set(self._idx_to_token))[:most_freq_count])

    def _enter(self, tokens: Sequence[Any]) -> None:
        """Give the next numbers to tokens that have none."""
        for token in tokens:
            if token not in self._token_to_idx:
                self._token_to_idx[token] = len(self._idx_to_token)
                self._idx_to_token.append(token)

    def __len__(self) -> int:
        return len(self._idx_to_token)

    @property
    def token_to_idx(self) -> dict[Any, int]:
        """The number of each token."""
        return self._token_to_idx

    @property
    def idx_to_token(self) -> list[Any]:
        """The token of each number."""
        return self._idx_to_token

    @property
    def unknown_token(self) -> Any:
        """What stands for every token that has no number."""
        return self._unknown_token

    @property
    def reserved_tokens(self) -> list[Any] | None:
        """The tokens that have numbers in any case, the unknown one not among them; ``None`` if none were named."""
        return self._reserved_tokens

    def to_indices(self, tokens: Any) -> Any:
        """The number of a token, or a list of the numbers of a list of tokens; 0 for those that are unknown."""
        return [self._token_to_idx.get(token, 0) for token in tokens] if isinstance(tokens, list) else self._token_to_idx.get(tokens, 0)

    def to_tokens(self, indices: Any) -> Any:
        """The token of a number, or a list of the tokens of a list of numbers. ArgumentError for a number that stands for none."""
        for i in indices if isinstance(indices, list) else [indices]:
            if not isinstance(i, Integral) or not 0 <= int(i) < len(self):
                fail(ArgumentError, "to_tokens", expected=f"integers from 0 to {len(self) - 1}", got=repr(i))
        return [self._idx_to_token[i] for i in indices] if isinstance(indices, list) else self._idx_to_token[indices]


def _by_frequency(counter: Counter[Any], min_freq: int, other: set[Any]) -> list[Any]:
    """The tokens of a counter but for ``other``, the most frequent first."""
    if not isinstance(counter, Counter):
        fail(ArgumentError, "Vocabulary", expected="a collections.Counter", got=type(counter).__name__, fix="Counter(tokens)")
    kept = [token for token, n in counter.items() if n >= min_freq and token not in other]
    try:
        kept.sort()
    except TypeError:
        kinds = ", ".join(sorted({type(token).__name__ for token in kept}))
        fail(ArgumentError, "Vocabulary", expected="tokens of one type, which have an order", got=kinds)
    return sorted(kept, key=lambda token: -counter[token])
