"""A fused region of pointwise operators as the text of one loop, which numba may compile (:mod:`hybridnet.device.loops`).

The operators are those whose results are NumPy's to the bit whoever computes them: arithmetic that is rounded once, comparisons, choices.
A region with another one, or with a reduction, is NumPy's alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import Kind
from hybridnet.device.loops import BoundLoop, loop
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.graph.operators import (
    ABSOLUTE,
    ADD,
    CAST,
    EQUAL,
    GREATER,
    GREATER_EQUAL,
    LESS,
    LESS_EQUAL,
    MAXIMUM,
    MINIMUM,
    MULTIPLY,
    NEGATIVE,
    NOT_EQUAL,
    ROOT,
    SQRT,
    SQUARE,
    SUBTRACT,
    TRUE_DIVIDE,
    WHERE,
)

#: How the loop writes an operator, given its operands as names.
_WRITTEN = {
    ADD: "{0} + {1}",
    SUBTRACT: "{0} - {1}",
    MULTIPLY: "{0} * {1}",
    TRUE_DIVIDE: "{0} / {1}",
    NEGATIVE: "-{0}",
    SQUARE: "{0} * {0}",
    SQRT: "sqrt({0})",
    ROOT: "sqrt({0})",
    ABSOLUTE: "abs({0})",
    # As NumPy's: the second of equal operands, which counts for zeros, and NaN where one is.
    MAXIMUM: "{0} if ({0} > {1}) | ({0} != {0}) else {1}",
    MINIMUM: "{0} if ({0} < {1}) | ({0} != {0}) else {1}",
    GREATER: "{0} > {1}",
    GREATER_EQUAL: "{0} >= {1}",
    LESS: "{0} < {1}",
    LESS_EQUAL: "{0} <= {1}",
    EQUAL: "{0} == {1}",
    NOT_EQUAL: "{0} != {1}",
    WHERE: "{1} if {0} else {2}",
    CAST: "{0}",
}
#: Of types: what makes a number of one.
_TYPES = {dtypes.float32: "float32", dtypes.float64: "float64", dtypes.bool_: "bool_"}
#: Inner loops that are shorter take as long to begin as to run.
_SHORTEST = 8
_HEAD = "from math import inf, nan, sqrt\n\nfrom numpy import bool_, float32, float64\n\n\n"


def written_loop(body: Graph, inputs: Sequence[str], outputs: Sequence[str], flat_size: int | None) -> tuple[BoundLoop, list[str]] | None:
    """The loop of a region and the names of the arrays that it goes over; None where it has none.

    The arguments are those of :func:`~hybridnet.codegen.numpy_region.write_region`.
    """
    if not all(map(_can_be_written, body.nodes)) or not all(v.dtype in _TYPES for v in body.inputs):
        return None
    lie = _Lie.of(body, flat_size)
    if lie is None or any(lie.place(v) != "full" for v in body.outputs):
        return None
    names: dict[str, Value] = {}
    for v, name in zip((*body.inputs, *body.outputs), (*inputs, *outputs), strict=True):
        names.setdefault(name, v)
    places = [lie.place(v) for v in names.values()]
    shapes = [lie.shapes[place] for place in places]
    types = tuple(f"{_numba_type(v)}[{':,' * (len(shape) - 1)}::1]" for v, shape in zip(names.values(), shapes, strict=True))
    text = _text(body, {name: i for i, name in enumerate(names)}, inputs, outputs, lie)
    nbytes = sum(lie.bytes_of(v) for v in names.values())
    return BoundLoop(loop(text, types), shapes, [place in ("full", "rows") for place in places], nbytes), list(names)


def _can_be_written(node: Node) -> bool:
    if node.output.constant is not None:
        return True
    return node.op.kind is Kind.POINTWISE and node.op in _WRITTEN and all(v.dtype in _TYPES for v in (*node.inputs, *node.outputs))


def _numba_type(v: Value) -> str:
    return "boolean" if v.dtype == dtypes.bool_ else _TYPES[v.dtype]


class _Lie:
    """How the values of a region lie in its domain, which is taken as rows of columns.

    A value is ``full``, or has one number for each of the ``columns``, for each of the ``rows``, or in all (``one``).
    """

    def __init__(self, domain: tuple[int, ...], cut: int | None, flat: bool) -> None:
        self.domain, self.cut, self.flat = domain, cut, flat
        rows, columns = math.prod(domain[:cut]), math.prod(domain[cut:]) if cut is not None else 1
        self.has_columns = cut is not None
        self.shapes = {"full": (rows, columns) if self.has_columns else (rows,), "columns": (columns,), "rows": (rows,), "one": (1,)}

    @staticmethod
    def of(body: Graph, flat_size: int | None) -> _Lie | None:
        """None where some value lies otherwise, or rows are short."""
        values = [*body.inputs, *(v for n in body.nodes for v in n.outputs)]
        if flat_size is not None:
            return _Lie((flat_size,), None, True)
        domain = np.broadcast_shapes(*[v.shape for v in values])
        cuts = set()
        for v in values:
            shape = _widened(v, domain)
            long = [n != 1 for n in shape]
            if shape == domain or not any(long):
                continue
            first = next(i for i, n in enumerate(domain) if n != 1 and shape[i] == 1)
            cut = first if shape[:first] == domain[:first] and not any(long[first:]) and any(long[:first]) else None
            if cut is None:
                cut = next(i for i, n in enumerate(shape) if n != 1)
                if shape[cut:] != domain[cut:]:
                    return None
            cuts.add(math.prod(domain[:cut]))
        if len(cuts) > 1:
            return None
        cut = next((i for i in range(len(domain) + 1) if math.prod(domain[:i]) in cuts), None)
        if cut is not None and math.prod(domain[cut:]) < _SHORTEST:
            return None
        return _Lie(domain, cut, False)

    def place(self, v: Value) -> str:
        """Where a value's numbers belong."""
        if self.flat:
            return "full" if v.shape else "one"
        shape = _widened(v, self.domain)
        if shape == self.domain:
            return "full"
        if v.size == 1:
            return "one"
        return "rows" if math.prod(shape[: self.cut]) > 1 else "columns"

    def bytes_of(self, v: Value) -> int:
        """The bytes of an array of a value."""
        return math.prod(self.shapes[self.place(v)]) * v.dtype.itemsize


