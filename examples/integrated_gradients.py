"""Which pixels made the network say so? Integrated gradients over handwritten digits (Sundararajan et al., arXiv 1703.01365).

A pixel's part in a score is its value times the mean gradient of the score, on the way from a black image to this one. The parts sum up to
what the image's score is more than the black image's, which is checked. Pixels that speak for the digit are drawn in ``+`` and ``#``, those
against it in ``-`` and ``=``. Taking the pixels away that matter most, by these parts, lowers the score faster than taking any.

    python examples/integrated_gradients.py
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy
from sklearn.datasets import load_digits

import hybridnet as hn
from hybridnet import autograd, np
from hybridnet.gluon import nn

HELD_OUT = 360


def trained(x: Any, y: Any, epochs: int, verbose: int) -> nn.HybridSequential:
    """A small convolutional network."""
    net = nn.HybridSequential()
    net.add(nn.Conv2D(16, 3, padding=1, activation="relu"), nn.MaxPool2D(), nn.Conv2D(32, 3, padding=1, activation="relu"))
    net.add(nn.Flatten(), nn.Dense(64, activation="relu"), nn.Dense(10))
    net.initialize(hn.init.Xavier())
    net.compile(optimizer="adam", loss="softmax_cross_entropy", metrics=["accuracy"])
    net.fit(x, y, epochs=epochs, batch_size=32, verbose=verbose)
    return net


def integrated_gradients(net: Any, image: Any, digit: int, steps: int) -> Any:
    """The part of each pixel in the score of ``digit``: ``image`` (1, height, width) times the mean gradient on the way from black."""

    def gradient(points: Any) -> Any:
        points.attach_grad()
        with autograd.record():
            score = net(points)[:, digit].sum()
        score.backward()
        return points.grad

    # The middles of equal parts of the way, all at once: one batch.
    ways = (np.arange(steps).reshape(-1, 1, 1, 1) + 0.5) / steps
    return image * gradient(ways * image).mean(axis=0)


def drawn(image: Any, parts: Any) -> str:
    """The image, and beside it the parts, as text."""
    strength = parts / abs(parts).max()
    rows = []
    for pixels, row in zip(image, strength, strict=True):
        seen = "".join(" .:*#"[int(v * 4 + 0.5)] * 2 for v in pixels)
        means = "".join(("##" if v > 0.4 else "++" if v > 0.1 else "==" if v < -0.4 else "--" if v < -0.1 else "  ") for v in row)
        rows.append(f"  {seen}   |{means}|")
    return "\n".join(rows)


def score_without(net: Any, image: Any, digit: int, pixels: Any) -> float:
    """The score of ``digit`` when these pixels, numbered, are black."""
    changed = image.asnumpy().copy()
    changed.reshape(-1)[pixels] = 0
    return float(net(np.array(changed[None]))[0, digit])


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Run the example; gives what a test looks at."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--steps", type=int, default=64, help="points on the way from the black image")
    parser.add_argument("--images", type=int, default=4, help="how many are drawn")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    args = parser.parse_args(arguments)
    hn.random.seed(0)

    digits = load_digits()
    order = numpy.random.default_rng(0).permutation(len(digits.target))
    images, labels = (digits.images[order, None] / 16).astype("float32"), digits.target[order].astype("int32")
    net = trained(images[HELD_OUT:], labels[HELD_OUT:], args.epochs, 0 if args.quiet else 1)
    net.hybridize()
    black = net(np.zeros((1, 1, 8, 8)))[0]
    rng = numpy.random.default_rng(1)
    gaps, drops, others = [], [], []
    for number in range(40):
        image = np.array(images[number])
        scores = net(image[None])[0]
        digit = int(scores.argmax())
        parts = integrated_gradients(net, image, digit, args.steps).asnumpy()[0]
        score, difference = float(scores[digit]), float(scores[digit] - black[digit])
        gaps.append(abs(parts.sum() - difference) / abs(difference))
        inked = numpy.flatnonzero(images[number])
        best = numpy.argsort(parts.ravel())[::-1][:5]
        drops.append(score - score_without(net, image, digit, best))
        others.append(score - score_without(net, image, digit, rng.choice(inked, 5, replace=False)))
        if number < args.images:
            print(f"says {digit}, is {labels[number]}; the parts sum up to {parts.sum():.3f}, the score is {difference:.3f} above black")
            print(drawn(images[number, 0], parts), end="\n\n")
    found = {"gap": float(numpy.median(gaps)), "drop": float(numpy.mean(drops)), "drop of others": float(numpy.mean(others))}
    print(f"what the sums miss, in the middle of 40 images: {found['gap']:.2%} of the score")
    print(f"without the five pixels of the largest parts the score falls by {found['drop']:.2f}, without any five of the digit's by "
          f"{found['drop of others']:.2f}")  # fmt: skip
    return found


if __name__ == "__main__":
    main()
