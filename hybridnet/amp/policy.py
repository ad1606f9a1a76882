"""Choosing the policy: the 16-bit type, and which operators compute in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hybridnet import dtypes
from hybridnet.core import OPS, Precision, find, local
from hybridnet.errors import ArgumentError, fail


def half_of(op: str, target_dtype: Any) -> dtypes.Dtype:
    """The 16-bit type of that name; ArgumentError if it is neither float16 nor bfloat16."""
    dtype = dtypes.as_dtype(target_dtype)
    if dtype not in (dtypes.float16, dtypes.bfloat16):
        fail(ArgumentError, op, expected="target_dtype float16 or bfloat16", got=repr(target_dtype))
    return dtype


def make_policy(op: str, target_dtype: Any, halved: Iterable[str] | None, kept: Iterable[str] | None) -> Precision:
    """The policy of a 16-bit type, with operators (by their names in graphs) moved from what their records say.

    ArgumentError if the type is neither float16 nor bfloat16, or an operator is in two lists.
    """
    dtype = half_of(op, target_dtype)
    lists = [frozenset(find(name).name for name in names or ()) for names in (halved, kept)]
    if both := lists[0] & lists[1]:
        fail(ArgumentError, op, expected="operators in one list", got=f"{', '.join(sorted(both))} in both")
    return Precision(dtype, *lists)


#: An operator, the name of an attribute, and its values.
Condition = tuple[str, str, Iterable[Any]]


def kept_wide(fp32_ops: Iterable[str] | None, conditional_fp32_ops: Iterable[Condition] | None) -> list[str]:
    """The operators that are to compute in float32, those on a condition whatever their attributes are."""
    return [*(fp32_ops or ()), *(name for name, _, _ in conditional_fp32_ops or ())]


def init(
    target_dtype: Any = "float16",
    target_precision_ops: Iterable[str] | None = None,
    conditional_fp32_ops: Iterable[Condition] | None = None,
    fp32_ops: Iterable[str] | None = None,
) -> None:
    """Compute in mixed precision from here on, in all threads.

    ``target_dtype``: ``float16`` (then scale the loss, see :func:`scale_loss`) or ``bfloat16``; ``float32`` ends it.
    ``target_precision_ops`` and ``fp32_ops``: names of operators, as ``net.graph(x)`` shows them, that are to compute in
    the 16-bit type, or in float32, whatever :func:`list_lp16_ops` and its like say. Operators of ``conditional_fp32_ops`` (name, attribute,
    values) compute in float32 too, with any values. Another policy compiles anew.
    """
    off = dtypes.as_dtype(target_dtype) == dtypes.float32
    # On the class, where every thread finds it.
    type(local).precision = (
        None if off else make_policy("amp.init", target_dtype, target_precision_ops, kept_wide(fp32_ops, conditional_fp32_ops))
    )


def _named(rule: str, target_dtype: Any) -> list[str]:
    policy = make_policy("amp", target_dtype, None, None)
    return sorted(name for name, op in OPS.items() if policy.of(op) == rule)


def list_lp16_ops(target_dtype: Any = "float16") -> list[str]:
    """The operators that compute in the 16-bit type: those that gain from it."""
    return _named("half", target_dtype)


def list_fp32_ops(target_dtype: Any = "float16") -> list[str]:
    """The operators that compute in float32: those that need its range or its digits."""
    return _named("float32", target_dtype)


def list_lp16_fp32_ops(target_dtype: Any = "float16") -> list[str]:
    """The operators that compute in what they are given; of several types in the widest."""
    return _named("follow", target_dtype)


def list_widest_type_cast(target_dtype: Any = "float16") -> list[str]:
    """The operators that of several types compute in the widest: the same as :func:`list_lp16_fp32_ops`."""
    return list_lp16_fp32_ops(target_dtype)


def list_conditional_fp32_ops(target_dtype: Any = "float16") -> list[Condition]:
    """The operators whose type depends on an attribute: none."""
    half_of("amp", target_dtype)
    return []


def list_loss_output_functions(target_dtype: Any = "float16") -> list[str]:
    """MXNet's operators that are outputs with a loss as their gradient; they compute in float32."""
    half_of("amp", target_dtype)
    return ["SoftmaxOutput", "LinearRegressionOutput", "LogisticRegressionOutput", "MAERegressionOutput"]


def list_lp16_use_fp32_params(target_dtype: Any = "float16") -> dict[str, list[str]]:
    """The operators that take 16-bit data with parameters of float32, and the names of their inputs, of parameters alone."""
    half_of("amp", target_dtype)
    return {name: ["", "gamma", "beta", "moving_mean", "moving_var"] for name in ("BatchNorm", "BatchNormWithReLU")}
