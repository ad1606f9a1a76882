"""A slice written into an array by a kernel (``kernels/joining.cu``): ``index_set`` by a constant key, and the gradient of a slice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from hybridnet.core import Spec
from hybridnet.core.indexing import Template
from hybridnet.core.kernel import HandKernels
from hybridnet.ops.kernels.places import each, index_type, pack_width


class _Cut(NamedTuple):
    """What a slice takes of an axis of length ``n``, and the stride of the written value along it."""

    n: int
    start: int
    step: int
    taken: int
    stride: int

    @property
    def whole(self) -> bool:
        return self.step == 1 and self.taken == self.n


def _cuts(shape: tuple[int, ...], key: Template, strides: Sequence[int]) -> tuple[list[_Cut], int]:
    """The cuts of every axis, and the offset of the value of the first element. ``strides``: of the value, an axis of ``x[key]`` each."""
    cuts: list[_Cut] = []
    offset, left = 0, list(strides)
    for item in key:
        if item[0] == "new":
            left.pop(0)
            continue
        n = shape[len(cuts)]
        if item[0] == "int":
            cuts.append(_Cut(n, item[1] % n, 1, 1, 0))
            continue
        places, stride = range(n)[slice(*item[1:])], left.pop(0)
        if places.step < 0:  # from its other end
            offset += stride * (len(places) - 1)
            places, stride = places[::-1], -stride
        cuts.append(_Cut(n, places.start, places.step if len(places) > 1 else 1, len(places), stride))
    cuts += [_Cut(n, 0, 1, n, stride) for n, stride in zip(shape[len(cuts) :], left, strict=True)]
    return cuts, offset


def _merged(cuts: list[_Cut]) -> list[_Cut]:
    """Neighbours as one where the inner one is taken whole."""
    found: list[_Cut] = []
    for cut in cuts:
        outer = found[-1] if found else None
        if outer and cut.whole and outer.step == 1 and (outer.taken == 1 or outer.stride == cut.stride * cut.n):
            found[-1] = _Cut(outer.n * cut.n, outer.start * cut.n, 1, outer.taken * cut.n, cut.stride)
        else:
            found.append(cut)
    return found


def set_slice(num_sms: int, result: Spec, key: Template, value: Spec, strides: Sequence[int], arguments: tuple[str, ...]) -> HandKernels:
    """The kernel that writes ``value`` into ``x[key]``, or zeros without an ``x``. ``strides``: of the value, for the axes of ``x[key]``.

    ``arguments``: the result, ``x`` if there is one, the value.
    """
    cuts, start = _cuts(result.shape, key, strides)
    cuts = _merged(cuts)
    inner = cuts[-1] if cuts else _Cut(1, 0, 1, 1, 0)
    width, step = 1, inner.stride
    if inner.step == 1 and step in (0, 1):
        aligned = [start, *(c.stride for c in cuts[:-1])] if step else []
        width = pack_width(result.dtype, inner.n, inner.start, inner.taken, *aligned)
        inner = _Cut(inner.n // width, inner.start // width, 1, inner.taken // width, step * width)
    texts = [f"hn_cut<{c.n}, {c.start}, {c.step}, {c.taken}, {c.stride}>" for c in (*cuts[:-1], inner)]
    count = math.prod(result.shape) // width
    types = f"{index_type(result.size, value.size)}, {count}, {width}, hn_cuts<{', '.join(reversed(texts))}>"
    function = "hn_set_slice" if len(arguments) == 3 else "hn_place_slice"
    launch = each(f"{function}<{types}, {start}, {int(width > 1 and step == 1)}>", arguments, count, num_sms)
    return HandKernels("joining.cu", (launch,), in_place=(("x0", "y0"),) if len(arguments) == 3 else ())
