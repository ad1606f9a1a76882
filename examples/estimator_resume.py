"""Training that survives a kill: an ``Estimator`` on handwritten digits, with checkpoints.

Stop it whenever you like (Ctrl-C, ``kill -9``, the power) and start it again: it goes on from its last checkpoint, in the middle of an
epoch too, and ends with the same parameters, to the bit, as if nobody had stopped it. The random state, the order of the data, the
optimizer and the schedule are all in the checkpoint. The digest at the end says so: it is the same each time, however often you stopped.

    python examples/estimator_resume.py --folder checkpoints
"""

import argparse
import hashlib
import os

from sklearn.datasets import load_digits

import hybridnet as hn
from hybridnet import gluon, lr_scheduler
from hybridnet.gluon import nn
from hybridnet.gluon.contrib import estimator as es


def loaders(batch_size: int, samples: int) -> tuple[gluon.data.DataLoader, gluon.data.DataLoader]:
    """Training and validation data: images (1, 8, 8) from 0 to 1, and their digits."""
    digits = load_digits()
    images = (digits.images[:samples, None] / 16).astype("float32")
    labels = digits.target[:samples].astype("int32")
    kept = len(images) * 4 // 5
    train = gluon.data.ArrayDataset(images[:kept], labels[:kept])
    held_out = gluon.data.ArrayDataset(images[kept:], labels[kept:])
    return gluon.data.DataLoader(train, batch_size, shuffle=True), gluon.data.DataLoader(held_out, batch_size)


def network() -> nn.HybridSequential:
    """A small convolutional network, with layers that draw and that keep statistics."""
    net = nn.HybridSequential()
    net.add(nn.Conv2D(16, 3, padding=1), nn.BatchNorm(), nn.Activation("relu"), nn.MaxPool2D())
    net.add(nn.Flatten(), nn.Dropout(0.25), nn.Dense(64, activation="relu"), nn.Dense(10))
    net.initialize(hn.init.Xavier())
    net.hybridize()
    return net


def digest(net: nn.HybridSequential) -> str:
    """A few letters that stand for every bit of the parameters."""
    parameters = [p.data().asnumpy().tobytes() for p in net.collect_params().values()]
    return hashlib.sha256(b"".join(parameters)).hexdigest()[:12]


def train(folder: str, epochs: int = 5, samples: int = 1797) -> tuple[str, float]:
    """Train, or go on; gives the digest of the parameters and the held-out accuracy."""
    hn.random.seed(0)
    net = network()
    train_data, held_out = loaders(64, samples)
    schedule = lr_scheduler.CosineScheduler(max_update=epochs * len(train_data), final_lr=1e-4)
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 3e-3, "lr_scheduler": schedule})
    estimator = es.Estimator(net, gluon.loss.SoftmaxCrossEntropyLoss(), trainer=trainer)

    checkpoints = es.CheckpointHandler(folder, batch_period=10, max_checkpoints=3, resume_from_checkpoint=True)
    estimator.fit(train_data, held_out, epochs=epochs, event_handlers=[checkpoints])
    estimator.evaluate(held_out)
    return digest(net), estimator.val_metrics[0].get()[1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", default=os.path.join(os.curdir, "checkpoints"), help="where checkpoints are, and go")
    parser.add_argument("--epochs", type=int, default=5)
    arguments = parser.parse_args()
    bits, accuracy = train(arguments.folder, arguments.epochs)
    print(f"held-out accuracy: {accuracy:.4f}, digest of the parameters: {bits}")
