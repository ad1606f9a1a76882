"""Batches on a GPU, which is emulated and works asynchronously: copied ahead on a stream of their own, whole, with no wait of the host."""

from __future__ import annotations

import gc
from typing import Any
from unittest import mock

import numpy
import pytest
from emulator import memory, runtime, streams
from emulator.device import emulated_gpu
from emulator.emulator import COMPILER
from support import loader_samples as some

import hybridnet as hn
from hybridnet import gluon, np
from hybridnet.device import copies
from hybridnet.errors import ArgumentError
from hybridnet.gluon import data

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")

WAYS: list[dict[str, Any]] = [{}, {"num_workers": 1}]
EXPECTED = [float(13 * (4 * i + 1)) for i in range(10)]  # of the pairs of samples of Images(20)


def sums(loader: Any) -> list[float]:
    """What a program that computes on the current stream sees of each batch; batches are dropped while it may still compute."""
    found = [(x * 1).sum() + (y * 1).sum() for x, y in loader]
    return [s.item() for s in found]


@pytest.mark.parametrize("way", WAYS, ids=["here", "process"])
@pytest.mark.parametrize("source", ["device", "fit's"])
def test_a_batch_is_whole_when_it_is_computed_with(way: dict[str, Any], source: str) -> None:
    for seed in (0, 4):
        with emulated_gpu(asynchronous=seed):
            if source == "device":
                loader = data.DataLoader(some.Images(20), 2, device=hn.gpu(), **way)
                assert sums(loader) == EXPECTED
            else:
                loader = data.DataLoader(some.Images(20), 2, **way)
                assert sums(loader.batches_on(hn.gpu(), lambda batch: batch)) == EXPECTED
            assert all(x.device == y.device == hn.gpu() for x, y in loader) or source != "device"


def test_a_wait_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail: without its wait for the copy a program reads what was there before."""
    monkeypatch.setattr(copies.Copies, "arrived", lambda self: self._data)
    with pytest.raises(AssertionError, match="into freed memory"), emulated_gpu(asynchronous=0):
        assert sums(data.DataLoader(some.Images(20), 2, device=hn.gpu())) != EXPECTED
        hn.gpu().xp.cuda.Device().synchronize()


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 10))])
def test_memory_goes_back_behind_copies_and_computing(seed: int) -> None:
    """Loops that are left early, batches that are dropped at once; the emulated heap overwrites what is freed."""
    with emulated_gpu(asynchronous=seed) as cupy:
        loader = data.DataLoader(some.Images(40, (50,)), 2, device=hn.gpu())
        for n in (1, 3, 2):
            total = np.zeros((), device=hn.gpu())
            for i, (x, _) in enumerate(loader):
                total += x.sum()
                if i == n:
                    break
            gc.collect()
            filler = np.full((100,), 7.0, device=hn.gpu())
            assert total.item() == 50.0 * sum(range(2 * n + 2)) and filler.sum().item() == 700
        cupy.cuda.Device().synchronize()
        memory.heap.check()


@pytest.mark.parametrize("way", WAYS, ids=["here", "process"])
def test_nothing_waits_for_a_copy(way: dict[str, Any]) -> None:
    """A step begins while the next batch is being copied, and the host waits for neither."""
    with emulated_gpu(asynchronous=0) as cupy:
        loader = data.DataLoader(data.ArrayDataset(numpy.ones((8, 4), "float32"), numpy.zeros(8)), 2, device=hn.gpu(), **way)
        batches = iter(loader)
        next(batches)
        copying = copies._stream(hn.gpu())
        with mock.patch.object(streams, "synchronize", side_effect=AssertionError("a wait")):
            with mock.patch.object(runtime.Event, "synchronize", side_effect=AssertionError("a wait")):
                for x, _ in batches:
                    x * 2
        assert not copying.done  # as late as can be: nothing of all this has happened yet
        cupy.cuda.Device().synchronize()
        assert copying.done


def test_an_error_of_the_next_batch_comes_after_this_one() -> None:
    with emulated_gpu():
        loader = data.DataLoader(data.SimpleDataset(list(range(9))).transform(some.fails_at_6), 3, device=hn.gpu())
        seen = []
        with pytest.raises(KeyError, match="the sixth"):
            for batch in loader:
                seen.append(batch.tolist())
        assert seen == [[0, 1, 2], [3, 4, 5]]


def test_pinned_batches_are_page_locked_and_kept_until_they_are_copied() -> None:
    for seed in (0, 3):
        with emulated_gpu(asynchronous=seed):
            for way in WAYS:
                found = []
                for x, _ in data.DataLoader(some.Images(12), 2, pin_memory=True, **way):
                    assert x.device == hn.cpu_pinned(0) and memory.is_pinned(x._data.ctypes.data)
                    found.append(x.as_in_ctx(hn.gpu()).sum())
                assert [f.item() for f in found] == [12.0 * (4 * i + 1) for i in range(6)]


def test_structures_and_arrays_of_the_gpu() -> None:
    with emulated_gpu():
        loader = data.DataLoader(some.Words(), 3, batchify_fn=some.together, device=hn.gpu())
        first = next(iter(loader))
        assert first["texts"] == ["", "word ", "word word "] and all(c.device == hn.gpu() for c in first["codes"])
        rows = np.ones((4, 2), device=hn.gpu())
        assert [x.device for x in data.DataLoader(data.ArrayDataset(rows), 2)] == [hn.gpu()] * 2
        assert [x.device for x in data.DataLoader(data.ArrayDataset(rows).transform(lambda x: x), 2, device=hn.cpu())] == [hn.cpu()] * 2


def test_fit_on_a_gpu_takes_a_loader_and_checks_labels() -> None:
    x = numpy.random.default_rng(0).normal(size=(24, 4)).astype("float32")
    y = (x[:, 0] > 0).astype("int64")

    def trained(device: Any, epochs_data: Any) -> Any:
        hn.random.seed(0)
        net = gluon.nn.Dense(2, in_units=4)
        net.initialize(hn.init.Xavier(), ctx=hn.cpu())
        net.reset_ctx(device)
        net.compile("sgd", "softmax_cross_entropy", None, {"learning_rate": 0.1})
        net.fit(epochs_data, epochs=2, verbose=0)
        return net.weight.data().asnumpy()

    expected = trained(hn.cpu(), data.DataLoader(data.ArrayDataset(x, y), 8))
    with emulated_gpu(asynchronous=2):
        found = trained(hn.gpu(), data.DataLoader(data.ArrayDataset(x, y), 8))
        numpy.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
        net = gluon.nn.Dense(2, in_units=4)
        net.initialize(ctx=hn.gpu())
        loader = data.DataLoader(data.ArrayDataset(data.ArrayDataset(x), y), 8)
        numpy.testing.assert_allclose(net.predict(loader).asnumpy(), net.predict(x).asnumpy(), rtol=1e-5, atol=1e-6)
        for at in (0, 20):
            wrong = y.copy()
            wrong[at] = 2
            with pytest.raises(ArgumentError, match="labels from 0 to 1, for 2 outputs; got labels from 0 to 2"):
                trained(hn.gpu(), data.DataLoader(data.ArrayDataset(x, wrong), 8))
