"""What a CPU's library knows of operators: a table beside the records, as :mod:`~hybridnet.core.cuda_rules` is one.

The array module of a CPU is NumPy, which computes every operator; what a library computes in its place is told here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet.core.array import Spec
from hybridnet.core.kernel import HostCall
from hybridnet.core.op import Op

Library = Callable[..., HostCall | None]

_LIBRARIES: dict[Op, Library] = {}


def on_cpu(op: Op, library: Library) -> Op:
    """Say which library call computes an operator on a CPU, once. Gives the operator.

    ``library(inputs, outputs, **attrs)`` (specs) gives the planned call, or None where NumPy is to compute: the library
    has none, is not there, or is slower.
    """
    if op in _LIBRARIES:
        raise ValueError(f"operator {op.name!r} has a rule for CPUs already")
    _LIBRARIES[op] = library
    return op


def host_call(op: Op, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], attrs: Any) -> HostCall | None:
    """The library call of an operator with arrays like these; None where there is none."""
    library = _LIBRARIES.get(op)
    if library is None or not all(spec.size for spec in (*inputs, *outputs)):
        return None
    return library(inputs, outputs, **attrs)


def has_library(op: Op) -> bool:
    """Whether a library may compute an operator on a CPU."""
    return op in _LIBRARIES


class WithLibrary:
    """What an eager call of an operator runs on NumPy arrays: the library where it has a call for them, else the plain function."""

    def __init__(self, op: Op, plain: Callable[..., Any], settings: Callable[[], Any]) -> None:
        """``settings``: what beside the arguments decides whether there is a call."""
        self._op, self._plain, self._settings = op, plain, settings
        self._calls: dict[Any, tuple[HostCall | None, Spec | tuple[Spec, ...]]] = {}

    def __call__(self, *data: Any, out: Any = None, **attrs: Any) -> Any:
        key = self._settings(), *[(x.shape, x.dtype) for x in data], *attrs.items()
        found = self._calls.get(key)
        if found is None:
            if len(self._calls) >= _KEPT:
                self._calls.clear()
            found = self._calls[key] = self._find(tuple([Spec(x.shape, x.dtype) for x in data]), attrs)
        call, result = found
        if call is None:
            return self._plain(*data, **attrs) if out is None else self._plain(*data, out=out, **attrs)
        if not isinstance(result, Spec):
            outs = tuple([np.empty(spec.shape, spec.dtype) for spec in result])
            call(*data, *outs)
            return outs
        if out is None:
            out = np.empty(result.shape, result.dtype)
        call(*data, out)
        return out

    def _find(self, inputs: tuple[Spec, ...], attrs: dict[str, Any]) -> tuple[HostCall | None, Spec | tuple[Spec, ...]]:
        result = self._op.infer(*inputs, **attrs)
        return host_call(self._op, inputs, (result,) if isinstance(result, Spec) else result, attrs), result


_KEPT = 4096  # combinations of shapes and attributes of one operator
