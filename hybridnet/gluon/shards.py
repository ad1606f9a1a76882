"""The states of an optimizer divided by ranks (ZeRO, stage 1: Rajbhandari et al., arXiv 1910.02054): each rank has, and updates, a slice.

Parameters that move alike (type, multipliers, rule) are a region: one row of numbers, filled up to as many for each rank. A step scatters
the sum of the gradients (``reduce_scatter``), so that each rank has its slice of it, moves its slice of the parameters by that, and gathers
what all have moved (``all_gather``): as many bytes as the sum alone would send. Norms of single parameters, which LAMB and LARS go
by, are sums over the slices that a parameter lies in.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hybridnet.core import call, suspended_trace
from hybridnet.device import communicate
from hybridnet.device.groups import Group
from hybridnet.dtypes import Dtype
from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.parameter import Parameter, SplitParameter
from hybridnet.gluon.slices import by_element, group_of, mapped
from hybridnet.ops.array.creation import full, zeros
from hybridnet.ops.collective.collective import all_gather, reduce_scatter
from hybridnet.ops.collective.halves import scatter_in_halves
from hybridnet.optimizer import Optimizer
from hybridnet.optimizer.layerwise import norms_by

#: Numbers that each rank's slice is a multiple of, so that 16 bytes hold whole ones of each type.
_STEP = 8


class Region:
    """Parameters one after another, and this rank's slice of them, with its state. ``data``: among which ranks, not all.

    They are all split among ranks themselves, or none is.
    """

    def __init__(self, indices: Sequence[int], params: Sequence[Parameter], optimizer: Optimizer, data: Group | None) -> None:
        self.data, self.split = data, group_of(params)
        self.indices, self.params = list(indices), list(params)
        self.sizes = [math.prod(p._arrays()[0].shape) for p in self.params]
        self.starts = [sum(self.sizes[:i]) for i in range(len(self.sizes))]
        ranks = communicate.world() if data is None else data.communicator
        total = sum(self.sizes)
        self.own = -(-total // (ranks.size * _STEP)) * _STEP
        self.filling = self.own * ranks.size - total
        self.begin = self.own * ranks.rank
        with suspended_trace():
            weight = self.slice_of([p._arrays()[0] for p in self.params])
            self.state = optimizer.create_state_multi_precision(self.indices[0], weight)
        optimizer.name_states(f"{self.params[0].name} and {len(self.params) - 1} others", weight, self.state)

    def whole_of(self, arrays: Sequence[Any]) -> Any:
        """Arrays of the parameters' shapes as one row."""
        parts = [_flat(x) for x in arrays]
        if self.filling:
            parts.append(zeros((self.filling,), arrays[0].dtype, arrays[0].device))
        return call("concatenate", *parts, axis=0)

    def pieces(self) -> Iterator[tuple[int, int, int]]:
        """Of each parameter in this rank's slice: its number in the region, and from which to before which of its elements."""
        for i, (start, size) in enumerate(zip(self.starts, self.sizes, strict=True)):
            low, high = max(self.begin - start, 0), min(self.begin + self.own - start, size)
            if low < high:
                yield i, low, high

    def slice_of(self, arrays: Sequence[Any]) -> Any:
        """This rank's slice of such a row, of which nothing else is made."""
        parts = [_flat(arrays[i])[low:high] for i, low, high in self.pieces()]
        rest = self.own - sum(high - low for _, low, high in self.pieces())
        if rest:
            parts.append(zeros((rest,), arrays[0].dtype, arrays[0].device))
        return call("concatenate", *parts, axis=0)

    def parts_of(self, whole: Any) -> Iterator[Any]:
        """A row as arrays of the parameters' shapes."""
        for parameter, start, size in zip(self.params, self.starts, self.sizes, strict=True):
            yield call("reshape", whole[start : start + size], shape=parameter._arrays()[0].shape)

    def norm(self, x: Any) -> Any:
        """For each element of a slice the Euclidean norm of all of the parameter that it is of, over all ranks."""
        squares = [zeros((), x.dtype, x.device)] * len(self.params)
        at, lengths = 0, []
        for i, low, high in self.pieces():
            squares[i] = call("sum", call("square", x[at : at + high - low]), axis=(0,), keepdims=False)
            lengths.append((i, high - low))
            at += high - low
        # Gathered and not an ``all_reduce``: ranks with other pieces have other graphs, in which sums might be joined otherwise.
        everyone = all_gather(call("concatenate", *(call("reshape", s, shape=(1, 1)) for s in squares), axis=1), self.data)
        sums = call("sum", everyone, axis=(0,), keepdims=False)
        if self.split is not None:
            sums = call("sum", all_gather(call("reshape", sums, shape=(1, len(self.params))), self.split), axis=(0,), keepdims=False)
        norms = call("sqrt", sums)
        parts = [call("broadcast_to", norms[i : i + 1], shape=(n,)) for i, n in lengths]
        if at < self.own:
            parts.append(full((self.own - at,), 1, x.dtype, x.device))
        return call("concatenate", *parts, axis=0)


