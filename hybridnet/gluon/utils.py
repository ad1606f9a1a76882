"""Helpers of training loops: cutting batches up for devices, limiting gradients, and files from the network."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hybridnet import absent
from hybridnet.core import asarray, call, local
from hybridnet.core.identity import shared_among
from hybridnet.device import Device
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.gluon.download import DownloadError, check_sha1, download, replace_file
from hybridnet.ops.array.shape import slice_axis
from hybridnet.ops.collective.collective import all_reduce
from hybridnet.ops.math.pointwise import FUNCTIONS

__all__ = ["DownloadError", "check_sha1", "clip_global_norm", "download", "replace_file", "split_and_load", "split_data"]


def split_data(data: Any, num_slice: int, batch_axis: int = 0, even_split: bool = True) -> list[Any]:
    """``data`` cut into ``num_slice`` parts along ``batch_axis``; equal ones, unless ``even_split`` is false.

    ShapeError if there are fewer elements than slices, or they do not come out even with ``even_split``.
    """
    size = data.shape[batch_axis]
    if size < num_slice or (even_split and size % num_slice):
        fail(
            ShapeError,
            "split_data",
            expected=f"a batch that {num_slice} slices divide" if size >= num_slice else f"a batch of {num_slice} or more",
            got=f"{size} on axis {batch_axis} of {data.shape}",
            fix="another batch size, or even_split=False",
        )
    step, rest = divmod(size, num_slice)
    ends = [step * (i + 1) + min(rest, i + 1) for i in range(num_slice)]
    return [slice_axis(data, batch_axis, start, end) for start, end in zip([0, *ends], ends, strict=False)]


def split_and_load(data: Any, ctx_list: Sequence[Any], batch_axis: int = 0, even_split: bool = True) -> list[Any]:
    """``data`` (an array of ours or NumPy's) cut into a part for each device, and moved there."""
    devices = [Device(d) for d in ctx_list]  # a device may get several parts
    data = asarray(data)
    parts = split_data(data, len(devices), batch_axis, even_split) if len(devices) > 1 else [data]
    return [part.as_in_context(device) for part, device in zip(parts, devices, strict=True)]


def clip_global_norm(arrays: Sequence[Any], max_norm: float, check_isfinite: bool = True) -> Any:
    """Scale ``arrays`` in place so that the norm of all of them together is at most ``max_norm``; gives that norm.

    Of gradients of parameters that ranks have slices of, the norm is that of the wholes: all ranks of their group call this.
    The norm is a float, and a warning is given if it is infinite or NaN. Without ``check_isfinite``, and
    inside a compiled function, nothing waits for the device: the norm is an array of no dimensions.
    """
    if not arrays:
        fail(ArgumentError, "clip_global_norm", expected="at least one array", got="none")
    wide = [x.astype("float32") if x._data.dtype.itemsize == 2 else x for x in arrays]  # squares of 16-bit numbers overflow
    squares = [call("sum", FUNCTIONS["square"](x), axis=tuple(range(x.ndim)), keepdims=False).to_device(arrays[0].device) for x in wide]
    total = FUNCTIONS["sqrt"](_over_slices(arrays, squares))
    scale = FUNCTIONS["minimum"](max_norm / (total + 1e-8), 1.0)
    for x in arrays:
        x *= scale.to_device(x.device).astype(x._data.dtype, copy=False)
    if local.trace is not None or not check_isfinite:
        return total
    norm = float(total.item())
    if not math.isfinite(norm):
        warnings.warn(f"the norm of the gradients is {norm}; clipping made them useless", stacklevel=2)
    return norm


def _over_slices(arrays: Sequence[Any], squares: Sequence[Any]) -> Any:
    """The sum of the squares of arrays; of those that are slices, over all ranks among which the array is divided."""
    among: dict[Any, list[Any]] = {}
    for x, square in zip(arrays, squares, strict=True):
        among.setdefault(shared_among(x), []).append(square)
    sums = [total if group is None else all_reduce(total, group=group) for group, own in among.items() for total in (sum(own[1:], own[0]),)]
    return sum(sums[1:], sums[0])


if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
