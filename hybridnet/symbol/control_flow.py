"""``sym.contrib.foreach``, ``while_loop`` and ``cond``: Python functions of symbols become bodies of one node.

What is made while a function runs bears the body's name as an attribute; the function's results are cut out along it. Variables
of the body that stand for what is computed outside are inputs of the node, as are all others that it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hybridnet import name as naming
from hybridnet.attribute import AttrScope, current
from hybridnet.errors import ArgumentError, fail
from hybridnet.symbol.control_records import CONTROL
from hybridnet.symbol.node import Entry, Node, walk
from hybridnet.symbol.symbol import Symbol, called, is_symbol

_MARK = "__subgraph_name__"


def foreach(body: Callable[[Any, Any], Any], data: Any, init_states: Any, name: str = "foreach") -> tuple[Any, Any]:
    """``body(element, states) -> (output, new states)`` for each element of ``data`` along the first axis, as one node.

    ``data``, ``init_states`` and what the body gives are symbols or nested lists of symbols. Gives the outputs, stacked along a new
    first axis, and the last states. ArgumentError for another number of new states.
    """
    arrays, states = _flat(data), _flat(init_states)
    scope = _unique(name)
    with AttrScope(**{_MARK: scope}):
        elements, before = [_stand_in(x) for x in arrays], [_stand_in(x) for x in states]
        outputs, after = body(_like(data, elements), _like(init_states, before))
        results, new = _copied(_flat(outputs), scope), _copied(_flat(after), scope)
    if len(new) != len(states):
        fail(ArgumentError, "foreach", expected=f"{len(states)} new states from the body", got=str(len(new)))
    graph = _Cut([*results, *new], scope)
    given = dict(zip(map(_variable, [*elements, *before]), map(_entry, [*arrays, *states]), strict=True))
    places = graph.places(given)
    data_locs, state_locs = [places.get(_variable(x)) for x in elements], [places.get(_variable(x)) for x in before]
    unread = [x.list_outputs()[0] for x, loc in zip([*arrays, *states], [*data_locs, *state_locs], strict=True) if loc is None]
    if unread:
        fail(ArgumentError, "foreach", expected="a body that reads all data and states", got=f"none of {', '.join(unread)}")
    remain = [i for i in range(len(graph.inputs)) if i not in (*data_locs, *state_locs)]
    attrs = {
        "num_out_data": str(len(results)),
        "in_state_locs": str(state_locs),
        "in_data_locs": str(data_locs),
        "remain_locs": str(remain),
    }
    inputs = [*map(_entry, [*arrays, *states]), *(graph.inputs[i] for i in remain)]
    made = _node("_foreach", attrs, inputs, [graph.outputs], len(results) + len(new))
    return _like(outputs, made[: len(results)]), _like(init_states, made[len(results) :])


def while_loop(
    cond: Callable[..., Any], func: Callable[..., Any], loop_vars: Any, max_iterations: int | None = None, name: str = "while_loop"
) -> tuple[Any, Any]:
    """``func(*loop_vars) -> (output, new loop_vars)`` while ``cond(*loop_vars)`` holds, at most ``max_iterations`` times, as one node.

    Gives the outputs, stacked along a new first axis of ``max_iterations``, and the last ``loop_vars``. ArgumentError without
    ``max_iterations``, or for another number of new variables.
    """
    if max_iterations is None:
        fail(ArgumentError, "while_loop", expected="max_iterations", got="None")
    variables = _flat(loop_vars)
    cuts, results, counts = [], [], [0, 0]
    stand_ins: list[list[Symbol]] = []
    for function, part in ((cond, "cond"), (func, "func")):
        scope = _unique(f"{name}_{part}")
        with AttrScope(**{_MARK: scope}):
            now = [_stand_in(x) for x in variables]
            found = function(*_like(loop_vars, now)) if isinstance(loop_vars, (list, tuple)) else function(*now)
            outputs, new = ([], [found]) if part == "cond" else found
            outputs = [] if outputs is None else outputs
            results = _copied([*_flat(outputs), *_flat(new)], scope)
        counts = [len(_flat(outputs)), len(_flat(new))]
        cuts.append(_Cut(results, scope))
        stand_ins.append(now)
        last_outputs = outputs
    if counts[1] != len(variables):
        fail(ArgumentError, "while_loop", expected=f"{len(variables)} new loop variables", got=str(counts[1]))
    inputs: list[Entry] = []
    locs = []
    for cut, now in zip(cuts, stand_ins, strict=True):
        given = dict(zip(map(_variable, now), map(_entry, variables), strict=True))
        places = cut.places(given)
        locs.append([_added(inputs, given.get(key, cut.inputs[i])) for i, key in enumerate(cut.keys)])
    unread = [x.list_outputs()[0] for x in stand_ins[1] if _variable(x) not in places]
    if unread:
        fail(ArgumentError, "while_loop", expected="a step that gives, or reads, each loop variable", got=f"none of {', '.join(unread)}")
    attrs = {
        "num_out_data": str(counts[0]),
        "max_iterations": str(int(max_iterations)),
        "cond_input_locs": str(locs[0]),
        "func_input_locs": str(locs[1]),
        "func_var_locs": str([places[_variable(x)] for x in stand_ins[1]]),
    }
    made = _node("_while_loop", attrs, inputs, [cut.outputs for cut in cuts], sum(counts))
    return _like(last_outputs, made[: counts[0]]), _like(loop_vars, made[counts[0] :])


def cond(pred: Any, then_func: Callable[[], Any], else_func: Callable[[], Any], name: str = "cond") -> Any:
    """``then_func()`` where ``pred``, a symbol of one element, is not 0, else ``else_func()``, as one node.

    ArgumentError for functions that do not give as many symbols.
    """
    cuts: list[_Cut] = []
    structure: Any = None
    for function, part in ((lambda: pred, "pred"), (then_func, "then"), (else_func, "else")):
        scope = _unique(f"{name}_{part}")
        with AttrScope(**{_MARK: scope}):
            structure = function()
            cuts.append(_Cut(_copied(_flat(structure), scope), scope))
    if len(cuts[1].outputs) != len(cuts[2].outputs):
        got = f"{len(cuts[1].outputs)} and {len(cuts[2].outputs)}"
        fail(ArgumentError, "cond", expected="as many symbols from both functions", got=got)
    inputs: list[Entry] = []
    locs = [[_added(inputs, entry) for entry in cut.inputs] for cut in cuts]
    attrs = {f"{part}_input_locs": str(loc) for part, loc in zip(("cond", "then", "else"), locs, strict=True)}
    return _like(structure, _node("_cond", attrs, inputs, [cut.outputs for cut in cuts], len(cuts[1].outputs)))


# -- parts ----------------------------------------------------------------------------------------


class _Cut:
    """The part of a graph that was made in a scope, with variables for what it reads from outside.

    ``outputs``: of a copy. ``inputs``: what its variables stand for, in the copy's order; ``keys``: the ids of the variables' first forms.
    """

    def __init__(self, results: Sequence[Symbol], scope: str) -> None:
        made: dict[tuple[int, int], Entry] = {}
        originals: dict[int, tuple[int, Entry]] = {}  # by the id of a copied variable

        def inside(entry: Entry) -> Entry:
            node = entry.node
            if node.operator is not None and node.attrs.get(_MARK) == scope:
                return Entry(made[id(node), 0].node, entry.index)
            key = id(node), entry.index
            if key not in made:
                attrs = node.attrs if node.operator is None else {}
                made[key] = Entry(Node(node.output_names[entry.index], attrs=attrs))
                originals[id(made[key].node)] = id(node), entry
            return made[key]

        heads = [_entry(x) for x in results]
        for node in walk(heads):
            if node.operator is not None and node.attrs.get(_MARK) == scope:
                copy = Node(node.name, node.op, node.operator, node.attrs, (), node.subgraphs)
                copy.bind_inputs([inside(e) for e in node.inputs])
                made[id(node), 0] = Entry(copy)
        self.outputs = [inside(e) for e in heads]
        kept = [originals[id(node)] for node in walk(self.outputs) if node.operator is None]
        self.keys, self.inputs = [key for key, _ in kept], [entry for _, entry in kept]

    def places(self, given: Mapping[int, Entry]) -> dict[int, int]:
        """Where among the variables those stand that are stand-ins, by their ids."""
        return {key: i for i, key in enumerate(self.keys) if key in given}


def _unique(name: str) -> str:
    """A name for a body: after the body that it is made in, and numbered."""
    outer = current().get(None).get(_MARK)
    return naming.current().next(f"{outer}${name}" if outer else name)


def _flat(value: Any) -> list[Symbol]:
    if isinstance(value, (list, tuple)):
        return [x for item in value for x in _flat(item)]
    if not is_symbol(value):
        fail(ArgumentError, "control flow", expected="symbols, in nested lists", got=type(value).__name__)
    return list(value)


def _like(structure: Any, symbols: Sequence[Symbol]) -> Any:
    """Symbols nested as another value is."""
    left = iter(symbols)

    def build(part: Any) -> Any:
        if isinstance(part, (list, tuple)):
            return [build(item) for item in part]
        found = [next(left) for _ in range(len(part))]
        return found[0] if len(found) == 1 else found

    return build(structure)


def _entry(x: Symbol) -> Entry:
    return x._outputs[0]


def _variable(x: Symbol) -> int:
    return id(x._outputs[0].node)


def _stand_in(x: Symbol) -> Symbol:
    """A variable of a body for an output outside."""
    entry = _entry(x)
    return Symbol([Entry(Node(f"{entry.node.name}-{entry.index}", attrs=current().get(None)))])


def _copied(results: Sequence[Symbol], scope: str) -> list[Symbol]:
    """Results of a body, each of which a node of its own gives."""
    own = [x._outputs[0].node.operator is not None and x._outputs[0].node.attrs.get(_MARK) == scope for x in results]
    return [x if mine else called("identity", (x,), {}) for x, mine in zip(results, own, strict=True)]


def _added(inputs: list[Entry], entry: Entry) -> int:
    """The number of an input, which is added if it is none yet."""
    for i, other in enumerate(inputs):
        if other.node is entry.node and other.index == entry.index:
            return i
    inputs.append(entry)
    return len(inputs) - 1


def _node(op: str, attrs: dict[str, str], inputs: Sequence[Entry], graphs: Sequence[Sequence[Entry]], outputs: int) -> list[Symbol]:
    counts = {"num_args": str(len(inputs) + len(graphs)), "num_outputs": str(outputs)}
    node = Node(naming.current().get(None, op), op, CONTROL[op][0], {**current().get(None), **counts, **attrs}, (), graphs)
    node.bind_inputs(inputs)
    return [Symbol([Entry(node, i)]) for i in range(outputs)]
