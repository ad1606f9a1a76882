"""Row-major products of batches in cuBLASLt's terms: which operands need no copy, and how they are described.

The library thinks in columns. A row-major matrix is its transpose there, so Y = A B is computed as Yᵀ = Bᵀ Aᵀ: the
operands change places, and a bias along the last axis of Y is one along the rows of Yᵀ, as the library wants it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from hybridnet import dtypes
from hybridnet.config import config
from hybridnet.core.kernel import StridedSpec, is_half
from hybridnet.device import blas
from hybridnet.device.blas import TYPES, Matmul, Product

#: The sums of a row-major operand over the inner axis, in the library's terms.
SUMS = {"a": "sums_b", "b": "sums_a"}

_TWO_RESULTS = {*SUMS.values(), "gelu_stored", "gelu_stored_bias"}


class RowMajor:
    """A planned product that takes the addresses of A, B, the bias or what GELU's slope is at if there is one, Y, and then of what else
    it writes: sums, or what GELU is of."""

    channel = ""

    def __init__(self, columns: Matmul) -> None:
        self.columns = columns
        self.name = columns.name
        self.workspace = columns.workspace
        self.alignment = columns.alignment

    @property
    def how(self) -> str:
        """Which algorithm, if there are several."""
        return self.columns.how

    def settle(self, pointers: Sequence[int], workspace: int, stream: int) -> None:
        """Find the fastest algorithm."""
        self.columns.settle(self._exchanged(pointers), workspace, stream)

    def enqueue(self, pointers: Sequence[int], workspace: int, stream: int) -> None:
        """Start the product on a stream."""
        self.columns.enqueue(self._exchanged(pointers), workspace, stream)

    def _exchanged(self, pointers: Sequence[int]) -> Sequence[int]:
        a, b, *rest = pointers
        if self.columns.product.epilogue in _TWO_RESULTS:
            rest[-2:] = rest[:-3:-1]
        return b, a, *rest


def plan_product(
    a: StridedSpec,
    b: StridedSpec,
    y: StridedSpec,
    transpose_a: bool = False,
    transpose_b: bool = False,
    epilogue: str = "",
    adds: bool = False,
) -> RowMajor | None:
    """cuBLASLt's call for ``y = a b`` (see :func:`product_of`), or None. ``adds``: plus a matrix that lies as ``y`` does."""
    product = product_of(a, b, y, transpose_a, transpose_b, epilogue)
    if product is not None and adds:
        product = replace(product, adds=True)
    made = None if product is None else blas.plan(product)
    return None if made is None else RowMajor(made)


class Axis(NamedTuple):
    """A batch axis: its length, and the steps of A, B and Y along it; 0 where an operand is the same for all."""

    extent: int
    steps: tuple[int, int, int]


def product_of(
    a: StridedSpec, b: StridedSpec, y: StridedSpec, transpose_a: bool = False, transpose_b: bool = False, epilogue: str = ""
) -> Product | None:
    """The description of ``y = a b`` over the last two axes, the others broadcast; None where operands would have to be copied.

    Of each matrix one axis must be without gaps, and the batch axes must join to one, for all three alike.
    """
    wide = is_half(a.dtype) and y.dtype == dtypes.float32
    if a.dtype not in TYPES or a.dtype != b.dtype or not (wide or a.dtype == y.dtype):
        return None
    rows, columns = y.shape[-2:]
    inner = a.shape[-2] if transpose_a else a.shape[-1]
    a_row, a_inner = reversed(a.strides[-2:]) if transpose_a else a.strides[-2:]
    b_inner, b_column = reversed(b.strides[-2:]) if transpose_b else b.strides[-2:]
    y_row, y_column = y.strides[-2:]
    axes = _merged(y.shape[:-2], [_steps(x, len(y.shape)) for x in (a, b, y)])
    if len(axes) == 1 and axes[0].steps[1] == 0 and _goes_on(axes[0], rows, a_row, y_row):
        # One matrix B for the whole batch: the rows of all products are the rows of one.
        if rows == 1:
            a_row, y_row = axes[0].steps[0], axes[0].steps[2]
        rows, axes = rows * axes[0].extent, []
    if len(axes) > 1:
        return None
    first = _stored(columns, inner, b_column, b_inner)
    second = _stored(inner, rows, a_inner, a_row)
    result = _stored(columns, rows, y_column, y_row)
    if first is None or second is None or result is None or result[0]:
        return None
    batch, (step_a, step_b, step_y) = axes[0] if axes else Axis(1, (0, 0, 0))
    if min(step_a, step_b, step_y) < 0:
        return None
    if epilogue in blas.WITH_MATRIX and (batch > 1 or result[1] != columns or columns % 8):  # the library's own bound of 8
        return None
    compute = "float64" if a.dtype == dtypes.float64 else "tf32" if a.dtype == dtypes.float32 and config.tf32 else "float32"
    return Product(
        m=columns,
        n=rows,
        k=inner,
        dtype=a.dtype,
        compute=compute,
        transpose_a=first[0],
        transpose_b=second[0],
        lda=first[1],
        ldb=second[1],
        ldd=result[1],
        batch=batch,
        stride_a=step_b,
        stride_b=step_a,
        stride_d=step_y,
        epilogue=epilogue,
        wide=wide,
    )


def _stored(rows: int, columns: int, row: int, column: int) -> tuple[bool, int] | None:
    """Whether a column-major matrix of these steps lies transposed, and its leading dimension; None if it is neither.

    The step along an axis of length 1 does not matter.
    """
    for transposed, (r, c), (step, leading) in ((False, (rows, columns), (row, column)), (True, (columns, rows), (column, row))):
        if r == 1 or step == 1:
            if c == 1:
                return transposed, r
            if leading >= r:
                return transposed, leading
    return None


def _steps(x: StridedSpec, ndim: int) -> tuple[int, ...]:
    """The steps along the batch axes of the result; 0 where the operand is broadcast."""
    own = [0 if n == 1 else s for n, s in zip(x.shape[:-2], x.strides[:-2], strict=True)]
    return (0,) * (ndim - len(x.shape)) + tuple(own)


def _merged(extents: Sequence[int], steps: Sequence[tuple[int, ...]]) -> list[Axis]:
    """The batch axes with neighbours joined wherever that is one step on in every operand."""
    axes: list[Axis] = []
    for i, n in enumerate(extents):
        own = (steps[0][i], steps[1][i], steps[2][i])
        if n == 1:
            continue
        if axes and all(outer == inner * n for outer, inner in zip(axes[-1].steps, own, strict=True)):
            axes[-1] = Axis(axes[-1].extent * n, own)
        else:
            axes.append(Axis(n, own))
    return axes


def _goes_on(axis: Axis, rows: int, a_row: int, y_row: int) -> bool:
    """Whether the rows of the next product of the batch follow those of this one, in A and in Y."""
    if rows == 1:
        return axis.steps[0] > 0
    return axis.steps[0] == rows * a_row and axis.steps[2] == rows * y_row
