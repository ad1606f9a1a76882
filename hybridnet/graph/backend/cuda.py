"""CUDA: generated kernels, kernels written by hand, cuBLASLt and cuDNN; CuPy for the rest, which no CUDA graph holds.

What it knows of each operator stands beside the operator (:mod:`hybridnet.core.cuda_rules`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from hybridnet.config import config
from hybridnet.core import Kind, Op, cuda_rule
from hybridnet.core.kernel import HandKernels, LibraryCall, StridedSpec, contiguous, is_half
from hybridnet.device import cuda, hardware
from hybridnet.dtypes import Dtype, float32
from hybridnet.graph.backend.base import Backend, Limits
from hybridnet.graph.control_ops import FOREACH
from hybridnet.graph.implementation import ArrayModule, Decomposed, Implementation, Repetition
from hybridnet.graph.ir import Node, Value


def without_gaps(v: Value) -> StridedSpec:
    """A value as an array without gaps."""
    return StridedSpec(v.shape, v.dtype, contiguous(v.shape))


def kernels_for(node: Node, num_sms: int) -> HandKernels | None:
    """The hand-written kernels of a node, for a GPU of that many multiprocessors; None where there are none."""
    kernels = cuda_rule(node.op).kernels
    if kernels is None or not _has_elements(node):
        return None
    return kernels(num_sms, tuple(v.spec for v in node.inputs), tuple(v.spec for v in node.outputs), **node.attrs)


def _has_elements(node: Node) -> bool:
    return all(v.size for v in (*node.inputs, *node.outputs))


class CudaBackend(Backend):
    """The back end of NVIDIA's GPUs. Its costs are guesses, to be measured."""

    name = "CUDA"
    libraries = ("cuBLASLt", "cuDNN")
    plainly = "computed by CuPy between two graphs"
    refusals_warn = True
    limits = Limits(
        launch_bytes=hardware.LAUNCH_BYTES,
        unrolled_steps=256,  # the graph is the same, and passes see all of the steps together
        unrolled_updates=1,  # a training step is large, and compiled once where it is a round
        wavefront_steps=5,  # a guess: 7 products in place of one for 35 steps, of which a layer begins 5 steps behind the one below
        # Each may be a result, and a kernel takes 4 kB of parameters, addresses of 8 bytes among them (CUDA C++ Programming Guide,
        # "Function Parameters": 4 KB before CUDA 12.1).
        region_numbers=250,
        reduces_all=True,
        apart_cost=8,
        redraw_cost=50,  # more than that is dearer than 8 bytes of memory, to store and load a float32: a guess
        # The same where 16 bits are read in their place: a guess, well below what would break even by NVIDIA's figures for an H200,
        # 33 T additions and 4.8 TB a second, 7 additions a byte.
        recompute_cost=24,
        recompute_depth=4,  # a guess: each reader repeats them all
        flops_per_byte=200,  # NVIDIA's figures for an H200: 990 T operations of 16-bit numbers and 4.8 TB a second
    )

    def implement(self, node: Node) -> Implementation:
        if node.op is FOREACH and not node.attrs["counted"] and 0 < self._launches(node) <= hardware.GRAPH_LAUNCHES:
            return Repetition()
        return super().implement(node)

    def _launches(self, loop: Node) -> float:
        """How many launches a loop's steps are, if each of their nodes is one; infinitely many where one of them cannot be launched."""
        launches = 0.0
        for node in loop.attrs["body"].nodes:
            if node.op.is_view or node.output.constant is not None:
                continue
            if node.implementation is None:
                node.implementation = self.implement(node)
            match node.implementation:
                case ArrayModule() | Decomposed():
                    return math.inf
                case Repetition():
                    launches += self._launches(node)
                case _:
                    launches += 1
        return int(loop.attrs["length"]) * launches

    def plan(
        self, node: Node, inputs: Sequence[StridedSpec] | None = None, outputs: Sequence[StridedSpec] | None = None
    ) -> LibraryCall | None:
        library = cuda_rule(node.op).library
        if library is None or not _has_elements(node):
            return None
        cuda.make_current(node.output.device.device_id)  # for which the library plans
        given = tuple(map(without_gaps, node.inputs)) if inputs is None else tuple(inputs)
        return library(given, tuple(map(without_gaps, node.outputs)) if outputs is None else tuple(outputs), **node.attrs)

    def kernels(self, node: Node) -> HandKernels | None:
        return kernels_for(node, node.device.num_sms)

    def generates(self, op: Op) -> bool:
        if op.kind is Kind.REGION:
            return True
        if op.decomposition is not None:
            return False
        if op.kind is Kind.RANDOM:
            return cuda_rule(op).functor is not None
        return op.kind in (Kind.POINTWISE, Kind.REDUCTION)

    def decomposition(self, op: Op) -> Callable[..., Any] | None:
        return cuda_rule(op).decomposition or op.decomposition

    def casts(self, op: Op) -> tuple[int | str, ...]:
        return cuda_rule(op).casts

    def prefers_channels_last(self, dtype: Dtype) -> bool:
        return is_half(dtype) or (dtype == float32 and config.tf32)  # what tensor cores compute

    def rematerializes_random(self, node: Node) -> bool:
        op = node.op
        return op.kind is Kind.RANDOM and cuda_rule(op).functor is not None and op.cost <= self.limits.redraw_cost


CUDA = CudaBackend()
