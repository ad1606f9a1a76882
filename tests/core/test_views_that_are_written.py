"""Which views on a GPU may be written: those in which no two elements share memory, also where there are no elements."""

from typing import Any

import numpy
import pytest
from emulator.emulator import COMPILER

import hybridnet as hn
from hybridnet import np
from hybridnet.errors import ArgumentError

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")


@pytest.mark.parametrize("seed", range(40))
def test_views_at_random(seed: int, emulated_gpu: Any) -> None:
    """Of lengths of 0 and 1, turned, cut and broadcast."""
    rng = numpy.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(0, 4, rng.integers(0, 4)))
    order = tuple(int(axis) for axis in rng.permutation(len(shape)))
    cut = tuple(slice(int(rng.integers(2)), None, int(rng.integers(1, 3))) for _ in shape)
    lengths = tuple(len(range(*part.indices(shape[axis]))) for part, axis in zip(cut, order, strict=True))
    wider = tuple(int(rng.integers(0, 4)) if n == 1 and rng.random() < 0.5 else n for n in lengths)
    view = np.broadcast_to(np.zeros(shape, ctx=hn.gpu(0)).transpose(order)[cut], wider)
    shared = 0 not in wider and any(to > n for n, to in zip(lengths, wider, strict=True))
    for write in (lambda x: x.__setitem__(..., 5), lambda x: x.__iadd__(5), lambda x: x.__setitem__(..., np.full(wider, 5, ctx=hn.gpu(0)))):
        if shared:
            with pytest.raises(ArgumentError, match="read-only"):
                write(view)
        else:
            view[...] = 0
            write(view)
            numpy.testing.assert_array_equal(view.asnumpy(), numpy.full(wider, 5, "float32"))
