"""The gradient of the maximum of windows as a call of oneDNN (``on_cpu``)."""

from __future__ import annotations

from typing import Any

from hybridnet import dtypes
from hybridnet.core import Spec
from hybridnet.core.kernel import HostCall
from hybridnet.device import onednn, refusals


def max_grad(inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, first: int, count: Any, **attrs: Any) -> HostCall | None:
    """oneDNN's plan for it; ``None`` where it has none. Where a window has NaN the gradient may go to another element of it."""
    if not onednn.available():
        return None
    _, x, y = inputs
    last = first == 1
    wanted = onednn.MaxPoolGrad(x.shape, y.shape, last=last, **attrs)
    if any(v.dtype != dtypes.float32 for v in inputs):
        refusals.tell(onednn.NAME, wanted, f"it is asked for float32 alone, not for {x.dtype}")
        return None
    if first > 2 or x.ndim != len(attrs["kernel"]) + 2:
        refusals.tell(onednn.NAME, wanted, "it takes a batch of channels")
        return None
    return onednn.plan(wanted)
