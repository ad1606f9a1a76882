"""Keras's helper for labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet.errors import ArgumentError, fail


def to_categorical(x: Any, num_classes: int | None = None) -> Any:
    """Numbers of classes as one-hot rows: a NumPy array of shape x.shape + (num_classes,), float32.

    ArgumentError for a number that is no class.
    """
    numbers = np.asarray(x, dtype=np.int64)
    if numbers.ndim > 1 and numbers.shape[-1] == 1:
        numbers = numbers[..., 0]
    if num_classes is None:
        num_classes = int(numbers.max()) + 1 if numbers.size else 0
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < num_classes:
        got = f"numbers from {numbers.min()} to {numbers.max()}"
        fail(ArgumentError, "to_categorical", expected=f"numbers from 0 to {num_classes - 1}", got=got)
    return np.eye(num_classes, dtype=np.float32)[numbers]
