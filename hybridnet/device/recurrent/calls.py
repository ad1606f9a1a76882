"""Calls of compiled recurrences (a ``HostCall``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hybridnet.device import lanes, loops, threads
from hybridnet.device.host_calls import address, bound
from hybridnet.device.panels import PANEL
from hybridnet.device.recurrent.loops import GRADIENTS_TYPES, PACKED_TYPES, STATES_TYPES, gradients_text, packed_text, states_text

NAME = "recurrence by numba"
#: Numbers in a vector, and units at least.
UNITS = lanes.WIDTH
#: Multiply-adds of all steps from which it is asked: 0.1 ms, in which NumPy takes a few steps.
LEAST = 1 << 22
#: Rows of the batch at least that a thread takes: with fewer it waits for the weight, not for sums.
ROWS = 4
#: What the gradients keep of a step for each unit and row: of both states' gradients the last and the next, and the product.
PLANES = 5


@dataclass(frozen=True)
class Recurrence:
    """What is to be computed: the states of a sequence in one direction, or (``gradient``) the gradients from those of all states.

    gates, kept: how many gates a step has, and how many of them, for the gradient, it gives if it is to ``keep`` them.
    """

    mode: str
    gradient: bool
    time: int
    batch: int
    units: int
    gates: int
    kept: int
    reverse: bool
    keep: bool
    has_mask: bool

    @property
    def multiply_adds(self) -> int:
        """Of the products of all steps."""
        return self.time * self.batch * self.gates * self.units**2

    @property
    def operands(self) -> list[str]:
        """The names of what is given, in order."""
        cell = ["c"] * (self.mode == "lstm")
        states = ["gx", "weight", "bias", "h0", *(f"{c}0" for c in cell), *["mask"] * self.has_mask]
        return (
            ["gh", *(f"g{c}" for c in cell), "hs", *(f"{c}s" for c in cell), *["gates"] * self.keep, *states] if self.gradient else states
        )

    @property
    def results(self) -> list[str]:
        """The names of what is computed, in order."""
        cell = ["c"] * (self.mode == "lstm")
        if self.gradient:
            return ["to_gx", *["to_product"] * (self.mode == "gru"), "to_h0", *(f"to_{c}0" for c in cell)]
        return ["hs", *(f"{c}s" for c in cell), *["gates"] * self.keep]

    def __str__(self) -> str:
        what = "gradient of a recurrence" if self.gradient else "recurrence"
        return f"{what}, {self.mode}, {self.time} steps of {self.batch} × {self.units}"


def planned(asked: Recurrence) -> Call | None:
    """The call of a recurrence; None where it cannot be compiled, or is too small to be worth the seconds that takes."""
    if not loops.available() or asked.units < UNITS or asked.multiply_adds < LEAST:
        return None
    numbers = asked.mode, asked.gates, asked.kept
    text, types = (gradients_text(*numbers), GRADIENTS_TYPES) if asked.gradient else (states_text(*numbers), STATES_TYPES)
    words = f"the recurrence of {asked.mode}, so NumPy computes it"
    run = lanes.compiled(text, types, words)
    pack = None if run is None else lanes.compiled(packed_text(), PACKED_TYPES, words)
    return None if run is None or pack is None else Call(asked, run, pack)


class Call:
    """A planned recurrence, on as many threads as there are when it is planned. ``run``, ``pack``: the compiled functions."""

    session: ClassVar[Any] = threads.one_thread
    name = NAME

    def __init__(self, asked: Recurrence, run: Callable[..., None], pack: Callable[..., None]) -> None:
        self.description, self._run, self._pack = asked, run, pack
        self._wide = -(-asked.units // PANEL) * PANEL
        self._pieces = threads.cuts(asked.batch, max(1, min(threads.count(), asked.batch // ROWS)))
        rows = max(end - first for first, end in self._pieces)
        self._each = rows * self._wide * (PLANES if asked.gradient else asked.gates)
        self._packed = asked.gates * asked.units * self._wide

    @property
    def workspace(self) -> int:
        """Bytes of scratch: the packed weight, and what each piece of the batch needs for a step."""
        return 4 * (self._packed + len(self._pieces) * self._each)

    def __call__(self, *arrays: Any, scratch: Any = None) -> None:
        """Compute the results, the last of the arrays, of any strides; ``scratch``: ``workspace`` bytes, made if none is given."""
        if scratch is None or scratch.nbytes < self.workspace:
            scratch = np.empty(self.workspace, np.uint8)
        asked = self.description
        number = len(asked.operands)
        given = {name: np.ascontiguousarray(x) for name, x in zip(asked.operands, arrays[:number], strict=True)}
        made = [out if out.flags.c_contiguous else np.empty(out.shape, out.dtype) for out in arrays[number:]]
        packed = scratch[: 4 * self._packed].view(np.float32)
        self._pack(given["weight"], packed, asked.gates, asked.units, self._wide, not asked.gradient)
        mask = np.not_equal(given["mask"], 0).reshape(-1).view(np.uint8) if asked.has_mask else _NO_MASK
        at = {name: address(x) for name, x in (*given.items(), *zip(asked.results, made, strict=True))}
        at["packed"], begin = address(packed), address(scratch) + 4 * self._packed
        before, behind = ([at.get(name, 0) for name in names] for names in (_GRADIENTS if asked.gradient else _STATES))
        sizes: tuple[int, ...] = (asked.time, asked.batch, asked.units, self._wide, asked.reverse, asked.has_mask)
        sizes += () if asked.gradient else (asked.keep,)

        def work(worker: int, pieces: Iterator[int]) -> None:
            for i in pieces:
                self._run(*before, mask, *behind, begin + 4 * i * self._each, *sizes, *self._pieces[i])

        threads.share(work, range(len(self._pieces)))
        for out, result in zip(arrays[number:], made, strict=True):
            if out is not result:
                out[...] = result

    def bind(self, arrays: Sequence[Any], scratch: Any) -> Callable[..., None]:
        """The call on arrays and scratch that stay the same, but for those that are None, which each run is given."""
        return bound(self, arrays, scratch)

    def packing(self, i: int) -> None:
        """The weight changes with each step of training, and is packed in a hundredth of the time that a sequence takes."""
        return


#: The addresses that the compiled functions take before the mask and behind it.
_STATES = (("gx", "packed", "bias", "h0", "c0"), ("hs", "cs", "gates"))
_GRADIENTS = (("gh", "gc", "hs", "cs", "gates", "h0", "c0"), ("packed", "to_gx", "to_product", "to_h0", "to_c0"))
_NO_MASK = np.zeros(0, np.uint8)
