"""Collectives on NumPy arrays, as planned calls (:class:`~hybridnet.core.kernel.HostCall`) of :mod:`hybridnet.device.communicate`.

Several arrays travel in one message, packed into scratch. Sums of 16-bit numbers travel, and are made, in float32: MPI has no such types.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from hybridnet.core import Spec
from hybridnet.core.kernel import is_half
from hybridnet.device import communicate
from hybridnet.dtypes import float32

Data = np.ndarray[Any, Any]


def _one_by_one(run: Callable[..., Any]) -> Callable[..., Any]:
    """The session of collectives: they share nothing."""
    return run


class _HostCollective:
    """What planned calls of collectives have in common."""

    session: ClassVar[Any] = staticmethod(_one_by_one)

    def __call__(self, *arrays: Any, scratch: Any = None) -> None:
        """Exchange: operands, then results."""
        raise NotImplementedError

    def bind(self, arrays: Sequence[Any], scratch: Any) -> Callable[..., None]:
        """The call on arrays that stay where they are, but for those that are None, which each run is given."""

        def run(*given: Any) -> None:
            rest = iter(given)
            self(*[next(rest) if a is None else a for a in arrays], scratch=scratch)

        return run

    def packing(self, i: int) -> None:
        """None: operands are taken as they lie."""


class HostSum(_HostCollective):
    """The sums over ranks of some arrays of one dtype."""

    def __init__(self, specs: Sequence[Spec], parts: communicate.Parts = ()) -> None:
        self._parts = parts
        dtype = specs[0].dtype
        self.name = communicate.world().name
        self._sent = float32 if is_half(dtype) else dtype
        self._packed = len(specs) != 1 or self._sent != dtype
        self.workspace = sum(math.prod(s.shape) for s in specs) * self._sent.itemsize if self._packed else 0

    def __call__(self, *arrays: Any, scratch: Any = None) -> None:
        sources, targets = arrays[: len(arrays) // 2], arrays[len(arrays) // 2 :]
        if not self._packed and sources[0].flags.c_contiguous and targets[0].flags.c_contiguous:
            communicate.world().part(self._parts).all_reduce(sources[0], targets[0])
            return
        size = sum(x.size for x in sources)
        flat = np.empty(size, self._sent) if not self._packed or scratch is None else scratch.view(self._sent)
        places, start = [], 0
        for x in sources:
            places.append(flat[start : start + x.size].reshape(x.shape))
            start += x.size
            places[-1][...] = x
        communicate.world().part(self._parts).all_reduce(flat, flat)
        for y, place in zip(targets, places, strict=True):
            y[...] = place


class HostMove(_HostCollective):
    """One of the other collectives, of one array."""

    workspace = 0

    def __init__(self, kind: str, root: int = 0, parts: communicate.Parts = ()) -> None:
        self.name = communicate.world().name
        self._kind, self._root, self._parts = kind, root, parts

    def __call__(self, *arrays: Any, scratch: Any = None) -> None:
        source, target = arrays
        ranks = communicate.world().part(self._parts)
        into = target if target.flags.c_contiguous else np.empty(target.shape, target.dtype)
        match self._kind:
            case "reduce_scatter":
                sent = np.ascontiguousarray(source, float32 if is_half(source.dtype) else source.dtype)
                part = into if sent.dtype == into.dtype else np.empty(into.shape, sent.dtype)
                ranks.reduce_scatter(sent, part)
                if part is not into:
                    into[...] = part
            case "all_gather":
                ranks.all_gather(_bytes(np.ascontiguousarray(source)), _bytes(into))
            case "all_to_all":
                ranks.all_to_all(_bytes(np.ascontiguousarray(source)), _bytes(into))
            case "broadcast":
                if source is not into:
                    into[...] = source
                ranks.broadcast(_bytes(into), self._root)
            case _:  # reduce
                HostSum((Spec(source.shape, source.dtype),))(source, into)
                if ranks.rank != self._root:
                    into[...] = 0
        if into is not target:
            target[...] = into


def _bytes(x: Data) -> Data:
    """The bytes of an array without gaps: any type can travel so."""
    return x.reshape(-1).view(np.uint8)
