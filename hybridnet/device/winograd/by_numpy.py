"""The transform by NumPy alone, channels first: its sums are products of BLAS, of 36 × 36 and of 16 × 36 with rows of all tiles.

Of many images threads share these. Of few they share channels, then the 36 products, then filters: pieces that follow from the shape alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from hybridnet.device import threads
from hybridnet.device.onednn import Convolution
from hybridnet.device.winograd.transforms import PRODUCTS, TILE, WINDOW, of_data, of_result, of_weight

NAME = "Winograd F(4×4, 3×3) by NumPy"
#: Bytes that each part of the scratch begins at a multiple of.
_LINE = 64
#: Images from which threads share them.
IMAGES = 4
#: Into so many pieces the work on one image is cut, of each of its three parts.
PIECES = 4
#: Channels at most, as of the loops; the largest error of random data was 3e-6 of the largest result.
CHANNELS = 1024
_BOTH_DATA = np.kron(of_data(), of_data()).astype(np.float32)
_BOTH_RESULT = np.kron(of_result(), of_result()).astype(np.float32)


def takes(asked: Convolution) -> bool:
    """Whether it can compute a convolution."""
    plain = asked.kind == "result" and not asked.last and asked.groups == 1 and asked.weight[2:] == (3, 3)
    ones = set(asked.stride) == set(asked.dilate) == {1}
    return plain and ones and asked.weight[1] <= CHANNELS and min(*asked.data, *asked.result) > 0


def planned(asked: Convolution) -> tuple[Packing, Call]:
    """How the weight is packed, and the call that takes it so."""
    return Packing(asked), Call(asked)


class Packing:
    """A weight (filters, channels, 3, 3) transformed, once for many calls."""

    name = f"{NAME}, transform"

    def __init__(self, asked: Convolution) -> None:
        self._shape = (PRODUCTS, *asked.weight[:2])
        self.size = 4 * math.prod(self._shape)

    def __call__(self, array: Any, out: Any) -> None:
        """Transform an array of any strides."""
        with threads.one_thread:
            self._transform(array, out)

    def _transform(self, array: Any, out: Any) -> None:
        both = np.kron(of_weight(), of_weight())
        result = out.view(np.float32).reshape(self._shape)
        for i, part in enumerate(array):  # a filter
            result[:, i] = both @ part.reshape(-1, 9).T.astype(np.float64)


class Parts:
    """The scratch of one image: tiles, their transforms, products, results; data with its border, and a result that is whole tiles."""

    def __init__(self, asked: Convolution) -> None:
        (_, channels, *_), (_, filters, rows, places) = asked.data, asked.result
        down, across = -(-rows // TILE), -(-places // TILE)
        wide = down * TILE + 2, across * TILE + 2
        tiles = down * across
        self.shapes = {
            "padded": (channels, *wide),
            "tiles": (PRODUCTS, channels, down, across),
            "data": (PRODUCTS, channels, tiles),
            "products": (PRODUCTS, filters, tiles),
            "result": (TILE * TILE, filters, tiles),
        }
        self.bytes = sum(-(-4 * math.prod(shape) // _LINE) * _LINE for shape in self.shapes.values())


class Call:
    """A convolution of a transformed weight. ``description``: what is computed."""

    session: ClassVar[Any] = threads.one_thread
    name = NAME

    def __init__(self, asked: Convolution) -> None:
        self.description = asked
        self._parts = Parts(asked)
        self._at_once = threads.count() if asked.data[0] >= IMAGES else 1

    @property
    def workspace(self) -> int:
        """Bytes of scratch."""
        return self._at_once * self._parts.bytes

    def __call__(self, *arrays: Any, scratch: Any = None) -> None:
        """Compute the last of the arrays, of any strides, from the others; ``scratch``: ``workspace`` bytes, made if none is given."""
        with threads.one_thread:
            if scratch is None or scratch.nbytes < self.workspace:
                scratch = np.empty(self.workspace, np.uint8)
            self.bind(arrays, scratch)()

    def bind(self, arrays: Sequence[Any], scratch: Any) -> Callable[..., None]:
        """The call on arrays and scratch that stay the same, but for those that are None, which each run is given."""
        images = [_Image(self.description, self._parts, scratch[i * self._parts.bytes :]) for i in range(self._at_once)]
        fixed = list(arrays)
        given_places = [i for i, x in enumerate(arrays) if x is None]
        shape = (PRODUCTS, *self.description.weight[:2])

        def run(*given: Any) -> None:
            every = list(fixed)
            for i, array in zip(given_places, given, strict=True):
                every[i] = array
            x, packed, y = every
            u = packed.view(np.float32).reshape(shape)
            if self._at_once == 1 and len(x) < IMAGES:
                for one, result in zip(x, y, strict=True):
                    images[0].compute(one, u, result, shared=True)
                return

            def work(worker: int, pieces: Iterator[int]) -> None:
                for i in pieces:
                    images[worker].compute(x[i], u, y[i], shared=False)

            threads.share(work, range(len(x)), self._at_once)

        return run

    def packing(self, i: int) -> None:
        """All else is taken as it lies."""
        return


class _Image:
    """The computation of an image in a scratch of its own."""

    def __init__(self, asked: Convolution, parts: Parts, scratch: Any) -> None:
        at, self._views = 0, {}
        for name, shape in parts.shapes.items():
            n = 4 * math.prod(shape)
            self._views[name] = scratch[at : at + n].view(np.float32).reshape(shape)
            at += -(-n // _LINE) * _LINE
        padded = self._views["padded"]
        one, row, place = padded.strides
        down, across = parts.shapes["tiles"][2:]
        shape, strides = (WINDOW, WINDOW, len(padded), down, across), (row, place, one, TILE * row, TILE * place)
        self._windows = np.lib.stride_tricks.as_strided(padded, shape, strides)
        self._tiles = self._views["tiles"].reshape(shape)
        self._pad, self._size, self._out = asked.pad, asked.data[2:], asked.result[2:]
        self._channels, self._filters = len(padded), asked.weight[0]

    def compute(self, x: Any, u: Any, y: Any, shared: bool) -> None:
        """``x``: (channels, height, width), ``u``: (36, filters, channels), ``y``: (filters, rows, places)."""
        number = PIECES if shared else 1
        for step, length in ((self._forth, self._channels), (self._multiply, PRODUCTS), (self._back, self._filters)):

            def work(worker: int, pieces: Iterator[Any], step: Any = step) -> None:
                for first, end in pieces:
                    step(slice(first, end), x, u, y)

            pieces = threads.cuts(length, min(length, number))
            if shared:
                threads.share(work, pieces)
            else:
                work(0, iter(pieces))

    def _forth(self, part: slice, x: Any, u: Any, y: Any) -> None:
        padded = self._views["padded"][part]
        (top, left), (height, width) = self._pad, self._size
        high, wide = min(height, padded.shape[1] - top), min(width, padded.shape[2] - left)
        padded[:, :top] = 0
        padded[:, top + high :] = 0
        padded[:, top : top + high, :left] = 0
        padded[:, top : top + high, left + wide :] = 0
        padded[:, top : top + high, left : left + wide] = x[part, :high, :wide]
        self._tiles[:, :, part] = self._windows[:, :, part]
        np.matmul(_BOTH_DATA, self._columns("tiles", part), out=self._columns("data", part))

    def _multiply(self, part: slice, x: Any, u: Any, y: Any) -> None:
        np.matmul(u[part], self._views["data"][part], out=self._views["products"][part])

    def _back(self, part: slice, x: Any, u: Any, y: Any) -> None:
        np.matmul(_BOTH_RESULT, self._columns("products", part), out=self._columns("result", part))
        tiles = self._views["result"][:, part].reshape(TILE, TILE, -1, *self._tiles.shape[3:])
        rows, places = self._out
        for i in range(TILE):
            for j in range(TILE):
                into = y[part, i::TILE, j::TILE]
                into[...] = tiles[i, j, :, : into.shape[1], : into.shape[2]]

    def _columns(self, name: str, part: slice) -> Any:
        """Some channels or filters of a part of the scratch, as a matrix of a row for each of its first axis."""
        matrix = self._views[name].reshape(len(self._views[name]), -1)
        tiles = math.prod(self._tiles.shape[3:])
        return matrix[:, part.start * tiles : part.stop * tiles]
