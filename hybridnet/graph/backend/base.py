"""What passes ask of the back end that computes a node: what it can, what it plans, what its limits are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hybridnet.core import Kind, Op
from hybridnet.core.kernel import HandKernels, HostCall, LibraryCall, StridedSpec
from hybridnet.device.refusals import heard
from hybridnet.dtypes import Dtype
from hybridnet.graph.implementation import Alias, ArrayModule, Decomposed, Generated, Implementation, LibraryPlan
from hybridnet.graph.ir import Node


@dataclass(frozen=True)
class Limits:
    """The numbers by which passes decide what is worth joining, computing again or leaving alone. Costs are in additions an element.

    launch_bytes: what is read in the time that starting a kernel takes, in bytes; 0 where starting one costs nothing.
    unrolled_steps: up to so many steps a loop over an array is traced step by step.
    unrolled_updates: the same of a loop that writes to arrays from outside, as a training step does, and is not recorded.
    wavefront_steps: products over all steps of a recurrent layer are cut into some over so many steps, for the layer behind; 0: not.
    region_numbers: how many operators on single numbers are one region, at most; 0 where such a region costs more than they do.
    reduces_all: whether a region may sum over all its axes.
    apart_cost: a region that much smaller ones are part of keeps one that costs more than this apart, as a launch of its own.
    redraw_cost: random numbers that cost no more are drawn anew by each reader; 0: all are stored.
    recompute_cost: what follows from half its bytes is computed anew by each reader, up to this cost; 0: all is stored.
    recompute_depth: so many operators of plain arithmetic in a row are computed anew by each reader; 0: none.
    flops_per_byte: floating-point operations of products in the time in which a byte of memory is read.
    """

    launch_bytes: int
    unrolled_steps: int
    unrolled_updates: int
    wavefront_steps: int
    region_numbers: int
    reduces_all: bool
    apart_cost: float
    redraw_cost: int
    recompute_cost: int
    recompute_depth: int
    flops_per_byte: int

    @property
    def counts_launches(self) -> bool:
        """Whether it pays to save launches alone, with the same bytes moved."""
        return self.launch_bytes > 0


class Backend:
    """What computes the nodes of one kind of device.

    The defaults are those of a back end that generates code for regions, computes all else by the operators' ``compute``,
    and knows of no library.
    """

    name: str
    limits: Limits
    libraries: tuple[str, ...] = ()  # by which ``plan`` may find products joined with what follows them
    relu_keeps_nan = False  # whether a relu that those products take along gives NaN for NaN
    plainly: str  # who computes what no library does, in words
    refusals_warn: bool = False  # whether that is so much slower that the first time of each operator is worth a warning

    def implement(self, node: Node) -> Implementation:
        """Decide who computes a node: a library before kernels written by hand, those before generated ones, the array module last.

        Passes ask :func:`~hybridnet.graph.backend.implementation_of`, which keeps the answer.
        """
        if node.op.kind is Kind.VIEW:
            return Alias()
        with heard() as refusals:
            call = self.plan(node)
        if call is not None:
            return LibraryPlan(call)
        kernels = self.kernels(node)
        if kernels is not None:
            return kernels
        if self.generates(node.op):
            return Generated()
        refused = refusals[-1] if refusals else None
        return ArrayModule(refused) if node.op.compute is not None else Decomposed(refused)

    def plan(
        self, node: Node, inputs: Sequence[StridedSpec] | None = None, outputs: Sequence[StridedSpec] | None = None
    ) -> LibraryCall | HostCall | None:
        """The library call that computes a node, of arrays without gaps unless told otherwise; None where there is none."""
        return None

    def kernels(self, node: Node) -> HandKernels | None:
        """The hand-written kernels of a node; None where there are none."""
        return None

    def generates(self, op: Op) -> bool:
        """Whether code generation writes what computes an operator's nodes."""
        return op.kind is Kind.REGION

    def decomposition(self, op: Op) -> Callable[..., Any] | None:
        """The function that writes an operator in other operators, where that is how it is computed (unless in one step)."""
        return op.decomposition

    def casts(self, op: Op) -> tuple[int | str, ...]:
        """Which operands and results of an operator may be of a narrower floating type (``CudaRule.casts``)."""
        return ()

    def prefers_channels_last(self, dtype: Dtype) -> bool:
        """Whether contractions of that type are faster with channels on the last axis."""
        return False

    @property
    def prepares(self) -> bool:
        """Whether programs compute once, for many calls, what follows from settled inputs alone."""
        return False

    def rematerializes_random(self, node: Node) -> bool:
        """Whether random numbers are drawn anew by every kernel that reads them, and not stored."""
        return False
