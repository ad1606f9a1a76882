"""Which nodes a GPU computes by hand-written kernels or by a library: the questions that passes and code generation ask of a record."""

from __future__ import annotations

from hybridnet.core import Kind
from hybridnet.core.kernel import HandKernels, LibraryCall, StridedSpec, contiguous
from hybridnet.device import cuda
from hybridnet.graph.ir import Node, Value


def kernels_for(node: Node, num_sms: int) -> HandKernels | None:
    """The hand-written kernels of a node, for a GPU of that many multiprocessors; None where there are none."""
    if node.op.kernels is None or not all(v.size for v in (*node.inputs, *node.outputs)):
        return None
    return node.op.kernels(num_sms, tuple(v.spec for v in node.inputs), tuple(v.spec for v in node.outputs), **node.attrs)


def placed(v: Value) -> StridedSpec:
    """A value as an array without gaps."""
    return StridedSpec(v.shape, v.dtype, contiguous(v.shape))


def library_for(
    node: Node, inputs: tuple[StridedSpec, ...] | None = None, outputs: tuple[StridedSpec, ...] | None = None
) -> LibraryCall | None:
    """The library call that computes a node, of arrays without gaps unless told otherwise; None where there is none."""
    if node.op.library is None or not all(v.size for v in (*node.inputs, *node.outputs)):
        return None
    inputs = tuple(map(placed, node.inputs)) if inputs is None else inputs
    outputs = tuple(map(placed, node.outputs)) if outputs is None else outputs
    cuda.make_current(node.output.device.device_id)  # for which the library plans
    return node.op.library(inputs, outputs, **node.attrs)


def stays_whole(node: Node) -> bool:
    """Whether a composite is one step on its device, and is not written out in its parts."""
    device = node.outputs[0].device
    return device.is_gpu and (kernels_for(node, device.num_sms) is not None or library_for(node) is not None)


#: What an element of a random node may cost, in additions, for 8 bytes of memory (to store it and load it) to cost more.
_CHEAP_DRAW = 50


def draws_again(node: Node) -> bool:
    """Whether random numbers are drawn anew by every kernel that reads them, as a GPU does it, and not stored."""
    op = node.op
    return op.kind is Kind.RANDOM and op.cuda is not None and op.cost <= _CHEAP_DRAW and node.outputs[0].device.is_gpu
