"""Values and single operators as CUDA C++: types, constants, one statement a node; what a kernel is.

Operators' rules give their expression (``CudaRule.functor``), written with the functions of ``kernels/``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import Kind, cuda_rule
from hybridnet.core.kernel import computed_type, is_half, stored_type
from hybridnet.errors import DeviceError, fail
from hybridnet.graph.ir import Node, Value
from hybridnet.graph.operators import SUM

COMPLEX = "complex.cuh"
_PARTS = re.compile("hn_(real|imag|joined|conjugate)[(]")  # of real numbers too
INCLUDES = ("functors.cuh", "vector.cuh", "reduce.cuh", "random.cuh")


@dataclass(frozen=True)
class Kernel:
    """One ``__global__`` function and how it is launched.

    ``arguments``: the values whose addresses it takes, in order; ``grid`` and ``block`` in blocks
    and threads, ``shared_bytes`` of dynamic shared memory a block. ``in_place``: pairs of an input
    and an output that may lie in the same memory; all others must not overlap.
    """

    name: str
    text: str
    grid: tuple[int, int]
    block: int
    shared_bytes: int
    arguments: tuple[Value, ...]
    in_place: tuple[tuple[Value, Value], ...] = ()

    def renamed(self, replacement: Mapping[Value, Value]) -> Kernel:
        """The kernel for other values."""
        arguments = tuple(replacement.get(v, v) for v in self.arguments)
        return replace(self, arguments=arguments, in_place=tuple((replacement.get(x, x), replacement.get(y, y)) for x, y in self.in_place))


@dataclass(frozen=True)
class Table:
    """Numbers of 64 bits that a kernel reads from memory: an entry that is a value stands for its address.

    ``value``: the int64 array among the kernel's arguments that holds them.
    """

    value: Value
    entries: tuple[int | Value, ...]


def literal(number: Any, dtype: dtypes.Dtype) -> str:
    """A number as a constant of ``dtype``, rounded as an array of it would round it."""
    computed = computed_type(dtype)
    if dtype == dtypes.bool_:
        return "true" if number else "false"
    if dtypes.is_complex(dtype):
        real, imaginary = (literal(part, dtypes.real_of(dtype)) for part in (complex(number).real, complex(number).imag))
        return f"{computed}({real}, {imaginary})"
    value = np.full((), number).astype(dtype)[()]
    if not dtypes.is_floating(dtype):
        if dtype.kind == "i" and value == np.iinfo(dtype).min:
            return f"hn_limits<{computed}>::lowest()"
        suffix = {dtypes.int32: "", dtypes.int64: "ll", dtypes.uint32: "u", dtypes.uint64: "ull"}.get(dtype)
        text = f"({computed}){value}" if suffix is None else f"{value}{suffix}"
        return f"({text})" if value < 0 else text
    wide = value if dtype == dtypes.float64 else np.float32(value)
    if math.isnan(wide):
        return f"hn_limits<{computed}>::nan()"
    if math.isinf(wide):
        return f"hn_limits<{computed}>::{'highest' if wide > 0 else 'lowest'}()"
    text = str(wide)
    text += ("" if "." in text or "e" in text else ".0") + ("" if dtype == dtypes.float64 else "f")
    return f"({text})" if text.startswith("-") else text


def _attribute(value: Any) -> str:
    """An operator's attribute: a dtype as the stored type, numbers as doubles or ints, None as an absent bound."""
    if value is None:
        return "hn_none()"
    if isinstance(value, np.dtype):
        return stored_type(value)
    if isinstance(value, float):
        return literal(value, dtypes.float64)
    return str(value)


def expression(node: Node, names: Mapping[Value, str], index: str = "") -> str:
    """A node that works element by element, as an expression of its output's ``computed_type`` (or one that converts to it).

    ``index``: for a random node, the element's number within the node's own output. DeviceError for an operator that has no
    functor.
    """
    stored = stored_type(node.output.dtype)
    if node.op.kind is Kind.REDUCTION:  # over axes of length 1; a sum begins with 0, which makes 0.0 of -0.0
        x = names[node.inputs[0]]
        return f"hn_cast<{stored}>({f'({x} + 0)' if node.op is SUM else x})"
    functor = cuda_rule(node.op).functor
    if functor is None:
        fail(DeviceError, node.op.name, expected="an operator with a GPU version", got="none (on_cuda)", fix="cpu()")
    attrs = {k: _attribute(a) for k, a in node.attrs.items()}
    text = functor.format(*[names[v] for v in node.inputs], index=index, **attrs)
    # The graph says that this value has 16 bits: round it as NumPy does, so that masks and steps fall the same.
    rounding = f"hn_cast<{stored}>("
    return text if not is_half(node.output.dtype) or text.startswith(rounding) else f"{rounding}{text})"


def monoid(node: Node) -> str:
    """How a reduction combines two values (kernels/reduce.cuh)."""
    return f"hn_reduce_{cuda_rule(node.op).functor}"


def statements(nodes: Iterable[Node], names: dict[Value, str], numbers: Mapping[Value, str] | None = None) -> list[str]:
    """A line for each node; ``names`` gains the variables, and constants as what they are.

    ``numbers``: of random values, the element's number.
    """
    lines = []
    for node in nodes:
        out = node.output
        if out.constant is not None:
            names[out] = literal(out.constant, out.dtype)
        else:
            text = expression(node, names, (numbers or {}).get(out, ""))
            names[out] = f"v{len(names)}"
            lines.append(f"const {computed_type(out.dtype)} {names[out]} = {text};")
    return lines


def parameters(inputs: Sequence[Value], outputs: Sequence[Value]) -> tuple[str, dict[Value, str]]:
    """A kernel's parameter list, and the name of each value's pointer.

    Not ``__restrict__``: kernels load before they store by their order, and may work in place.
    """
    pointers = {v: f"x{i}" for i, v in enumerate(inputs)} | {v: f"y{i}" for i, v in enumerate(outputs)}
    words = [f"{'const ' if name[0] == 'x' else ''}{stored_type(v.dtype)}* {name}" for v, name in pointers.items()]
    return ", ".join(words), pointers


def indented(lines: Iterable[str], depth: int) -> list[str]:
    """Lines moved in; what is meant for the preprocessor stays at the margin."""
    return [line if line.startswith("#") else "    " * depth + line for line in lines]


def guarded(conditions: Sequence[str], statement: str) -> str:
    """A statement that is executed where all conditions hold."""
    return f"if ({' && '.join(conditions)}) {statement}" if conditions else statement


def declared(constants: Sequence[str], body: Sequence[str]) -> list[str]:
    """``body`` after those of the declarations ``const type name = value;`` that it uses."""
    kept = list(body)
    for line in reversed(constants):
        name = line.partition(" = ")[0].rpartition(" ")[2]
        if any(re.search(rf"\b{name}\b", used) for used in kept):
            kept.insert(0, line)
    return kept


def translation_unit(kernels: Mapping[str, str], headers: Iterable[str] = ()) -> str:
    """The source of a module from the texts of its kernels, by name; ``headers`` are included besides the usual ones.

    ``complex.cuh``, which makes compiling slower, where a kernel has such values.
    """
    complex_numbers = [COMPLEX] if any("hn_complex<" in text or _PARTS.search(text) for text in kernels.values()) else []
    return "\n".join([*(f'#include "{name}"' for name in (*INCLUDES, *complex_numbers, *headers)), "", *kernels.values()])
