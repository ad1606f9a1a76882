"""Who computes a node: the kinds of decision that a back end makes, once for each node (``Node.implementation``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hybridnet.core.kernel import HandKernels
from hybridnet.device.refusals import Refused


@dataclass(frozen=True)
class Alias:
    """Nobody: the node is a view of its operand's memory."""


@dataclass(frozen=True)
class Generated:
    """Code that is generated for the node: kernels, or the loop over blocks of a NumPy program."""


@dataclass(frozen=True)
class LibraryPlan:
    """A library, by a call that is planned for operands and results without gaps; a CPU's takes arrays of any strides."""

    call: Any  # a LibraryCall for programs of a GPU, a HostCall for those of a CPU


@dataclass(frozen=True)
class Repetition:
    """The steps of a loop, one after another, each of them what its body's nodes are computed by; nothing is decided between them."""


@dataclass(frozen=True)
class ArrayModule:
    """NumPy or CuPy, by the operator's ``compute``. ``refused``: why a library does not, if one was to."""

    refused: Refused | None = None


@dataclass(frozen=True)
class Decomposed:
    """Other operators: a composite that the back end does not compute in one step. ``refused``: as in :class:`ArrayModule`."""

    refused: Refused | None = None


#: ``HandKernels`` are kernels written by hand (``hybridnet.core.kernel``).
Implementation = Alias | Generated | HandKernels | LibraryPlan | Repetition | ArrayModule | Decomposed
