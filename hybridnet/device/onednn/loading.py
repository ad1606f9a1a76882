"""Finding and loading oneDNN: any ``libdnnl.so.3`` that has an engine for this processor."""

from __future__ import annotations

import ctypes
import logging
import sysconfig
from collections.abc import Iterator
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

from hybridnet.config import config, environment_of, variables

NAME = "oneDNN"
FILE = "libdnnl.so.3"

_CPU = 1  # an engine
_IN_ORDER = 1  # a stream
_RUNTIMES = {1: "sequential", 2: "OpenMP"}
_STATUS = {1: "out of memory", 2: "invalid arguments", 3: "unimplemented", 5: "runtime error", 6: "not required"}
#: How often a waiting thread of GNU's OpenMP looks for work before it sleeps: as often as by itself where it has fewer cores than threads.
_LOOKS = "1000"


class _Version(ctypes.Structure):
    _fields_ = [("major", c_int), ("minor", c_int), ("patch", c_int), ("hash", c_char_p), ("cpu_runtime", c_uint), ("gpu_runtime", c_uint)]


class Unusable(Exception):
    """Why a library that is there cannot be used, or why it does not do what it was asked for."""


class Library:
    """A loaded oneDNN with an engine for this processor and a stream; its version, and who runs its threads."""

    def __init__(self, path: str) -> None:
        try:
            # A thread of OpenMP's that waits by spinning keeps the core from ours, and from the thread that all wait for where the
            # machine has more to do: one call of 1 ms then takes 16. So it sleeps, but not at once: the next call of a program is a few
            # microseconds away. On two otherwise idle cores, in ms: MobileNet 7.0, 6.4 with such a wait; an LSTM's training 23.9, 22.6.
            waiting, looks = environment_of("OMP_WAIT_POLICY"), environment_of("GOMP_SPINCOUNT")
            with variables({"OMP_WAIT_POLICY": waiting or "passive", "GOMP_SPINCOUNT": looks or (None if waiting else _LOOKS)}):
                self.functions = f = ctypes.CDLL(path)
            f.dnnl_version.restype = POINTER(_Version)
            version = f.dnnl_version().contents
            self.version = f"{version.major}.{version.minor}.{version.patch}"
            if version.major != 3:
                raise Unusable(f"it is version {self.version}; 3 is needed")
            if not version.cpu_runtime:
                raise Unusable("it was built without an engine for CPUs")
            if version.cpu_runtime not in _RUNTIMES:
                raise Unusable("its threads are neither OpenMP's nor none, so that their number cannot be told")
            self.runtime = _RUNTIMES[version.cpu_runtime]
            if self.runtime == "OpenMP":
                self.get_threads, self.set_threads = f.omp_get_max_threads, f.omp_set_num_threads
            f.dnnl_memory_desc_get_size.restype = c_size_t
            f.dnnl_memory_desc_get_size.argtypes = [c_void_p]
            f.dnnl_primitive_desc_query_md.restype = c_void_p
            f.dnnl_primitive_desc_query_md.argtypes = [c_void_p, c_int, c_int]
            f.dnnl_memory_set_data_handle.argtypes = [c_void_p, c_void_p]
            self.engine = self.make("engine_create", "engine_destroy", c_int(_CPU), c_size_t(0))
            self.stream = self.make("stream_create", "stream_destroy", self.engine, c_uint(_IN_ORDER))
            f.dnnl_primitive_execute.argtypes = [c_void_p, c_void_p, c_int, c_void_p]
        except (OSError, AttributeError, ValueError) as error:  # no library, or one without these functions
            raise Unusable(str(error)) from error

    def do(self, function: str, *arguments: Any) -> None:
        """Call a function that gives a status; :class:`Unusable` unless that is success."""
        status = getattr(self.functions, f"dnnl_{function}")(*arguments)
        if status:
            raise Unusable(f"{function} gives status {status}" + f" ({_STATUS[status]})" * (status in _STATUS))

    def make(self, create: str, destroy: str, *arguments: Any) -> Object:
        """A new object of the library, which goes with its Python object."""
        made = Object()
        self.do(create, byref(made), *arguments)
        made.destroy = getattr(self.functions, f"dnnl_{destroy}")
        return made


class Object(c_void_p):
    """An object of the library."""

    destroy: Any = None

    def __del__(self) -> None:
        if self.destroy is not None:
            self.destroy(self)


def _candidates() -> Iterator[str]:
    """Where a wheel puts the library, then what the loader finds."""
    folders = dict.fromkeys(Path(sysconfig.get_path("data", scheme)) / "lib" for scheme in (sysconfig.get_default_scheme(), _user_scheme()))
    yield from (str(folder / FILE) for folder in folders if (folder / FILE).exists())
    yield FILE


def _user_scheme() -> str:
    return sysconfig.get_preferred_scheme("user")


@cache
def library() -> Library | None:
    """oneDNN, if it is there and has an engine for this processor; a library that is there and cannot be used is a warning, once."""
    reasons = []
    for path in _candidates():
        try:
            return Library(path)
        except Unusable as error:
            if not str(error).startswith(f"{FILE}: cannot open shared object file"):  # there is none on the loader's path
                reasons.append(f"{path}: {error}")
    if reasons:
        logging.getLogger("hybridnet").warning("oneDNN cannot be used, so NumPy computes: %s", "; ".join(reasons))
    return None


def available() -> bool:
    """Whether the library is there and no setting leaves it out."""
    return NAME not in config.disabled_libraries and library() is not None
