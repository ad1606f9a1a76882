"""What an operator makes of shapes, found out by tracing its function: nothing is computed, and each question is asked once.

A length that is not known is a number of its own, twice: lengths of results that differ between the two are not known
either, and one that is that number itself is the same length. So operators need no second rule for partial shapes.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from hybridnet import core, dtypes
from hybridnet.core import Spec, local, wrap
from hybridnet.core.tree import flatten
from hybridnet.device import Device
from hybridnet.dtypes import Dtype
from hybridnet.errors import DtypeError, HybridnetError
from hybridnet.graph.trace import Trace, tracing
from hybridnet.ndarray.attributes import Attribute, Shape
from hybridnet.ndarray.classic import NDArray
from hybridnet.ndarray.record import ShapeRule
from hybridnet.symbol.evaluate import call_node
from hybridnet.symbol.node import Node

Partial = Shape | None

#: What stands for lengths that are not known: multiples of what operators divide lengths by, times primes that they do not.
_BASE = 720720
_PRIMES = (
    (1009, 1013, 1019, 1021, 1031, 1033, 1039, 1049, 1051, 1061, 1063, 1069, 1087, 1091, 1093, 1097),
    (1103, 1109, 1117, 1123, 1129, 1151, 1153, 1163, 1171, 1181, 1187, 1193, 1201, 1213, 1217, 1223),
)

#: What operators raise for shapes that they do not take; NumPy's own errors too, of shapes that nobody checks before.
REFUSALS = (HybridnetError, ValueError, TypeError, IndexError, ArithmeticError, MemoryError)

_READER = {kind: Attribute("attribute", kind, optional=True) for kind in ("shape", "dtype")}


@functools.lru_cache(maxsize=4096)
def shape_of_text(text: str) -> Partial:
    """The shape that a variable's ``__shape__`` says, in which 0 and -1 are lengths that are not known; ``None`` for no shape."""
    return tuple([max(n, 0) or -1 for n in _READER["shape"].parse("var", text) or ()]) or None


#: MXNet's numbers of dtypes, as files have them.
DTYPES = ("float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool", "int16", "uint16", "uint32", "uint64", "bfloat16")


def dtype_of_text(text: str | None) -> Dtype | None:
    """The dtype that a variable's ``__dtype__`` says: MXNet's number of it, or its name."""
    if text is None or text == "-1":
        return None
    return dtypes.as_dtype(DTYPES[int(text)] if text.isdecimal() and int(text) < len(DTYPES) else text)


def outputs(node: Node, inputs: tuple[Shape, ...], numpy: bool) -> tuple[Shape, ...]:
    """The shapes of a node's outputs from those of its inputs. Raises what the operator raises.

    ``numpy``: whether the operator is handed arrays of NumPy's rules.
    """
    if node.subgraphs:
        return _traced(node, inputs, numpy)
    return _outputs(question_of(node), inputs, numpy)


class Question:
    """A node as far as shapes go: its operator, that one's attributes, the number of inputs. Equal for equal ones.

    ``node`` is one without inputs, so that what is remembered of answers holds no graph.
    """

    __slots__ = ("count", "key", "node")

    def __init__(self, node: Node) -> None:
        own = node.own()
        self.node = Node(node.name, node.op, node.operator, own)
        self.count = len(node.inputs)
        self.key = node.operator, tuple(sorted(own.items())), self.count

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Question) and self.key == other.key


def question_of(node: Node) -> Question:
    """The node's question, made once."""
    if node.question is None:
        node.question = Question(node)
    return node.question  # type: ignore[no-any-return]


@functools.lru_cache(maxsize=16384)
def _outputs(question: Question, inputs: tuple[Shape, ...], numpy: bool) -> tuple[Shape, ...]:
    return _traced(question.node, inputs, numpy)


class _Shapes(Trace):
    """A trace of which nothing but shapes is wanted: views need not be followed, of which some would be too large for a computer."""

    def alias(self, source: Any, view: Any) -> None:
        """Nothing: no array is read again after a view of it was written."""


