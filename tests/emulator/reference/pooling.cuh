// Maxima and sums of windows of data (outer, places, inner), and their gradients.
#pragma once
#include "windows.cuh"

// Where a window of x, whose data begin at `start`, has its maximum for the first time; -1 where it has no data.
template <class T> __device__ inline long long ref_maximum(const T* x, const ref_windows& by, long long start, long long inner, long long w) {
    long long best = -1;
    for (long long k = 0; k < by.elements(); ++k) {
        const long long place = by.place(w, k), at = start + place * inner;
        if (place < 0) continue;
        const double value = ref_load(x[at]), most = best < 0 ? value : ref_load(x[best]);
        if (best < 0 || (most == most && (value > most || value != value))) best = at;
    }
    return best;
}

// What a mean is divided by, on each axis: all elements (DIVIDE 1) up to the end of the padding, or those of the data (2).
template <int DIVIDE> __device__ inline double ref_divisor(const ref_windows& by, long long w) {
    double divisor = 1;
    for (int axis = 2; axis >= 0; --axis) {
        const long long begin = w % by.count[axis] * by.stride[axis] - by.pad[axis], end = begin + by.kernel[axis];
        const long long limit = by.size[axis] + (DIVIDE == 1 ? by.pad[axis] : 0);
        const long long length = (end < limit ? end : limit) - (DIVIDE == 2 && begin < 0 ? 0 : begin);
        divisor *= DIVIDE == 0 || length < 1 ? 1 : length;
        w /= by.count[axis];
    }
    return divisor;
}

// For each window the maximum (GATHER: the element of h that lies where x has it); `empty` where there are no data.
template <class T> __device__ inline void ref_max_pool(T* y, const T* h, const T* x, const long long* numbers, long long inner, double empty, long long count) {
    const ref_windows& by = *reinterpret_cast<const ref_windows*>(numbers);
    const long long i = ref_thread(), outer = i / inner / by.windows();
    if (i >= count) return;
    const long long at = ref_maximum(x, by, outer * by.places() * inner + i % inner, inner, i / inner % by.windows());
    ref_store(y[i], at < 0 ? empty : ref_load(h[at]));
}

// For each element the gradients of the windows of which it is the maximum, or of which it is an element, divided as they were.
template <bool MAXIMUM, int DIVIDE, class T>
__device__ inline void ref_pool_grad(T* dx, const T* g, const T* x, const long long* numbers, long long inner, long long count) {
    const ref_windows& by = *reinterpret_cast<const ref_windows*>(numbers);
    const long long i = ref_thread(), outer = i / inner / by.places(), place = i / inner % by.places();
    if (i >= count) return;
    double sum = 0;
    for (long long w = 0; w < by.windows(); ++w) {
        const double slope = ref_load(g[(outer * by.windows() + w) * inner + i % inner]) / ref_divisor<DIVIDE>(by, w);
        if (MAXIMUM) {
            if (ref_maximum(x, by, outer * by.places() * inner + i % inner, inner, w) == i) sum += slope;
        } else {
            for (long long k = 0; k < by.elements(); ++k)
                if (by.place(w, k) == place) sum += slope;
        }
    }
    ref_store(dx[i], sum);
}

template <int DIVIDE, class T> __device__ inline void ref_sum_pool(T* y, const T* x, const long long* numbers, long long inner, long long count) {
    const ref_windows& by = *reinterpret_cast<const ref_windows*>(numbers);
    const long long i = ref_thread(), outer = i / inner / by.windows(), w = i / inner % by.windows();
    if (i >= count) return;
    double sum = 0;
    for (long long k = 0; k < by.elements(); ++k)
        if (by.place(w, k) >= 0) sum += ref_load(x[(outer * by.places() + by.place(w, k)) * inner + i % inner]);
    ref_store(y[i], sum / ref_divisor<DIVIDE>(by, w));
}
