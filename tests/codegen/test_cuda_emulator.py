"""The emulator keeps CUDA's rules and finds what breaks them; the small headers of ``kernels/`` on it."""

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emulator import emulator, sanitize
from emulator.emulator import COMPILER, LaunchError, RawModule
from emulator.suite import guarded

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")

SOURCE = r"""
#include "philox.cuh"
#include "reduce.cuh"
#include "vector.cuh"

extern "C" __global__ void index_3d(int* y) {
    const int block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    const int thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    y[block * blockDim.x * blockDim.y * blockDim.z + thread] = 1000 * block + thread;
}

extern "C" __global__ void block_sum(const float* x, float* y, int barrier) {
    __shared__ float tile[256];
    tile[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    for (int distance = 128; distance > 0; distance /= 2) {
        if (threadIdx.x < distance) tile[threadIdx.x] += tile[threadIdx.x + distance];
        if (barrier) __syncthreads();
    }
    if (threadIdx.x == 0) *y = tile[0];
}

// Wrong: all blocks work in one place. Right in any order of whole blocks.
extern "C" __global__ void one_place(int* place, int* y) {
    place[threadIdx.x] = blockIdx.x;
    __syncthreads();
    y[blockIdx.x * blockDim.x + threadIdx.x] = place[blockDim.x - 1 - threadIdx.x];
}
// Wrong: a block reads what another one writes. Each warp by itself, without barriers.
extern "C" __global__ void neighbours(int* x) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    x[i] = x[(i + blockDim.x) % (gridDim.x * blockDim.x)] + 1;
}
extern "C" __global__ void own_places(int* y) {
    __shared__ int fixed[64];
    HN_SHARED(dynamic);
    fixed[threadIdx.x] = reinterpret_cast<int*>(dynamic)[threadIdx.x] = blockIdx.x * blockDim.x + threadIdx.x;
    for (int round = 0; round < 3; ++round) {
        __syncthreads();
        const int other = threadIdx.x ^ 33, sum = fixed[other] + reinterpret_cast<int*>(dynamic)[other];
        __syncthreads();
        fixed[threadIdx.x] = sum;
    }
    y[blockIdx.x * blockDim.x + threadIdx.x] = fixed[threadIdx.x];
}

extern "C" __global__ void poison(float* y) {
    __shared__ float fixed[32];
    HN_SHARED(dynamic);
    y[2 * blockIdx.x] = fixed[7];
    y[2 * blockIdx.x + 1] = reinterpret_cast<float*>(dynamic)[7];
    fixed[7] = reinterpret_cast<float*>(dynamic)[7] = 1;
}

extern "C" __global__ void divergent(int* y) {
    if (threadIdx.x < 7) __syncthreads();
    else if (threadIdx.x == 8) __shfl_sync(0xffffffffu, 1, 0);
    y[threadIdx.x] = 1;
}
extern "C" __global__ void beside(const float* x, float* y, int n) { if (threadIdx.x <= n) y[0] = x[threadIdx.x]; }
extern "C" __global__ void beside_shared(float* y) {
    HN_SHARED(dynamic);
    reinterpret_cast<float*>(dynamic)[threadIdx.x] = 1;
}
extern "C" __global__ void unaligned(int* y) { hn_store(y, hn_load<4>(y + 1)); }
extern "C" __global__ void not_in_mask(int* y) { y[threadIdx.x] = __shfl_sync(0xffffu, 1, 0); }

extern "C" __global__ void lanes(const int* x, int* up, int* down, int* from, unsigned* votes, int n) {
    const int i = threadIdx.x, v = x[i];
    const unsigned mask = __ballot_sync(0xffffffffu, i < n);
    if (i >= n) return;
    up[i] = __shfl_up_sync(mask, v, 3);
    down[i] = __shfl_down_sync(mask, v, 3);
    from[i] = __shfl_sync(mask, v, 5);
    __syncwarp(mask);
    votes[i] = __popc(__ballot_sync(mask, v & 1));
}
extern "C" __global__ void exits(int* y, int n) {
    if (threadIdx.x >= n) return;
    __syncthreads();
    y[threadIdx.x] = 1;
}

extern "C" __global__ void histogram(const int* x, int* counts, int* extremes, int n) {
    __shared__ int mine[16];
    if (threadIdx.x < 16) mine[threadIdx.x] = 0;
    __syncthreads();
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        atomicAdd(&mine[x[i] & 15], 1);
        atomicMin(&extremes[0], x[i]);
        atomicMax(&extremes[1], x[i]);
    }
    __syncthreads();
    if (threadIdx.x < 16) atomicAdd(&counts[threadIdx.x], mine[threadIdx.x]);
}
// The block that comes last sums what all have written.
extern "C" __global__ void last_block(const float* x, float* partial, unsigned* arrived, float* y) {
    __shared__ bool last;
    HN_SHARED(scratch);
    const float sum = hn_reduce_block<hn_reduce_add, 64>(x[blockIdx.x * 64 + threadIdx.x], scratch);
    if (threadIdx.x == 0) {
        partial[blockIdx.x] = sum;
        __threadfence();
        last = atomicAdd(arrived, 1u) == gridDim.x - 1;
    }
    __syncthreads();
    if (!last) return;
    const float total = hn_reduce_block<hn_reduce_add, 64>(threadIdx.x < gridDim.x ? partial[threadIdx.x] : 0, scratch);
    if (threadIdx.x == 0) *y = total;
}

extern "C" __global__ void halves(const float* x, hn_half* half, hn_bfloat16* bfloat, float* back) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    half[i] = hn_to_half(x[i]);
    bfloat[i] = hn_to_bfloat16(x[i]);
    back[2 * i] = hn_from_half(half[i]);
    back[2 * i + 1] = hn_from_bfloat16(bfloat[i]);
}

extern "C" __global__ void philox(const uint4* counter, const uint2* key, uint4* y, float* uniform) {
    y[threadIdx.x] = hn_philox(counter[threadIdx.x], key[threadIdx.x]);
    uniform[threadIdx.x] = hn_uniform(y[threadIdx.x].x);
}
"""
ORDERS = (0, 1, 2, 9)


