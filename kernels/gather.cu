// Elements taken by arrays of indices (x[key], rows of an embedding, take_along_axis), and set by them.
//
// A kernel goes over its result, in packs of 16 bytes along the axes behind the indexed ones. Where a pack lies in x is
// the sum of strides along the result's axes and of each index times its axis's stride (hn_place). Indices count from the
// end if negative and go around if out of range: no access is ever outside of x.
//
// Setting: where an element is set more than once, the last in the order of the indices holds, as in NumPy. So that this
// does not depend on the order in which threads run, every row (as long as a run of elements that are set together) first
// gets the number of the last position that sets it (the maximum, by integer atomics, of which the order does not matter);
// then the result is gone over once.
//
// Bytes moved: taking, those of the result written and as many read, and the indices; setting, x read and the result
// written (n s bytes each), and 4 bytes a row written, and read and raised for those that are set, and read. The limit on
// paper is the copy bandwidth, and for rows shorter than 32 bytes a share of it: memory is read in sectors of 32 bytes.
// Measured share of the copy bandwidth: still to be measured.
// Plainly: tests/emulator/reference/gather.cuh. It is more because places are computed here from the index arrays,
// in packs; and setting does not look through all values for each element: the last one is found by integer maxima.
#pragma once
#include "each.cuh"

// y: the elements of x at the places that Axes, Tables and START say.
template <class Index, Index COUNT, int WIDTH, class Axes, class Tables, long long START, class T, class... I>
__device__ inline void hn_gather(T* y, const T* x, const I*... tables) {
    hn_fill<Index, COUNT, WIDTH>(y, [=](Index i) { return hn_load<WIDTH>(x + hn_place<Axes, Tables, START>(i, tables...)); });
}

// winners: for each row of an array the last of COUNT positions that sets it; -1, which must be there before, if none does.
template <class Index, Index COUNT, class Axes, class Tables, long long START, class... I>
__device__ inline void hn_mark_last(int* winners, const I*... tables) {
    hn_each<Index, COUNT>([=](Index i) { return hn_place<Axes, Tables, START>(i, tables...); },
                          [=](Index i, Index row) { atomicMax(winners + row, static_cast<int>(i)); });
}

// y: x (which may be y), and in rows (of PACKS packs) with a winner that position's value: operand K of Axes, its elements STEP (0 or 1) apart.
template <class Index, Index COUNT, int WIDTH, Index PACKS, class Axes, int K, int STEP, class T, class V>
__device__ inline void hn_set_won(T* y, const T* x, const V* value, const int* winners) {
    hn_set_some<Index, COUNT, WIDTH>(y, x, [=](Index i) -> hn_set_pack<T, WIDTH> {
        const int winner = winners[i / PACKS];
        if (winner < 0) return {hn_sums<T, WIDTH>().stored(), false};
        const Index at = hn_offset<K>(Axes{}, static_cast<Index>(winner)) + i % PACKS * WIDTH * STEP;
        return {hn_converted<T, WIDTH, STEP>(value + at), true};
    });
}

// y: g at the index of its row's only element along an axis of LENGTH, zeros beside it; INNER elements lie within the axis.
template <class Index, Index COUNT, int WIDTH, Index LENGTH, Index INNER, class T, class I>
__device__ inline void hn_put_one(T* y, const T* g, const I* indices) {
    hn_fill<Index, COUNT, WIDTH>(y, [=](Index i) {
        const Index within = i * WIDTH % INNER, along = i * WIDTH / INNER % LENGTH, at = i * WIDTH / (INNER * LENGTH) * INNER + within;
        hn_sums<T, WIDTH> sums;
#pragma unroll
        for (int e = 0; e < WIDTH; ++e) {  // a pack lies within the axis's inner elements, or, if that is one, along it
            const Index from = INNER == 1 ? at : at + e;
            if (hn_wrapped<LENGTH>(indices[from]) == (INNER == 1 ? along + e : along)) sums.at[e] = hn_type<T>::load(g[from]);
        }
        return sums.stored();
    });
}
