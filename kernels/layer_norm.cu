// Layer norm over rows, and its gradient; with CENTRED = false RMS norm, which has neither mean nor beta.
//
// Forward: y = (x - mean) * root * gamma + beta, root = 1 / sqrt(var + eps), and each row's mean and var. A row stays in
// registers from its one load on: the mean, then the squared distances from it (no cancellation), then the result.
// Backward, with u = (x - mean) * root and h = g * gamma: dx = (h - average of h - u * average of h * u) * root,
// dgamma = the sum of g * u over rows, dbeta = that of g. All in one pass: a grid that just fills the device, whose blocks
// take row after row and keep their sums for gamma and beta in registers; those go to memory once a block, as partial
// sums that a second kernel adds up in a fixed order. While a row is at work the next one is brought to the shared cache.
//
// With a residual: x = h + r is computed and stored on the way in, h maybe of a narrower type; and backward dx = (that) + more is stored,
// with a copy of it in a narrower type where that is wanted; g is the sum of a few then, where several products give one, read as they lie.
//
// Layout: x, y, g, dx (h, r, more) are [rows, length], contiguous, y and g maybe of a narrower type than x; gamma and beta [length]; their
// partial sums [blocks][length].
// A row has a team of LANES threads (neighbours within a warp, several rows a block; or the whole block), each of which takes
// STEPS packs of WIDTH elements. WIDTH divides the length: odd lengths go element by element.
//
// Bytes on paper, for 16384 rows of 4096 in bfloat16: forward reads and writes 134 MB each, backward reads 268 MB and
// writes 134 MB, and 8 bytes a column and block in partial sums (528 blocks: 17 MB, written and read again, mostly in
// the shared cache). At the 4.3 TB/s at which an H200 copies: 62 and 94 us (102 with the partial sums from memory).
// Registers (NVRTC 13, sm_90, bfloat16, rows of 1024 to 16384): 44 to 55 forward; backward is held to 128 by the number of
// blocks that are to be resident, which spills nothing, but for 8 bytes at rows of 1024 and 5120 (on sm_100 at most
// lengths; float: 16 at most; with a residual in float 56 at most, at rows of 1280 on sm_90, 4 at rows of 768). With more than 24 columns a thread reads g a second time, from the cache, rather than keep it.
// Of a sum of two to four gradients in bfloat16, with a residual in float (NVRTC 13.5, rows of 768, 2048 and 4096): 122 to 150, no spills.
// Measured share of the copy bandwidth: still to be measured.
// Plainly: tests/emulator/reference/layer_norm.cuh. It is more because a thread an element would read its row
// again for each sum: here a team keeps the row in registers, and sums over rows are kept along the way.
#pragma once
#include "partials.cuh"
#include "vector.cuh"

// Where a row comes from: packs of memory; or of two sums, which are stored before the norm. Teams without a row go along.
template <class T> struct hn_row_in_memory {
    const T* x;
    template <int WIDTH> __device__ inline hn_pack<T, WIDTH> load(long long at, bool) const { return hn_load<WIDTH>(x + at); }
};
template <class H, class T> struct hn_row_of_sums {
    const H* h;
    const T* r;
    T* x;
    template <int WIDTH> __device__ inline hn_pack<T, WIDTH> load(long long at, bool live) const {
        hn_pack<T, WIDTH> sum;
        if (!live) {  // x may lie over an operand: what is another team's is not read
#pragma unroll
            for (int e = 0; e < WIDTH; ++e) sum.set(e, 0);
            return sum;
        }
        const hn_pack<H, WIDTH> more = hn_load<WIDTH>(h + at);
        const hn_pack<T, WIDTH> own = hn_load<WIDTH>(r + at);
#pragma unroll
        for (int e = 0; e < WIDTH; ++e) sum.set(e, own[e] + more[e]);
        hn_store(x + at, sum);
        return sum;
    }
};

