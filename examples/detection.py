"""Detection in the manner of SSD (Liu et al., arXiv 1512.02325): squares, discs and triangles in noise, found in one look.

Each place of two feature maps has anchors, boxes of a few sizes and shapes (``MultiBoxPrior``). For each the network tells a class, or that
there is nothing, and by how much the box must be moved. ``MultiBoxTarget`` says what it should have told, with three anchors without an
object for each with one; ``MultiBoxDetection`` makes boxes of what it tells and keeps the best of those that overlap.

    python examples/detection.py
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy
from tqdm import tqdm

import hybridnet as hn
from hybridnet import autograd, gluon, nd
from hybridnet.gluon import nn

SHAPES = ("square", "disc", "triangle")
SIZE = 48
#: Of each feature map the anchors' sizes, in parts of the image, and their ratios of width to height.
SIZES, RATIOS = ([0.2, 0.27], [0.36, 0.45]), (1.0, 1.5, 0.67)


def scenes(number: int, seed: int) -> tuple[Any, Any]:
    """Images (number, 1, SIZE, SIZE), and of three objects at most class, left, top, right, bottom, filled up with -1."""
    rng = numpy.random.default_rng(seed)
    rows, columns = numpy.mgrid[:SIZE, :SIZE]
    images = rng.normal(0, 0.15, (number, 1, SIZE, SIZE))
    labels = numpy.full((number, 3, 5), -1.0)
    for image, label in zip(images[:, 0], labels, strict=True):
        taken = numpy.zeros((SIZE, SIZE), bool)
        for found in label[: rng.integers(1, 4)]:
            kind, width = rng.integers(3), int(rng.integers(9, 21))
            left, top = rng.integers(0, SIZE - width, 2)
            y, x = (rows - top + 0.5) / width, (columns - left + 0.5) / width  # 0 to 1 in the box
            box = (y > 0) & (y < 1) & (x > 0) & (x < 1)
            if (box & taken).any():
                continue  # no two overlap
            inside = (box, (x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.25, box & (abs(x - 0.5) < y / 2))[kind]
            image[inside] += rng.uniform(0.6, 1.0)
            taken |= box
            found[:] = kind, left / SIZE, top / SIZE, (left + width) / SIZE, (top + width) / SIZE
        label[:] = label[numpy.argsort(label[:, 0] < 0, kind="stable")]
    return images.astype("float32"), labels.astype("float32")


class SSD(gluon.HybridBlock):
    """Images to anchors (1, anchors, 4), scores (batch, 1 + classes, anchors) and moves (batch, anchors · 4)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        boxes = len(SIZES[0]) + len(RATIOS) - 1  # of each place
        with self.name_scope():
            self.stages, self.scores, self.moves = (nn.HybridSequential() for _ in range(3))
            for channels, halvings in ((32, 2), (64, 1)):
                stage = nn.HybridSequential()
                for _ in range(halvings):
                    stage.add(nn.Conv2D(channels, 3, padding=1, use_bias=False), nn.BatchNorm(), nn.Activation("relu"))
                    stage.add(nn.Conv2D(channels, 3, padding=1, use_bias=False), nn.BatchNorm(), nn.Activation("relu"), nn.MaxPool2D())
                self.stages.add(stage)
                self.scores.add(nn.Conv2D(boxes * (classes + 1), 3, padding=1))
                self.moves.add(nn.Conv2D(boxes * 4, 3, padding=1))

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        anchors, scores, moves = [], [], []
        for stage, score, move, sizes in zip(self.stages, self.scores, self.moves, SIZES, strict=True):
            x = stage(x)
            anchors.append(F.contrib.MultiBoxPrior(x, sizes=sizes, ratios=RATIOS))
            scores.append(F.Reshape(F.transpose(score(x), axes=(0, 2, 3, 1)), shape=(0, -1, self.classes + 1)))
            moves.append(F.Flatten(F.transpose(move(x), axes=(0, 2, 3, 1))))
        return F.concat(*anchors, dim=1), F.transpose(F.concat(*scores, dim=1), axes=(0, 2, 1)), F.concat(*moves, dim=1)


def overlap(a: Any, b: Any) -> float:
    """The intersection of two boxes over their union."""
    shared = numpy.prod(numpy.maximum(numpy.minimum(a[2:], b[2:]) - numpy.maximum(a[:2], b[:2]), 0))
    return float(shared / (numpy.prod(a[2:] - a[:2]) + numpy.prod(b[2:] - b[:2]) - shared))


def detected(net: SSD, images: Any, threshold: float = 0.5) -> list[Any]:
    """Of each image rows of class, score, left, top, right, bottom."""
    anchors, scores, moves = net(nd.array(images))
    found = nd.contrib.MultiBoxDetection(nd.softmax(scores, axis=1), moves, anchors, nms_threshold=0.3, threshold=threshold).asnumpy()
    return [rows[rows[:, 0] >= 0] for rows in found]


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Run the example; gives what a test looks at."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1024, help="to train on")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    args = parser.parse_args(arguments)
    hn.random.seed(0)
    net = SSD(len(SHAPES))
    net.initialize(hn.init.Xavier())
    net.hybridize()
    of_class, of_place = gluon.loss.SoftmaxCrossEntropyLoss(axis=1), gluon.loss.HuberLoss()
    loader = gluon.data.DataLoader(gluon.data.ArrayDataset(*map(nd.array, scenes(args.images, 1))), 32, shuffle=True, last_batch="discard")
    schedule = hn.lr_scheduler.CosineScheduler(args.epochs * len(loader), base_lr=3e-3, final_lr=1e-5)
    trainer = gluon.Trainer(net.collect_params(), "adam", {"lr_scheduler": schedule})
    with tqdm(range(args.epochs), unit="epoch", disable=args.quiet) as bar:
        for _ in bar:
            for x, label in loader:
                with autograd.record():
                    anchors, scores, moves = net(x)
                    with autograd.pause():
                        place, is_object, kind = nd.contrib.MultiBoxTarget(anchors, label, scores, negative_mining_ratio=3, ignore_label=-1)
                        counts, objects = (kind >= 0).expand_dims(1), is_object.sum() / 4 + 1
                    wrong = of_class(scores, nd.maximum(kind, 0), counts).sum() * kind.shape[1]
                    loss = (wrong + of_place(moves * is_object, place * is_object).sum() * moves.shape[1]) / objects
                loss.backward()
                trainer.step(1)
            bar.set_postfix(loss=f"{loss.asscalar():.3f}", refresh=False)

    images, labels = scenes(200, 2)
    found = detected(net, images)
    objects = [[row for row in label if row[0] >= 0] for label in labels]
    pairs = list(zip(found, objects, strict=True))
    right = [any(o[0] == r[0] and overlap(o[1:], r[2:]) > 0.5 for o in those) for rows, those in pairs for r in rows]
    seen = [any(o[0] == r[0] and overlap(o[1:], r[2:]) > 0.5 for r in rows) for rows, those in pairs for o in those]
    result = {"precision": float(numpy.mean(right or [0])), "recall": float(numpy.mean(seen))}
    print(f"of 200 other images: {result['recall']:.1%} of {len(seen)} objects found, {result['precision']:.1%} of boxes right")
    for rows, those in pairs[:2]:
        print("there:", *(f"{SHAPES[int(o[0])]} at {numpy.round(o[1:] * SIZE).astype(int)}" for o in those))
        print("found:", *(f"{SHAPES[int(r[0])]} ({r[1]:.2f}) at {numpy.round(r[2:] * SIZE).astype(int)}" for r in rows))
    return result


if __name__ == "__main__":
    main()
