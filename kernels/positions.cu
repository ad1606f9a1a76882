// Positions of elements by their values: of the largest or smallest along an axis, and of values in a sorted array.
//
// argmax, argmin: x as (rows, LENGTH, INNER); of equal elements the first, and the first NaN before all numbers. A row that
// lies in one piece (INNER = 1) has a team of TEAM neighbouring threads, or a block; where rows lie side by side each has a
// thread, and neighbours read neighbours. Bytes moved: those of x, and 8 for each row. The limit on paper is the copy bandwidth, as
// long as there are rows for some 100 thousand threads. Measured share of the copy bandwidth: still to be measured.
// Plainly: tests/emulator/reference/positions.cuh. It is more because a thread a row reads far apart, one after another:
// here a team reads neighbours, and the place in a sorted array is found by halves.
#pragma once
#include "each.cuh"

// An element's value and position.
template <class T> struct hn_found {
    T value;
    long long at;
    // Whether another element is to be chosen before this one.
    template <bool LARGEST> __device__ inline bool gives_way(const hn_found& other) const {
        const bool absent = value != value, other_absent = other.value != other.value;
        if (absent || other_absent) return absent == other_absent ? other.at < at : other_absent;
        if (value == other.value) return other.at < at;
        return LARGEST ? other.value > value : other.value < value;
    }
};

// y: in each row of x the position of the largest (smallest) element. TEAM: 1 to 32, a power of two, or THREADS, the block's size.
template <bool LARGEST, class Index, Index ROWS, Index LENGTH, Index INNER, int WIDTH, int TEAM, int THREADS, class T>
__device__ inline void hn_extremum(long long* y, const T* x) {
    typedef hn_found<typename hn_type<T>::compute> Found;
    const Index number = (static_cast<Index>(blockIdx.x) * THREADS + threadIdx.x) / TEAM;
    const Index row = number < ROWS ? number : ROWS - 1;  // threads beyond the last row take part in exchanges
    const T* const from = x + row / INNER * LENGTH * INNER + row % INNER;
    const int rank = threadIdx.x % TEAM;
    Found best = {hn_type<T>::load(from[0]), 0};
    for (Index i = rank; i < LENGTH / WIDTH; i += TEAM) {
        const hn_pack<T, WIDTH> pack = hn_load<WIDTH>(from + i * WIDTH * INNER);
#pragma unroll
        for (int e = 0; e < WIDTH; ++e) {
            const Found other = {pack[e], static_cast<long long>(i * WIDTH + e)};
            if (best.template gives_way<LARGEST>(other)) best = other;
        }
    }
#pragma unroll
    for (int distance = (TEAM < 32 ? TEAM : 32) / 2; distance > 0; distance /= 2) {
        Found other;
        other.value = static_cast<decltype(other.value)>(__shfl_xor_sync(0xffffffffu, best.value, distance));
        other.at = __shfl_xor_sync(0xffffffffu, best.at, distance);
        if (best.template gives_way<LARGEST>(other)) best = other;
    }
    if constexpr (TEAM > 32) {
        HN_SHARED(shared);
        Found* const warps = reinterpret_cast<Found*>(shared);
        if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = best;
        __syncthreads();
        for (int w = 0; w < TEAM / 32; ++w)
            if (best.template gives_way<LARGEST>(warps[w])) best = warps[w];
    }
    if (rank == 0 && number < ROWS) y[number] = best.at;
}

// y: how many of the LENGTH elements of a, which are sorted with NaN last, stand before each v: those below it, or (RIGHT) not above it.
template <class Index, Index COUNT, int LENGTH, bool RIGHT, class T> __device__ inline void hn_search(long long* y, const T* a, const T* v) {
    typedef typename hn_type<T>::compute C;
    const auto below = [](C p, C q) { return p < q || (q != q && p == p); };
    const auto find = [=](Index i) {
        const C value = hn_type<T>::load(v[i]);
        long long low = 0, high = LENGTH;
        while (low < high) {
            const long long middle = (low + high) / 2;
            const C element = hn_type<T>::load(a[middle]);
            if (RIGHT ? !below(value, element) : below(element, value)) low = middle + 1;
            else high = middle;
        }
        return low;
    };
    hn_each<Index, COUNT>(find, [=](Index i, long long found) { y[i] = found; });
}
