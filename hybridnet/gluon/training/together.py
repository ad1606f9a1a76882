"""What ``fit`` and ``Estimator`` do where several ranks train: each takes its part of every batch, and what is measured is of all of them.

One rank shows, and writes files; what is said of the others is what all have come to.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy

from hybridnet.device import communicate
from hybridnet.device.communicate import Communicator
from hybridnet.device.groups import Group
from hybridnet.errors import RankError, fail
from hybridnet.gluon.slices import group_of
from hybridnet.gluon.training import saved
from hybridnet.metric import EvalMetric

_ENDED = -1  # what a rank tells in place of a batch's size when it has no more


P = ParamSpec("P")
N = TypeVar("N")
R = TypeVar("R")

_group: ContextVar[Group | None] = ContextVar("the ranks that train on other data", default=None)


def on_data(method: Callable[Concatenate[N, P], R]) -> Callable[Concatenate[N, P], R]:
    """A method of a network in which the ranks that divide layers among them have the same part of each batch."""

    @functools.wraps(method)
    def run(net: N, *args: P.args, **kwargs: P.kwargs) -> R:
        split = group_of(net.collect_params().values())  # type: ignore[attr-defined]
        token = _group.set(None if split is None else split.across())
        try:
            return method(net, *args, **kwargs)
        finally:
            _group.reset(token)

    return run


def _data() -> Communicator:
    """The ranks that have a part of each batch of their own: all, or those that have the same slices of parameters."""
    group = _group.get()
    return communicate.world() if group is None else group.communicator


def ranks() -> int:
    """How many ranks train, each on a part of its own."""
    return _data().size


def all_ranks() -> int:
    """How many ranks there are."""
    return communicate.world().size


def rank() -> int:
    """The number of this one among all."""
    return communicate.world().rank


def of_each(value: Any) -> list[Any]:
    """Every rank's value, in the order of ranks."""
    return communicate.world().gather_objects(value)


def leads() -> bool:
    """Whether this rank is the one that shows, and writes files."""
    return communicate.world().rank == 0


def heads() -> bool:
    """Whether this rank has the first part of each batch: it goes on with what all parts had added up."""
    return _data().rank == 0


def own(size: int) -> slice:
    """This rank's part of so many samples."""
    data = _data()
    return slice(size * data.rank // data.size, size * (data.rank + 1) // data.size)


def sizes(size: int, total: int | None) -> list[int]:
    """The samples of a batch on each rank: of its whole, ``total``, if all ranks know that, and else as they tell."""
    if total is not None:
        n = ranks()
        return [total * (rank + 1) // n - total * rank // n for rank in range(n)]
    return _told(size)


def ended() -> None:
    """This rank's data have come to an end. RankError unless all ranks' have."""
    _told(_ENDED)


def _told(size: int) -> list[int]:
    found: list[int] = _data().gather_objects(size)
    if _ENDED in found and set(found) != {_ENDED}:
        short = ", ".join(str(rank) for rank, n in enumerate(found) if n == _ENDED)
        fix = "gluon.data.SplitSampler, ImageRecordIter's num_parts, or last_batch='discard' on all ranks"
        fail(RankError, "fit", expected="as many batches on every rank", got=f"an end on rank {short}, and more on others", fix=fix)
    return found


def summed(values: Mapping[str, float]) -> dict[str, float]:
    """Numbers by name, each summed over ranks."""
    found = _data().gather_objects(dict(values))
    return {name: sum(each[name] for each in found) for name in values}


def summed_array(x: Any) -> Any:
    """An array's sum over ranks, on the host."""
    total = numpy.array(x.asnumpy(), order="C")
    _data().all_reduce(total, total)
    return total


def metric_of_all(metric: Any) -> Any:
    """A metric that has counted what those of all ranks have."""
    if ranks() == 1 or not isinstance(metric, EvalMetric):
        return metric
    states = _data().gather_objects(saved.snapshot(metric))
    total, *others = (_restored(metric, state) for state in states)
    for other in others:
        total.merge(other)
    return total


def merge(metric: EvalMetric) -> None:
    """Have a metric count what those of all ranks have counted."""
    if ranks() > 1:
        saved.restore(metric, saved.snapshot(metric_of_all(metric)))


def _restored(metric: EvalMetric, state: Mapping[str, Any]) -> EvalMetric:
    made = copy.deepcopy(metric)
    saved.restore(made, state)
    return made
