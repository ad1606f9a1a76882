// The position of the largest or smallest element along the middle axis of (rows, length, inner), and where a value belongs
// in a sorted array. Of equal elements the first; NaN before all numbers in one, behind them in the other, as in NumPy.
#pragma once
#include "plain.cuh"

template <bool LARGEST, class T> __device__ inline void ref_extremum(long long* y, const T* x, long long length, long long inner, long long count) {
    const long long i = ref_thread();
    if (i >= count) return;
    const T* const row = x + i / inner * length * inner + i % inner;
    y[i] = 0;
    for (long long k = 1; k < length; ++k) {
        const double best = ref_load(row[y[i] * inner]), value = ref_load(row[k * inner]);
        if (best == best && (value != value || (LARGEST ? value > best : value < best))) y[i] = k;
    }
}

__device__ inline bool ref_less(double a, double b) { return a < b || (a == a && b != b); }

template <bool RIGHT, class T> __device__ inline void ref_search(long long* y, const T* a, const T* v, long long length, long long count) {
    const long long i = ref_thread();
    if (i >= count) return;
    y[i] = 0;
    for (long long k = 0; k < length; ++k) {
        const double edge = ref_load(a[k]), value = ref_load(v[i]);
        if (RIGHT ? !ref_less(value, edge) : ref_less(edge, value)) ++y[i];
    }
}
