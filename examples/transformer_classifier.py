"""A transformer that tells what a line is written in: Python, CUDA C++ or English, from this project's own files.

A line is a sequence of characters, numbered by ``contrib.text``'s vocabulary and filled up to one length; what was filled in is masked, in
the attention and in the mean that is classified. The layers are ``nn.TransformerEncoderLayer`` with rotary positions; ``fit`` trains with
one compiled step.

    python examples/transformer_classifier.py
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

import numpy

import hybridnet as hn
from hybridnet import gluon
from hybridnet.contrib.text.vocab import Vocabulary
from hybridnet.gluon import nn

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = {"Python": ["hybridnet/**/*.py"], "CUDA C++": ["kernels/*.cu", "kernels/*.cuh"], "English": ["*.md", "docs/*.md"]}
LENGTH = 48


def lines_of(language: str, number: int, rng: Any) -> list[str]:
    """Some of the longer lines of a language's files, without the space that they begin with; of code no comments."""
    files = [path for pattern in LANGUAGES[language] for path in sorted(ROOT.glob(pattern))]
    lines = {line.strip() for path in files for line in path.read_text(encoding="utf-8").splitlines()}
    if language != "English":
        lines = {line for line in lines if "=" in line or line.endswith((":", ";", "{", ","))}
        lines = {line for line in lines if not line.startswith(("#", "//", '"'))}
    kept = sorted(line for line in lines if len(line) >= 20)
    return [kept[i] for i in rng.permutation(len(kept))[:number]]


def encoded(vocabulary: Vocabulary, lines: list[str]) -> Any:
    """Numbers of the first characters of each line, filled up with 0, (lines, LENGTH)."""
    found = numpy.zeros((len(lines), LENGTH), "int32")
    for row, line in zip(found, lines, strict=True):
        row[: len(line)] = vocabulary.to_indices(list(line[:LENGTH]))
    return found


class Classifier(gluon.HybridBlock):
    """Characters (batch, length) to scores (batch, classes)."""

    def __init__(self, characters: int, classes: int, units: int, layers: int) -> None:
        super().__init__()
        with self.name_scope():
            self.embed = nn.Embedding(characters, units)
            self.layers = nn.HybridSequential()
            for _ in range(layers):
                self.layers.add(
                    nn.TransformerEncoderLayer(units, 4, 2 * units, dropout=0.1, activation="gelu", pre_norm=True, rotary=100.0)
                )
            self.norm = nn.LayerNorm()
            self.output = nn.Dense(classes)

    def hybrid_forward(self, F: Any, tokens: Any) -> Any:
        there = F.cast(F.broadcast_not_equal(tokens, F.zeros_like(tokens)), dtype="float32")
        mask = F.reshape(there, shape=(0, 1, 1, -1))
        x = self.embed(tokens)
        for layer in self.layers:
            x = layer(x, mask)
        weights = F.broadcast_div(there, F.sum(there, axis=1, keepdims=True))
        mean = F.sum(F.broadcast_mul(self.norm(x), F.expand_dims(weights, axis=2)), axis=1)
        return self.output(mean)


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Run the example; gives what a test looks at."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1200, help="lines of each language, of which a fifth is held out")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--units", type=int, default=32)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    args = parser.parse_args(arguments)
    hn.random.seed(0)
    rng = numpy.random.default_rng(0)

    lines, labels = [], []
    for number, language in enumerate(LANGUAGES):
        found = lines_of(language, args.lines, rng)
        lines += found
        labels += [number] * len(found)
    order = rng.permutation(len(lines))
    kept = len(order) * 4 // 5
    vocabulary = Vocabulary(Counter("".join(lines[i] for i in order[:kept])), min_freq=5)
    x, y = encoded(vocabulary, [lines[i] for i in order]), numpy.array(labels, "int32")[order]

    net = Classifier(len(vocabulary), len(LANGUAGES), args.units, args.layers)
    net.compile(optimizer=hn.optimizer.Adam(learning_rate=3e-3), loss=gluon.loss.SoftmaxCrossEntropyLoss(), metrics=["accuracy"])
    net.initialize(hn.init.Xavier())
    held_out = x[kept:], y[kept:]
    net.fit(x[:kept], y[:kept], epochs=args.epochs, batch_size=64, validation_data=held_out, verbose=0 if args.quiet else 1)
    accuracy = float((net.predict(held_out[0]).argmax(axis=1) == y[kept:]).mean())
    print(f"held-out accuracy: {accuracy:.4f} of {len(order) - kept} lines")

    names = list(LANGUAGES)
    tried = ["for i in range(10): print(i)", "__shared__ float sums[32]; if (i < n) sums[i] = 0;", "What it learns is what you show it."]
    for line, scores in zip(tried, net.predict(encoded(vocabulary, tried)), strict=True):
        print(f"{names[int(scores.argmax())]:9} {line}")
    return {"accuracy": accuracy, "tried": [names[int(s.argmax())] for s in net.predict(encoded(vocabulary, tried))]}


if __name__ == "__main__":
    main()
