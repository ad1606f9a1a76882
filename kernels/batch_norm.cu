// Per channel of a batch: mean and variance, and the two sums that batch norm's gradients are made of.
//
// Moments: mean[c] and var[c] of x, in one pass. A thread takes the mean of a few elements and the squared distances from it
// in registers, and joins that to what it has (Chan, Golub, LeVeque 1983): no difference of large sums, so no cancellation.
// Sums: total[c] = the sum of g and product[c] = the sum of g * (x - mean[c]), in one pass over g and x. They are the
// gradients of beta and (times the root) gamma, and what dx needs; the pointwise passes are generated and fuse with
// their neighbours.
//
// Gated sums: the same two of a gradient that comes through a relu behind the normalisation, without the masked gradient in memory.
//
// Layout: x and g are [outer, channels, inner], contiguous. With inner = 1 (channels last) a thread has WIDTH channels side
// by side and a block COLUMNS * WIDTH, over rows; else a block has one channel, and goes over packs of WIDTH elements of
// the inner axis. WIDTH divides channels or inner. Each channel is split over SPLITS blocks (gridDim.y), whose parts are
// combined in a fixed order by generated code, which the last of those blocks runs (hn_is_last), or by a second kernel here; with one split
// the first kernel stores the results.
//
// Bytes on paper: moments read x once, sums read g and x once. 256 * 56 * 56 * 64 elements of bfloat16: 103 and 206 MB,
// at the 4.3 TB/s at which an H200 copies 24 and 48 us; moments take 6 instructions an element, of 13 that there is time for.
// Registers (NVRTC 13, sm_90, bfloat16): moments 58 over rows and 53 over planes, sums 56 and 32. With what the last block runs they are
// held to 64, of which four blocks fit on a multiprocessor, as many as there are; gated sums load a pack less at a time for that. Nothing is
// spilled.
// Measured share of the copy bandwidth: still to be measured.
// Plainly: tests/emulator/reference/batch_norm.cuh. It is more because a thread a channel leaves a GPU empty and
// reads x twice: here many blocks share a channel, in one pass, and moments are joined without cancellation.
#pragma once
#include "partials.cuh"
#include "vector.cuh"

// The moments of some elements of each of N channels.
template <class A, int N> struct hn_moments {
    A count = A(0), mean[N] = {}, squares[N] = {};  // squares: summed distances from the mean

    // With `more` elements whose moments are mean and squares: which share of them the joined mean has, and their weight.
    __device__ inline void join(int c, A other_mean, A other_squares, A share, A weight) {
        const A distance = other_mean - mean[c];
        mean[c] += distance * share;
        squares[c] += other_squares + distance * distance * weight;
    }
    __device__ inline void merge(const hn_moments& other) {
        if (other.count == A(0)) return;
        const A all = count + other.count, share = other.count / all;
#pragma unroll
        for (int c = 0; c < N; ++c) join(c, other.mean[c], other.squares[c], share, count * share);
        count = all;
    }
    // COUNT elements of each channel: at(i, c).
    template <int COUNT, class At> __device__ inline void take(At at) {
        const A all = count + COUNT, share = COUNT / all;
#pragma unroll
        for (int c = 0; c < N; ++c) {
            A sum = A(0), distances = A(0);
#pragma unroll
            for (int i = 0; i < COUNT; ++i) sum += at(i, c);
            const A centre = sum / COUNT;
#pragma unroll
            for (int i = 0; i < COUNT; ++i) distances += (at(i, c) - centre) * (at(i, c) - centre);
            join(c, centre, distances, share, count * share);
        }
        count = all;
    }
    __device__ inline A first(int c) const { return mean[c]; }
    __device__ inline A second(int c) const { return squares[c]; }
};

template <class A, int N> struct hn_two_sums {
    A total[N] = {}, product[N] = {};

    __device__ inline void merge(const hn_two_sums& other) {
#pragma unroll
        for (int c = 0; c < N; ++c) total[c] += other.total[c], product[c] += other.product[c];
    }
    __device__ inline A first(int c) const { return total[c]; }
    __device__ inline A second(int c) const { return product[c]; }
};

