"""Convolution and its two gradients on NumPy or CuPy arrays, which are in C order and of one dtype.

The windows of a few samples at a time are copied to a column matrix, for one product by BLAS.
Measured on two cores for (N, C, H, W) ∗ (O, C, K, K), milliseconds:

    data             weight          one copy of all   samples in blocks   K·K products   rows with garbage
    (64,16,8,8)      (32,16,3,3)            0.8              0.8                0.9              1.1
    (32,64,56,56)    (64,64,3,3)            66               46                  59               56
    (32,256,14,14)   (256,256,3,3)          46               40                  56               55
    (8,3,112,112)    (64,3,7,7)             16               11                 112               14

Of few samples threads share pieces of the rows of each result, whose columns are multiplied while in the cache (two cores, beside one
copy of all: (1,3,224,224) ∗ (64,3,7,7) at stride 2 2.2 against 3.4, (1,64,56,56) ∗ (64,64,3,3) 2.1 against 3.3). The columns of all, which
one thread copies and both read, cost as much as the product in being moved between their caches, so that even (1,512,7,7) ∗
(512,512,3,3), whose weight is then read twice, gains: 2.7 against 3.9.

The data's gradient at stride 1 with no more filters than channels is a convolution of the gradient with the turned weights (47 against 62
for columns added back, second row); else columns are added back, at stride 1 row by row of the kernel where rows are short: on one
core (64,20,12,12) ∗ (50,20,5,5) 6.8 against 10.5, (16,32,14,14) ∗ (64,32,5,5) 7.5 against 10.7.
A kernel of one element needs no columns; one channel a group (depthwise) is in :mod:`hybridnet.ops.nn.depthwise`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet.ops.linalg import cpu_matmul
from hybridnet.ops.nn import depthwise
from hybridnet.ops.nn.windows import BLOCK, BLOCKS, Geometry, inner, padded, positions, scratch, share, windows

#: From so many blocks on threads share these; fewer are done in turn, and threads share each one's product.
ENOUGH = 4
#: Numbers of the column matrix in a piece of the rows of one sample's result, where samples are too few to be shared.
ROWS = 1 << 18
#: Up to so many windows in a row columns are added back row by row of the kernel: NumPy takes as long for a short run as for this one.
SHORT = 64


def _each_block(xp: Any, g: Geometry, compute: Callable[[slice], None]) -> None:
    """Call ``compute`` for each block of samples; on a CPU threads share them."""
    share(xp, g.blocks(), compute, ENOUGH)


def _columns(xp: Any, x: Any, g: Geometry) -> Any:
    """The windows of a block as matrices: (n, G, C·K, L), or with channels last (n·L, G, K·C) as (G, n·L, K·C)."""
    if not g.is_pointwise:
        return _copied(xp, windows(xp, padded(xp, x, g), g), g)
    n, length = x.shape[0], math.prod(g.out)
    return x.reshape(n * length, g.groups, -1).transpose(1, 0, 2) if g.last else x.reshape(n, g.groups, -1, length)


def _copied(xp: Any, view: Any, g: Geometry) -> Any:
    """A view of windows (see ``windows``), of all rows or of some, as such matrices."""
    columns = scratch(xp, "columns", view.shape, view.dtype)
    columns[...] = view
    depth = g.channels * math.prod(g.kernel)
    if g.last:
        return columns.reshape(-1, g.groups, depth).transpose(1, 0, 2)
    return columns.reshape(view.shape[0], g.groups, depth, -1)


def _filters(w: Any, g: Geometry) -> Any:
    """The weight as one matrix a group: (G, O, C·K), or (G, O, K·C) with channels last."""
    return w.reshape(g.groups, g.filters, -1)


def forward(xp: Any, x: Any, w: Any, g: Geometry, out: Any) -> Any:
    """The convolution of ``x`` with ``w``, into ``out``.

    ``x``: (N, groups · channels, *size), ``w``: (filters, channels, *kernel), with the channels last where ``g`` says so.
    """
    if g.is_depthwise:
        return depthwise.forward(xp, x, w, g, out)
    if xp is np and (pieces := _pieces(g)) > 1:
        return _forward_by_rows(x, w, g, pieces, out)
    length, filters, product = math.prod(g.out), _filters(w, g), cpu_matmul.matmul_of(xp)

    def compute(part: slice) -> None:
        columns = _columns(xp, x[part], g)
        if g.last:
            product(columns, filters.swapaxes(1, 2), out=out[part].reshape(-1, g.groups, g.filters).transpose(1, 0, 2))
        else:
            product(filters, columns, out=out[part].reshape(-1, g.groups, g.filters, length))

    _each_block(xp, g, compute)
    return out


def _pieces(g: Geometry) -> int:
    """Into how many pieces the rows of each sample's result are cut: 1 where there are samples enough for threads to share."""
    columns = g.groups * g.channels * math.prod(g.kernel) * math.prod(g.out)
    if g.is_pointwise or columns < ROWS // 2 or len(g.blocks()) >= ENOUGH:
        return 1
    return min(g.out[0], 2 * math.ceil(columns / (2 * ROWS)))


