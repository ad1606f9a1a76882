"""F(4×4, 3×3): its matrices, and weights transformed by them.

A tile of 6 × 6 places of the data gives 4 × 4 places of the result: y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ d B)] A, in which 36 products over channels
take the place of 144. It is interpolation, at the points 0, ±a, ±b and infinity. The usual 1 and 2 make errors four times as large as 5/8
and 3/2 (of random data, 64 and 512 channels, the largest error beside the largest result: 6e-6, and 1.5e-6; a plain sum's 2e-7).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet.device import threads
from hybridnet.device.panels import PANEL

TILE = 4  # places of the result on each axis
WINDOW = TILE + 2  # of the data
PRODUCTS = WINDOW * WINDOW
A, B = 5 / 8, 3 / 2


def of_data() -> Any:
    """Bᵀ, (6, 6), in float64."""
    aa, bb = A * A, B * B
    rows = [[0, -p * other, -other, p, 1, 0] for p, other in ((A, bb), (-A, bb), (B, aa), (-B, aa))]
    return np.array([[aa * bb, 0, -aa - bb, 0, 1, 0], *rows, [0, aa * bb, 0, -aa - bb, 0, 1]])


def of_result() -> Any:
    """Aᵀ, (4, 6), in float64."""
    return np.array([[0**i, A**i, (-A) ** i, B**i, (-B) ** i, float(i == TILE - 1)] for i in range(TILE)])


def of_weight() -> Any:
    """G, (6, 3), in float64."""
    s, t = 1 / (2 * A**2 * (A**2 - B**2)), 1 / (2 * B**2 * (B**2 - A**2))
    ends = [1 / (A * B) ** 2, 0, 0], [0, 0, 1]
    return np.array([ends[0], *[[n, n * p, n * p * p] for n, p in ((s, A), (s, -A), (t, B), (t, -B))], ends[1]])


@threads.one_thread  # BLAS's own threads wait for one another: (512, 3, 3, 512) in 0.05 s, and 0.4 to 1.1 with two of them on a busy one
def transformed(weight: Any, out: Any) -> None:
    """A weight (filters, 3, 3, channels) transformed into ``out``, (36, filters / 16, channels, 16): as the loops read it."""
    both = np.kron(of_weight(), of_weight())
    filters, channels = weight.shape[0], weight.shape[-1]
    for i in range(filters // PANEL):
        part = weight[i * PANEL : (i + 1) * PANEL].transpose(1, 2, 3, 0).reshape(9, channels * PANEL)
        out[:, i] = (both @ part.astype(np.float64)).reshape(PRODUCTS, channels, PANEL)