template <class T, class Y, class P, int THREADS, int LANES, int WIDTH, int STEPS, bool CENTRED, class Row>
__device__ inline void hn_norm_of(Row source, const P* gamma, const P* beta, Y* y, typename hn_type<T>::compute* mean,
                                  typename hn_type<T>::compute* var, long long rows, int length, double eps) {
    typedef typename hn_type<T>::compute A;
    HN_SHARED(scratch);
    const int lane = threadIdx.x % LANES, packs = length / WIDTH;
    const long long mine = static_cast<long long>(blockIdx.x) * (THREADS / LANES) + threadIdx.x / LANES;
    const long long start = (mine < rows ? mine : rows - 1) * length;  // threads without a row go along, since all must meet

    hn_pack<T, WIDTH> row[STEPS];
#pragma unroll
    for (int k = 0; k < STEPS; ++k)
        if (k * LANES + lane < packs) row[k] = source.template load<WIDTH>(start + (k * LANES + lane) * WIDTH, mine < rows);

    A average = A(0);
    if constexpr (CENTRED) {
        A sum = A(0);
#pragma unroll
        for (int k = 0; k < STEPS; ++k)
#pragma unroll
            for (int e = 0; e < WIDTH; ++e)
                if (k * LANES + lane < packs) sum += row[k][e];
        average = hn_reduce_team<hn_reduce_add, LANES>(sum, scratch) / length;
#pragma unroll
        for (int k = 0; k < STEPS; ++k) hn_stay_packed(row[k]);
    }
    A squares = A(0);
#pragma unroll
    for (int k = 0; k < STEPS; ++k)
#pragma unroll
        for (int e = 0; e < WIDTH; ++e)
            if (k * LANES + lane < packs) squares += (row[k][e] - average) * (row[k][e] - average);
    const A spread = hn_reduce_team<hn_reduce_add, LANES>(squares, scratch) / length;
    const A root = A(1) / sqrt(spread + static_cast<A>(eps));
    if (mine >= rows) return;
#pragma unroll
    for (int k = 0; k < STEPS; ++k) hn_stay_packed(row[k]);
    hn_in_order();

#pragma unroll
    for (int k = 0; k < STEPS; ++k) {
        const int column = (k * LANES + lane) * WIDTH;
        if (column >= length) continue;
        const hn_pack<P, WIDTH> scale = hn_load<WIDTH>(gamma + column);
        hn_pack<Y, WIDTH> result;
        if constexpr (CENTRED) {
            const hn_pack<P, WIDTH> shift = hn_load<WIDTH>(beta + column);
#pragma unroll
            for (int e = 0; e < WIDTH; ++e)
                result.set(e, (row[k][e] - average) * root * static_cast<A>(scale[e]) + static_cast<A>(shift[e]));
        } else {
#pragma unroll
            for (int e = 0; e < WIDTH; ++e) result.set(e, row[k][e] * root * static_cast<A>(scale[e]));
        }
        hn_store(y + start + column, result);
    }
    if (lane == 0) {
        if constexpr (CENTRED) mean[mine] = average;
        var[mine] = spread;
    }
}

template <class T, class Y, class P, int THREADS, int LANES, int WIDTH, int STEPS, bool CENTRED>
__device__ inline void hn_layer_norm(const T* x, const P* gamma, const P* beta, Y* y, typename hn_type<T>::compute* mean,
                                     typename hn_type<T>::compute* var, long long rows, int length, double eps) {
    hn_norm_of<T, Y, P, THREADS, LANES, WIDTH, STEPS, CENTRED>(hn_row_in_memory<T>{x}, gamma, beta, y, mean, var, rows, length, eps);
}

