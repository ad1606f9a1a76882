"""A program beside the reference meaning of its graph: do they compute the same, and if not, from which node on?

Programs fuse, reorder and reuse memory; :mod:`hybridnet.graph.interpret` does one operator after another. Both are run on the same
arrays, of which those that are written are copies. Where results differ, a second program of the same graph, which gives the
results of all nodes, is held against the operators node by node, each on the operands that the program computed: roundings
that add up, or that a step magnifies, are no fault of a node. How far apart they may set the results is measured: by the reference
once more, with all that nodes compute moved a little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import Any, NamedTuple, NoReturn

import numpy as np

from hybridnet import dtypes
from hybridnet.core import Kind, NDArray, apply, asarray, computing_in, paused_recording, suspended_trace, wrap
from hybridnet.device import device_of
from hybridnet.dtypes import is_inexact
from hybridnet.errors import MismatchError, fail
from hybridnet.graph.interpret import run_node
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.runtime.program import make_program
from hybridnet.runtime.spec import ProgramSpec

#: How far results may be apart, in proportion to the largest element of an array: sums in another order, a rounding saved by fusion.
TOLERANCES: dict[Any, float] = {dtypes.float16: 1e-2, dtypes.bfloat16: 8e-2, dtypes.float32: 2e-4, dtypes.float64: 1e-10}

SMALLEST = 1e-5  # an array whose largest element is smaller is compared as if that were so large
MAGNIFIED = 10.0  # how many times the effect of operands that are moved a little a result may be off


class Checked(NamedTuple):
    """How near a program came to the reference: the largest difference among its results, in proportion to their tolerance."""

    program: str
    results: int
    nodes: int
    worst: float

    def __str__(self) -> str:
        worst = f"the largest difference is {self.worst:.2g} of what is allowed"
        return f"{self.program}: {self.results} results of {self.nodes} nodes agree; {worst}"


def check_program(spec: ProgramSpec, inputs: Sequence[Any]) -> tuple[Checked, list[Any]]:
    """Run a program that is made from ``spec``, and the interpreter, on ``inputs``, which stay as they are.

    Raises :class:`~hybridnet.errors.MismatchError` at the first node that differs. Gives what was found, and all outputs.
    """
    expected = reference(spec.graph, inputs)
    found = _outputs(spec, inputs)
    apart = [_difference(x, y) for x, y in zip(found, expected, strict=True)]
    if max(apart, default=0.0) > 1:
        nodes = _check_nodes(spec, inputs)
        _check_results(spec, inputs, expected, apart)
        apart = [nodes, *(x for x in apart if x <= 1)]
    return Checked(spec.name, len(found), len(spec.graph.nodes), max(apart, default=0.0)), found


def reference(graph: Graph, inputs: Sequence[Any], share: float = 0.0) -> list[Any]:
    """The outputs of a graph, one operator after another; inputs are copied, as operators may give views of them.

    ``share``: what part of its tolerance the elements that a node computes are moved by, up or down, each in its own type.
    """
    values: dict[Value, Any] = {v: x.copy() for v, x in zip(graph.inputs, inputs, strict=True)}
    for i, node in enumerate(graph.nodes):
        results: Sequence[Any] = _computed(node, [values[v] for v in node.inputs])
        if share and node.inputs and node.op.kind is not Kind.VIEW:  # constants and views are what they are
            results = _moved(results, share, i)
        values.update(zip(node.outputs, results, strict=True))
    return [values[v] for v in graph.outputs]


def _computed(node: Node, data: Sequence[Any]) -> tuple[Any, ...]:
    """What an operator gives by itself. Random numbers are those that the device draws imperatively: a GPU's are others than NumPy's."""
    device = node.output.device
    if node.op.kind is not Kind.RANDOM:
        return run_node(node, data, device.xp)
    with suspended_trace(), paused_recording(), computing_in(None):
        result = apply(node.op, [wrap(NDArray, x, device) for x in data], dict(node.attrs), device, NDArray)
    return tuple(x._data for x in (result if isinstance(result, tuple) else (result,)))


def _outputs(spec: ProgramSpec, inputs: Sequence[Any]) -> list[Any]:
    """All outputs of a program made from ``spec``, by itself and on copies: those that are donated, from where they were written."""
    handles = {i: wrap(NDArray, inputs[i].copy(), device_of(inputs[i])) for i in spec.states}  # alone with their data, which may be moved
    program = make_program(replace(spec, states=handles, after=None))
    flats = program.flat_inputs()
    data = [handles[i]._data if i in handles else x.copy() for i, x in enumerate(inputs)]
    found, lease = program.leased([*data, *flats])
    results = iter([x.copy() for x in found])  # some may lie in the arena, which others take when it is given back
    del lease
    return [data[spec.donate[i]] if i in spec.donate else next(results) for i in range(len(spec.graph.outputs))]


def _difference(found: Any, expected: Any, tolerance: float | None = None) -> float:
    """How far two arrays are apart, where 1 is what is allowed; infinitely far if integers or the places of NaN differ."""
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return inf
    if not is_inexact(found.dtype) or not found.size:
        return 0.0 if bool((found == expected).all()) else inf
    x, y = found.astype(np.float64), expected.astype(np.float64)
    same = (x == y) | ((x != x) & (y != y))
    if bool(same.all()):
        return 0.0
    finite = (abs(x) < inf) & (abs(y) < inf)
    if not bool((same | finite).all()):
        return inf
    scale = max(float(abs(y[finite]).max()), SMALLEST)
    return float(abs(x[finite] - y[finite]).max()) / ((tolerance or TOLERANCES[found.dtype]) * scale)


def _check_nodes(spec: ProgramSpec, inputs: Sequence[Any]) -> float:
    """Raise the error for the first node that differs when the program gives every node's results; else the largest difference."""
    graph, worst = spec.graph, 0.0
    every = [v for node in graph.nodes if node.inputs for v in node.outputs]
    outputs = _outputs(replace(spec, graph=Graph(graph.inputs, graph.nodes, [*graph.outputs, *every])), inputs)
    values = dict(zip([*graph.inputs, *every], [*inputs, *outputs[len(graph.outputs) :]], strict=True))
    for node in graph.nodes:
        results = _computed(node, [values[v] for v in node.inputs])
        if not node.inputs:  # a constant
            values.update(zip(node.outputs, results, strict=True))
            continue
        floats = [TOLERANCES[v.dtype] for v in (*node.inputs, *node.outputs) if is_inexact(v.dtype)]
        tolerance = max(floats, default=None)
        apart = [_difference(values[v], y, tolerance) for v, y in zip(node.outputs, results, strict=True)]
        if max(apart) > 1:  # of numbers that cancel each other, say, in another order
            moved = _computed(node, _moved([values[v] for v in node.inputs], 1 / MAGNIFIED))
            spread = [_difference(x, y, tolerance) for x, y in zip(moved, results, strict=True)]
            for v, y, difference, explained in zip(node.outputs, results, apart, spread, strict=True):
                if difference > 1 + MAGNIFIED * explained:
                    _fail(spec, node, v, values[v], y)
        worst = max(worst, *(x for x in apart if x <= 1), 0.0)
    return worst


