// The last step of sums that were split over blocks: partial sums of columns are added in a fixed order.
#pragma once
#include "reduce.cuh"

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
