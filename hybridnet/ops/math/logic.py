"""Comparisons, logic and operations on bits: pointwise operators without gradients, one table."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet.core import Kind, Op, Sample, infer_pointwise, on_cuda, register
from hybridnet.ops.common import public
from hybridnet.ops.math.table import FUNCTIONS, binary, unary


def _of_truths(function: Callable[..., Any]) -> Callable[..., Any]:
    """A logical function to which numbers are true or false as they are, not as the other operand's type would round them."""

    @functools.wraps(function)
    def of_truths(x1: Any, x2: Any) -> Any:
        return function(*(bool(x) if isinstance(x, (int, float)) else x for x in (x1, x2)))

    return of_truths


for _name, _sign in {"equal": "==", "not_equal": "!=", "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">="}.items():
    _ordered = None if _sign in "<=" or ">" in _sign else "direct"  # complex numbers have no order
    binary(_name, f"x1 {_sign} x2, element by element, as bool.", None, cuda=f"({{0}} {_sign} {{1}})", result="bool", complex=_ordered)
for _name, _sign in {"logical_and": "&&", "logical_or": "||", "logical_xor": "!="}.items():
    binary(
        _name,
        f"{_name.removeprefix('logical_')} of the truth of x1 and x2, as bool.",
        None,
        cuda=f"(({{0}} != 0) {_sign} ({{1}} != 0))",
        result="bool",
        complex="direct",
    )
    FUNCTIONS[_name] = _of_truths(FUNCTIONS[_name])
for _name, _sign in {"bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^"}.items():
    binary(_name, f"x1 {_sign} x2 on the bits of integers.", None, cuda=f"({{0}} {_sign} {{1}})", integers=True)
for _name, _sign in {"left_shift": "<<", "right_shift": ">>"}.items():
    binary(_name, f"x1 {_sign} x2 on the bits of integers.", None, cuda=f"hn_{_name}({{0}}, {{1}})", integers=True, promote="number")
for _name in ("gcd", "lcm"):
    binary(_name, f"The {_name} of integers.", None, cuda=f"hn_{_name}({{0}}, {{1}})", integers=True)
unary("logical_not", "Whether x is zero, as bool.", None, cuda="({0} == 0)", result="bool", promote=None, complex="direct")
unary("isnan", "Whether x is not a number.", None, cuda="isnan({0})", result="bool", promote="float", complex="direct")
unary("isinf", "Whether x is infinite.", None, cuda="isinf({0})", result="bool", promote="float", complex="direct")
unary("isfinite", "Whether x is neither infinite nor NaN.", None, cuda="isfinite({0})", result="bool", promote="float", complex="direct")
INVERT = register(
    Op(
        "invert",
        Kind.POINTWISE,
        infer_pointwise("invert", ufunc="invert"),
        ufunc="invert",
        sample=lambda: [Sample((np.arange(6).reshape(2, 3),), differentiable=False)],
    )
)
on_cuda(INVERT, functor="hn_invert({0})")
FUNCTIONS["invert"] = public(INVERT, "The bits of integers flipped; not x for bool.", 1)
