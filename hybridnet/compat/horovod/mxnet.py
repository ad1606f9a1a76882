"""Horovod's interface for MXNet, over :mod:`hybridnet.distributed`: names, arguments and divisors are Horovod's.

``DistributedTrainer`` and ``DistributedOptimizer`` divide by the number of ranks besides the batch size, and ``allreduce`` averages unless
told not to, as there (Horovod 0.28's documentation). Of its options those that choose how to send (``compression``, ``num_groups``,
``priority``, ``name``) are taken and change nothing in the results, but for ``Compression.fp16``: arrays travel in 16 bits. They are summed
in float32, where Horovod sums them in 16 bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hybridnet import distributed, gluon, optimizer
from hybridnet.core import call, suspended_trace
from hybridnet.device import communicate
from hybridnet.dtypes import float16, is_floating
from hybridnet.errors import ArgumentError, fail
from hybridnet.kvstore.dist import broadcast_arrays
from hybridnet.ops.collective import collective
from hybridnet.ops.collective.halves import sum_in_halves

__all__ = [
    "Compression",
    "DistributedOptimizer",
    "DistributedTrainer",
    "allgather",
    "allgather_object",
    "allreduce",
    "allreduce_",
    "broadcast",
    "broadcast_",
    "broadcast_object",
    "broadcast_parameters",
    "cross_rank",
    "cross_size",
    "gloo_built",
    "grouped_allreduce",
    "grouped_allreduce_",
    "init",
    "is_initialized",
    "local_rank",
    "local_size",
    "mpi_built",
    "mpi_enabled",
    "mpi_threads_supported",
    "nccl_built",
    "rank",
    "shutdown",
    "size",
]

local_rank, local_size, rank, size = distributed.local_rank, distributed.local_size, distributed.rank, distributed.size


def init(comm: Any = None) -> None:
    """Find the other ranks. ``comm``: None; ArgumentError for some of the ranks alone, which Horovod can have."""
    if comm is not None:
        fail(ArgumentError, "horovod.init", expected="all ranks", got=f"comm={comm!r}", fix="init()")
    distributed.init()


def shutdown() -> None:
    """Nothing: ranks part when they end."""


def is_initialized() -> bool:
    """Whether the ranks are there: they are found by the first function that asks."""
    return True


def cross_rank() -> int:
    """The number of this rank's machine, if all have as many ranks."""
    return rank() // local_size()


