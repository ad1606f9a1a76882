"""Elements by their numbers: what index arrays read."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from hybridnet.graph.ir import Node, Value
from hybridnet.onnx.rules import rule
from hybridnet.onnx.rules.shapes import cut
from hybridnet.onnx.writer import Writer

WHOLE = ("slice", None, None, None)


@rule("index")
def _index(w: Writer, node: Node, x: Value, *indices: Value, key: Any) -> str:
    """NumPy's rules: slices first, then what index arrays (and integers beside them) name, whose axes stand together."""
    sliced = tuple(WHOLE if item[0] in ("array", "int") else item for item in key)
    y: Value | str = x if all(item == WHOLE for item in sliced) else cut(w, x, sliced)
    places = [i for i, item in enumerate(key) if item[0] in ("array", "int")]
    rank = x.ndim + sum(item[0] == "new" for item in key)
    if len(places) == 1 and len(indices) == 1:
        return w.add("Gather", [y, indices[0]], axis=places[0])
    others = [axis for axis in range(rank) if axis not in places]
    if places != list(range(len(places))):
        y = w.add("Transpose", [y], perm=[*places, *others])
    result = w.shape(node.output)
    together = places == list(range(places[0], places[-1] + 1))
    first = places[0] if together else 0
    count = len(result) - len(others)
    sizes, last = w.sizes(result[first : first + count]), w.integers([count])
    given = iter(indices)
    numbers = []
    for item in (key[i] for i in places):
        numbers.append(w.cast(next(given), np.int64) if item[0] == "array" else w.number(w.fixed("an index", item[1]), np.int64))
    parts = [w.add("Unsqueeze", [w.add("Expand", [n, sizes]), last]) for n in numbers]
    z = w.add("GatherND", [w.name(y), w.add("Concat", parts, axis=-1)])
    if first == 0:
        return z
    return w.add("Transpose", [z], perm=[*range(count, count + first), *range(count), *range(count + first, len(result))])


@rule("weighted_rows")
def _weighted_rows(w: Writer, node: Node, rows: Value, *others: Value) -> str:
    """Rows by their numbers, each times its share, added up."""
    count, last = len(others) // 2, w.integers([-1])
    parts = [
        w.add("Mul", [w.add("Gather", [rows, number], axis=0), w.add("Unsqueeze", [w.cast(share, rows.dtype), last])])
        for number, share in zip(others[:count], others[count:], strict=True)
    ]
    return functools.reduce(lambda total, part: w.add("Add", [total, part]), parts)


@rule("take_along_axis")
def _take_along_axis(w: Writer, node: Node, x: Value, indices: Value, axis: int) -> str:
    return w.add("GatherElements", [w.name(x), w.cast(indices, np.int64)], axis=axis)


@rule("index_set")
def _index_set(w: Writer, node: Node, x: Value, value: Value, *indices: Value, key: Any) -> str:
    """Rows of the first axes take other values; of places that are named twice, ONNX does not say which value stays."""
    if any(item != ("array",) for item in key[: len(indices)]) or any(item != WHOLE for item in key[len(indices) :]):
        w.refuse("index arrays for the first axes", f"key {key}", "x.transpose(...) before, or where")
    shape = np.broadcast_shapes(*[w.fixed("a shape", w.shape(i)) for i in indices])
    sizes, last = w.integers(shape), w.integers([len(shape)])
    parts = [w.add("Unsqueeze", [w.add("Expand", [w.cast(i, np.int64), sizes]), last]) for i in indices]
    rows = w.sizes((*shape, *w.shape(x)[len(indices) :]))
    return w.add("ScatterND", [w.name(x), w.add("Concat", parts, axis=-1), w.add("Expand", [w.cast(value, x.dtype), rows])])
