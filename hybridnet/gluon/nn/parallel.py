"""Layers divided among the ranks of a group (tensor parallelism: Shoeybi et al., arXiv 1909.08053): each has a part of the weights.

All ranks of the group call them with the same inputs, and get the same outputs; what lies between a layer that is split by outputs
(columns, as x · W has them) and one that is split by inputs (rows) is divided, and costs one sum over ranks forward and one backward.
Parameters are :class:`~hybridnet.gluon.parameter.SplitParameter` s: first values and files are those of one rank.
"""

from __future__ import annotations

from typing import Any

from hybridnet.core import call
from hybridnet.core.random import alike
from hybridnet.device.groups import Group
from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.block import HybridBlock
from hybridnet.gluon.nn.basic import Dense, Dropout
from hybridnet.gluon.parameter import SplitParameter
from hybridnet.gluon.symbolic import is_symbolic
from hybridnet.ops.collective.collective import all_gather, all_reduce, replicate


def entered(x: Any, group: Group | None) -> Any:
    """``x``, which all ranks of a group have, for each to compute a part with; without a group ``x``. ArgumentError for a symbol."""
    if group is None or group.size == 1:
        return x
    if is_symbolic((x,)):
        fix = "exporting the same network without group=, into which the file of this one is loaded"
        fail(ArgumentError, "parallel layers", expected="arrays", got="a symbol, which knows of no ranks", fix=fix)
    return replicate(x, group)


def summed(x: Any, group: Group) -> Any:
    """The sum of what the ranks of a group have computed as parts of one thing."""
    return x if group.size == 1 else all_reduce(x, group=group, once=True)


def joined(x: Any, group: Group) -> Any:
    """The parts that the ranks of a group have, one after another along the last axis."""
    if group.size == 1:
        return x
    last = x.ndim - 1
    gathered = all_gather(call("transpose", x, axes=(last, *range(last))), group, once=True)
    return call("transpose", gathered, axes=(*range(1, x.ndim), 0))


class DividedDense(Dense):
    """This rank's outputs of a Dense layer of ``units``, of inputs that were :func:`entered`: what attention makes queries by."""

    def __init__(self, units: int, group: Group, *args: Any, **kwargs: Any) -> None:
        self._group = group
        super().__init__(units, *args, **kwargs)
        self._units = units // group.size

    def _made(self, name: str, shape: tuple[int, ...], **settings: Any) -> Any:
        return SplitParameter(name, self._group, 0, shape, **settings)

    def __repr__(self) -> str:
        shape = self.weight.shape
        return f"{type(self).__name__}({(shape and shape[1]) or None} -> {self._units} of {self._units * self._group.size})"


class ColumnParallelDense(DividedDense):
    """A :class:`~hybridnet.gluon.nn.Dense` of ``units`` outputs, of which each rank of ``group`` has its part: (batch, ..., units / ranks).

    With ``gather_output`` all ranks get all of them. ShapeError unless the ranks divide ``units``. Other arguments are those of ``Dense``.
    """

    def __init__(self, units: int, group: Group, *args: Any, gather_output: bool = False, **kwargs: Any) -> None:
        super().__init__(units, group, *args, **kwargs)
        self._gather_output = gather_output

    def hybrid_forward(self, F: Any, x: Any, weight: Any, bias: Any = None) -> Any:
        y = super().hybrid_forward(F, entered(x, self._group), weight, bias)
        return joined(y, self._group) if self._gather_output else y


class RowParallelDense(Dense):
    """A :class:`~hybridnet.gluon.nn.Dense` of divided inputs, (batch, ..., in_units / ranks) on each rank of ``group``.

    All ranks get all ``units`` outputs: the sum of their products, plus the bias. ``in_units``: of all ranks together, found at the first
    call. ShapeError unless the ranks divide it.
    """

    def __init__(self, units: int, group: Group, *args: Any, **kwargs: Any) -> None:
        self._group = group
        super().__init__(units, *args, **kwargs)

    def _made(self, name: str, shape: tuple[int, ...], **settings: Any) -> Any:
        return SplitParameter(name, self._group, 1, shape, **settings) if name == "weight" else super()._made(name, shape, **settings)

    def hybrid_forward(self, F: Any, x: Any, weight: Any, bias: Any = None) -> Any:
        y = F.FullyConnected(x, weight, None, num_hidden=self._units, no_bias=True, flatten=self._flatten, name="fwd")
        y = summed(y, self._group)
        y = y if bias is None else F.broadcast_add(y, bias)
        return y if self.act is None else self.act(y)

    def __repr__(self) -> str:
        shape = self.weight.shape
        own = (shape and shape[1]) or None
        return f"{type(self).__name__}({own} of {own and own * self._group.size} -> {self._units})"


class VocabParallelEmbedding(HybridBlock):
    """An :class:`~hybridnet.gluon.nn.Embedding` of ``input_dim`` rows, of which each rank of ``group`` has as many.

    All get the whole result. ShapeError unless the ranks divide ``input_dim``.
    """

    def __init__(
        self, input_dim: int, output_dim: int, group: Group, dtype: Any = "float32", weight_initializer: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._group, self._rows, self._units, self._dtype = group, input_dim // group.size, output_dim, dtype
        with self.name_scope():
            self.weight = SplitParameter("weight", group, 0, (input_dim, output_dim), init=weight_initializer, dtype=dtype)

    def hybrid_forward(self, F: Any, x: Any, weight: Any) -> Any:
        given = {"input_dim": self._rows, "output_dim": self._units, "dtype": self._dtype}
        if self._group.size == 1:
            return F.Embedding(x, weight, name="fwd", **given)
        at, own = own_classes(F, x, self._group, self._rows)
        rows = F.Embedding(at, weight, name="fwd", **given)
        return summed(F.broadcast_mul(rows, F.expand_dims(F.cast(own, dtype=weight.dtype), axis=-1)), self._group)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._rows} of {self._rows * self._group.size} -> {self._units}, {self._dtype})"


def own_classes(F: Any, numbers: Any, group: Group, own: int) -> tuple[Any, Any]:
    """Of class numbers, each rank having ``own``: their places among this rank's, some number where they are not, and where they are."""
    at = numbers - group.rank * own
    return F.clip(at, 0, own - 1), (at >= 0) * (at < own)


class GroupDropout(Dropout):
    """A :class:`~hybridnet.gluon.nn.Dropout` of what the ranks of ``group`` have alike: the same elements are dropped on all of them."""

    def __init__(self, rate: float, group: Group, **kwargs: Any) -> None:
        super().__init__(rate, **kwargs)
        self._group = group

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        with alike(self._group.number):
            return super().hybrid_forward(F, x)


def outputs_divided(units: int, group: Group | None, **given: Any) -> Any:
    """A Dense layer of inputs that were :func:`entered`, by outputs divided among a group, if there is one."""
    return Dense(units, **given) if group is None else DividedDense(units, group, **given)


def inputs_divided(units: int, group: Group | None, **given: Any) -> Any:
    """A Dense layer of inputs that are divided among a group, if there is one."""
    return Dense(units, **given) if group is None else RowParallelDense(units, group, **given)
