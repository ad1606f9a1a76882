"""The neighbours of floating numbers."""

from __future__ import annotations

import numpy as np

from hybridnet.core import Kind, Op, Sample, infer_pointwise, register
from hybridnet.ops.common import normal

#: The number next to x1 on the way to x2. Of 16 bits a kernel, which computes in float, would give x1 again: CuPy does it.
NEXTAFTER = register(
    Op(
        "nextafter",
        Kind.OPAQUE,
        infer_pointwise("nextafter", ufunc="nextafter"),
        compute=lambda xp, a, b: xp.nextafter(a, b),
        promote="float",
        sample=lambda: [
            Sample((normal(2, 3), normal(3, seed=1)), differentiable=False),
            Sample((np.array([0.0, 1.0, -1.0]), np.array([-1.0, np.inf, -1.0])), differentiable=False),
        ],
    )
)