// What a thread does with packs of the operands, CHANNELS = WIDTH channels of one element each or one of WIDTH.
template <class T, int WIDTH, int CHANNELS> struct hn_take_moments {
    typedef typename hn_type<T>::compute A;
    typedef hn_moments<A, CHANNELS> Sum;
    const T* x;

    __device__ inline void begin(int) {}
    template <int COUNT> __device__ inline void take(Sum& sum, const long long (&places)[COUNT]) const {
        hn_pack<T, WIDTH> packs[COUNT];
#pragma unroll
        for (int k = 0; k < COUNT; ++k) packs[k] = hn_load<WIDTH>(x + places[k]);
        constexpr int each = WIDTH / CHANNELS;
        sum.template take<COUNT * each>([&](int i, int c) { return packs[i / each][i % each + c]; });
    }
};

// GATED: of a gradient behind a relu, which comes through only where x * scale + shift, stored as x is, lies above 0.
template <class T, class S, int WIDTH, int CHANNELS, bool GATED> struct hn_take_sums {
    typedef typename hn_type<T>::compute A;
    typedef hn_two_sums<A, CHANNELS> Sum;
    const T *g, *x;
    const S *mean, *scale, *shift;  // the last two are read if gated
    A centre[CHANNELS], slope[GATED ? CHANNELS : 1], start[GATED ? CHANNELS : 1];

    __device__ inline void begin(int channel) {
#pragma unroll
        for (int c = 0; c < CHANNELS; ++c) {
            centre[c] = hn_type<S>::load(mean[channel + c]);
            if (GATED) {
                slope[c] = hn_type<S>::load(scale[channel + c]);
                start[c] = hn_type<S>::load(shift[channel + c]);
            }
        }
    }
    __device__ inline bool passes(A value, int c) const {
        return !GATED || hn_type<T>::load(hn_type<T>::store(value * slope[c] + start[c])) > A(0);
    }
    template <int COUNT> __device__ inline void take(Sum& sum, const long long (&places)[COUNT]) const {
        hn_pack<T, WIDTH> slopes[COUNT], values[COUNT];
#pragma unroll
        for (int k = 0; k < COUNT; ++k) {
            slopes[k] = hn_load<WIDTH>(g + places[k]);
            values[k] = hn_load<WIDTH>(x + places[k]);
        }
#pragma unroll
        for (int k = 0; k < COUNT; ++k)
#pragma unroll
            for (int e = 0; e < WIDTH; ++e) {
                constexpr int last = CHANNELS - 1;
                const int c = e < last ? e : last;
                const A of_y = passes(values[k][e], c) ? slopes[k][e] : A(0);
                sum.total[c] += of_y;
                sum.product[c] += of_y * (values[k][e] - centre[c]);
            }
    }
};

// Merge the sums of the ROWS threads of each column (thread t stands in column t % COLUMNS): those of the first row get them.
template <int COLUMNS, int ROWS, class Sum> __device__ inline void hn_merge_columns(Sum& sum, void* scratch) {
    Sum* const tile = static_cast<Sum*>(scratch);
#pragma unroll
    for (int half = ROWS / 2; half > 0; half /= 2) {
        const int row = threadIdx.x / COLUMNS;
        if (row >= half && row < 2 * half) tile[threadIdx.x - half * COLUMNS] = sum;
        __syncthreads();
        if (row < half) sum.merge(tile[threadIdx.x]);
        __syncthreads();
    }
}

// A thread's elements numbered begin, begin + step, ... below end, BATCH at a time; place(i): where number i lies.
template <int BATCH, class Take, class Place>
__device__ inline void hn_take_all(const Take& take, typename Take::Sum& sum, long long begin, long long end, int step, Place place) {
    long long i = begin;
    for (; i + (BATCH - 1) * step < end; i += BATCH * step) {
        long long places[BATCH];
#pragma unroll
        for (int k = 0; k < BATCH; ++k) places[k] = place(i + k * step);
        take.template take<BATCH>(sum, places);
    }
    for (; i < end; i += step) {
        const long long places[1] = {place(i)};
        take.template take<1>(sum, places);
    }
}

