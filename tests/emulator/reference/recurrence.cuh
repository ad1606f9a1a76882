// A step of a recurrent layer, and of its gradient, a thread for each unit of each sequence: a launch a step.
#pragma once
#include "plain.cuh"

// The recurrent product of one row of the weight with the state h.
template <class T> __device__ inline double ref_row(const T* wh, const T* bh, const double* h, long long row, long long units) {
    double sum = ref_load(bh[row]);
    for (long long k = 0; k < units; ++k) sum += ref_load(wh[row * units + k]) * h[k];
    return sum;
}

__device__ inline double ref_logistic(double x) { return 1 / (1 + exp(-x)); }

// What reaches the state of unit u of sequence b from the step behind it (none: less than 0): by its products, and as it is.
template <class T>
__device__ inline double ref_from(const double* passed, const T* dproduct, const T* wh, long long behind, long long b, long long u,
                                  long long batch, long long units, long long width) {
    if (behind < 0) return 0;
    double sum = passed[(behind * batch + b) * units + u];
    for (long long q = 0; q < width; ++q) sum += ref_load(dproduct[(behind * batch + b) * width + q]) * ref_load(wh[q * units + u]);
    return sum;
}

// The states before the s-th step of the order are h[s] and c[s], as they were computed, not as they are stored; it gives those behind.
template <bool RELU, class T, class M>
__device__ inline void ref_rnn(T* hs, double* h, const T* gx, const T* wh, const T* bh, const M* mask, long long t, long long s,
                               long long units, long long count) {
    const long long i = ref_thread(), b = i / units * units, at = t * count + i;
    if (i >= count) return;
    h += s * count;
    const double sum = ref_load(gx[at]) + ref_row(wh, bh, h + b, i % units, units);
    h[count + i] = !mask[at / units] ? h[i] : !RELU ? tanh(sum) : sum < 0 ? 0 : sum;
    ref_store(hs[at], h[count + i]);
}

template <class T, class G, class M>
__device__ inline void ref_lstm(T* hs, T* cs, G* gates, double* h, double* c, const T* gx, const T* wh, const T* bh, const M* mask,
                                long long t, long long s, long long units, long long count) {
    const long long i = ref_thread(), b = i / units, u = i % units, at = t * count + i, row = (at / units * 4) * units + u;
    if (i >= count) return;
    h += s * count, c += s * count;
    double gate[4];
    for (int g = 0; g < 4; ++g) {
        gate[g] = ref_load(gx[row + g * units]) + ref_row(wh, bh, h + b * units, g * units + u, units);
        gate[g] = g == 2 ? tanh(gate[g]) : ref_logistic(gate[g]);
        ref_store(gates[row + g * units], gate[g]);
    }
    const double cell = gate[1] * c[i] + gate[0] * gate[2];
    c[count + i] = mask[at / units] ? cell : c[i];
    h[count + i] = mask[at / units] ? gate[3] * tanh(cell) : h[i];
    ref_store(cs[at], c[count + i]);
    ref_store(hs[at], h[count + i]);
}

template <class T, class G, class M>
__device__ inline void ref_gru(T* hs, G* gates, double* h, const T* gx, const T* wh, const T* bh, const M* mask, long long t, long long s,
                               long long units, long long count) {
    const long long i = ref_thread(), b = i / units, u = i % units, at = t * count + i, row = at / units * 3 * units + u;
    if (i >= count) return;
    h += s * count;
    double sum[3];
    for (int g = 0; g < 3; ++g) sum[g] = ref_row(wh, bh, h + b * units, g * units + u, units);
    const double r = ref_logistic(ref_load(gx[row]) + sum[0]), z = ref_logistic(ref_load(gx[row + units]) + sum[1]);
    const double n = tanh(ref_load(gx[row + 2 * units]) + r * sum[2]), kept[4] = {r, z, n, sum[2]};
    for (int g = 0; g < 4; ++g) ref_store(gates[(at / units * 4 + g) * units + u], kept[g]);
    h[count + i] = mask[at / units] ? n + z * (h[i] - n) : h[i];
    ref_store(hs[at], h[count + i]);
}

