"""What a symbol computes: its nodes one by one, each by the function that ``nd`` has for it.

Called with arrays it computes, called while tracing it is traced; an executor and a ``SymbolBlock`` compile it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hybridnet.errors import scope
from hybridnet.ndarray.register import FUNCTIONS
from hybridnet.symbol.node import Entry, Node, walk

#: Told of a node's outputs and, with the operator's names, of its inputs: ``watch(name, array, is_input)``.
Watch = Callable[[str, Any, bool], None]


def call_node(node: Node, arrays: Sequence[Any], values: Mapping[str, Any] | None = None) -> Any:
    """The results of a node's operator on arrays: one, or a list. ``values``: its attributes, where they are others than its own."""
    operator = node.operator
    assert operator is not None
    function = FUNCTIONS[operator.name]
    a = node.values if values is None else values
    if operator.variadic:
        return function(*arrays, **a)
    return function(**dict(zip(node.input_names, arrays, strict=True)), **a)


class Evaluation:
    """The function from a graph's variables, in the order of ``variables``, to its outputs, a list."""

    def __init__(self, outputs: Sequence[Entry], variables: Sequence[Node]) -> None:
        self._outputs = [(id(e.node), e.index) for e in outputs]
        self._variables = [(id(node), 0) for node in variables]
        self._steps = [(node, [(id(e.node), e.index) for e in node.inputs]) for node in walk(outputs) if node.operator is not None]

    def __call__(self, *arrays: Any, open_shapes: Mapping[int, Any] | None = None, watch: Watch | None = None) -> list[Any]:
        """The outputs.

        ``open_shapes``: by the ids of nodes, shapes that their attributes leave open. ``watch`` is told of every array as it is made.
        """
        found: dict[tuple[int, int], Any] = dict(zip(self._variables, arrays, strict=True))
        for node, inputs in self._steps:
            values = None if open_shapes is None or id(node) not in open_shapes else {**node.values, "shape": open_shapes[id(node)]}
            given = [found[key] for key in inputs]
            if watch is not None:
                for name, x in zip(node.input_names, given, strict=True):
                    watch(f"{node.name}_{name}", x, True)
            with scope(node.name):
                results = call_node(node, given, values)
            for i, result in enumerate(results if isinstance(results, (list, tuple)) else [results]):
                found[id(node), i] = result
                if watch is not None:
                    watch(node.output_names[i], result, False)
        return [found[key] for key in self._outputs]
