"""Matrix products under MXNet's names: the fully connected layer and batches of products.

Both are plain compositions, so that a bias and an activation fuse behind the product.
"""

from __future__ import annotations

import math
from typing import Any

from hybridnet.core import ArrayLike, apply, call
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.common import tensor
from hybridnet.ops.linalg.matmul import MATMUL
from hybridnet.ops.nn.common import as_part


def fully_connected(
    data: Any,
    weight: Any,
    bias: Any = None,
    num_hidden: int | None = None,
    no_bias: bool = False,
    flatten: bool = True,
) -> Any:
    """data · weightᵀ + bias.

    ``weight``: (num_hidden, inputs); ``bias``: (num_hidden,). With ``flatten`` all axes of ``data`` but the
    first are one axis of inputs and the result is (batch, num_hidden); without, the last axis alone is
    and the others stay. ShapeError if ``data``, ``weight``, ``bias`` and ``num_hidden`` do not fit together.
    """
    data = tensor(data)
    if weight.ndim != 2 or (num_hidden is not None and weight.shape[0] != num_hidden):
        rows = "num_hidden" if num_hidden is None else str(num_hidden)
        fail(ShapeError, "fully_connected", expected=f"a weight of shape ({rows}, inputs)", got=str(weight.shape))
    if data.ndim == 0:
        fail(ShapeError, "fully_connected", expected="data with a batch axis", got="zero dimensions")
    lead = data.shape[:1] if flatten else data.shape[:-1]
    inputs = math.prod(data.shape[len(lead) :])
    if inputs != weight.shape[1]:
        fail(
            ShapeError,
            "fully_connected",
            expected=f"{weight.shape[1]} inputs for weight {weight.shape}",
            got=f"{inputs} of data {data.shape}, flatten={flatten}",
        )
    if not no_bias and bias is not None and bias.shape != weight.shape[:1]:
        fail(ShapeError, "fully_connected", expected=f"a bias of shape {weight.shape[:1]}", got=str(bias.shape))
    matrix = (math.prod(lead), inputs)  # one product of two matrices: its gradients are then one product each
    y = apply(MATMUL, (data if data.shape == matrix else call("reshape", data, shape=matrix), weight), {"transpose_b": True})
    if not no_bias and bias is not None:
        y = y + as_part(bias, y)
    return y if len(lead) == 1 else call("reshape", y, shape=(*lead, weight.shape[0]))


def batch_dot(lhs: ArrayLike, rhs: ArrayLike, transpose_a: bool = False, transpose_b: bool = False, forward_stype: Any = None) -> Any:
    """Products of the matrices in two batches of the same shape before the last two axes.

    ShapeError unless both have the same three or more dimensions before them; ArgumentError for a sparse ``forward_stype``.
    """
    a, b = tensor(lhs), tensor(rhs)
    if forward_stype not in (None, "default"):
        fail(ArgumentError, "batch_dot", expected="dense results", got=f"forward_stype={forward_stype!r}")
    if a.ndim != b.ndim or a.ndim < 3 or a.shape[:-2] != b.shape[:-2]:
        fail(
            ShapeError,
            "batch_dot",
            expected="two batches of as many matrices",
            got=f"{a.shape} and {b.shape}",
            fix="np.matmul, which broadcasts",
        )
    flags = {name: True for name, on in (("transpose_a", transpose_a), ("transpose_b", transpose_b)) if on}
    return apply(MATMUL, (a, b), flags)
