"""Convolutions on a CPU by oneDNN: the only module that knows of the library, which it calls through ctypes.

A description (:class:`Convolution`) says what is to be computed; :func:`plan` gives a call, made once for each number of threads, or
None where the library is not there or refuses, and then NumPy computes. A call takes NumPy arrays of any strides. Data and results are
computed with channels last and weights in an order of the library's choice: what lies otherwise is reordered by the library, into
scratch that the caller may give.

Functions, structures and numbers are those of oneDNN's C interface, version 3 (``dnnl.h``, ``dnnl_types.h``).
"""

from __future__ import annotations

import ctypes
import logging
import math
import os
import sysconfig
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ctypes import POINTER, byref, c_char_p, c_int, c_int64, c_size_t, c_uint, c_void_p
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.config import config, environment_of, variables
from hybridnet.device import refusals, threads

NAME = "oneDNN"
FILE = "libdnnl.so.3"

Shape = tuple[int, ...]

# Enumerations of dnnl_types.h.
_ANY, _FLOAT32, _CPU, _DIRECT, _INFERENCE = 1, 3, 1, 1, 96
_IN_ORDER = 1  # a stream
_GIVEN = 1  # scratch is the caller's
_QUERY_NAME, _QUERY_SCRATCH = 8, 136
_RUNTIMES = {1: "sequential", 2: "OpenMP"}
_SCRATCH = 80
#: Of each product: the arguments that are its two operands and its result, and by which queries the library says how it wants them.
_ARGUMENTS = {"result": (1, 33, 17), "data": (145, 33, 129), "weight": (1, 145, 161)}
_WANTED = {1: 129, 129: 130, 33: 131, 161: 132, 17: 133, 145: 134}
#: Multiply-adds from which threads share a call: to wake a thread takes 50 to 100 µs, as long as one takes for so many.
SHARED = 4 << 20
_PAGE = 64  # bytes that parts of the scratch begin at multiples of: a line of the cache


@dataclass(frozen=True)
class Convolution:
    """One of the three products of a float32 convolution: ``"result"``, ``"data"`` or ``"weight"`` (``kind``), from the other two.

    Shapes are those of the arrays: (N, C, *size), or (N, *size, C) with channels ``last``; the weight's is (filters, C / groups, *kernel)
    or (filters, *kernel, C / groups).
    """

    kind: str
    data: Shape
    weight: Shape
    result: Shape
    stride: Shape
    pad: Shape
    dilate: Shape
    groups: int
    last: bool

    def __str__(self) -> str:
        shapes = f"data {self.data}, weight {self.weight}, result {self.result}, {self.groups} groups"
        layout = ", channels last" * self.last
        return f"the {self.kind} of a convolution, {shapes}, pad {self.pad}, stride {self.stride}, dilate {self.dilate}{layout}"

    @property
    def multiply_adds(self) -> int:
        """Of all windows."""
        return math.prod(self.result) * math.prod(self.weight[1:])

    def operands(self) -> tuple[Shape, Shape, Shape]:
        """The shapes of both operands and of the result."""
        return {
            "result": (self.data, self.weight, self.result),
            "data": (self.result, self.weight, self.data),
            "weight": (self.data, self.result, self.weight),
        }[self.kind]


# -- the library ---------------------------------------------------------------------------------------


class _Version(ctypes.Structure):
    _fields_ = [("major", c_int), ("minor", c_int), ("patch", c_int), ("hash", c_char_p), ("cpu_runtime", c_uint), ("gpu_runtime", c_uint)]


class _Argument(ctypes.Structure):
    _fields_ = [("number", c_int), ("memory", c_void_p)]


class Unusable(Exception):
    """Why a library that is there cannot be used, or why it does not do what it was asked for."""


class Library:
    """A loaded oneDNN with an engine for this processor and a stream; its version, and who runs its threads."""

    def __init__(self, path: str) -> None:
        try:
            # A thread of OpenMP's that waits by spinning keeps the core from ours, and from the thread that all wait for where the
            # machine has more to do: one call of 1 ms then takes 16. It costs 10 % of such a call where it has not.
            waiting = environment_of("OMP_WAIT_POLICY") or "passive"
            with variables({"OMP_WAIT_POLICY": waiting}):
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
        except (OSError, AttributeError, ValueError) as error:  # no library, or one without these functions
            raise Unusable(str(error)) from error

    def do(self, function: str, *arguments: Any) -> None:
        """Call a function that gives a status; :class:`Unusable` unless that is success."""
        status = getattr(self.functions, f"dnnl_{function}")(*arguments)
        if status:
            raise Unusable(f"{function} gives status {status}" + f" ({_STATUS[status]})" * (status in _STATUS))

    def make(self, create: str, destroy: str, *arguments: Any) -> _Object:
        """A new object of the library, which goes with its Python object."""
        made = _Object()
        self.do(create, byref(made), *arguments)
        made.destroy = getattr(self.functions, f"dnnl_{destroy}")
        return made

    @contextmanager
    def on(self, number: int) -> Iterator[None]:
        """A block in which this thread's calls use so many threads."""
        if self.runtime != "OpenMP":
            yield
            return
        before = self.get_threads()  # others use the same OpenMP
        self.set_threads(number)
        try:
            yield
        finally:
            self.set_threads(before)


