"""``mx.base``: what MXNet programs take from there: the error, the types by which they tell numbers and text, small helpers.

MXNet's C library is not there, so neither is what calls it (``_LIB``, ``check_call``, the handles).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy

from hybridnet import absent
from hybridnet.config import config
from hybridnet.errors import HybridnetError

MXNetError = HybridnetError

string_types = (str,)
numeric_types = (float, int, numpy.generic)
integer_types = (int, numpy.int32, numpy.int64)
basestring = str
long = int

mx_uint = ctypes.c_uint
mx_int = ctypes.c_int
mx_int64 = ctypes.c_int64
mx_float = ctypes.c_float
mx_real_t = numpy.float32

#: Error classes by their name; :func:`register_error` enters more.
error_types: dict[str, type[BaseException]] = {"ValueError": ValueError, "TypeError": TypeError, "AttributeError": AttributeError}


class NotImplementedForSymbol(MXNetError, NotImplementedError):
    """What arrays have and symbols cannot: they hold no values."""


class NotSupportedForSparseNDArray(MXNetError, NotImplementedError):
    """What dense arrays have and sparse ones do not."""


class _NullType:
    """The type of ``_Null``."""

    def __repr__(self) -> str:
        return "_Null"


#: Stands for a parameter of an operator that was not given.
_Null = _NullType()


def _as_list(obj: Any) -> Any:
    """A list or tuple as it is, and anything else as a list of one."""
    return obj if isinstance(obj, (list, tuple)) else [obj]


def py_str(x: bytes | str) -> str:
    """Bytes as text."""
    return x.decode("utf-8") if isinstance(x, bytes) else x


def c_str(string: str) -> ctypes.c_char_p:
    """Text as C's."""
    return ctypes.c_char_p(string.encode("utf-8"))


def c_array(ctype: Any, values: Sequence[Any]) -> Any:
    """Values as an array of a ``ctypes`` type."""
    return (ctype * len(values))(*values)


def data_dir() -> str:
    """The folder of downloaded files (``MXNET_HOME``)."""
    return os.path.expanduser(config.home)


data_dir_default = data_dir


def build_param_doc(arg_names: Sequence[str], arg_types: Sequence[str], arg_descs: Sequence[str], remove_dup: bool = True) -> str:
    """A docstring's section on parameters, of names, types and descriptions; of equal names the first stays with ``remove_dup``."""
    seen: set[str] = set()
    lines = []
    for name, kind, text in zip(arg_names, arg_types, arg_descs, strict=True):
        if name in seen and remove_dup:
            continue
        seen.add(name)
        lines.append(f"{name} : {kind}" + (f"\n    {text}" if text else ""))
    return "Parameters\n----------\n" + "\n".join(lines) + "\n"


def register_error(func_name: Any = None, cls: Any = None) -> Any:
    """Enter an error class under its own name or another: ``@register_error``, ``@register_error("Name")``, or both arguments."""
    if callable(func_name) and cls is None:
        func_name, cls = func_name.__name__, func_name

    def enter(klass: Any) -> Any:
        error_types[func_name] = klass
        return klass

    return enter if cls is None else enter(cls)


def with_metaclass(meta: type, *bases: type) -> type:
    """A base class that has ``meta`` as its metaclass, as Python 2 and 3 both take it."""
    return meta("temporary_class", bases, {})


class classproperty:
    """A property of a class, as a decorator."""

    def __init__(self, func: Callable[[Any], Any]) -> None:
        self.function = func

    def __get__(self, instance: Any, owner: type) -> Any:
        return self.function(owner)


if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
