"""The text of single calls in a NumPy program: how a node is written, given the names of its operands.

Hot operators are written as the NumPy call that they are, everything else as a call of the
operator's ``compute``. Names that a line needs are bound in a :class:`Namespace`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import Kind, Op
from hybridnet.exact import exact
from hybridnet.graph.interpret import run_node
from hybridnet.graph.ir import Node, Value
from hybridnet.graph.operators import ALL, ANY, CAST, CLIP, COPY, FULL, MATMUL, MAX, MIN, PROD, RESHAPE, SLICE, SUM, TRANSPOSE
from hybridnet.ops.linalg import cpu_matmul
from hybridnet.ops.math.sums import SHORT, add_up

#: NumPy's functions of which reductions are the ``reduce``.
REDUCERS = {SUM: np.add, PROD: np.multiply, MAX: np.maximum, MIN: np.minimum, ANY: np.logical_or, ALL: np.logical_and}
_PLAIN = (int, float, bool, str, type(None))


class Namespace:
    """The global names of a program's text."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"empty": np.empty, "inf": math.inf, "nan": math.nan, "copyto": np.copyto}
        self._known: dict[Any, str] = {}
        self._count: dict[str, int] = {}
        self.has_products = False  # whether the text calls for products that BLAS would use several threads for

    def bind(self, name: str, value: Any, key: Any = None) -> str:
        """A name for ``value``, near ``name``; the same name for the same key."""
        key = (name, id(value)) if key is None else key
        unique = self._known.get(key)
        if unique is None:
            unique = name if name not in self.names else f"{name}_{len(self.names)}"
            self.names[unique] = value
            self._known[key] = unique
        return unique

    def fresh(self, prefix: str) -> str:
        """A new name of a local variable."""
        self._count[prefix] = number = self._count.get(prefix, -1) + 1
        return f"{prefix}{number}"

    def dtype(self, dtype: Any) -> str:
        """A name for a dtype in the program's text."""
        return self.bind(str(dtype), dtype, ("dtype", dtype))

    def literal(self, value: Any) -> str:
        """An attribute or constant as an expression."""
        if isinstance(value, np.dtype):
            return self.dtype(value)
        if type(value) is tuple:
            return "(" + "".join(self.literal(v) + ", " for v in value).removesuffix(" ") + ")"
        if type(value) in _PLAIN:
            return repr(value)
        return self.bind("k", value)


def is_ufunc(op: Op) -> bool:
    """Whether the call is one universal function, which may overwrite an operand of its shape."""
    return op.ufunc is not None


def scalar_literal(ns: Namespace, value: Value, op: Op) -> str:
    """A constant operand; pointwise operators, which broadcast, take it without its shape.

    An array of no dimensions saves a universal function the conversion of a number, which is half
    the cost of a small call; it is named for its value. Other operators may look at the number.
    """
    number = value.constant
    pointwise = op.kind is Kind.POINTWISE
    if pointwise and not is_ufunc(op) and value.dtype != dtypes.bfloat16 and type(number) in (int, float, bool):
        return repr(number)
    shape = () if pointwise else value.shape
    name = "c" + str(number).strip("()").replace("-", "m").replace("+", "").replace(".", "_")
    return ns.bind(name, np.full(shape, number, value.dtype), ("constant", exact(number), value.dtype, shape))


def view_text(ns: Namespace, node: Node, x: str) -> str:
    """A view as an expression."""
    attrs = node.attrs
    if node.op is RESHAPE:
        return f"{x}.reshape({attrs['shape']})"
    if node.op is TRANSPOSE:
        return f"{x}.transpose({attrs['axes']})"
    if node.op is SLICE:
        # The ellipsis keeps an element of no dimensions a view; NumPy would give a copy of its value now.
        return f"{x}[{', '.join([*map(_slice_text, attrs['key']), '...'])}]"
    return _call_text(ns, node, [x], None)


def _slice_text(item: tuple[Any, ...]) -> str:
    if item[0] == "slice":
        start, stop, step = ("" if v is None else str(v) for v in item[1:])
        return f"{start}:{stop}:{step}" if step else f"{start}:{stop}"
    return str(item[1]) if item[0] == "int" else "None"


