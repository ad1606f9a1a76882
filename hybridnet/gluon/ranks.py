"""What a trainer of several ranks does besides: all begin with the same parameters, and say so if they ever do not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hybridnet.core import Array, suspended_trace
from hybridnet.device import communicate
from hybridnet.dtypes import Dtype, is_floating
from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.parameter import Constant, Parameter, SplitParameter
from hybridnet.gluon.slices import group_of
from hybridnet.kvstore.dist import broadcast_arrays, described
from hybridnet.lowering.buckets import BUCKET_BYTES
from hybridnet.ops.collective.collective import all_reduce
from hybridnet.ops.collective.halves import sum_in_halves


class Ranks:
    """The part of a :class:`~hybridnet.gluon.Trainer` that knows of other ranks. It is made by all of them at once.

    Where parameters are split, gradients are summed over the ranks that have the same slices: those that train on other data.
    """

    def __init__(self, params: Sequence[Parameter], sent: Dtype | None = None) -> None:
        """``sent``: the type of 16 bits that gradients travel in, if not in their own."""
        self.sent = sent
        if (rows := next((p for p in params if not p.is_dense), None)) is not None:
            got = f"{rows.name!r} of stype {rows.stype}, grad_stype {rows.grad_stype}"
            fail(ArgumentError, "Trainer", expected="with several ranks, dense weights and gradients", got=got)
        split = group_of(params)
        self.data = None if split is None else split.across()  # None: all ranks
        self._compared = False
        shown = [(p.name, p._arrays()[0] if p._data is not None else f"{p.dtype}{p.shape}, without values yet") for p in params]
        communicate.world().agree("the parameters of a Trainer", described(shown, values=False))
        give_values(params)

    def sum_gradients(self, params: Iterable[Parameter]) -> None:
        """Make each gradient its sum over ranks."""
        if self.data is not None and self.data.size == 1:
            return
        grads = [parameter.list_grad()[0] for parameter in params]
        if self.sent is None:
            for grad in grads:
                grad._assign(all_reduce(grad, group=self.data))
            return
        for together in _messages(grads):
            for grad, total in zip(together, sum_in_halves(together, self.sent, self.data), strict=True):
                grad._assign(total)

    def compare(self, params: Iterable[Parameter], optimizer: Any) -> None:
        """Before the first step: a RankError unless all ranks have the same parameters, to the bit, and the same optimizer."""
        if self._compared:
            return
        self._compared = True
        params = [p for p in params if not _is_counted(p)]  # which the first forward has moved
        of_all, of_some = ([p for p in params if isinstance(p, SplitParameter) is split] for split in (False, True))
        lines = described([(p.name, p._arrays()[0]) for p in of_all], values=True)
        lines.append(f"{type(optimizer).__name__}: {dict(optimizer.inputs())}, learning rate {optimizer.learning_rate}")
        subject = "parameters at the first step of a Trainer"
        communicate.world().agree(subject, lines)
        if of_some and self.data is not None:
            self.data.communicator.agree(subject, described([(p.name, p._arrays()[0]) for p in of_some], values=True))

    def explain(self, scale: float, batch_size: Any) -> str:
        """What gradients are divided by."""
        size = communicate.world().size if self.data is None else self.data.size
        given = "an array" if isinstance(batch_size, Array) else batch_size
        share = f" and {1 / scale:g}" if scale != 1 else ""
        travel = "" if self.sent is None else f" (in {self.sent}, sums in float32)"
        same = "" if self.data is None else " that have the same slices of parameters"
        summed = f"summed over {size} ranks{same}{travel}, then " if size > 1 else ""
        return f"Trainer.step: gradients are {summed}divided by the batch size that step was given, {given}{share}"


def _messages(grads: Sequence[Any]) -> list[list[Any]]:
    """Gradients that travel together: of one type, the last layers' first, as a backward knows them, up to a bucket of the compiler's."""
    found: list[list[Any]] = []
    filling: dict[Dtype, tuple[list[Any], int]] = {}
    for grad in reversed(grads):
        nbytes = grad.size * grad.dtype.itemsize
        own, size = filling.get(grad.dtype, ([], 0))
        if not own or size + nbytes > BUCKET_BYTES:
            own, size = [], 0
            found.append(own)
        own.append(grad)
        filling[grad.dtype] = own, size + nbytes
    return found


def average_statistics(params: Iterable[Parameter]) -> None:
    """Give every rank the mean over ranks of what layers have counted of their own batches: the running statistics of BatchNorm."""
    counted = [x for p in params if _is_counted(p) for x in p._arrays()[:1]]
    size = communicate.world().size
    if size == 1 or not counted:
        return
    with suspended_trace():
        for dtype in dict.fromkeys(x.dtype for x in counted):
            own = [x for x in counted if x.dtype == dtype]
            found = all_reduce(*own)
            for x, total in zip(own, found if isinstance(found, tuple) else (found,), strict=True):
                x._assign(total / size)


def _is_counted(parameter: Parameter) -> bool:
    """Whether no gradient moves it, but the layer itself."""
    plain = not isinstance(parameter, (Constant, SplitParameter)) and parameter.is_dense
    return plain and not parameter._differentiable and parameter._data is not None and is_floating(parameter.dtype)


def give_values(params: Iterable[Parameter], root: int = 0) -> None:
    """Give every rank the values of rank ``root``: now, or of parameters that have none yet as soon as they are initialized.

    A slice of a parameter comes from the first rank that has it.
    """

    def give(parameter: Parameter) -> None:
        if isinstance(parameter, SplitParameter):
            broadcast_arrays(parameter._arrays(), 0, parameter.group.across().communicator)
        else:
            broadcast_arrays(parameter._arrays(), root)

    for parameter in params:
        if parameter._data is not None:
            give(parameter)
        else:
            parameter._after_init = give
