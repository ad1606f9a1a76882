"""``sym.contrib``: the operators of ``nd.contrib``, as symbols."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from hybridnet import absent
from hybridnet.errors import ArgumentError, fail
from hybridnet.ndarray.contrib_more import GRAPHS
from hybridnet.symbol import random, register
from hybridnet.symbol.control_flow import cond, foreach, while_loop
from hybridnet.symbol.symbol import Symbol

globals().update({**register.functions("contrib"), **GRAPHS})

__all__ = [*register.functions("contrib"), *GRAPHS, "cond", "foreach", "rand_zipfian", "while_loop"]


def rand_zipfian(true_classes: Symbol, num_sampled: int, range_max: int) -> tuple[Any, Any, Any]:
    """Classes below ``range_max`` drawn by about Zipf's law, and how often each of ``true_classes`` and of those is expected.

    Three symbols: int64 (num_sampled,), and float64 of the shape of each. ArgumentError for a ``range_max`` below 1.
    """
    if range_max < 1:
        fail(ArgumentError, "rand_zipfian", expected="a range_max of 1 or more", got=str(range_max))
    span = math.log(range_max + 1)
    drawn: Any = random.uniform(0, span, shape=(num_sampled,), dtype="float64")
    sampled = (drawn.exp() - 1).astype("int64") % range_max

    def expected(classes: Any) -> Any:
        c = classes.astype("float64")
        return ((c + 2.0) / (c + 1.0)).log() / span * num_sampled

    return sampled, expected(true_classes), expected(sampled)


if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
else:
    __getattr__ = absent.teller(__name__)
