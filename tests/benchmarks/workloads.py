"""What all peers share: the sizes, initial weights and data of the workloads, as NumPy arrays."""

from itertools import pairwise

import numpy as np

THREADS = 2

#: The perceptron.
SIZES = (784, 128, 128, 128, 10)
BATCH = 32
#: Losses are compared over so many steps at this learning rate.
CHECKED_STEPS, CHECKED_RATE = 20, 1e-3
#: While it is timed the network must stay as it is: one that has learnt its batch by heart computes with denormal numbers.
TIMED_RATE = 1e-7


def perceptron_weights() -> list[tuple[np.ndarray, np.ndarray]]:
    """Weight (outputs, inputs) and bias of each layer."""
    rng = np.random.RandomState(0)
    return [(rng.uniform(-1, 1, (o, i)).astype("float32") * np.float32(np.sqrt(3 / i)), np.zeros(o, "float32")) for i, o in pairwise(SIZES)]


def perceptron_batch() -> tuple[np.ndarray, np.ndarray]:
    """Data (batch, inputs) and labels (batch,) of one batch."""
    rng = np.random.RandomState(1)
    return rng.uniform(0, 1, (BATCH, SIZES[0])).astype("float32"), rng.randint(0, SIZES[-1], BATCH).astype("int32")


def small_arrays() -> tuple[np.ndarray, np.ndarray]:
    """Two arrays of 32 by 32: what is timed on them is the framework."""
    rng = np.random.RandomState(2)
    return rng.uniform(1, 2, (32, 32)).astype("float32"), rng.uniform(1, 2, (32, 32)).astype("float32")


#: Operations on them by row, as hybridnet and MXNet write them; ``w`` is a variable with the values of ``b``, ``bias`` its first row.
SMALL = {
    "exp": "exp(a)",
    "sum": "a.sum()",
    "sum of rows": "a.sum(1)",
    "mean of rows": "a.mean(1)",
    "a[1:3]": "a[1:3]",
    "dot": "dot(a, b)",
    "reshape": "a.reshape((16, 64))",
    "softmax": "softmax(a)",
    "record, multiply": "with record():\n    a * w",
    "record, multiply, sum, backward": "with record():\n    y = (a * w).sum()\ny.backward()",
    "record, dense, backward": "with record():\n    y = relu(dot(a, w) + bias).sum()\ny.backward()",
}


# -- networks that all peers train -------------------------------------------------------------------

#: One batch of each: the shape of its data; labels are of 10 classes.
BATCHES = {"lenet": (64, 1, 28, 28), "lstm": (32, 32, 256), "resnet18": (4, 3, 112, 112), "transformer": (8, 128, 256)}
#: One image for each network that all peers run forward, in inference.
IMAGES = {"resnet18": (1, 3, 224, 224), "mobilenet": (1, 3, 224, 224)}
#: MobileNet 1.0 behind its first convolution: each block's channels, and the stride of its depthwise convolution.
MOBILENET = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
#: And how many labels: of each sample one, of the transformer one of each place of each sequence. The LSTM's sequences have the time first.
LABELS = {"lenet": 64, "lstm": 32, "resnet18": 4, "transformer": 8 * 128}
#: The transformer's encoder: its layers, the width of their attention, and into how many heads that is cut.
LAYERS, UNITS, HEADS = 4, 256, 4
#: What a chain of eight pointwise operators goes over: 16 M numbers.
CHAIN = (4096, 4096)


def batch(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Data and labels."""
    rng = np.random.RandomState(3)
    return rng.uniform(0, 1, BATCHES[name]).astype("float32"), rng.randint(0, 10, LABELS[name]).astype("int32")


def image(name: str) -> np.ndarray:
    """Data for inference."""
    return np.random.RandomState(4).uniform(0, 1, IMAGES[name]).astype("float32")


def chain_data() -> np.ndarray:
    """Data of the chain."""
    return np.random.RandomState(5).uniform(-1, 1, CHAIN).astype("float32")


def scaled(scores: np.ndarray) -> list[float]:
    """What is compared of an inference: every score, by the largest, since those of networks that were not trained are small."""
    return [float(x) for x in scores.ravel() / np.abs(scores).max()]


class Weights:
    """First values of a network's matrices and kernels, the same for all peers: they follow from the shape, and from how many of
    that shape came before. Vectors keep what the layers begin with (0, or 1 for scales)."""

    def __init__(self) -> None:
        self.seen: dict[tuple[int, ...], int] = {}

    def of(self, shape: tuple[int, ...]) -> np.ndarray:
        number = self.seen[shape] = self.seen.get(shape, -1) + 1
        rng = np.random.RandomState(sum(shape) + 1000 * number)
        inputs = int(np.prod(shape[1:]))
        return rng.uniform(-1, 1, shape).astype("float32") * np.float32(np.sqrt(3 / inputs))
