// Running sums and products along an axis.
//
// x as (rows, LENGTH, INNER). Rows that lie in one piece (INNER = 1) have a warp each, which takes 128 elements at a time: four
// a lane, then the lanes' totals. Where rows lie side by side each has a thread, with four loads under way. Every row's order of
// operations is fixed. Sums of 16-bit numbers are kept in float and rounded where they are stored.
//
// Bytes moved: x read, the result written. The limit on paper is the copy bandwidth where there are rows for all multiprocessors;
// a single long row is bound by the time from one step of its warp to the next. Measured share of the copy bandwidth: still to be measured.
// Plainly: tests/emulator/reference/scan.cuh. It is more because each plain thread begins at the start, n²/2 steps a row:
// here a row's elements are combined once each, in steps of a warp.
#pragma once
#include "reduce.cuh"

constexpr int HN_SCAN_EACH = 4;  // elements of a thread at a time

// y: the running sums (Op: how two are combined) of a warp's row of x.
template <class Op, class Index, Index ROWS, Index LENGTH, class T, class R> __device__ inline void hn_scan_rows(R* y, const T* x) {
    typedef typename hn_type<R>::compute C;
    const Index row = (static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x) / 32;
    if (row >= ROWS) return;  // a whole warp
    const int lane = threadIdx.x % 32;
    C before = Op::template start<C>();  // of this lane's elements: all steps before this one
    for (Index base = 0; base < LENGTH; base += 32 * HN_SCAN_EACH) {
        const Index first = base + lane * HN_SCAN_EACH;
        C own[HN_SCAN_EACH];
#pragma unroll
        for (int e = 0; e < HN_SCAN_EACH; ++e)
            own[e] = first + e < LENGTH ? static_cast<C>(hn_type<T>::load(x[row * LENGTH + first + e])) : Op::template start<C>();
#pragma unroll
        for (int e = 1; e < HN_SCAN_EACH; ++e) own[e] = Op::combine(own[e - 1], own[e]);
        C total = own[HN_SCAN_EACH - 1];
#pragma unroll
        for (int distance = 1; distance < 32; distance *= 2) {
            const C other = __shfl_up_sync(0xffffffffu, total, distance);
            if (lane >= distance) total = Op::combine(other, total);
        }
        const C others = __shfl_up_sync(0xffffffffu, total, 1);
        const C mine = lane ? Op::combine(before, others) : before;
#pragma unroll
        for (int e = 0; e < HN_SCAN_EACH; ++e)
            if (first + e < LENGTH) y[row * LENGTH + first + e] = hn_type<R>::store(Op::combine(mine, own[e]));
        before = Op::combine(before, static_cast<C>(__shfl_sync(0xffffffffu, total, 31)));
    }
}

// y: the same where a row's elements lie INNER apart.
template <class Op, class Index, Index ROWS, Index LENGTH, Index INNER, class T, class R> __device__ inline void hn_scan_columns(R* y, const T* x) {
    typedef typename hn_type<R>::compute C;
    const Index row = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (row >= ROWS) return;
    const Index at = row / INNER * LENGTH * INNER + row % INNER;
    C sum = Op::template start<C>();
    for (Index i = 0; i < LENGTH; i += HN_SCAN_EACH) {
        C own[HN_SCAN_EACH];
#pragma unroll
        for (int e = 0; e < HN_SCAN_EACH; ++e)
            own[e] = i + e < LENGTH ? static_cast<C>(hn_type<T>::load(x[at + (i + e) * INNER])) : Op::template start<C>();
#pragma unroll
        for (int e = 0; e < HN_SCAN_EACH; ++e) {
            sum = Op::combine(sum, own[e]);
            if (i + e < LENGTH) y[at + (i + e) * INNER] = hn_type<R>::store(sum);
        }
    }
}
