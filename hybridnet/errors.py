"""Every error that hybridnet raises, and where in the user's code it happened.

A message says what was expected, what came, where, and the way out:
``[op] expected …; got …; at train.py:12 in net.dense0; try …``.
Relies on nothing else of the package.
"""

from __future__ import annotations

import bisect
import difflib
import inspect
import os
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import takewhile
from types import CodeType, FrameType
from typing import Any, NoReturn

import numpy

PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class HybridnetError(RuntimeError):
    """The base of all errors of this package; MXNet programs know it as ``MXNetError``."""


class ArgumentError(HybridnetError, ValueError):
    """An argument has a value that the operation does not take."""


class ShapeError(HybridnetError, ValueError):
    """Shapes do not fit together."""


class DtypeError(HybridnetError, TypeError):
    """A dtype that the operation does not take."""


class AxisError(HybridnetError, IndexError, ValueError):
    """An axis or an index out of range."""


class SignatureError(HybridnetError, TypeError):
    """An argument that a function does not have, or one that it needs and was not given."""


class DeviceError(HybridnetError, RuntimeError):
    """Arrays on different devices, or a device that is not there."""


class OutOfMemoryError(DeviceError, MemoryError):
    """A device has not the memory that was asked for."""


class KernelError(DeviceError):
    """A kernel that the device's compiler refuses: a fault of the package, or of who wrote the kernel."""


class AutogradError(HybridnetError, RuntimeError):
    """A backward that cannot be done: nothing recorded, already freed, overwritten in place."""


class TraceError(HybridnetError, RuntimeError):
    """Python asked a traced array for its values, which are not known while tracing."""


class GraphError(HybridnetError, RuntimeError):
    """A graph breaks a rule of the IR: always a fault of a pass, never of the user."""


class MismatchError(HybridnetError, AssertionError):
    """A compiled program computes something else than its graph says: always a fault of the package."""


class DeferredInitializationError(HybridnetError, RuntimeError):
    """A parameter whose shape is not known yet was asked for its data."""


class UninitializedError(HybridnetError, RuntimeError):
    """A parameter was asked for its data before ``initialize()``."""


class WorkerError(HybridnetError, RuntimeError):
    """A worker of a ``DataLoader`` ended, or could not start or read."""


class WorkerTimeoutError(WorkerError, TimeoutError):
    """A batch took longer than a ``DataLoader``'s ``timeout``."""


class RankError(HybridnetError):
    """Ranks of one training that differ, one that does not come, or processes that were to be ranks and are not."""


class FileFormatError(HybridnetError, ValueError):
    """A file is truncated, foreign, or does not match what it is loaded into."""


class _Scope(threading.local):
    def __init__(self) -> None:
        self.path: list[str] = []
        self.caller = "?:0"


_scope = _Scope()


def scope_path() -> list[str]:
    """The mutable block path of this thread (``["net", "dense0"]``)."""
    return _scope.path


def set_caller(place: str) -> None:
    """Say where the user's code gave this thread or process its work: the place of errors that no line of the user's led to."""
    _scope.caller = place


@contextmanager
def scope(*names: str) -> Iterator[None]:
    """Add names to this thread's block path for the body of a ``with``: what is made there belongs to them."""
    path = _scope.path
    before = len(path)
    path.extend(names)
    try:
        yield
    finally:
        del path[before:]


class Site:
    """A place in the user's code, kept as cheaply as possible and resolved when shown.

    ``role``: what is computed there besides what the line says, a gradient or a part of an operator.
    """

    __slots__ = ("code", "lasti", "role", "scope")

    def __init__(self, code: CodeType | None, lasti: int, scope: str, role: str = "") -> None:
        self.code = code
        self.lasti = lasti
        self.scope = scope
        self.role = role

    def marked(self, role: str) -> Site:
        """The same place with a role, unless it has one: what a part of a gradient computes is that gradient."""
        if self.role:
            return self
        return Site(self.code, self.lasti, self.scope, role)

    @property
    def file(self) -> str:
        """The name of the user's file, without its folder; ``?`` if it is not known."""
        return os.path.basename(self.code.co_filename) if self.code else "?"

    @property
    def line(self) -> int:
        """The number of the line in the user's file; 0 if it is not known."""
        return 0 if self.code is None else _line_at(self.code, self.lasti)

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.code else _scope.caller
        place = f"{place} in {self.scope}" if self.scope else place
        return f"{place}, {self.role}" if self.role else place


