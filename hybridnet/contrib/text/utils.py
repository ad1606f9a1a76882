"""Counting the tokens of a text."""

from __future__ import annotations

import re
from collections import Counter


def count_tokens_from_str(
    source_str: str, token_delim: str = " ", seq_delim: str = "\n", to_lower: bool = False, counter_to_update: Counter[str] | None = None
) -> Counter[str]:
    """How often each token stands in ``source_str``, whose tokens are what is between two delimiters.

    ``token_delim`` and ``seq_delim``, which ends a sequence, are regular expressions. ``to_lower``: the text is put into lower case first.
    ``counter_to_update`` is added to and given back, if there is one.
    """
    counter = Counter() if counter_to_update is None else counter_to_update
    text = source_str.lower() if to_lower else source_str
    counter.update(token for token in re.split(f"(?:{token_delim})|(?:{seq_delim})", text) if token)
    return counter
