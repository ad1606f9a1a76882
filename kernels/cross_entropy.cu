// Softmax cross-entropy of rows with integer labels, and its gradient, without the probabilities in memory.
//
// Forward: loss[r] = log(sum of exp(x[r])) - x[r][label[r]] and total[r] = log(sum of exp(x[r])), in one pass: every
// thread keeps the largest value so far and the sum of exponentials relative to it, rescaled once a batch of packs.
// Backward: dx[r] = exp(x[r] - total[r]) * weight[r] - onehot(label[r]) * of_loss[r], in one pass; dx may lie over x.
// Both at once, where the backward's numbers are known before: loss and dx, without total in memory.
//
// Layout: x and dx are [rows, length], contiguous, any length: where rows do not begin at a multiple of 16 bytes a few
// elements at their ends are taken singly. All else has one element a row. A row has a team of LANES threads:
// neighbours within a warp (several rows a block), or the block. Labels out of range count as the nearest class.
//
// Bytes on paper: forward reads x once; backward reads x and writes dx; both at once read x from memory once, since its second
// reading finds the row in the level 2 cache: rows of 100 kB have blocks of 1024 threads, two a multiprocessor, so that what
// 132 of them work on is 26 of 50 MB. Longer ones than about 190 kB begin to be read twice. 8192 rows of 131072 in bfloat16: 2.1 GB and
// 4.3 GB, at the 4.3 TB/s at which an H200 copies 0.50 ms and 1.00 ms. Arithmetic is below it: 7 instructions an element
// and one of the special unit, where 2.15 elements a picosecond leave room for 13 and 1.6.
// Registers (NVRTC 13, sm_90): at most 36. Nothing is spilled.
// Measured share of the copy bandwidth: still to be measured.
// Plainly: tests/emulator/reference/cross_entropy.cuh. It is more because a thread a row reads far apart and
// twice: here a team reads a row once, with the largest value and the sum found together.
#pragma once
#include "reduce.cuh"
#include "vector.cuh"

// exp(x) for x that is not far above 0: what is too small for a normal number becomes 0.
__device__ inline double hn_exp_below(double x) { return exp(x); }
__device__ inline float hn_exp_below(float x) {
    const float power = x * 1.44269504088896341f;
#ifndef CUEMU
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(power));
    return y;
#else
    return exp2(power);
#endif
}

// A row of any length as single elements up to the first pack that is aligned, packs, and single elements.
template <int WIDTH> struct hn_uneven_row {
    int head, packs, length;

    __device__ inline hn_uneven_row(long long start, int length) : length(length) {
        const int before = static_cast<int>((WIDTH - start % WIDTH) % WIDTH);
        head = before < length ? before : length;
        packs = (length - head) / WIDTH;
    }
    __device__ inline int place(int pack) const { return head + pack * WIDTH; }

    // Calls single(i) for each of the single elements that are a lane's.
    template <class Single> __device__ inline void ends(int lane, int lanes, Single single) const {
        for (int i = lane; i < head; i += lanes) single(i);
        for (int i = place(packs) + lane; i < length; i += lanes) single(i);
    }
};

// The sum of exponentials of the values so far, relative to the largest of them.
template <class A> struct hn_exponentials {
    A largest = hn_limits<A>::lowest(), sum = A(0);

    // What exponentials are relative to: a row may begin with values of -infinity.
    static __device__ inline A base(A largest) { return largest == hn_limits<A>::lowest() ? A(0) : largest; }

    template <class T, int WIDTH, int COUNT> __device__ inline void take(const hn_pack<T, WIDTH> (&packs)[COUNT]) {
        A top = largest;
#pragma unroll
        for (int k = 0; k < COUNT; ++k)
#pragma unroll
            for (int e = 0; e < WIDTH; ++e) top = fmax(top, packs[k][e]);  // NaN comes in through the sum
        const A from = base(top);
        sum *= hn_exp_below(largest - from);
#pragma unroll
        for (int k = 0; k < COUNT; ++k)
#pragma unroll
            for (int e = 0; e < WIDTH; ++e) sum += hn_exp_below(packs[k][e] - from);
        largest = top;
    }
};

template <class L> __device__ inline int hn_class(L label, int classes) {
    const long long found = static_cast<long long>(label);
    return found < 0 ? 0 : found < classes ? static_cast<int>(found) : classes - 1;
}

