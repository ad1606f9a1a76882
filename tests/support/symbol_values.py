"""Arrays for symbols, the same here and in MXNet, and what is kept of arrays that are compared. Relies on NumPy alone."""

import numpy as np

#: Inputs that are numbers of classes, indices or lengths.
INDICES = {
    "label", "indices", "index", "length", "sequence_length", "index_vector", "data_lengths", "label_lengths", "bins", "condition",
}  # fmt: skip


def values(op: str, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """An input of an operator."""
    rng = np.random.RandomState((len(op) * 31 + len(name) * 7 + sum(shape)) % 1000)
    whole = name in INDICES and "Regression" not in op
    if whole or (op, name) in {("Embedding", "data"), ("one_hot", "data")}:
        return (np.arange(int(np.prod(shape))) % 2 + ("length" in name)).reshape(shape).astype(np.float32)
    if op == "arccosh":
        return rng.uniform(1.2, 1.9, shape).astype(np.float32)
    if op == "_linalg_potri" or op in ("_linalg_det", "_linalg_slogdet", "_linalg_inverse"):
        return (np.eye(shape[-1]) * 3 + rng.uniform(0, 0.2, shape)).astype(np.float32)
    if op in ("_linalg_potrf", "_linalg_syevd"):
        half = rng.uniform(0.2, 0.9, shape)
        return (half + half.swapaxes(-1, -2) + 3 * np.eye(shape[-1])).astype(np.float32)
    return rng.uniform(0.2, 0.9, shape).astype(np.float32)


def weights(shape: tuple[int, ...]) -> np.ndarray:
    """A head gradient."""
    return np.linspace(0.5, 1.5, int(np.prod(shape)), dtype=np.float32).reshape(shape)


def digest(array: np.ndarray) -> list[float]:
    """Two numbers that stand for an array: its sum, and its sum with weights."""
    wide = np.asarray(array, np.float64)
    return [float(f"{x:.6g}") for x in (wide.sum(), (wide * weights(wide.shape)).sum())]
