"""The perceptron as a person would write it in NumPy for speed: no framework, every buffer made beforehand.

This is what a compiled step could become at best; it is shown beside the peers, not judged.
"""

from collections.abc import Callable

import numpy as np
from measure import Case, main
from workloads import BATCH, CHECKED_RATE, CHECKED_STEPS, SIZES, TIMED_RATE, perceptron_batch, perceptron_weights, small_arrays

BLOCK = 32768  # elements of parameters that Adam works on at a time, so that its calls stay in the second cache
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


def flat_arrays(shapes: list[tuple[int, ...]]) -> tuple[np.ndarray, list[np.ndarray]]:
    """One array of zeros, and views of it of the given shapes, one after another."""
    flat = np.zeros(sum(int(np.prod(s)) for s in shapes), "float32")
    views, start = [], 0
    for shape in shapes:
        stop = start + int(np.prod(shape))
        views.append(flat[start:stop].reshape(shape))
        start = stop
    return flat, views


class Perceptron:
    """The training step over buffers of its own."""

    def __init__(self) -> None:
        arrays = [a for layer in perceptron_weights() for a in layer]
        shapes = [a.shape for a in arrays]
        self.parameters, values = flat_arrays(shapes)
        self.gradients, gradients = flat_arrays(shapes)
        for value, array in zip(values, arrays, strict=True):
            value[...] = array
        self.weights, self.biases = values[::2], values[1::2]
        self.weight_gradients, self.bias_gradients = gradients[::2], gradients[1::2]
        self.mean, self.square = np.zeros_like(self.parameters), np.zeros_like(self.parameters)
        self.u, self.v = np.empty(BLOCK, "float32"), np.empty(BLOCK, "float32")
        self.outputs = [np.empty((BATCH, n), "float32") for n in SIZES[1:]]
        self.deltas = [np.empty((BATCH, n), "float32") for n in SIZES[1:]]
        self.masks = [np.empty((BATCH, n), "bool") for n in SIZES[1:-1]]
        self.column = np.empty((BATCH, 1), "float32")
        self.rows = np.arange(BATCH)
        self.steps = 0
        self.rate = CHECKED_RATE

    def step(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """One step of training; gives the loss of each sample."""
        last = len(self.outputs) - 1
        inputs = [x, *self.outputs[:-1]]
        for i, (a, w, b, z) in enumerate(zip(inputs, self.weights, self.biases, self.outputs, strict=True)):
            np.matmul(a, w.T, out=z)
            np.add(z, b, out=z)
            if i < last:
                np.maximum(z, 0, out=z)
        z, delta, column = self.outputs[last], self.deltas[last], self.column
        np.subtract(z, z.max(1, keepdims=True, out=column), out=z)
        np.exp(z, out=delta)
        delta.sum(1, keepdims=True, out=column)
        loss = np.log(column[:, 0])
        np.subtract(loss, z[self.rows, y], out=loss)
        np.divide(delta, column, out=delta)
        delta[self.rows, y] -= 1
        np.multiply(delta, np.float32(1 / BATCH), out=delta)
        for i in range(last, -1, -1):
            delta = self.deltas[i]
            np.matmul(delta.T, inputs[i], out=self.weight_gradients[i])
            delta.sum(0, out=self.bias_gradients[i])
            if i:
                np.matmul(delta, self.weights[i], out=self.deltas[i - 1])
                np.greater(inputs[i], 0, out=self.masks[i - 1])
                np.multiply(self.deltas[i - 1], self.masks[i - 1], out=self.deltas[i - 1])
        self.adam()
        return loss

    def adam(self) -> None:
        """Adam's update of all parameters, block by block."""
        self.steps += 1
        rate = np.float32(self.rate * (1 - BETA2**self.steps) ** 0.5 / (1 - BETA1**self.steps))
        c1, c2, epsilon = np.float32(1 - BETA1), np.float32(1 - BETA2), np.float32(EPSILON)
        for start in range(0, self.parameters.size, BLOCK):
            block = slice(start, start + BLOCK)
            p, g, m, s = self.parameters[block], self.gradients[block], self.mean[block], self.square[block]
            u = self.u[: p.size]
            np.subtract(g, m, out=u)
            np.multiply(u, c1, out=u)
            np.add(m, u, out=m)
            np.multiply(g, g, out=u)
            np.subtract(u, s, out=u)
            np.multiply(u, c2, out=u)
            np.add(s, u, out=s)
            np.sqrt(s, out=u)
            np.add(u, epsilon, out=u)
            np.divide(m, u, out=u)
            np.multiply(u, rate, out=u)
            np.subtract(p, u, out=p)


def perceptron() -> Case:
    network = Perceptron()
    x, y = perceptron_batch()

    def losses() -> list[float]:
        values = [float(network.step(x, y).mean()) for _ in range(CHECKED_STEPS)]
        network.rate = TIMED_RATE
        return values

    return Case("step(x, y)", {"step": network.step, "x": x, "y": y}, losses=losses)


def operator(statement: str) -> Callable[[], Case]:
    a, b = small_arrays()
    return lambda: Case(statement, {"a": a, "b": b, "np": np})


WORKLOADS = {
    "operators": {
        "add": operator("np.add(a, b)"),
        "add scalar": operator("a + 2.0"),
        "matmul": operator("a @ b"),
        "sum": operator("a.sum()"),
    },
    "mlp-train": {"straight line": perceptron},
}

if __name__ == "__main__":
    main(WORKLOADS, {"numpy": np.__version__})
