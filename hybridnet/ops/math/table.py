"""How pointwise operators are entered: a line of a table is the whole of an operator, and its public function is made from it.

A line says how the operator promotes, its gradient, what that keeps, its CUDA functor, whether it takes complex
numbers, where its samples lie.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet.core import Kind, Op, Sample, apply, call, infer_pointwise, on_cuda, register
from hybridnet.ops.common import normal, public, uniform
from hybridnet.ops.math.slopes import PRODUCT, QUOTIENT

FUNCTIONS: dict[str, Callable[..., Any]] = {}
Rule = Callable[..., Any]


def zero_kept_where(g: Any, condition: Any) -> Any:
    """The gradient where a condition holds, element by element, else 0."""
    return call("where", condition, g, 0)


def unit_of(x: Any, size: Any) -> Any:
    """x / size, and 0 where the size is 0."""
    none = call("equal", size, 0)
    return call("where", none, 0, x / call("where", none, 1, size))


def over(g: Any, slope: Any) -> Any:
    """g / slope, element by element, and 0 where g is 0 (:mod:`hybridnet.ops.math.slopes`)."""
    return apply(QUOTIENT, (g, slope))


def times(g: Any, slope: Any) -> Any:
    """g * slope, element by element, and 0 where g is 0."""
    return apply(PRODUCT, (g, slope))


def kink(*points: tuple[Any, ...]) -> tuple[Sample, ...]:
    """A sample of points, each of them the operands and then their gradients."""
    operands = [np.array(column, np.float64) for column in zip(*points, strict=True)]
    half = len(operands) // 2
    return (Sample(tuple(operands[:half]), gradients=tuple(operands[half:])),)


def unary(
    name: str,
    doc: str,
    rule: Rule | None,
    *,
    saves: tuple[int | str, ...] = (),
    cuda: str,
    complex: str | None = None,
    domain: tuple[float, float] = (-2.0, 2.0),
    promote: str | None = "float",
    result: str = "same",
    ufunc: str | None = None,
    precision: str = "follow",
    kinks: tuple[Sample, ...] = (),
) -> None:
    """Register an operator of one operand and its public function."""
    op = register(
        Op(
            name,
            Kind.POINTWISE,
            infer_pointwise(name, result, ufunc or name),
            ufunc=ufunc or name,
            complex=complex,
            grad=(rule,) if rule else None,
            saves=saves,
            promote=promote,
            cost=8 if promote == "float" else 1,
            precision=precision,
            sample=lambda: [Sample((uniform(*domain, 2, 3),)), Sample((uniform(*domain, 4, seed=1),)), *kinks],
        )
    )
    on_cuda(op, functor=cuda)
    FUNCTIONS[name] = public(op, doc, 1)


def binary(
    name: str,
    doc: str,
    rules: tuple[Rule | None, Rule | None] | None,
    *,
    saves: tuple[Any, ...] = (),
    cuda: str,
    complex: str | None = None,
    domain: tuple[float, float] = (-2.0, 2.0),
    promote: str = "same",
    result: str = "same",
    integers: bool = False,
    ufunc: str | None = None,
    compute: Callable[..., Any] | None = None,
    precision: str = "follow",
    kinks: tuple[Sample, ...] = (),
) -> None:
    """Register an operator of two broadcasting operands and its public function."""

    def samples() -> list[Sample]:
        if integers:
            return [Sample((np.arange(6).reshape(2, 3) % 4, np.arange(3) % 3 + 1), differentiable=False), *kinks]
        a, b = uniform(*domain, 2, 3), uniform(*domain, 3, seed=1)
        return [
            Sample((a, b)),
            Sample((a, 1.5)),
            Sample((0.5, np.abs(a) + 0.1 if name == "power" else a)),
            Sample((a, uniform(*domain, 2, 1, seed=2))),
            *kinks,
            Sample((normal(2, 3), normal(4)), error=ValueError),
        ]

    op = register(
        Op(
            name,
            Kind.POINTWISE,
            infer_pointwise(name, result, ufunc or name),
            compute=compute,
            ufunc=None if compute else ufunc or name,
            out=True,
            complex=complex,
            grad=rules,
            saves=saves,
            promote=promote,
            cost=4 if promote == "float" else 1,
            precision=precision,
            sample=samples,
        )
    )
    on_cuda(op, functor=cuda)
    FUNCTIONS[name] = public(op, doc, 2)
