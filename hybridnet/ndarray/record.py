"""The record of a classic operator: all that ``nd.X``, a symbol, a JSON file and the documentation need to know of it.

A record is read off one typed Python function: its parameters of type :data:`~hybridnet.ndarray.attributes.Array` are the
inputs (``Array | None = None`` is optional, ``*data: Array`` any number), the others are attributes with MXNet's names,
defaults and order. What a signature cannot say stands beside it in ``@classic``: which inputs are auxiliary states, when
an optional input is asked for, the outputs where they are not one, and what shapes of inputs follow from others.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType, NoneType
from typing import Any, ClassVar, NamedTuple, TypeAlias

from hybridnet.core import NDArray
from hybridnet.dtypes import Dtype, as_dtype, float32
from hybridnet.errors import ArgumentError, SignatureError, fail
from hybridnet.ndarray.attributes import Attribute, Shape, attribute_of, hints_of, is_array

#: Attributes by name, none left out.
Attributes: TypeAlias = Mapping[str, Any]
#: From the shapes of inputs that are known, and the attributes: shapes of inputs that follow from them.
ShapeRule: TypeAlias = Callable[[Mapping[str, Shape], Attributes], Mapping[str, Shape]]
#: From the dtypes of inputs and of outputs, ``None`` where one is not known, and the attributes: those that follow, in the same form.
TypeRule: TypeAlias = Callable[
    [Mapping[str, Dtype | None], Sequence[Dtype | None], Attributes], tuple[Mapping[str, Dtype | None], Sequence[Dtype | None]]
]


#: Attributes that say how many inputs there are, or of how many weights, where there may be any number.
_COUNTS = ("num_args", "num_arrays", "num_outputs", "num_weights", "num_tensors")


def when(attribute: str, value: Any = True) -> Callable[[Attributes], bool]:
    """The condition that an attribute has a value."""
    return lambda a: bool(a[attribute] == value)


def unless(attribute: str) -> Callable[[Attributes], bool]:
    """The condition that an attribute is false."""
    return lambda a: not a[attribute]


def numbered(n: int) -> tuple[str, ...]:
    """MXNet's names of ``n`` outputs that have none of their own."""
    return tuple(f"output{i}" for i in range(n))


def all_one(inputs: Mapping[str, Dtype | None], outputs: Sequence[Dtype | None], a: Attributes) -> Any:
    """The rule for dtypes of most operators: all inputs and outputs are of one."""
    dtype = next((t for t in (*inputs.values(), *outputs) if t is not None), None)
    return dict.fromkeys(inputs, dtype), [dtype] * len(outputs)


def of_attribute(inputs: Mapping[str, Dtype | None], outputs: Sequence[Dtype | None], a: Attributes) -> Any:
    """The rule of operators whose attribute ``dtype`` is that of the results; the inputs are of one, whichever."""
    if a["dtype"] is None and inputs:
        return all_one(inputs, outputs, a)
    return all_one(inputs, (), a)[0], [float32 if a["dtype"] is None else as_dtype(a["dtype"])] * len(outputs)


_Kind = inspect._ParameterKind
_EMPTY = inspect.Parameter.empty


class Declared(NamedTuple):
    """A parameter as a function declares it; ``default`` is ``inspect``'s ``empty`` where there is none."""

    name: str
    kind: _Kind
    default: Any


def parameters_of(function: Callable[..., Any]) -> list[Declared]:
    """The parameters of a function that is written in Python, in order.

    As ``inspect.signature`` gives them, which takes forty microseconds, and there are six hundred functions to enter.
    """
    own = inspect.unwrap(function)
    code: Any = own.__code__  # type: ignore[attr-defined]
    names, count, more = code.co_varnames, code.co_argcount, code.co_kwonlyargcount
    defaults = own.__defaults__ or ()  # type: ignore[attr-defined]
    given = dict(zip(names[count - len(defaults) : count], defaults, strict=True)) | (own.__kwdefaults__ or {})  # type: ignore[attr-defined]
    kinds = [_Kind.POSITIONAL_ONLY] * code.co_posonlyargcount + [_Kind.POSITIONAL_OR_KEYWORD] * (count - code.co_posonlyargcount)
    found = [Declared(name, kind, given.get(name, _EMPTY)) for name, kind in zip(names, kinds, strict=False)]
    end = count + more
    if code.co_flags & inspect.CO_VARARGS:
        found.append(Declared(names[end], _Kind.VAR_POSITIONAL, _EMPTY))
        end += 1
    found += [Declared(name, _Kind.KEYWORD_ONLY, given.get(name, _EMPTY)) for name in names[count : count + more]]
    if code.co_flags & inspect.CO_VARKEYWORDS:
        found.append(Declared(names[end], _Kind.VAR_KEYWORD, _EMPTY))
    return found


