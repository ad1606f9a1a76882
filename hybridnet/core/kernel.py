"""How an operator says that a GPU computes it otherwise than through CuPy: by kernels of its own, or by a library.

Both are descriptions. Eager execution and the CUDA program run them in the same way: results and temporary
arrays are given, nothing is allocated, nothing waits, so that a CUDA graph can hold it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

from hybridnet import dtypes
from hybridnet.core.array import Spec

#: How each dtype lies in memory; 16-bit floats are computed as float (kernels/types.cuh).
_STORED = {
    dtypes.float16: "hn_half",
    dtypes.bfloat16: "hn_bfloat16",
    dtypes.float32: "float",
    dtypes.float64: "double",
    dtypes.complex64: "hn_complex<float>",
    dtypes.complex128: "hn_complex<double>",
    dtypes.int8: "signed char",
    dtypes.int16: "short",
    dtypes.int32: "int",
    dtypes.int64: "long long",
    dtypes.uint8: "unsigned char",
    dtypes.uint16: "unsigned short",
    dtypes.uint32: "unsigned",
    dtypes.uint64: "unsigned long long",
    dtypes.bool_: "bool",
}


def stored_type(dtype: dtypes.Dtype) -> str:
    """The C++ type of an array's elements."""
    return _STORED[dtype]


def is_half(dtype: dtypes.Dtype) -> bool:
    """Whether values are stored in 16 bits and computed as float."""
    return dtype in (dtypes.float16, dtypes.bfloat16)


def computed_dtype(dtype: dtypes.Dtype) -> dtypes.Dtype:
    """The dtype that values of ``dtype`` are computed in."""
    return dtypes.float32 if is_half(dtype) else dtype


def computed_type(dtype: dtypes.Dtype) -> str:
    """The C++ type that values of ``dtype`` have in a kernel."""
    return _STORED[computed_dtype(dtype)]


@dataclass(frozen=True)
class Launch:
    """One launch of a hand-written kernel.

    ``function``: a ``__device__`` function as a C++ expression, template arguments included
    (``"hn_row_sum<float, 256>"``). ``arguments``: ``"x0"``, ``"y1"``, ``"t0"`` for the operator's inputs,
    outputs and temporaries, which are passed as pointers to their first elements; anything else is a C++ literal.
    ``grid`` and ``block`` in blocks and threads; ``shared_bytes`` of dynamic shared memory a block (``HN_SHARED``);
    ``resident``: how many blocks a multiprocessor is to hold, which limits a thread's registers (0: as it comes).
    ``columns``: of a launch that gives arrays of parts, which lie along a first axis, how many of the elements behind that axis a column
    of blocks (those of one ``blockIdx.x``) has, one after another: so many at ``blockIdx.x * columns`` (0: it is of another form).
    """

    function: str
    arguments: tuple[str, ...]
    grid: tuple[int, int]
    block: int
    shared_bytes: int = 0
    resident: int = 0
    columns: int = 0


@dataclass(frozen=True)
class HandKernels:
    """An operator by hand-written kernels, over contiguous arrays whose addresses are multiples of 16 bytes.

    ``header``: the file of ``kernels/`` that holds them. ``launches`` run one after another. ``temporaries``: arrays
    between them, whose contents are undefined at the start. ``in_place``: pairs of an input and an output that may
    lie in the same memory; all others must not overlap.
    """

    header: str
    launches: tuple[Launch, ...]
    temporaries: tuple[Spec, ...] = ()
    in_place: tuple[tuple[str, str], ...] = ()


class StridedSpec(NamedTuple):
    """An array as a library sees it: strides are in elements."""

    shape: tuple[int, ...]
    dtype: dtypes.Dtype
    strides: tuple[int, ...]


class LibraryCall(Protocol):
    """A planned call of a GPU library.

    ``how``: which of several algorithms it takes, and by what it was chosen; empty where there is one. ``alignment``: what the addresses of
    operands, results and workspace must be multiples of, in bytes. An element's at least, and 16 at most, which is what programs and CuPy
    align whole arrays to; a view may begin at any element.
    ``channel``: calls of one name follow one another on one stream of a capture, in the order of the program, because they work by one
    handle, or are matched by that order with other ranks'. "": a call may run beside any other.
    """

    channel: str
    workspace: int  # bytes of scratch
    alignment: int

    @property
    def name(self) -> str:
        """For people: the library and what was chosen."""

    @property
    def how(self) -> str:
        """For people."""

    def settle(self, pointers: Sequence[int], workspace: int, stream: int) -> None:
        """Before a program's first call: find out which algorithm is the fastest, by writing the results, repeatedly. Waits."""

    def enqueue(self, pointers: Sequence[int], workspace: int, stream: int) -> None:
        """Put the work on a stream: ``pointers`` are the addresses of the inputs, then of the outputs."""


class HostCall(Protocol):
    """A planned call of a CPU's library.

    ``session``: a decorator for functions that make several calls: it does once what else each of them does.
    """

    session: ClassVar[Any]

    @property
    def name(self) -> str:
        """For people: the library and what was chosen."""

    @property
    def workspace(self) -> int:
        """Bytes of scratch."""

    def __call__(self, *arrays: Any, scratch: Any = None) -> None:
        """Compute: NumPy arrays of any strides, operands, then results, which share no memory; ``scratch``: bytes, else made."""

    def bind(self, arrays: Sequence[Any], scratch: Any) -> Callable[..., None]:
        """The call on arrays and scratch that stay where they are, but for those that are None, which each run is given, in ``session``."""

    def packing(self, i: int) -> tuple[Packing, HostCall] | None:
        """How operand ``i`` is packed for many calls, and the call that takes it so; None where it is as well taken as it lies."""


class Packing(Protocol):
    """An operand brought into the order that a library wants: as bytes of its own."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def size(self) -> int:
        """The bytes of the packed operand."""

    def __call__(self, array: Any, out: Any) -> None:
        """Pack an array of any strides."""


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides, in elements, of an array without gaps."""
    strides = [1]
    for n in reversed(shape[1:]):
        strides.append(strides[-1] * n)
    return tuple(reversed(strides))[: len(shape)]
