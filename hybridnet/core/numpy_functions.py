"""What NumPy calls for each operator: a table beside the records, as :mod:`~hybridnet.core.cuda_rules` is one.

The universal function that an operator is, or its ``compute`` given NumPy, unless the operator's file enters a shorter way
beside the record (:func:`on_numpy`); before it a CPU's library, where there is one (:mod:`~hybridnet.core.cpu_rules`). The
table is filled at the first call of each operator, so that one look-up is all that an eager call pays.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet.config import config
from hybridnet.core.cpu_rules import WithLibrary, has_library
from hybridnet.core.op import OPS, Op


class _Functions(dict[Op, Callable[..., Any]]):
    def __missing__(self, op: Op) -> Callable[..., Any]:
        if op.compute is None:
            raise TypeError(f"{op.name} is a composite: other operators compute it")
        function: Callable[..., Any] = getattr(np, op.ufunc) if op.ufunc is not None else functools.partial(op.compute, np)
        if has_library(op):
            function = WithLibrary(op, function, lambda: config.disabled_libraries)
        if OPS.get(op.name) is op:  # an operator that is made for one program goes with it
            self[op] = function
        return function


#: ``NUMPY_FUNCTION_OF[op](*data, **attrs)`` computes a primitive operator on NumPy arrays.
NUMPY_FUNCTION_OF: dict[Op, Callable[..., Any]] = _Functions()

#: The operators that have a shorter way, which must give what ``compute`` gives, to the bit.
SHORTER: list[Op] = []


def on_numpy(op: Op, function: Callable[..., Any]) -> Op:
    """``function(*data, **attrs)`` is how NumPy computes an operator, where there is a shorter way than ``compute``."""
    NUMPY_FUNCTION_OF[op] = function
    SHORTER.append(op)
    return op
