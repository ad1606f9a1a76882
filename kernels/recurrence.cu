// A recurrent layer over a whole sequence in one launch, forward and backward, for small states: MODE 0 relu, 1 tanh, 2 lstm, 3 gru.
//
// The sequences of a batch do not need one another. A block takes ROWS of them from the first step to the last, alone, so that no block
// waits for another. Thread j holds row j of the recurrent weight in registers from the launch on (of the gradient: column j % UNITS of
// gate j / UNITS), and the state lies in shared memory, where all threads read the same number at once. Two barriers a step: after the
// product, and after the states. What a step needs from memory is asked for before its product is computed.
//
// Layout, all contiguous: gx, dgx, dproduct [time, batch, gates * UNITS], wh [gates * UNITS, UNITS], bh [gates * UNITS],
// h0, c0 [batch, UNITS], hs, cs and their gradients [time, batch, UNITS], mask [time, batch] (0: the state stays as it is), gates
// [time, batch, 4 * UNITS]: of an lstm input, forget, cell, output; of a gru reset, update, new, and the new gate's recurrent product.
// Everything is computed in the type that T is computed in; what is stored in 16 bits is not read back.
//
// Bytes on paper, lstm of 64 units, 35 steps, batch 64, float32: forward reads 2.3 MB (gx) and writes 1.1 MB (hs, cs) and 2.3 MB (gates),
// backward reads 4.6 MB and writes 2.3 MB; the weight's 65 kB once a block, from the shared cache. All of it is 4 us at 3 TB/s: what counts
// is the chain of 35 steps, each of 64 multiplications by numbers in registers and two barriers, in place of 70 launches of 2.5 us. A guess:
// 1 us a step. Not taken where a thread's row is more than 256 bytes (hardware.RECURRENT_BYTES): registers would spill.
// Considered: a grid of blocks that share the units and meet at every step, weights in shared memory, which goes up to 2,000 units; it needs
// a cooperative launch, and blocks that wait for another. Larger states are products by cuBLASLt, a layer behind the other
// (hybridnet/lowering/wavefront.py).
// Registers (NVRTC 13.5, sm_90, float, 64 units): lstm 98 forward, 104 backward; gru 94 and 96; no spills.
// Measured: still to be measured.
// Plainly: tests/emulator/reference/recurrence.cuh. It is more because a launch a step would read the weight again each time.
#pragma once
#include "types.cuh"

template <int MODE> struct hn_recurrent { static constexpr int gates = MODE == 2 ? 4 : MODE == 3 ? 3 : 1; };

template <class A> __device__ inline A hn_logistic(A x) { return tanh(x * A(0.5)) * A(0.5) + A(0.5); }

