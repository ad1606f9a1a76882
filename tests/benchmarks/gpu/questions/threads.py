"""Several threads, each on a stream of its own: whether what they compute is right while others capture."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import hybridnet as hn
from gpu.questions import Cases, cupy, off, question
from gpu.sizes import normal
from hybridnet import npx

CALLS = 100  # of each thread


def on_a_stream(call: Callable[[], Any]) -> list[Any]:
    """The results of so many calls, on a stream of their own."""
    with cupy().cuda.Stream(non_blocking=True):
        return [y.asnumpy().astype("float64") for y in [call() for _ in range(CALLS)]]


@question
def threads_and_streams(folder: Path) -> Any:
    """One network called by two threads at once, from its first call on."""
    net = hn.gluon.nn.HybridSequential()
    for i in range(4):
        first = hn.init.Constant(normal(f"layer{i}", 256, 256, scale=256**-0.5))
        net.add(hn.gluon.nn.Dense(256, activation="relu", in_units=256, weight_initializer=first))
    net.initialize(ctx=hn.gpu(0))
    inputs = [hn.np.array(normal(f"x{i}", 64, 256), ctx=hn.gpu(0)) for i in range(2)]
    expected = [net(x).asnumpy().astype("float64") for x in inputs]
    net.hybridize()
    cupy().cuda.Device().synchronize()
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda x: on_a_stream(lambda: net(x)), inputs))
    cases = Cases()
    for i, (results, right) in enumerate(zip(found, expected, strict=True)):
        cases.ask(f"thread {i}", lambda results=results, right=right: max(off(y, right) for y in results), 1e-5)
    return cases.answer()


@question
def cudnn_in_two_threads_while_a_third_captures(folder: Path) -> Any:
    """A convolution and an attention, neither of them compiled, while other programs of both are being captured."""
    x = hn.np.array(normal("x", 2, 8, 16, 16), ctx=hn.gpu(0)).astype("bfloat16")
    w = hn.np.array(normal("w", 16, 8, 3, 3, scale=0.1), ctx=hn.gpu(0)).astype("bfloat16")
    q = hn.np.array(normal("q", 2, 4, 64, 32), ctx=hn.gpu(0)).astype("bfloat16")
    convolution = lambda x: npx.convolution(x, w, kernel=(3, 3), num_filter=16, no_bias=True).astype("float32")
    attention = lambda q: npx.scaled_dot_product_attention(q, q, q, causal=True).astype("float32")
    works = {"convolution": lambda: convolution(x), "attention": lambda: attention(q)}
    expected = {name: work().asnumpy().astype("float64") for name, work in works.items()}
    cupy().cuda.Device().synchronize()
    done = threading.Event()
    programs = [0]

    def capturing() -> None:
        with cupy().cuda.Stream(non_blocking=True):
            while not done.is_set() or not programs[0]:
                step = hn.jit(lambda x, q: (convolution(x), attention(q)))
                for _ in range(3):  # one by one, captured, replayed
                    y, z = step(x, q)
                for name, found in (("convolution", y), ("attention", z)):
                    error = off(found.asnumpy(), expected[name])
                    assert error < 2e-2, f"{name} in the captured program is off by {error:.3g}"
                programs[0] += 1

    cases = Cases()
    with ThreadPoolExecutor(3) as pool:
        third = pool.submit(capturing)
        beside = {name: pool.submit(on_a_stream, work) for name, work in works.items()}
        for name, future in beside.items():
            cases.ask(name, lambda name=name, future=future: max(off(y, expected[name]) for y in future.result()), 2e-2)
        done.set()
        cases.ask("programs captured meanwhile", lambda: (third.result(), programs[0])[1])
    return cases.answer()
