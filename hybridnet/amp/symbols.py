"""A symbol in mixed precision: casts stand in its graph, by the lists of :mod:`hybridnet.amp.lists`, so that a file of it has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hybridnet import dtypes
from hybridnet.amp.lists import CONDITIONS, FLOAT32, HALF, Conditions, canonical
from hybridnet.amp.policy import half_of
from hybridnet.core import OPS
from hybridnet.errors import ArgumentError, fail
from hybridnet.ndarray.register import OPERATORS
from hybridnet.symbol import Symbol, infer
from hybridnet.symbol.node import Entry, Node
from hybridnet.symbol.probe import DTYPES


def convert_symbol(
    sym: Symbol,
    target_dtype: Any = "float16",
    target_dtype_ops: Iterable[str] | None = None,
    fp32_ops: Iterable[str] | None = None,
    conditional_fp32_ops: Conditions | None = None,
    excluded_sym_names: Iterable[str] | None = None,
    data_names: Iterable[str] | None = None,
    cast_optional_params: bool = False,
) -> Symbol:
    """A symbol that computes what ``sym``, a graph of float32, does in mixed precision; ``sym`` stays as it is.

    target_dtype: ``float16`` or ``bfloat16``. target_dtype_ops, fp32_ops: names of operators that compute in it, or in float32,
    in place of the usual ones. conditional_fp32_ops: (operator, attribute, values) of those that compute in float32 with these values.
    excluded_sym_names: names of nodes that compute in float32. data_names: the inputs that are no parameters; all, if it is not given.
    cast_optional_params: parameters of which nothing but casts is used are to be 16-bit numbers themselves, and their
    casts go; their ``__dtype__`` says so. Outputs are float32 as before. ArgumentError for a name that is no operator's, or in two
    lists, and for an input that is not there.

    Write it with ``sym.save(file, remove_amp_cast=False)``.
    """
    if not isinstance(sym, Symbol):
        fail(ArgumentError, "convert_symbol", expected="a Symbol", got=type(sym).__name__)
    rules = _Rules(
        _named("target_dtype_ops", target_dtype_ops, HALF),
        _named("fp32_ops", fp32_ops, FLOAT32),
        _conditions(CONDITIONS if conditional_fp32_ops is None else conditional_fp32_ops),
        frozenset(excluded_sym_names or ()),
    )
    rules.check()
    inputs = sym.list_inputs()
    data = set(inputs if data_names is None else data_names)
    if unknown := sorted(data - set(inputs)):
        fail(ArgumentError, "convert_symbol", expected=f"data_names among {', '.join(inputs)}", got=", ".join(unknown))
    casting = _Casting(sym, half_of("convert_symbol", target_dtype), rules)
    narrow = casting.only_cast(set(inputs) - data) if cast_optional_params else set()
    return casting.graph(narrow)


def convert_model(
    sym: Symbol,
    arg_params: Mapping[str, Any],
    aux_params: Mapping[str, Any],
    target_dtype: Any = "float16",
    target_dtype_ops: Iterable[str] | None = None,
    fp32_ops: Iterable[str] | None = None,
    conditional_fp32_ops: Conditions | None = None,
    excluded_sym_names: Iterable[str] | None = None,
    cast_optional_params: bool = False,
) -> tuple[Symbol, dict[str, Any], dict[str, Any]]:
    """A symbol with its parameters in mixed precision: see :func:`convert_symbol`.

    With ``cast_optional_params`` those parameters that may be are cast.
    """
    data = [key for key in sym.list_inputs() if key not in arg_params and key not in aux_params] if isinstance(sym, Symbol) else None
    converted = convert_symbol(
        sym, target_dtype, target_dtype_ops, fp32_ops, conditional_fp32_ops, excluded_sym_names, data, cast_optional_params
    )
    return converted, cast_parameters(converted, arg_params), cast_parameters(converted, aux_params)


def cast_parameters(sym: Symbol, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters by name in the dtypes that a symbol's variables ask for."""
    asked = {name: attrs["__dtype__"] for name, attrs in sym.attr_dict().items() if "__dtype__" in attrs}
    return {key: x.astype(DTYPES[int(asked[key])]) if key in asked else x for key, x in arrays.items()}


def _named(argument: str, names: Iterable[str] | None, usual: frozenset[str]) -> frozenset[str]:
    """Operators by their names in symbols; those that only graphs have mean nothing here."""
    if names is None:
        return usual
    if isinstance(names, str):
        fail(ArgumentError, "convert_symbol", expected=f"a list of names as {argument}", got=repr(names))
    return frozenset(found for name in names if (found := _operator(argument, name)) is not None)


def _operator(argument: str, name: str) -> str | None:
    found = canonical(name)
    if found is None and name not in OPS:
        fail(ArgumentError, "convert_symbol", expected=f"names of operators as {argument}", got=repr(name))
    return found


def _conditions(given: Conditions) -> dict[str, list[tuple[str, list[str]]]]:
    found: dict[str, list[tuple[str, list[str]]]] = {}
    for condition in given:
        if len(condition) != 3 or isinstance(condition[2], str):
            fail(
                ArgumentError,
                "convert_symbol",
                expected="conditional_fp32_ops of (operator, attribute, list of values)",
                got=repr(condition),
            )
        name, key, values = condition
        found.setdefault(_operator("conditional_fp32_ops", name) or name, []).append((key, list(map(str, values))))
    return found