class Shards:
    """A trainer's optimizer states, divided. Made by all ranks at once; ArgumentError for an optimizer that needs more than slices."""

    def __init__(
        self, trained: Sequence[tuple[int, Parameter]], optimizer: Optimizer, data: Group | None = None, sent: Dtype | None = None
    ) -> None:
        self._sent = sent  # the type of 16 bits that gradients travel in, if not in their own
        if not (by_element(type(optimizer)) and optimizer.traceable):
            fail(
                ArgumentError,
                "Trainer",
                expected="with shard_states an optimizer whose rule goes by elements, and by norms of parameters",
                got=type(optimizer).__name__,
                fix="by_element = True in its class, if that is what it does",
            )
        self._optimizer = optimizer
        self._keys = [self._key(i, p) for i, p in trained]
        by_key: dict[Any, list[tuple[int, Parameter]]] = {}
        for key, one in zip(self._keys, trained, strict=True):
            by_key.setdefault(key, []).append(one)
        self.regions = [Region([i for i, _ in own], [p for _, p in own], optimizer, data) for own in by_key.values()]

    def _key(self, index: int, parameter: Parameter) -> Any:
        """What parameters of one region have in common."""
        opt = self._optimizer
        rule = opt.rule_of(index)
        multipliers = opt._multiplier(index, "lr_mult"), opt._multiplier(index, "wd_mult")
        return parameter._arrays()[0].dtype, *multipliers, getattr(rule, "__func__", rule), isinstance(parameter, SplitParameter)

    def update(self, trained: Sequence[tuple[int, Parameter]], summed: bool, *how: Any) -> None:
        """Move all parameters. ``summed``: whether gradients are to be summed over ranks; ``how``: what ``update_all`` takes besides."""
        if [self._key(i, p) for i, p in trained] != self._keys:
            fail(
                ArgumentError,
                "Trainer.step",
                expected="with shard_states the parameters, types and multipliers of the first step",
                got="others",
                fix="save_states, a new Trainer, and load_states",
            )
        for region in self.regions:
            grads = [p.list_grad()[0] for p in region.params]
            if not summed:
                grad = region.slice_of(grads)
            elif self._sent is None:
                grad = reduce_scatter(region.whole_of(grads), region.data)
            else:
                grad = call("cast", scatter_in_halves(region.whole_of(grads), self._sent, region.data), dtype=grads[0].dtype)
            weight = region.slice_of([p._arrays()[0] for p in region.params])
            with norms_by(region.norm):
                self._optimizer.update_all([(region.indices[0], weight, grad, region.state)], *how)
            moved = region.parts_of(all_gather(weight, region.data))
            for parameter, value in zip(region.params, moved, strict=True):
                parameter._arrays()[0]._assign(value)

    # -- files: as those of one rank that has all -------------------------------------------------

    def whole(self) -> dict[int, Any]:
        """The whole state of each parameter, by its index: every rank's slices together. All ranks call it."""
        found: dict[int, Any] = {}
        with suspended_trace():
            for region in self.regions:
                rows = mapped(region.state, functools.partial(_gathered, region))
                for at, index in enumerate(region.indices):
                    found[index] = mapped(rows, functools.partial(_part, at))
        return found

    def take(self, states: Mapping[int, Any]) -> None:
        """Have the slices of whole states."""
        with suspended_trace():
            for region in self.regions:
                own = [states[i] for i in region.indices]
                _assign(region.state, own, region)


def _flat(x: Any) -> Any:
    return call("reshape", x, shape=(x.size,))


def _gathered(region: Region, x: Any) -> Any:
    """Of an array of slices the parameters' parts; another one (a count, say) as it is."""
    return list(region.parts_of(all_gather(x, region.data))) if x.shape == (region.own,) else x


def _part(at: int, x: Any) -> Any:
    return x[at] if isinstance(x, list) else x


def _assign(state: Any, own: Sequence[Any], region: Region) -> None:
    if isinstance(state, tuple):
        for i, part in enumerate(state):
            _assign(part, [o[i] for o in own], region)
    elif state is not None:
        state._assign(region.slice_of(own) if state.shape == (region.own,) else own[0])