template <class T, class M, int MODE, int UNITS, int ROWS, int THREADS, bool KEEP, bool MASKED, bool REVERSE>
__device__ inline void hn_recurrence(const T* gx, const T* wh, const T* bh, const T* h0, const T* c0, const M* mask, T* hs, T* cs,
                                     typename hn_type<T>::compute* gates, int time, int batch) {
    typedef typename hn_type<T>::compute A;
    constexpr int GATES = hn_recurrent<MODE>::gates, WIDTH = GATES * UNITS, PAIRS = ROWS * UNITS, EACH = (PAIRS + THREADS - 1) / THREADS;
    HN_SHARED(shared);
    A* const h = reinterpret_cast<A*>(shared);
    A* const c = h + PAIRS;
    A* const product = c + PAIRS;
    const int j = threadIdx.x, first = blockIdx.x * ROWS;
    A weight[UNITS], bias = A(0);
    if (j < WIDTH) {
        bias = hn_type<T>::load(bh[j]);
#pragma unroll
        for (int k = 0; k < UNITS; ++k) weight[k] = hn_type<T>::load(wh[j * UNITS + k]);
    }
    for (int p = j; p < PAIRS; p += THREADS) {
        const bool there = first + p / UNITS < batch;
        h[p] = there ? hn_type<T>::load(h0[first * UNITS + p]) : A(0);
        if constexpr (MODE == 2) c[p] = there ? hn_type<T>::load(c0[first * UNITS + p]) : A(0);
    }
    __syncthreads();
    for (int s = 0; s < time; ++s) {
        const long long sequence = static_cast<long long>(REVERSE ? time - 1 - s : s) * batch + first;
        A x[EACH][GATES];
        bool on[EACH];
#pragma unroll
        for (int e = 0; e < EACH; ++e) {
            const int p = e * THREADS + j, row = p / UNITS;
            on[e] = p < PAIRS && first + row < batch;
#pragma unroll
            for (int g = 0; g < GATES; ++g) x[e][g] = on[e] ? hn_type<T>::load(gx[((sequence + row) * GATES + g) * UNITS + p % UNITS]) : A(0);
        }
        if (j < WIDTH)
            for (int r = 0; r < ROWS; ++r) {
                A sum = bias;
#pragma unroll
                for (int k = 0; k < UNITS; ++k) sum += weight[k] * h[r * UNITS + k];
                product[r * WIDTH + j] = sum;
            }
        __syncthreads();
#pragma unroll
        for (int e = 0; e < EACH; ++e) {
            if (!on[e]) continue;
            const int p = e * THREADS + j, row = p / UNITS, u = p % UNITS;
            const A* rec = product + row * WIDTH + u;
            const long long place = (sequence + row) * UNITS + u;
            bool stays = false;
            if constexpr (MASKED) stays = !hn_type<M>::load(mask[sequence + row]);
            A kept[4], next;
            if constexpr (MODE == 2) {
                kept[0] = hn_logistic(x[e][0] + rec[0]);
                kept[1] = hn_logistic(x[e][1] + rec[UNITS]);
                kept[2] = tanh(x[e][2] + rec[2 * UNITS]);
                kept[3] = hn_logistic(x[e][3] + rec[3 * UNITS]);
                const A cell = kept[1] * c[p] + kept[0] * kept[2];
                next = kept[3] * tanh(cell);
                if (!stays) c[p] = cell;
                cs[place] = hn_type<T>::store(c[p]);
            } else if constexpr (MODE == 3) {
                kept[0] = hn_logistic(x[e][0] + rec[0]);
                kept[1] = hn_logistic(x[e][1] + rec[UNITS]);
                kept[3] = rec[2 * UNITS];
                kept[2] = tanh(x[e][2] + kept[0] * kept[3]);
                next = kept[2] + kept[1] * (h[p] - kept[2]);
            } else {
                const A sum = x[e][0] + rec[0];
                next = MODE == 1 ? tanh(sum) : sum < A(0) ? A(0) : sum;  // NaN stays
            }
            if (!stays) h[p] = next;
            hs[place] = hn_type<T>::store(h[p]);
            if constexpr (KEEP)
#pragma unroll
                for (int g = 0; g < 4; ++g) gates[((sequence + row) * 4 + g) * UNITS + u] = kept[g];
        }
        __syncthreads();
    }
}

