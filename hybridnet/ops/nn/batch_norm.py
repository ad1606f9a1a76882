"""Batch normalisation, one operator from the layer down to the passes: where each part of it is.

=================  ====================================================================================================
the call           :func:`batch_norm` here (``nd.BatchNorm`` and ``npx.batch_norm`` call it): arguments, and the running
                   statistics, which the operator gives as results, written back
the operator       ``batch_norm``, the record at the end of this file: what traced graphs hold, forward
the mathematics    ``_batch_norm``, its decomposition: ``batch_norm_forward`` in training, which is ``moments``, then
                   :func:`~hybridnet.ops.nn.normalize.normalize`
the gradient       ``_rule``: :func:`~hybridnet.ops.nn.normalize.normalize_slopes` (two sums, ``centred_sums``, and one
                   pointwise expression), and that of the moments; in training ``batch_norm_backward``, which is both
on a CPU           oneDNN computes these two operators where it is installed (:mod:`hybridnet.ops.nn.batch_norm_whole`)
on a GPU           ``moments`` and ``centred_sums`` (:mod:`hybridnet.ops.nn.moments`) read the data once each, by the kernels
                   of ``kernels/batch_norm.cu``; which of them, and over which grid, ``_pass`` there chooses. All else is
                   pointwise: code generation fuses it with what stands before and behind (the relu, say). So a training
                   step reads the data in four kernels: moments, normalisation, sums, gradient
channels last      ``_permuted`` in moments.py, by which the layout pass turns the two, and in batch_norm_whole.py; pointwise parts
                   need nothing
=================  ====================================================================================================

The pass ``decompose`` writes the operator out in its decomposition, and keeps ``moments`` and ``centred_sums`` whole on a GPU because
they have kernels. Statistics of 16-bit data are float32.
"""

from __future__ import annotations

from typing import Any

from hybridnet.core import Kind, Op, Sample, Spec, apply, call, local, paused_recording, register
from hybridnet.ops.common import normal, normalize_axis, uniform
from hybridnet.ops.nn.batch_norm_whole import BATCH_NORM_BACKWARD, BATCH_NORM_FORWARD, others, scale_of
from hybridnet.ops.nn.common import along, fill_like, narrow, wide, wide_dtype
from hybridnet.ops.nn.moments import count, moments_slope, root_of
from hybridnet.ops.nn.normalize import check_sizes, floating, normalize, normalize_slopes


def _infer(x: Spec, gamma: Spec, beta: Spec, running_mean: Spec, running_var: Spec, *, axis: int, training: bool, **_: Any) -> Any:
    parameters = {"gamma": gamma, "beta": beta, "running_mean": running_mean, "running_var": running_var}
    check_sizes("batch_norm", parameters, x.shape[axis])
    shape = tuple(n if i == axis else 1 for i, n in enumerate(x.shape))
    mean, var = (Spec(shape, wide_dtype(x.dtype if training else running.dtype)) for running in (running_mean, running_var))
    return (x, mean, var, running_mean, running_var) if training else (x, mean, var)


def _batch_norm(
    x: Any,
    gamma: Any,
    beta: Any,
    running_mean: Any,
    running_var: Any,
    *,
    axis: int,
    eps: float,
    momentum: float,
    fix_gamma: bool,
    training: bool,
) -> tuple[Any, ...]:
    """The result, the statistics that it was made by (with length 1 on all axes but ``axis``); in training the new running ones."""
    if training:
        y, mean, var = apply(BATCH_NORM_FORWARD, (x, *([] if fix_gamma else [gamma]), beta), {"axis": axis, "eps": eps})
        moved = (
            narrow(running * momentum + call("reshape", batch, shape=running.shape) * (1 - momentum), running.dtype)
            for running, batch in ((running_mean, mean), (running_var, var))
        )
        return y, mean, var, *moved
    mean, var = along(wide(running_mean), axis, x.ndim), along(wide(running_var), axis, x.ndim)
    scale = scale_of(() if fix_gamma else (gamma,), mean, axis)
    return normalize(x, mean, var, scale, along(wide(beta), axis, x.ndim), eps), mean, var