// A row of a team: where it lies, and what the passes over it are.
template <class T, int THREADS, int LANES, int BATCH> struct hn_row_of_team {
    typedef typename hn_type<T>::compute A;
    static constexpr int WIDTH = 16 / sizeof(T);
    const int lane;
    const long long mine, row;  // threads without a row go along with the last one, since all must meet
    const hn_uneven_row<WIDTH> parts;
    const int length;

    __device__ inline hn_row_of_team(long long rows, int length)
        : lane(threadIdx.x % LANES), mine(static_cast<long long>(blockIdx.x) * (THREADS / LANES) + threadIdx.x / LANES),
          row(mine < rows ? mine : rows - 1), parts(row * length, length), length(length) {}

    // log(sum of exp(values)) as the largest value and the logarithm of the sum relative to it; the team meets in here.
    struct logarithm {
        A largest, rest;
    };
    __device__ inline logarithm log_sum(const T* values) const {
        HN_SHARED(scratch);
        hn_exponentials<A> exponentials;
        int c = lane;
        for (; c + (BATCH - 1) * LANES < parts.packs; c += BATCH * LANES) {
            hn_pack<T, WIDTH> packs[BATCH];
#pragma unroll
            for (int k = 0; k < BATCH; ++k) packs[k] = hn_load<WIDTH>(values + parts.place(c + k * LANES));
            exponentials.take(packs);
        }
        for (; c < parts.packs; c += LANES) {
            const hn_pack<T, WIDTH> packs[1] = {hn_load<WIDTH>(values + parts.place(c))};
            exponentials.take(packs);
        }
        parts.ends(lane, LANES, [&](int i) {
            const hn_pack<T, 1> packs[1] = {hn_load<1>(values + i)};
            exponentials.take(packs);
        });
        const A largest = hn_reduce_team<hn_reduce_max, LANES>(exponentials.largest, scratch);
        const A part = exponentials.sum * hn_exp_below(exponentials.largest - exponentials.base(largest));
        return {largest, log(hn_reduce_team<hn_reduce_add, LANES>(part, scratch))};
    }

    // results = exp(values - total) * scale, less hit at the target.
    __device__ inline void grad(const T* values, T* results, A total, A scale, A hit, int target) const {
        auto change = [&](auto pack, int at) {  // of the elements from `at` on
            auto result = pack;
            constexpr int count = sizeof(pack) / sizeof(T);
#pragma unroll
            for (int e = 0; e < count; ++e) result.set(e, hn_exp_below(pack[e] - total) * scale);
            if (target >= at && target < at + count) {
#pragma unroll
                for (int e = 0; e < count; ++e)
                    if (at + e == target) result.set(e, hn_exp_below(pack[e] - total) * scale - hit);
            }
            hn_store(results + at, result);
        };
        int c = lane;
        for (; c + (BATCH - 1) * LANES < parts.packs; c += BATCH * LANES) {
            hn_pack<T, WIDTH> packs[BATCH];
#pragma unroll
            for (int k = 0; k < BATCH; ++k) packs[k] = hn_load<WIDTH>(values + parts.place(c + k * LANES));
#pragma unroll
            for (int k = 0; k < BATCH; ++k) change(packs[k], parts.place(c + k * LANES));
        }
        for (; c < parts.packs; c += LANES) change(hn_load<WIDTH>(values + parts.place(c)), parts.place(c));
        parts.ends(lane, LANES, [&](int i) { change(hn_load<1>(values + i), i); });
    }
};

template <class T, class L, int THREADS, int LANES, int BATCH>
__device__ inline void hn_cross_entropy(const T* x, const L* label, typename hn_type<T>::compute* loss,
                                        typename hn_type<T>::compute* total, long long rows, int length) {
    const hn_row_of_team<T, THREADS, LANES, BATCH> team(rows, length);
    const T* const values = x + team.row * length;
    const auto sum = team.log_sum(values);
    if (team.lane == 0 && team.mine < rows) {
        loss[team.row] = sum.rest - (hn_type<T>::load(values[hn_class(label[team.row], length)]) - sum.largest);
        total[team.row] = sum.rest + sum.largest;
    }
}

// S: the type of what there is one of a row.
template <class T, class S, class L, int THREADS, int LANES, int BATCH>
__device__ inline void hn_cross_entropy_grad(const T* x, const L* label, const S* total, const S* of_loss, const S* weight, T* dx,
                                             long long rows, int length) {
    const hn_row_of_team<T, THREADS, LANES, BATCH> team(rows, length);
    if (team.mine >= rows) return;
    const long long row = team.row;
    team.grad(x + row * length, dx + row * length, hn_type<S>::load(total[row]), hn_type<S>::load(weight[row]),
              hn_type<S>::load(of_loss[row]), hn_class(label[row], length));
}

template <class T, class S, class L, int THREADS, int LANES, int BATCH>
__device__ inline void hn_cross_entropy_both(const T* x, const L* label, const S* of_loss, const S* weight,
                                             typename hn_type<T>::compute* loss, T* dx, long long rows, int length) {
    typedef typename hn_type<T>::compute A;
    const hn_row_of_team<T, THREADS, LANES, BATCH> team(rows, length);
    const long long row = team.row;
    const T* const values = x + row * length;
    const int target = hn_class(label[row], length);
    const A hit = hn_type<T>::load(values[target]);  // before the team meets: dx may lie over x
    const auto sum = team.log_sum(values);
    if (team.mine >= rows) return;
    if (team.lane == 0) loss[row] = sum.rest - (hit - sum.largest);
    team.grad(values, dx + row * length, sum.rest + sum.largest, hn_type<S>::load(weight[row]), hn_type<S>::load(of_loss[row]), target);
}
