"""Texts to learn a language from: WikiText, as sequences of words' numbers."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any, ClassVar

import numpy

from hybridnet.contrib.text.vocab import Vocabulary
from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.data.dataset import Dataset
from hybridnet.gluon.data.stored import Stored, archived_files, default_root
from hybridnet.io.base import array_of

_FILES = {"train": "wiki.train.tokens", "validation": "wiki.valid.tokens", "test": "wiki.test.tokens"}
_END = "<eos>"


class _WikiText(Dataset):
    """The words of a file one after another, ``<eos>`` behind each line that has any, cut into sequences of equal length."""

    _archive: ClassVar[Stored]
    _namespace: ClassVar[str]

    def __init__(self, root: str | os.PathLike[str], segment: str, vocab: Vocabulary | None, seq_len: int) -> None:
        op = type(self).__name__
        if segment not in _FILES:
            fail(ArgumentError, op, expected="segment train, validation or test", got=repr(segment))
        if seq_len < 1:
            fail(ArgumentError, op, expected="a seq_len of 1 or more", got=str(seq_len))
        folder = os.path.expanduser(os.fspath(root))
        [(_, text)] = archived_files(op, folder, self._namespace, self._archive, [_FILES[segment]])
        lines = [words for line in text.decode("utf8").splitlines() if (words := line.split())]
        self._counter = Counter(word for words in lines for word in words)
        self._vocab = Vocabulary(self._counter, reserved_tokens=[_END]) if vocab is None else vocab
        numbers = self._vocab.to_indices([word for words in lines for word in (*words, _END)])
        count = max(len(numbers) - 1, 0) // seq_len
        ends = numpy.array(numbers[: count * seq_len + 1], numpy.int32)
        self._data: Any
        self._label: Any
        self._data, self._label = (array_of(part.reshape(count, seq_len)) for part in (ends[:-1], ends[1:]))

    @property
    def vocabulary(self) -> Vocabulary:
        """What the numbers stand for."""
        return self._vocab

    @property
    def frequencies(self) -> Counter[str]:
        """How often each word stands in the text."""
        return self._counter

    def __getitem__(self, idx: Any) -> Any:
        return self._data[idx], self._label[idx]

    def __len__(self) -> int:
        return len(self._data)


class WikiText2(_WikiText):
    """Two million words of Wikipedia's good articles (Merity et al., arXiv 1609.07843; under CC BY-SA).

    A sample is ``(data, label)``, int32 of (seq_len,): numbers of words, and of the words that follow each of them. ``root``: the folder
    that holds ``wiki.train.tokens`` and its like, or the archive; fetched if neither is there. ``segment``: ``train``, ``validation`` or
    ``test``. ``vocab``: the vocabulary to use, that of the training data say; else the text's own, with ``<eos>`` reserved. What is left
    of the text behind the last whole sequence is not used.
    """

    _archive = Stored("wikitext-2-v1.zip", "3c914d17d80b1459be871a5039ac23e752a53cbe")
    _namespace = "wikitext-2"

    def __init__(
        self,
        root: str | os.PathLike[str] = default_root("wikitext-2"),
        segment: str = "train",
        vocab: Vocabulary | None = None,
        seq_len: int = 35,
    ) -> None:
        super().__init__(root, segment, vocab, seq_len)


class WikiText103(_WikiText):
    """A hundred million words of the same kind as :class:`WikiText2`'s, with the same arguments."""

    _archive = Stored("wikitext-103-v1.zip", "0aec09a7537b58d4bb65362fee27650eeaba625a")
    _namespace = "wikitext-103"

    def __init__(
        self,
        root: str | os.PathLike[str] = default_root("wikitext-103"),
        segment: str = "train",
        vocab: Vocabulary | None = None,
        seq_len: int = 35,
    ) -> None:
        super().__init__(root, segment, vocab, seq_len)
