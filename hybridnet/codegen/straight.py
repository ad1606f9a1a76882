"""A graph as a straight line of NumPy: each node is the call that its operator is imperatively, in the same order, so the results are too.

No arena, no regions, no threads: what is too small to gain from those, and is called from imperative code, which asks for results to the
bit. A result of a universal function is written over an operand that nobody reads any more where NumPy would have given it the same layout.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hybridnet.codegen.numpy_text import REDUCERS, Namespace, is_long, is_ufunc, scalar_literal, view_text
from hybridnet.core import Kind
from hybridnet.core.numpy_functions import NUMPY_FUNCTION_OF
from hybridnet.dtypes import is_floating, is_inexact
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.graph.operators import MATMUL, MAX, MIN, PROD, RESHAPE, SLICE, SUM, TRANSPOSE
from hybridnet.ops.linalg.cpu_matmul import SMALL, multiply_adds

#: More nodes are not written out: their calls take so long together that what is around them does not matter.
LONGEST = 256

#: From so many bytes on an array is dropped after its last use, and not at the end of the call.
_LARGE = 1 << 16


@dataclass(frozen=True)
class Straight:
    """A function's text, ``def run(x0, x1, ...)`` of the graph's inputs, and the names that it uses.

    It gives the results as a tuple. ``shared``: for each the number of the input that it is (a view of), -1 where its memory is its own.
    """

    text: str
    names: dict[str, Any]
    shared: tuple[int, ...]


def write_straight(graph: Graph) -> Straight | None:
    """The function of a graph of primitive operators; None where it is no straight line, too long, or gives two views of one array."""
    if len(graph.nodes) > LONGEST or any(node.communicates or _holds_graph(node) for node in graph.nodes):
        return None
    return _Line(graph).write()


def _holds_graph(node: Node) -> bool:
    return any(isinstance(value, Graph) for value in node.attrs.values())


class _Line:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.ns = Namespace()
        self.name: dict[Value, str] = {v: f"x{i}" for i, v in enumerate(graph.inputs)}
        self.root: dict[Value, Value] = {}  # of what may be a view, whatever its strides: whose memory it lies in
        self.last: dict[Value, int] = {}  # where a value is read last
        self.viewed: set[Value] = set()
        for i, node in enumerate(graph.nodes):
            self.last.update((v, i) for v in node.inputs)
            if node.op.is_view:
                source = node.inputs[0]
                self.root[node.output] = self.root.get(source, source)
                self.viewed.add(self.root[node.output])
        self.kept = {*graph.outputs, *(self.root.get(v, v) for v in graph.outputs)}
        self.made: set[Value] = set()  # results of universal functions, which have no gaps
        self.read_whole = {v for node in graph.nodes if node.op.kind is not Kind.POINTWISE for v in node.inputs}

    def write(self) -> Straight | None:
        outputs, position = self.graph.outputs, {v: i for i, v in enumerate(self.graph.inputs)}
        own = [root for v in dict.fromkeys(outputs) if (root := self.root.get(v, v)) not in position]
        if len(set(own)) < len(own):
            return None
        lines = [line for i, node in enumerate(self.graph.nodes) for line in self._lines(i, node)]
        shared = tuple(position.get(self.root.get(v, v), -1) for v in outputs)
        # An array of its own that is two of the results is two arrays.
        copied = [v in outputs[:i] and shared[i] < 0 for i, v in enumerate(outputs)]
        results = [f"{self.name[v]}.copy('K')" if again else self.name[v] for v, again in zip(outputs, copied, strict=True)]
        head = f"def run({', '.join(self.name[v] for v in self.graph.inputs)}):"
        text = "\n    ".join([head, *lines, f"return ({''.join(r + ', ' for r in results)})", ""])
        return Straight(text, self.ns.names, shared)

    def _lines(self, step: int, node: Node) -> Iterable[str]:
        out = node.output
        if out.constant is not None and not out.shape and not {out} & (self.kept | self.viewed | self.read_whole):
            return  # written where it is read
        args = [self.name[v] if v in self.name else scalar_literal(self.ns, v, node.op) for v in node.inputs]
        over = self._overwritten(step, node)
        if over is not None:
            self.name[out] = self.name[over]
            self.made.add(out)
            yield self._call(node, args, out=self.name[over])
        else:
            for v in node.outputs:
                self.name[v] = self.ns.fresh("t")
            text = self._call(node, args)
            if len(node.outputs) == 1 and not out.shape:
                text = f"{self.ns.bind('asarray', np.asarray)}({text})"  # NumPy may give a number in its place
            yield f"{', '.join(self.name[v] for v in node.outputs)} = {text}"
            if len(node.outputs) > 1:
                yield from (f"{self.name[v]} = {self.ns.bind('asarray', np.asarray)}({self.name[v]})" for v in node.outputs if not v.shape)
            if is_ufunc(node.op) and out.shape:
                self.made.add(out)
        dead = [v for v in dict.fromkeys(node.inputs) if self.last[v] == step and v.node is not None and v is not over]
        if gone := [self.name[v] for v in dead if v.nbytes >= _LARGE and v in self.name and v not in self.graph.outputs]:
            yield f"del {', '.join(gone)}"

    def _overwritten(self, step: int, node: Node) -> Value | None:
        """The operand that a result may be written over: of its shape, without views, beside others that decide no layout."""
        out = node.output
        if not is_ufunc(node.op) or len(node.outputs) != 1:
            return None
        for v in node.inputs:
            if v in self.made and self.last[v] == step and v.shape == out.shape and v.dtype == out.dtype and v not in self.kept:
                beside = [x for x in node.inputs if x is not v]
                if v not in self.viewed and all(sum(n > 1 for n in x.shape) <= 1 for x in beside):
                    return v
        return None

    def _call(self, node: Node, args: list[str], out: str | None = None) -> str:
        """A node's call: the function that ``apply`` would call, or what that comes to for arrays of these shapes."""
        op, attrs, ns = node.op, node.attrs, self.ns
        if op in (RESHAPE, TRANSPOSE, SLICE):
            return view_text(ns, node, args[0])
        x = node.inputs[0] if node.inputs else node.output
        half = x.dtype.itemsize == 2 and is_floating(x.dtype)
        if op in REDUCERS and op in _SHORT and not half and not (op is SUM and is_inexact(x.dtype) and is_long(node)):
            ufunc = REDUCERS[op]
            reduce = ns.bind(f"{ufunc.__name__}_reduce", ufunc.reduce, ("reduce", ufunc.__name__))
            return f"{reduce}({args[0]}, {attrs['axis']}, None, None, {attrs['keepdims']})"
        if op is MATMUL and not half and _is_small(node):
            turned = [
                f"{a}.swapaxes(-1, -2)" if attrs.get(flag) else a for a, flag in zip(args, ("transpose_a", "transpose_b"), strict=True)
            ]
            return f"{ns.bind('matmul', np.matmul)}({', '.join(turned)})"
        words = [*args, *(f"{k}={ns.literal(v)}" for k, v in attrs.items())]
        if out is not None:
            words.append(f"out={out}")
        return f"{ns.bind(op.name, NUMPY_FUNCTION_OF[op], ('op', op))}({', '.join(words)})"


#: The reductions whose shorter way to NumPy is ``ufunc.reduce``.
_SHORT = frozenset({SUM, PROD, MAX, MIN})


def _is_small(node: Node) -> bool:
    """Whether a matrix product is one that NumPy is given as it is."""
    a, b = (
        (*x.shape[:-2], x.shape[-1], x.shape[-2]) if node.attrs.get(flag) else x.shape
        for x, flag in zip(node.inputs, ("transpose_a", "transpose_b"), strict=True)
    )
    return multiply_adds(a, b) <= SMALL
