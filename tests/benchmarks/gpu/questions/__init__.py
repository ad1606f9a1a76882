"""What only a GPU can settle, as questions: functions of a folder, entered under their names, with what several of them need.

A question with several cases asks all of them, whatever became of the others (:class:`Cases`). Those that take times are asked
alone, one after the other, with nothing else running.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import hybridnet as hn
from gpu.findings import reason
from gpu.isolated import Wrong
from hybridnet.device.compiler import Module
from hybridnet.device.stream import Capture

Question = Callable[[Path], Any]

QUESTIONS: dict[str, Question] = {}
#: Those of them that take times.
ALONE: set[str] = set()
KERNEL = r"""
extern "C" __global__ void add(float* x, int n, float a) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) x[i] += a;
}
"""


def question(function: Question) -> Question:
    """Enter a question under its name."""
    QUESTIONS[function.__name__.replace("_", " ")] = function
    return function


def timing(function: Question) -> Question:
    """Enter a question that takes times."""
    ALONE.add(function.__name__.replace("_", " "))
    return question(function)


class Cases:
    """The cases of a question: what each found, and which of them are wrong."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}
        self.wrong: dict[str, str] = {}

    def ask(self, name: str, case: Callable[[], Any], at_most: float | None = None) -> None:
        """Ask one: it gives a number that must not be above ``at_most``, or, without that, whatever it finds; or it raises."""
        try:
            self.found[name] = found = case()
        except Exception as error:
            self.wrong[name] = reason(f"{type(error).__name__}: {error}")
            return
        if at_most is not None and not found <= at_most:
            self.wrong[name] = f"{found:.3g}, where at most {at_most:g} is expected"

    def answer(self) -> dict[str, Any]:
        """What was found, once all have been asked; :class:`~gpu.isolated.Wrong` if some of it is wrong."""
        if self.wrong:
            words = "; ".join(f"{name}: {why}" for name, why in self.wrong.items())
            raise Wrong(f"{len(self.wrong)} wrong of {len(self.found | self.wrong)}: {words}", {"found": self.found, "wrong": self.wrong})
        return self.found


def cupy() -> Any:
    import cupy as found

    return found


def kernel() -> Any:
    """The kernel ``add``."""
    return Module(KERNEL, 0).function("add")


def per_call(call: Callable[[], Any], n: int) -> dict[str, float]:
    """Microseconds a call: by the device's events, and on the host until all calls have been made."""
    cuda = cupy().cuda
    for _ in range(10):
        call()
    begin, end = cuda.Event(), cuda.Event()
    cuda.get_current_stream().synchronize()
    start = time.perf_counter()
    begin.record()
    for _ in range(n):
        call()
    host = time.perf_counter() - start
    end.record()
    end.synchronize()
    return {"device": cuda.get_elapsed_time(begin, end) / n * 1e3, "host": host / n * 1e6}


def captured(body: Callable[[Any], Any]) -> Any:
    """The CUDA graph of what ``body(stream)`` puts on a capturing stream; it has run once before as it is."""
    cp = cupy()
    body(cp.cuda.get_current_stream())
    cp.cuda.get_current_stream().synchronize()
    with Capture(hn.gpu(0)) as capture:
        body(capture.stream)
    return capture.graph


def launched(graph: Any, n: int = 20) -> float:
    """Microseconds that a graph takes on the device."""
    stream = cupy().cuda.get_current_stream()
    return per_call(lambda: graph.launch(stream), n)["device"]


def replayed(call: Any, operands: list[Any], result: Any) -> Any:
    """A planned call of a library: once as it is, then captured and replayed into a cleared result, which is returned."""
    cp = cupy()
    scratch = cp.empty(max(call.workspace, 1), np.uint8)
    pointers = [int(a.data.ptr) for a in (*operands, result)]
    graph = captured(lambda stream: call.enqueue(pointers, int(scratch.data.ptr), stream.ptr))
    result.fill(0)
    graph.launch(cp.cuda.get_current_stream())
    cp.cuda.get_current_stream().synchronize()
    return result


def off(found: Any, expected: Any) -> float:
    """The relative error of an array as a whole, from the device or NumPy's."""
    found = np.asarray(found.get() if hasattr(found, "get") else found, "float64")
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def drawn(*shape: int, seed: int = 0, dtype: Any = "float32") -> tuple[Any, Any]:
    """An array on the device, and the same numbers as float64."""
    data = np.random.default_rng(seed).standard_normal(shape).astype(dtype)
    return cupy().asarray(data), data.astype("float64")


def filled(*shape: int, dtype: Any) -> Any:
    """A large array of random numbers on the device, of which 65,536 are drawn and repeated."""
    few, count = drawn(1 << 16, dtype=dtype)[0], math.prod(shape)
    return cupy().tile(few, -(-count // few.size))[:count].reshape(shape)
