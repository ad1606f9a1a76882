"""Sentences as numbers, and batches of sentences of one length each."""

from __future__ import annotations

import bisect
import logging
import random
from collections.abc import Sequence
from typing import Any

import numpy

from hybridnet import ndarray
from hybridnet.errors import ArgumentError, fail
from hybridnet.io import DataBatch, DataDesc, DataIter

__all__ = ["BucketSentenceIter", "encode_sentences"]


def encode_sentences(
    sentences: Sequence[Sequence[Any]],
    vocab: dict[Any, int] | None = None,
    invalid_label: int = -1,
    invalid_key: Any = "\n",
    start_label: int = 0,
    unknown_token: Any = None,
) -> tuple[list[list[int]], dict[Any, int]]:
    """Sentences of tokens as lists of numbers, and the numbers by token.

    Without ``vocab`` numbers are given from ``start_label`` on, passing over ``invalid_label``, which is ``invalid_key``'s. With one, a
    token that it lacks is an ArgumentError, unless there is an ``unknown_token`` in its place.
    """
    new = vocab is None
    table: dict[Any, int] = {invalid_key: invalid_label} if vocab is None else vocab
    number = start_label
    encoded = []
    for sentence in sentences:
        row = []
        for token in sentence:
            if token not in table:
                if not new and unknown_token is None:
                    fail(ArgumentError, "encode_sentences", expected="tokens of the vocabulary", got=repr(token), fix="unknown_token=")
                if number == invalid_label:
                    number += 1
                token = unknown_token if unknown_token is not None else token
                if token not in table:
                    table[token] = number
                    number += 1
            row.append(table[token])
        encoded.append(row)
    return encoded, table


class BucketSentenceIter(DataIter):
    """Batches for language models: sentences of nearly one length, filled up to their bucket's; labels are the next tokens.

    ``buckets``: lengths; those that occur at least ``batch_size`` times, if not given. ``layout``: ``NT`` or ``TN``. Sentences longer than
    the largest bucket are left out, as are those that fill no whole batch; the order changes at every :meth:`reset`.
    """

    def __init__(
        self,
        sentences: Sequence[Sequence[int]],
        batch_size: int,
        buckets: Sequence[int] | None = None,
        invalid_label: int = -1,
        data_name: str = "data",
        label_name: str = "softmax_label",
        dtype: Any = "float32",
        layout: str = "NT",
    ) -> None:
        super().__init__()
        if layout not in ("NT", "TN"):
            fail(ArgumentError, "BucketSentenceIter", expected="layout NT or TN", got=repr(layout))
        if not buckets:
            counts = numpy.bincount([len(s) for s in sentences])
            buckets = [length for length, count in enumerate(counts) if count >= batch_size]
        self.buckets = sorted(buckets)
        rows: list[list[Any]] = [[] for _ in self.buckets]
        discarded = 0
        for sentence in sentences:
            k = bisect.bisect_left(self.buckets, len(sentence))
            if k == len(self.buckets):
                discarded += 1
                continue
            row = numpy.full((self.buckets[k],), invalid_label, dtype=dtype)
            row[: len(sentence)] = sentence
            rows[k].append(row)
        if discarded:
            logging.warning("discarded %d sentences longer than the largest bucket.", discarded)
        self.data = [numpy.asarray(r, dtype=dtype).reshape(len(r), length) for r, length in zip(rows, self.buckets, strict=True)]
        self.batch_size, self.invalid_label, self.dtype, self.layout = batch_size, invalid_label, dtype, layout
        self.data_name, self.label_name = data_name, label_name
        self.major_axis = layout.find("N")
        self.default_bucket_key = max(self.buckets)
        self.provide_data = [self._described(data_name, self.default_bucket_key)]
        self.provide_label = [self._described(label_name, self.default_bucket_key)]
        self.idx = [(k, j) for k, d in enumerate(self.data) for j in range(0, len(d) - batch_size + 1, batch_size)]
        self.curr_idx = 0
        self.reset()

    def _described(self, name: str, length: int) -> DataDesc:
        shape = (self.batch_size, length) if self.layout == "NT" else (length, self.batch_size)
        return DataDesc(name=name, shape=shape, layout=self.layout)

    def reset(self) -> None:
        """Begin anew, with batches and the sentences in them in another order."""
        self.curr_idx = 0
        random.shuffle(self.idx)
        self.nddata, self.ndlabel = [], []
        for rows in self.data:
            numpy.random.shuffle(rows)
            label = numpy.full_like(rows, self.invalid_label)
            label[:, :-1] = rows[:, 1:]
            self.nddata.append(ndarray.array(rows, dtype=self.dtype))
            self.ndlabel.append(ndarray.array(label, dtype=self.dtype))

    def next(self) -> DataBatch:
        """The next batch; its ``bucket_key`` is the length."""
        if self.curr_idx == len(self.idx):
            raise StopIteration
        k, j = self.idx[self.curr_idx]
        self.curr_idx += 1
        data, label = (part[k][j : j + self.batch_size] for part in (self.nddata, self.ndlabel))
        if self.major_axis == 1:
            data, label = data.T, label.T
        length = self.buckets[k]
        return DataBatch(
            [data],
            [label],
            pad=0,
            bucket_key=length,
            provide_data=[self._described(self.data_name, length)],
            provide_label=[self._described(self.label_name, length)],
        )