def _traced(node: Node, inputs: tuple[Shape, ...], numpy: bool) -> tuple[Shape, ...]:
    """What a trace gives: of the dtypes that inputs always have, and else of float32, or of integers where nothing else is taken."""
    own: list[Dtype | None] = [None] * len(inputs)
    if node.operator is not None and not node.subgraphs:
        names, count = node.input_names, len(node.output_names)
        own = [*node.operator.types(dict.fromkeys(names), [None] * count, node.values)[0].values()]
    for dtype in (dtypes.float32, dtypes.int32):
        try:
            return _traced_in([t or dtype for t in own], node, inputs, numpy)
        except DtypeError:
            continue
    return _traced_in([t or dtypes.int8 for t in own], node, inputs, numpy)


def _traced_in(types: Sequence[Dtype], node: Node, inputs: tuple[Shape, ...], numpy: bool) -> tuple[Shape, ...]:
    trace, device, cls = _Shapes(), Device("cpu", 0), core.NDArray if numpy else NDArray
    arrays = [wrap(cls, trace.argument(Spec(shape, t), device, ""), device) for shape, t in zip(inputs, types, strict=True)]
    before = local.set(recording=False, training=False)
    try:
        with tracing(trace):
            results: list[Any] = []
            flatten(call_node(node, arrays), results)
            found = [y.shape for y in results]
            # Under 1.x's rules, and of what makes arrays under them, 0 is a length that is open.
            literal = numpy if node.inputs or inputs else node.operator is not None and node.operator.numpy
            return tuple(found if literal else [tuple([n or -1 for n in shape]) for shape in found])
    finally:
        local.set(recording=before[0], training=before[1])
        trace.close()


# -- partial shapes -------------------------------------------------------------------------------


def merged(a: Shape, b: Shape) -> Shape | None:
    """What two partial shapes say together; ``None`` if they contradict each other."""
    if len(a) != len(b) or any(n != m and n != -1 and m != -1 for n, m in zip(a, b, strict=True)):
        return None
    return tuple([m if n == -1 else n for n, m in zip(a, b, strict=True)])


def solve(node: Node, ins: Sequence[Partial], outs: Sequence[Partial], numpy: bool) -> tuple[list[Partial], list[Partial]]:
    """What follows for a node's inputs and outputs from what is known of them, where not all inputs are."""
    operator, names = node.operator, node.input_names
    assert operator is not None
    ins, outs = list(ins), list(outs)
    if None in ins and not node.subgraphs and keeps_shape(question_of(node)):
        known = next((s for s in (*ins, *outs) if s is not None), None)
        if known is not None:
            ins = [known if s is None else s for s in ins]
    if operator.shapes is not None:
        _follow(operator.shapes, node, names, ins)
    _forward(node, ins, outs, numpy)
    return ins, outs


def _numbers(ins: Sequence[Partial], which: int, one: bool = False) -> tuple[list[Partial], dict[int, tuple[int, int]]]:
    """The shapes with a number for each length that is not known (with ``one`` the same for all), and where each of those stands."""
    primes: Iterator[int] = itertools.repeat(_PRIMES[which][0]) if one else iter(_PRIMES[which])
    places: dict[int, tuple[int, int]] = {}
    filled: list[Partial] = []
    for i, shape in enumerate(ins):
        if shape is None or -1 not in shape:
            filled.append(shape)
            continue
        lengths = list(shape)
        for j, n in enumerate(lengths):
            if n == -1:
                lengths[j] = _BASE * next(primes)
                places[lengths[j]] = i, j
        filled.append(tuple(lengths))
    return filled, places


def _understood(pair: tuple[Shape, Shape], places: Sequence[dict[int, tuple[int, int]]]) -> tuple[Shape, dict[int, tuple[int, int]]]:
    """A shape that came of both fillings, -1 where they differ, and which of its lengths are those of which inputs."""
    lengths, same = [], {}
    for j, (n, m) in enumerate(zip(*pair, strict=True)):
        lengths.append(n if n == m else -1)
        if n != m and n in places[0] and places[0][n] == places[1].get(m):
            same[j] = places[0][n]
    return tuple(lengths), same


def _take(ins: list[Partial], where: tuple[int, int], length: int) -> None:
    shape = list(ins[where[0]] or ())
    if shape[where[1]] == -1:
        shape[where[1]] = length
        ins[where[0]] = tuple(shape)


