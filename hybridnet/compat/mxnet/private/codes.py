"""MXNet's numbers of dtypes, storage types and what becomes of gradients, and how its operators' names begin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hybridnet.dtypes import bfloat16

_DTYPE_MX_TO_NP: Mapping[int, Any] = {
    -1: None, 0: np.float32, 1: np.float64, 2: np.float16, 3: np.uint8, 4: np.int32, 5: np.int8, 6: np.int64, 7: np.bool_, 12: bfloat16,
}  # fmt: skip
_DTYPE_NP_TO_MX: Mapping[Any, int] = {dtype: number for number, dtype in _DTYPE_MX_TO_NP.items()}
_GRAD_REQ_MAP: Mapping[str, int] = {"null": 0, "write": 1, "add": 3}

_STORAGE_TYPE_UNDEFINED, _STORAGE_TYPE_DEFAULT, _STORAGE_TYPE_ROW_SPARSE, _STORAGE_TYPE_CSR = -1, 0, 1, 2
_STORAGE_TYPE_ID_TO_STR: Mapping[int, str] = {-1: "undefined", 0: "default", 1: "row_sparse", 2: "csr"}
_STORAGE_TYPE_STR_TO_ID: Mapping[str, int] = {name: number for number, name in _STORAGE_TYPE_ID_TO_STR.items()}
_STORAGE_AUX_TYPES: Mapping[str, list[type]] = {"row_sparse": [np.int64], "csr": [np.int64, np.int64]}

_OP_NAME_PREFIX_LIST = ["_contrib_", "_linalg_", "_sparse_", "_image_", "_random_"]
_NP_OP_PREFIX, _NP_EXT_OP_PREFIX, _NP_INTERNAL_OP_PREFIX = "_np_", "_npx_", "_npi_"


def _get_op_name_prefix(op_name: str) -> str:
    """The beginning of an operator's name that stands for its namespace, or ""."""
    return next((start for start in _OP_NAME_PREFIX_LIST if op_name.startswith(start)), "")


def _is_np_op(op_name: str) -> bool:
    """Whether an operator is one of ``np`` or ``npx``."""
    return op_name.startswith((_NP_OP_PREFIX, _NP_EXT_OP_PREFIX, _NP_INTERNAL_OP_PREFIX))
