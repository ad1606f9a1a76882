"""Hooks around operators: what an imperative profiler, a monitor or the search for a NaN stands on.

A hook is a function ``around(call, compute)``: it is told of an operator's call, has it done by ``compute()`` and gives what that gave.
Without hooks they cost nothing: a thread that has one computes as it does while recording, on the slower of the two ways through ``apply``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from hybridnet import dtypes
from hybridnet.config import config
from hybridnet.core.array import Array, Spec
from hybridnet.core.op import Op
from hybridnet.core.state import Local, local
from hybridnet.errors import ArgumentError, HybridnetError, Site, fail, user_site


class OperatorCall(NamedTuple):
    """A call of an operator: the operator's name, its operands (arrays, and numbers as they were given), its attributes."""

    name: str
    inputs: tuple[Any, ...]
    attrs: Mapping[str, Any]

    @property
    def site(self) -> Site:
        """Where in the user's code, and in which block; to be asked for in the hook."""
        return user_site()


Hook = Callable[[OperatorCall, Callable[[], Any]], Any]


class operator_hook:
    """``with operator_hook(around): ...``: operator calls of this thread go through ``around(call, compute)``.

    ``call`` is an :class:`OperatorCall`; ``compute()`` does it and gives its array or tuple of arrays, and ``around`` must return those.
    Calls are told as NDArrays' methods, functions and gradients make them: not the parts of a composite operator, nor what
    a hook computes itself. Of several hooks the last is the outermost. What runs inside a compiled program is not told: that
    of a network is after ``hybridize(False)``. Also usable as ``hook = operator_hook(around)``, ``hook.attach()``, ``hook.detach()``.
    """

    def __init__(self, around: Hook) -> None:
        if not callable(around):
            fail(ArgumentError, "operator_hook", expected="a function around(call, compute)", got=type(around).__name__)
        self.around = around

    def attach(self) -> None:
        """From now on, in this thread."""
        local.set_hooks((*local.hooks, self.around))

    def detach(self) -> None:
        """No longer; an error if it is not attached in this thread."""
        hooks = list(local.hooks)
        if self.around not in hooks:
            fail(HybridnetError, "operator_hook", expected="a hook that is attached in this thread", got="one that is not")
        del hooks[len(hooks) - 1 - hooks[::-1].index(self.around)]
        local.set_hooks(tuple(hooks))

    def __enter__(self) -> operator_hook:
        self.attach()
        return self

    def __exit__(self, *exc: object) -> None:
        self.detach()


def hooked(op: Op, arrays: Sequence[Any], attrs: Mapping[str, Any], compute: Callable[[], Any]) -> Any:
    """``compute()``, an operator's call, through this thread's hooks."""
    hooks = local.set_hooks(())
    call = OperatorCall(op.name, tuple(arrays), attrs)
    try:
        for around in hooks:
            compute = functools.partial(around, call, compute)
        return compute()
    finally:
        local.set_hooks(hooks)


def stop_at_nan(call: OperatorCall, compute: Callable[[], Any]) -> Any:
    """A hook that raises an error at the first operator that gives a NaN which its operands had not."""
    result = compute()
    for array in result if isinstance(result, tuple) else (result,):
        if _has_nan(array) and not any(_has_nan(x) for x in call.inputs):
            fail(HybridnetError, call.name, expected="no NaN", got=f"NaN in its result {Spec(array.shape, array.dtype)}")
    return result


def _has_nan(x: Any) -> bool:
    return isinstance(x, Array) and dtypes.is_inexact(x.dtype) and bool((x._data != x._data).any())


if config.debug >= 3:  # of all threads: those to come, and this one
    Local.hooks = (stop_at_nan,)
    local.set_hooks(Local.hooks)
