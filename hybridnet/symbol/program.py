"""A symbol as a function of arrays to be compiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hybridnet.symbol import infer
from hybridnet.symbol.evaluate import Evaluation, Watch
from hybridnet.symbol.node import Entry, Node, walk


class Computation:
    """The function from the arguments and states of a symbol, in that order, to the list of its outputs.

    ``numpy``: whether arrays follow NumPy's rules.
    """

    def __init__(self, outputs: Sequence[Entry], variables: Sequence[Node], numpy: bool = False) -> None:
        self._evaluation, self._numpy = Evaluation(outputs, variables, numpy), numpy
        self._outputs, self._variables, self._nodes = tuple(outputs), tuple(variables), walk(outputs)
        # Those that make arrays of a shape that their inputs do not tell: the states with which a recurrent network begins.
        self._open = [node for node in self._nodes if not node.inputs and _is_open(node)]

    def __call__(self, *arrays: Any, watch: Watch | None = None) -> list[Any]:
        return self._evaluation(*arrays, open_shapes=self._shapes(arrays) if self._open else None, watch=watch)

    def _shapes(self, arrays: Sequence[Any]) -> Mapping[int, Any]:
        """The shapes that attributes leave open, as they follow from those of the arrays."""
        given = {node.name: infer.read(node.name, x.shape, self._numpy) for node, x in zip(self._variables, arrays, strict=True)}
        found = infer.shapes(self._outputs, self._nodes, given, self._numpy)
        return {id(node): found.of(node) for node in self._open}


def _is_open(node: Node) -> bool:
    if node.operator is None or node.operator.numpy:
        return False
    shape = node.values.get("shape")
    return shape is not None and 0 in (shape if isinstance(shape, tuple) else (shape,))