def _follow(rule: ShapeRule, node: Node, names: Sequence[str], ins: list[Partial]) -> None:
    """Fill in what the operator's own rule says of inputs."""
    try:
        (first, a), (second, b) = _numbers(ins, 0), _numbers(ins, 1)
        told = [rule({k: s for k, s in zip(names, filled, strict=True) if s is not None}, node.values) for filled in (first, second)]
        said = [{name: tuple([n or -1 for n in shape]) for name, shape in found.items()} for found in told]  # rules have 0 for open lengths
    except (StopIteration, *REFUSALS):  # too little is known for the rule
        return
    for i, name in enumerate(names):
        if name not in said[0] or len(said[0][name]) != len(said[1][name]):
            continue
        shape, same = _understood((said[0][name], said[1][name]), (a, b))
        known = ins[i]
        if known is None:
            ins[i] = shape
            continue
        if (both := merged(known, shape)) is None:
            ins[i] = shape  # the contradiction is told by who asked
            continue
        for j, where in same.items():
            if known[j] != -1:
                _take(ins, where, known[j])
        taken = ins[i]
        ins[i] = merged(known if taken is None else taken, both)


def _forward(node: Node, ins: list[Partial], outs: list[Partial], numpy: bool) -> None:
    """Fill in what follows for outputs from inputs that are known in part, and for those from the outputs."""
    if any(s is None for s in ins):
        return
    one = node.op in _ONE_LENGTH
    (first, a), (second, b) = _numbers(ins, 0, one), _numbers(ins, 1, one)
    try:
        results = [outputs(node, tuple(filled), numpy) for filled in (first, second)]  # type: ignore[arg-type]
    except REFUSALS:
        return  # of lengths that are not known yet nothing can be said; those that are known are checked when all are
    for i, pair in enumerate(zip(*results, strict=True)):
        if len(pair[0]) != len(pair[1]):
            continue
        shape, same = _understood(pair, (a, b))
        known = outs[i]
        for j, where in same.items():
            if known is not None and len(known) == len(shape) and known[j] != -1:
                _take(ins, where, known[j])
        both = None if known is None else merged(known, shape)
        outs[i] = shape if both is None else both
        if known is not None and len(known) == len(shape) and len(a) == 1:
            _invert(node, ins, i, (pair[0], pair[1], known), (next(iter(a)), next(iter(b))), numpy)


#: Operators all of whose lengths that are not known are one: weights of the two directions of a recurrent layer.
_ONE_LENGTH = {"_rnn_param_concat"}


def _invert(
    node: Node, ins: list[Partial], output: int, lengths: tuple[Shape, Shape, Shape], numbers: tuple[int, int], numpy: bool
) -> None:
    """Fill in the one length that is not known, from one of an output that is, where that grows with it by a whole factor.

    ``lengths``: the output's shape with each of the two ``numbers`` in its place, and as it is known.
    """
    for n, m, known in zip(*lengths, strict=True):
        factor, rest = divmod(n - m, numbers[0] - numbers[1])
        if known == -1 or rest or factor < 1:
            continue
        length, rest = divmod(known - (n - factor * numbers[0]), factor)
        if rest or length < 1:
            return
        filled = [None if s is None else tuple([length if k == -1 else k for k in s]) for s in ins]
        try:
            results = outputs(node, tuple(filled), numpy)  # type: ignore[arg-type]
        except REFUSALS:
            return
        if merged(results[output], lengths[2]) is not None:
            ins[:] = filled
        return


@functools.lru_cache(maxsize=4096)
def keeps_shape(question: Question) -> bool:
    """Whether all inputs and outputs of an operator are of one shape, whichever that is."""
    node = question.node
    operator, count = node.operator, question.count
    assert operator is not None
    if not count:
        return False
    try:
        for shape in ((3, 5), (3, 5, 7)):
            if count > 1:  # that they are of one shape is then what the rule says, of each
                for name in node.input_names:
                    said = operator.shapes({name: shape}, node.values) if operator.shapes is not None else {}
                    if any(said.get(other) != shape for other in node.input_names):
                        return False
            if any(y != shape for y in _outputs(question, (shape,) * count, False)):
                return False
    except REFUSALS:
        return False
    return True