_STATUS = {1: "out of memory", 2: "invalid arguments", 3: "unimplemented", 5: "runtime error", 6: "not required"}


class _Object(c_void_p):
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
        logging.getLogger("hybridnet").warning("oneDNN cannot be used, so NumPy computes convolutions: %s", "; ".join(reasons))
    return None


def available() -> bool:
    """Whether the library is there and no setting leaves it out."""
    return NAME not in config.disabled_libraries and library() is not None


# -- threads -------------------------------------------------------------------------------------------


class _Threads:
    """How many threads a call may use: ours, unless another call or a piece of shared work uses them already."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.was_used = False  # OpenMP's threads have been started
        self.forked = False

    @contextmanager
    def taken(self, most: int) -> Iterator[int]:
        """A block that may use the number of threads that it is given."""
        if most == 1 or self.forked or threads.is_sharing() or not self.lock.acquire(blocking=False):
            yield 1
            return
        try:
            self.was_used = True
            yield most
        finally:
            self.lock.release()

    def begin_again(self) -> None:
        """In a process that was forked off: OpenMP's threads are not there, and GNU's OpenMP would wait for them for ever."""
        self.lock = threading.Lock()
        self.forked = self.forked or self.was_used


_threads = _Threads()
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_threads.begin_again)


def _most(description: Convolution) -> int:
    """The threads that a call gains from, at most."""
    found = library()
    if found is None or found.runtime != "OpenMP" or description.multiply_adds < SHARED:
        return 1
    return threads.count()


# -- plans ---------------------------------------------------------------------------------------------


def plan(description: Convolution) -> Call | None:
    """The call for a description; None where the library is not there or refuses, which is told."""
    if not available():
        return None
    # One thread too: a call has no more beside another call, and in a process that was forked off.
    made, alone = _planned(description, _most(description)), _planned(description, 1)
    for found in (made, alone):
        if isinstance(found, str):
            refusals.tell(NAME, description, found)
            return None
    assert isinstance(made, _Plan)
    return Call(description, made)


@lru_cache(maxsize=4096)
def _planned(description: Convolution, number: int) -> _Plan | str:
    """The plan for a number of threads, or why there is none."""
    found = library()
    assert found is not None
    try:
        with found.on(number):
            plan = _Plan(found, description)
    except Unusable as error:
        return str(error)
    return "it has nothing faster than its reference code" if plan.name.startswith("ref") else plan


class Call:
    """A planned call, on as many threads as there are when it runs."""

    alignment = dtypes.float32.itemsize

    def __init__(self, description: Convolution, plan: _Plan) -> None:
        self.name = f"oneDNN {plan.name}"
        self.workspace = plan.workspace
        self._description = description

    def __call__(self, *arrays: Any, scratch: Any = None) -> None:
        """Compute the last of three arrays from the others. ``scratch``: an array of ``workspace`` bytes; one is made if none is given."""
        found = library()
        assert found is not None
        with _threads.taken(_most(self._description)) as number:
            plan = _planned(self._description, number)
            if isinstance(plan, str):  # of a number of threads that is another than when the call was planned
                plan = _planned(self._description, 1)
                assert isinstance(plan, _Plan)
            if scratch is None or scratch.nbytes < plan.workspace:
                scratch = np.empty(plan.workspace, np.uint8)
            with found.on(number):
                try:
                    plan.run(arrays, scratch)
                except Unusable:  # of strides that it has no reorder for, before anything has run
                    *operands, out = arrays
                    result = np.empty(out.shape, out.dtype)
                    plan.run([*map(np.ascontiguousarray, operands), result], scratch)
                    out[...] = result


class _Plan:
    """A product for a number of threads: its primitive, and for operands and result how the library wants them."""

    def __init__(self, lib: Library, c: Convolution) -> None:
        self.lib = lib
        self.arguments = _ARGUMENTS[c.kind]
        described = _described(lib, c)
        self._primitive = _Primitive(lib, described, (*self.arguments, _SCRATCH))
        text = c_char_p()
        lib.do("primitive_desc_query", described, c_int(_QUERY_NAME), c_int(0), byref(text))
        self.name = (text.value or b"").decode()
        self.operands = [
            _Operand(lib, c, shape, self._primitive.layouts[argument], argument in (33, 161))
            for shape, argument in zip(c.operands(), self.arguments, strict=True)
        ]
        self._offsets: list[int] = []
        self.workspace = 0
        for operand in self.operands:  # room for those that are reordered if arrays have no gaps
            self._offsets.append(self.workspace)
            self.workspace += -(-operand.moved_bytes // _PAGE) * _PAGE
        self._scratch = self.workspace
        self.workspace += self._primitive.bytes[-1] + _PAGE

    def run(self, arrays: Sequence[Any], scratch: Any) -> None:
        base = -(-_address(scratch) // _PAGE) * _PAGE
        addresses, moves = [], []
        kept = []
        for i, (operand, array) in enumerate(zip(self.operands, arrays, strict=True)):
            move = operand.move(array.strides, out=i == 2)
            at = _address(array)
            if move is not None:
                if operand.moved_bytes:
                    there = base + self._offsets[i]
                else:
                    kept.append(np.empty(operand.bytes + _PAGE, np.uint8))
                    there = -(-_address(kept[-1]) // _PAGE) * _PAGE
                moves.append((move, at, there))
                at = there
            addresses.append(at)
        after = None
        if moves and moves[-1][2] == addresses[2]:
            after = moves.pop()
        for move, source, target in moves:
            move.run((source, target))
        self._primitive.run((*addresses, base + self._scratch))
        if after is not None:
            after[0].run((after[2], after[1]))


def _address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


class _Primitive:
    """What the library executes, and its arguments: their numbers, layouts and bytes."""

    def __init__(self, lib: Library, described: _Object, arguments: Sequence[int], layouts: Sequence[Any] | None = None) -> None:
        self._lib = lib
        self._described = described
        self._made = lib.make("primitive_create", "primitive_destroy", described)
        self._arguments = tuple(arguments)
        queried = [c_void_p(lib.functions.dnnl_primitive_desc_query_md(described, _WANTED.get(a, _QUERY_SCRATCH), 0)) for a in arguments]
        self._layouts = list(queried if layouts is None else layouts)
        self.layouts = dict(zip(arguments, self._layouts, strict=True))
        self.bytes = [int(lib.functions.dnnl_memory_desc_get_size(layout)) for layout in self._layouts]
        self._own = threading.local()

    def run(self, addresses: Sequence[int]) -> None:
        bound = getattr(self._own, "bound", None)
        if bound is None:  # the library's objects for memory are no two threads'
            bound = self._own.bound = self._bind()
        memories, arguments = bound
        f = self._lib.functions
        for memory, address in zip(memories, addresses, strict=True):
            f.dnnl_memory_set_data_handle(memory, address)
        status = f.dnnl_primitive_execute(self._made, self._lib.stream, len(memories), arguments)
        if status:
            raise RuntimeError(f"oneDNN: executing gives status {status}")

    def _bind(self) -> tuple[list[_Object], Any]:
        memories = [self._lib.make("memory_create", "memory_destroy", layout, self._lib.engine, c_void_p(0)) for layout in self._layouts]
        pairs = zip(self._arguments, memories, strict=True)
        return memories, (_Argument * len(memories))(*[_Argument(number, memory.value) for number, memory in pairs])


class _Operand:
    """An operand or the result: the layout that the library wants, and the reorders from the strides of arrays that came."""

    def __init__(self, lib: Library, c: Convolution, shape: Shape, layout: Any, is_weight: bool) -> None:
        self._lib, self._c, self._shape, self._layout, self._is_weight = lib, c, shape, layout, is_weight
        self.bytes = int(lib.functions.dnnl_memory_desc_get_size(layout))
        self._moves: dict[tuple[Shape, bool], _Primitive | None] = {}
        without_gaps = np.empty(shape, np.float32).strides
        self.moved_bytes = self.bytes if self.move(without_gaps, out=False) is not None else 0

    def move(self, strides: Shape, out: bool) -> _Primitive | None:
        """The reorder of an array of those strides, in bytes, into the wanted layout, or for a result out of it; None if it lies so."""
        key = strides, out
        if key not in self._moves:
            self._moves[key] = self._move(strides, out)
        return self._moves[key]

    def _move(self, strides: Shape, out: bool) -> _Primitive | None:
        if any(n > 1 and (s <= 0 or s % 4) for n, s in zip(self._shape, strides, strict=True)):
            raise Unusable("it takes strides of one element or more alone")
        given = _layout(self._lib, self._c, self._shape, [s // 4 for s in strides], self._is_weight)
        if self._lib.functions.dnnl_memory_desc_equal(given, self._layout):
            return None
        source, target = (self._layout, given) if out else (given, self._layout)
        engine = self._lib.engine
        described = self._lib.make(
            "reorder_primitive_desc_create", "primitive_desc_destroy", source, engine, target, engine, _attributes(self._lib)
        )
        scratch = c_void_p(self._lib.functions.dnnl_primitive_desc_query_md(described, _QUERY_SCRATCH, 0))
        if self._lib.functions.dnnl_memory_desc_get_size(scratch):
            raise Unusable("a reorder needs scratch of its own")
        return _Primitive(self._lib, described, (1, 17), (source, target))


# -- descriptions in the library's terms --------------------------------------------------------------


def _numbers(values: Sequence[int]) -> Any:
    return (c_int64 * 12)(*values)


def _attributes(lib: Library) -> _Object:
    made = lib.make("primitive_attr_create", "primitive_attr_destroy")
    lib.do("primitive_attr_set_scratchpad_mode", made, c_int(_GIVEN))
    return made


def _layout(lib: Library, c: Convolution, shape: Shape, strides: Sequence[int] | None, is_weight: bool) -> _Object:
    """An array's layout, axes in the library's order, (N, C, *size) or (groups, filters, C, *kernel); no strides: the library's choice."""
    order = (0, len(shape) - 1, *range(1, len(shape) - 1)) if c.last else tuple(range(len(shape)))
    sizes = [shape[i] for i in order]
    steps: list[int] | None = None
    if strides is not None:
        # An axis of length 1 may have any stride; the library compares them, and takes slow ways for those that it does not know.
        known = [w if n == 1 else s for n, s, w in zip(shape, strides, _wanted_steps(c, shape, is_weight), strict=True)]
        steps = [known[i] for i in order]
    if is_weight and c.groups > 1:
        filters = sizes[0] // c.groups
        sizes = [c.groups, filters, *sizes[1:]]
        steps = None if steps is None else [steps[0] * filters, *steps]
    if steps is None:
        arguments: tuple[Any, ...] = (c_int(len(sizes)), _numbers(sizes), c_int(_FLOAT32), c_int(_ANY))
        return lib.make("memory_desc_create_with_tag", "memory_desc_destroy", *arguments)
    return lib.make(
        "memory_desc_create_with_strides", "memory_desc_destroy", c_int(len(sizes)), _numbers(sizes), c_int(_FLOAT32), _numbers(steps)
    )


