"""The recurrence over a sequence and its gradient as compiled calls (``on_cpu``)."""

from __future__ import annotations

from hybridnet import dtypes
from hybridnet.core import Spec
from hybridnet.core.kernel import HostCall
from hybridnet.device import loops, recurrent, refusals
from hybridnet.ops.nn.recurrence_data import GATES, KEPT, STATES


def states(inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, mode: str, reverse: bool, keep: bool = False) -> HostCall | None:
    """The call that computes the states of all steps from (gx, wh, bh, h0 …); ``None`` where NumPy is to."""
    return _planned(False, inputs, outputs, inputs, mode, reverse, keep)


def gradients(inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, mode: str, reverse: bool, keep: bool = False) -> HostCall | None:
    """The call that computes the gradients, of gates that were kept where there are some; ``None`` where NumPy is to."""
    if mode in KEPT and not keep:
        return None
    return _planned(True, inputs, outputs, inputs[2 * STATES[mode] + keep :], mode, reverse, keep)


def _planned(
    gradient: bool, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], of: tuple[Spec, ...], mode: str, reverse: bool, keep: bool
) -> HostCall | None:
    (time, batch, _), units = of[0].shape, of[1].shape[1]
    has_mask = len(of) > 3 + STATES[mode]
    asked = recurrent.Recurrence(mode, gradient, time, batch, units, GATES[mode], KEPT.get(mode, 0), reverse, keep, has_mask)
    if not (loops.available() and recurrent.takes(asked)):
        return None
    if any(v.dtype != dtypes.float32 for v in (*inputs[: len(inputs) - has_mask], *outputs)):
        refusals.tell(recurrent.NAME, asked, "it is compiled for float32 alone")
        return None
    found = recurrent.planned(asked)
    if found is None:
        refusals.tell(recurrent.NAME, asked, "numba cannot compile it, or not in this process, which was forked off")
    return found
