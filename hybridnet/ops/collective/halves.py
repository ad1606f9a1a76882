"""Sums over ranks that travel in 16 bits and are made in float32: half the bytes, rounded twice, however many ranks there are.

Each rank gets a part of every other's numbers, sums those, and sends the sum to all. (A sum in 16 bits, as NCCL has it, is rounded at each
rank on its way.) All ranks get the same, to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hybridnet import dtypes
from hybridnet.core import call
from hybridnet.device import communicate
from hybridnet.device.groups import Group
from hybridnet.dtypes import Dtype
from hybridnet.ops.array.creation import zeros
from hybridnet.ops.collective.collective import all_gather, all_to_all


def sum_in_halves(arrays: Sequence[Any], sent: Dtype, group: Group | None = None) -> list[Any]:
    """The sums over ranks of arrays of one floating type, of any shapes, in two messages of type ``sent``."""
    dtype = arrays[0].dtype
    ranks = communicate.world().size if group is None else group.size
    parts = [call("reshape", call("cast", x, dtype=sent), shape=(x.size,)) for x in arrays]
    filling = -sum(x.size for x in arrays) % ranks
    if filling:
        parts.append(zeros((filling,), sent, arrays[0].device))
    own = scatter_in_halves(call("concatenate", *parts, axis=0), sent, group)
    whole = all_gather(call("cast", own, dtype=sent), group)
    found, start = [], 0
    for x in arrays:
        size = math.prod(x.shape)
        piece = call("slice", whole, key=(("slice", start, start + size, None),))
        found.append(call("cast", call("reshape", piece, shape=x.shape), dtype=dtype))
        start += size
    return found


def scatter_in_halves(x: Any, sent: Dtype, group: Group | None = None) -> Any:
    """This rank's part, in float32, of the sum of rows (n,), which the ranks divide evenly; they travel in ``sent``."""
    ranks = communicate.world().size if group is None else group.size
    received = all_to_all(call("cast", x, dtype=sent), group)
    rows = call("reshape", received, shape=(ranks, x.size // ranks))
    return call("sum", call("cast", rows, dtype=dtypes.float32), axis=(0,), keepdims=False)
