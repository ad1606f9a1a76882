"""Algebra: neutral elements, views of views, casts of casts, transposes into products.

A rule is a function of one node that gives the value which replaces the node's output, or None. Rules keep every result
that the written order gives, bit for bit, for infinities, NaN, both zeros, subnormal numbers and every dtype: each says
why. (Products with other operands transposed are the same sums; a library may add in another order.) Those marked
``fast`` keep results up to rounding and within the dtype's range alone, and apply under ``HYBRIDNET_FAST_MATH``.
Operands of pointwise operators lose broadcasts that the operator does by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from hybridnet.config import config
from hybridnet.core import Kind, Op
from hybridnet.dtypes import bfloat16, float16, float32, float64, is_complex, is_floating, is_inexact
from hybridnet.graph.ir import Graph, Node, Rewriter, Value
from hybridnet.graph.operators import (
    ADD,
    BROADCAST_TO,
    CAST,
    COPY,
    FULL,
    MATMUL,
    MAX,
    MIN,
    MULTIPLY,
    NEGATIVE,
    POWER,
    PROD,
    RESHAPE,
    SLICE,
    SLICE_GRAD,
    SQRT,
    SQUARE,
    SUBTRACT,
    SUM,
    TRANSPOSE,
    TRUE_DIVIDE,
)


class Call(NamedTuple):
    """A node with its operands as they are by now."""

    rewriter: Rewriter
    node: Node
    inputs: tuple[Value, ...]
    uses: dict[Value, int]

    def emit(self, op: Op, *inputs: Value, **attrs: Any) -> Value:
        """A new node's output, at the place of this call in the user's code."""
        return self.rewriter.emit(op, inputs, attrs, self.node)

    def number(self, value: float) -> Value:
        """A constant of the result's dtype."""
        return self.emit(FULL, shape=(), value=value, dtype=self.node.output.dtype)

    def is_result(self, value: Value) -> bool:
        """Whether a value has the result's shape and dtype."""
        return value.spec == self.node.output.spec

    @property
    def floating(self) -> bool:
        """Whether its result is of a floating type."""
        return is_floating(self.node.output.dtype)


class Rule(NamedTuple):
    """A rewrite with its name; ``fast``: not exact."""

    name: str
    apply: Callable[[Call], Value | None]
    fast: bool


RULES: dict[Op, list[Rule]] = {}


def rule(*ops: Op, fast: bool = False) -> Callable[[Callable[[Call], Value | None]], Callable[[Call], Value | None]]:
    """Make a function a rule for those operators."""

    def enter(function: Callable[[Call], Value | None]) -> Callable[[Call], Value | None]:
        for op in ops:
            RULES.setdefault(op, []).append(Rule(function.__name__, function, fast))
        return function

    return enter


def simplify(graph: Graph) -> Graph:
    """Apply the rules to each node in order; operands are simplified before their users."""
    rewriter = Rewriter(graph)
    uses = graph.uses()
    for node in graph.nodes:
        inputs = tuple(rewriter.of(v) for v in node.inputs)
        if node.op.kind is Kind.POINTWISE:
            inputs = without_broadcasts(rewriter, node, inputs)
        new = _rewritten(Call(rewriter, node, inputs, uses))
        if new is not None:
            rewriter.replace(node.output, new)
            continue
        if inputs != tuple(rewriter.of(v) for v in node.inputs):
            changed = node.with_inputs(inputs)
            rewriter.nodes.append(changed)
            for old, now in zip(node.outputs, changed.outputs, strict=True):
                rewriter.replace(old, now)
        else:
            rewriter.keep(node)
    return rewriter.finish()


def _rewritten(call: Call) -> Value | None:
    for _, apply, fast in RULES.get(call.node.op, ()):
        if (not fast or config.fast_math) and (new := apply(call)) is not None:
            return new
    return None


