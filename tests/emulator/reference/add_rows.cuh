// What is taken by index gives its gradient back: for each element the sum of those of g that were taken from it.
#pragma once
#include "plain.cuh"

template <class T> __device__ inline void ref_add(T* y, const T* g, const long long* places, long long taken, long long count) {
    const long long i = ref_thread();
    if (i >= count) return;
    double sum = 0;
    for (long long k = 0; k < taken; ++k)
        if (places[k] == i) sum += ref_load(g[k]);
    ref_store(y[i], sum);
}
