"""Every error that hybridnet raises, and where in the user's code it happened.

A message says what was expected, what came, where, and the way out:
``[op] expected …; got …; at train.py:12 in net.dense0; try …``.
Relies on nothing else of the package.
"""

from __future__ import annotations

import os
import sys
import threading
from types import CodeType, FrameType
from typing import NoReturn

PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class HybridnetError(Exception):
    """The base of all errors of this package; MXNet programs know it as ``MXNetError``."""


class ArgumentError(HybridnetError, ValueError):
    """An argument has a value that the operation does not take."""


class ShapeError(HybridnetError, ValueError):
    """Shapes do not fit together."""


class DtypeError(HybridnetError, TypeError):
    """A dtype that the operation does not take."""


class AxisError(HybridnetError, IndexError, ValueError):
    """An axis or an index out of range."""


class DeviceError(HybridnetError, RuntimeError):
    """Arrays on different devices, or a device that is not there."""


class OutOfMemoryError(DeviceError, MemoryError):
    """A device has not the memory that was asked for."""


class AutogradError(HybridnetError, RuntimeError):
    """A backward that cannot be done: nothing recorded, already freed, overwritten in place."""


class TraceError(HybridnetError, RuntimeError):
    """Python asked a traced array for its values, which are not known while tracing."""


class GraphError(HybridnetError, RuntimeError):
    """A graph breaks a rule of the IR: always a fault of a pass, never of the user."""


class DeferredInitializationError(HybridnetError, RuntimeError):
    """A parameter whose shape is not known yet was asked for its data."""


class UninitializedError(HybridnetError, RuntimeError):
    """A parameter was asked for its data before ``initialize()``."""


class FileFormatError(HybridnetError, ValueError):
    """A file is truncated, foreign, or does not match what it is loaded into."""


class _Scope(threading.local):
    def __init__(self) -> None:
        self.path: list[str] = []


_scope = _Scope()


def scope_path() -> list[str]:
    """The mutable block path of this thread (``["net", "dense0"]``)."""
    return _scope.path


class Site:
    """A place in the user's code, kept as cheaply as possible and resolved when shown."""

    __slots__ = ("code", "lasti", "scope")

    def __init__(self, frame: FrameType | None, scope: str) -> None:
        self.code: CodeType | None = frame.f_code if frame else None
        self.lasti = frame.f_lasti if frame else 0
        self.scope = scope

    @property
    def file(self) -> str:
        return os.path.basename(self.code.co_filename) if self.code else "?"

    @property
    def line(self) -> int:
        if self.code is None:
            return 0
        for start, end, line in self.code.co_lines():
            if start <= self.lasti < end and line is not None:
                return line
        return self.code.co_firstlineno

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}"
        return f"{place} in {self.scope}" if self.scope else place


_ours: dict[str, bool] = {}  # by file: whether its code is passed over


def user_site() -> Site:
    """The innermost line outside this package (and outside NumPy, which may dispatch to us)."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        ours = _ours.get(file)
        if ours is None:
            ours = _ours[file] = file.startswith((PACKAGE, "<")) or f"{os.sep}numpy{os.sep}" in file
        if not ours:
            break
        frame = frame.f_back
    return Site(frame, ".".join(_scope.path))


def message(op: str, *, expected: str, got: str, fix: str = "", site: Site | None = None) -> str:
    """The text of an error in the one form that all of them have."""
    text = f"[{op}] expected {expected}; got {got}; at {site or user_site()}"
    return f"{text}; try {fix}" if fix else text


def fail(kind: type[HybridnetError], op: str, *, expected: str, got: str, fix: str = "", site: Site | None = None) -> NoReturn:
    """Raise ``kind`` with the message that :func:`message` builds."""
    raise kind(message(op, expected=expected, got=got, fix=fix, site=site))