class _Rules:
    """Which nodes compute in 16 bits, and which in float32."""

    def __init__(
        self, half: frozenset[str], wide: frozenset[str], conditions: Mapping[str, list[tuple[str, list[str]]]], excluded: frozenset[str]
    ) -> None:
        self.half, self.wide, self.conditions, self.excluded = half, wide, conditions, excluded

    def check(self) -> None:
        """Refuse an operator that is in two lists."""
        lists = {"target_dtype_ops": self.half, "fp32_ops": self.wide, "conditional_fp32_ops": frozenset(self.conditions)}
        for first, second in (
            ("target_dtype_ops", "fp32_ops"),
            ("target_dtype_ops", "conditional_fp32_ops"),
            ("fp32_ops", "conditional_fp32_ops"),
        ):
            if both := lists[first] & lists[second]:
                fail(
                    ArgumentError,
                    "convert_symbol",
                    expected="operators in one list",
                    got=f"{', '.join(sorted(both))} in {first} and {second}",
                )

    def of(self, node: Node) -> str:
        """``half``, ``float32`` or ``follow``."""
        name = canonical(node.op) or node.op
        if node.name in self.excluded or name in self.wide or node.subgraphs:
            return "float32"
        if any(str(node.values.get(key)) in values for key, values in self.conditions.get(name, ())):
            return "float32"
        return "half" if name in self.half else "follow"


class _Casting:
    """A graph, the types that it had, and the copy of it that is being made."""

    def __init__(self, sym: Symbol, half: dtypes.Dtype, rules: _Rules) -> None:
        self.sym, self.half, self.rules = sym, half, rules
        self.before = infer.types(sym._outputs, sym._nodes, {}, "float32").found

    def only_cast(self, parameters: set[str]) -> set[str]:
        """Those of the parameters that nothing uses but operators that compute in 16 bits."""
        used: dict[int, set[str]] = {}
        for node in self.sym._nodes:
            if node.operator is not None:
                for i, entry in enumerate(node.inputs):
                    rule = "state" if i in node.states else self.rules.of(node)
                    used.setdefault(id(entry.node), set()).add(rule)
        for entry in self.sym._outputs:
            used.setdefault(id(entry.node), set()).add("output")
        wide = [node for node in self.sym._variables if self.before.get((id(node), 0)) == dtypes.float32]
        return {node.name for node in wide if node.name in parameters and used[id(node)] == {"half"}}

    def graph(self, narrow: set[str]) -> Symbol:
        """The copy with casts; variables of the names ``narrow`` are 16-bit numbers."""
        self.types: dict[tuple[int, int], Any] = {}
        self.casts: dict[tuple[int, int, Any], Entry] = {}
        made: dict[int, Node] = {}
        for node in self.sym._nodes:
            attrs = (
                {**node.attrs, "__dtype__": str(DTYPES.index(str(self.half)))} if node.name in narrow and not node.operator else node.attrs
            )
            copy = made[id(node)] = Node(node.name, node.op, node.operator, attrs, (), node.subgraphs)
            if node.operator is None:
                self.types[id(copy), 0] = self.half if node.name in narrow else self.before.get((id(node), 0))
                continue
            inputs = [e._replace(node=made[id(e.node)]) for e in node.inputs]
            copy.bind_inputs(self._cast_inputs(node, inputs))
            self._note(node, copy)
        outputs = [e._replace(node=made[id(e.node)]) for e in self.sym._outputs]
        computed = [e.node.operator is not None and self.types.get((id(e.node), e.index)) == self.half for e in outputs]
        wide = [dtypes.float32 == self.before.get((id(e.node), e.index)) for e in self.sym._outputs]
        return type(self.sym)([self._cast(e, dtypes.float32) if a and b else e for e, a, b in zip(outputs, computed, wide, strict=True)])

    def _cast_inputs(self, node: Node, inputs: Sequence[Entry]) -> list[Entry]:
        found = [self.types.get((id(e.node), e.index)) for e in inputs]
        rule = self.rules.of(node)
        if rule == "half":
            changed, target = dtypes.float32, self.half
        elif rule == "float32" or self._tied(node, found):
            changed, target = self.half, dtypes.float32
        else:
            return list(inputs)
        states = node.states
        return [
            self._cast(e, target) if t == changed and i not in states else e for i, (e, t) in enumerate(zip(inputs, found, strict=True))
        ]

    def _tied(self, node: Node, found: Sequence[Any]) -> bool:
        """Whether the operator wants one type of inputs that have come as 16-bit numbers and as float32."""
        assert node.operator is not None
        names = node.input_names
        for name, dtype in zip(names, found, strict=True):
            if dtype == self.half:
                follows, _ = node.operator.types({**dict.fromkeys(names), name: dtype}, [None] * len(node.output_names), node.values)
                if any(follows.get(other) == self.half and t == dtypes.float32 for other, t in zip(names, found, strict=True)):
                    return True
        return False

    def _cast(self, entry: Entry, dtype: dtypes.Dtype) -> Entry:
        """The entry in another type; each is cast once."""
        key = id(entry.node), entry.index, dtype
        if key not in self.casts:
            name = f"{entry.node.output_names[entry.index]}_amp_cast_{dtype}"
            node = Node(name, "amp_cast", OPERATORS["amp_cast"], {"dtype": str(dtype)})
            node.bind_inputs([entry])
            self.types[id(node), 0] = dtype
            self.casts[key] = Entry(node)
        return self.casts[key]

    def _note(self, node: Node, copy: Node) -> None:
        """The types of the outputs, which follow from those of the inputs, or are what they were."""
        assert copy.operator is not None
        known = {name: self.types.get((id(e.node), e.index)) for name, e in zip(copy.input_names, copy.inputs, strict=True)}
        _, results = copy.operator.types(known, [None] * len(copy.output_names), copy.values)
        for i, dtype in enumerate(results):
            self.types[id(copy), i] = dtype if dtype is not None else self.before.get((id(node), i))
