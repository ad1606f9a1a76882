"""``cupyx.scipy.sparse``: matrices by rows, as far as sums of rows need them, computed by SciPy."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import scipy.sparse

from . import streams
from .arrays import launch, ndarray


class csr_matrix:
    """A matrix by rows; ``(data, columns, row_starts)`` are arrays of the device."""

    def __init__(self, parts: tuple[ndarray, ndarray, ndarray], shape: tuple[int, int], transposed: bool = False) -> None:
        streams.refuse("cuSPARSE")
        if parts[0].dtype.char not in "?fdFD":
            raise ValueError(f"Only bool, float32, float64, complex64 and complex128 are supported, not {parts[0].dtype}")
        self.parts, self.shape, self.transposed = parts, shape, transposed

    @property
    def T(self) -> csr_matrix:
        return csr_matrix(self.parts, self.shape, not self.transposed)

    def tocsr(self) -> csr_matrix:
        return self

    def __matmul__(self, other: ndarray) -> Any:
        if other.dtype != self.parts[0].dtype:
            raise ValueError(f"{other.dtype} with {self.parts[0].dtype}")

        def multiply(data: Any, columns: Any, starts: Any, dense: Any) -> Any:
            matrix = scipy.sparse.csr_matrix((data, columns, starts), shape=self.shape)
            return np.asarray((matrix.T if self.transposed else matrix) @ dense)

        return launch(multiply, *self.parts, other)


sparse = ModuleType("cupyx.scipy.sparse")
sparse.csr_matrix = csr_matrix  # type: ignore[attr-defined]