def without_broadcasts(rewriter: Rewriter, node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Read through ``broadcast_to``, and constants as scalars, where the result keeps its shape: the same elements meet.

    Not an exponent: NumPy computes x to the power of one number 2 as a square, of an array of them as a power.
    """
    if len(inputs) < 2:
        return inputs
    current = list(inputs)
    for i, v in enumerate(current):
        producer = v.node
        if producer is None or (i == 1 and node.op is POWER):
            continue
        if producer.op is BROADCAST_TO:
            small = producer.inputs[0]
        elif v.constant is not None and v.shape:
            small = rewriter.emit(FULL, (), {"shape": (), "value": v.constant, "dtype": v.dtype}, producer)
        else:
            continue
        shapes = [small.shape if j == i else w.shape for j, w in enumerate(current)]
        if np.broadcast_shapes(*shapes) == node.output.shape:
            current[i] = small
    return tuple(current)


def _made_by(value: Value, op: Op) -> Node | None:
    """The node that makes a value, if it is a call of that operator."""
    return value.node if value.node is not None and value.node.op is op else None


# -- neutral elements -------------------------------------------------------------------------------


def _is_zero(value: Value, negative: bool) -> bool:
    """Whether a value is a constant 0 of that sign; integers have one zero, which is of either. Complex ones are of two signs."""
    c = value.constant
    return (
        c is not None and c == 0 and not is_complex(value.dtype) and (not is_floating(value.dtype) or (math.copysign(1, c) < 0) is negative)
    )


@rule(MULTIPLY)
def times_one(call: Call) -> Value | None:
    """x · 1 is x: no rounding, the sign of zero and of infinity stays, NaN is NaN.

    Not of complex numbers: the parts that are 0 of the one meet infinite ones.
    """
    a, b = call.inputs
    if is_complex(call.node.output.dtype):
        return None
    return next((x for x, one in ((a, b), (b, a)) if one.constant is not None and one.constant == 1 and call.is_result(x)), None)


@rule(TRUE_DIVIDE)
def over_one(call: Call) -> Value | None:
    """x / 1 is x, as x · 1 is."""
    x, one = call.inputs
    if is_complex(call.node.output.dtype):
        return None
    return x if one.constant is not None and one.constant == 1 and call.is_result(x) else None


@rule(ADD)
def plus_nothing(call: Call) -> Value | None:
    """x + (-0.0) is x. That x + 0.0 is not: it turns -0.0 into 0.0."""
    a, b = call.inputs
    return next((x for x, zero in ((a, b), (b, a)) if _is_zero(zero, negative=True) and call.is_result(x)), None)


@rule(SUBTRACT)
def minus_nothing(call: Call) -> Value | None:
    """x - 0.0 is x. That x - (-0.0) is not: it turns -0.0 into 0.0."""
    x, zero = call.inputs
    return x if _is_zero(zero, negative=False) and call.is_result(x) else None


@rule(ADD, SUBTRACT, fast=True)
def plus_zero(call: Call) -> Value | None:
    """x + 0 and x - 0 as x: the sign of zero is lost, -0.0 stays where 0.0 should be."""
    a, b = call.inputs
    pairs = ((a, b), (b, a)) if call.node.op is ADD else ((a, b),)
    return next((x for x, zero in pairs if zero.constant is not None and zero.constant == 0 and call.is_result(x)), None)


@rule(ADD)
def plus_negative(call: Call) -> Value | None:
    """a + (-b) is a - b: that is how subtraction is defined, for both zeros too; integers wrap around alike."""
    for x, y in (call.inputs, call.inputs[::-1]):
        if negated := _made_by(y, NEGATIVE):
            return call.emit(SUBTRACT, x, negated.inputs[0])
    return None


@rule(NEGATIVE)
def negative_of_negative(call: Call) -> Value | None:
    """-(-x) is x: the sign turns twice, of zeros and NaN too; integers wrap around and back."""
    inner = _made_by(call.inputs[0], NEGATIVE)
    return inner.inputs[0] if inner else None


# -- powers -----------------------------------------------------------------------------------------


@rule(POWER)
def power_by_name(call: Call) -> Value | None:
    """x to the power of one number 1, 2 or 0.5 is x, its square, its square root: the operator computes them as such."""
    x, exponent = call.inputs
    if exponent.shape or not call.floating or not call.is_result(x):
        return None
    match exponent.constant:
        case 1:
            return x
        case 2:
            return call.emit(SQUARE, x)
        case 0.5:
            return call.emit(SQRT, x)
    return None


# -- constant factors -------------------------------------------------------------------------------


@rule(MULTIPLY, fast=True)
def gather_factors(call: Call) -> Value | None:
    """(x·a)·b as x·(a·b), and (x·a)²·b as x²·(a²·b): one rounding less, and overflow in other places.

    a·b may be more or less than the dtype holds where x·a·b is not: float16 (x·1000)·1000.
    """
    split = _scaled(call.node, call.inputs)
    if split is None or not call.floating:
        return None
    x, factor = split
    squared = _made_by(x, SQUARE)
    inner = squared.inputs[0] if squared else x
    product = _made_by(inner, MULTIPLY)
    deeper = _scaled(product, product.inputs) if product else None
    if deeper is None:
        return None
    base, other = deeper
    if squared:
        base, other = call.emit(SQUARE, base), other * other
    return call.emit(MULTIPLY, base, call.number(factor * other))


def _scaled(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, float] | None:
    """The array and the number of a product by a constant."""
    for x, c in (inputs, inputs[::-1]):
        if c.constant is not None and c.shape == () and x.constant is None and x.shape == node.output.shape:
            return x, c.constant
    return None


# -- copies, casts, views: elements as they are -------------------------------------------------------


@rule(COPY, BROADCAST_TO, RESHAPE, CAST)
def nothing_changes(call: Call) -> Value | None:
    """The operand where the result has its shape and dtype."""
    return call.inputs[0] if call.is_result(call.inputs[0]) else None


#: Which types hold every value of a narrower one.
_HOLDS = {float16: (float32, float64), bfloat16: (float32, float64), float32: (float64,)}


@rule(CAST)
def cast_of_cast(call: Call) -> Value | None:
    """There and back through a wider type is nothing, and on to another type one cast: the wider type holds every value."""
    inner = _made_by(call.inputs[0], CAST)
    if inner is None or not call.floating or inner.output.dtype not in _HOLDS.get(inner.inputs[0].dtype, ()):
        return None
    source = inner.inputs[0]
    return source if call.is_result(source) else call.emit(CAST, source, **call.node.attrs)


@rule(SLICE, SLICE_GRAD)
def whole_slice(call: Call) -> Value | None:
    """A slice of everything, and its gradient, are the operand."""
    whole = all(item[0] == "slice" and item[3] in (None, 1) for item in call.node.attrs["key"])
    return call.inputs[0] if whole and call.is_result(call.inputs[0]) else None


@rule(RESHAPE)
def reshape_of_reshape(call: Call) -> Value | None:
    """reshape(reshape(x)) is one reshape of x, or x itself where that has the shape already."""
    inner = _made_by(call.inputs[0], RESHAPE)
    if inner is None:
        return None
    source = inner.inputs[0]
    return source if call.is_result(source) else call.emit(RESHAPE, source, **call.node.attrs)


@rule(TRANSPOSE)
def transpose_of_nothing(call: Call) -> Value | None:
    """A transpose that leaves all axes where they are is its input."""
    axes = call.node.attrs["axes"]
    return call.inputs[0] if axes == tuple(range(len(axes))) else None


@rule(TRANSPOSE)
def transpose_of_transpose(call: Call) -> Value | None:
    """transpose(transpose(x)) is one transpose of x."""
    axes, inner = call.node.attrs["axes"], _made_by(call.inputs[0], TRANSPOSE)
    if inner is None:
        return None
    composed = tuple(inner.attrs["axes"][a] for a in axes)
    source = inner.inputs[0]
    return source if composed == tuple(range(len(axes))) else call.emit(TRANSPOSE, source, axes=composed)


# -- products and sums ------------------------------------------------------------------------------


def _swaps_last(axes: tuple[int, ...]) -> bool:
    n = len(axes)
    return n >= 2 and axes == (*range(n - 2), n - 1, n - 2)


@rule(TRANSPOSE)
def transpose_of_product(call: Call) -> Value | None:
    """(a b)ᵀ as bᵀ aᵀ: sums of the same products, which come out in the order that is wanted, without a copy."""
    product = _made_by(call.inputs[0], MATMUL)
    if product is None or not _swaps_last(call.node.attrs["axes"]) or call.uses.get(call.node.inputs[0], 0) != 1:
        return None
    a, b = product.inputs
    ta, tb = product.attrs.get("transpose_a", False), product.attrs.get("transpose_b", False)
    return call.emit(MATMUL, b, a, transpose_a=not tb, transpose_b=not ta)


@rule(MATMUL)
def product_of_transposes(call: Call) -> Value | None:
    """Transposes of the operands become flags: sums of the same products."""
    flags = [call.node.attrs.get("transpose_a", False), call.node.attrs.get("transpose_b", False)]
    current = list(call.inputs)
    for i, v in enumerate(call.inputs):
        inner = _made_by(v, TRANSPOSE)
        if inner is not None and _swaps_last(inner.attrs["axes"]):
            current[i], flags[i] = inner.inputs[0], not flags[i]
    if tuple(current) == call.inputs:
        return None
    return call.emit(MATMUL, *current, transpose_a=flags[0], transpose_b=flags[1])


@rule(MAX, MIN, PROD, SUM)
def reduce_one(call: Call) -> Value | None:
    """A reduction over axes of length 1 is a reshape: of one number the extremum and the product are the number.

    So is the sum, but for -0.0: sums begin with 0.0.
    """
    x = call.inputs[0]
    if x.dtype != call.node.output.dtype or not all(x.shape[a] == 1 for a in call.node.attrs["axis"]):
        return None
    if call.node.op is SUM and is_inexact(x.dtype) and not config.fast_math:
        x = call.emit(ADD, x, call.number(0.0))
    return x if call.is_result(x) else call.emit(RESHAPE, x, shape=call.node.output.shape)