def cross_size() -> int:
    """How many machines there are, if all have as many ranks."""
    return -(-size() // local_size())


def mpi_built() -> bool:
    """Whether ranks are connected by MPI: yes."""
    return True


def mpi_enabled() -> bool:
    """As :func:`mpi_built`."""
    return True


def mpi_threads_supported() -> bool:
    """Whether threads may call MPI: mpi4py asks for it."""
    return True


def nccl_built() -> bool:
    """Whether arrays of GPUs go by NCCL: where CuPy has it."""
    return communicate.has_nccl()


def gloo_built() -> bool:
    """Whether ranks are connected by Gloo: no."""
    return False


class Compression:
    """In which type arrays travel: ``none``, their own, or ``fp16``."""

    none = "none"
    fp16 = "fp16"


# -- arrays -----------------------------------------------------------------------------------------


def _sum(x: Any, compression: Any) -> Any:
    if compression == Compression.fp16 and is_floating(x.dtype) and size() > 1:
        return sum_in_halves([x], float16)[0]
    return collective.all_reduce(x)


def allreduce(
    tensor: Any,
    average: bool = True,
    name: str | None = None,
    priority: int = 0,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
    compression: Any = Compression.none,
) -> Any:
    """The average over all ranks, or with ``average=False`` the sum, of an array; as an array of that shape, with a gradient."""
    factor = postscale_factor / (size() if average else 1)
    total = _sum(tensor if prescale_factor == 1 else tensor * prescale_factor, compression)
    return total if factor == 1 else total * factor


def allreduce_(tensor: Any, average: bool = True, name: str | None = None, priority: int = 0, **factors: Any) -> Any:
    """:func:`allreduce`, written to the array itself, which is returned."""
    tensor[...] = allreduce(tensor, average, **factors)
    return tensor


def grouped_allreduce(
    tensors: Sequence[Any], average: bool = True, name: str | None = None, priority: int = 0, **factors: Any
) -> list[Any]:
    """:func:`allreduce` of each array, of any shapes."""
    return [allreduce(x, average, **factors) for x in tensors]


def grouped_allreduce_(tensors: Sequence[Any], average: bool = True, name: str | None = None, priority: int = 0, **factors: Any) -> Any:
    """:func:`allreduce_` of each array, of any shapes."""
    for x in tensors:
        allreduce_(x, average, **factors)
    return tensors


def allgather(tensor: Any, name: str | None = None, priority: int = 0) -> Any:
    """All ranks' arrays joined along the first axis, in which, as in Horovod, their shapes may differ."""
    rows = distributed.gather_objects(tensor.shape[0] if tensor.ndim else 0)
    if len(set(rows)) == 1:
        return collective.all_gather(tensor)
    most = max(rows)
    padded = tensor if tensor.shape[0] == most else _padded(tensor, most)
    found = collective.all_gather(padded)
    parts = [found[i * most : i * most + n] for i, n in enumerate(rows)]
    return _joined(parts)


def _padded(x: Any, rows: int) -> Any:
    from_zeros = x[:1] * 0
    return _joined([x, *([from_zeros] * (rows - x.shape[0]))])


def _joined(parts: Sequence[Any]) -> Any:
    return call("concatenate", *parts, axis=0)


def broadcast(tensor: Any, root_rank: int, name: str | None = None, priority: int = 0) -> Any:
    """What rank ``root_rank`` has in ``tensor``, as an array of that shape."""
    return collective.broadcast(tensor, root_rank)


def broadcast_(tensor: Any, root_rank: int, name: str | None = None, priority: int = 0) -> Any:
    """:func:`broadcast`, written to the array itself, which is returned."""
    broadcast_arrays([tensor], root_rank)
    return tensor


def allgather_object(obj: Any, name: str | None = None) -> list[Any]:
    """Every rank's object, of any type that can be pickled, in the order of ranks."""
    return distributed.gather_objects(obj)


def broadcast_object(obj: Any, root_rank: int = 0, name: str | None = None) -> Any:
    """Rank ``root_rank``'s object, of any type that can be pickled."""
    return distributed.gather_objects(obj if rank() == root_rank else None)[root_rank]


def broadcast_parameters(params: Any, root_rank: int = 0, prefix: str | None = None) -> None:
    """Give every rank the values of rank ``root_rank``: of a dict of parameters, or of arrays.

    Parameters that have none yet get them when they are initialized, where Horovod leaves them as they are.
    ArgumentError for what is no dict.
    """
    if not isinstance(params, Mapping) and not hasattr(params, "keys"):
        fail(ArgumentError, "horovod.broadcast_parameters", expected="a dict of parameters or arrays", got=type(params).__name__)
    distributed.broadcast_parameters(params, root_rank)


# -- training ---------------------------------------------------------------------------------------


def _whole(name: str, gradient_predivide_factor: float) -> None:
    if gradient_predivide_factor <= 0:
        fail(ArgumentError, name, expected="a gradient_predivide_factor above 0", got=str(gradient_predivide_factor))


class DistributedTrainer(gluon.Trainer):
    """A :class:`~hybridnet.gluon.Trainer` whose gradients are averaged over ranks: summed, and divided by their number and by what
    ``step`` is given, which is the batch size of one rank.

    ``gradient_predivide_factor`` only moves a part of the division before the sum in Horovod; ArgumentError if it is not above 0.
    """

    def __init__(
        self,
        params: Any,
        optimizer: Any,
        optimizer_params: Mapping[str, Any] | None = None,
        compression: Any = Compression.none,
        gradient_predivide_factor: float = 1.0,
        prefix: str | None = None,
        num_groups: int = 0,
    ) -> None:
        _whole("DistributedTrainer", gradient_predivide_factor)
        if isinstance(optimizer, DistributedOptimizer):
            optimizer = optimizer.plain()  # which Horovod takes out too: the sum is the trainer's
        sent = {"type": "fp16"} if compression == Compression.fp16 else None
        super().__init__(params, optimizer, optimizer_params, kvstore="horovod", compression_params=sent)
        self._scale /= communicate.world().size


class DistributedOptimizer(optimizer.Optimizer):
    """``optimizer`` itself, which from now on averages gradients over ranks before each update, as ``Module`` wants it.

    Its ``rescale_grad`` is divided by the number of ranks. ArgumentError if ``gradient_predivide_factor`` is not above 0.
    """

    def __new__(cls, optimizer: Any, gradient_predivide_factor: float = 1.0, num_groups: int = 0) -> Any:
        _whole("DistributedOptimizer", gradient_predivide_factor)
        kind = type(optimizer)
        optimizer.__class__ = type(kind.__name__, (cls, kind), {"__doc__": cls.__doc__})
        optimizer.rescale_grad /= communicate.start().size
        return optimizer

    def __init__(self, optimizer: Any, gradient_predivide_factor: float = 1.0, num_groups: int = 0) -> None:
        """Nothing is left to do: it was made before."""

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """Sum the gradient (or the gradients, in a list) over ranks, and move the weight, of its shape, by it."""
        super().update(index, weight, _summed(grad), state)

    def update_multi_precision(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """As :meth:`update`, with a master copy of weights of 16 bits, of the weight's shape."""
        if self.multi_precision and weight.dtype.itemsize == 2:
            super().update_multi_precision(index, weight, _summed(grad), state)
        else:
            self.update(index, weight, grad, state)

    def plain(self) -> Any:
        """The optimizer as it was."""
        self.rescale_grad *= communicate.world().size
        self.__class__ = type(self).__mro__[2]  # type: ignore[assignment]
        return self


def _summed(grad: Any) -> Any:
    with suspended_trace():
        for g in grad if isinstance(grad, (list, tuple)) else (grad,):
            g._assign(collective.all_reduce(g))
    return grad