// Channels last: a block's rows of the array's. Sums of split s are stored as the s-th of [SPLITS][channels].
template <int CHANNELS, int COLUMNS, int ROWS, int BATCH, class Take, class Store>
__device__ inline void hn_over_rows(Take take, long long rows, int channels, long long chunk, Store store) {
    HN_SHARED(scratch);
    const int channel = (blockIdx.x * COLUMNS + threadIdx.x % COLUMNS) * CHANNELS;
    const long long first = blockIdx.y * chunk, end = first + chunk < rows ? first + chunk : rows;
    typename Take::Sum sum;
    if (channel < channels) {
        take.begin(channel);
        hn_take_all<BATCH>(take, sum, first + threadIdx.x / COLUMNS, end, ROWS, [=](long long row) { return row * channels + channel; });
    }
    hn_merge_columns<COLUMNS, ROWS>(sum, scratch);
    if (threadIdx.x < COLUMNS && channel < channels)
        for (int c = 0; c < CHANNELS; ++c) store(blockIdx.y * static_cast<long long>(channels) + channel + c, sum.first(c), sum.second(c));
}

// Channels in the middle: a block's packs of one channel's, of which there are `inner` one after another, `outer` times.
template <int WIDTH, int THREADS, int BATCH, class Take, class Store>
__device__ inline void hn_over_planes(Take take, unsigned packs, int channels, unsigned inner, long long chunk, Store store) {
    HN_SHARED(scratch);
    const unsigned channel = blockIdx.x;
    const long long first = blockIdx.y * chunk, end = first + chunk < packs ? first + chunk : packs;
    typename Take::Sum sum;
    take.begin(channel);
    hn_take_all<BATCH>(take, sum, first + threadIdx.x, end, THREADS, [=](long long i) {
        const unsigned pack = static_cast<unsigned>(i);
        return ((pack / inner * static_cast<long long>(channels) + channel) * inner + pack % inner) * WIDTH;
    });
    hn_merge_columns<1, THREADS>(sum, scratch);
    if (threadIdx.x == 0) store(blockIdx.y * static_cast<long long>(channels) + channel, sum.first(0), sum.second(0));
}

// How many elements of each channel a split has: as many times `width` as it has of the `all` rows or packs, at most `chunk`.
// The blocks of all its channels store the same number: whoever joins the parts of some of them finds it.
template <class A> __device__ inline void hn_store_size(A* size, long long all, long long chunk, int width) {
    const long long left = all - blockIdx.y * chunk;
    if (threadIdx.x == 0) size[blockIdx.y] = static_cast<A>((chunk < left ? chunk : left) * width);
}

// Of a split channel the parts' sums are stored, which hn_join_moments or hn_add_partials combine; else the results.
template <class T, int WIDTH, int COLUMNS, int ROWS, int BATCH, bool SPLIT, class A>
__device__ inline void hn_moments_over_rows(const T* x, A* mean, A* var, long long rows, int channels, long long chunk) {
    hn_over_rows<WIDTH, COLUMNS, ROWS, BATCH>(hn_take_moments<T, WIDTH, WIDTH>{x}, rows, channels, chunk, [=](long long i, A first, A second) {
        mean[i] = first;
        var[i] = SPLIT ? second : second / rows;
    });
}

template <class T, int WIDTH, int THREADS, int BATCH, bool SPLIT, class A>
__device__ inline void hn_moments_over_planes(const T* x, A* mean, A* var, unsigned packs, int channels, unsigned inner, long long chunk) {
    hn_over_planes<WIDTH, THREADS, BATCH>(hn_take_moments<T, WIDTH, 1>{x}, packs, channels, inner, chunk, [=](long long i, A first, A second) {
        mean[i] = first;
        var[i] = SPLIT ? second : second / (static_cast<A>(packs) * WIDTH);
    });
}

// The same of a split channel, and how many elements each part has.
template <class T, int WIDTH, int COLUMNS, int ROWS, int BATCH, class A>
__device__ inline void hn_moments_parts_over_rows(const T* x, A* mean, A* squares, A* size, long long rows, int channels, long long chunk) {
    hn_moments_over_rows<T, WIDTH, COLUMNS, ROWS, BATCH, true>(x, mean, squares, rows, channels, chunk);
    hn_store_size(size, rows, chunk, 1);
}

