"""A language model of characters, GPT-2 made small: it learns this project's licence and writes on.

The network is the one in ``gluon.model_zoo``; a training step, from the choice of pieces of text to the optimizer's update, is one compiled
program. Text is written by ``Generator``, whose step computes one character and keeps the keys and values of those before it.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy
from tqdm import tqdm

import hybridnet as hn
from hybridnet import autograd, gluon, np
from hybridnet.gluon.model_zoo import transformers

TEXT = Path(__file__).resolve().parent.parent / "LICENSE"


class Characters:
    """The characters of a text and their numbers."""

    def __init__(self, text: str) -> None:
        self.characters = "".join(sorted(set(text)))
        self.number = {c: i for i, c in enumerate(self.characters)}

    def encode(self, text: str) -> Any:
        return np.array([self.number[c] for c in text], dtype="int32")

    def decode(self, numbers: Any) -> str:
        return "".join(self.characters[i] for i in numbers.asnumpy())


def perplexity(net: Any, loss_fn: Any, text: Any, length: int) -> float:
    """exp of the mean cross-entropy of a text's characters, read in pieces of ``length``."""
    number = (text.size - 1) // length
    x, y = (text[i : i + number * length].reshape(number, length) for i in (0, 1))
    return math.exp(loss_fn(net(x).reshape(number * length, -1), y.reshape(-1)).mean().item())


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Run the example; gives what a test looks at."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=600, help="training steps")
    parser.add_argument("--rows", type=int, default=16, help="pieces of text in a step")
    parser.add_argument("--context", type=int, default=128, help="characters of a piece, which are the most that it can look back on")
    parser.add_argument("--units", type=int, default=96)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--length", type=int, default=120, help="characters to write after the first eight, no more than the context has")
    parser.add_argument("--temperature", type=float, default=0.5, help="of the characters that are drawn; 0 takes the most probable ones")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    args = parser.parse_args(arguments)
    hn.random.seed(0)

    text = " ".join(TEXT.read_text(encoding="utf-8").split())
    alphabet = Characters(text)
    cut = len(text) * 9 // 10
    train, held_out = alphabet.encode(text[:cut]), alphabet.encode(text[cut:])

    net = transformers.GPT2(
        vocab_size=len(alphabet.characters),
        max_length=args.context,
        units=args.units,
        num_layers=args.layers,
        num_heads=4,
        dropout=0.1,
    )
    net.initialize()
    loss_fn = gluon.loss.SoftmaxCrossEntropyLoss()
    schedule = hn.lr_scheduler.CosineScheduler(args.steps, base_lr=2e-3, final_lr=2e-4, warmup_steps=args.steps // 20)
    trainer = gluon.Trainer(net.collect_params(), "adam", {"lr_scheduler": schedule})
    places = np.arange(args.context + 1)

    @hn.jit
    def step() -> Any:
        starts = np.random.randint(0, train.size - args.context, size=(args.rows, 1))
        pieces = train[starts + places]
        with autograd.record():
            scores = net(pieces[:, :-1])
            loss = loss_fn(scores.reshape(-1, len(alphabet.characters)), pieces[:, 1:].reshape(-1)).mean()
        loss.backward()
        trainer.step(1)
        return loss

    losses = []
    with tqdm(range(args.steps), unit="step", disable=args.quiet) as bar:
        for i in bar:
            losses.append(step())
            if i % 20 == 19:
                bar.set_postfix(perplexity=f"{math.exp(losses[-1].item()):.2f}")
    first, last = (math.exp(numpy.mean([loss.item() for loss in part])) for part in (losses[:10], losses[-10:]))
    net.hybridize()
    of_others = perplexity(net, loss_fn, held_out, args.context)
    print(
        f"perplexity a character: {first:.2f} at first, {last:.2f} after {args.steps} steps, {of_others:.2f} of text that it has not seen"
    )

    generator = transformers.Generator(net)
    start = alphabet.encode("You may ").reshape(1, -1)
    generator(start, 2, args.temperature)  # compiles
    begun = time.perf_counter()
    written = alphabet.decode(generator(start, args.length, args.temperature)[0])
    print(f"{args.length / (time.perf_counter() - begun):.0f} characters a second:\n{written}")
    return {"perplexities": (first, last, of_others), "text": written}


if __name__ == "__main__":
    main()