def _rule(
    needs: tuple[bool, ...],
    g: Any,
    y: Any,
    x: Any,
    gamma: Any,
    beta: Any,
    running_mean: Any,
    running_var: Any,
    *,
    axis: int,
    eps: float,
    momentum: float,
    fix_gamma: bool,
    training: bool,
) -> tuple[Any, ...]:
    (of_y, of_mean, of_var, *of_moved), (_, mean, var, *_) = g, y
    parameters, reached = needs[1] or needs[2], local.propagation.reached
    given = () if fix_gamma else (gamma,)
    if training and needs[0] and parameters and not any(reached[1:]) and not local.recording:
        dx, *slopes_of, dbeta = apply(BATCH_NORM_BACKWARD, (of_y, x, mean, var, *given), {"axis": axis, "eps": eps})
        return dx, *(slopes_of or [None]), dbeta, None, None
    scale = scale_of(given, mean, axis)
    slopes = normalize_slopes(of_y, x, mean, var, scale, eps, needs[0], needs[0] if training else needs[3] or needs[4], parameters)
    dgamma, dbeta = (_along_one_axis(d, gamma) for d in (None if fix_gamma else slopes.gamma, slopes.beta))
    dmean, dvar = (
        d + more if d is not None and is_reached else d
        for d, more, is_reached in zip(slopes[1:3], (of_mean, of_var), reached[1:3], strict=True)
    )
    if not training:
        return slopes.x, dgamma, dbeta, _along_one_axis(dmean, running_mean), _along_one_axis(dvar, running_var)
    of_running = [d * momentum if is_reached else None for d, is_reached in zip(of_moved, reached[3:], strict=True)]
    if not needs[0]:
        return None, dgamma, dbeta, *of_running
    dmean, dvar = (
        d + call("reshape", more, shape=mean.shape) * (1 - momentum) if is_reached else d
        for d, more, is_reached in zip((dmean, dvar), of_moved, reached[3:], strict=True)
    )
    return slopes.x + moments_slope(wide(x), mean, dmean, dvar, count(x, others(x, axis))), dgamma, dbeta, *of_running


def _along_one_axis(slope: Any, parameter: Any) -> Any:
    return None if slope is None else call("reshape", slope, shape=parameter.shape)


def batch_norm(
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
    axis: int = 1,
) -> Any:
    """(x - mean) / sqrt(var + eps) · gamma + beta over all axes but ``axis``; all parameters have its length.

    In training the statistics are the batch's, and the running ones move towards them in place:
    running = momentum · running + (1 - momentum) · batch, with the biased variance. In prediction, or with
    ``use_global_stats``, they are the running ones. ``fix_gamma`` takes gamma as 1. With
    ``output_mean_var`` the mean and 1 / sqrt(var + eps) that were used follow the result.
    """
    x = floating(x)
    training = local.training and not use_global_stats
    attrs = {
        "axis": normalize_axis("batch_norm", axis, x.ndim),
        "eps": float(eps),
        "momentum": float(momentum),
        "fix_gamma": bool(fix_gamma),
        "training": training,
    }
    y, mean, var, *moved = apply(BATCH_NORM, (x, gamma, beta, running_mean, running_var), attrs)
    if training:
        with paused_recording():
            running_mean._assign(moved[0])
            running_var._assign(moved[1])
    if not output_mean_var:
        return y
    return y, call("reshape", mean, shape=running_mean.shape), call("reshape", root_of(var, eps), shape=running_var.shape)


def fix(gamma: Any) -> None:
    """Write into ``gamma`` the 1 that ``fix_gamma`` takes, as MXNet does, for whoever reads the file.

    Not in a compiled prediction, which writes nothing, nor to what gradients flow through.
    """
    if local.trace is None or (local.training and gamma._tape is None):
        with paused_recording():
            gamma._assign(fill_like(gamma, gamma.shape, 1))


def _sample(shape: tuple[int, ...], axis: int, training: bool = True, fix_gamma: bool = False) -> Sample:
    n = shape[axis]
    inputs = (normal(*shape), uniform(0.5, 2, n, seed=1), normal(n, seed=2), normal(n, seed=3, scale=0.3), uniform(0.5, 2, n, seed=4))
    return Sample(inputs, {"axis": axis, "eps": 1e-3, "momentum": 0.8, "fix_gamma": fix_gamma, "training": training})


_wrong = _sample((2, 3, 4), 1)
BATCH_NORM = register(
    Op(
        "batch_norm",
        Kind.OPAQUE,
        _infer,
        decomposition=_batch_norm,
        grad=_rule,
        saves=(0, 1, "y1", "y2"),
        sample=lambda: [
            _sample((2, 3, 4), 1),
            _sample((5, 2, 3), 2),
            _sample((4, 3), 1, fix_gamma=True),
            _sample((2, 3, 4), 1, training=False),
            _sample((2, 2, 3), 2, training=False, fix_gamma=True),
            Sample((*_wrong.inputs[:4], normal(2)), _wrong.attrs, error=ValueError),
        ],
    )
)