template <class H, class T, class Y, class P, int THREADS, int LANES, int WIDTH, int STEPS, bool CENTRED>
__device__ inline void hn_residual_norm(const H* h, const T* r, const P* gamma, const P* beta, T* x, Y* y, typename hn_type<T>::compute* mean,
                                        typename hn_type<T>::compute* var, long long rows, int length, double eps) {
    const hn_row_of_sums<H, T> source{h, r, x};
    hn_norm_of<T, Y, P, THREADS, LANES, WIDTH, STEPS, CENTRED>(source, gamma, beta, y, mean, var, rows, length, eps);
}

// Two sums over a team at once. Each warp adds up what the warps have: their values one a lane take fewest registers.
template <int LANES, class A> __device__ inline void hn_add_two(A& a, A& b, void* scratch) {
    constexpr int WARPS = LANES / 32;
    a = hn_reduce_lanes<hn_reduce_add, (LANES < 32 ? LANES : 32)>(a);
    b = hn_reduce_lanes<hn_reduce_add, (LANES < 32 ? LANES : 32)>(b);
    if constexpr (LANES > 32) {
        A* const warps = static_cast<A*>(scratch);
        const int lane = threadIdx.x % 32;
        if (lane == 0) {
            warps[threadIdx.x / 32] = a;
            warps[WARPS + threadIdx.x / 32] = b;
        }
        __syncthreads();
        a = hn_reduce_lanes<hn_reduce_add, 32>(lane < WARPS ? warps[lane] : A(0));
        b = hn_reduce_lanes<hn_reduce_add, 32>(lane < WARPS ? warps[WARPS + lane] : A(0));
        __syncthreads();  // before scratch is used again
    }
}

// A block's sums for each column to `partial` [length]: those of its teams one after another.
template <int THREADS, int LANES, int WIDTH, int STEPS, class A>
__device__ inline void hn_store_columns(const A (&sums)[STEPS][WIDTH], A* partial, int length, void* scratch) {
    const int lane = threadIdx.x % LANES;
#pragma unroll
    for (int k = 0; k < STEPS; ++k) {
        hn_pack<A, WIDTH> own;
#pragma unroll
        for (int e = 0; e < WIDTH; ++e) own.set(e, sums[k][e]);
        if constexpr (THREADS == LANES) {
            const int column = (k * LANES + lane) * WIDTH;
            if (column < length) hn_store(partial + column, own);
        } else {
            A* const tile = static_cast<A*>(scratch);
            hn_store(tile + threadIdx.x * WIDTH, own);
            __syncthreads();
            for (int i = threadIdx.x; i < LANES * WIDTH; i += THREADS) {
                A sum = tile[i];
                for (int team = 1; team < THREADS / LANES; ++team) sum += tile[team * LANES * WIDTH + i];
                if (k * LANES * WIDTH + i < length) partial[k * LANES * WIDTH + i] = sum;
            }
            __syncthreads();  // before the tile is used again
        }
    }
}

// Where a row's gradient goes: to memory; or with what else comes to x added, and as a narrower copy.
template <class T> struct hn_slopes_to_memory {
    T* dx;
    __device__ inline void prefetch(long long) const {}
    template <int WIDTH> __device__ inline void store(long long at, const hn_pack<T, WIDTH>& slopes) const { hn_store(dx + at, slopes); }
};
template <class T, class N, bool ADDED, bool NARROWED> struct hn_slopes_to_residual {
    const T* more;  // read if ADDED
    T* dx;
    N* narrow;  // written if NARROWED
    __device__ inline void prefetch(long long at) const {
        if constexpr (ADDED) hn_prefetch(more + at);
    }
    template <int WIDTH> __device__ inline void store(long long at, hn_pack<T, WIDTH> slopes) const {
        if constexpr (ADDED) {
            const hn_pack<T, WIDTH> other = hn_load<WIDTH>(more + at);
#pragma unroll
            for (int e = 0; e < WIDTH; ++e) slopes.set(e, other[e] + slopes[e]);
        }
        hn_store(dx + at, slopes);
        if constexpr (NARROWED) {
            hn_pack<N, WIDTH> copy;
#pragma unroll
            for (int e = 0; e < WIDTH; ++e) copy.set(e, slopes[e]);
            hn_store(narrow + at, copy);
        }
    }
};

