"""NumPy: regions in blocks that fit a cache, all else by its functions. What starts costs little, and every copy counts."""

from __future__ import annotations

import math

from hybridnet.graph.backend.base import Backend, Limits


class NumpyBackend(Backend):
    """The back end of CPUs."""

    name = "NumPy"
    limits = Limits(
        launch_bytes=0,
        unrolled_steps=8,  # there is nothing to gain from a loop then
        region_numbers=0,
        reduces_all=False,  # along the axis that is left a region goes block by block
        apart_cost=math.inf,
        redraw_cost=0,
        recompute_cost=0,
        recompute_depth=0,
    )


NUMPY = NumpyBackend()