def call_text(ns: Namespace, node: Node, args: list[str], out: str | None) -> list[str]:
    """The lines that compute a node into ``out`` (``None``: the call makes its own result)."""
    op, attrs = node.op, node.attrs
    result = node.outputs[0]
    half = result.dtype.itemsize == 2 and dtypes.is_floating(result.dtype)
    if out is not None:
        if is_ufunc(op):
            return [f"{ns.bind(op.ufunc or '', getattr(np, op.ufunc or ''))}({', '.join(args)}, out={out})"]
        if op is SUM and not half and dtypes.is_inexact(result.dtype) and is_long(node):
            return [f"{ns.bind('add_up', add_up)}({args[0]}, {attrs['axis']}, {attrs['keepdims']}, {out})"]
        if op in REDUCERS and not half:
            name = REDUCERS[op].__name__
            reduce = ns.bind(f"{name}_reduce", REDUCERS[op].reduce, ("reduce", name))
            return [f"{reduce}({args[0]}, {attrs['axis']}, None, {out}, {attrs['keepdims']})"]
        if op is MATMUL and not half and (node.inputs[1].ndim == 2 or node.inputs[0].ndim == node.inputs[1].ndim):
            a = _transposed(args[0], node.inputs[0]) if attrs.get("transpose_a") else args[0]
            b = _transposed(args[1], node.inputs[1]) if attrs.get("transpose_b") else args[1]
            return [f"{_product(ns, node)}({a}, {b}, out={out})"]
        if op is CAST:
            drops = dtypes.is_complex(node.inputs[0].dtype) and not (dtypes.is_complex(result.dtype) or result.dtype == dtypes.bool_)
            return [f"copyto({out}, {args[0]}{'.real' if drops else ''}, 'unsafe')"]
        if op is COPY:
            return [f"copyto({out}, {args[0]})"]
        if op is FULL:
            return [f"{out}.fill({ns.literal(result.constant)})"]
        if op is CLIP and None not in (attrs["a_min"], attrs["a_max"]) and not half and _bounds_fit(result.dtype, attrs):
            low, high = ns.bind("maximum", np.maximum), ns.bind("minimum", np.minimum)
            return [f"{low}({args[0]}, {attrs['a_min']!r}, out={out})", f"{high}({out}, {attrs['a_max']!r}, out={out})"]
        if op.out:
            return [_call_text(ns, node, args, out)]
        return [f"copyto({out}, {_call_text(ns, node, args, None)})"]
    return [_call_text(ns, node, args, None)]


def _product(ns: Namespace, node: Node) -> str:
    """The function for a matrix product: NumPy's, or ours where it is cut into pieces."""
    (a, b), attrs = node.inputs, node.attrs
    left, right = (_swapped(x.shape) if attrs.get(flag) else x.shape for x, flag in ((a, "transpose_a"), (b, "transpose_b")))
    ns.has_products |= cpu_matmul.multiply_adds(left, right) > cpu_matmul.SMALL
    if cpu_matmul.is_cut(left, right, b.dtype, bool(attrs.get("transpose_b"))):
        return ns.bind("matmul_in_pieces", cpu_matmul.matmul)
    return ns.bind("matmul", np.matmul)


def _swapped(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:-2], shape[-1], shape[-2])


def is_long(node: Node) -> bool:
    """Whether a sum is of so many numbers that it matters in which order they are added."""
    return math.prod(node.inputs[0].shape[a] for a in node.attrs["axis"]) > SHORT


def _bounds_fit(dtype: Any, attrs: Mapping[str, Any]) -> bool:
    """Whether NumPy takes the bounds of a clip as they are without changing the dtype."""
    bounds = (attrs["a_min"], attrs["a_max"])
    if dtypes.is_floating(dtype):
        return True
    if not dtypes.is_integer(dtype):
        return False
    limits = np.iinfo(dtype)
    return all(type(b) is int and limits.min <= b <= limits.max for b in bounds)


def _transposed(x: str, value: Value) -> str:
    return f"{x}.T" if value.ndim == 2 else f"{x}.swapaxes(-1, -2)"


def _call_text(ns: Namespace, node: Node, args: list[str], out: str | None) -> str:
    """A call of the operator's own ``compute``."""
    op = node.op
    if op.compute is None:
        function = ns.bind(op.name, _Interpreted(node))
        return f"{function}({', '.join(args)})"
    function = ns.bind(op.name, functools.partial(op.compute, np), ("op", op))
    words = [*args, *(f"{k}={ns.literal(v)}" for k, v in node.attrs.items())]
    if out is not None:
        words.append(f"out={out}")
    return f"{function}({', '.join(words)})"


class _Interpreted:
    """A composite that the decompose pass left in (it can be switched off): run through its decomposition."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def __call__(self, *data: Any) -> Any:
        results = run_node(self.node, data)
        return results if len(results) > 1 else results[0]
