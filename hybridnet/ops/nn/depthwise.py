"""Depthwise convolution (one channel a group) and its two gradients on NumPy or CuPy arrays.

A product by BLAS has no depth to sum over here. ``einsum`` multiplies and adds in one pass over memory, and fast where its innermost loop
is long and contiguous, for which a block of data is copied, padded, into one of two forms:

* *planes*: a channel's data in one run of memory. Windows of neighbouring rows lie as far from each other as rows of the data, so
  that all of a channel's windows, read at one place in the kernel, are one run too; what it has between rows is garbage that nobody
  reads. At a stride there is one image for each remainder (phase) of places by the stride. One call for each column of the kernel:
  with more in one call NumPy would choose the kernel's columns for its innermost loop.
* *pixels*: the channels last, and the innermost loop goes over them. One call for all.

Measured on two cores for a 3 × 3 kernel, microseconds, beside what was here before (for each place in the
kernel one multiplication and one addition of whole arrays):

    data             stride   before   planes   pixels
    (1,32,112,112)      1       1190      740     3110
    (1,64,112,112)      2       1680     1720     1040
    (1,128,56,56)       1       1950      740     1170
    (1,128,56,56)       2        920      940      500
    (1,256,28,28)       1       1260      570      540
    (1,512,14,14)       1        920      500      360
    (1,1024,7,7)        1        780      350      280
    (16,128,56,56)      1      17600    10500    18200
    (32,512,14,14)      1      16000     9300     8100
"""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np

from hybridnet.ops.nn.windows import Geometry, inner, padded, positions, scratch, share, windows

#: How many numbers of the data a part has that is done at a time: with its sums it should fit a core's second cache, and fewer make
#: calls of NumPy so short that threads wait for the interpreter.
PART = 1 << 18
#: From so many multiply-adds on there are two parts at least, for two threads.
LARGE = 1 << 19
#: A part of pixels has no fewer channels, if there are more: loops over them should be long.
CHANNELS = 32
#: From so many channels for each window of a row on, data is laid out as pixels: at stride 1, where its channels are last anyway, and
#: at larger strides, where planes would be copied in short steps.
DEEP, DEEP_LAST, DEEP_STRIDED = 4, 2, 1

Part = tuple[slice, slice]  # samples, channels


def _is_deep(g: Geometry) -> bool:
    """Whether data is laid out as pixels."""
    if len(g.out) == 1:  # a plane's windows and its one row of a kernel lie in the same run: einsum would take the shorter for its loop
        return True
    deep = DEEP_STRIDED if max(g.stride) > 1 else DEEP_LAST if g.last else DEEP
    return g.groups >= deep * g.out[-1]


