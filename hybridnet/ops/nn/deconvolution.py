"""Deconvolution (transposed convolution): the gradient of a convolution with respect to its data, as a layer."""

from __future__ import annotations

from typing import Any

from hybridnet.core import ArrayLike, apply
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.common import tensor
from hybridnet.ops.nn.common import as_tuple
from hybridnet.ops.nn.convolution import DATA_GRAD, convolution_attrs, with_bias
from hybridnet.ops.nn.windows import channels_of, is_last, spatial_of


def _target(size: tuple[int, ...], reach: tuple[int, ...], attrs: dict[str, Any], target: tuple[int, ...]) -> tuple[int, ...]:
    """The padding that gives ``target``: what is too much is cut off half at each side, the odd one at the start."""
    full = tuple((n - 1) * s + r for n, s, r in zip(size, attrs["stride"], reach, strict=True))
    if any(t > f or t < 1 for t, f in zip(target, full, strict=True)):
        fail(ShapeError, "deconvolution", expected=f"a target_shape of at most {full}", got=str(target))
    return tuple((f - t + 1) // 2 for f, t in zip(full, target, strict=True))


def deconvolution(
    data: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    kernel: Any = None,
    stride: Any = None,
    dilate: Any = None,
    pad: Any = None,
    adj: Any = None,
    target_shape: Any = None,
    num_filter: int | None = None,
    num_group: int = 1,
    no_bias: bool = True,
    layout: str | None = None,
) -> Any:
    """Each element of ``data`` times ``weight``, added up where they overlap, plus ``bias`` a filter.

    ``data``: (N, C, *size) or, by ``layout``, (N, *size, C); ``weight``: (C, num_filter / num_group,
    *kernel) or (C, *kernel, num_filter / num_group). The result has (size - 1) stride - 2 pad +
    dilate (kernel - 1) + 1 + adj elements on an axis, ``adj`` being less than the stride; or
    ``target_shape``, which then decides ``pad`` and ``adj``. ShapeError if ``data``, ``weight``, ``kernel`` and ``num_filter`` do
    not fit together, ArgumentError if ``adj`` is not below ``stride``.
    """
    data = tensor(data)
    weight = tensor(weight)
    nd = weight.ndim - 2
    last = is_last("deconvolution", layout, nd)
    attrs = convolution_attrs("deconvolution", nd, stride, pad, dilate, num_group, last)
    shape = spatial_of(weight.shape, last)
    if data.ndim != nd + 2 or channels_of(data.shape, last) != weight.shape[0]:
        expected = f"data of {nd + 2} dimensions with {weight.shape[0]} channels for weight {weight.shape}"
        fail(ShapeError, "deconvolution", expected=expected, got=str(data.shape))
    if kernel is not None and as_tuple("deconvolution", "kernel", kernel, nd, 1) != shape:
        fail(ShapeError, "deconvolution", expected=f"a weight with kernel {kernel}", got=str(weight.shape))
    filters = channels_of(weight.shape, last) * num_group
    if num_filter is not None and num_filter != filters:
        fail(ShapeError, "deconvolution", expected=f"a weight of {num_filter} filters", got=str(weight.shape))
    size = spatial_of(data.shape, last)
    reach = tuple(d * (k - 1) + 1 for d, k in zip(attrs["dilate"], shape, strict=True))
    if target_shape:
        target = as_tuple("deconvolution", "target_shape", target_shape, nd, 1)
        attrs["pad"] = _target(size, reach, attrs, target)
    else:
        more = as_tuple("deconvolution", "adj", adj, nd, 0)
        if any(not 0 <= a < s for a, s in zip(more, attrs["stride"], strict=True)):
            fail(ArgumentError, "deconvolution", expected=f"adj from 0 to below the stride {attrs['stride']}", got=str(more))
        target = tuple((n - 1) * s - 2 * p + r + a for n, s, p, r, a in zip(size, attrs["stride"], attrs["pad"], reach, more, strict=True))
    y = apply(DATA_GRAD, (data, weight), {"size": target, **attrs})
    return with_bias("deconvolution", y, None if no_bias else bias, last)
