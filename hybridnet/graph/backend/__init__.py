"""Back ends: what computes nodes. Passes ask them what they can and what it costs, never what a device is.

NumPy and CUDA are two of one kind (:class:`Backend`), found by the device. Who computes a node is one decision, which is kept
in the node: whoever asks first makes it, and lowering's ``choose`` sees to it that all nodes have it before a program is planned.
"""

from __future__ import annotations

from hybridnet.device import Device
from hybridnet.graph.backend.base import Backend, Limits
from hybridnet.graph.backend.cuda import CUDA
from hybridnet.graph.backend.numpy import NUMPY
from hybridnet.graph.implementation import Decomposed, Generated, HandKernels, Implementation, LibraryPlan, Repetition
from hybridnet.graph.ir import Node

_BACKENDS: dict[str, Backend] = {"cpu": NUMPY, "cpu_pinned": NUMPY, "gpu": CUDA}


def backend_of(device: Device) -> Backend:
    """The back end that computes on a device."""
    return _BACKENDS[device.device_type]


def implementation_of(node: Node) -> Implementation:
    """Who computes a node: what its back end decided when it was first asked."""
    if node.implementation is None:
        node.implementation = backend_of(node.device).implement(node)
    return node.implementation


def has_fused_implementation(node: Node) -> bool:
    """Whether a composite is one step on its device, by hand-written kernels or a library, and is not written out in its parts."""
    return isinstance(implementation_of(node), (HandKernels, LibraryPlan))


__all__ = [
    "CUDA",
    "NUMPY",
    "Backend",
    "Decomposed",
    "Generated",
    "HandKernels",
    "Implementation",
    "LibraryPlan",
    "Limits",
    "Repetition",
    "backend_of",
    "has_fused_implementation",
    "implementation_of",
]
