// Concatenation, an operand a launch, and a slice put into zeros (places as in gather.cuh). A slice set in an array is ref_set.
#pragma once
#include "plain.cuh"

// x as (outer, length, inner), into places start to start + length of the axis of y, which is total long.
template <class T>
__device__ inline void ref_concatenate(T* y, const T* x, long long start, long long length, long long total, long long inner, long long count) {
    const long long i = ref_thread();
    if (i >= count) return;
    const long long outer = i / (length * inner), within = i % (length * inner);
    y[outer * total * inner + start * inner + within] = x[i];
}

template <class T> __device__ inline void ref_place_slice(T* y, const T* value, const long long* places, long long values, long long count) {
    const long long i = ref_thread();
    if (i >= count) return;
    ref_store(y[i], 0);
    for (long long k = 0; k < values; ++k)
        if (places[k] == i) y[i] = value[k];
}
