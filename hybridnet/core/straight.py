"""Composites and gradients of arrays in the host's memory by the :mod:`lines <hybridnet.core.lines>` that were written for them.

Each function gives None where there is no line, or it failed: the parts then run one by one, and say what is wrong in the user's terms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hybridnet.core.array import Spec, wrap
from hybridnet.core.lines import Line, attrs_key
from hybridnet.core.op import Op
from hybridnet.core.state import local
from hybridnet.dtypes import defaults

#: Writes the line of a composite: ``(op, specs of the operands, attrs)``; None where it has none.
OfComposite = Callable[[Op, Sequence[Spec], Mapping[str, Any]], Line | None]
#: Writes that of gradients: ``(op, attrs, needs, outputs' gradients, outputs, inputs, kept)``, by their specs; ``kept`` as ``Node.saved``.
OfGradients = Callable[
    [Op, Mapping[str, Any], tuple[bool, ...], Sequence[Spec], Sequence[Spec], Sequence[Spec], Sequence[int]], Line | None
]
_writers: tuple[OfComposite, OfGradients] | None = None

_ndarray = np.ndarray
_UNKNOWN: Any = object()
#: In the keys of lines that were written with NumPy's default types, which change what parts make of integers.
_NUMPYS = ("numpy",)
_ONE, _OWN = (0,), (-1,)


def bind_writers(of_composite: OfComposite, of_gradients: OfGradients) -> None:
    """Tell the core who writes lines: the runtime, which is above."""
    global _writers
    _writers = of_composite, of_gradients


def composite(op: Op, operands: Sequence[Any], attrs: Mapping[str, Any]) -> Any:
    """The data that a composite gives for arrays of NumPy's: an array, or a tuple of them."""
    lines = op.lines
    if lines is None or _writers is None:
        return None
    try:
        key: tuple[Any, ...] = tuple([(x.shape, x.dtype) for x in operands])
    except AttributeError:  # a number among them
        return None
    if defaults.numpy:
        key += _NUMPYS
    if attrs:
        key += attrs_key(attrs)
    line = lines.found.get(key, _UNKNOWN)
    if line is _UNKNOWN:
        write = _writers[0]
        line = lines.counted(key, lambda: write(op, [Spec(x.shape, x.dtype) for x in operands], attrs))
    if line is None:
        return None
    try:
        made = line.run(*operands)
    except Exception:
        return None
    return made[0] if line.single else made


def gradients(node: Any, needs: tuple[bool, ...], g: Any) -> Sequence[Any] | None:
    """The gradients of a tape's node, of its inputs' shapes and dtypes, from those of its outputs; see ``Node.gradients``."""
    if _writers is None or not node.outputs[0][2].is_host:
        return None
    if g.__class__ is tuple:
        heads = g
        data = [x._data for x in g]
        # Rules may ask which of them were reached.
        key = (needs, local.propagation.reached, *[x.dtype for x in data], *node.saved, *node.shapes)
    else:
        heads = (g,)
        data = [g._data]
        key = (needs, g._data.dtype, *node.saved, *node.shapes)
    if defaults.numpy:
        key += _NUMPYS
    if node.attrs:
        key += attrs_key(node.attrs)
    line = node.op.lines.found.get(key, _UNKNOWN)
    if line is _UNKNOWN:
        line = _counted_gradients(node, needs, key, data)
    if line is None:
        return None
    data += [saved[0] for saved in node.saved.values()]
    try:
        made = line.run(*data)
    except Exception:
        return None
    cls, device = heads[0].__class__, heads[0]._device
    if line.places == _ONE and line.shared == _OWN:
        return (wrap(cls, made[0], device),)
    results = []
    for y, shared in zip(made, line.shared, strict=True):
        if shared < 0:
            results.append(wrap(cls, y, device))
        elif y is heads[shared]._data:
            results.append(heads[shared])
        else:
            results.append(view := wrap(cls, y, device))
            view._storage = storage = heads[shared].storage()
            storage.viewed = storage.viewed or id(heads[shared])
    return [None if place is None else results[place] for place in line.places]


def _counted_gradients(node: Any, needs: tuple[bool, ...], key: Any, data: Sequence[Any]) -> Line | None:
    if any(x.__class__ is not _ndarray for x in data) or any(shape.__class__ is not tuple for shape in node.shapes):
        return None  # numbers among the operands come in too many values
    assert _writers is not None
    write = _writers[1]
    op, lines = node.op, node.op.lines
    if op.gives_rows is not None and op.gives_rows(**node.attrs):
        return None  # a line is traced, and would give it dense
    specs = [Spec(x.shape, x.dtype) for x in data]
    outputs, inputs = [Spec(*output[0]) for output in node.outputs], [Spec(*shape) for shape in node.shapes]
    line: Line | None = lines.counted(key, lambda: write(op, node.attrs, needs, specs, outputs, inputs, tuple(node.saved)))
    if line is not None and not line.calls:
        lines.short.add(needs)
    return line
