// The last step of sums that were split over blocks: partial sums of columns are added in a fixed order, by a launch of its own,
// or by the last block to have stored its own.
#pragma once
#include "reduce.cuh"

// Whether this block is the last of `count` that get here. All its threads call it; what the others stored before they called it
// is then seen. The counter in memory is 0 before the first of them, and is 0 again behind the last.
// A fence on both sides, and a barrier before the one thread that counts: CUDA C++ Programming Guide, "Memory Fence Functions".
__device__ inline bool hn_is_last(int* counter, int count) {
    __shared__ bool last;
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) {
        last = atomicAdd(counter, 1) == count - 1;
        if (last) *counter = 0;
    }
    __syncthreads();
    __threadfence();
    return last;
}

// first[c] and second[c]: the sums over b of firsts[b][c] and seconds[b][c]. One block for 32 columns of one of them: a
// grid of (length / 32 rounded up, 1 or 2) blocks of 512 threads.
template <class A, class R>
__device__ inline void hn_add_partials(const A* firsts, const A* seconds, R* first, R* second, int blocks, int length) {
    constexpr int COLUMNS = 32, ROWS = 16;
    HN_SHARED(scratch);
    const int column = blockIdx.x * COLUMNS + threadIdx.x % COLUMNS;
    const A* const mine = (blockIdx.y ? seconds : firsts) + column;
    A sum[1] = {A(0)};
    if (column < length) {
#pragma unroll 4
        for (int b = threadIdx.x / COLUMNS; b < blocks; b += ROWS) sum[0] += mine[static_cast<long long>(b) * length];
    }
    hn_reduce_columns<hn_reduce_add, COLUMNS, ROWS>(sum, scratch);
    if (threadIdx.x < COLUMNS && column < length) (blockIdx.y ? second : first)[column] = hn_type<R>::store(sum[0]);
}