def _wanted_steps(c: Convolution, shape: Shape, is_weight: bool) -> list[int]:
    """The strides in elements, by the array's axes, that data and results have with channels last, and weights without gaps."""
    if c.last or is_weight:
        return _steps(shape)
    n, channels, *size = shape
    steps = _steps((n, *size, channels))
    return [steps[0], steps[-1], *steps[1:-1]]


def _steps(shape: Sequence[int]) -> list[int]:
    return [s // 4 for s in np.empty(shape, np.float32).strides]


def _described(lib: Library, c: Convolution) -> _Object:
    """The library's description of the product, for the number of threads that it may use now."""
    x, y = (_layout(lib, c, shape, _wanted_steps(c, shape, False), False) for shape in (c.data, c.result))
    w = _layout(lib, c, c.weight, None, True)
    sizes = [_numbers(c.stride), _numbers([d - 1 for d in c.dilate]), _numbers(c.pad), _numbers(c.pad)]
    attributes = _attributes(lib)
    forward = lib.make(
        "convolution_forward_primitive_desc_create",
        "primitive_desc_destroy",
        *(lib.engine, c_int(_INFERENCE if c.kind == "result" else 64), c_int(_DIRECT), x, w, None, y, *sizes, attributes),
    )
    if c.kind == "result":
        return forward
    if c.kind == "data":
        return lib.make(
            "convolution_backward_data_primitive_desc_create",
            "primitive_desc_destroy",
            *(lib.engine, c_int(_DIRECT), x, w, y, *sizes, forward, attributes),
        )
    return lib.make(
        "convolution_backward_weights_primitive_desc_create",
        "primitive_desc_destroy",
        *(lib.engine, c_int(_DIRECT), x, w, None, y, *sizes, forward, attributes),
    )
