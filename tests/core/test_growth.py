"""Nothing grows with the number of steps, with Python's collector of cycles off: no objects, no memory of the process."""

import gc
import linecache
import multiprocessing
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy
import pytest

import hybridnet as hn
from hybridnet import autograd, gluon, jit
from hybridnet.config import config
from hybridnet.gluon import nn

STEPS = 10_000
PAGE = 4096


def _resident() -> int:
    """Bytes of the process that are in memory."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE


def _step(mode: str) -> Callable[[], Any]:
    """A training step with everything that keeps state: running averages, random numbers, an optimizer's moments."""
    net = nn.HybridSequential()
    net.add(nn.Dense(8, activation="relu", in_units=6), nn.BatchNorm(in_channels=8), nn.Dropout(0.5), nn.Dense(3, in_units=8))
    net.initialize()
    if mode == "hybridized":
        net.hybridize()
    trainer = gluon.Trainer(net.collect_params(), "adam")
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
    x = hn.nd.array(numpy.random.default_rng(0).uniform(-1, 1, (4, 6)).astype("float32"))
    y = hn.nd.array(numpy.arange(4) % 3)

    def step(x: Any, y: Any) -> Any:
        with autograd.record():
            loss = loss_of(net(x), y)
        loss.backward()
        trainer.step(4)
        return loss

    run = jit(step) if mode == "jit" else step
    return lambda: run(x, y).asnumpy()


def _growth(mode: str) -> tuple[int, int, int]:
    """Objects, bytes and kept texts that :data:`STEPS` steps leave in this process, once the first have made what stays."""
    config.disabled_libraries = frozenset({"numba"})  # which brings all of itself at its first loop
    step = _step(mode)
    for _ in range(2000):  # some pages of the heap are touched late, though once
        step()
    gc.collect()
    gc.disable()
    before = len(gc.get_objects()), _resident(), len(linecache.cache)
    for _ in range(STEPS):
        step()
    objects, resident, texts = before
    return len(gc.get_objects()) - objects, _resident() - resident, len(linecache.cache) - texts


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("mode", ["imperative", "hybridized", "jit"])
def test_steps_leave_nothing(mode: str) -> None:
    """In a process of its own: what others have left in a heap decides which of its pages steps come to touch."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        objects, resident, texts = pool.submit(_growth, mode).result()
    assert objects < STEPS // 100
    assert resident < 2 << 20
    assert texts == 0


def test_texts_of_dropped_programs_are_dropped() -> None:
    """Of programs that are traced again, too."""

    @jit
    def double(x: Any) -> Any:
        return x * 2

    gc.collect()
    before = len(linecache.cache)
    for n in range(1, 5):
        double(hn.np.ones((n,)))
    assert len(linecache.cache) == before + 4
    double.cache.clear()
    assert len(linecache.cache) == before