def _parts(g: Geometry) -> list[Part]:
    """The blocks of samples and channels that are done at a time, by the shape alone."""
    sample = g.groups * max(math.prod(g.size), math.prod(g.out) * g.filters)
    work = g.groups * g.filters * math.prod(g.out) * math.prod(g.kernel)
    samples = max(1, min(g.batch, PART // sample))
    pieces = 1 if g.last and g.batch > 1 else -(-sample // PART)  # with the channels last, fewer of them make shorter loops
    if samples >= g.batch and pieces == 1 and g.batch * work >= LARGE:
        samples, pieces = -(-g.batch // 2), 2 if g.batch == 1 else 1
    channels = min(g.groups, max(CHANNELS if _is_deep(g) else 1, -(-g.groups // pieces)))
    return [
        (slice(n, min(n + samples, g.batch)), slice(c, min(c + channels, g.groups)))
        for n in range(0, g.batch, samples)
        for c in range(0, g.groups, channels)
    ]


def _of_part(g: Geometry, part: Part) -> Geometry:
    samples, channels = part
    return g._replace(batch=samples.stop - samples.start, groups=channels.stop - channels.start)


def _split(array: Any, g: Geometry, filters: int) -> Any:
    """An array of data with its channels' axis as (groups, filters)."""
    if g.last:
        return array.reshape(*array.shape[:-1], g.groups, filters)
    return array.reshape(array.shape[0], g.groups, filters, *array.shape[2:])


def _kernels(w: Any, g: Geometry) -> Any:
    """The weight as (groups, filters, *kernel)."""
    return (w[..., 0] if g.last else w[:, 0]).reshape(g.groups, g.filters, *g.kernel)


def _channels_first(array: Any, g: Geometry, axes: int) -> Any:
    """Data in its layout as (N, channels, *size), where the channels are so many axes."""
    return array.transpose(0, *range(array.ndim - axes, array.ndim), *range(1, array.ndim - axes)) if g.last else array


def forward(xp: Any, x: Any, w: Any, g: Geometry, out: Any) -> Any:
    """The convolution of ``x`` with ``w``, into ``out``.

    ``x``: (N, groups, *size), ``w``: (groups · filters, 1, *kernel), with the channels last where ``g`` says so.
    """
    data, target, kernels = _channels_first(x, g, 1), _channels_first(_split(out, g, g.filters), g, 2), _kernels(w, g)
    one = _forward_pixels if _is_deep(g) else _forward_planes
    share(xp, _parts(g), lambda part: one(xp, data[part], kernels[part[1]], _of_part(g, part), target[part]), enough=2)
    return out


# -- pixels ---------------------------------------------------------------------------------------
# Axes of einsum's operands by number: samples, channels, filters, then the result's, then the kernel's.

_SAMPLE, _CHANNEL, _FILTER, _FREE = range(4)


def _pixels(xp: Any, x: Any, g: Geometry) -> tuple[Any, list[int], list[int], list[int]]:
    """The windows of a part (N, channels, *size), with the numbers of their axes, of the result's and of the kernel's."""
    nd = len(g.kernel)
    last = g._replace(last=True)
    if any(g.pad):
        pixels = padded(xp, x.transpose(0, *range(2, nd + 2), 1), last)
    else:
        pixels = scratch(xp, "padded", (g.batch, *g.size, g.groups), x.dtype)
        pixels[...] = x.transpose(0, *range(2, nd + 2), 1)
    view = windows(xp, pixels, last)[..., 0]  # (batch, *out, groups, *kernel)
    out, kernel = list(range(_FREE, _FREE + nd)), list(range(_FREE + nd, _FREE + 2 * nd))
    return view, [_SAMPLE, *out, _CHANNEL, *kernel], out, kernel


def _forward_pixels(xp: Any, x: Any, kernels: Any, g: Geometry, out: Any) -> None:
    """A part: ``x`` (N, channels, *size), ``kernels`` (channels, filters, *kernel), ``out`` (N, channels, filters, *out)."""
    nd = len(g.kernel)
    view, axes, of_out, of_kernel = _pixels(xp, x, g)
    weight = xp.ascontiguousarray(kernels.transpose(1, *range(2, nd + 2), 0))
    sums = scratch(xp, "sums", (g.filters, g.batch, *g.out, g.groups), x.dtype)
    result = [_FILTER, _SAMPLE, *of_out, _CHANNEL]
    _einsum(xp, view, axes, weight, [_FILTER, *of_kernel, _CHANNEL], result, sums)
    out[...] = sums.transpose(1, nd + 2, 0, *range(2, nd + 2))


def _weight_grad_pixels(xp: Any, x: Any, dy: Any, g: Geometry) -> Any:
    """Of a part, ``dy`` (N, channels, filters, *out): (channels, filters, *kernel)."""
    nd = len(g.kernel)
    view, axes, of_out, of_kernel = _pixels(xp, x, g)
    pixels = scratch(xp, "sums", (g.filters, g.batch, *g.out, g.groups), x.dtype)
    pixels[...] = dy.transpose(2, 0, *range(3, nd + 3), 1)
    sums = xp.empty((g.filters, *g.kernel, g.groups), x.dtype)
    _einsum(xp, view, axes, pixels, [_FILTER, _SAMPLE, *of_out, _CHANNEL], [_FILTER, *of_kernel, _CHANNEL], sums)
    return sums.transpose(nd + 1, 0, *range(1, nd + 1))


def _einsum(xp: Any, a: Any, axes: list[int], b: Any, of_b: list[int], of_out: list[int], out: Any) -> None:
    """The sums of products over all axes that the result does not have, into ``out``."""
    if xp is np:
        np.einsum(a, axes, b, of_b, of_out, out=out)
    else:
        out[...] = xp.einsum(a, axes, b, of_b, of_out)


# -- planes ---------------------------------------------------------------------------------------


class _Column(NamedTuple):
    """Places in the kernel that differ on the first axis alone, whose windows lie in one image, equally far apart."""

    places: tuple[Any, ...]  # the key of a kernel
    image: int
    start: int  # the image's element at which the first place's windows begin
    step: int  # from a place to the next


class _Planes(NamedTuple):
    phases: list[tuple[int, ...]]
    image: tuple[int, ...]  # the spatial shape of each image
    run: int  # elements from the first window to the last
    columns: list[_Column]


def _planes_of(g: Geometry) -> _Planes:
    wide = [n + 2 * p for n, p in zip(g.size, g.pad, strict=True)]
    image = tuple(-(-n // s) for n, s in zip(wide, g.stride, strict=True))
    pitch = [math.prod(image[axis + 1 :]) for axis in range(len(image))]
    apart = g.stride[0] // math.gcd(g.stride[0], g.dilate[0])  # places so far apart on the first axis have one phase
    phases: list[tuple[int, ...]] = []
    columns = []
    for place in itertools.product(range(min(apart, g.kernel[0])), *map(range, g.kernel[1:])):
        at = [divmod(k * d, s) for k, d, s in zip(place, g.dilate, g.stride, strict=True)]
        phase = tuple(rest for _, rest in at)
        if phase not in phases:
            phases.append(phase)
        start = sum(whole * step for (whole, _), step in zip(at, pitch, strict=True))
        places = (slice(place[0], None, apart), *place[1:])
        columns.append(_Column(places, phases.index(phase), start, apart * g.dilate[0] // g.stride[0] * pitch[0]))
    run = sum((n - 1) * step for n, step in zip(g.out, pitch, strict=True)) + 1
    return _Planes(phases, image, run, columns)


def _overlap(phase: int, size: int, pad: int, stride: int, image: int) -> tuple[slice, slice]:
    """Where data lies on an axis of a phase's image, and which data that is."""
    first = max(0, -((phase - pad) // stride))
    number = max(0, min(image, (size - 1 - phase + pad) // stride + 1) - first)
    start = first * stride + phase - pad
    return slice(first, first + number), slice(start, start + number * stride, stride)


def _images(xp: Any, x: Any, g: Geometry, planes: _Planes) -> Any:
    """A part (N, channels, *size), padded, as (image, N, channels, elements)."""
    images = scratch(xp, "padded", (len(planes.phases), g.batch, g.groups, *planes.image), x.dtype)
    images.fill(0)
    for image, phase in zip(images, planes.phases, strict=True):
        where = [_overlap(*axis) for axis in zip(phase, g.size, g.pad, g.stride, planes.image, strict=True)]
        image[(..., *[to for to, _ in where])] = x[(..., *[of for _, of in where])]
    return images.reshape(len(planes.phases), g.batch, g.groups, -1)


def _runs(xp: Any, images: Any, column: _Column, number: int, run: int) -> Any:
    """The data that all windows have at a column's places: (N, channels, places, run), a view."""
    image = images[column.image][..., column.start :]
    sample, channel, element = image.strides
    shape = (*image.shape[:2], number, run)
    return xp.lib.stride_tricks.as_strided(image, shape, (sample, channel, column.step * element, element))


_PLACE, _RUN = _FREE, _FREE + 1


def _forward_planes(xp: Any, x: Any, kernels: Any, g: Geometry, out: Any) -> None:
    planes = _planes_of(g)
    images = _images(xp, x, g, planes)
    rows = (g.out[0], *planes.image[1:])
    sums = scratch(xp, "sums", (g.batch, g.groups, g.filters, math.prod(rows)), x.dtype)
    total = sums[..., : planes.run]
    product = scratch(xp, "product", total.shape, x.dtype)
    for column in planes.columns:
        weight = kernels[(..., *column.places)]
        data = _runs(xp, images, column, weight.shape[2], planes.run)
        target = total if column is planes.columns[0] else product
        axes = [_SAMPLE, _CHANNEL, _PLACE, _RUN], [_CHANNEL, _FILTER, _PLACE], [_SAMPLE, _CHANNEL, _FILTER, _RUN]
        _einsum(xp, data, axes[0], weight, axes[1], axes[2], target)
        if target is product:
            total += product
    out[...] = sums.reshape(*sums.shape[:3], *rows)[(..., *map(slice, g.out))]


def _weight_grad_planes(xp: Any, x: Any, dy: Any, g: Geometry) -> Any:
    planes = _planes_of(g)
    images = _images(xp, x, g, planes)
    rows = (g.out[0], *planes.image[1:])
    gradients = scratch(xp, "sums", (g.batch, g.groups, g.filters, *rows), x.dtype)
    gradients.fill(0)  # between rows
    gradients[(..., *map(slice, g.out))] = dy
    gradients = gradients.reshape(*gradients.shape[:3], -1)[..., : planes.run]
    result = xp.empty((g.groups, g.filters, *g.kernel), x.dtype)
    for column in planes.columns:
        target = result[(..., *column.places)]
        data = _runs(xp, images, column, target.shape[2], planes.run)
        axes = [_SAMPLE, _CHANNEL, _PLACE, _RUN], [_SAMPLE, _CHANNEL, _FILTER, _RUN], [_CHANNEL, _FILTER, _PLACE]
        _einsum(xp, data, axes[0], gradients, axes[1], axes[2], target)
    # What lies between rows met a gradient of zero, which takes nothing out where it is infinite or NaN: then by windows alone.
    return result if np.isfinite(result).all() else _weight_grad_pixels(xp, x, dy, g)


# -- gradients ------------------------------------------------------------------------------------


def weight_grad(xp: Any, x: Any, dy: Any, g: Geometry, shape: tuple[int, ...]) -> Any:
    """The weight's gradient, of ``shape``: the sum of the parts' sums, in their order, whichever thread made them.

    ``x`` is of the data's shape, ``dy`` of the result's.
    """
    data, gradients = _channels_first(x, g, 1), _channels_first(_split(dy, g, g.filters), g, 2)
    parts = _parts(g)
    sums: dict[Any, Any] = {}
    one = _weight_grad_pixels if _is_deep(g) or xp is not np else _weight_grad_planes

    def compute(part: Part) -> None:
        sums[part[0].start, part[1].start] = one(xp, data[part], gradients[part], _of_part(g, part))

    share(xp, parts, compute, enough=2)
    result = xp.zeros(shape, x.dtype)
    for samples, channels in parts:
        _kernels(result, g)[channels] += sums[samples.start, channels.start]
    return result


def data_grad(xp: Any, dy: Any, w: Any, g: Geometry, out: Any) -> Any:
    """The data's gradient, into ``out``: at stride 1 a convolution of the gradient with the turned kernels.

    ``dy`` is of the result's shape, ``out`` of the data's.
    """
    pad = tuple(d * (k - 1) - p for d, k, p in zip(g.dilate, g.kernel, g.pad, strict=True))
    if g.filters == 1 and set(g.stride) == {1} and min(pad) >= 0:
        places = (slice(None, None, -1),) * len(g.kernel)
        turned = w[(slice(None), *places)] if g.last else w[(slice(None), slice(None), *places)]
        return forward(xp, dy, turned, g._replace(size=g.out, out=g.size, pad=pad), out)
    share(xp, _parts(g), lambda part: _add_windows(xp, dy, w, g, part, out), enough=2)
    return out


def _add_windows(xp: Any, dy: Any, w: Any, g: Geometry, part: Part, out: Any) -> None:
    """A part of the data's gradient: of each place in the kernel, added where its windows are."""
    samples, channels = part
    of_part, kernels = _of_part(g, part), _kernels(w, g)[channels]
    key = (samples, ..., channels, slice(None)) if g.last else (samples, channels)
    gradients = _split(dy, g, g.filters)[key]
    wide = tuple(s + 2 * p for s, p in zip(g.size, g.pad, strict=True))
    target = scratch(xp, "padded", (of_part.batch, *of_part.spatial(wide)), out.dtype)
    target.fill(0)
    product = scratch(xp, "product", gradients.shape, out.dtype)
    for place, where in positions(g):
        tap = kernels[(..., *place)]
        xp.multiply(gradients, tap if g.last else tap.reshape(*tap.shape, *[1] * len(g.out)), out=product)
        if g.filters == 1:
            target[where] += product[..., 0] if g.last else product[:, :, 0]
        else:
            target[where] += product.sum(axis=-1 if g.last else 2)
    out[(samples, ..., channels) if g.last else (samples, channels)] = target[inner(g)]
