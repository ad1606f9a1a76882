"""Batch normalisation by the statistics of the batches of all ranks: two small sums over ranks, whose gradients are sums again.

The first gives the mean; the second the mean squared distance from it, made of each rank's own variance and the distance of its mean, so
that nothing large cancels. Each counts as many samples as it has: batches may be of different lengths. On one rank it is ``batch_norm``.
"""

from __future__ import annotations

from typing import Any

from hybridnet.core import apply, call, local, paused_recording
from hybridnet.device import communicate
from hybridnet.ops.array.creation import full
from hybridnet.ops.collective.collective import all_reduce
from hybridnet.ops.nn.batch_norm import batch_norm
from hybridnet.ops.nn.common import along, fill_like, narrow, wide
from hybridnet.ops.nn.moments import MOMENTS, count, root_of
from hybridnet.ops.nn.normalize import check_sizes, floating, normalize


def sync_batch_norm(
    x: Any,
    gamma: Any,
    beta: Any,
    running_mean: Any,
    running_var: Any,
    eps: float = 1e-3,
    momentum: float = 0.9,
    fix_gamma: bool = True,
    use_global_stats: bool = False,
    output_mean_var: bool = False,
) -> Any:
    """As :func:`~hybridnet.ops.nn.batch_norm.batch_norm` with channels on axis 1: ``x`` is (N, channels, ...), all others (channels,).

    In training the mean and the variance are of all ranks' ``x`` together, and so the running ones are the same on all. ShapeError for
    parameters of other lengths.
    """
    if not local.training or use_global_stats or communicate.world().size == 1:
        return batch_norm(x, gamma, beta, running_mean, running_var, eps, momentum, fix_gamma, use_global_stats, output_mean_var, 1)
    x = floating(x)
    check_sizes("sync_batch_norm", {"gamma": gamma, "beta": beta, "mean": running_mean, "var": running_var}, x.shape[1])
    axes = tuple(i for i in range(x.ndim) if i != 1)
    own_mean, own_var = apply(MOMENTS, (x,), {"axis": axes})
    n = count(x, axes)
    sums, total = all_reduce(own_mean * n, full((), n, own_mean.dtype, own_mean.device))
    mean = sums / total
    var = all_reduce((own_var + call("square", own_mean - mean)) * n) / total
    scale = fill_like(mean, mean.shape, 1) if fix_gamma else along(wide(gamma), 1, x.ndim)
    y = normalize(x, mean, var, scale, along(wide(beta), 1, x.ndim), eps)
    with paused_recording():
        for running, batch in ((running_mean, mean), (running_var, var)):
            moved = running * momentum + call("reshape", batch, shape=running.shape) * (1 - momentum)
            running._assign(narrow(moved, running.dtype))
    if not output_mean_var:
        return y
    return y, call("reshape", mean, shape=running_mean.shape), call("reshape", root_of(var, eps), shape=running_var.shape)