template <class T, class G, class M, int MODE, int UNITS, int ROWS, int THREADS, bool MASKED, bool REVERSE>
__device__ inline void hn_recurrence_grad(const T* gh, const T* gc, const T* hs, const T* cs, const G* gates, const T* wh, const T* h0,
                                          const T* c0, const M* mask, T* dgx, T* dproduct, T* dh0, T* dc0, int time, int batch) {
    typedef typename hn_type<T>::compute A;
    constexpr int GATES = hn_recurrent<MODE>::gates, WIDTH = GATES * UNITS, PAIRS = ROWS * UNITS, EACH = (PAIRS + THREADS - 1) / THREADS;
    HN_SHARED(shared);
    A* const d = reinterpret_cast<A*>(shared);
    A* const parts = d + ROWS * WIDTH;
    const int j = threadIdx.x, first = blockIdx.x * ROWS, gate = j / UNITS;
    A weight[UNITS];
    if (j < WIDTH)
#pragma unroll
        for (int q = 0; q < UNITS; ++q) weight[q] = hn_type<T>::load(wh[(gate * UNITS + q) * UNITS + j % UNITS]);
    A dh[EACH], dc[EACH];
#pragma unroll
    for (int e = 0; e < EACH; ++e) dh[e] = dc[e] = A(0);
    for (int s = 0; s < time; ++s) {
        const int t = REVERSE ? s : time - 1 - s, before = REVERSE ? t + 1 : t - 1;
        const long long sequence = static_cast<long long>(t) * batch + first, earlier = static_cast<long long>(before) * batch + first;
#pragma unroll
        for (int e = 0; e < EACH; ++e) {
            const int p = e * THREADS + j, row = p / UNITS, u = p % UNITS;
            if (p >= PAIRS) continue;
            A* const of = d + row * WIDTH + u;
            if (first + row >= batch) {
#pragma unroll
                for (int g = 0; g < GATES; ++g) of[g * UNITS] = A(0);
                continue;
            }
            const long long place = (sequence + row) * UNITS + u;
            const bool begins = s == time - 1;
            const long long past = begins ? static_cast<long long>(first + row) * UNITS + u : (earlier + row) * UNITS + u;
            A kept[4];
            if constexpr (MODE >= 2)
#pragma unroll
                for (int g = 0; g < 4; ++g) kept[g] = hn_type<G>::load(gates[((sequence + row) * 4 + g) * UNITS + u]);
            dh[e] += hn_type<T>::load(gh[place]);
            if constexpr (MODE == 2) dc[e] += hn_type<T>::load(gc[place]);
            A passed = A(0), cell_passed = A(0);  // what a step that the mask leaves out hands on as it is
            if constexpr (MASKED)
                if (!hn_type<M>::load(mask[sequence + row])) {
                    passed = dh[e], cell_passed = dc[e];
                    dh[e] = dc[e] = A(0);
                }
            A of_gate[GATES];
            if constexpr (MODE == 2) {
                const A i = kept[0], forget = kept[1], g = kept[2], o = kept[3], tc = tanh(hn_type<T>::load(cs[place]));
                dc[e] += dh[e] * (o * (A(1) - tc * tc));
                of_gate[0] = dc[e] * (g * i * (A(1) - i));
                of_gate[1] = dc[e] * (hn_type<T>::load(begins ? c0[past] : cs[past]) * forget * (A(1) - forget));
                of_gate[2] = dc[e] * (i * (A(1) - g * g));
                of_gate[3] = dh[e] * (tc * o * (A(1) - o));
                dc[e] = dc[e] * forget + cell_passed;
            } else if constexpr (MODE == 3) {
                const A r = kept[0], z = kept[1], n = kept[2], hn = kept[3], slope = (A(1) - z) * (A(1) - n * n);
                of_gate[0] = dh[e] * (slope * hn * r * (A(1) - r));
                of_gate[1] = dh[e] * ((hn_type<T>::load(begins ? h0[past] : hs[past]) - n) * z * (A(1) - z));
                of_gate[2] = dh[e] * slope;
                passed += dh[e] * z;
            } else {
                const A h = hn_type<T>::load(hs[place]);
                of_gate[0] = MODE == 1 ? dh[e] * (A(1) - h * h) : h > A(0) ? dh[e] : dh[e] * A(0);
            }
#pragma unroll
            for (int g = 0; g < GATES; ++g) {
                const long long to = ((sequence + row) * GATES + g) * UNITS + u;
                const A through = MODE == 3 && g == 2 ? of_gate[g] * kept[0] : of_gate[g];
                dgx[to] = hn_type<T>::store(of_gate[g]);
                if constexpr (MODE == 3) dproduct[to] = hn_type<T>::store(through);
                of[g * UNITS] = through;
            }
            dh[e] = passed;
        }
        __syncthreads();
        if (j < WIDTH)
            for (int r = 0; r < ROWS; ++r) {
                A sum = A(0);
#pragma unroll
                for (int q = 0; q < UNITS; ++q) sum += weight[q] * d[r * WIDTH + gate * UNITS + q];
                parts[r * WIDTH + j] = sum;
            }
        __syncthreads();
#pragma unroll
        for (int e = 0; e < EACH; ++e) {
            const int p = e * THREADS + j;
            if (p >= PAIRS) continue;
#pragma unroll
            for (int g = 0; g < GATES; ++g) dh[e] += parts[p / UNITS * WIDTH + g * UNITS + p % UNITS];
        }
    }
#pragma unroll
    for (int e = 0; e < EACH; ++e) {
        const int p = e * THREADS + j;
        if (p >= PAIRS || first + p / UNITS >= batch) continue;
        dh0[first * UNITS + p] = hn_type<T>::store(dh[e]);
        if constexpr (MODE == 2) dc0[first * UNITS + p] = hn_type<T>::store(dc[e]);
    }
}
