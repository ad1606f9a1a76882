"""Calls of compiled recurrences (a ``HostCall``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hybridnet.device import lanes, loops, threads
from hybridnet.device.host_calls import address, bound
from hybridnet.device.panels import PANEL
from hybridnet.device.recurrent.loops import GRADIENTS_TYPES, STATES_TYPES, gradients_text, states_text

NAME = "recurrence by numba"
#: Numbers in a vector, and units at least.
UNITS = lanes.WIDTH
#: Multiply-adds of all steps from which it is asked: 0.1 ms, in which NumPy takes a few steps.
LEAST = 1 << 22
#: Steps times rows from which a gradient is worth packing the weight, which NumPy takes as it lies: with one it took ten times as long.
PACKED = 64
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


def takes(asked: Recurrence) -> bool:
    """Whether there is a function for a recurrence of this size, and it is worth the seconds that compiling takes."""
    enough = asked.time * asked.batch >= PACKED or not asked.gradient
    return asked.units >= UNITS and asked.multiply_adds >= LEAST and enough


def planned(asked: Recurrence) -> Call | None:
    """The call of a recurrence; None where it cannot be compiled, or is too small."""
    if not (takes(asked) and loops.available()):
        return None
    numbers = asked.mode, asked.gates, asked.kept
    text, types = (gradients_text(*numbers), GRADIENTS_TYPES) if asked.gradient else (states_text(*numbers), STATES_TYPES)
    run = lanes.compiled(text, types, f"the {'gradient of the ' * asked.gradient}recurrence of {asked.mode}, so NumPy computes it")
    return None if run is None else Call(asked, run)


class Call:
    """A planned recurrence, on as many threads as there are when it is planned. ``run``: the compiled function."""

    session: ClassVar[Any] = threads.one_thread
    name = NAME

    def __init__(self, asked: Recurrence, run: Callable[..., None]) -> None:
        self.description, self._run = asked, run
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
        before, behind = _GRADIENTS if asked.gradient else _STATES
        operands = dict(zip(asked.operands, arrays[:number], strict=True))
        given = {name: np.ascontiguousarray(operands[name]) for name in before if name in operands}
        made = [out if out.flags.c_contiguous else np.empty(out.shape, out.dtype) for out in arrays[number:]]
        packed = scratch[: 4 * self._packed].view(np.float32)
        self._pack(operands["weight"], packed)
        mask = np.not_equal(operands["mask"], 0).reshape(-1).view(np.uint8) if asked.has_mask else _NO_MASK
        at = {name: address(x) for name, x in (*given.items(), ("packed", packed), *zip(asked.results, made, strict=True))}
        addresses = [at.get(name, 0) for name in before], [at.get(name, 0) for name in behind]
        begin = address(scratch) + 4 * self._packed
        sizes: tuple[int, ...] = (asked.time, asked.batch, asked.units, self._wide, asked.reverse, asked.has_mask)
        sizes += () if asked.gradient else (asked.keep,)

        def work(worker: int, pieces: Iterator[int]) -> None:
            for i in pieces:
                self._run(*addresses[0], mask, *addresses[1], begin + 4 * i * self._each, *sizes, *self._pieces[i])

        threads.share(work, range(len(self._pieces)), len(self._pieces))
        for out, result in zip(arrays[number:], made, strict=True):
            if out is not result:
                out[...] = result

    def _pack(self, weight: Any, out: Any) -> None:
        """The weight, (gates · units, units), as panels: of each gate turned, or as it is, columns filled up with zeros."""
        gates, units = self.description.gates, self.description.units
        matrices = (
            weight.reshape(1, gates * units, units) if self.description.gradient else weight.reshape(gates, units, units).swapaxes(1, 2)
        )
        number, rows, _ = matrices.shape
        panels = out.reshape(number, self._wide // PANEL, rows, PANEL)
        whole, left = divmod(units, PANEL)
        panels[:, :whole] = matrices[..., : whole * PANEL].reshape(number, rows, whole, PANEL).swapaxes(1, 2)
        if left:
            panels[:, whole, :, :left] = matrices[..., whole * PANEL :]
            panels[:, whole, :, left:] = 0

    def bind(self, arrays: Sequence[Any], scratch: Any) -> Callable[..., None]:
        """The call on arrays and scratch that stay the same, but for those that are None, which each run is given."""
        return bound(self, arrays, scratch)

    def packing(self, i: int) -> None:
        """The weight changes with each step of training; to pack it takes as long as some tens of products of a row with it."""
        return


#: The addresses that the compiled functions take before the mask and behind it.
_STATES = (("gx", "packed", "bias", "h0", "c0"), ("hs", "cs", "gates"))
_GRADIENTS = (("gh", "gc", "hs", "cs", "gates", "h0", "c0"), ("packed", "to_gx", "to_product", "to_h0", "to_c0"))
_NO_MASK = np.zeros(0, np.uint8)