// What comes to a norm: the sum of so many gradients, each as a T and added in their order; of one as it lies in memory.
#define HN_SUMMED 4  // at most; ops/nn/residual_norm.py knows it
template <class G, class T, int COUNT> struct hn_slopes_in_memory {
    typedef T type;
    const G* of[HN_SUMMED];
    __device__ inline void prefetch(long long at) const {
#pragma unroll
        for (int i = 0; i < COUNT; ++i) hn_prefetch(of[i] + at);
    }
    template <int WIDTH> __device__ inline hn_pack<T, WIDTH> load(long long at) const {
        hn_pack<G, WIDTH> parts[COUNT];
#pragma unroll
        for (int i = 0; i < COUNT; ++i) parts[i] = hn_load<WIDTH>(of[i] + at);
        hn_pack<T, WIDTH> sum;
#pragma unroll
        for (int e = 0; e < WIDTH; ++e) {
            T total = parts[0][e];
#pragma unroll
            for (int i = 1; i < COUNT; ++i) total += static_cast<T>(parts[i][e]);
            sum.set(e, total);
        }
        return sum;
    }
};
template <class G, class T> struct hn_slopes_in_memory<G, T, 1> {
    typedef G type;
    const G* of[HN_SUMMED];
    __device__ inline void prefetch(long long at) const { hn_prefetch(of[0] + at); }
    template <int WIDTH> __device__ inline hn_pack<G, WIDTH> load(long long at) const { return hn_load<WIDTH>(of[0] + at); }
};

// S: the type of the rows' mean and var.
template <class From, class T, class S, class P, int THREADS, int LANES, int WIDTH, int STEPS, bool CENTRED, class To>
__device__ inline void hn_norm_grad_of(From g, const T* x, const S* mean, const S* var, const P* gamma, To to,
                                       typename hn_type<T>::compute* for_gamma, typename hn_type<T>::compute* for_beta,
                                       int rows, int length, double eps) {
    typedef typename hn_type<T>::compute A;
    constexpr int TEAMS = THREADS / LANES;
    constexpr bool AGAIN = STEPS * WIDTH * sizeof(A) > 96;  // whether g is read again rather than kept: its registers hold sums
    HN_SHARED(scratch);
    const int lane = threadIdx.x % LANES;
    const int stride = gridDim.x * TEAMS;
    A to_gamma[STEPS][WIDTH] = {}, to_beta[STEPS][WIDTH] = {};

    for (int first = blockIdx.x * TEAMS; first < rows; first += stride) {
        const int mine = first + threadIdx.x / LANES;
        const bool live = TEAMS == 1 || mine < rows;
        const int row = live ? mine : rows - 1;
        const long long start = static_cast<long long>(row) * length;
        hn_pack<typename From::type, WIDTH> slopes[STEPS];
        hn_pack<T, WIDTH> values[STEPS];
#pragma unroll
        for (int k = 0; k < STEPS; ++k) {
            const int column = (k * LANES + lane) * WIDTH;
            if (column >= length) continue;
            slopes[k] = g.template load<WIDTH>(start + column);
            values[k] = hn_load<WIDTH>(x + start + column);
        }
        if constexpr (TEAMS == 1) {
            if (first + stride < rows) {
#pragma unroll
                for (int k = 0; k < STEPS; ++k) {
                    const int column = (k * LANES + lane) * WIDTH;
                    if (column >= length || column * sizeof(T) % 128 >= WIDTH * sizeof(T)) continue;
                    const long long next = start + static_cast<long long>(stride) * length + column;
                    g.prefetch(next);
                    hn_prefetch(x + next);
                    to.prefetch(next);
                }
            }
        }
        A average = A(0);
        if constexpr (CENTRED) average = hn_type<S>::load(mean[row]);
        const A root = A(1) / sqrt(hn_type<S>::load(var[row]) + static_cast<A>(eps));

        A total = A(0), product = A(0);
#pragma unroll
        for (int k = 0; k < STEPS; ++k) {
            const int column = (k * LANES + lane) * WIDTH;
            if (column >= length) continue;
            const hn_pack<P, WIDTH> scale = hn_load<WIDTH>(gamma + column);
#pragma unroll
            for (int e = 0; e < WIDTH; ++e) {
                const A slope = live ? slopes[k][e] : A(0), unit = live ? (values[k][e] - average) * root : A(0);
                const A scaled = slope * static_cast<A>(scale[e]);
                to_gamma[k][e] += slope * unit;
                if constexpr (CENTRED) to_beta[k][e] += slope, total += scaled;
                product += scaled * unit;
            }
        }
        hn_add_two<LANES>(total, product, scratch);
        total /= length, product /= length;
#pragma unroll
        for (int k = 0; k < STEPS; ++k) hn_stay_packed(slopes[k]), hn_stay_packed(values[k]);
        hn_in_order();
#pragma unroll
        for (int k = 0; k < STEPS; ++k) {
            const int column = (k * LANES + lane) * WIDTH;
            if (column >= length || !live) continue;
            const hn_pack<P, WIDTH> scale = hn_load<WIDTH>(gamma + column);
            if constexpr (AGAIN) slopes[k] = g.template load<WIDTH>(start + column);
            hn_pack<T, WIDTH> result;
#pragma unroll
            for (int e = 0; e < WIDTH; ++e) {
                const A unit = (values[k][e] - average) * root;
                result.set(e, (slopes[k][e] * static_cast<A>(scale[e]) - total - unit * product) * root);
            }
            to.template store<WIDTH>(start + column, result);
        }
    }

    const long long part = static_cast<long long>(blockIdx.x) * length;
    hn_store_columns<THREADS, LANES>(to_gamma, for_gamma + part, length, scratch);
    if constexpr (CENTRED) hn_store_columns<THREADS, LANES>(to_beta, for_beta + part, length, scratch);
}

