"""A language model of characters, with an LSTM written out: it learns this project's licence and writes on.

The recurrence is a loop over time, ``npx.foreach``. The text is cut into rows that are read side by side, a few characters a
step; the state at the end of a step is where the next begins, written in place to arrays that the compiled step takes in
and gives back.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import numpy
from tqdm import tqdm

import hybridnet as hn
from hybridnet import autograd, gluon, np, npx
from hybridnet.gluon import nn

TEXT = Path(__file__).resolve().parent.parent / "LICENSE"


class CharModel(gluon.HybridBlock):
    """Character numbers (time, batch) to scores of the next character (time, batch, characters)."""

    def __init__(self, characters: int, units: int) -> None:
        super().__init__()
        self.units = units
        self.embedding = nn.Embedding(characters, 32)
        self.of_input = nn.Dense(4 * units, flatten=False, in_units=32)
        self.of_state = nn.Dense(4 * units, use_bias=False, in_units=units)
        self.output = nn.Dense(characters, flatten=False, in_units=units)

    def forward(self, x: Any, hidden: Any, cell: Any) -> tuple[Any, Any, Any]:
        def step(x: Any, states: list[Any]) -> tuple[Any, list[Any]]:
            hidden, cell = states
            gates = x + self.of_state(hidden)
            enter, forget, leave, new = np.split(gates, 4, axis=1)
            cell = npx.sigmoid(forget + 1) * cell + npx.sigmoid(enter) * np.tanh(new)
            hidden = npx.sigmoid(leave) * np.tanh(cell)
            return hidden, [hidden, cell]

        outputs, (hidden, cell) = npx.foreach(step, self.of_input(self.embedding(x)), [hidden, cell])
        return self.output(outputs), hidden, cell


def generate(net: CharModel, start: str, length: int, characters: str) -> str:
    """``start``, continued by drawing each next character by the network's probabilities."""
    number = {c: i for i, c in enumerate(characters)}
    hidden, cell = np.zeros((1, net.units)), np.zeros((1, net.units))
    text = start
    given = start
    for _ in range(length):
        scores, hidden, cell = net(np.array([[number[c]] for c in given], dtype="int32"), hidden, cell)
        given = characters[int(np.random.choice(len(characters), p=npx.softmax(scores[-1, 0] / 0.5)))]
        text += given
    return text


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Run the example; gives what a test looks at."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--units", type=int, default=128)
    parser.add_argument("--steps", type=int, default=32, help="characters a training step")
    parser.add_argument("--rows", type=int, default=16, help="rows of text read side by side")
    parser.add_argument("--length", type=int, default=200, help="characters to write at the end")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    args = parser.parse_args(arguments)
    hn.random.seed(0)

    text = " ".join(TEXT.read_text(encoding="utf-8").split())
    characters = "".join(sorted(set(text)))
    number = {c: i for i, c in enumerate(characters)}
    rows = numpy.array([number[c] for c in text[: len(text) // args.rows * args.rows]], "int32").reshape(args.rows, -1).T

    net = CharModel(len(characters), args.units)
    net.initialize(hn.init.Xavier())
    loss_fn = gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 3e-3, "clip_gradient": 0.1})
    hidden, cell = np.zeros((args.rows, args.units)), np.zeros((args.rows, args.units))

    @hn.jit
    def step(x: Any, y: Any) -> Any:
        with autograd.record():
            scores, last_hidden, last_cell = net(x, hidden, cell)
            loss = loss_fn(scores.reshape(-1, len(characters)), y.reshape(-1)).mean()
        loss.backward()
        trainer.step(1)
        hidden[...] = last_hidden.detach()
        cell[...] = last_cell.detach()
        return loss

    perplexities = []
    starts = range(0, len(rows) - args.steps, args.steps)
    with tqdm(range(args.epochs), unit="epoch", disable=args.quiet) as bar:
        for _ in bar:
            hidden[...] = 0
            cell[...] = 0
            losses = []
            for i in starts:
                x, y = rows[i : i + args.steps], rows[i + 1 : i + 1 + args.steps]
                losses.append(step(np.array(x), np.array(y)))
            perplexities.append(math.exp(sum(losses).item() / len(losses)))
            bar.set_postfix(perplexity=f"{perplexities[-1]:.2f}")
    print(f"perplexity a character: {perplexities[0]:.2f} after one epoch, {perplexities[-1]:.2f} after {args.epochs}")

    net.hybridize()
    written = generate(net, "You may ", args.length, characters)
    print(written)
    return {"perplexities": perplexities, "text": written}


if __name__ == "__main__":
    main()
