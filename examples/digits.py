"""Train a small convolutional network on handwritten digits, in any of three ways, and compare their speed.

The data is scikit-learn's ``load_digits``: 1,797 images of 8×8 pixels, of which 360 are held out. The same training step
runs imperatively, over a hybridized network, or compiled as a whole (``--mode imperative|hybridize|jit``). With the same
seed and ``--no-dropout`` all three end with the same parameters.

    python examples/digits.py
    python examples/digits.py --mode imperative --no-dropout --epochs 3
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
from sklearn.datasets import load_digits
from tqdm import tqdm

import hybridnet as hn
from hybridnet import autograd, gluon, np
from hybridnet.gluon import nn

MODES = ("imperative", "hybridize", "jit")
HELD_OUT = 360


def load(seed: int) -> tuple[Any, ...]:
    """Images (n, 1, 8, 8) from 0 to 1 and labels, in random order: those to train on, then those held out."""
    digits = load_digits()
    order = numpy.random.default_rng(seed).permutation(len(digits.target))
    x = (digits.images[order, None] / 16).astype("float32")
    y = digits.target[order].astype("int32")
    return x[HELD_OUT:], y[HELD_OUT:], x[:HELD_OUT], y[:HELD_OUT]


def build(dropout: bool, device: hn.Device) -> nn.HybridSequential:
    """Three convolutions with BatchNorm, pooling between, then one dense layer."""
    net = nn.HybridSequential()
    for channels, pool in ((16, False), (16, True), (32, False)):
        # BatchNorm has a bias of its own.
        net.add(nn.Conv2D(channels, kernel_size=3, padding=1, use_bias=False), nn.BatchNorm(), nn.Activation("relu"))
        if pool:
            net.add(nn.MaxPool2D(2))
    net.add(nn.Flatten())
    if dropout:
        net.add(nn.Dropout(0.5))
    net.add(nn.Dense(10))
    net.initialize(hn.init.Xavier(), ctx=device)
    return net


def make_step(net: nn.HybridSequential, trainer: gluon.Trainer, mode: str) -> Callable[[Any, Any], tuple[Any, Any]]:
    """The training step: the same lines of Python in every mode. It gives the loss and how many it got right."""
    loss_fn = gluon.loss.SoftmaxCrossEntropyLoss()
    if mode == "hybridize":
        net.hybridize()
        loss_fn.hybridize()

    def step(x: Any, y: Any) -> tuple[Any, Any]:
        with autograd.record():
            output = net(x)
            loss = loss_fn(output, y)
        loss.backward()
        trainer.step(x.shape[0])
        return loss.mean(), (output.argmax(axis=1) == y).sum()

    return hn.jit(step) if mode == "jit" else step


def make_trainer(net: nn.HybridSequential, steps: int) -> gluon.Trainer:
    """Gradient descent with momentum; the learning rate follows a cosine down to almost nothing."""
    schedule = hn.lr_scheduler.CosineScheduler(steps, base_lr=0.1, final_lr=1e-4)
    return gluon.Trainer(net.collect_params(), "sgd", {"momentum": 0.9, "wd": 1e-3, "lr_scheduler": schedule})


def train(net: nn.HybridSequential, x: Any, y: Any, args: argparse.Namespace, device: hn.Device) -> None:
    """Train for ``args.epochs``, with a progress bar an epoch."""
    # The few samples over are left for another epoch. Arrays in memory need no workers: a batch is a gather.
    loader = gluon.data.DataLoader(gluon.data.ArrayDataset(x, y), args.batch_size, shuffle=True, last_batch="discard", device=device)
    step = make_step(net, make_trainer(net, args.epochs * len(loader)), args.mode)
    for epoch in range(args.epochs):
        seen = total = right = 0.0
        with tqdm(loader, desc=f"epoch {epoch + 1}/{args.epochs}", unit="batch", disable=args.quiet) as bar:
            for images, labels in bar:
                loss, correct = step(images, labels)
                seen += len(labels)
                total += loss.item() * len(labels)
                right += correct.item()
                bar.set_postfix(loss=f"{total / seen:.4f}", accuracy=f"{right / seen:.4f}", refresh=False)


def predict(net: nn.HybridSequential, x: Any, device: hn.Device) -> Any:
    """The class of each image."""
    return net(np.array(x, device=device)).argmax(axis=1).asnumpy()


def time_modes(dropout: bool, x: Any, y: Any, batch_size: int, device: hn.Device, repeats: int) -> dict[str, float]:
    """Seconds that one training step takes in each mode: the median, compiling not included. The modes take turns."""
    data = np.array(x[:batch_size], device=device), np.array(y[:batch_size], device=device)
    steps = {}
    for mode in MODES:
        net = build(dropout, device)
        steps[mode] = make_step(net, make_trainer(net, 1000), mode)
        for _ in range(3):
            steps[mode](*data)[0].wait_to_read()
    times: dict[str, list[float]] = {mode: [] for mode in MODES}
    for _ in range(repeats):
        for mode, step in steps.items():
            start = time.perf_counter()
            step(*data)[0].wait_to_read()
            times[mode].append(time.perf_counter() - start)
    return {mode: statistics.median(t) for mode, t in times.items()}


def choose_device(name: str) -> hn.Device:
    """The device of that name; ``auto`` is the first GPU if there is one that runs compiled functions, else the CPU."""
    if name != "auto":
        return hn.gpu() if name == "gpu" else hn.cpu()
    if hn.num_gpus():
        try:
            hn.jit(lambda x: x + 1)(np.ones((2,), device=hn.gpu())).wait_to_read()
            return hn.gpu()
        except Exception as error:
            print(f"compiled functions do not run on the GPU here ({type(error).__name__}); using the CPU")
    return hn.cpu()


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=MODES, default="jit", help="how the training step runs (default: %(default)s)")
    parser.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto", help="where it runs (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=20, help="times over the data (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=64, help="images a step (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: %(default)s)")
    parser.add_argument("--no-dropout", action="store_true", help="leave the dropout layer out")
    parser.add_argument("--repeats", type=int, default=30, help="steps timed in each mode; 0: none (default: %(default)s)")
    parser.add_argument("--save", type=Path, help="where to write the parameters (default: a temporary file)")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Run the example; gives what a test looks at."""
    args = parse(arguments)
    device = choose_device(args.device)
    hn.random.seed(args.seed)
    x, y, held_x, held_y = load(args.seed)
    net = build(not args.no_dropout, device)
    start = time.perf_counter()
    train(net, x, y, args, device)
    seconds = time.perf_counter() - start
    predicted = predict(net, held_x, device)
    accuracy = float((predicted == held_y).mean())
    print(f"held-out accuracy: {accuracy:.4f} ({args.epochs} epochs in {seconds:.1f} s, mode {args.mode}, on {device})")

    times = time_modes(not args.no_dropout, x, y, args.batch_size, device, args.repeats) if args.repeats else {}
    if times:
        print(f"\n{'one step of ' + str(args.batch_size) + ' images':<28}{'ms':>8}{'images/s':>12}{'speed-up':>10}")
        for mode, t in times.items():
            print(f"{mode:<28}{1e3 * t:>8.2f}{args.batch_size / t:>12.0f}{times['imperative'] / t:>9.2f}×")
        print()

    with tempfile.TemporaryDirectory() as folder:
        path = args.save or Path(folder) / "digits.params"
        net.save_parameters(str(path))
        fresh = build(not args.no_dropout, device)
        fresh.load_parameters(str(path), ctx=device)
        same = bool((predict(fresh, held_x, device) == predicted).all())
    print(f"a fresh network with the saved parameters predicts {'the same' if same else 'something else'}")
    parameters = {name: p.data().asnumpy() for name, p in net._collect_params_with_prefix().items()}
    return {"accuracy": accuracy, "seconds": seconds, "times": times, "same": same, "parameters": parameters}


if __name__ == "__main__":
    main()
