"""Whether gradients are finite: what loss scaling asks of all of them, as one operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import Kind, Op, Sample, Spec, apply, call, register
from hybridnet.errors import ArgumentError, DtypeError, fail
from hybridnet.ops.common import normal, samples, tensor


def _infer(*xs: Spec) -> Spec:
    if not all(dtypes.is_floating(x.dtype) for x in xs):
        fail(DtypeError, "all_finite", expected="floating arrays", got=", ".join(str(x.dtype) for x in xs))
    return Spec((), dtypes.bool_)


def _decomposed(*xs: Any) -> Any:
    found = [call("all", call("isfinite", x), axis=tuple(range(x.ndim)), keepdims=False) for x in xs]
    result = found[0]
    for one in found[1:]:
        result = call("logical_and", result, one)
    return result


ALL_FINITE = register(
    Op(
        "all_finite",
        Kind.OPAQUE,
        _infer,
        decomposition=_decomposed,
        sample=samples(
            Sample((normal(2, 3), normal(4)), differentiable=False),
            Sample((normal(3), np.array([[1.0, np.inf]])), differentiable=False),
            Sample((np.array([np.nan]),), differentiable=False),
            Sample((np.arange(3),), error=TypeError),
        ),
    )
)


def all_finite(arrays: Sequence[Any]) -> Any:
    """Whether no element of any of the arrays is infinite or NaN: a bool of no dimensions. ArgumentError if there is no array."""
    if not len(arrays):
        fail(ArgumentError, "all_finite", expected="at least one array", got="none")
    return apply(ALL_FINITE, [tensor(x) for x in arrays])
