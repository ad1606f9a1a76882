"""Calls that the caller captures in a CUDA graph of their own, on one stream."""

from typing import Any

import numpy
import pytest
from emulator.device import emulated_gpu
from emulator.emulator import COMPILER

import hybridnet as hn
from hybridnet import np

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")


@pytest.mark.parametrize("seed", range(24))
def test_calls_in_a_graph_of_the_callers(seed: int) -> None:
    """At random: calls, captures of one, and launches of what was captured; results are dropped, so that their places come again."""
    rng = numpy.random.default_rng(seed)
    with emulated_gpu(asynchronous=seed) as cupy, cupy.cuda.Stream(non_blocking=True) as stream:
        step = hn.jit(lambda x: x * 2 + 1)
        given = [np.full(5, i, ctx=hn.gpu(0)) for i in range(3)]
        for x in given[:2] * 2:
            step(x).asnumpy()
        captured: list[tuple[Any, Any, int]] = []
        for _ in range(25):
            i, what = int(rng.integers(3)), rng.random()
            if what < 0.2:
                stream.begin_capture()
                result = step(given[i])
                captured.append((stream.end_capture(), result, i))
                del result
            elif what < 0.5 and captured:
                graph, result, i = captured[int(rng.integers(len(captured)))]
                graph.launch(stream)
                numpy.testing.assert_array_equal(result.asnumpy(), numpy.full(5, 2 * i + 1))
                del graph, result
            else:
                numpy.testing.assert_array_equal(step(given[i]).asnumpy(), numpy.full(5, 2 * i + 1))
        del captured, given, x, step