template <class T, int WIDTH, int THREADS, int BATCH, class A>
__device__ inline void hn_moments_parts_over_planes(const T* x, A* mean, A* squares, A* size, unsigned packs, int channels, unsigned inner,
                                                    long long chunk) {
    hn_moments_over_planes<T, WIDTH, THREADS, BATCH, true>(x, mean, squares, packs, channels, inner, chunk);
    hn_store_size(size, packs, chunk, WIDTH);
}

// Where the two sums of a channel, or of its part, are stored.
template <class A> struct hn_store_sums {
    A *total, *product;
    __device__ inline void operator()(long long i, A first, A second) const {
        total[i] = first;
        product[i] = second;
    }
};

template <class T, int WIDTH, int COLUMNS, int ROWS, int BATCH, class S, class A>
__device__ inline void hn_sums_over_rows(const T* g, const T* x, const S* centre, A* total, A* product, long long rows, int channels,
                                         long long chunk) {
    const hn_take_sums<T, S, WIDTH, WIDTH, false> take{g, x, centre};
    hn_over_rows<WIDTH, COLUMNS, ROWS, BATCH>(take, rows, channels, chunk, hn_store_sums<A>{total, product});
}

template <class T, int WIDTH, int THREADS, int BATCH, class S, class A>
__device__ inline void hn_sums_over_planes(const T* g, const T* x, const S* centre, A* total, A* product, unsigned packs, int channels,
                                           unsigned inner, long long chunk) {
    const hn_take_sums<T, S, WIDTH, 1, false> take{g, x, centre};
    hn_over_planes<WIDTH, THREADS, BATCH>(take, packs, channels, inner, chunk, hn_store_sums<A>{total, product});
}

template <class T, int WIDTH, int COLUMNS, int ROWS, int BATCH, class S, class A>
__device__ inline void hn_gated_sums_over_rows(const T* g, const T* x, const S* centre, const S* scale, const S* shift, A* total, A* product,
                                               long long rows, int channels, long long chunk) {
    const hn_take_sums<T, S, WIDTH, WIDTH, true> take{g, x, centre, scale, shift};
    hn_over_rows<WIDTH, COLUMNS, ROWS, BATCH>(take, rows, channels, chunk, hn_store_sums<A>{total, product});
}

template <class T, int WIDTH, int THREADS, int BATCH, class S, class A>
__device__ inline void hn_gated_sums_over_planes(const T* g, const T* x, const S* centre, const S* scale, const S* shift, A* total, A* product,
                                                 unsigned packs, int channels, unsigned inner, long long chunk) {
    const hn_take_sums<T, S, WIDTH, 1, true> take{g, x, centre, scale, shift};
    hn_over_planes<WIDTH, THREADS, BATCH>(take, packs, channels, inner, chunk, hn_store_sums<A>{total, product});
}

// The moments of whole channels from those of their parts; each part but the last has `chunk` of the `all` elements.
template <class A> __device__ inline void hn_join_moments(const A* means, const A* squares, A* mean, A* var, int splits, int channels, double chunk, double all) {
    constexpr int COLUMNS = 32, ROWS = 16;
    HN_SHARED(scratch);
    const int channel = blockIdx.x * COLUMNS + threadIdx.x % COLUMNS;
    hn_moments<A, 1> sum;
    if (channel < channels) {
#pragma unroll 4
        for (int s = threadIdx.x / COLUMNS; s < splits; s += ROWS) {
            const long long at = static_cast<long long>(s) * channels + channel;
            hn_moments<A, 1> part;
            part.count = static_cast<A>(chunk < all - s * chunk ? chunk : all - s * chunk);
            part.mean[0] = means[at];
            part.squares[0] = squares[at];
            sum.merge(part);
        }
    }
    hn_merge_columns<COLUMNS, ROWS>(sum, scratch);
    if (threadIdx.x < COLUMNS && channel < channels) {
        mean[channel] = sum.mean[0];
        var[channel] = sum.squares[0] / static_cast<A>(all);
    }
}
