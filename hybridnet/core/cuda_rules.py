"""What CUDA knows of operators: a table beside the records, filled in by the files of the operators.

A record (:class:`~hybridnet.core.op.Op`) is an operator's mathematics. How a GPU computes it, if not by the record's ``compute`` on CuPy
arrays, is a rule of this table; another back end has a table of its own, and no record changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hybridnet.core.kernel import HandKernels, LibraryCall
from hybridnet.core.op import Op


@dataclass(frozen=True)
class CudaRule:
    """How a GPU computes an operator.

    functor: the scalar expression of a pointwise operator or a draw in CUDA C++, ``{0}``, ``{1}`` … its inputs, ``{name}`` its
        attributes; of a reduction the name of the monoid (``hn_reduce_<name>``).
    kernels: ``kernels(num_sms, inputs, outputs, **attrs)`` (specs; a GPU's number of multiprocessors) gives the
        hand-written kernels that compute the operator, or None where they do not apply. A composite with kernels stays one node.
    library: ``library(inputs, outputs, **attrs)`` (:class:`~hybridnet.core.kernel.StridedSpec`) gives the planned call
        of a GPU library, or None where it has none for these arrays or the library is not there.
    decomposition: the same written in other operators: of one with ``compute``, since on a GPU many small steps in a CUDA graph cost
        less than one of CuPy's between two; of one with a decomposition, in others than these, where a GPU is better at them.
    casts: what may be of a narrower floating type than the other operands, so that a cast beside the operator can be a part
        of it: numbers of inputs, and ``"y"`` for the first output, whose type attribute ``dtype`` then gives.
    """

    functor: str | None = None
    kernels: Callable[..., HandKernels | None] | None = None
    library: Callable[..., LibraryCall | None] | None = None
    decomposition: Callable[..., Any] | None = None
    casts: tuple[int | str, ...] = ()


_RULES: dict[Op, CudaRule] = {}
_NO_RULE = CudaRule()


def on_cuda(
    op: Op,
    *,
    functor: str | None = None,
    kernels: Callable[..., HandKernels | None] | None = None,
    library: Callable[..., LibraryCall | None] | None = None,
    decomposition: Callable[..., Any] | None = None,
    casts: tuple[int | str, ...] = (),
) -> Op:
    """Say how a GPU computes an operator, once (the fields of :class:`CudaRule`). Gives the operator."""
    if op in _RULES:
        raise ValueError(f"operator {op.name!r} has a rule for CUDA already")
    _RULES[op] = CudaRule(functor, kernels, library, decomposition, casts)
    return op


def cuda_rule(op: Op) -> CudaRule:
    """How a GPU computes an operator; an empty rule where nothing has been said."""
    return _RULES.get(op, _NO_RULE)
