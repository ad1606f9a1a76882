"""What oneDNN executes: a primitive with its arguments, and reorders, which are primitives too."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import byref, c_char_p, c_int, c_void_p
from typing import Any

from hybridnet.device.onednn.loading import Library, Object, Unusable

#: By which queries the library says how it wants an argument.
_WANTED = {1: 129, 129: 130, 33: 131, 161: 132, 17: 133, 145: 134, 64: 135}
_QUERY_NAME, _QUERY_SCRATCH = 8, 136
SCRATCH = 80  # an argument
_GIVEN = 1  # scratch is the caller's


class _Argument(ctypes.Structure):
    _fields_ = [("number", c_int), ("memory", c_void_p)]


class Primitive:
    """What the library executes, and its arguments: their numbers, layouts and bytes."""

    def __init__(self, lib: Library, described: Object, arguments: Sequence[int], layouts: Sequence[Any]) -> None:
        self.lib = lib
        self._described = described
        self._made = lib.make("primitive_create", "primitive_destroy", described)
        self._arguments = tuple(arguments)
        self._layouts = list(layouts)

    def bind(self) -> Bound:
        """The primitive with memory of its own for each argument: no two threads may use one."""
        return Bound(self.lib, self._made, self._arguments, self._layouts)


class Bound:
    """A primitive with the addresses that it reads and writes."""

    __slots__ = ("_arguments", "_execute", "_keep", "_memories", "_number", "_place")

    def __init__(self, lib: Library, made: Object, numbers: Sequence[int], layouts: Sequence[Any]) -> None:
        self._memories = [lib.make("memory_create", "memory_destroy", layout, lib.engine, c_void_p(0)) for layout in layouts]
        pairs = zip(numbers, self._memories, strict=True)
        self._arguments = (_Argument * len(layouts))(*[_Argument(number, memory.value) for number, memory in pairs])
        self._number = len(layouts)
        self._execute = lib.functions.dnnl_primitive_execute
        self._place = lib.functions.dnnl_memory_set_data_handle
        self._keep = made, lib.stream

    def place(self, i: int, address: int) -> None:
        """Have argument ``i`` lie there."""
        self._place(self._memories[i], address)

    def run(self) -> None:
        """Execute."""
        made, stream = self._keep
        status = self._execute(made, stream, self._number, self._arguments)
        if status:
            raise RuntimeError(f"oneDNN: executing gives status {status}")


def wanted_layout(lib: Library, described: Object, argument: int) -> c_void_p:
    """How a described primitive wants an argument."""
    return c_void_p(lib.functions.dnnl_primitive_desc_query_md(described, _WANTED[argument], 0))


def scratch_layout(lib: Library, described: Object) -> c_void_p:
    """That of its scratch."""
    return c_void_p(lib.functions.dnnl_primitive_desc_query_md(described, _QUERY_SCRATCH, 0))


def size(lib: Library, layout: Any) -> int:
    """The bytes of what lies so."""
    return int(lib.functions.dnnl_memory_desc_get_size(layout))


def name_of(lib: Library, described: Object) -> str:
    """The library's name of what it chose."""
    text = c_char_p()
    lib.do("primitive_desc_query", described, c_int(_QUERY_NAME), c_int(0), byref(text))
    return (text.value or b"").decode()


def attributes(lib: Library) -> Object:
    """Those of every primitive: scratch is given."""
    made = lib.make("primitive_attr_create", "primitive_attr_destroy")
    lib.do("primitive_attr_set_scratchpad_mode", made, c_int(_GIVEN))
    return made


def reorder(lib: Library, source: Any, target: Any) -> Primitive:
    """From one layout to another."""
    described = lib.make("reorder_primitive_desc_create", "primitive_desc_destroy", source, lib.engine, target, lib.engine, attributes(lib))
    if size(lib, scratch_layout(lib, described)):
        raise Unusable("a reorder needs scratch of its own")
    return Primitive(lib, described, (1, 17), (source, target))
