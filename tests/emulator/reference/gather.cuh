// Elements taken by index and set by index. places: which element of the indexed array each element of the result (of the
// value) is; NumPy has worked it out from the key and the index arrays, which the fast kernels do themselves.
#pragma once
#include "plain.cuh"

template <class T> __device__ inline void ref_gather(T* y, const T* x, const long long* places, long long count) {
    const long long i = ref_thread();
    if (i < count) y[i] = x[places[i]];
}

// Where an element is set several times, the last one holds.
template <class T, class V>
__device__ inline void ref_set(T* y, const T* x, const V* value, const long long* places, long long values, long long count) {
    const long long i = ref_thread();
    if (i >= count) return;
    y[i] = x[i];
    for (long long k = 0; k < values; ++k)
        if (places[k] == i) ref_store(y[i], ref_load(value[k]));
}