template <class G, class T, class S, class P, int THREADS, int LANES, int WIDTH, int STEPS, bool CENTRED>
__device__ inline void hn_layer_norm_grad(const G* g, const T* x, const S* mean, const S* var, const P* gamma, T* dx,
                                          typename hn_type<T>::compute* for_gamma, typename hn_type<T>::compute* for_beta,
                                          int rows, int length, double eps) {
    typedef hn_slopes_in_memory<G, T, 1> From;
    const hn_slopes_to_memory<T> to{dx};
    hn_norm_grad_of<From, T, S, P, THREADS, LANES, WIDTH, STEPS, CENTRED>(From{{g}}, x, mean, var, gamma, to, for_gamma, for_beta, rows, length, eps);
}

// COUNT: of how many gradients, g, g1 and so on, what comes to the norm is the sum.
template <class N, bool ADDED, bool NARROWED, int COUNT, class G, class T, class S, class P, int THREADS, int LANES, int WIDTH, int STEPS, bool CENTRED>
__device__ inline void hn_residual_norm_grad(const G* g, const G* g1, const G* g2, const G* g3, const T* x, const S* mean, const S* var,
                                             const P* gamma, const T* more, T* dx, N* narrow, typename hn_type<T>::compute* for_gamma,
                                             typename hn_type<T>::compute* for_beta, int rows, int length, double eps) {
    typedef hn_slopes_in_memory<G, T, COUNT> From;
    const hn_slopes_to_residual<T, N, ADDED, NARROWED> to{more, dx, narrow};
    hn_norm_grad_of<From, T, S, P, THREADS, LANES, WIDTH, STEPS, CENTRED>(From{{g, g1, g2, g3}}, x, mean, var, gamma, to, for_gamma, for_beta,
                                                                          rows, length, eps);
}
