// Softmax cross-entropy of rows with integer labels, and its gradient. Labels out of range count as the nearest class.
#pragma once
#include "plain.cuh"

__device__ inline long long ref_class(long long label, long long classes) { return label < 0 ? 0 : label < classes ? label : classes - 1; }

// A thread a row.
template <class T, class L, class S> __device__ inline void ref_cross_entropy(S* loss, S* total, const T* x, const L* label, long long length, long long rows) {
    const long long row = ref_thread();
    if (row >= rows) return;
    const T* const values = x + row * length;
    double largest = ref_load(values[0]), sum = 0;
    for (long long k = 1; k < length; ++k) largest = ref_load(values[k]) > largest ? ref_load(values[k]) : largest;
    for (long long k = 0; k < length; ++k) sum += exp(ref_load(values[k]) - largest);
    const double logarithm = log(sum) + largest;
    ref_store(total[row], logarithm);
    ref_store(loss[row], logarithm - ref_load(values[ref_class(label[row], length)]));
}

template <class T, class L, class S>
__device__ inline void ref_cross_entropy_grad(T* dx, const T* x, const L* label, const S* total, const S* of_loss, const S* weight, long long length,
                                              long long count) {
    const long long i = ref_thread(), row = i / length;
    if (i >= count) return;
    const bool hit = i % length == ref_class(label[row], length);
    ref_store(dx[i], exp(ref_load(x[i]) - ref_load(total[row])) * ref_load(weight[row]) - (hit ? ref_load(of_loss[row]) : 0));
}
