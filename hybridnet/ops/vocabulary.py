"""What a namespace puts around functions of arrays: ``out=``, ``where=``, ``dtype=``, the array class, errors about arguments.

Functions of arrays are written for NumPy's rules and plain arrays. A :class:`Vocabulary` says what class the results of a
call have and what is done to them then; all functions of its namespaces are wrapped by it. :data:`NUMPY` is that of ``np``
and ``npx``; ``nd`` has its own in :mod:`hybridnet.ndarray.register`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hybridnet.core import NDArray, as_class, plain
from hybridnet.errors import ArgumentError, DtypeError, check_call, fail

_NONE: Mapping[str, str] = {}

Parameter = inspect.Parameter


class Signed:
    """What ``inspect`` and ``help`` find behind a wrapper: the function, with the wrapper's signature, made when it is asked for."""

    __slots__ = ("__wrapped__", "_more")

    def __init__(self, function: Callable[..., Any], more: Callable[[], Iterator[Parameter]]) -> None:
        self.__wrapped__ = function
        self._more = more

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__wrapped__(*args, **kwargs)

    @property
    def __signature__(self) -> inspect.Signature:
        own = inspect.signature(self.__wrapped__)
        return own.replace(parameters=list(_with(own, self._more())))


def _with(own: inspect.Signature, more: Iterator[Parameter]) -> Iterator[Parameter]:
    """The parameters of a signature and further ones, in an order that Python takes."""
    found = dict(own.parameters)
    for p in more:
        found.setdefault(p.name, p)
    return iter(sorted(found.values(), key=lambda p: p.kind))


def keyword(name: str, default: Any = None) -> Parameter:
    """A parameter, in a signature, that is told by name alone."""
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default)