@dataclass(frozen=True, eq=False)
class ClassicOperator:
    """A classic operator.

    ``name`` and ``aliases``: MXNet's. ``function``: on arrays under NumPy's rules, the inputs first. ``inputs``: the names of
    all inputs, auxiliary states last; ``variadic``: the attribute that counts them where there may be any number (else ""),
    and ``listed``: their names then. ``aux``: those that are states, written by the operator. ``asked``: when an optional
    input is one. ``attributes``: in MXNet's order. ``positions``: the parameters that may be given without a name, inputs
    among them; those of the function behind ``*``, which are required though defaults come before, are too (:meth:`spread`).
    ``outputs``: their names, by the attributes. ``shapes``: shapes of inputs that follow from others'.
    ``types``: dtypes of inputs and outputs that follow from others'. ``by_class``: whether the function is handed arrays of their
    own class, whose rules may differ. ``numpy``: whether it is one of ``np``, which gives arrays under NumPy's rules.
    """

    name: str
    aliases: tuple[str, ...]
    function: Callable[..., Any]
    inputs: tuple[str, ...]
    variadic: str
    listed: Callable[[Attributes], tuple[str, ...]]
    aux: tuple[str, ...]
    asked: Mapping[str, Callable[[Attributes], bool]]
    attributes: Mapping[str, Attribute]
    positions: tuple[str, ...]
    outputs: Callable[[Attributes], tuple[str, ...]]
    shapes: ShapeRule | None
    types: TypeRule
    by_class: bool
    numpy: bool

    #: Whether it takes attributes of any name, of which its inputs follow.
    is_open: ClassVar[bool] = False

    @property
    def leading(self) -> int:
        """How many inputs come before the first attribute in a call."""
        return next((i for i, name in enumerate(self.positions) if name in self.attributes), len(self.positions))

    @functools.cached_property
    def in_place(self) -> int:
        """How many of ``positions`` the function itself takes without a name."""
        code: Any = inspect.unwrap(self.function).__code__  # type: ignore[attr-defined]
        return int(code.co_argcount)

    def spread(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Arguments in the places of what Python wants by name, entered in ``kwargs``; the others.

        Behind the parameters come ``out``, and ``name``, which is for symbols.
        """
        count = len(self.positions)
        names = (*self.positions, "out", "name")[self.in_place : len(args)]
        is_clear = len(args) <= count + 2 and kwargs.keys().isdisjoint(names)
        if not is_clear or not isinstance(args[count] if len(args) > count else None, (NDArray, list, tuple, NoneType)):
            return args  # Python says what is wrong
        kwargs.update(zip(names, args[self.in_place :], strict=True))
        kwargs.pop("name", None)
        return args[: self.in_place]

    def complete(self, given: Attributes) -> dict[str, Any]:
        """All attributes: those ``given``, strings read as what they stand for, and the others' defaults.

        On an operator that has none a user may hang any, as in MXNet: they are passed over.
        """
        for key in given.keys() - self.attributes.keys() if self.attributes else ():
            fail(SignatureError, self.name, expected=f"the attributes {', '.join(self.attributes) or 'none'}", got=key)
        missing = [a.name for a in self.attributes.values() if a.required and a.name not in given]
        if missing:
            fail(SignatureError, self.name, expected=f"the attributes {', '.join(missing)}", got="none")
        return {name: self._value(a, given[name]) if name in given else a.default for name, a in self.attributes.items()}

    def _value(self, attribute: Attribute, value: Any) -> Any:
        return attribute.parse(self.name, value) if isinstance(value, str) else value

    def texts(self, given: Attributes) -> dict[str, str]:
        """Attributes as the strings of a ``-symbol.json``, those ``given`` only, as MXNet writes them."""
        return {name: self.attributes[name].text(value) for name, value in given.items()}

    def input_names(self, given: Attributes) -> tuple[str, ...]:
        """The inputs that there are with these attributes, auxiliary states among them."""
        return self.inputs_with(self.complete(given))

    def inputs_with(self, a: Attributes) -> tuple[str, ...]:
        """The same, of all attributes."""
        if not self.variadic:
            return tuple(name for name in self.inputs if name not in self.asked or self.asked[name](a))
        if a[self.variadic] is None:
            fail(ArgumentError, self.name, expected=f"{self.variadic}, the number of inputs", got="None")
        return self.listed(a)

    def aux_names(self, given: Attributes) -> tuple[str, ...]:
        """The states that there are with these attributes: some of :meth:`input_names`."""
        return self.aux

    def output_names(self, given: Attributes) -> tuple[str, ...]:
        """The outputs that there are with these attributes."""
        return self.outputs(self.complete(given))

    def shapes_of_inputs(self, known: Mapping[str, Shape], given: Attributes) -> dict[str, Shape]:
        """The shapes of inputs that are ``known`` and those that follow as a whole from them and the attributes."""
        a = self.complete(given)
        found = {} if self.shapes is None else {name: shape for name, shape in self.shapes(known, a).items() if 0 not in shape}
        wanted = self.inputs_with(a)
        return {name: shape for name, shape in {**found, **known}.items() if name in wanted}

    @functools.cached_property
    def documentation(self) -> str:
        """The function's docstring, and what the record knows beside it: one text for all functions of arrays and of symbols."""
        lines = [inspect.cleandoc(self.function.__doc__ or ""), ""]
        inputs = [f"{n} (optional)" if n in self.asked else f"{n} (state)" if n in self.aux else n for n in self.inputs]
        lines.append(f"Inputs: {'any number' if self.variadic else ', '.join(inputs) or 'none'}.")
        for a in self.attributes.values():
            lines.append(f"``{a.name}``: {a.describe()}, {'required' if a.required else f'by default {a.default!r}'}.")
        others = [name for name in self.aliases if not name.startswith("_")]
        if others:
            lines.append(f"Also called {', '.join(others)}.")
        return "\n".join(lines)


def record_of(
    function: Callable[..., Any],
    names: Sequence[str],
    aux: Sequence[str],
    asked: Mapping[str, Callable[[Attributes], bool]],
    required: Sequence[str],
    inputs_of: Callable[[Attributes], Sequence[str]] | None,
    outputs: Sequence[str] | Callable[[Attributes], Sequence[str]],
    shapes: ShapeRule | None,
    types: TypeRule | None = None,
    by_class: bool = False,
    numpy: bool = False,
) -> ClassicOperator:
    """The record of an operator under ``names`` whose parameters are those of ``function``."""
    hints, inputs, attributes, variadic = hints_of(function), [], {}, ""
    parameters = parameters_of(function)
    for p in parameters:
        name = p.name
        if name not in hints or p.kind is _Kind.VAR_KEYWORD:
            raise TypeError(f"parameter {name} of {names[0]} has no type, or is **{name}")
        if not is_array(hints[name]):
            attributes[name] = attribute_of(name, hints[name], p.default, name in required)
        elif p.kind is _Kind.VAR_POSITIONAL:
            variadic = name
        else:
            inputs.append(name)
            if (p.default is None) != (name in asked):
                raise TypeError(f"input {name} of {names[0]}: asked= says when an optional input, with the default None, is one")
    if variadic:
        variadic = next((name for name in _COUNTS if name in attributes), "")
        if not variadic:
            raise TypeError(f"{names[0]} takes any number of inputs and has no attribute num_args that says how many")
    fixed = None if callable(outputs) else tuple(outputs)
    return ClassicOperator(
        name=names[0],
        aliases=tuple(names[1:]),
        function=function,
        inputs=tuple(inputs),
        variadic=variadic,
        listed=(lambda a: tuple(inputs_of(a))) if inputs_of else lambda a: tuple(f"arg{i}" for i in range(a[variadic])),
        aux=tuple(aux),
        asked=MappingProxyType(dict(asked)),
        attributes=MappingProxyType(attributes),
        positions=tuple(p.name for p in parameters if p.kind is _Kind.POSITIONAL_OR_KEYWORD or not variadic),
        outputs=(lambda a: fixed) if fixed is not None else lambda a: tuple(outputs(a)),  # type: ignore[operator]
        shapes=shapes,
        types=types or (of_attribute if "dtype" in attributes else all_one),
        by_class=by_class,
        numpy=numpy,
    )
