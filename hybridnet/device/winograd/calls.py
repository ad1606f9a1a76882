"""Calls of Winograd's convolution (a ``HostCall``), and how its weight is packed for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from hybridnet.device import onednn, threads
from hybridnet.device.host_calls import address, bound
from hybridnet.device.panels import PANEL
from hybridnet.device.winograd.loops import piece, scratch_size
from hybridnet.device.winograd.transforms import PRODUCTS, TILE, transformed

NAME = "Winograd F(4×4, 3×3)"
_LINE = 64  # bytes that weights and scratch begin at multiples of
#: Tiles of a piece at most: their scratch stays in a cache of its own core, beside the panels.
TILES = 48
#: Numbers of one product's operand in a piece.
NUMBERS = 8192
#: Filters to a tile from which pieces are filters, not tiles: the weight is then read once, and each piece transforms all of the data.
FILTERS_TO_TILES = 16
#: Channels at most. Of so many the largest error of random data is 7e-6 of the largest result, of 512 4e-6, of 64 2e-6, by oneDNN 1.5e-6,
#: 2e-6 and 8e-7. Of 2,048 it is 8e-6, and is to stay below 1e-5.
CHANNELS = 1024

Piece = tuple[int, int, int, int]


def takes(asked: onednn.Convolution) -> bool:
    """Whether it can compute a convolution."""
    channels, filters = asked.weight[-1], asked.weight[0]
    plain = asked.kind == "result" and asked.last and asked.groups == 1 and asked.weight[1:-1] == (3, 3)
    whole = channels % 8 == 0 and channels <= CHANNELS and filters % PANEL == 0 and min(*asked.data, *asked.result) > 0
    ones = set(asked.stride) == set(asked.dilate) == {1}
    return plain and whole and ones and (asked.activation is None or asked.activation.name == "relu")


def _aligned(array: Any) -> int:
    return -(-address(array) // _LINE) * _LINE


class Packing:
    """A weight (filters, 3, 3, channels) transformed, once for many calls."""

    name = f"{NAME}, transform"

    def __init__(self, asked: onednn.Convolution) -> None:
        filters, channels = asked.weight[0], asked.weight[-1]
        self._shape = (PRODUCTS, filters // PANEL, channels, PANEL)
        self.size = 4 * math.prod(self._shape) + _LINE

    def __call__(self, array: Any, out: Any) -> None:
        """Transform an array of any strides."""
        begin = _aligned(out) - address(out)
        transformed(array, out[begin : begin + self.size - _LINE].view(np.float32).reshape(self._shape))


class Call:
    """A convolution of a transformed weight, on as many threads as there are when it runs. ``run``: the compiled function."""

    session: ClassVar[Any] = onednn.Call.session

    def __init__(self, asked: onednn.Convolution, run: Callable[..., None]) -> None:
        self.description, self._run = asked, run
        self._workers = threads.count()
        self._no_bias = np.zeros(asked.weight[0], np.float32)
        (images, height, width, channels), (_, rows, places, filters) = asked.data, asked.result
        self._sizes = (height, width, channels, filters, rows, places, *asked.pad)
        self._flags = (asked.added, asked.activation is not None)
        self._pieces = _pieces(images * -(-rows // TILE) * -(-places // TILE), filters, channels, self._workers)
        self._each = max(scratch_size(t1 - t0, channels, f1 - f0) for t0, t1, f0, f1 in self._pieces)
        self._each = -(-self._each // _LINE) * _LINE

    @property
    def name(self) -> str:
        """What computes."""
        return NAME

    @property
    def workspace(self) -> int:
        """Bytes of scratch."""
        return self._workers * self._each + _LINE

    def __call__(self, *arrays: Any, scratch: Any = None) -> None:
        """Compute the last of the arrays, of any strides, from the others; ``scratch``: ``workspace`` bytes, made if none is given."""
        if scratch is None or scratch.nbytes < self.workspace:
            scratch = np.empty(self.workspace, np.uint8)
        x, packed, *behind, out = arrays
        operands = [np.ascontiguousarray(array) for array in (x, *behind)]
        result = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)
        bias = operands[1] if self.description.bias else self._no_bias
        added = operands[-1] if self.description.added else result
        given = (address(operands[0]), _aligned(packed), address(bias), address(added), address(result))
        begin = _aligned(scratch)

        def work(worker: int, pieces: Iterator[Piece]) -> None:
            for part in pieces:
                self._run(*given, begin + worker * self._each, *self._sizes, *self._flags, *part)

        threads.share(work, self._pieces, self._workers)
        if result is not out:
            out[...] = result

    def bind(self, arrays: Sequence[Any], scratch: Any) -> Callable[..., None]:
        """The call on arrays and scratch that stay the same, but for those that are None, which each run is given."""
        return bound(self, arrays, scratch)

    def packing(self, i: int) -> None:
        """All else is taken as it lies."""
        return


def _pieces(tiles: int, filters: int, channels: int, workers: int) -> list[Piece]:
    """The work in pieces, a multiple of the threads where there are enough, all tiles or all filters of each."""
    panels = filters // PANEL
    if filters >= FILTERS_TO_TILES * tiles and tiles * channels <= NUMBERS * 2 and workers > 1:
        cuts = threads.cuts(panels, min(panels, workers))
        return [(0, tiles, PANEL * first, PANEL * end) for first, end in cuts]
    number = -(-tiles // max(1, min(TILES, NUMBERS // channels)))
    return [(first, end, 0, filters) for first, end in threads.cuts(tiles, min(tiles, -(-number // workers) * workers))]


def planned(asked: onednn.Convolution) -> tuple[Packing, Call] | None:
    """How the weight is packed, and the call that takes it so; None where it cannot be computed so."""
    run = piece() if takes(asked) else None
    return None if run is None else (Packing(asked), Call(asked, run))
