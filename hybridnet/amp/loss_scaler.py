"""The scale of the loss, which follows what float16 can hold.

Small gradients are zero in float16. So the loss is multiplied by a number as large as it can be, and the gradients
are divided by it. Where that was too large a gradient is infinite or NaN; such a step leaves everything as it was.

Scale and counters are arrays of no dimensions on the device, and what is decided is a ``where``: a compiled step
holds all of it, and the host never waits. So the host's count of updates, from which a learning rate schedule is
followed, counts the steps that were left out too; the count that optimizers correct their bias by does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from hybridnet.core import array, call, local, named, suspended_trace
from hybridnet.device import Device
from hybridnet.ops.math.finite import all_finite

#: MXNet's limits.
_SMALLEST, _LARGEST = 1.0, 2.0**24


class _Counters(NamedTuple):
    """On one device: the scale (float32), and how many good steps it has lasted (int32)."""

    scale: Any
    good: Any


class LossScaler:
    """A scale that is divided by ``scale_factor`` after a bad step and multiplied by it after ``scale_window`` good ones."""

    def __init__(self, init_scale: float = 2.0**16, scale_factor: float = 2.0, scale_window: int = 2000) -> None:
        self._first, self._factor, self._window = init_scale, scale_factor, scale_window
        self._counters: dict[Device, _Counters] = {}
        self.pending = False  # whether gradients are, or will be, of a scaled loss

    def _on(self, device: Device) -> _Counters:
        if device not in self._counters:
            with suspended_trace():
                scale, good = array(self._first, "float32", device), array(0, "int32", device)
                self._counters[device] = _Counters(named(scale, "loss_scale"), named(good, "loss_scale.good_steps"))
        return self._counters[device]

    @property
    def loss_scale(self) -> float:
        """The scale of now; reading it waits for the device."""
        return next((float(c.scale.item()) for c in self._counters.values()), self._first)

    def spread(self, device: Device) -> None:
        """Give the counters of all devices the values of those of ``device``, which has updated for the others."""
        for counters in self._counters.values():
            for mine, theirs in zip(counters, self._on(device), strict=True):
                if mine is not theirs:
                    mine._assign(theirs.to_device(mine.device))

    def state_dict(self) -> dict[str, Any]:
        """The scale and how many good steps it has lasted, on each device that has counters, as plain numbers."""
        return {"counters": [[d.device_type, d.device_id, c.scale.item(), c.good.item()] for d, c in self._counters.items()]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what :meth:`state_dict` gave."""
        with suspended_trace():
            for kind, number, scale, good in state["counters"]:
                counters = self._on(Device(kind, number))
                counters.scale[...] = scale
                counters.good[...] = good

    # -- around the backward --------------------------------------------------------------------

    def scaled(self, loss: Any) -> Any:
        """The loss times the scale."""
        self._set_pending()
        if local.trace is not None:
            local.trace.before_run(self._set_pending)
        return loss * self._on(loss.device).scale

    def unscale(self, grads: Sequence[Any]) -> None:
        """Divide gradients by the scale, in place, in place of the next update's doing so."""
        self.take()
        for grad in grads:
            grad._assign(grad / self._on(grad.device).scale)

    def take(self) -> bool:
        """Whether the coming update must divide; it is then no longer pending."""
        pending = self.pending
        self._clear_pending()
        if local.trace is not None:
            local.trace.before_run(self._clear_pending)
        return pending

    def _set_pending(self) -> None:
        self.pending = True

    def _clear_pending(self) -> None:
        self.pending = False

    # -- around the update ----------------------------------------------------------------------

    def guard(self, device: Device, grads: Sequence[Any], written: Sequence[Any], divide: bool, update: Callable[[Any], None]) -> None:
        """Run ``update``, which writes to the arrays ``written``, so that it changes nothing if a gradient is not finite.

        It is given the number to multiply gradients by: with ``divide``, one over the scale.
        """
        counters = self._on(device)
        finite = all_finite(grads)
        before = [call("copy", x) for x in written]
        update(1 / counters.scale.astype("float64") if divide else 1.0)
        for x, old in zip(written, before, strict=True):
            x._assign(call("where", finite, x, old))
        self._adapt(counters, finite)

    def admits(self, grads: Mapping[Device, Sequence[Any]]) -> bool:
        """Whether all gradients are finite, as an answer to the host, for updates that cannot be compiled."""
        found = {device: all_finite(some) for device, some in grads.items()}
        for device, finite in found.items():
            self._adapt(self._on(device), finite)
        return all(bool(finite.item()) for finite in found.values())

    def _adapt(self, counters: _Counters, finite: Any) -> None:
        """Move the scale by how a step went."""
        scale, good = counters
        lasted = call("where", finite, good + 1, 0)
        grows = lasted >= self._window
        larger = call("where", grows, call("minimum", scale * self._factor, _LARGEST), scale)
        scale._assign(call("where", finite, larger, call("maximum", scale / self._factor, _SMALLEST)))
        good._assign(call("where", grows, 0, lasted))
