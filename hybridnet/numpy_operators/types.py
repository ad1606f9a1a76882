"""What is known of the dtypes of operators of ``np``: rules as in :mod:`hybridnet.ndarray.types`."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from hybridnet import dtypes
from hybridnet.dtypes import Dtype
from hybridnet.ndarray.record import Attributes, TypeRule, all_one

Known = Mapping[str, Dtype | None]
Outputs = Sequence[Dtype | None]


def promoted(inputs: Known, outputs: Outputs, a: Attributes) -> Any:
    """Inputs of any dtypes, and results of what they have in common; of those that are not known the others say."""
    known = [t for t in (*inputs.values(), *outputs) if t is not None]
    if not known:
        return dict(inputs), list(outputs)
    found = {key: known[0] if t is None else t for key, t in inputs.items()}
    return found, [functools.reduce(dtypes.promote, found.values())] * len(outputs)


def truth(inputs: Known, outputs: Outputs, a: Attributes) -> Any:
    """Whatever the inputs are, true or false."""
    return promoted(inputs, (), a)[0], [dtypes.bool_] * len(outputs)


def floating(inputs: Known, outputs: Outputs, a: Attributes) -> Any:
    """Results of what the inputs have in common, or float32 if these are integers; of the attribute ``dtype``, if there is one."""
    found, results = promoted(inputs, outputs, a)
    own = a.get("dtype")
    return found, [dtypes.as_dtype(own) if own is not None else None if t is None else dtypes.floating(t) for t in results]


def of_dtype(inputs: Known, outputs: Outputs, a: Attributes) -> Any:
    """Results of the attribute ``dtype``, or as the inputs are without."""
    found, results = promoted(inputs, outputs, a)
    return found, [dtypes.as_dtype(a["dtype"])] * len(outputs) if a["dtype"] is not None else results


def weighed(inputs: Known, outputs: Outputs, a: Attributes) -> Any:
    """Counts, which are int64, or sums of weights, which are of their dtype; the two inputs say nothing of each other."""
    return dict(inputs), [inputs.get("weights", dtypes.int64)]


def chosen(inputs: Known, outputs: Outputs, a: Attributes) -> Any:
    """A condition of any dtype, and results of what the other inputs have in common."""
    found, results = promoted({key: t for key, t in inputs.items() if key != "condition"}, outputs, a)
    return {**inputs, **found}, results


def float_unless_told(default: Dtype = dtypes.float32) -> TypeRule:
    """Results of the attribute ``dtype``, or of ``default``; the inputs are of one dtype, whichever."""

    def rule(inputs: Known, outputs: Outputs, a: Attributes) -> Any:
        own = a.get("dtype")
        return all_one(inputs, (), a)[0], [default if own is None else dtypes.as_dtype(own)] * len(outputs)

    return rule