def _widened(v: Value, domain: tuple[int, ...]) -> tuple[int, ...]:
    return (1,) * (len(domain) - v.ndim) + v.shape


def _text(body: Graph, arguments: dict[str, int], inputs: Sequence[str], outputs: Sequence[str], lie: _Lie) -> str:
    """The function: what is one number, or one a row, is read before the loop that it stays the same in."""
    full = "[i, k]" if lie.has_columns else "[i]"
    index = {"full": full, "columns": "[k]", "rows": "[i]", "one": "[0]"}
    before: dict[str, list[str]] = {place: [] for place in index}
    name: dict[Value, str] = {}
    for n, (v, array) in enumerate(zip(body.inputs, inputs, strict=True)):
        name[v] = f"x{n}"
        place = lie.place(v)
        before[place].append(f"x{n} = a{arguments[array]}{index[place]}")
    inner = before["full"] + before["columns"]
    for n, node in enumerate(body.nodes):
        v = node.output
        if v.constant is not None:
            name[v] = f"{_TYPES[v.dtype]}({v.constant!r})"
            continue
        name[v] = f"v{n}"
        inner.append(f"v{n} = {_TYPES[v.dtype]}({_WRITTEN[node.op].format(*(name[x] for x in node.inputs))})")
    inner += [f"a{arguments[array]}{full} = {name[v]}" for v, array in zip(body.outputs, outputs, strict=True)]
    whole = arguments[outputs[0]]
    lines = [f"def loop({', '.join(f'a{i}' for i in range(len(arguments)))}):", *(f"    {line}" for line in before["one"])]
    lines.append(f"    for i in range(a{whole}.shape[0]):")
    lines += [f"        {line}" for line in before["rows"]]
    if lie.has_columns:
        lines.append(f"        for k in range(a{whole}.shape[1]):")
    lines += [f"{'            ' if lie.has_columns else '        '}{line}" for line in inner]
    return _HEAD + "\n".join([*lines, ""])


def loops_of(names: dict[str, Any]) -> list[BoundLoop]:
    """The loops among the names of a program's text."""
    return [x for x in names.values() if type(x) is BoundLoop]
