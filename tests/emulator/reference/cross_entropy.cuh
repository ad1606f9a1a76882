// Softmax cross-entropy of rows with integer labels, and its gradient. Labels out of range count as the nearest class.
#pragma once
#include "plain.cuh"

__device__ inline long long ref_class(long long label, long long classes) { return label < 0 ? 0 : label < classes ? label : classes - 1; }

template <class T, class S> __device__ inline void ref_row_loss(S& loss, S& total, const T* values, long long label, long long length) {
    double largest = ref_load(values[0]), sum = 0;
    for (long long k = 1; k < length; ++k) largest = ref_load(values[k]) > largest ? ref_load(values[k]) : largest;
    for (long long k = 0; k < length; ++k) sum += exp(ref_load(values[k]) - largest);
    const double logarithm = log(sum) + largest;
    ref_store(total, logarithm);
    ref_store(loss, logarithm - ref_load(values[ref_class(label, length)]));
}

template <class T, class S, class H>
__device__ inline void ref_row_grad(T& dx, const T& x, bool hit, const S& total, const H& of_loss, const H& weight) {
    ref_store(dx, exp(ref_load(x) - ref_load(total)) * ref_load(weight) - (hit ? ref_load(of_loss) : 0));
}

// A thread a row.
template <class T, class L, class S> __device__ inline void ref_cross_entropy(S* loss, S* total, const T* x, const L* label, long long length, long long rows) {
    const long long row = ref_thread();
    if (row < rows) ref_row_loss(loss[row], total[row], x + row * length, label[row], length);
}

template <class T, class L, class S>
__device__ inline void ref_cross_entropy_grad(T* dx, const T* x, const L* label, const S* total, const S* of_loss, const S* weight, long long length,
                                              long long count) {
    const long long i = ref_thread(), row = i / length;
    if (i < count) ref_row_grad(dx[i], x[i], i % length == ref_class(label[row], length), total[row], of_loss[row], weight[row]);
}

// A thread a row.
template <class T, class L, class S, class H>
__device__ inline void ref_cross_entropy_both(S* loss, T* dx, const T* x, const L* label, const H* of_loss, const H* weight, long long length, long long rows) {
    const long long row = ref_thread();
    if (row >= rows) return;
    S total;
    ref_row_loss(loss[row], total, x + row * length, label[row], length);
    for (long long k = 0; k < length; ++k)
        ref_row_grad(dx[row * length + k], x[row * length + k], k == ref_class(label[row], length), total, of_loss[row], weight[row]);
}
