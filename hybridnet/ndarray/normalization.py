"""Classic normalisation: over batches, layers, groups, instances, norms and neighbouring channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from hybridnet.ndarray.attributes import Array
from hybridnet.ndarray.record import Attributes
from hybridnet.ndarray.register import classic
from hybridnet.ndarray.shapes import per_channel
from hybridnet.ndarray.types import statistics_wide
from hybridnet.ops.nn import batch_norm as core_batch_norm
from hybridnet.ops.nn import lrn, norm
from hybridnet.ops.nn import sync_batch_norm as core_sync


def _and_statistics(*names: str) -> Callable[[Attributes], tuple[str, ...]]:
    """The output, and with ``output_mean_var`` the two statistics after it."""
    return lambda a: ("output", *names) if a["output_mean_var"] else ("output",)


#: The states of batch normalisation.
MOVING = ("moving_mean", "moving_var")
_ALONG_AXIS = per_channel("gamma", "beta", *MOVING)
_WIDE = statistics_wide("gamma", "beta", *MOVING)


@classic(
    "BatchNorm",
    "BatchNorm_v1",
    aux=MOVING,
    outputs=_and_statistics("mean", "var"),
    shapes=_ALONG_AXIS,
    types=_WIDE,
    shares=True,
)
def batch_norm(
    data: Array,
    gamma: Array,
    beta: Array,
    moving_mean: Array,
    moving_var: Array,
    eps: float = 1e-3,
    momentum: float = 0.9,
    fix_gamma: bool = True,
    use_global_stats: bool = False,
    output_mean_var: bool = False,
    axis: int = 1,
    cudnn_off: bool = False,
    min_calib_range: float | None = None,
    max_calib_range: float | None = None,
) -> Any:
    """Batch normalisation; in training the moving statistics are updated in place. ``fix_gamma`` writes 1 into gamma.

    ``data`` has its channels on ``axis``; all others are of shape (channels,).
    """
    if fix_gamma:
        core_batch_norm.fix(gamma)
    return core_batch_norm.batch_norm(
        data, gamma, beta, moving_mean, moving_var, eps, momentum, fix_gamma, use_global_stats, output_mean_var, axis
    )


@classic(
    "_contrib_SyncBatchNorm",
    aux=MOVING,
    required=("key",),
    outputs=_and_statistics("mean", "var"),
    shapes=per_channel("gamma", "beta", *MOVING, axis=1),
    types=_WIDE,
)
def sync_batch_norm(
    data: Array,
    gamma: Array,
    beta: Array,
    moving_mean: Array,
    moving_var: Array,
    eps: float = 1e-3,
    momentum: float = 0.9,
    fix_gamma: bool = True,
    use_global_stats: bool = False,
    output_mean_var: bool = False,
    ndev: int = 1,
    key: str = "",
) -> Any:
    """Batch normalisation over the batches of all ranks (``hybridnet.distributed``), whatever ``ndev`` and ``key`` say.

    ``data``: (N, channels, ...); all others are of shape (channels,).
    """
    if fix_gamma:
        core_batch_norm.fix(gamma)
    arrays = data, gamma, beta, moving_mean, moving_var
    return core_sync.sync_batch_norm(*arrays, eps, momentum, fix_gamma, use_global_stats, output_mean_var)


@classic("LayerNorm", outputs=_and_statistics("mean", "std"), shapes=per_channel("gamma", "beta"))
def layer_norm(data: Array, gamma: Array, beta: Array, axis: int = -1, eps: float = 1e-5, output_mean_var: bool = False) -> Any:
    """Each row along ``axis`` brought to mean 0 and variance 1, times gamma plus beta (of the axis's length)."""
    return norm.layer_norm(data, gamma, beta, axis, eps, output_mean_var)


@classic(
    "GroupNorm",
    outputs=_and_statistics("mean", "std"),
    shapes=lambda known, a: dict.fromkeys(("gamma", "beta"), (a["num_groups"],)),
)
def group_norm(data: Array, gamma: Array, beta: Array, num_groups: int = 1, eps: float = 1e-5, output_mean_var: bool = False) -> Any:
    """Each group of channels (axis 1) brought to mean 0 and variance 1, times gamma plus beta.

    Those have one element a group, as MXNet 1.x has it, or one a channel.
    """
    return norm.group_norm(data, gamma, beta, num_groups, eps, output_mean_var)


@classic("InstanceNorm", shapes=per_channel("gamma", "beta", axis=1))
def instance_norm(data: Array, gamma: Array, beta: Array, eps: float = 1e-3) -> Any:
    """Each channel (axis 1) of each sample brought to mean 0 and variance 1, times gamma plus beta."""
    return norm.instance_norm(data, gamma, beta, eps)


@classic("L2Normalization")
def l2_normalization(data: Array, eps: float = 1e-10, mode: Literal["instance", "channel", "spatial"] = "instance") -> Any:
    """x / sqrt(sum of x² + eps), over each sample (``instance``), over axis 1 (``channel``), or over axes 2 on (``spatial``)."""
    return norm.l2_normalization(data, eps, mode)


@classic("LRN", required=("nsize",))
def local_response_norm(data: Array, alpha: float = 1e-4, beta: float = 0.75, knorm: float = 2.0, nsize: int = 0) -> Any:
    """x / (knorm + alpha / nsize · the sum of squares over ``nsize`` neighbouring channels)**beta."""
    return lrn.lrn(data, alpha, beta, knorm, nsize)
