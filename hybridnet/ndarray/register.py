"""The classic vocabulary: its operators by MXNet's names, filled by ``@classic``, and the wrapper of ``nd``'s functions.

``nd.X``, ``F.X`` in a hybridized block and ``sym.X`` all find their function here, so that each is written once.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from hybridnet import core, dtypes
from hybridnet.ndarray.classic import NDArray, finish, finish_apart
from hybridnet.ndarray.record import Attributes, ClassicOperator, ShapeRule, TypeRule, record_of
from hybridnet.ops.vocabulary import Signed, Vocabulary

#: Every classic operator by each of its names.
OPERATORS: dict[str, ClassicOperator] = {}

#: Every function of ``nd`` by name: the operators', and the functions that MXNet writes in Python over them.
FUNCTIONS: dict[str, Callable[..., Any]] = {}

_NONE: Mapping[str, Any] = {}
_FOR_SYMBOLS = {"name": "", "attr": ""}  # a symbol's name and its attributes beside the operator's: of no meaning to arrays


def _class_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> type[core.NDArray]:
    if args and args[0].__class__ is NDArray:
        return NDArray
    found = False
    for x in (*args, *kwargs.values()) if kwargs else args:
        for item in x if isinstance(x, (list, tuple)) else (x,):
            if isinstance(item, NDArray):
                return NDArray
            found = found or isinstance(item, core.NDArray)
    return core.NDArray if found else NDArray


#: The rules of ``nd``: results are ``nd.NDArray``, without zero dimensions, if any input is one or there are none.
CLASSIC = Vocabulary(_class_of, finish)


def classic(
    *names: str,
    aux: Sequence[str] = (),
    asked: Mapping[str, Callable[[Attributes], bool]] = _NONE,
    required: Sequence[str] = (),
    inputs: Callable[[Attributes], Sequence[str]] | None = None,
    outputs: Sequence[str] | Callable[[Attributes], Sequence[str]] = ("output",),
    shapes: ShapeRule | None = None,
    types: TypeRule | None = None,
    thin: bool = False,
    by_class: bool = False,
    shares: bool = False,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a typed function as the classic operator of these ``names``; gives it as ``nd`` has it.

    ``aux``: the inputs that are states, which the function is handed themselves and may write to. ``asked``: for each optional
    input when it is one. ``required``: attributes that a symbol must give, though a call may do without: the arrays tell.
    ``inputs``: the names of any number of inputs, where they are not arg0, arg1 and so on. ``outputs``: their names.
    ``shapes``: the shapes of inputs that follow from others. ``types``: the dtypes of inputs and outputs, where not all are one, or the
    outputs' the attribute ``dtype``. ``thin``: see :meth:`Vocabulary.wrap`. ``by_class``: the function is
    handed arrays of their own class, as :func:`keep_dtype` wants them, and not plain ones. ``shares``: its results may be views of an
    input, or inputs; those of ``nd``'s arrays are given memory of their own, as MXNet's operators do. The parameters and all else are
    read off the function (:mod:`hybridnet.ndarray.record`).

    A call also takes ``out=``, an array (or several) that receives the result and is returned; ``name=`` and ``attr=``, which
    are for symbols and ignored; and attributes as the strings that stand for them.
    """

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        record = record_of(function, names, aux, asked, required, inputs, outputs, shapes, types, by_class)
        text = record.documentation
        for name in names:
            _enter(OPERATORS, name, record)
            wrapped = CLASSIC.wrap(
                function,
                name,
                also=_FOR_SYMBOLS,
                prepare=reader(name, record),
                arrays=record.leading,
                writes=bool(aux) or by_class,
                thin=thin,
                finish=finish_apart if shares else None,
            )
            wrapped.__doc__ = text
            wrapped.__wrapped__ = Signed(function, _more)  # type: ignore[attr-defined]
            _enter(FUNCTIONS, name, wrapped)
        return FUNCTIONS[names[0]]

    return enter


def helper(
    *names: str, also: Mapping[str, str] = _NONE, thin: bool = False, shares: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function that is no operator, as one that chooses among operators by what it is given, under ``names`` of ``nd``.

    Without names it is of another module, as ``nd.random``. ``also`` maps further names of arguments to those of the function.
    ``thin``: see :meth:`Vocabulary.wrap`. ``shares``: see :func:`classic`.
    """
    end = finish_apart if shares else None

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        own = names or (function.__name__,)
        made = [CLASSIC.wrap(function, name, also={**also, **_FOR_SYMBOLS}, thin=thin, finish=end) for name in own]
        for wrapped in made:
            wrapped.__wrapped__ = Signed(function, _more)  # type: ignore[attr-defined]
        for name, wrapped in zip(names, made, strict=False):
            _enter(FUNCTIONS, name, wrapped)
        return made[0]

    return enter


def _more() -> Iterator[inspect.Parameter]:
    """What a function of ``nd`` takes besides: an array for the result, and a symbol's name, of no meaning here."""
    yield from (inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in ("out", "name"))


def _enter(table: dict[str, Any], name: str, what: Any) -> None:
    if name in table:
        raise ValueError(f"classic operator {name!r} is registered twice")
    table[name] = what


def reader(name: str, record: ClassicOperator) -> Callable[[tuple[Any, ...], dict[str, Any]], tuple[Any, ...]]:
    """What reads the attributes in a call of the operator, known as ``name``, that are strings, and names those that Python wants named."""
    attributes = dict(record.attributes)
    order = [attributes.get(key) for key in record.positions]
    leading = record.leading
    most = sys.maxsize if record.variadic else record.in_place
    counted = record.variadic if record.variadic and attributes[record.variadic].required else None

    def read(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        if len(args) > most:
            args = record.spread(args, kwargs)
        if counted is not None:
            kwargs.setdefault(counted, len(args))
        for key, value in kwargs.items():
            if type(value) is str and (a := attributes.get(key)) is not None and value not in a.words:
                kwargs[key] = a.parse(name, value)
        if len(args) > leading and str in map(type, args):
            for i, (a, x) in enumerate(zip(order, args, strict=False)):
                if type(x) is str and a is not None and x not in a.words:
                    args = (*args[:i], a.parse(name, x), *args[i + 1 :])
        return args

    return read


def keep_dtype(result: Any, like: Any) -> Any:
    """``result`` in the dtype of the operand, as classic results have it where NumPy's would be wider or floating.

    Of integers only ``nd``'s arrays have it: the mean of ``np``'s integers is no integer. The shape stays.
    """
    dtype = like._data.dtype
    if result._data.dtype is dtype or (not dtypes.is_floating(dtype) and not isinstance(like, NDArray)):
        return result
    return result.astype(dtype, copy=False)


def arrays_of(args: tuple[Any, ...]) -> list[Any]:
    """What ``concat(a, b)`` and ``concat([a, b])`` both mean."""
    return list(args[0]) if len(args) == 1 and isinstance(args[0], (list, tuple)) else list(args)
