// Windows of data as the columns of a matrix, for convolution by a matrix product; and the way back, which adds them up.
//
// Layout: data (BATCH, channels, a, b, c) or, channels last, (BATCH, a, b, c, channels), where channels = GROUPS * CHANNELS and
// axes that are missing have one place. Columns, a matrix for each group: (GROUPS, CHANNELS * kernel, BATCH * windows), or with
// channels last (GROUPS, BATCH * windows, kernel * CHANNELS). Both kernels go over their result (no atomics, so sums have one
// order) in packs of 16 bytes; channels last are also read in packs where a pack does not leave its channels. Sums of 16-bit
// numbers are taken in float.
//
// Bytes moved, with n elements of data of s bytes and w windows of k elements each: (n + w k) s either way; data that several
// windows hold is read again from the caches. The limit on paper is the copy bandwidth; measured share of the copy
// bandwidth: still to be measured.
// Plainly: tests/emulator/reference/im2col.cuh. It is more by constants in place of divisions, by packs, and by
// going back from an element to the few windows that hold it, where the plain one looks through all columns.
#pragma once
#include "each.cuh"

// Windows on one axis: COUNT of them over SIZE elements, the first at -PAD, their elements DILATE apart.
template <int SIZE, int COUNT, int KERNEL, int STRIDE, int PAD, int DILATE> struct hn_reach {
    static constexpr int size = SIZE, count = COUNT, kernel = KERNEL;
    // Where window w has its element k; may lie in the padding.
    static __device__ inline int element(int w, int k) { return w * STRIDE - PAD + k * DILATE; }
    static __device__ inline bool inside(int i) { return i >= 0 && i < SIZE; }
    // The window that has element i at its place k, -1 if none has.
    static __device__ inline int window(int i, int k) {
        const int start = i + PAD - k * DILATE;
        return start >= 0 && start % STRIDE == 0 && start / STRIDE < COUNT ? start / STRIDE : -1;
    }
};

// Takes the innermost axis off an index.
template <class Index> __device__ inline int hn_inner(Index& i, int extent) {
    const int place = static_cast<int>(i % extent);
    i /= extent;
    return place;
}

template <class Index_, bool LAST, int BATCH, int GROUPS, int CHANNELS, class A, class B, class C> struct hn_columns {
    typedef Index_ Index;
    static constexpr Index channels = static_cast<Index>(GROUPS) * CHANNELS;
    // An element of the data: sample, channel (of all), and its place on each axis.
    struct Data { Index n; int channel, a, b, c; };
    // An element of a column: which window, which place in it, which channel.
    struct Column { Index n; int channel, a, b, c, ka, kb, kc; };

    static __device__ inline Data data(Index i) {
        Data d;
        if (LAST) d.channel = hn_inner(i, channels);
        d.c = hn_inner(i, C::size);
        d.b = hn_inner(i, B::size);
        d.a = hn_inner(i, A::size);
        if (!LAST) d.channel = hn_inner(i, channels);
        d.n = i;
        return d;
    }
    static __device__ inline Index offset(const Data& d) {
        const Index row = LAST ? d.n : d.n * channels + d.channel;
        const Index place = ((row * A::size + d.a) * B::size + d.b) * C::size + d.c;
        return LAST ? place * channels + d.channel : place;
    }
    static __device__ inline Column column(Index i) {
        Column w;
        int channel = 0;
        if (LAST) channel = hn_inner(i, CHANNELS);
        if (LAST) taps(w, i);
        w.c = hn_inner(i, C::count);
        w.b = hn_inner(i, B::count);
        w.a = hn_inner(i, A::count);
        w.n = hn_inner(i, BATCH);
        if (!LAST) taps(w, i);
        if (!LAST) channel = hn_inner(i, CHANNELS);
        w.channel = static_cast<int>(i) * CHANNELS + channel;
        return w;
    }
    static __device__ inline void taps(Column& w, Index& i) {
        w.kc = hn_inner(i, C::kernel);
        w.kb = hn_inner(i, B::kernel);
        w.ka = hn_inner(i, A::kernel);
    }
    static __device__ inline Index offset(const Column& w) {
        const Index group = w.channel / CHANNELS, channel = w.channel % CHANNELS;
        const Index window = ((w.n * A::count + w.a) * B::count + w.b) * C::count + w.c;
        constexpr Index windows = static_cast<Index>(BATCH) * A::count * B::count * C::count;
        constexpr Index kernel = static_cast<Index>(A::kernel) * B::kernel * C::kernel;
        if (LAST) return ((group * windows + window) * kernel + tap(w)) * CHANNELS + channel;
        return ((group * CHANNELS + channel) * kernel + tap(w)) * windows + window;
    }
    static __device__ inline Index tap(const Column& w) { return (static_cast<Index>(w.ka) * B::kernel + w.kb) * C::kernel + w.kc; }
    // The element of the data that a column has there, and whether there is one.
    static __device__ inline bool source(const Column& w, Data& d) {
        d = {w.n, w.channel, A::element(w.a, w.ka), B::element(w.b, w.kb), C::element(w.c, w.kc)};
        return A::inside(d.a) && B::inside(d.b) && C::inside(d.c);
    }
};

// y: the columns of x. LOAD elements are read at a time: WIDTH where a pack lies within the channels of one place, else 1.
template <class Columns, typename Columns::Index COUNT, int WIDTH, int LOAD, class T> __device__ inline void hn_im2col(T* y, const T* x) {
    typedef typename Columns::Index Index;
    hn_fill<Index, COUNT, WIDTH>(y, [=](Index i) {
        hn_pack<T, WIDTH> pack;
#pragma unroll
        for (int e = 0; e < WIDTH; e += LOAD) {
            typename Columns::Data from;
            hn_pack<T, LOAD> part = {};
            if (Columns::source(Columns::column(i * WIDTH + e), from)) part = hn_load<LOAD>(x + Columns::offset(from));
#pragma unroll
            for (int j = 0; j < LOAD; ++j) pack.at[e + j] = part.at[j];
        }
        return pack;
    });
}

// y: for each element of the data the sum over the columns x that have it.
template <class Columns, typename Columns::Index COUNT, int WIDTH, int LOAD, class A, class B, class C, class T>
__device__ inline void hn_col2im(T* y, const T* x) {
    typedef typename Columns::Index Index;
    typedef typename hn_type<T>::compute Compute;
    hn_fill_once<Index, COUNT, WIDTH>(y, [=](Index i) {
        hn_pack<T, WIDTH> pack;
#pragma unroll
        for (int e = 0; e < WIDTH; e += LOAD) {
            const auto d = Columns::data(i * WIDTH + e);
            Compute sums[LOAD] = {};
            for (int ka = 0; ka < A::kernel; ++ka)
                for (int kb = 0; kb < B::kernel; ++kb)
                    for (int kc = 0; kc < C::kernel; ++kc) {
                        const int a = A::window(d.a, ka), b = B::window(d.b, kb), c = C::window(d.c, kc);
                        if (a < 0 || b < 0 || c < 0) continue;
                        const hn_pack<T, LOAD> part = hn_load<LOAD>(x + Columns::offset({d.n, d.channel, a, b, c, ka, kb, kc}));
#pragma unroll
                        for (int j = 0; j < LOAD; ++j) sums[j] += part[j];
                    }
#pragma unroll
            for (int j = 0; j < LOAD; ++j) pack.set(e + j, sums[j]);
        }
        return pack;
    });
}
