"""What programs ask of keys before they index: their shape written out, and by which way they index."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet.core import Array
from hybridnet.errors import ArgumentError, ShapeError, fail

Key = tuple[Any, ...]


def get_oshape_of_gather_nd_op(dshape: tuple[int, ...], ishape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that ``gather_nd`` gives, by the shapes of its data and its indices. ShapeError for more indices than axes."""
    if not ishape or ishape[0] > len(dshape):
        fail(ShapeError, "gather_nd", expected=f"indices of at most {len(dshape)} axes, the first of their shape", got=str(ishape))
    return (*ishape[1:], *dshape[ishape[0] :])


def get_indexing_dispatch_code(key: Key) -> int:
    """By which way a tuple indexes: 0 by integers, slices, ``None`` and dots alone, 1 by arrays or lists too, -1 by what cannot.

    ArgumentError for what is no tuple.
    """
    if not isinstance(key, tuple):
        fail(ArgumentError, "get_indexing_dispatch_code", expected="a tuple", got=repr(key), fix="(key,)")
    ways = [_way(part) for part in key]
    return -1 if -1 in ways else max(ways, default=0)


def _way(part: Any) -> int:
    if part is None or part is Ellipsis or isinstance(part, (slice, int, np.integer)):
        return 0
    return 1 if isinstance(part, (Array, np.ndarray, list, tuple)) else -1


def indexing_key_expand_implicit_axes(key: Any, shape: tuple[int, ...]) -> tuple[Key, int]:
    """A key for an array of ``shape`` with a slice for each axis that it does not name, and -1.

    Masks of more than one axis are written as the indices of what is true. In place of -1 stand, of a key ``True`` or ``False`` alone,
    1 and 0, as in MXNet. ShapeError for more parts than axes, or a second ``...``.
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    alone = -1
    if len(parts) == 1 and isinstance(parts[0], (bool, np.bool_)):
        parts, alone = [None], int(parts[0])
    written: list[Any] = []
    for part in parts:
        is_mask = isinstance(part, (np.ndarray, Array)) and part.dtype == np.bool_ and part.ndim > 1
        written += list(np.nonzero(part if isinstance(part, np.ndarray) else part.asnumpy())) if is_mask else [part]
    dots = [i for i, part in enumerate(written) if part is Ellipsis]
    named = sum(part is not None and part is not Ellipsis for part in written)
    if len(dots) > 1 or named > len(shape):
        fail(ShapeError, "indexing", expected=f"at most {len(shape)} axes and one ...", got=repr(key))
    at = dots[0] if dots else len(written)
    return (*written[:at], *[slice(None)] * (len(shape) - named), *written[at + 1 :]), alone
