"""The updates of many parameters as one program: what an :class:`~hybridnet.optimizer.updater.Updater` runs where it is given many at once.

Weights and gradients are the program's arguments, states, which parameters may share, are found by it; what changes from step to
step (learning rate, the number of the update, the gradients' scale, hyper-parameters) are arrays of no dimensions that the host
writes, as for ``gluon.Trainer``.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from hybridnet import dtypes
from hybridnet.compile import Jit, jit
from hybridnet.core import local
from hybridnet.core.identity import identity
from hybridnet.device import Device
from hybridnet.optimizer.base import Optimizer
from hybridnet.optimizer.numbers import Numbers
from hybridnet.owned import OwnedMethod


class Sweep:
    """One optimizer's updates of parameters on one device."""

    def __init__(self, optimizer: Optimizer, device: Device) -> None:
        identity(optimizer, "optimizer")
        self._optimizer = optimizer
        self._rates, self._numbers = Numbers(device, "optimizer."), Numbers(device, "optimizer.")
        self._programs: dict[tuple[Any, ...], tuple[list[Any], Jit]] = {}  # by indices: the states, and what moves them

    def __call__(self, indices: Sequence[Any], weights: Sequence[Any], grads: Sequence[Any], states: Sequence[Any]) -> None:
        """Count an update of each parameter, all of which have had as many, and move them."""
        optimizer, key = self._optimizer, tuple(indices)
        optimizer._update_count(indices)
        t = optimizer._index_update_count[indices[0]]
        self._rates.write({"learning_rate": optimizer.learning_rate, "num_update": float(t), "rescale_grad": optimizer.rescale_grad})
        self._numbers.write(optimizer.inputs())
        known = self._programs.get(key)
        if known is None or any(a is not b for a, b in zip(known[0], states, strict=True)):
            known = self._programs[key] = list(states), jit(functools.partial(OwnedMethod(self._move), key), name="update")
        known[1](list(weights), list(grads))

    def _move(self, indices: tuple[Any, ...], weights: Sequence[Any], grads: Sequence[Any]) -> None:
        states, _ = self._programs[indices]
        rate, t, rescale = (self._rates.array(name, dtypes.float64) for name in ("learning_rate", "num_update", "rescale_grad"))
        self._numbers.write(self._optimizer.inputs())  # there may be one that was no input so far
        self._optimizer.update_all(zip(indices, weights, grads, states, strict=True), rate, t, rescale, self._numbers)


def can_sweep(optimizer: Optimizer, indices: Sequence[Any], weights: Sequence[Any], grads: Sequence[Any]) -> bool:
    """Whether one program moves all: dense arrays on one device, as many updates before, an optimizer without an ``update`` of its own."""
    if len(indices) < 2 or len(set(indices)) < len(indices) or not optimizer.traceable or local.trace is not None:
        return False
    count, begin = optimizer._index_update_count, optimizer.begin_num_update
    if len({count.get(i, begin) for i in indices}) > 1:
        return False
    return len({x.device for x in (*weights, *grads)}) == 1 and all(x.stype == "default" for x in (*weights, *grads))