@pytest.fixture(scope="module")
def module() -> RawModule:
    return RawModule(SOURCE)


@pytest.fixture(params=ORDERS)
def ordered(request: pytest.FixtureRequest, module: RawModule) -> Any:
    module.set_order(request.param)
    return module.get_function


def zeros(*shape: int, dtype: Any = np.int32) -> Any:
    return np.zeros(shape, dtype)


def test_indices(ordered: Any) -> None:
    y = zeros(24, 45)
    ordered("index_3d")((2, 3, 4), (5, 3, 3), (y,))
    np.testing.assert_array_equal(y, 1000 * np.arange(24)[:, None] + np.arange(45))


def test_barriers(ordered: Any) -> None:
    x, y = np.arange(256, dtype=np.float32), zeros(1, dtype=np.float32)
    ordered("block_sum")((1,), (256,), (x, y, np.int32(1)))
    assert y[0] == x.sum()


def test_a_missing_barrier_shows(module: RawModule) -> None:
    x, sums = np.arange(256, dtype=np.float32), []
    for order in ORDERS:
        module.set_order(order)
        y = zeros(1, dtype=np.float32)
        module.get_function("block_sum")((1,), (256,), (x, y, np.int32(0)))
        sums.append(y[0])
    assert len(set(sums)) > 1


def test_blocks_in_each_others_way_show(module: RawModule) -> None:
    """Where they run side by side; orders of whole blocks do not show it."""
    blocks, threads, right = 8, 64, {}
    for order in ORDERS:
        module.set_order(order)
        y = zeros(blocks, threads)
        module.get_function("one_place")((blocks,), (threads,), (zeros(threads), y))
        right[order] = bool((y == np.arange(blocks)[:, None]).all())
    assert right == {0: True, 1: True, 2: False, 9: False}


def test_blocks_that_read_what_others_write_show(module: RawModule) -> None:
    found = set()
    for order in ORDERS:
        module.set_order(order)
        x = zeros(8, 64)
        module.get_function("neighbours")((8,), (64,), (x,))
        found.add(x.tobytes())
    assert len(found) == len(ORDERS)


def test_blocks_side_by_side_have_shared_memory_of_their_own(ordered: Any) -> None:
    y, index = zeros(7, 64), np.arange(7 * 64).reshape(7, 64)
    ordered("own_places")((7,), (64,), (y,), shared_mem=64 * 4)
    expected = index
    for _ in range(3):
        expected = (expected + index)[:, np.arange(64) ^ 33]
    np.testing.assert_array_equal(y, expected)


