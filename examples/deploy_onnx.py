"""A trained network leaves for where it is used: an ONNX file, and answers by onnxruntime in a process that has no hybridnet.

A convolutional network learns the handwritten digits, is written as ``digits.onnx`` with a batch of any size, and compared
with the file's own answers. Then another Python process, which imports onnxruntime and NumPy alone, reads held-out digits.

    pip install "hybridnet[onnx]" onnxruntime
    python examples/deploy_onnx.py
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy
from sklearn.datasets import load_digits

import hybridnet as hn
from hybridnet.gluon import nn

#: What runs where the network is used: no hybridnet there.
SERVE = """
import sys
import numpy
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
found = session.run(None, {"data": numpy.load(sys.argv[2])})[0].argmax(axis=1)
assert not any(name.startswith("hybridnet") for name in sys.modules)
numpy.save(sys.argv[3], found)
"""


def network() -> Any:
    """Two convolutions and two dense layers."""
    net = nn.HybridSequential()
    net.add(nn.Conv2D(16, 3, padding=1), nn.BatchNorm(), nn.Activation("relu"), nn.MaxPool2D())
    net.add(nn.Conv2D(32, 3, padding=1), nn.BatchNorm(), nn.Activation("relu"), nn.GlobalAvgPool2D(), nn.Flatten())
    net.add(nn.Dense(32, activation="relu"), nn.Dropout(0.2), nn.Dense(10))
    return net


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Train, write, serve; gives the served accuracy, and how many answers are those of hybridnet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--file", type=Path, help="where to leave the ONNX file")
    parser.add_argument("--quiet", action="store_true")
    options = parser.parse_args(arguments)

    hn.random.seed(0)
    digits = load_digits()
    images = digits.images[:, None].astype("float32") / 16
    train, held_out = slice(0, 1500), slice(1500, None)
    net = network()
    net.compile(optimizer="adam", loss="softmax_cross_entropy", metrics=["accuracy"])
    net.fit(images[train], digits.target[train], epochs=options.epochs, batch_size=50, verbose=0 if options.quiet else 1)

    with tempfile.TemporaryDirectory() as folder:
        file = options.file or Path(folder) / "digits.onnx"
        hn.onnx.export(net, file, hn.np.array(images[:2]), {"data": {0: "batch"}}, verify=True)
        numpy.save(Path(folder) / "images.npy", images[held_out])
        subprocess.run([sys.executable, "-c", SERVE, file, f"{folder}/images.npy", f"{folder}/found.npy"], check=True)
        served = numpy.load(Path(folder) / "found.npy")
        size = file.stat().st_size
    ours = net(hn.np.array(images[held_out])).asnumpy().argmax(axis=1)
    accuracy = float((served == digits.target[held_out]).mean())
    print(f"{size / 1000:.0f} kB; served accuracy: {accuracy:.4f}; {int((served == ours).sum())} of {len(ours)} answers are ours")
    return {"accuracy": accuracy, "same": int((served == ours).sum()), "of": len(ours)}


if __name__ == "__main__":
    main()
