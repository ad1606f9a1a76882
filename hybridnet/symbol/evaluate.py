"""What a symbol computes: its nodes one by one, each by the function that ``nd`` has for it.

Called with arrays it computes, called while tracing it is traced; an executor and a ``SymbolBlock`` compile it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hybridnet import numpy_operators
from hybridnet.core import plain
from hybridnet.errors import scope
from hybridnet.graph.control_flow import cond, foreach, while_loop
from hybridnet.ndarray.register import FUNCTIONS
from hybridnet.symbol.control_records import Body
from hybridnet.symbol.node import Entry, Node, walk

#: Told of a node's outputs and, with the operator's names, of its inputs: ``watch(name, array, is_input)``.
Watch = Callable[[str, Any, bool], None]


def call_node(node: Node, arrays: Sequence[Any], values: Mapping[str, Any] | None = None) -> Any:
    """The results of a node's operator on arrays: one, or a list. ``values``: its attributes, where they are others than its own."""
    operator = node.operator
    assert operator is not None
    if node.subgraphs:
        return _call_control(node, arrays)
    function = (numpy_operators.FUNCTIONS if operator.numpy else FUNCTIONS)[operator.name]
    a = node.values if values is None else values
    if operator.variadic:
        return function(*arrays, **a)
    return function(**dict(zip(node.input_names, arrays, strict=True)), **a)


class Evaluation:
    """The function from a graph's variables, in the order of ``variables``, to its outputs, a list.

    ``numpy``: whether operators are handed the variables under NumPy's rules, whatever arrays they are given as; but for states, which
    are written to.
    """

    def __init__(self, outputs: Sequence[Entry], variables: Sequence[Node], numpy: bool = False) -> None:
        self._outputs = [(id(e.node), e.index) for e in outputs]
        self._variables = [(id(node), 0) for node in variables]
        nodes = walk(outputs)
        self._steps = [(node, [(id(e.node), e.index) for e in node.inputs]) for node in nodes if node.operator is not None]
        states = {id(node.inputs[i].node) for node in nodes for i in node.states} if numpy else set()
        self._plain = [i for i, node in enumerate(variables) if numpy and id(node) not in states]

    def __call__(self, *arrays: Any, open_shapes: Mapping[int, Any] | None = None, watch: Watch | None = None) -> list[Any]:
        """The outputs.

        ``open_shapes``: by the ids of nodes, shapes that their attributes leave open. ``watch`` is told of every array as it is made.
        """
        found: dict[tuple[int, int], Any] = dict(zip(self._variables, arrays, strict=True))
        for i in self._plain:
            found[self._variables[i]] = plain(arrays[i])
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


# -- control flow ---------------------------------------------------------------------------------


def _call_control(node: Node, arrays: Sequence[Any]) -> list[Any]:
    """The results of an operator whose bodies are graphs, by the function of ``nd.contrib`` of its name."""
    a = node.values
    functions = [_body_function(body, graph, arrays) for body, graph in zip(node.bodies, node.subgraphs, strict=True)]
    if node.op == "_cond":
        test, then, otherwise = functions
        return list(cond(test({})[0], lambda: then({}), lambda: otherwise({})))
    if node.op == "_foreach":
        count, states = len(a["in_data_locs"]), len(a["in_state_locs"])

        def step(elements: Any, now: Any) -> tuple[list[Any], list[Any]]:
            results = functions[0](dict(enumerate([*elements, *now])))
            return results[: a["num_out_data"]], results[a["num_out_data"] :]

        outputs, last = foreach(step, list(arrays[:count]), list(arrays[count : count + states]))
        return [*outputs, *last]
    loops = [node.bodies[1].places[i] for i in a["func_var_locs"]]  # the inputs that are loop variables

    def go_on(*now: Any) -> Any:
        return functions[0](dict(zip(loops, now, strict=True)))[0]

    def advance(*now: Any) -> tuple[list[Any], list[Any]]:
        results = functions[1](dict(zip(loops, now, strict=True)))
        return results[: a["num_out_data"]], results[a["num_out_data"] :]

    outputs, last = while_loop(go_on, advance, [arrays[i] for i in loops], a["max_iterations"])
    return [*outputs, *last]


def _body_function(body: Body, graph: Sequence[Entry], arrays: Sequence[Any]) -> Callable[[Mapping[int, Any]], list[Any]]:
    """A body as a function of those of its operator's inputs that are others than ``arrays``, by number."""
    evaluation = Evaluation(graph, [node for node in walk(graph) if node.operator is None])
    return lambda others: evaluation(*(others.get(i, arrays[i]) for i in body.places))
