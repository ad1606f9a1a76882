"""The copy bandwidth of the device: what bars on memory-bound work are a share of. By the library's copy, and by a kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpu.peer_hybridnet import DeviceClock
from gpu.sizes import Sizes
from gpu.worker import Clock, HostClock, Peer, Point, main

KERNEL = r"""
extern "C" __global__ void copy(const float4* __restrict__ x, float4* __restrict__ y, long long n) {
    const long long step = (long long)gridDim.x * blockDim.x;
    long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    for (; i + step < n; i += 2 * step) {  // two loads in flight
        const float4 a = x[i], b = x[i + step];
        y[i] = a;
        y[i + step] = b;
    }
    if (i < n) y[i] = x[i];
}
"""


def _checked(x: Any, y: Any, call: Callable[[], None]) -> dict[str, list[float]]:
    y[...] = 0
    call()
    assert bool((x == y).all())
    return {}


def copies(sizes: Sizes, device: str) -> dict[str, Callable[[], Point]]:
    count = sizes.pointwise.rows * sizes.pointwise.columns

    def on_cpu() -> Point:
        x, y = np.ones(count, "float32"), np.empty(count, "float32")
        call = lambda: np.copyto(y, x)
        return Point(call, lambda: _checked(x, y, call), least_bytes=2 * x.nbytes)

    def library() -> Point:
        import cupy

        x, y = cupy.arange(count, dtype="float32"), cupy.empty(count, "float32")
        call = lambda: y.data.copy_from_device_async(x.data, x.nbytes, cupy.cuda.get_current_stream())
        return Point(call, lambda: _checked(x, y, call), least_bytes=2 * x.nbytes)

    def kernel() -> Point:
        import cupy

        x, y = cupy.arange(count, dtype="float32"), cupy.empty(count, "float32")
        run = cupy.RawKernel(KERNEL, "copy")
        grid = 8 * cupy.cuda.runtime.getDeviceProperties(0)["multiProcessorCount"]
        call = lambda: run((grid,), (512,), (x, y, np.int64(count // 4)))
        return Point(call, lambda: _checked(x, y, call), least_bytes=2 * x.nbytes)

    return {"library": library, "kernel": kernel} if device == "gpu" else {"library": on_cpu}


def clock(device: str) -> Clock:
    return DeviceClock() if device == "gpu" else HostClock()


PEER = Peer({"copy": {"memcpy": copies}}, clock, lambda device: 0, {})

if __name__ == "__main__":
    main(PEER)
