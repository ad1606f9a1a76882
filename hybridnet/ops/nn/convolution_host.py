"""The three operators of convolution as calls of oneDNN (``on_cpu``): arrays of either layout."""

from __future__ import annotations

from typing import Any

from hybridnet import dtypes
from hybridnet.core import Spec
from hybridnet.core.kernel import HostCall
from hybridnet.device import onednn, refusals, winograd
from hybridnet.ops.nn import convolution_numpy


def planned(kind: str, data: Spec, weight: Spec, result: Spec, *, last: bool, **attrs: Any) -> HostCall | None:
    """oneDNN's plan for a product, with what comes behind it; ``None`` where it has none, or NumPy is faster."""
    if not onednn.available():
        return None
    wanted = onednn.Convolution(kind, data.shape, weight.shape, result.shape, last=last, **attrs)
    if {data.dtype, weight.dtype, result.dtype} != {dtypes.float32}:
        refusals.tell(onednn.NAME, wanted, f"it is asked for float32 alone, not for {data.dtype}")
        return None
    channels = weight.shape[-1 if last else 1]
    if kind == "data" and channels == 1 and weight.shape[0] > wanted.groups:
        # (64, 1, 28, 28) from (64, 20, 24, 24) on two otherwise idle cores: 3.1 ms, and by NumPy 1.4.
        refusals.tell(onednn.NAME, wanted, "NumPy is faster for one channel from several filters")
        return None
    call = onednn.plan(wanted)
    return winograd.offered(call) if call is not None and kind == "result" else call


def convolution(inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], **attrs: Any) -> HostCall | None:
    """oneDNN's plan for y = convolution(x, w), or NumPy's where that may be a transform's; ``None`` where NumPy is to compute it anyway."""
    (x, w), (y,) = inputs, outputs
    call = planned("result", x, w, y, **attrs)
    if call is None and x.dtype == w.dtype == dtypes.float32:
        return convolution_numpy.offered(onednn.Convolution("result", x.shape, w.shape, y.shape, **attrs))
    return call


def data_grad(inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, size: Any, **attrs: Any) -> HostCall | None:
    """oneDNN's plan for the data's gradient from (dy, w); ``None`` where it has none."""
    (dy, w), (dx,) = inputs, outputs
    return planned("data", dx, w, dy, **attrs)


def weight_grad(inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, kernel: Any, **attrs: Any) -> HostCall | None:
    """oneDNN's plan for the weight's gradient from (x, dy); ``None`` where it has none."""
    (x, dy), (dw,) = inputs, outputs
    return planned("weight", x, dw, dy, **attrs)