def test_shared_memory_is_poisoned(ordered: Any) -> None:
    y = zeros(8, dtype=np.float32)
    ordered("poison")((4,), (1,), (y,), shared_mem=64)
    assert np.isnan(y).all()


@pytest.mark.parametrize(("kernel", "words"), [("divergent", "deadlock"), ("not_in_mask", "mask leaves it out"), ("unaligned", "aligned")])
def test_what_a_device_would_not_survive(kernel: str, words: str, ordered: Any) -> None:
    for _ in range(2):
        with pytest.raises(LaunchError, match=f"{kernel}: .*{words}"):
            ordered(kernel)((2,), (64,), (zeros(64),))
    y = zeros(1, 45)
    ordered("index_3d")((1,), (45,), (y,))  # and what comes after runs
    np.testing.assert_array_equal(y[0], np.arange(45))


@pytest.mark.skipif(not sanitize.ON, reason="needs AddressSanitizer: python tests/emulator/sanitize.py tests/codegen/test_cuda_emulator.py")
def test_accesses_beside_an_array_are_found(module: RawModule) -> None:
    """A read one element behind the end, in global memory; a write in shared memory; and nothing within."""
    x, y = guarded(np.ones(45, np.float32)).array, guarded(zeros(1, dtype=np.float32)).array
    module.get_function("beside")((1,), (45,), (x, y, np.int32(45)))
    with pytest.raises(LaunchError, match=r"beside: (?s:.*)heap-buffer-overflow (?s:.*)READ of size 4"):
        module.get_function("beside")((1,), (64,), (x, y, np.int32(45)))
    module.get_function("beside_shared")((1,), (12,), (y,), shared_mem=48)
    with pytest.raises(LaunchError, match=r"beside_shared: (?s:.*)overflow (?s:.*)WRITE of size 4"):
        module.get_function("beside_shared")((1,), (13,), (y,), shared_mem=48)


@pytest.mark.parametrize(("grid", "block"), [((0,), (32,)), ((1,), (2048,)), ((1,), (32, 0)), ((1, 65536), (32,))])
def test_impossible_launches_are_errors(grid: Any, block: Any, module: RawModule) -> None:
    with pytest.raises(LaunchError, match="size"):
        module.get_function("exits")(grid, block, (zeros(64), np.int32(1)))


@pytest.mark.skipif(sanitize.ON, reason="the sanitizer says more")
def test_writes_beyond_shared_memory_are_errors(module: RawModule) -> None:
    y = zeros(1, dtype=np.float32)
    module.get_function("beside_shared")((1,), (12,), (y,), shared_mem=48)
    with pytest.raises(LaunchError, match="beside_shared: a write beyond the shared memory"):
        module.get_function("beside_shared")((1,), (13,), (y,), shared_mem=48)


def test_much_shared_memory_is_an_error(module: RawModule) -> None:
    """A device gives more than 48 kB only where the function's attributes ask for it, which ours never do."""
    module.get_function("poison")((1,), (1,), (zeros(8, dtype=np.float32),), shared_mem=48 << 10)
    with pytest.raises(LaunchError, match="shared memory"):
        module.get_function("poison")((1,), (1,), (zeros(8, dtype=np.float32),), shared_mem=(48 << 10) + 4)


def test_lanes(ordered: Any) -> None:
    n = 45
    x = np.random.default_rng(0).integers(0, 100, 64).astype(np.int32)
    up, down, from5, votes = zeros(64), zeros(64), zeros(64), zeros(64, dtype=np.uint32)
    ordered("lanes")((1,), (64,), (x, up, down, from5, votes, np.int32(n)))
    for first, count in ((0, 32), (32, 13)):
        inside = np.arange(count)
        part = slice(first, first + count)
        np.testing.assert_array_equal(up[part], x[first + np.where(inside >= 3, inside - 3, inside)])
        there = (inside + 3 < count) | (inside + 3 >= 32)  # a lane that has left gives no value
        np.testing.assert_array_equal(down[part], np.where(there, x[first + np.where(inside + 3 < count, inside + 3, inside)], -1))
        np.testing.assert_array_equal(from5[part], np.full(count, x[first + 5]))
        np.testing.assert_array_equal(votes[part], (x[part] & 1).sum())


