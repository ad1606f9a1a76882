"""Small arguments and results are copied by the first and the last launch of a CUDA graph, from and to wherever they are at each call."""

from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy
import pytest
from emulator.device import emulated_gpu
from emulator.emulator import COMPILER

import hybridnet as hn
from hybridnet import autograd, np
from hybridnet.codegen import cuda_program, cuda_staging
from hybridnet.config import config
from hybridnet.device import wait_for_all
from hybridnet.runtime import cuda_program as running

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")

DTYPES = ("float32", "float16", "uint8", "int64", "bool")
SHAPES: tuple[tuple[int, ...], ...] = ((), (1,), (7,), (0, 3), (33, 5), (64, 64), (3, 2, 1365), (100, 91))


@pytest.fixture(name="calls")
def _calls(emulated_gpu: Any) -> Iterator[Callable[[], tuple[int, int]]]:
    """Counts since it was asked last: copies that the driver is asked for, and launches that say where arrays lie."""
    puts = []

    def bound(self: running.Instance, staging: Any) -> None:
        bind(self, staging)
        put = self._put
        self._put = lambda places: (puts.append(places), put(places))

    bind = running.Instance._bind_staging
    with (
        mock.patch.object(running, "copy_bytes", wraps=running.copy_bytes) as copies,
        mock.patch.object(running.Instance, "_bind_staging", bound),
    ):

        def found() -> tuple[int, int]:
            numbers = copies.call_count, len(puts)
            copies.reset_mock()
            puts.clear()
            return numbers

        yield found


def test_addresses_that_stay_cost_nothing(calls: Callable[[], tuple[int, int]]) -> None:
    step = hn.jit(lambda x, y: (x * y, (x + y).sum(), y - x))
    x, y = np.ones((5, 3), ctx=hn.gpu(0)), np.ones((5, 3), ctx=hn.gpu(0))
    for k in range(4):
        x[:], y[1:] = k, 3 * k
        results = step(x, y)
        a, b = x.asnumpy(), y.asnumpy()
        for found, expected in zip(results, (a * b, (a + b).sum(), b - a), strict=True):
            numpy.testing.assert_array_equal(found.asnumpy(), expected)
        copies, puts = calls()
        assert copies == 0 and puts <= 1
    with mock.patch.object(running.Instance, "places", return_value=tuple(r._data for r in results)):
        step(x, y)
        calls()
        step(x, y)
    assert calls() == (0, 0)
    step(x + 1, y)
    assert calls() == (0, 1)


