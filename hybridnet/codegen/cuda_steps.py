"""The steps of a CUDA program, and the places in memory that they name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from hybridnet.codegen.cuda_text import Kernel
from hybridnet.codegen.order import Span
from hybridnet.core.kernel import LibraryCall
from hybridnet.dtypes import Dtype
from hybridnet.graph.ir import Node

ARENA = -1
RESULT = -(1 << 30)


class Address(NamedTuple):
    """A place in memory: ``base`` is an input's number, ``ARENA``, -2 - k for the k-th of the made arrays, or ``RESULT - k``
    for the k-th fresh buffer of a direct program; ``offset`` in bytes."""

    base: int
    offset: int = 0

    def __str__(self) -> str:
        base = "arena" if self.base == ARENA else f"in{self.base}" if self.base >= 0 else f"made{-2 - self.base}"
        base = f"out{RESULT - self.base}" if self.base <= RESULT else base
        return f"{base}+{self.offset}" if self.offset else base


@dataclass(frozen=True)
class Filled:
    """An array of one number that a program keeps."""

    number: Any
    shape: tuple[int, ...]
    dtype: Dtype


#: An array that is made when a program is bound: 64-bit numbers (an address stands for itself), or one number throughout.
AtBind = tuple[int | Address, ...] | Filled


Extent = tuple[Address, int]  # a place and how many bytes


class Located(NamedTuple):
    """An array in memory; strides are in bytes."""

    address: Address
    shape: tuple[int, ...]
    dtype: Dtype
    strides: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        size = self.dtype.itemsize
        for n in self.shape:
            size *= n
        return size

    @property
    def span(self) -> int:
        """The bytes from its first element to the end of its last, gaps included."""
        return sum(step * (n - 1) for n, step in zip(self.shape, self.strides, strict=True)) + self.dtype.itemsize

    @property
    def bytes(self) -> Span:
        """All bytes between its elements and those of its elements, which may lie before the first where a stride is negative."""
        if not self.nbytes:
            return Span(self.address.base, 0, 0)
        ends = [step * (n - 1) for n, step in zip(self.shape, self.strides, strict=True)]
        begin = self.address.offset + sum(e for e in ends if e < 0)
        return Span(self.address.base, begin, self.address.offset + sum(e for e in ends if e > 0) + self.dtype.itemsize)


@dataclass(frozen=True)
class KernelStep:
    """A launch."""

    kernel: Kernel
    arguments: tuple[Address, ...]
    node: Node | None

    def __str__(self) -> str:
        k = self.kernel
        return f"{k.name}<<<{k.grid}, {k.block}>>>({', '.join(map(str, self.arguments))})"


@dataclass(frozen=True)
class LibraryStep:
    """A library's call."""

    call: LibraryCall
    pointers: tuple[Address, ...]
    workspace: Address | None
    node: Node

    def __str__(self) -> str:
        return f"{self.node.op.name}: {self.call.name}({', '.join(map(str, self.pointers))})"


@dataclass(frozen=True)
class CopyStep:
    """Bytes from one place to another."""

    source: Address
    target: Address
    nbytes: int
    node: Node | None

    def __str__(self) -> str:
        return f"copy({self.target}, {self.source}, {self.nbytes} bytes)"


@dataclass(frozen=True)
class CupyStep:
    """What CuPy computes: no part of a CUDA graph."""

    node: Node
    inputs: tuple[Located, ...]
    outputs: tuple[Located, ...]

    def __str__(self) -> str:
        return f"{self.node.op.name}: CuPy({', '.join(str(x.address) for x in self.inputs)})"


Step = KernelStep | LibraryStep | CopyStep | CupyStep


class Staging(NamedTuple):
    """How small arguments and results are copied: by the first and the last launch of a program, after ``table``, which ``put`` writes.

    arguments: the inputs that are, by their numbers; results: the results, by theirs. The table has a place for each, in this order.
    """

    table: Address
    put: Kernel
    arguments: tuple[int, ...]
    results: tuple[int, ...]
    first: KernelStep | None
    last: KernelStep | None
