"""Taking, adding and setting by arrays of indices as kernels (``kernels/gather.cu``, ``kernels/add_rows.cu``).

All of them go by a :class:`Lookup`: where the elements of ``x[key]``, or of what ``take_along_axis``
takes, lie in ``x``: at sums of strides along their axes, and of indices times the indexed axes' strides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from hybridnet import dtypes
from hybridnet.core import Spec, broadcast_shapes
from hybridnet.core.indexing import Template
from hybridnet.core.kernel import HandKernels, Launch, computed_dtype, contiguous, stored_type
from hybridnet.device.hardware import LIMIT_32, THREADS
from hybridnet.ops.kernels.places import Axis, axes_of, axes_type, each, fill, index_type, merged, pack_width, parted


class Lookup(NamedTuple):
    """Where elements that are looked up lie.

    ``axes``: of the elements, with strides in ``x``, in every table of indices, and in other operands; ``tables``: the length
    of the axis that each indexes and its stride in ``x``; ``start``: where the first element lies without the indices' part.
    """

    axes: list[Axis]
    tables: tuple[tuple[int, int], ...]
    start: int

    def types(self, width: int = 1) -> str:
        """The template arguments that say all this, for packs of ``width`` elements."""
        tables = ", ".join(f"hn_table<{n}, {stride}>" for n, stride in self.tables)
        return f"{axes_type(self.axes, width)}, hn_tables<{tables}>, {self.start}"

    def run(self, steps: tuple[int, ...] = (1,)) -> int:
        """How many neighbours lie side by side in ``x`` for the same indices, all rows of them apart by multiples of that.

        ``steps``: allowed strides of the operand behind the tables along them, if there is one.
        """
        inner = self.axes[-1] if self.axes else Axis(1, ())
        count = len(self.tables)
        if (
            not inner.strides
            or inner.strides[0] != 1
            or any(inner.strides[1 : count + 1])
            or any(s not in steps for s in inner.strides[count + 1 :])
        ):
            return 1
        return math.gcd(inner.extent, self.start, *(a.strides[0] for a in self.axes[:-1]), *(stride for _, stride in self.tables))

    def rows(self, run: int) -> Lookup:
        """Of the rows that runs of the innermost axis make up: their numbers in ``x``. ``run`` is that axis's length, or 1."""
        axes = self.axes[:-1] if run > 1 else self.axes
        narrowed = [Axis(a.extent, (a.strides[0] // run, *a.strides[1:])) for a in axes]
        return Lookup(narrowed, tuple((n, stride // run) for n, stride in self.tables), self.start // run)


def broadcast_strides(shape: tuple[int, ...], target: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of an array that is broadcast to ``target``."""
    shape = (1,) * (len(target) - len(shape)) + shape[max(len(shape) - len(target), 0) :]
    return tuple(0 if n == 1 else s for n, s in zip(shape, contiguous(shape), strict=True))


def by_key(shape: tuple[int, ...], key: Template, indices: Sequence[Spec], value: Spec | None = None) -> Lookup:
    """The elements of ``x[key]`` for an ``x`` of ``shape``; ``value`` is an operand that broadcasts against them."""
    strides, none = contiguous(shape), (0,) * len(indices)
    axes: list[Axis] = []
    tables: list[tuple[int, int]] = []
    start = first = axis = 0
    places: list[int] = []
    for place, item in enumerate(key):
        if item[0] == "new":
            axes.append(Axis(1, (0, *none)))
            continue
        n, stride = shape[axis], strides[axis]
        axis += 1
        if item[0] == "slice":
            taken = range(n)[slice(*item[1:])]
            axes.append(Axis(len(taken), (taken.step * stride, *none)))
            start += taken.start * stride
            continue
        first = first if places else len(axes)
        places.append(place)
        if item[0] == "int":
            start += item[1] % n * stride
        else:
            tables.append((n, stride))
    axes += [Axis(n, (stride, *none)) for n, stride in zip(shape[axis:], strides[axis:], strict=True)]
    common = broadcast_shapes("index", *[i.shape for i in indices])
    first = first if places[-1] - places[0] + 1 == len(places) else 0
    axes[first:first] = axes_of(common, (0,) * len(common), *[broadcast_strides(i.shape, common) for i in indices])
    if value is not None:
        steps = broadcast_strides(value.shape, tuple(a.extent for a in axes))
        axes = [Axis(a.extent, (*a.strides, step)) for a, step in zip(axes, steps, strict=True)]
    return Lookup(merged(axes), tuple(tables), start)


def along_axis(shape: tuple[int, ...], taken: tuple[int, ...], axis: int) -> Lookup:
    """The elements that ``take_along_axis`` takes of ``shape``, by indices of the shape ``taken``."""
    outer, length, inner = parted(shape, axis)
    count = taken[axis]
    axes = axes_of((outer, count, inner), (length * inner, 0, 1), (count * inner, inner, 1))
    return Lookup(merged(axes), ((length, inner),), 0)


def gather(lookup: Lookup, x: Spec, y: Spec, num_sms: int) -> HandKernels:
    """The elements of ``x0`` that a lookup says, by indices in ``x1`` …."""
    width = pack_width(x.dtype, lookup.run())
    count = y.size // width
    function = f"hn_gather<{index_type(x.size, y.size)}, {count}, {width}, {lookup.types(width)}>"
    return HandKernels("gather.cu", (each(function, ("y0", "x0", *_tables(lookup, 1)), count, num_sms),))


def _tables(lookup: Lookup, first: int) -> list[str]:
    return [f"x{first + i}" for i in range(len(lookup.tables))]


def set_rows(lookup: Lookup, x: Spec, value: Spec, num_sms: int) -> HandKernels | None:
    """``x0`` with the elements that a lookup says set to ``x1``, by indices in ``x2`` …; the last one set holds."""
    run = lookup.run(steps=(0, 1))
    whole = lookup.axes[-1].extent if run > 1 else 1
    run = whole if run == whole and x.size % whole == 0 else 1
    rows, positions = lookup.rows(run), math.prod(a.extent for a in lookup.axes) // run
    if not positions or max(x.size, positions) >= LIMIT_32:
        return None
    step = lookup.axes[-1].strides[-1] if run > 1 else 0
    apart = [a.strides[-1] for a in rows.axes] if step else []
    width = pack_width(x.dtype, run, *apart)
    index, count, numbers = index_type(x.size, value.size), x.size // width, x.size // run
    mark = f"hn_mark_last<{index}, {positions}, {rows.types()}>"
    won = f"hn_set_won<{index}, {count}, {width}, {run // width}, {axes_type(rows.axes)}, {len(rows.tables) + 1}, {step}>"
    launches = (
        fill("t0", dtypes.int32, numbers, -1, num_sms),
        each(mark, ("t0", *_tables(lookup, 2)), positions, num_sms),
        each(won, ("y0", "x0", "x1", "t0"), count, num_sms),
    )
    return HandKernels("gather.cu", launches, (Spec((numbers,), dtypes.int32),), in_place=(("x0", "y0"),))


def put_one(shape: tuple[int, ...], axis: int, dtype: dtypes.Dtype, num_sms: int) -> HandKernels:
    """Zeros of ``shape`` with ``x0``, which has one element along the axis, where ``x1`` says."""
    _, length, inner = parted(shape, axis)
    size = math.prod(shape)
    width = pack_width(dtype, length if inner == 1 else inner)
    index, count = index_type(size), size // width
    return HandKernels(
        "gather.cu", (each(f"hn_put_one<{index}, {count}, {width}, {length}, {inner}>", ("y0", "x0", "x1"), count, num_sms),)
    )


_TILE = 2048  # HN_SORT_TILE and HN_RADIX of add_rows.cu
_RADIX = 256


def sum_rows(lookup: Lookup, g: Spec, y: Spec, num_sms: int) -> HandKernels | None:
    """Zeros with the elements of ``x0`` added where a lookup by ``x1`` … says: see ``add_rows.cu``."""
    run = lookup.run()
    whole = lookup.axes[-1].extent if run > 1 else 1
    run = whole if run == whole and y.size % whole == 0 else 1
    rows, positions, numbers = lookup.rows(run), g.size // run, y.size // run
    if max(positions, numbers) >= LIMIT_32 or g.dtype == dtypes.bool_:
        return None
    index = index_type(g.size, y.size)
    keys = each(f"hn_row_numbers<{index}, {positions}, {rows.types()}>", ("t0", *_tables(lookup, 1)), positions, num_sms)
    sort, order, counts = _sorted(positions, numbers)
    chunk = max(16, min(256, 1 << (math.isqrt(positions) // 3).bit_length()))
    width = pack_width(g.dtype, run)
    lanes = min(32, 1 << (run // width - 1).bit_length())
    chunks, groups = -(-positions // chunk), -(-(run // width) // lanes)
    share = f"hn_run_share<{positions}, {chunk}, {lanes}, {width}, {index}, {run}>"
    types = f"{share}, {positions}, {chunk}, {width}, {index}, {run}, {stored_type(g.dtype)}"
    blocks = (-(-chunks * groups * lanes // THREADS), 1)
    add = Launch(f"hn_add_runs<{types}>", ("y0", "t4", "t5", "x0", "t0", order), blocks, THREADS)
    join = Launch(f"hn_join_runs<{types}>", ("y0", "t4", "t5", "t0", order), blocks, THREADS)
    launches = (keys, *sort, fill("y0", y.dtype, y.size, 0, num_sms), add, *((join,) if chunks > 1 else ()))
    part = Spec((chunks * run,), computed_dtype(g.dtype))
    listed = Spec((positions,), dtypes.int32)
    return HandKernels("add_rows.cu", launches, (listed, listed, listed, counts, part, part))


def _sorted(positions: int, numbers: int) -> tuple[list[Launch], str, Spec]:
    """The launches that sort positions by their numbers in ``t0``, which temporary holds the result, and the counts in ``t3``."""
    blocks = -(-positions // _TILE)
    launches, order = [], "t0"
    for done in range(max(1, -(-(numbers - 1).bit_length() // 8))):
        target = "t1" if done % 2 == 0 else "t2"
        types = f"{positions}, {8 * done}, {'false' if done else 'true'}"
        launches.append(Launch(f"hn_count_digits<{types}>", ("t3", "t0", order), (blocks, 1), _RADIX, 4 * _RADIX))
        shared = 4 * (_RADIX // 32) * (_RADIX + 1)
        launches.append(Launch(f"hn_place_digits<{types}>", (target, "t3", "t0", order), (blocks, 1), _RADIX, shared))
        order = target
    return launches, order, Spec((blocks * _RADIX,), dtypes.int32)
