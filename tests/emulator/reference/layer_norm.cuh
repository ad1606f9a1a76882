// Layer norm of rows, and its gradient; RMS norm (not CENTRED), whose mean counts as 0 and whose var is the mean of squares.
#pragma once
#include "plain.cuh"

template <bool CENTRED, class T, class S> __device__ inline void ref_row_moments(S* mean, S* var, const T* x, long long length, long long rows) {
    const long long row = ref_thread();
    if (row >= rows) return;
    double sum = 0, squares = 0;
    for (long long k = 0; CENTRED && k < length; ++k) sum += ref_load(x[row * length + k]);
    for (long long k = 0; k < length; ++k) {
        const double distance = ref_load(x[row * length + k]) - sum / length;
        squares += distance * distance;
    }
    if (CENTRED) ref_store(mean[row], sum / length);
    ref_store(var[row], squares / length);
}

template <bool CENTRED, class Y, class T, class S, class P>
__device__ inline void ref_layer_norm(Y* y, const T* x, const S* mean, const S* var, const P* gamma, const P* beta, double eps, long long length,
                                      long long count) {
    const long long i = ref_thread(), row = i / length, column = i % length;
    if (i >= count) return;
    const double unit = (ref_load(x[i]) - (CENTRED ? ref_load(mean[row]) : 0)) / sqrt(ref_load(var[row]) + eps);
    ref_store(y[i], unit * ref_load(gamma[column]) + (CENTRED ? ref_load(beta[column]) : 0));
}

// dx = (h - average of h - u * average of h * u) / root, with u the normalised x and h = g * gamma.
template <bool CENTRED, class G, class T, class S, class P>
__device__ inline void ref_layer_norm_grad(T* dx, const G* g, const T* x, const S* mean, const S* var, const P* gamma, double eps, long long length,
                                           long long count) {
    const long long i = ref_thread(), row = i / length;
    if (i >= count) return;
    const double centre = CENTRED ? ref_load(mean[row]) : 0, root = sqrt(ref_load(var[row]) + eps);
    double total = 0, product = 0;
    for (long long k = 0; k < length; ++k) {
        const double h = ref_load(g[row * length + k]) * ref_load(gamma[k]);
        total += CENTRED ? h : 0;
        product += h * (ref_load(x[row * length + k]) - centre) / root;
    }
    const double u = (ref_load(x[i]) - centre) / root, h = ref_load(g[i]) * ref_load(gamma[i % length]);
    ref_store(dx[i], (h - total / length - u * product / length) / root);
}

// A thread a column: the gradients of gamma and beta.
template <bool CENTRED, class G, class T, class S, class P>
__device__ inline void ref_layer_norm_sums(P* dgamma, P* dbeta, const G* g, const T* x, const S* mean, const S* var, double eps, long long rows,
                                           long long length) {
    const long long column = ref_thread();
    if (column >= length) return;
    double of_gamma = 0, of_beta = 0;
    for (long long row = 0; row < rows; ++row) {
        const long long at = row * length + column;
        of_gamma += ref_load(g[at]) * (ref_load(x[at]) - (CENTRED ? ref_load(mean[row]) : 0)) / sqrt(ref_load(var[row]) + eps);
        of_beta += ref_load(g[at]);
    }
    ref_store(dgamma[column], of_gamma);
    if (CENTRED) ref_store(dbeta[column], of_beta);
}