class _OtherName:
    """The default, in a signature, of a further name of a parameter."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


def _out_and(also: Mapping[str, str]) -> Iterator[Parameter]:
    """``out=``, and further names of parameters; those that mean nothing here are ``None``."""
    yield keyword("out")
    for name, ours in also.items():
        yield keyword(name, _OtherName(ours) if ours else None)


class Vocabulary:
    """The rules of a namespace, and the one wrapper that its functions get.

    ``class_of(args, kwargs)``: the class that the results of a call have, ``None`` where arrays are plain and stay so.
    ``finish(result, cls)``: the results as arrays of that class.
    """

    def __init__(
        self, class_of: Callable[[tuple[Any, ...], Mapping[str, Any]], type[NDArray] | None], finish: Callable[[Any, type[NDArray]], Any]
    ) -> None:
        self.class_of = class_of
        self.finish = finish

    def wrap(
        self,
        function: Callable[..., Any],
        name: str = "",
        *,
        also: Mapping[str, str] = _NONE,
        prepare: Callable[[tuple[Any, ...], dict[str, Any]], tuple[Any, ...]] | None = None,
        arrays: int = 0,
        writes: bool = False,
        thin: bool = False,
        finish: Callable[[Any, type[NDArray]], Any] | None = None,
    ) -> Callable[..., Any]:
        """``function``, known to users as ``name``, for arrays of any class, also taking ``out=``.

        ``out``: an array that receives the result and is returned; for several results a tuple or list of arrays, or of
        ``None`` for those to leave. ``also``: further names of arguments, and what the function calls them ("": they mean
        nothing here). ``prepare(args, kwargs)`` sees the arguments before the function does, where there are keywords or
        more than the first ``arrays``; it may change the keywords and gives the positional ones. A function that ``writes``
        to arrays is handed those themselves, others plain handles to the same data. A ``thin`` one only calls operators, and
        asks arrays for nothing that differs from class to class; it takes no lists of arrays. So it is handed arrays of one
        class as they are. ``finish``: what makes the results, in place of the vocabulary's own.
        """
        class_of, known_as, others = self.class_of, name or function.__name__, also.keys()
        finish = finish or self.finish

        @functools.wraps(function)
        def wrapper(*args: Any, out: Any = None, **kwargs: Any) -> Any:
            if kwargs and not others.isdisjoint(kwargs):
                _rename(kwargs, also)
            if prepare is not None and (kwargs or len(args) > arrays):
                args = prepare(args, kwargs)
                if "out" in kwargs:  # it was given without its name
                    out = kwargs.pop("out")
            cls = class_of(args, kwargs)
            try:
                if cls is None:
                    result = function(*args, **kwargs)
                elif writes or (thin and _are_all(cls, args) and (not kwargs or _are_all(cls, kwargs.values()))):
                    result = finish(function(*args, **kwargs), cls)
                elif kwargs:
                    result = finish(function(*map(_plain, args), **{key: _plain(value) for key, value in kwargs.items()}), cls)
                else:
                    result = finish(function(*map(_plain, args)), cls)
            except TypeError:
                check_call(known_as, function, args, kwargs)
                raise
            return result if out is None else deliver(known_as, result, out)

        wrapper.__name__ = wrapper.__qualname__ = known_as
        vars(wrapper).pop("__signature__", None)  # that of the function, if it has one of its own
        wrapper.__wrapped__ = Signed(function, lambda: _out_and(also))
        wrapper.also = also  # type: ignore[attr-defined]
        return wrapper


def _are_all(cls: type[NDArray], values: Any) -> bool:
    """Whether all arrays among values are of exactly that class."""
    for x in values:  # noqa: SIM110
        if x.__class__ is not cls and isinstance(x, NDArray):
            return False
    return True


def _rename(kwargs: dict[str, Any], also: Mapping[str, str]) -> None:
    for theirs in [key for key in kwargs if key in also]:
        value = kwargs.pop(theirs)
        if also[theirs]:
            kwargs[also[theirs]] = value


def _class_beside_plain(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> type[NDArray] | None:
    """The class of the first array that is not a plain one."""
    found = _first_class(args)
    return found if found is not None or not kwargs else _first_class(kwargs.values())


def _first_class(values: Any) -> type[NDArray] | None:
    for x in values:
        kind = type(x)
        if kind is list or kind is tuple:
            if (found := _first_class(x)) is not None:
                return found
        elif kind is not NDArray and issubclass(kind, NDArray):
            return kind
    return None


def _plain(x: Any) -> Any:
    return type(x)(map(_plain, x)) if type(x) in (list, tuple) else plain(x)


def _as_class(result: Any, cls: type[NDArray]) -> Any:
    if isinstance(result, NDArray):
        return as_class(result, cls)
    if hasattr(result, "_fields"):
        return type(result)(*(_as_class(r, cls) for r in result))
    return type(result)(_as_class(r, cls) for r in result) if type(result) in (list, tuple) else result


def deliver(op: str, result: Any, out: Any) -> Any:
    """The result of ``op`` written to ``out``, an array that it broadcasts to, or several for several results; gives ``out``.

    ArgumentError for another number of arrays, DtypeError for what is none.
    """
    if isinstance(out, (tuple, list)):
        results = result if isinstance(result, (tuple, list)) else (result,)
        if len(results) != len(out):
            fail(ArgumentError, op, expected=f"out to hold {len(results)} arrays, one a result", got=str(len(out)))
        return type(out)(r if o is None else deliver(op, r, o) for r, o in zip(results, out, strict=True))
    if not isinstance(out, NDArray):
        fail(DtypeError, op, expected="out to be one of our arrays", got=type(out).__name__, fix="np.array(out)")
    if isinstance(result, (tuple, list)):
        fail(ArgumentError, op, expected=f"a list of {len(result)} arrays as out, one a result", got="one array")
    out._assign(result)
    return out


#: The rules of ``np`` and ``npx``: results have the class of the first array that is not a plain one.
NUMPY = Vocabulary(_class_beside_plain, _as_class)


def with_like(make: Callable[..., Any]) -> Callable[..., Any]:
    """A function that makes arrays, also taking ``like=``: an array, of whose class the result is, and on its device if none is told.

    DtypeError if it is none of ours. What ``make`` gives besides arrays stays.
    """

    @functools.wraps(make)
    def made(*args: Any, like: Any = None, **kwargs: Any) -> Any:
        try:
            result = make(*args, **kwargs)
        except TypeError:
            check_call(make.__name__, make, args, kwargs)
            raise
        if like is None:
            return result
        if not isinstance(like, NDArray):
            fail(DtypeError, make.__name__, expected="like to be one of our arrays", got=type(like).__name__)
        if not isinstance(result, NDArray):
            return result
        told = kwargs.get("device") is not None or kwargs.get("ctx") is not None
        return as_class(result if told else result.to_device(like.device), type(like))

    made.__wrapped__ = Signed(make, lambda: iter([keyword("like")]))  # type: ignore[attr-defined]
    return made


def check_order(op: str, order: Any, among: str = "CFAK") -> None:
    """Raise an ArgumentError for what is no order of NumPy's, small letters too."""
    if not isinstance(order, str) or len(order) != 1 or order.upper() not in among:
        fail(ArgumentError, op, expected=f"order {', '.join(among)} (arrays lie in order C, whatever is asked)", got=repr(order))
