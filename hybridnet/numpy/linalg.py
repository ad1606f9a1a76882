"""``np.linalg``: decompositions, solutions, norms, under NumPy's names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hybridnet import core
from hybridnet.ops.linalg import numpy_linalg as linalg
from hybridnet.ops.linalg import products, standard
from hybridnet.ops.linalg.matmul import matmul as _matmul
from hybridnet.ops.vocabulary import NUMPY

_NAMES = """
    cholesky cond det eig eigh eigvals eigvalsh inv lstsq matrix_norm matrix_power matrix_rank norm pinv qr slogdet solve svd svdvals
    tensorinv tensorsolve vector_norm
"""
#: Products and the like, which NumPy has here besides, with the standard's keywords.
_STANDARD = "cross diagonal matrix_transpose outer tensordot trace vecdot"
LinAlgError = np.linalg.LinAlgError
__all__ = [*_NAMES.split(), *_STANDARD.split(), "matmul", "multi_dot"]

globals().update({name: NUMPY.wrap(getattr(linalg, name)) for name in _NAMES.split()})
globals().update({name: NUMPY.wrap(getattr(standard, name)) for name in _STANDARD.split()})
matmul = NUMPY.wrap(_matmul)
multi_dot = NUMPY.wrap(products.multi_dot)
core.NUMPY_FUNCTIONS.update({getattr(np.linalg, name): globals()[name] for name in __all__ if hasattr(np.linalg, name)})

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
