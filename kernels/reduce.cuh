// Reductions: the six ways to combine two values, within a thread's lanes, a warp, a block, a tile's columns.
//
// Every thread of the group gets the result, and the same bits: threads combine the same values in an
// order that depends on nothing but their number. All threads of a warp (of a block) must call.
#pragma once
#include "functors.cuh"

struct hn_reduce_add {
    template <class T> static __device__ inline T start() { return T(0); }
    template <class T> static __device__ inline T combine(T a, T b) { return T(a + b); }
};
struct hn_reduce_multiply {
    template <class T> static __device__ inline T start() { return T(1); }
    template <class T> static __device__ inline T combine(T a, T b) { return T(a * b); }
};
struct hn_reduce_max {  // NaN if any is
    template <class T> static __device__ inline T start() { return hn_limits<T>::lowest(); }
    template <class T> static __device__ inline T combine(T a, T b) { return hn_max(a, b); }
};
struct hn_reduce_min {
    template <class T> static __device__ inline T start() { return hn_limits<T>::highest(); }
    template <class T> static __device__ inline T combine(T a, T b) { return hn_min(a, b); }
};
struct hn_reduce_or {
    template <class T> static __device__ inline T start() { return T(false); }
    template <class T> static __device__ inline T combine(T a, T b) { return T(a || b); }
};
struct hn_reduce_and {
    template <class T> static __device__ inline T start() { return T(true); }
    template <class T> static __device__ inline T combine(T a, T b) { return T(a && b); }
};

// Over LANES neighbouring lanes of a warp; LANES is a power of two, 32 at most.
template <class Op, int LANES, class T> __device__ inline T hn_reduce_lanes(T x) {
#pragma unroll
    for (int distance = LANES / 2; distance > 0; distance /= 2)
        x = Op::combine(x, static_cast<T>(__shfl_xor_sync(0xffffffffu, x, distance)));
    return x;
}

// Over a block of THREADS threads, a multiple of 32. ``scratch``: shared memory for THREADS / 32 values.
template <class Op, int THREADS, class T> __device__ inline T hn_reduce_block(T x, void* scratch) {
    T* const warps = static_cast<T*>(scratch);
    x = hn_reduce_lanes<Op, 32>(x);
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = x;
    __syncthreads();
    x = warps[0];
#pragma unroll
    for (int w = 1; w < THREADS / 32; ++w) x = Op::combine(x, warps[w]);
    __syncthreads();  // before scratch is used again
    return x;
}

// Over a team of LANES threads: neighbours within a warp up to 32, a whole block above.
template <class Op, int LANES, class T> __device__ inline T hn_reduce_team(T x, void* scratch) {
    if constexpr (LANES <= 32) return hn_reduce_lanes<Op, LANES>(x);
    else return hn_reduce_block<Op, LANES>(x, scratch);
}

// Over the ROWS threads (a power of two) of each column of a tile: thread t stands in column t % COLUMNS. Each of a thread's N
// numbers by itself, in its place. ``scratch``: shared memory for ROWS * COLUMNS * N values.
template <class Op, int COLUMNS, int ROWS, class T, int N> __device__ inline void hn_reduce_columns(T (&x)[N], void* scratch) {
    if constexpr (ROWS > 1) {
        constexpr int THREADS = COLUMNS * ROWS;
        T* const tile = static_cast<T*>(scratch);
        const int row = threadIdx.x / COLUMNS, column = threadIdx.x % COLUMNS;
#pragma unroll
        for (int half = ROWS / 2; half > 0; half /= 2) {  // those of the upper half hand over what they have
#pragma unroll
            for (int e = 0; e < N; ++e)
                if (row >= half && row < 2 * half) tile[e * THREADS + threadIdx.x] = x[e];
            __syncthreads();
#pragma unroll
            for (int e = 0; e < N; ++e)
                if (row < half) x[e] = Op::combine(x[e], tile[e * THREADS + half * COLUMNS + threadIdx.x]);
        }
#pragma unroll
        for (int e = 0; e < N; ++e)
            if (row == 0) tile[e * THREADS + column] = x[e];
        __syncthreads();
#pragma unroll
        for (int e = 0; e < N; ++e) x[e] = tile[e * THREADS + column];
        __syncthreads();  // before scratch is used again
    }
}