def _forward_by_rows(x: Any, w: Any, g: Geometry, pieces: int, out: Any) -> Any:
    """The convolution of few samples on a CPU: threads share pieces of the rows of each.

    ``x``: (N, groups · channels, *size), ``w``: (filters, channels, *kernel), with the channels last where ``g`` says so.
    """
    filters, view, inside = _filters(w, g), windows(np, padded(np, x, g), g), math.prod(g.out[1:])
    result = out.reshape(g.batch, -1, g.groups, g.filters) if g.last else out.reshape(g.batch, g.groups, g.filters, -1)
    cuts = [g.out[0] * i // pieces for i in range(pieces + 1)]
    axis = 1 if g.last else 3 + len(g.kernel)  # of the view, on which its rows lie

    def compute(part: tuple[int, int, int]) -> None:
        sample, start, stop = part
        rows, place = (slice(None),) * (axis - 1) + (slice(start, stop),), slice(start * inside, stop * inside)
        columns = _copied(np, view[(slice(sample, sample + 1), *rows)], g)
        if g.last:
            cpu_matmul.matmul(columns, filters.swapaxes(1, 2), out=result[sample, place].transpose(1, 0, 2))
        else:
            cpu_matmul.matmul(filters, columns[0], out=result[sample, :, :, place])

    share(np, [(sample, *cut) for sample in range(g.batch) for cut in itertools.pairwise(cuts)], compute, enough=2)
    return out


def _turned(w: Any, g: Geometry) -> Any:
    """The weight of the convolution that carries gradients back: filters and channels exchanged, kernel reversed."""
    nd = len(g.kernel)
    w = w.reshape(g.groups, g.filters, *w.shape[1:])
    back = slice(None, None, -1)
    if g.last:
        w = w[(slice(None), slice(None), *[back] * nd)].transpose(0, nd + 2, *range(2, nd + 2), 1)
    else:
        w = w[(slice(None), slice(None), slice(None), *[back] * nd)].swapaxes(1, 2)
    return w.reshape(g.groups * g.channels, *w.shape[2:])


def _is_convolution(g: Geometry) -> bool:
    """Whether the data's gradient is best computed as a convolution of the gradient."""
    reach = [d * (k - 1) for d, k in zip(g.dilate, g.kernel, strict=True)]
    fits = all(s == 1 for s in g.stride) and all(r >= p for r, p in zip(reach, g.pad, strict=True))
    return fits and g.filters <= g.channels and not g.is_pointwise


def data_grad(xp: Any, dy: Any, w: Any, g: Geometry, out: Any) -> Any:
    """The data's gradient, into ``out``.

    ``dy`` is of the result's shape, ``out`` of the data's.
    """
    if g.is_depthwise:
        return depthwise.data_grad(xp, dy, w, g, out)
    if _is_convolution(g):
        pad = tuple(d * (k - 1) - p for d, k, p in zip(g.dilate, g.kernel, g.pad, strict=True))
        back = g._replace(channels=g.filters, filters=g.channels, size=g.out, out=g.size, pad=pad)
        return forward(xp, dy, _turned(w, g), back, out)
    if xp is np and _gains_by_rows(g):
        return _data_grad_by_rows(dy, w, g, out)
    length, depth, filters, product = math.prod(g.out), g.channels * math.prod(g.kernel), _filters(w, g), cpu_matmul.matmul_of(xp)

    def compute(part: slice) -> None:
        block = dy[part]
        n = block.shape[0]
        shape = (n * length, g.groups, depth) if g.last else (n, g.groups, depth, length)
        columns = out[part].reshape(shape) if g.is_pointwise else scratch(xp, "columns", shape, dy.dtype)
        if g.last:
            product(block.reshape(n * length, g.groups, g.filters).transpose(1, 0, 2), filters, out=columns.transpose(1, 0, 2))
        else:
            product(filters.swapaxes(1, 2), block.reshape(n, g.groups, g.filters, length), out=columns)
        if not g.is_pointwise:
            _add_columns(xp, columns, g, out[part])

    _each_block(xp, g, compute)
    return out


def _gains_by_rows(g: Geometry) -> bool:
    """Whether columns are best added back row by row of the kernel: runs of a window each are short, and the weight is small."""
    fits = not g.last and g.stride[0] == 1 and g.kernel[0] > 1
    return fits and g.out[-1] <= SHORT and 2 * g.filters <= g.batch * math.prod(g.out)


def _data_grad_by_rows(dy: Any, w: Any, g: Geometry, out: Any) -> Any:
    """The data's gradient on a CPU where windows move by one along the first axis, channels first.

    Of a kernel's K rows each has a product of its own, whose columns are those of windows one row high: as they stand, whole rows of
    them, they are added up, and a K-th of all is added to the data in short runs.
    """
    row, rows = math.prod(g.out[1:]), g.size[0] + 2 * g.pad[0]
    flat = g._replace(kernel=(1, *g.kernel[1:]), out=(rows, *g.out[1:]))
    filters = w.reshape(g.groups, g.filters, g.channels, g.kernel[0], -1).transpose(3, 0, 2, 4, 1)
    filters = filters.reshape(g.kernel[0], g.groups, -1, g.filters)

    def compute(part: slice) -> None:
        block = dy[part].reshape(-1, g.groups, g.filters, g.out[0] * row)
        columns = scratch(np, "columns", (block.shape[0], *filters.shape[1:3], rows * row), dy.dtype)
        product = scratch(np, "product", (*columns.shape[:3], block.shape[3]), dy.dtype)
        columns.fill(0)
        for place in range(g.kernel[0]):
            start = place * g.dilate[0] * row
            those = columns[..., start : start + block.shape[3]]
            np.add(those, cpu_matmul.matmul(filters[place], block, out=product), out=those)
        _add_columns(np, columns, flat, out[part])

    _each_block(np, g, compute)
    return out


def _add_columns(xp: Any, columns: Any, g: Geometry, out: Any) -> None:
    """Add each column to where its window was."""
    n = out.shape[0]
    wide = tuple(s + 2 * p for s, p in zip(g.size, g.pad, strict=True))
    target = scratch(xp, "padded", (n, *g.spatial(wide)), out.dtype) if any(g.pad) else out
    target.fill(0)
    if g.last:
        columns = columns.reshape(n, *g.out, g.groups, *g.kernel, g.channels)
        lead = (slice(None),) * (len(g.out) + 2)
    else:
        columns = columns.reshape(n, g.groups, g.channels, *g.kernel, *g.out)
        lead = (slice(None),) * 3
    for place, key in positions(g):
        target[key] += columns[(*lead, *place)].reshape(n, *g.spatial(g.out))
    if target is not out:
        out[...] = target[inner(g)]


def weight_grad(xp: Any, x: Any, dy: Any, g: Geometry, shape: tuple[int, ...]) -> Any:
    """The weight's gradient.

    ``x`` is of the data's shape, ``dy`` of the result's; gives ``shape``, the weight's.
    """
    if g.is_depthwise:
        return depthwise.weight_grad(xp, x, dy, g, shape)
    length, depth, product = math.prod(g.out), g.channels * math.prod(g.kernel), cpu_matmul.matmul_of(xp)

    def add(part: slice, total: Any) -> None:
        n = x[part].shape[0]
        if g.last:
            rows = dy[part].reshape(n * length, g.groups, g.filters).transpose(1, 2, 0)
            total += product(rows, _columns(xp, x[part], g))
        else:
            # One product over all positions of all samples of the block, not one a sample to be added up.
            rows = dy[part].reshape(n, g.groups, g.filters, length).transpose(1, 2, 0, 3).reshape(g.groups, g.filters, n * length)
            total += product(rows, _flat_columns(xp, x[part], g, depth).swapaxes(1, 2))

    return _summed(xp, g, (g.groups, g.filters, depth), x.dtype, add).reshape(shape)


def _summed(xp: Any, g: Geometry, shape: tuple[int, ...], dtype: Any, add: Callable[[slice, Any], None]) -> Any:
    """The sum of what ``add`` adds for each block.

    Threads share runs of blocks, each with a sum of its own, where the sums are small; else blocks are large, and their products shared.
    """
    number = BLOCKS if g.batch >= BLOCKS and BLOCKS * math.prod(shape) <= BLOCK else 1
    blocks = g.blocks(number)
    number = max(1, min(number, len(blocks)))
    totals = xp.zeros((number, *shape), dtype)
    runs = [(blocks[i * len(blocks) // number : (i + 1) * len(blocks) // number], totals[i]) for i in range(number)]

    def compute(run: tuple[list[slice], Any]) -> None:
        for part in run[0]:
            add(part, run[1])

    share(xp, runs, compute, ENOUGH)
    return totals.sum(axis=0) if number > 1 else totals[0]


def _flat_columns(xp: Any, x: Any, g: Geometry, depth: int) -> Any:
    """The windows of a block, channels first, as (G, C·K, n·L)."""
    view = windows(xp, padded(xp, x, g), g)
    view = view.transpose(1, 2, *range(3, 3 + len(g.kernel)), 0, *range(3 + len(g.kernel), view.ndim))
    columns = scratch(xp, "columns", view.shape, x.dtype)
    columns[...] = view
    return columns.reshape(g.groups, depth, -1)
