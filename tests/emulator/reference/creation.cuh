// Evenly spaced numbers, and ones on a diagonal.
#pragma once
#include "plain.cuh"

template <class T> __device__ inline void ref_arange(T* y, double start, double step, long long count) {
    const long long i = ref_thread();
    if (i < count) ref_store(y[i], start + step * i);
}

template <class T> __device__ inline void ref_eye(T* y, long long columns, long long diagonal, long long count) {
    const long long i = ref_thread();
    if (i < count) ref_store(y[i], i % columns - i / columns == diagonal);
}