def test_threads_that_left_are_not_waited_for(ordered: Any) -> None:
    y = zeros(64)
    ordered("exits")((1,), (64,), (y, np.int32(40)))
    np.testing.assert_array_equal(y, np.arange(64) < 40)


def test_atomics(ordered: Any) -> None:
    x = np.random.default_rng(0).integers(0, 1000, 5000).astype(np.int32)
    counts, extremes = zeros(16), np.array([10**6, -1], np.int32)
    ordered("histogram")((7,), (96,), (x, counts, extremes, np.int32(x.size)))
    np.testing.assert_array_equal(counts, np.bincount(x & 15, minlength=16))
    assert extremes.tolist() == [x.min(), x.max()]


def test_last_block(ordered: Any) -> None:
    x, y = np.arange(640, dtype=np.float32), zeros(1, dtype=np.float32)
    ordered("last_block")((10,), (64,), (x, zeros(10, dtype=np.float32), zeros(1, dtype=np.uint32), y), shared_mem=8)
    assert y[0] == x.sum()


def test_16_bit_floats(module: RawModule) -> None:
    """As NumPy and ml_dtypes round them: every half and what lies halfway between, infinities, subnormals, NaN."""
    from ml_dtypes import bfloat16

    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    between = (halves[1:] + halves[:-1]) / 2
    brains = np.arange(0, 0x7F80, 7, dtype=np.uint16).view(bfloat16).astype(np.float32)
    random = np.random.default_rng(0).integers(0, 2**32, 20000, dtype=np.uint32).view(np.float32)
    parts = [
        halves,
        between,
        np.nextafter(between, np.float32(0)),
        np.nextafter(between, np.float32(1e9)),
        brains,
        brains * np.float32(1.00390625),
        random,
    ]
    x = np.concatenate([*parts, np.array([np.inf, np.nan, 65519, 65520, 1e38, 3.4e38, 1e-45], np.float32)])
    x = np.concatenate([x, -x])
    x = np.resize(x, -(-x.size // 64) * 64)
    half, brain, back = zeros(x.size, dtype=np.float16), zeros(x.size, dtype=bfloat16), zeros(x.size, 2, dtype=np.float32)
    module.set_order(0)
    module.get_function("halves")((x.size // 64,), (64,), (x, half, brain, back))
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(half, x.astype(np.float16))
        np.testing.assert_array_equal(brain.astype(np.float32), x.astype(bfloat16).astype(np.float32))
    np.testing.assert_array_equal(back, np.stack([half.astype(np.float32), brain.astype(np.float32)], 1))


def test_the_header_is_parsed_once(tmp_path: Path) -> None:
    """By a command like that of a kernel g++ reads what it has made of the emulator's header, and not the header."""
    source = tmp_path / "kernels.cu"
    source.write_text("int nothing;\n")
    options = ["-H", "-Winvalid-pch", "-include", str(emulator.precompiled()), "-x", "c++", "-c"]
    command = [*emulator.compiler(), *options, "-o", str(tmp_path / "kernels.o"), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, env=sanitize.without(os.environ))
    assert done.returncode == 0, done.stderr
    read = [line for line in done.stderr.splitlines() if line.startswith(("!", "."))]
    assert len(read) == 1 and read[0].startswith("! ") and read[0].endswith(".gch")


def test_philox_gives_the_known_answers(module: RawModule) -> None:
    """The vectors of ``kat_vectors`` in Random123, the authors' library."""
    vectors = (
        "00000000 00000000 00000000 00000000 00000000 00000000 6627e8d5 e169c58d bc57ac4c 9b00dbd8",
        "ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff 408f276d 41c83b0e a20bc7c6 6d5451fd",
        "243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0 d16cfe09 94fdcceb 5001e420 24126ea1",
    )
    words = np.array([[int(w, 16) for w in v.split()] for v in vectors], np.uint32)
    counter, key, expected = (np.ascontiguousarray(words[:, s]) for s in (slice(4), slice(4, 6), slice(6, None)))
    bits, uniform = zeros(3, 4, dtype=np.uint32), zeros(3, dtype=np.float32)
    module.get_function("philox")((1,), (3,), (counter, key, bits, uniform))
    np.testing.assert_array_equal(bits, expected)
    np.testing.assert_array_equal(uniform, (bits[:, 0] >> 8) / 2**24)
