"""Softmax and layer norm of rows as calls of oneDNN (``on_cpu``)."""

from __future__ import annotations

from typing import Any

from hybridnet import dtypes
from hybridnet.core import Spec
from hybridnet.core.kernel import HostCall
from hybridnet.device import onednn, refusals


def softmax(inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, axis: int) -> HostCall | None:
    """oneDNN's plan for the softmax of data, or for its gradient from the result's and the result; ``None`` where it has none.

    Results below the least normal number are 0. A row with NaN in it gets NaN, but not everywhere.
    """
    data = outputs[0]
    return _of_rows(onednn.Softmax(len(inputs) == 2, data.shape), inputs, outputs, axis, range(1, 13))


def layer_norm(inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, axis: int, eps: float, dtype: Any = None) -> HostCall | None:
    """oneDNN's plan for layer norm (data, scales, shifts); ``None`` where it has none."""
    return _of_rows(onednn.LayerNorm(False, inputs[0].shape, eps), inputs, outputs, axis, range(2, 6))


def layer_norm_grad(inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, axis: int, eps: float) -> HostCall | None:
    """oneDNN's plan for its gradients (the result's, data, means, variances, scales); ``None`` where it has none."""
    return _of_rows(onednn.LayerNorm(True, inputs[0].shape, eps), inputs, outputs, axis, range(2, 6))


def _of_rows(
    wanted: onednn.Softmax | onednn.LayerNorm, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], axis: int, dimensions: range
) -> HostCall | None:
    if not onednn.available():
        return None
    if any(v.dtype != dtypes.float32 for v in (*inputs, *outputs)):
        refusals.tell(onednn.NAME, wanted, "it is asked for float32 alone")
        return None
    if axis != len(wanted.data) - 1 or len(wanted.data) not in dimensions:
        refusals.tell(onednn.NAME, wanted, f"it takes rows along the last of {dimensions[0]} to {dimensions[-1]} axes")
        return None
    return onednn.plan(wanted)