def _check_results(spec: ProgramSpec, inputs: Sequence[Any], expected: Sequence[Any], apart: Sequence[float]) -> None:
    """Raise an error for a result that differs though every node is right, and by more than small changes explain.

    Those of the inputs, and of what every node on the way rounds: a result of 32 bits that is computed of ones of 16 is no more exact.
    """
    moved = reference(spec.graph, _moved(inputs, 1.0), 1 / MAGNIFIED)
    spread = [_difference(x, y) for x, y in zip(moved, expected, strict=True)]
    for i, (v, difference, explained) in enumerate(zip(spec.graph.outputs, apart, spread, strict=True)):
        if difference > 1 + MAGNIFIED * explained:
            fail(
                MismatchError,
                v.node.op.name if v.node is not None else spec.name,
                expected="what the operators give one by one",
                got=f"another result {i} of {spec.name}, {v.spec}, though every node is right: it is overwritten, or written too late",
                site=v.node.site if v.node is not None else None,
            )


def _moved(arrays: Sequence[Any], share: float, seed: int = 0) -> list[Any]:
    """Arrays whose floating elements are up or down by a share of the tolerance; which of the two, ``seed`` says."""
    rng = np.random.default_rng(seed)
    factors = [1 + share * TOLERANCES.get(x.dtype, 0.0) * np.where(rng.random(x.shape) < 0.5, -1.0, 1.0) for x in arrays]
    pairs = zip(arrays, factors, strict=True)
    return [x * asarray(factor, x.dtype, device_of(x))._data if is_inexact(x.dtype) else x for x, factor in pairs]


def _fail(spec: ProgramSpec, node: Node, v: Value, found: Any, expected: Any) -> NoReturn:
    numbers = [np.asarray(x.get() if hasattr(x, "get") else x) for x in (found, expected)]
    wide = [x.astype(np.float64) if is_inexact(x.dtype) else x for x in numbers]
    with np.errstate(all="ignore"):
        apart = np.abs(np.subtract(*wide, dtype=np.float64))
    at = np.unravel_index(int(np.argmax(np.where(np.isnan(apart), np.inf, apart))), apart.shape)
    place = f"[{', '.join(map(str, at))}]" if at else ""
    operands = ", ".join(x.name or str(x.spec) for x in node.inputs)
    fail(
        MismatchError,
        node.op.name,
        expected=f"{numbers[1][at]} at {place or 'its one element'} of {v.spec} = {node.op.name}({operands})",
        got=f"{numbers[0][at]} from {spec.name}, the largest of the differences, {apart[at]:.3g}",
        fix="HYBRIDNET_DISABLE_PASSES, to find out which pass it is",
        site=node.site,
    )
