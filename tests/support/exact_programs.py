"""Random programs of arithmetic that has one right answer to the bit: of every dtype, on the values that break rewrites.

As in ``programs`` a recipe is a list of small integers, and any recipe is a program. Steps are those of which IEEE 754 (or
the arithmetic of integers) fixes every bit. Where it does not fix the order of a sum, few numbers are added, or small whole ones.
The sign of a zero that comes out of a maximum is not fixed either: it is made positive.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from support.special_values import special

from hybridnet import autograd, dtypes
from hybridnet.core import NDArray, call, wrap
from hybridnet.device import cpu
from hybridnet.ops.array import selection, shape
from hybridnet.ops.array.creation import full
from hybridnet.ops.linalg import matmul
from hybridnet.ops.math import pointwise, reduction

F = pointwise.FUNCTIONS
NUMBERS = (1, 0, 0.0, -0.0, 2, 0.5, -1, 1.0, 1000, 1e-3, 1e30, 1e-30, 65504, 7e4, math.inf, -math.inf, math.nan, 3, 1e-20, True)
WHOLE = (1, 0, 2, 3, 7, 100)

Step = tuple[int, int, int, int]
Make = Callable[[Any, Any, int], Any]


def is_float(x: Any) -> bool:
    return dtypes.is_floating(x.dtype)


def number(x: Any, k: int) -> Any:
    """A constant for an operand: of any size for floats, one that the type holds for others."""
    return NUMBERS[k % len(NUMBERS)] if is_float(x) else WHOLE[k % len(WHOLE)]


def arithmetic(x: Any) -> Any:
    """An operand of arithmetic that bool has not."""
    return x if x.dtype != dtypes.bool_ else x.astype("int8")


def floating(x: Any) -> Any:
    return x if is_float(x) else x.astype("float32")


def integral(x: Any) -> Any:
    """Whole numbers of an integer type; of floats those from 0 to 100."""
    if not is_float(x):
        return x
    return selection.clip(selection.where(F["isnan"](x), 0.0, x), 0.0, 100.0).astype("int32")


def small(x: Any) -> Any:
    """Whole numbers so small that every sum and product of a few is exact; NaN stays."""
    return F["rint"](selection.clip(floating(x), -3.0, 3.0)) + 0.0


def fits(a: Any, b: Any, strict: bool) -> bool:
    """Whether two values broadcast; ``strict``: so that no more than two numbers are added up for a gradient."""
    try:
        out = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        return False
    return not strict or all(math.prod(out) <= 2 * x.size for x in (a, b))


def _unary(function: Callable[[Any], Any], prepare: Callable[[Any], Any] = lambda x: x) -> Make:
    return lambda a, b, k: function(prepare(a))


def _with_number(function: Callable[[Any, Any], Any], prepare: Callable[[Any], Any] = lambda x: x) -> Make:
    def make(a: Any, b: Any, k: int) -> Any:
        a = prepare(a)
        return function(number(a, k), a) if k % 2 else function(a, number(a, k))

    return make


def _binary(function: Callable[[Any, Any], Any], prepare: Callable[[Any], Any] = lambda x: x) -> Make:
    def make(a: Any, b: Any, k: int) -> Any:
        a, b = prepare(a), prepare(b)
        strict = is_float(a) or is_float(b)
        return function(a, b) if fits(a, b, strict) else function(a, number(a, k))

    return make


def _two_numbers(function: Callable[[Any, Any, Any], Any]) -> Make:
    return lambda a, b, k: function(floating(a), NUMBERS[k % len(NUMBERS)], NUMBERS[(k * 7 + 3) % len(NUMBERS)])


def _axes(x: Any, k: int) -> tuple[int, ...]:
    return tuple(i for i in range(x.ndim) if k >> i & 1)


def _reduce(name: str) -> Make:
    def make(a: Any, b: Any, k: int) -> Any:
        axes = _axes(a, k)
        count = math.prod(a.shape[i] for i in axes)
        if name in ("max", "min"):
            return a if count == 0 else call(name, a, axis=axes, keepdims=bool(k & 8)) + positive_zero(a)
        if is_float(a) and name in ("sum", "prod") and count > 2:
            a = small(a)
        return call(name, a, axis=axes, keepdims=bool(k & 8))

    return make


def positive_zero(x: Any) -> Any:
    """What to add so that -0.0 becomes 0.0."""
    return 0.0 if is_float(x) else 0 if x.dtype != dtypes.bool_ else False


def _extremum(name: str) -> Make:
    return _binary(lambda a, b: (y := F[name](a, b)) + positive_zero(y))


#: The types of these programs, whose steps order numbers; those of complex ones are in test_contract_dtypes.py, an operator each.
REAL = (*dtypes.FLOATS, *dtypes.INTEGERS, dtypes.bool_)


def _matmul(a: Any, b: Any, k: int) -> Any:
    x = shape.reshape(small(a), (-1, a.shape[-1] if a.ndim else 1))
    swapped = call("transpose", x, axes=(1, 0))
    if k % 3 == 2:
        return call("transpose", matmul.matmul(x, swapped), axes=(1, 0))
    return matmul.matmul(swapped, x) if k % 2 else matmul.matmul(x, swapped)


def _cast(a: Any, b: Any, k: int) -> Any:
    dtype = REAL[k % len(REAL)]
    return (a if dtypes.is_floating(dtype) or dtype == dtypes.bool_ else integral(a)).astype(dtype)


def _through(a: Any, b: Any, k: int) -> Any:
    """Casts through another type, wider or narrower, and back."""
    a = floating(a)
    return a.astype(dtypes.FLOATS[k % 4]).astype(dtypes.FLOATS[k // 4 % 4] if k % 3 else a.dtype)


def _where(a: Any, b: Any, k: int) -> Any:
    condition = (F["greater"], F["less_equal"], F["not_equal"], F["isnan"])[k % 4]
    found = condition(a) if k % 4 == 3 else condition(a, number(a, k))
    other = b if b.shape == a.shape else number(a, k + 1)
    return selection.where(found, a, other) if k % 2 else selection.where(found, other, a)


def _clip(a: Any, b: Any, k: int) -> Any:
    floats, integers = ((-1, 3), (0.5, None), (None, 0), (-1e30, 1e30), (2, 1)), ((0, 3), (1, None), (None, 100), (2, 1))
    bounds = floats[k % 5] if is_float(a) else integers[k % 4]
    y = selection.clip(a, *bounds)
    return y + positive_zero(y)


def _shift(name: str) -> Make:
    return lambda a, b, k: F[name](integral(a), k % 5)


def _reshape(a: Any, b: Any, k: int) -> Any:
    sizes = [n for n in a.shape if n != 1]
    return shape.reshape(a, [tuple(sizes), (1, *sizes), (*sizes, 1), tuple(sizes[::-1])][k % 4])


def _transpose(a: Any, b: Any, k: int) -> Any:
    order = list(range(a.ndim))
    return call("transpose", a, axes=tuple(order[k % len(order) :] + order[: k % len(order)]) if order else ())


def _slice(a: Any, b: Any, k: int) -> Any:
    items = (slice(None), slice(None, None, -1), slice(0, 1), slice(1, None), slice(None, None, 2), None)
    return a[tuple(items[(k + i) % 6] for i in range(min(a.ndim, 1 + k % 2)))]


def _parts(a: Any, b: Any, k: int) -> Any:
    """Two parts that go different ways, side by side again."""
    if a.ndim == 0 or a.shape[0] < 2:
        return a
    first, second = a[:1], a[1:]
    y = first * second[:1]
    return shape.concatenate([y, second * number(a, k) if is_float(a) else second], 0)


def _broadcast(a: Any, b: Any, k: int) -> Any:
    return a if a.size > 12 else shape.broadcast_to(a, (2, *a.shape))


def _concatenate(a: Any, b: Any, k: int) -> Any:
    other = b if b.shape == a.shape and b.dtype == a.dtype else a
    return shape.stack([a, other]) if a.ndim == 0 or a.size > 24 else shape.concatenate([a, other], k % a.ndim)


def _element(a: Any, b: Any, k: int) -> Any:
    """An element at a place that is known at run time only."""
    if a.size == 0:
        return a
    place = call("cast", call("sum", F["equal"](b, b), axis=tuple(range(b.ndim)), keepdims=False), dtype=dtypes.int64) % a.size
    return shape.reshape(a, (-1,))[place]


def _float_power(a: Any, b: Any, k: int) -> Any:
    return F["power"](floating(a), (1, 2, 0.5, 1.0, 2.0)[k % 5])


STEPS: dict[str, Make] = {
    "add": _binary(F["add"]),
    "subtract": _binary(F["subtract"], arithmetic),
    "multiply": _binary(F["multiply"]),
    "divide": _binary(F["true_divide"]),
    "floor_divide": _binary(F["floor_divide"]),
    "mod": _binary(F["mod"]),
    "add number": _with_number(F["add"]),
    "subtract number": _with_number(F["subtract"], arithmetic),
    "multiply by number": _with_number(F["multiply"]),
    "divide by number": _with_number(F["true_divide"]),
    "two factors": _two_numbers(lambda x, c, d: (x * c) * d),
    "scaled square": _two_numbers(lambda x, c, d: ((x * c) ** 2) * d),
    "two terms": _two_numbers(lambda x, c, d: (x + c) + d),
    "add negative": _binary(lambda x, y: x + -y if isinstance(y, NDArray) else x, arithmetic),
    "subtract negative": _binary(lambda x, y: -x - -y if isinstance(y, NDArray) else -x, arithmetic),
    "negative": _unary(F["negative"], arithmetic),
    "absolute": _unary(F["absolute"]),
    "sign": _unary(F["sign"], arithmetic),
    "square": _unary(F["square"]),
    "sqrt": _unary(F["sqrt"]),
    "reciprocal": _unary(F["reciprocal"]),
    "rint": _unary(F["rint"]),
    "floor": _unary(F["floor"]),
    "trunc": _unary(F["trunc"]),
    "power": _float_power,
    "power of an array": lambda a, b, k: F["power"](floating(a), full(a.shape, (1.0, 2.0)[k % 2], a.dtype if is_float(a) else "float32")),
    "whole power": lambda a, b, k: F["power"](integral(a), k % 4),
    "maximum": _extremum("maximum"),
    "minimum": _extremum("minimum"),
    "equal": _binary(F["equal"]),
    "less": _binary(F["less"]),
    "greater_equal": _with_number(F["greater_equal"]),
    "logical_and": _binary(F["logical_and"]),
    "isnan": _unary(F["isnan"]),
    "isfinite": _unary(F["isfinite"]),
    "bitwise_and": _binary(F["bitwise_and"], integral),
    "bitwise_xor": _binary(F["bitwise_xor"], integral),
    "invert": _unary(F["invert"], integral),
    "left_shift": _shift("left_shift"),
    "right_shift": _shift("right_shift"),
    "copy": lambda a, b, k: a.copy(),
    "where": _where,
    "clip": _clip,
    "cast": _cast,
    "casts": _through,
    "sum": _reduce("sum"),
    "prod": _reduce("prod"),
    "max": _reduce("max"),
    "min": _reduce("min"),
    "any": _reduce("any"),
    "mean": lambda a, b, k: reduction.mean(small(a), axis=_axes(a, k)),
    "matmul": _matmul,
    "reshape": _reshape,
    "transpose": _transpose,
    "slice": _slice,
    "parts": _parts,
    "broadcast": _broadcast,
    "concatenate": _concatenate,
    "element": _element,
}
NAMES = tuple(STEPS)


@dataclass
class ExactProgram:
    """A recipe, with the shapes and dtypes of its inputs; ``backward``: with gradients for the floating ones."""

    steps: list[Step]
    inputs: list[tuple[tuple[int, ...], str]]
    backward: bool = True

    def arrays(self, seed: int) -> list[NDArray]:
        return [wrap(NDArray, special(s, dtypes.as_dtype(t), 10 * seed + i), cpu()) for i, (s, t) in enumerate(self.inputs)]

    def forward(self, xs: list[Any]) -> list[Any]:
        """All values that no other was made from: what keeps every step alive."""
        values = list(xs)
        used: set[int] = set()
        for which, first, second, choice in self.steps:
            i, j = len(values) - 1 - first % len(values), len(values) - 1 - second % len(values)
            values.append(STEPS[NAMES[which % len(NAMES)]](values[i], values[j], choice))
            used |= {i, j}
        return [v for n, v in enumerate(values) if n not in used]

    def __call__(self, xs: list[Any]) -> list[Any]:
        """Outputs, then the gradients of the floating inputs."""
        variables = [x for x in xs if self.backward and is_float(x)]
        for x in variables:
            x.attach_grad()
        with autograd.record():
            ys = self.forward(xs)
        heads = [y for y in ys if is_float(y) and y._tape is not None]
        if variables and heads:
            autograd.backward(heads)
        return [*ys, *(x.grad for x in variables)]


SHAPES = ((), (1,), (2,), (3,), (2, 3), (1, 3), (2, 1), (0,), (2, 2, 2), (5, 4))


@st.composite
def exact_programs(draw: st.DrawFn, max_steps: int = 10) -> ExactProgram:
    step = st.tuples(st.integers(0, len(NAMES) - 1), st.integers(0, 4), st.integers(0, 4), st.integers(0, 63))
    arrays = st.tuples(st.sampled_from(SHAPES), st.sampled_from([str(t) for t in REAL]))
    steps = draw(st.lists(step, min_size=1, max_size=max_steps))
    return ExactProgram(steps, draw(st.lists(arrays, min_size=1, max_size=3)), draw(st.booleans()))


def drawn(seed: int) -> ExactProgram:
    """The program of a number: a campaign's, which need not be made small."""
    rng = np.random.default_rng(seed)
    steps = [tuple(map(int, rng.integers(0, (len(NAMES), 5, 5, 64)))) for _ in range(rng.integers(1, 13))]
    names = [str(t) for t in (*dtypes.FLOATS, *REAL)]  # floats twice as often
    inputs = [(SHAPES[rng.integers(len(SHAPES))], names[rng.integers(len(names))]) for _ in range(rng.integers(1, 4))]
    return ExactProgram(steps, inputs, bool(rng.integers(2)))  # type: ignore[arg-type]
