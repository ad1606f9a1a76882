"""``cupyx.scipy.sparse``: matrices by rows and by columns, as far as sparse arrays and sums of rows need them, computed by SciPy.

What CuPy 14 refuses is refused: element types, rows out of range, operands of other types than the matrix's.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import scipy.sparse

from . import streams
from .arrays import launch, ndarray

Parts = tuple[ndarray, ndarray, ndarray]


class _Matrix:
    """A matrix of compressed rows or columns: the arrays of its parts are the device's."""

    format: ClassVar[str]
    turned: ClassVar[type[_Matrix]]

    def __init__(self, parts: Parts, shape: tuple[int, int]) -> None:
        streams.refuse("cuSPARSE")
        self.data, self.indices, self.indptr = parts
        if not all(isinstance(x, ndarray) and x.ndim == 1 for x in parts):
            raise ValueError("data, indices, and indptr must be 1-D cupy arrays")
        if self.data.dtype.char not in "?fdFD":
            raise ValueError(f"Only bool, float32, float64, complex64 and complex128 are supported, not {self.data.dtype}")
        self.shape = shape

    dtype = property(lambda self: self.data.dtype)
    nnz = property(lambda self: self.data.size)
    parts = property(lambda self: (self.data, self.indices, self.indptr))
    T = property(lambda self: self.turned(self.parts, self.shape[::-1]))

    def _made(self, compute: Callable[..., Any], shape: tuple[int, int], *operands: Any) -> csr_matrix:
        """A matrix by rows, of what ``compute`` gives for SciPy's of this one and of others, and arrays."""
        kinds = [x.host if isinstance(x, _Matrix) else None for x in (self, *operands)]
        flat = [part for x in (self, *operands) for part in (x.parts if isinstance(x, _Matrix) else (x,))]

        def run(*raw: Any) -> Any:
            found = scipy.sparse.csr_matrix(compute(*_rebuilt(kinds, raw)))
            found.sum_duplicates()
            return [found.data, found.indices, found.indptr]

        return csr_matrix(tuple(launch(run, *flat)), shape)

    def host(self, data: Any, indices: Any, indptr: Any) -> Any:
        """SciPy's matrix of parts that lie on the host."""
        return getattr(scipy.sparse, f"{self.format}_matrix")((data, indices, indptr), shape=self.shape)

    def tocsr(self) -> csr_matrix:
        return self._made(lambda x: x, self.shape)

    def toarray(self) -> ndarray:
        found: ndarray = launch(lambda *raw: self.host(*raw).toarray(), *self.parts)
        return found

    def __matmul__(self, other: Any) -> Any:
        if self.dtype.char not in "fdFD" or other.dtype != self.dtype:
            raise ValueError(f"{other.dtype} with {self.dtype}")
        if isinstance(other, _Matrix):
            return self._made(lambda a, b: a @ b, (self.shape[0], other.shape[1]), other)

        def multiply(data: Any, indices: Any, indptr: Any, dense: Any) -> Any:
            return np.asfortranarray(self.host(data, indices, indptr) @ dense)  # cuSPARSE's order

        return launch(multiply, *self.parts, other)


def _rebuilt(kinds: list[Callable[..., Any] | None], raw: Any) -> list[Any]:
    parts = iter(raw)
    return [next(parts) if host is None else host(next(parts), next(parts), next(parts)) for host in kinds]


class csr_matrix(_Matrix):
    """By rows."""

    format = "csr"

    def tocsr(self) -> csr_matrix:
        return self

    def _beside(self, other: csr_matrix, compute: Callable[..., Any]) -> csr_matrix:
        if self.dtype.char not in "fdFD" or other.dtype != self.dtype:
            raise ValueError(f"{other.dtype} with {self.dtype}")
        return self._made(compute, self.shape, other)

    def __add__(self, other: csr_matrix) -> csr_matrix:
        return self._beside(other, lambda a, b: a + b)

    def __sub__(self, other: csr_matrix) -> csr_matrix:
        return self._beside(other, lambda a, b: a - b)

    def multiply(self, other: csr_matrix) -> csr_matrix:
        return self._beside(other, lambda a, b: a.multiply(b))

    def __getitem__(self, rows: ndarray) -> csr_matrix:
        if rows.size and not (-self.shape[0] <= int(rows.min()) and int(rows.max()) < self.shape[0]):
            raise IndexError("index out of range")
        return self._made(lambda a, at: a[at], (rows.size, self.shape[1]), rows)


class csc_matrix(_Matrix):
    """By columns."""

    format = "csc"


csr_matrix.turned, csc_matrix.turned = csc_matrix, csr_matrix

sparse = ModuleType("cupyx.scipy.sparse")
sparse.csr_matrix = csr_matrix  # type: ignore[attr-defined]