def test_large_arrays_are_copied_one_by_one(calls: Callable[[], tuple[int, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_program, "LARGEST", 60)
    x, y = np.ones((5, 4), ctx=hn.gpu(0)), np.ones((5, 3), ctx=hn.gpu(0))
    step = hn.jit(lambda x, y: (np.tanh(x), y.sum(axis=1)))
    for k in range(3):
        results = step(x + k, y + k)
        numpy.testing.assert_allclose(results[0].asnumpy(), numpy.tanh(x.asnumpy() + k), rtol=1e-6)
        numpy.testing.assert_array_equal(results[1].asnumpy(), numpy.full(5, 3 * (k + 1)))
        assert calls() == (2, 1)


def test_the_switch(calls: Callable[[], tuple[int, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "staging_kernel", False)
    x = np.ones((5, 4), ctx=hn.gpu(0))
    step = hn.jit(lambda x: np.tanh(x))
    step(x)
    assert calls() == (2, 0)
    assert "copy_arguments" not in step.program(x)


def test_more_arrays_than_a_launch_takes(calls: Callable[[], tuple[int, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_program, "MOST", 5)
    step = hn.jit(lambda *xs: tuple(x + 1 for x in xs))
    for k in range(3):
        xs = [np.full((i + 2,), i + k, ctx=hn.gpu(0)) for i in range(4)]
        for i, y in enumerate(step(*xs)):
            numpy.testing.assert_array_equal(y.asnumpy(), numpy.full(i + 2, i + k + 1))
        assert calls() == (3, 1)


def test_arguments_that_are_written_and_gradients(emulated_gpu: Any) -> None:
    def fn(x: Any, y: Any) -> Any:
        y += x.mean()
        return (x * x).sum() * 2, x[1] * 3

    step = hn.jit(fn)
    for k in range(4):
        x, y = np.array([1.0, 2.0 + k, 3.0], ctx=hn.gpu(0)), np.zeros(2, ctx=hn.gpu(0))
        x.attach_grad()
        with autograd.record():
            a, b = step(x, y)
            total = a + b
        total.backward()
        numpy.testing.assert_allclose(y.asnumpy(), numpy.full(2, x.asnumpy().mean()), rtol=1e-6)
        numpy.testing.assert_allclose(x.grad.asnumpy(), 4 * x.asnumpy() + numpy.array([0, 3, 0]), rtol=1e-6)


def test_a_launch_that_fails_says_where_anew(calls: Callable[[], tuple[int, int]]) -> None:
    step = hn.jit(lambda x: x * 2)
    x, y = np.ones(3, ctx=hn.gpu(0)), np.full(3, 5.0, ctx=hn.gpu(0))
    step(x)
    (entry,) = step.cache.values()
    (instance,) = entry.program.bound.values()
    put = instance._put
    instance._put = mock.Mock(side_effect=RuntimeError("no"))
    with pytest.raises(RuntimeError):
        step(y)
    instance._put = put
    for given in (x, y):
        numpy.testing.assert_array_equal(step(given).asnumpy(), 2 * given.asnumpy())


# -- at random -------------------------------------------------------------------------------------------


def _numbers(rng: Any) -> Any:
    shape = SHAPES[rng.integers(len(SHAPES))]
    return rng.integers(0, 2, shape).astype(DTYPES[rng.integers(len(DTYPES))])


def _laid(data: Any, how: int) -> Any:
    """An array of these numbers on the GPU: without gaps, from an odd address on, or turned."""
    if how == 1 and data.ndim and data.size:
        longer = np.array(numpy.concatenate([data.reshape(-1)[:1], data.reshape(-1)]), dtype=data.dtype, ctx=hn.gpu(0))
        return longer[1:].reshape(data.shape)
    if how == 2 and data.ndim > 1:
        return np.array(numpy.ascontiguousarray(data.T), dtype=data.dtype, ctx=hn.gpu(0)).T
    return np.array(data, dtype=data.dtype, ctx=hn.gpu(0))


def at_random(seed: int, calls: int) -> None:
    """A function of some arrays that gives some, called with arrays here and there, some of them the same as before."""
    rng = numpy.random.default_rng(seed)
    start = [_numbers(rng) for _ in range(rng.integers(1, 6))]

    def fn(*xs: Any) -> Any:
        return tuple(1 - x.astype("float32") for x in xs if x.size % 2), xs[0].astype("float32").sum(), xs[-1]

    step = hn.jit(fn)
    given = [_laid(x, 0) for x in start]
    kept = []
    for _ in range(calls):
        for i, x in enumerate(start):
            if rng.random() < 0.5:
                new = rng.integers(0, 2, x.shape).astype(x.dtype)
                if rng.random() < 0.3:
                    given[i][...] = np.array(new, dtype=x.dtype, ctx=hn.gpu(0))
                else:
                    given[i] = _laid(new, int(rng.integers(3)))
        numbers = [x.asnumpy() for x in given]
        kept.append((step(*given), fn(*numbers)))
        if rng.random() < 0.5:
            kept = kept[-2:]
    wait_for_all()
    for (some, total, last), (e_some, e_total, e_last) in kept:
        for y, e in zip((*some, total, last), (*e_some, e_total, e_last), strict=True):
            numpy.testing.assert_array_equal(y.asnumpy(), e)


@pytest.mark.parametrize("asynchronous", [None, 0, 1])
def test_arrays_here_and_there(asynchronous: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_program, "LARGEST", 9000)  # so that some are large
    with emulated_gpu(asynchronous=asynchronous):
        at_random(0, 8)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 25))
def test_arrays_here_and_there_at_random(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_program, "LARGEST", (9000, 1 << 20)[seed % 2])
    with emulated_gpu(asynchronous=(None, seed)[seed // 2 % 2]):
        at_random(seed, 12)


@pytest.mark.parametrize("sizes", [(1,), (8192, 8193, 16384 + 5), (3, 9000, 17)])
@pytest.mark.parametrize("odd", [0, 1, 4, 8])
def test_the_kernels_copy_every_byte(sizes: tuple[int, ...], odd: int, emulated_gpu: Any) -> None:
    kernel = cuda_staging.arguments_kernel(sizes)
    text = f'#include "{cuda_staging.HEADER}"\n{kernel.text}'
    function = running.Module(text, 0).function(kernel.name)
    rng = numpy.random.default_rng(0)
    sources = [emulated_gpu.asarray(rng.integers(0, 256, size + odd).astype("uint8")) for size in sizes]
    targets = [emulated_gpu.zeros(size + 16, "uint8") for size in sizes]
    table = emulated_gpu.asarray(numpy.array([x.data.ptr + odd for x in sources], numpy.int64))
    function(kernel.grid, (kernel.block,), [table, emulated_gpu.asarray(numpy.array(sizes, numpy.int64)), *targets])
    for source, target, size in zip(sources, targets, sizes, strict=True):
        numpy.testing.assert_array_equal(target.get()[:size], source.get()[odd:])
        assert not target.get()[size:].any()
