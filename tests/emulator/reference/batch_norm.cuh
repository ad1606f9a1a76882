// Mean and variance of each channel of (outer, channels, inner), and the two sums of batch norm's gradients. A thread a channel.
#pragma once
#include "plain.cuh"

template <class T, class A> __device__ inline void ref_moments(A* mean, A* var, const T* x, long long outer, long long inner, long long channels) {
    const long long c = ref_thread();
    if (c >= channels) return;
    double sum = 0, squares = 0;
    for (long long k = 0; k < outer * inner; ++k) sum += ref_load(x[(k / inner * channels + c) * inner + k % inner]);
    const double average = sum / (outer * inner);
    for (long long k = 0; k < outer * inner; ++k) {
        const double distance = ref_load(x[(k / inner * channels + c) * inner + k % inner]) - average;
        squares += distance * distance;
    }
    ref_store(mean[c], average);
    ref_store(var[c], squares / (outer * inner));
}

template <class T, class S, class A>
__device__ inline void ref_sums(A* total, A* product, const T* g, const T* x, const S* centre, long long outer, long long inner, long long channels) {
    const long long c = ref_thread();
    if (c >= channels) return;
    double sum = 0, with_x = 0;
    for (long long k = 0; k < outer * inner; ++k) {
        const long long at = (k / inner * channels + c) * inner + k % inner;
        sum += ref_load(g[at]);
        with_x += ref_load(g[at]) * (ref_load(x[at]) - ref_load(centre[c]));
    }
    ref_store(total[c], sum);
    ref_store(product[c], with_x);
}