template <bool RELU, class T, class M>
__device__ inline void ref_rnn_grad(T* dgx, double* passed, const T* gh, const T* hs, const T* wh, const M* mask, long long t, long long behind,
                                    long long units, long long count) {
    const long long i = ref_thread(), at = t * count + i;
    if (i >= count) return;
    const double dh = ref_load(gh[at]) + ref_from(passed, dgx, wh, behind, i / units, i % units, count / units, units, units);
    const double h = ref_load(hs[at]);
    passed[at] = mask[at / units] ? 0 : dh;
    ref_store(dgx[at], !mask[at / units] ? 0 : RELU ? (h > 0) * dh : dh * (1 - h * h));
}

template <class T, class G, class M>
__device__ inline void ref_lstm_grad(T* dgx, double* passed, double* cells, const T* gh, const T* gc, const T* cs, const G* gates, const T* wh,
                                     const T* c0, const M* mask, long long t, long long before, long long behind, long long units,
                                     long long count) {
    const long long i = ref_thread(), u = i % units, at = t * count + i, row = at / units * 4 * units + u;
    if (i >= count) return;
    const bool on = mask[at / units];
    const double dh = ref_load(gh[at]) + ref_from(passed, dgx, wh, behind, i / units, u, count / units, units, 4 * units);
    const double reached = ref_load(gc[at]) + (behind < 0 ? 0 : cells[behind * count + i]);
    const double c = before < 0 ? ref_load(c0[i]) : ref_load(cs[before * count + i]);
    const double in = ref_load(gates[row]), f = ref_load(gates[row + units]), g = ref_load(gates[row + 2 * units]);
    const double o = ref_load(gates[row + 3 * units]), tc = tanh(ref_load(cs[at])), dc = reached + dh * o * (1 - tc * tc);
    const double slopes[4] = {dc * g * in * (1 - in), dc * c * f * (1 - f), dc * in * (1 - g * g), dh * tc * o * (1 - o)};
    for (int k = 0; k < 4; ++k) ref_store(dgx[row + k * units], on ? slopes[k] : 0);
    passed[at] = on ? 0 : dh;
    cells[at] = on ? dc * f : reached;
}

template <class T, class G, class M>
__device__ inline void ref_gru_grad(T* dgx, T* dproduct, double* passed, const T* gh, const T* hs, const G* gates, const T* wh, const T* h0,
                                    const M* mask, long long t, long long before, long long behind, long long units, long long count) {
    const long long i = ref_thread(), u = i % units, at = t * count + i, row = at / units * 3 * units + u;
    if (i >= count) return;
    const G* kept = gates + at / units * 4 * units + u;
    const bool on = mask[at / units];
    const double dh = ref_load(gh[at]) + ref_from(passed, dproduct, wh, behind, i / units, u, count / units, units, 3 * units);
    const double r = ref_load(kept[0]), z = ref_load(kept[units]), n = ref_load(kept[2 * units]), hn = ref_load(kept[3 * units]);
    const double h = before < 0 ? ref_load(h0[i]) : ref_load(hs[before * count + i]), slope = (1 - z) * (1 - n * n);
    const double of[3] = {dh * slope * hn * r * (1 - r), dh * (h - n) * z * (1 - z), dh * slope};
    for (int k = 0; k < 3; ++k) {
        ref_store(dgx[row + k * units], on ? of[k] : 0);
        ref_store(dproduct[row + k * units], on ? (k == 2 ? of[k] * r : of[k]) : 0);
    }
    passed[at] = on ? dh * z : dh;
}

// The gradient of the first state, behind which is step ``behind``.
template <class T>
__device__ inline void ref_first(T* dh0, const double* passed, const T* dproduct, const T* wh, long long behind, long long units,
                                 long long width, long long count) {
    const long long i = ref_thread();
    if (i < count) ref_store(dh0[i], ref_from(passed, dproduct, wh, behind, i / units, i % units, count / units, units, width));
}

template <class T> __device__ inline void ref_first_cell(T* dc0, const double* cells, long long behind, long long count) {
    const long long i = ref_thread();
    if (i < count) ref_store(dc0[i], cells[behind * count + i]);
}
