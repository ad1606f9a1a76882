"""Learning without labels: an autoencoder squeezes handwritten digits into a few numbers, and draws them again from these.

It learns to undo noise: the input is an image with pixels left out, the target the image itself. What the numbers are worth is
measured against the best that a linear method can do with as many (PCA), by the error of held-out images, and by how often the nearest
neighbour among the codes shows the same digit. No label was used to train.

    python examples/autoencoder.py --code 8
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from tqdm import tqdm

import hybridnet as hn
from hybridnet import autograd, gluon, np
from hybridnet.gluon import nn

HELD_OUT = 360
SHADES = " .:-=+*#%@"


def network(code: int, units: int) -> tuple[nn.HybridSequential, nn.HybridSequential]:
    """The encoder, (batch, 64) to (batch, code), and the decoder back."""
    encoder, decoder = nn.HybridSequential(), nn.HybridSequential()
    encoder.add(nn.Dense(units, activation="relu"), nn.BatchNorm(), nn.Dense(units, activation="relu"), nn.Dense(code))
    decoder.add(nn.Dense(units, activation="relu"), nn.BatchNorm(), nn.Dense(units, activation="relu"), nn.Dense(64, activation="sigmoid"))
    for part in (encoder, decoder):
        part.initialize(hn.init.Xavier())
    return encoder, decoder


def neighbours(codes: Any, others: Any, labels: Any, other_labels: Any) -> float:
    """How often the nearest of ``others`` shows the same digit."""
    distances = ((codes[:, None] - others[None]) ** 2).sum(axis=2)
    return float((other_labels[distances.argmin(axis=1)] == labels).mean())


def drawn(images: Any) -> str:
    """Images (n, 64) side by side, as text."""
    cells = (numpy.clip(images, 0, 1) * (len(SHADES) - 1) + 0.5).astype(int).reshape(-1, 8, 8)
    return "\n".join("  ".join("".join(SHADES[v] * 2 for v in image[row]) for image in cells) for row in range(8))


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Run the example; gives what a test looks at."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--code", type=int, default=8, help="numbers that an image is squeezed into")
    parser.add_argument("--units", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=120)
    parser.add_argument("--noise", type=float, default=0.1, help="the share of pixels that are left out")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    args = parser.parse_args(arguments)
    hn.random.seed(0)

    digits = load_digits()
    order = numpy.random.default_rng(0).permutation(len(digits.target))
    images, labels = (digits.data[order] / 16).astype("float32"), digits.target[order]
    train, held_out = images[HELD_OUT:], images[:HELD_OUT]

    encoder, decoder = network(args.code, args.units)
    encoder(np.array(train[:2]))  # finds the shapes
    decoder(np.zeros((2, args.code)))
    parameters = {**encoder.collect_params(), **decoder.collect_params()}
    loader = gluon.data.DataLoader(gluon.data.ArrayDataset(train), 64, shuffle=True, last_batch="discard")
    schedule = hn.lr_scheduler.CosineScheduler(args.epochs * len(loader), base_lr=3e-3, final_lr=1e-5)
    trainer = gluon.Trainer(parameters, "adam", {"lr_scheduler": schedule})

    @hn.jit
    def step(x: Any) -> Any:
        kept = np.random.uniform(size=x.shape) >= args.noise
        with autograd.record():
            loss = ((decoder(encoder(x * kept)) - x) ** 2).mean()
        loss.backward()
        trainer.step(1)
        return loss

    with tqdm(range(args.epochs), unit="epoch", disable=args.quiet) as bar:
        for _ in bar:
            losses = [step(x) for x in loader]
            bar.set_postfix(error=f"{losses[-1].item():.4f}", refresh=False)

    codes = {name: encoder(np.array(x)).asnumpy() for name, x in (("train", train), ("held out", held_out))}
    again = decoder(np.array(codes["held out"])).asnumpy()
    pca = PCA(args.code).fit(train)
    linear = {name: pca.transform(x) for name, x in (("train", train), ("held out", held_out))}
    found = {
        "error": float(((again - held_out) ** 2).mean()),
        "linear error": float(((pca.inverse_transform(linear["held out"]) - held_out) ** 2).mean()),
        "neighbours": neighbours(codes["held out"], codes["train"], labels[:HELD_OUT], labels[HELD_OUT:]),
        "linear neighbours": neighbours(linear["held out"], linear["train"], labels[:HELD_OUT], labels[HELD_OUT:]),
    }
    print(f"held-out squared error a pixel: {found['error']:.4f}, with PCA {found['linear error']:.4f}")
    print(f"nearest neighbours that show the same digit: {found['neighbours']:.1%}, with PCA {found['linear neighbours']:.1%}")
    print(f"images, and what {args.code} numbers keep of them:\n{drawn(held_out[:6])}\n\n{drawn(again[:6])}")
    return found


if __name__ == "__main__":
    main()
