"""Lowering: the rewrites between the passes and the memory plan, which fit a graph to the program that it becomes.

A whole compilation is trace -> ``PASSES`` -> partition -> ``LOWERING`` -> plan -> text, and nothing rewrites a graph beside the two lists.
Partition is into forward and backward, and for inference into what is computed once and what at each call (:func:`prepare`); for
training on a GPU 16-bit copies of weights become states (:mod:`~hybridnet.lowering.working_copies`).
Passes keep to registered operators and know nothing of programs. Lowering rewrites run on each program's own graph, forward and backward
apart, are told what the program is (:class:`Target`), and make nodes of their own: ``fused`` regions and ``group`` s of tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from hybridnet.config import config
from hybridnet.errors import ArgumentError, fail
from hybridnet.graph.ir import Graph
from hybridnet.graph.passes import PASSES
from hybridnet.graph.passes.cleanup import dce
from hybridnet.graph.pipeline import run_pass
from hybridnet.graph.recomputation import NAME as BUDGET
from hybridnet.graph.verify import verify
from hybridnet.lowering.buckets import buckets
from hybridnet.lowering.choose import choose
from hybridnet.lowering.chunked_losses import chunk_losses
from hybridnet.lowering.copies import copy_elements, copy_inputs, insert_copies
from hybridnet.lowering.fuse import fuse
from hybridnet.lowering.gelus import gelus
from hybridnet.lowering.last_block import last_block
from hybridnet.lowering.layout_copies import insert_layout_copies
from hybridnet.lowering.losses import join_losses
from hybridnet.lowering.multi_tensor import multi_tensor
from hybridnet.lowering.parts import expose_parts
from hybridnet.lowering.prepare import NAME as PREPARE
from hybridnet.lowering.prepare import prepare
from hybridnet.lowering.recompute import recompute
from hybridnet.lowering.reshapes import reshapes
from hybridnet.lowering.residuals import residuals
from hybridnet.lowering.target import Target
from hybridnet.lowering.ungroup import ungroup
from hybridnet.lowering.wavefront import cut_products, side_by_side
from hybridnet.lowering.working_copies import NAME as WORKING_COPIES


class Lowering(NamedTuple):
    """A rewrite with its name and why it stands where it does; one that a program cannot do without (``required``) stays in any case."""

    name: str
    run: Callable[[Graph, Target], Graph]
    reason: str
    required: bool = False


_BUCKETS = Lowering(
    "buckets",
    lambda graph, target: buckets(graph),
    "first, on each program's own graph: a message of forward and backward would be in neither, and groups follow the order in messages",
)
_MULTI_TENSOR = Lowering(
    "multi_tensor", lambda graph, target: multi_tensor(graph), "before fusion: regions would take apart what is alike in many tensors"
)
_DCE = Lowering("dce-lowered", lambda graph, target: dce(graph), "constants that regions took in have no reader left")
_CHOOSE = Lowering(
    "choose",
    lambda graph, target: choose(graph),
    "when the nodes are what will be computed; required, since copies, plans and programs read the decisions",
    required=True,
)

_COPY_INPUTS = Lowering(
    "copy_inputs",
    lambda graph, target: copy_inputs(graph),
    "before all else, as these copies run; required, since a body overwrites states that may be results of the same step",
    required=True,
)

_CPU_REGIONS = (
    Lowering(
        "fuse",
        lambda graph, target: fuse(graph, min_bytes=2 * config.block_bytes),
        "what no group took; arrays that are less than two blocks stay in the cache by themselves",
    ),
    _DCE,
    _CHOOSE,
    Lowering(
        "insert_copies",
        lambda graph, target: insert_copies(graph, target.donate),
        "when it is settled which arrays are computed; required, or results would share memory with inputs",
        required=True,
    ),
)

_UNGROUP = Lowering(
    "ungroup",
    ungroup,
    "when copies show which states are overwritten; required, since NumPy computes a group only where its tensors lie in one array",
    required=True,
)

_GPU = (
    Lowering(
        "cut_products", lambda graph, target: cut_products(graph), "first, while the steps of recurrent layers are as they were written"
    ),
    Lowering("join_losses", lambda graph, target: join_losses(graph), "while a loss and its gradient are each a node"),
    Lowering("chunk_losses", lambda graph, target: chunk_losses(graph, config.score_bytes), "when a loss and its gradient are one node"),
    Lowering("expose_parts", lambda graph, target: expose_parts(graph), "before fusion, which joins parts with what reads the result"),
    Lowering("gelus", lambda graph, target: gelus(graph), "before fusion, and before recomputation, which scatters GELU's parts"),
    Lowering("residuals", lambda graph, target: residuals(graph), "before fusion, which joins sums with each other"),
    _BUCKETS,
    _MULTI_TENSOR,
    Lowering(
        "reshapes",
        lambda graph, target: reshapes(graph, target.donate),
        "when no rewrite is left that knows nodes by their shapes, and before recomputation, which does not see through them",
    ),
    Lowering("recompute", lambda graph, target: recompute(graph), "right before fusion, which joins each copy with its reader"),
    Lowering("fuse", lambda graph, target: fuse(graph), "when each reader has copies of what is cheaper to compute than to load"),
    _DCE,
    Lowering("last_block", lambda graph, target: last_block(graph), "when all that is computed of parts of channels is one region"),
    _CHOOSE,
    Lowering(
        "insert_layout_copies",
        lambda graph, target: insert_layout_copies(graph),
        "when it is settled what computes which arrays; required, since kernels and libraries read them without gaps",
        required=True,
    ),
    Lowering(
        "insert_copies",
        lambda graph, target: insert_copies(graph, target.donate, shapes_matter=False),
        "last, since the copies before it may be what an output needs; required, or results would share memory with inputs",
        required=True,
    ),
    Lowering(
        "side_by_side", lambda graph, target: side_by_side(graph), "when no rewrite is left, which would look at nodes in another order"
    ),
)

#: For each kind of program its rewrites in their order: the NumPy program, in it the bodies of loops and branches; the CUDA program, in it
#: the bodies of loops.
LOWERING: dict[str, tuple[Lowering, ...]] = {
    "cpu": (
        _BUCKETS,
        _MULTI_TENSOR,
        *_CPU_REGIONS,
        _UNGROUP,
    ),
    "cpu body": (  # whose groups are of states that the loop leaves where they are
        _COPY_INPUTS,
        _MULTI_TENSOR,
        *_CPU_REGIONS,
        _UNGROUP,
    ),
    "gpu": _GPU,
    "gpu body": (
        _COPY_INPUTS,
        Lowering(
            "copy_elements",
            lambda graph, target: copy_elements(graph, target.odd),
            "before fusion, which takes the copies in; required, since kernels read 16 bytes at once",
            required=True,
        ),
        *_GPU,
    ),
}

#: What ``HYBRIDNET_DISABLE_PASSES`` may name.
NAMES = frozenset(
    {
        PREPARE,
        BUDGET,
        WORKING_COPIES,
        *(p.name for p in PASSES),
        *(p.name for rewrites in LOWERING.values() for p in rewrites if not p.required),
    }
)


def check_disabled_passes() -> None:
    """Raise an ArgumentError if ``HYBRIDNET_DISABLE_PASSES`` names what is no pass, or one that no program can do without."""
    if unknown := sorted(config.disabled_passes - NAMES):
        required = {p.name: p.reason for rewrites in LOWERING.values() for p in rewrites if p.required}
        fail(
            ArgumentError,
            "HYBRIDNET_DISABLE_PASSES",
            expected="names of passes: " + ", ".join(sorted(NAMES)),
            got=", ".join(f"{name} ({required[name]})" if name in required else name for name in unknown),
        )


def lower(graph: Graph, program: str, target: Target) -> Graph:
    """The graph that a program of a kind in ``LOWERING`` computes, from one of registered operators."""
    check_disabled_passes()
    if config.debug >= 1:
        verify(graph, "partition")
    for name, run, _, _ in LOWERING[program]:
        graph = run_pass(name, run, graph, target)
    return graph


__all__ = ["LOWERING", "NAMES", "Lowering", "Target", "check_disabled_passes", "lower", "prepare"]
