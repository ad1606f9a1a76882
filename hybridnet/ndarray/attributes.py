"""The attributes of classic operators: their types, and the strings that they have in a ``-symbol.json``.

The annotation of a parameter says its type: ``bool``, ``int``, ``float``, ``str``, ``Literal`` words, and the names below, each
also with ``| None``. The strings are those that MXNet writes: ``(3, 3)``, ``True``, ``1e-05``, ``max``, ``None``; what MXNet
reads beside them (``[3,3]``, ``3L``, ``1`` for true) is read too.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

import numpy as np

from hybridnet import core, dtypes
from hybridnet.device import Device
from hybridnet.errors import ArgumentError, DeviceError, DtypeError, fail

#: An operand. Every parameter of this type is an input, every other one an attribute.
Array: TypeAlias = core.NDArray
#: Integers, one an axis as a rule; users may give a list or one integer as well.
Shape: TypeAlias = tuple[int, ...]
#: Integers of which some may be None: the bounds of a slice.
Bounds: TypeAlias = tuple[int | None, ...]
#: Several of them: what is added before and after each axis.
Shapes: TypeAlias = tuple[tuple[int, ...], ...]
#: Real numbers.
Floats: TypeAlias = tuple[float, ...]
#: An element type, by name or by object.
Dtype: TypeAlias = Annotated[str | type[Any] | np.dtype[Any], "dtype"]
#: A device: one of our objects, or its text as in ``gpu(0)``. None is the current one.
Context: TypeAlias = Annotated[Device | str, "context"]

#: The default of an attribute that has none.
REQUIRED: Any = inspect.Parameter.empty


@dataclass(frozen=True)
class Attribute:
    """A parameter of an operator that is no array: its name, default (:data:`REQUIRED` without one) and type.

    ``kind``: the type's name. ``optional``: whether it may be None. ``words``: the values of an enumeration. ``required``:
    whether a symbol must give it; a call may do without one that has a default.
    """

    name: str
    kind: str
    default: Any = REQUIRED
    optional: bool = False
    words: tuple[str, ...] = ()
    required: bool = False

    def parse(self, op: str, text: str) -> Any:
        """The value that ``text`` stands for; an :class:`ArgumentError` (a :class:`DtypeError`) for what is no text of this type."""
        text = text.strip()
        if text == "None" and self.optional:
            return None
        try:
            return text if text in self.words else _READERS[self.kind](text)
        except ValueError:
            expected = " or ".join(self.words) or self.describe()
            fail(DtypeError if self.kind == "dtype" else ArgumentError, op, expected=f"{self.name}: {expected}", got=repr(text))

    def text(self, value: Any) -> str:
        """The string that stands for ``value``: the opposite of :meth:`parse`."""
        return "None" if value is None and self.kind != "context" else _WRITERS[self.kind](value)

    def describe(self) -> str:
        """The type in words."""
        kind = "{" + ", ".join(map(repr, self.words)) + "}" if self.words else self.kind
        return f"{kind} or None" if self.optional else kind


def attribute_of(name: str, hint: Any, default: Any, required: bool) -> Attribute:
    """The attribute that a parameter of this name, annotation and default is; one without a default is ``required``."""
    required = required or default is REQUIRED
    optional = get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint)
    if optional:
        hint = Union[tuple(a for a in get_args(hint) if a is not type(None))]  # noqa: UP007  (of what is known only now)
    if get_origin(hint) is Literal:
        return Attribute(name, "word", default, optional, get_args(hint), required)
    if hint not in _KINDS:
        raise TypeError(f"an attribute {name} of type {hint}, which has no string form: use a type of hybridnet.ndarray.attributes")
    return Attribute(name, _KINDS[hint], default, optional or _KINDS[hint] == "context", (), required)


def is_array(hint: Any) -> bool:
    """Whether a parameter of this annotation takes an array."""
    return hint is Array or Array in get_args(hint)


_KINDS: dict[Any, str] = {
    bool: "bool", int: "int", float: "float", str: "string", Shape: "shape", Shapes: "shapes", Bounds: "bounds", Floats: "floats",
    Dtype: "dtype", Context: "context",
}  # fmt: skip


# -- reading --------------------------------------------------------------------------------------

_TRUTH = {"True": True, "true": True, "1": True, "False": False, "false": False, "0": False}


def _truth(text: str) -> bool:
    if text not in _TRUTH:
        raise ValueError(text)
    return _TRUTH[text]


def _integer(text: str) -> int:
    return int(text.strip().removesuffix("L"))  # Python 2 wrote long integers so


def _bound(text: str) -> int | None:
    return None if text.strip() == "None" else _integer(text)


def _numbers(read: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    def numbers(text: str) -> tuple[Any, ...]:
        if text[:1] in ("(", "["):
            if text[-1] != {"(": ")", "[": "]"}[text[0]]:
                raise ValueError(text)
            text = text[1:-1]
        items = text.split(",")
        if not items[-1].strip():
            items.pop()  # what is behind the comma of (3,), and all of ()
        return tuple(map(read, items))

    return numbers


def _shapes(text: str) -> tuple[tuple[int, ...], ...]:
    read = _numbers(_integer)
    inner = text.replace(" ", "").removeprefix("(").removesuffix(")").removesuffix(",")
    return tuple([read(f"({part.strip('()')})") for part in inner.split("),(")])


def _word(text: str) -> str:
    raise ValueError(text)  # none of the words


def _dtype(text: str) -> str:
    try:
        return str(dtypes.as_dtype(text))
    except DtypeError:
        raise ValueError(text) from None


def _context(text: str) -> Device | None:
    name, _, index = text.removesuffix(")").partition("(")
    try:
        return Device(name, int(index or 0)) if text else None
    except DeviceError:
        raise ValueError(text) from None


_READERS: dict[str, Callable[[str], Any]] = {
    "bool": _truth, "int": _integer, "float": float, "string": str, "word": _word, "shape": _numbers(_integer), "shapes": _shapes,
    "bounds": _numbers(_bound), "floats": _numbers(float), "dtype": _dtype, "context": _context,
}  # fmt: skip


# -- writing --------------------------------------------------------------------------------------


def _tuple_text(value: Any) -> str:
    return str(tuple(value) if isinstance(value, (tuple, list)) else (value,))


_WRITERS: dict[str, Callable[[Any], str]] = {
    "bool": lambda value: str(bool(value)),
    "int": lambda value: str(int(value)),
    "float": lambda value: repr(float(value)),
    "string": str,
    "word": str,
    "shape": _tuple_text,
    "shapes": lambda value: str(tuple(map(tuple, value))),
    "bounds": _tuple_text,
    "floats": lambda value: _tuple_text(tuple(map(float, value)) if isinstance(value, (tuple, list)) else float(value)),
    "dtype": lambda value: str(dtypes.as_dtype(value)),
    "context": lambda value: "" if value is None else str(value),
}


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a function's parameters as types; each text is evaluated once a module, since all share a few."""
    module = inspect.unwrap(function)
    return {name: _type_of(module.__module__, text, module.__globals__) for name, text in function.__annotations__.items()}


_types: dict[tuple[str, Any], Any] = {}  # by module and annotation


def _type_of(module: str, annotation: Any, names: dict[str, Any]) -> Any:
    if (module, annotation) not in _types:
        _types[module, annotation] = eval(annotation, names) if isinstance(annotation, str) else annotation
    return _types[module, annotation]