class JoinedSite(Site):
    """The place of what was joined from several ``parts``: that of the first, in the block that has them all."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[Site]) -> None:
        paths = [site.scope.split(".") for site in parts]
        shared = takewhile(lambda names: len(set(names)) == 1, zip(*paths, strict=False))
        role = parts[0].role if len({site.role for site in parts}) == 1 else ""
        super().__init__(parts[0].code, parts[0].lasti, ".".join(names[0] for names in shared), role)
        self.parts = tuple(parts)


#: Of code that sites were shown of, by its id: the code, which keeps the id its own, and where in it each of its lines begins.
_lines: dict[int, tuple[CodeType, list[int], list[int]]] = {}
_KEPT = 256


def _line_at(code: CodeType, lasti: int) -> int:
    known = _lines.get(id(code))
    if known is None:
        found = [(start, line) for start, _, line in code.co_lines() if line is not None]
        if len(_lines) >= _KEPT:
            _lines.clear()
        known = _lines[id(code)] = code, [start for start, _ in found], [line for _, line in found]
    _, starts, lines = known
    at = bisect.bisect_right(starts, lasti)
    return lines[at - 1] if at else code.co_firstlineno


#: What stands between the user's code and ours: Python's own library, NumPy, which calls us back, and tqdm's bar around a loop.
_PYTHON, _NUMPY = (os.path.dirname(inspect.getfile(module)) + os.sep for module in (os, numpy))
_BETWEEN = (PACKAGE, _NUMPY, os.path.join(os.path.dirname(_NUMPY[:-1]), "tqdm") + os.sep)
#: Code without a file: what Python and this package write and run, for one; and the prompt's, ``python -c``'s, a notebook's.
_WRITTEN = ("<hybridnet ", "<frozen ")
_INSTALLED = tuple(_PYTHON + folder + os.sep for folder in ("site-packages", "dist-packages"))  # in Python's folder, and the user's
_WRITERS = {"hybridnet", "numpy", "tqdm"} | sys.stdlib_module_names
_ours: dict[str, bool] = {}  # by file: whether its code is passed over


#: What a :class:`Site` is made of: the code, the place in it, the path of blocks.
Place = tuple[CodeType | None, int, str]
_frame_at = sys._getframe


def is_users(frame: FrameType) -> bool:
    """Whether a frame runs code of the user's: neither the package's nor what stands between the two."""
    file = frame.f_code.co_filename
    found = _ours.get(file)
    if found is None:
        if file.startswith("<") and not file.startswith(_WRITTEN):  # dataclasses write functions as well: the module says whose it is
            return str(frame.f_globals.get("__name__")).partition(".")[0] not in _WRITERS and not _starts_a_worker(frame)
        pythons = file.startswith(_PYTHON) and not file.startswith(_INSTALLED)
        found = _ours[file] = pythons or file.startswith((*_WRITTEN, *_BETWEEN))
    return not found


def _starts_a_worker(frame: FrameType) -> bool:
    """Whether a frame is the line of ``python -c`` with which multiprocessing starts a process."""
    processes = sys.modules.get("multiprocessing.process")
    return frame.f_back is None and processes is not None and processes.parent_process() is not None


def user_place(above: int = 1) -> Place:
    """The innermost line of the user's (:func:`is_users`); ``above``: of how many frames it is known to be above."""
    frame: FrameType | None = _frame_at(above)
    known = _ours.get
    names = _scope.path
    path = ".".join(names) if names else ""
    while frame is not None:
        code = frame.f_code
        ours = known(code.co_filename)
        if not ours and (ours is False or is_users(frame)):
            return code, frame.f_lasti, path
        frame = frame.f_back
    return None, 0, path


def user_site() -> Site:
    """:func:`user_place` as a :class:`Site`."""
    return Site(*user_place())


def message(op: str, *, expected: str, got: str, fix: str = "", site: Site | None = None) -> str:
    """The text of an error in the one form that all of them have."""
    text = f"[{op}] expected {expected}; got {got}; at {site or user_site()}"
    return f"{text}; try {fix}" if fix else text


def check_call(
    name: str, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], given: Collection[str] = ()
) -> None:
    """Raise if ``function``, which the user knows as ``name``, does not take these arguments; what it takes is said.

    For what is called with a ``TypeError``: nothing is looked at while all goes well. ``given``: parameters that are not the user's.
    """
    signature = inspect.signature(function)
    try:
        signature.replace(parameters=[p for key, p in signature.parameters.items() if key not in given]).bind(*args, **kwargs)
    except TypeError as error:
        _refuse(name, _parameters(function, given), kwargs, str(error).removeprefix("got "))
    if isinstance(function, type):  # what goes on to a base class, it may not take
        refuse_unknown(name, function, kwargs)


def refuse_unknown(name: str, cls: type, kwargs: Mapping[str, Any]) -> None:
    """Raise if no constructor among a class's bases takes one of these keywords."""
    takes = _parameters(cls)
    if odd := [key for key in kwargs if key not in takes]:
        _refuse(name, takes, kwargs, f"an unexpected keyword argument {odd[0]!r}")


def _parameters(function: Callable[..., Any], given: Collection[str] = ()) -> dict[str, inspect.Parameter]:
    """What may be given by name: of a class to its constructor or to one of those that it goes on to."""
    makers = [c.__init__ for c in function.__mro__] if isinstance(function, type) else [function]  # type: ignore[misc]
    takes: dict[str, inspect.Parameter] = {}
    for maker in makers:
        for key, p in inspect.signature(maker).parameters.items():
            if p.kind < p.VAR_KEYWORD and key != "self" and key not in given:
                takes.setdefault(key, p)
    return takes


def _refuse(name: str, takes: Mapping[str, inspect.Parameter], kwargs: Mapping[str, Any], got: str) -> NoReturn:
    near = [match for key in kwargs if key not in takes for match in difflib.get_close_matches(key, takes, 1)]
    shown = ", ".join(str(p.replace(annotation=p.empty)) for p in takes.values() if p.kind is not p.VAR_POSITIONAL)
    fix = " or ".join(f"{match}=" for match in near)
    raise SignatureError(message(name, expected=f"the arguments ({shown})", got=got, fix=fix)) from None


def fail(kind: type[HybridnetError], op: str, *, expected: str, got: str, fix: str = "", site: Site | None = None) -> NoReturn:
    """Raise ``kind`` with the message that :func:`message` builds."""
    raise kind(message(op, expected=expected, got=got, fix=fix, site=site))
