// Arrays made from nothing: evenly spaced numbers, and a diagonal of ones.
//
// Bytes moved: the result, written once, in packs of 16 bytes. Measured share of the copy bandwidth: still to be measured.
// Plainly: tests/emulator/reference/creation.cuh. It is more by packs of 16 bytes alone, which fill the width of an access.
#pragma once
#include "each.cuh"

// y: start + step * i, computed in N (whole numbers as long long, others as double), then converted.
template <class Index, Index COUNT, int WIDTH, class N, class T> __device__ inline void hn_arange(T* y, N start, N step) {
    hn_fill<Index, COUNT, WIDTH>(y, [=](Index i) {
        hn_pack<T, WIDTH> pack;
#pragma unroll
        for (int e = 0; e < WIDTH; ++e) pack.at[e] = hn_type<T>::store(start + step * static_cast<N>(i * WIDTH + e));
        return pack;
    });
}

// y: ones on the DIAGONAL-th diagonal of a matrix of so many columns, zeros elsewhere.
template <class Index, Index COUNT, int WIDTH, Index COLUMNS, Index DIAGONAL, class T> __device__ inline void hn_eye(T* y) {
    hn_fill<Index, COUNT, WIDTH>(y, [=](Index i) {
        hn_pack<T, WIDTH> pack;
#pragma unroll
        for (int e = 0; e < WIDTH; ++e) {
            const Index at = i * WIDTH + e;
            pack.at[e] = hn_type<T>::store(static_cast<int>(at % COLUMNS - at / COLUMNS == DIAGONAL));
        }
        return pack;
    });
}
