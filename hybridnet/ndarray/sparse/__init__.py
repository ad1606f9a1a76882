"""``nd.sparse``: arrays of which only what is not 0 is stored, and the operators that know such.

The operators are those of ``nd``, under the names that MXNet has here: each works on arrays of any storage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridnet import absent
from hybridnet.ndarray.register import FUNCTIONS, OPERATORS
from hybridnet.ndarray.sparse import arrays, creation, functions
from hybridnet.ndarray.sparse.arrays import BaseSparseNDArray, CSRNDArray, RowSparseNDArray
from hybridnet.ndarray.sparse.creation import array, csr_matrix, empty, row_sparse_array, zeros

#: Operators of ``nd`` that MXNet registers once more for this module: ``_sparse_abs`` is ``abs``.
_NAMES = """
    ElementWiseSum Embedding FullyConnected LinearRegressionOutput LogisticRegressionOutput MAERegressionOutput _contrib_round_ste
    _contrib_sign_ste abs adam_update add_n arccos arccosh arcsin arcsinh arctan arctanh broadcast_add broadcast_div broadcast_minus
    broadcast_mul broadcast_plus broadcast_sub cast_storage cbrt ceil clip concat cos cosh degrees dot elemwise_add elemwise_div
    elemwise_mul elemwise_sub exp expm1 fix floor ftrl_update gamma gammaln log log10 log1p log2 make_loss mean negative norm radians relu
    rint round rsqrt sgd_mom_update sgd_update sigmoid sign sin sinh slice sqrt square stop_gradient sum tan tanh trunc where zeros_like
"""
OPERATORS.update({f"_sparse_{name}": OPERATORS[name] for name in _NAMES.split()})
#: MXNet's names of this module that are functions of ``nd``.
_SHARED = [*_NAMES.split(), "add", "subtract", "multiply", "divide"]

globals().update({name: FUNCTIONS[name] for name in _SHARED})
retain = functions.retain
adagrad_update = FUNCTIONS["_sparse_adagrad_update"]

__all__ = [
    *_SHARED, "BaseSparseNDArray", "CSRNDArray", "RowSparseNDArray", "adagrad_update", "array", "arrays", "creation", "csr_matrix", "empty",
    "functions", "retain", "row_sparse_array", "zeros",
]  # fmt: skip

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
else:
    __getattr__ = absent.teller(__name__)
