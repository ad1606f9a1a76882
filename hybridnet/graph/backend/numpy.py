"""NumPy: regions in blocks that fit a cache, all else by its functions. What starts costs little, and every copy counts.

Beside it oneDNN, where it is installed, for what :mod:`hybridnet.core.cpu_rules` says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from hybridnet.core.cpu_rules import host_call
from hybridnet.core.kernel import HostCall, StridedSpec
from hybridnet.device import onednn
from hybridnet.dtypes import Dtype, float32
from hybridnet.graph.backend.base import Backend, Limits
from hybridnet.graph.ir import Node


class NumpyBackend(Backend):
    """The back end of CPUs."""

    name = "NumPy"
    limits = Limits(
        launch_bytes=0,
        unrolled_steps=8,  # there is nothing to gain from a loop then
        unrolled_updates=1,  # in a round all of the state is in its place, and a step is long enough
        wavefront_steps=0,  # steps run one after the other
        region_numbers=0,
        reduces_all=False,  # along the axis that is left a region goes block by block
        apart_cost=math.inf,
        redraw_cost=0,
        recompute_cost=0,
        recompute_depth=0,
        flops_per_byte=10,  # a guess: a core with AVX-512, 100 G operations and 10 GB a second
    )
    plainly = "computed by NumPy"
    libraries = (onednn.NAME,)
    relu_keeps_nan = True

    def plan(
        self, node: Node, inputs: Sequence[StridedSpec] | None = None, outputs: Sequence[StridedSpec] | None = None
    ) -> HostCall | None:
        return host_call(node.op, tuple(v.spec for v in node.inputs), tuple(v.spec for v in node.outputs), node.attrs)

    @property
    def prepares(self) -> bool:
        return True

    def prefers_channels_last(self, dtype: Dtype) -> bool:
        return dtype == float32 and onednn.available()


NUMPY = NumpyBackend()
