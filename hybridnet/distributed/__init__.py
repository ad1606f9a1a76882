"""Training by several processes, called ranks: who they are, and what they exchange.

``mpirun -n 4 python train.py`` starts four. Each trains on a part of every batch, and ``Trainer(..., kvstore='dist_sync')`` sums the
gradients. One process alone is one rank: the same program runs without ``mpirun``. The functions of arrays are operators, with
gradients, eager and in compiled functions; all ranks call them in one order, with the same shapes. ``docs/distributed.md`` has the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hybridnet.device import communicate
from hybridnet.device.groups import Group, group, mesh
from hybridnet.gluon.parameter import Parameter
from hybridnet.gluon.ranks import average_statistics as averaged
from hybridnet.gluon.ranks import give_values
from hybridnet.kvstore.dist import broadcast_arrays
from hybridnet.ops.collective.collective import all_gather, all_reduce, all_to_all, broadcast, reduce_scatter

__all__ = [
    "Group",
    "all_gather",
    "all_reduce",
    "all_to_all",
    "average_statistics",
    "barrier",
    "broadcast",
    "broadcast_parameters",
    "gather_objects",
    "group",
    "init",
    "local_rank",
    "local_size",
    "mesh",
    "rank",
    "reduce_scatter",
    "size",
]


def init() -> None:
    """Find the other ranks; a second call changes nothing. Stores of several ranks do so by themselves.

    RankError where a launcher meant several processes to belong together and MPI finds them alone. With more than one rank an exception
    that nobody catches ends all of them.
    """
    communicate.start()


def rank() -> int:
    """The number of this process, from 0."""
    return communicate.start().rank


def size() -> int:
    """How many ranks there are."""
    return communicate.start().size


def local_rank() -> int:
    """The number of this process among those on its machine: of the GPU that it should take."""
    return communicate.start().local_rank


def local_size() -> int:
    """How many ranks this machine has."""
    return communicate.start().local_size


def barrier() -> None:
    """Wait until every rank is here."""
    communicate.start().barrier()


def gather_objects(value: Any) -> list[Any]:
    """Every rank's ``value``, of any type that can be pickled, in the order of ranks."""
    return communicate.start().gather_objects(value)


def average_statistics(params: Mapping[str, Parameter]) -> None:
    """Give every rank the mean over ranks of the running statistics of ``BatchNorm``, which each has of its own batches.

    Before a rank saves, or measures; ``fit`` and ``Estimator`` do so at the end of each epoch. All ranks call it.
    """
    communicate.start()
    averaged([params[name] for name in sorted(params)])


def broadcast_parameters(params: Mapping[str, Any], root: int = 0) -> None:
    """Give every rank the values that rank ``root`` has: of parameters, or of arrays by name.

    Parameters that have none yet get rank ``root``'s when they are initialized.
    """
    communicate.start()
    values = [params[name] for name in sorted(params)]
    give_values([v for v in values if isinstance(v, Parameter)], root)
    broadcast_arrays([v for v in values if not isinstance(v, Parameter)], root)
