"""What a trainer minds of parameters that are split among ranks (:class:`~hybridnet.gluon.parameter.SplitParameter`): norms and files.

A norm of a parameter, which LAMB and LARS go by, is of the whole, so a sum over the ranks that have its slices. Files have whole states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from hybridnet.core import call
from hybridnet.device.groups import Group
from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.parameter import Parameter, SplitParameter
from hybridnet.ops.collective.collective import all_reduce
from hybridnet.optimizer import Optimizer
from hybridnet.optimizer.layerwise import norms_by


def group_of(params: Iterable[Parameter]) -> Group | None:
    """The group of several ranks that parameters are split among, if some are. ArgumentError if there are several groups."""
    groups = {p.group for p in params if isinstance(p, SplitParameter)}
    if len(groups) > 1:
        got = " and ".join(str(g.parts) for g in groups)
        fail(ArgumentError, "Trainer", expected="parameters split among the ranks of one group", got=got, fix="a Trainer for each")
    found = groups.pop() if groups else None
    return None if found is None or found.size == 1 else found


def by_element(kind: type[Optimizer]) -> bool:
    """Whether a rule goes by elements, and norms: as the class says that has the rule; one with another rule must say it anew."""
    for c in kind.__mro__:
        if "by_element" in vars(c):
            return bool(vars(c)["by_element"])
        if "rule" in vars(c) or "rule_of" in vars(c):
            return False
    return False


def update_all(optimizer: Optimizer, params: Sequence[Parameter], entries: Sequence[tuple[Any, ...]], *how: Any) -> None:
    """``optimizer.update_all``, in which norms are of whole parameters. ArgumentError for an optimizer that needs more of them."""
    group = group_of(params[i] for i, *_ in entries)
    if group is None:
        optimizer.update_all(entries, *how)
        return
    if not by_element(type(optimizer)):
        fail(
            ArgumentError,
            "Trainer",
            expected="with split parameters an optimizer whose rule goes by elements, and by norms of parameters",
            got=type(optimizer).__name__,
            fix="by_element = True in its class, if that is what it does",
        )
    split = [isinstance(params[i], SplitParameter) for i, *_ in entries]
    optimizer.update_all([e for e, is_split in zip(entries, split, strict=True) if not is_split], *how)
    with norms_by(
        lambda x: call("sqrt", all_reduce(call("sum", call("square", x), axis=tuple(range(x.ndim)), keepdims=False), group=group))
    ):
        optimizer.update_all([e for e, is_split in zip(entries, split, strict=True) if is_split], *how)


def mapped(state: Any, function: Callable[[Any], Any]) -> Any:
    """A state, nested in tuples, with each array replaced."""
    return tuple(mapped(s, function) for s in state) if isinstance(state, tuple) else None if state is None else function(state)


def whole_of(p: Parameter | None, x: Any) -> Any:
    """Of a split parameter's array of numbers by element the whole, for which all ranks call it; another's as it is."""
    return p.whole_of(x) if isinstance(p, SplitParameter) else x


def slice_of(p: Parameter | None, x: Any) -> Any:
    """Of a whole array of a split parameter this rank's slice; another's as it is."""
    return p.slice_of(x) if isinstance(p, SplitParameter) else x


def whole_states(params: Sequence[Parameter], states: Mapping[str, Any]) -> dict[str, Any]:
    """States by the numbers of their parameters (``3``, or ``3@1`` on the second device): those of slices whole."""
    return {key: mapped(s, partial(whole_of, _of(params, key))) for key, s in states.items()}


def own_arrays(params: Sequence[Parameter], arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays of a file of states by name (``3.0.1``): of those of split parameters this rank's slices."""
    return {name: slice_of(_of(params, name), x) for name, x in arrays.items()}


def _of(params: Sequence[Parameter], name: str) -> Parameter | None:
    number = name.partition(".")[0].partition("@")[0]
    return params[int(number)] if number.isdecimal() and int(number) < len(params) else None
