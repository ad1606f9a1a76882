// Running sums and products along the middle axis of (rows, length, inner).
#pragma once
#include "plain.cuh"

template <bool PRODUCT, class T, class R> __device__ inline void ref_scan(R* y, const T* x, long long length, long long inner, long long count) {
    const long long i = ref_thread();
    if (i >= count) return;
    const long long place = i / inner % length;
    double result = PRODUCT ? 1 : 0;
    for (long long k = 0; k <= place; ++k) {
        const double value = ref_load(x[i - (place - k) * inner]);
        result = PRODUCT ? result * value : result + value;
    }
    ref_store(y[i], result);
}
