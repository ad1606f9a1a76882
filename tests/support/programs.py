"""Random programs: hypothesis draws recipes, which run the same on arrays and on tracers.

A recipe is a list of steps ``(which, first, second, choice)`` of small integers. A step takes its
operands from the values so far and what it must know (axes, shapes) from their shapes, so that any
recipe is a valid program. Bounds on the values' size are carried along, to keep clear of overflow.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from hybridnet import autograd
from hybridnet.core import NDArray, array, call
from hybridnet.lowering.copies import same_axes
from hybridnet.ops.array import selection, shape
from hybridnet.ops.linalg import matmul
from hybridnet.ops.math import pointwise, reduction

F = pointwise.FUNCTIONS
LIMIT = 30.0


class Bounded(NamedTuple):
    """A floating array and a number that its elements are below in size."""

    x: Any
    bound: float


Make = Callable[[Bounded, Bounded, int], Bounded]


def _unary(name: str, bound: Callable[[float], float]) -> Make:
    return lambda a, b, k: Bounded(F[name](a.x), bound(a.bound))


def _binary(function: Callable[[Any, Any], Any], bound: Callable[[float, float], float]) -> Make:
    """Of two values if they broadcast, else of one and a number, on either side."""

    def make(a: Bounded, b: Bounded, k: int) -> Bounded:
        number = (0.5, 2, -1.5, 1, 0)[k % 5]
        try:
            np.broadcast_shapes(a.x.shape, b.x.shape)
        except ValueError:
            return Bounded(function(a.x, number) if k % 2 else function(number, a.x), bound(a.bound, 2))
        return Bounded(function(a.x, b.x), bound(a.bound, b.bound))

    return make


def _axes(x: Any, k: int) -> tuple[int, ...]:
    """Some axes, possibly none or all."""
    return tuple(i for i in range(x.ndim) if k >> i & 1)


def _reduce(function: Callable[..., Any], grows: bool) -> Make:
    def make(a: Bounded, b: Bounded, k: int) -> Bounded:
        axes = _axes(a.x, k)
        count = math.prod(a.x.shape[i] for i in axes)
        y = function(a.x, axis=axes, keepdims=bool(k & 8))
        return Bounded(y, a.bound * count if grows else a.bound + math.log(count) + 1)

    return make


def _reshape(a: Bounded, b: Bounded, k: int) -> Bounded:
    sizes = [n for n in a.x.shape if n != 1]
    shapes = [tuple(sizes), (-1,), (1, *sizes), (*sizes, 1), (-1, sizes[-1]) if sizes else (1, 1), tuple(sizes[::-1])]
    return Bounded(shape.reshape(a.x, shapes[k % len(shapes)]), a.bound)


def _transpose(a: Bounded, b: Bounded, k: int) -> Bounded:
    order = list(range(a.x.ndim))
    for i in range(len(order)):
        order.insert(k % len(order), order.pop(i))
    return Bounded(shape.transpose(a.x, order), a.bound)


def _slice(a: Bounded, b: Bounded, k: int) -> Bounded:
    items = (slice(None), slice(None, None, -1), 0, slice(0, 1), slice(None, None, 2), None, -1, Ellipsis)
    key = [items[(k + i) % 8] for i in range(min(a.x.ndim, 1 + k % 2))]
    return Bounded(a.x[tuple(key[: key.index(Ellipsis) + 1] if Ellipsis in key else key)], a.bound)


def _broadcast(a: Bounded, b: Bounded, k: int) -> Bounded:
    if a.x.size > 64:
        return a
    return Bounded(shape.broadcast_to(a.x, ((2, *a.x.shape), (3, 1, *a.x.shape), a.x.shape)[k % 3]), a.bound)


def _concatenate(a: Bounded, b: Bounded, k: int) -> Bounded:
    if a.x.ndim == 0 or a.x.size > 64:
        return Bounded(shape.stack([a.x, a.x]), a.bound)
    axis = k % a.x.ndim
    other = b if b.x.shape == a.x.shape else a
    return Bounded(shape.concatenate([a.x, other.x], axis), max(a.bound, other.bound))


def _where(a: Bounded, b: Bounded, k: int) -> Bounded:
    other = b if b.x.shape == a.x.shape else Bounded(0.25, 1)
    condition = (F["greater"], F["less_equal"], F["not_equal"])[k % 3](a.x, 0.1)
    return Bounded(selection.where(condition, a.x, other.x), max(a.bound, other.bound))


def _matmul(a: Bounded, b: Bounded, k: int) -> Bounded:
    """A product with the other value if the shapes allow one, else with itself; transposed operands, too."""
    x, y = (v if v.ndim >= 2 else shape.reshape(v, (1, -1)) for v in (a.x, b.x))
    if x.shape[-1] == y.shape[-1] and (x.ndim == 2 or y.ndim == 2):
        z, inner = matmul.matmul(x, call("transpose", y, axes=(*range(y.ndim - 2), y.ndim - 1, y.ndim - 2))), x.shape[-1]
        bound = a.bound * b.bound * inner
    else:
        swapped = call("transpose", x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))
        z, inner = (matmul.matmul(x, swapped), x.shape[-1]) if k % 2 else (matmul.matmul(swapped, x), x.shape[-2])
        bound = a.bound * a.bound * inner
    return Bounded(z, bound) if z.size <= 200 else Bounded(z[..., :3, :3], bound)


def _through(dtype: str) -> Make:
    return lambda a, b, k: Bounded(a.x.astype(dtype).astype("float64"), a.bound)


def _softmax(a: Bounded, b: Bounded, k: int) -> Bounded:
    """Reductions between pointwise operators, the pattern that fusion is for."""
    if a.x.ndim == 0:
        return a
    axis = k % a.x.ndim
    e = F["exp"](a.x - reduction.max(a.x, axis=axis, keepdims=True))
    return Bounded(e / reduction.sum(e, axis=axis, keepdims=True), 1)


STEPS: tuple[Make, ...] = (
    _unary("tanh", lambda m: 1),
    _unary("sin", lambda m: 1),
    _unary("arctan", lambda m: 2),
    _unary("negative", lambda m: m),
    _unary("absolute", lambda m: m),
    _unary("square", lambda m: m * m),
    lambda a, b, k: Bounded(a.x.copy(), a.bound),
    lambda a, b, k: Bounded(F["exp"](-F["absolute"](a.x)), 1),
    lambda a, b, k: Bounded(F["sqrt"](F["square"](a.x) + 1), a.bound + 1),
    lambda a, b, k: Bounded(1 / (F["absolute"](a.x) + 0.5), 2),
    lambda a, b, k: Bounded(F["power"](a.x, (2, 3, 1)[k % 3]), a.bound**3 + 1),
    lambda a, b, k: Bounded(selection.clip(a.x, -0.7, (0.7, None)[k % 2]), a.bound),
    _binary(F["add"], lambda m, n: m + n),
    _binary(F["subtract"], lambda m, n: m + n),
    _binary(F["multiply"], lambda m, n: m * n),
    _binary(lambda x, y: F["true_divide"](x, F["absolute"](y) + 1) if isinstance(y, NDArray) else x / 1.5, lambda m, n: m),
    _binary(F["maximum"], max),
    _binary(F["minimum"], max),
    _binary(lambda x, y: F["arctan2"](x, F["absolute"](y) + 1 if isinstance(y, NDArray) else 1.5), lambda m, n: 4),
    _binary(F["logaddexp"], lambda m, n: max(m, n) + 1),
    _where,
    _reduce(reduction.sum, True),
    _reduce(reduction.mean, True),
    _reduce(reduction.max, False),
    _reduce(reduction.min, False),
    _reduce(reduction.logsumexp, False),
    _reduce(reduction.var, True),
    _reshape,
    _transpose,
    _slice,
    _broadcast,
    _concatenate,
    _matmul,
    _through("float32"),
    _through("bool"),
    _softmax,
)

Step = tuple[int, int, int, int]


@dataclass
class Program:
    """A recipe with the shapes of its inputs and of the state arrays that it reads and writes."""

    steps: list[Step]
    inputs: list[tuple[int, ...]]
    states: list[tuple[int, ...]] = field(default_factory=list)
    backward: bool = True

    def arrays(self, shapes: list[tuple[int, ...]], seed: int) -> list[NDArray]:
        rng = np.random.default_rng(seed)
        return [array(rng.uniform(-2, 2, s)) for s in shapes]

    def forward(self, xs: list[Any], states: list[Any]) -> list[Any]:
        """All values that no other was made from: what keeps every step alive."""
        values = [Bounded(x, 2) for x in (*xs, *states)]
        used: set[int] = set()
        for which, first, second, choice in self.steps:
            i, j = first % len(values), second % len(values)
            made = STEPS[which % len(STEPS)](values[-1 - i], values[-1 - j], choice)
            if made.bound > LIMIT:
                made = Bounded(F["tanh"](made.x), 1)
            used |= {len(values) - 1 - i, len(values) - 1 - j}
            values.append(made)
        return [v.x for n, v in enumerate(values) if n not in used]

    def __call__(self, xs: list[Any], states: list[Any]) -> list[Any]:
        """Outputs, then the gradients of their sum with respect to ``xs``; states move on."""
        if self.backward:
            for x in xs:
                x.attach_grad()
        with autograd.record():
            ys = self.forward(xs, states)
        if self.backward:
            heads = [y for y in ys if y._tape is not None]
            if heads:
                autograd.backward(heads)
        ys = [y.copy() for y in ys]  # a returned view of a state would see it move on, which a compiled function refuses
        for i, state in enumerate(states):
            y = ys[i % len(ys)]
            if same_axes(y.shape, state.shape):
                state[...] = shape.reshape(F["tanh"](y), state.shape)
            else:
                state[...] = F["tanh"](state * 0.5 + reduction.mean(y))
        return [*ys, *(x.grad for x in xs if self.backward)]


_SHAPES = st.lists(st.sampled_from([1, 2, 3, 5]), min_size=0, max_size=3).map(tuple)


@st.composite
def programs(draw: st.DrawFn, max_steps: int = 12, backward: bool = True, states: bool = True) -> Program:
    step = st.tuples(st.integers(0, len(STEPS) - 1), st.integers(0, 5), st.integers(0, 5), st.integers(0, 15))
    return Program(
        draw(st.lists(step, min_size=1, max_size=max_steps)),
        draw(st.lists(_SHAPES, min_size=1, max_size=3)),
        draw(st.lists(_SHAPES, max_size=2)) if states else [],
        backward,
    )
