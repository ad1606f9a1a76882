// Pooling: maxima, sums and means of windows over up to three axes, and their gradients.
//
// Layout: (outer, a, b, c, INNER). Channels first have INNER = 1 and the channels in `outer`; channels last have the
// channels in INNER, in packs of 16 bytes. Axes that are missing have one place. All kernels go over their result and
// look for what belongs to each of its elements (no atomics, so sums have one order): the gradient of an element is the
// sum over the windows that hold it; of a maximum, over those in which no earlier element equals the maximum. Sums of
// 16-bit numbers are taken in float.
//
// Bytes moved, with n elements of data in w windows of s bytes: forward (n + w) s; the gradient of a sum the same; that
// of a maximum (2 n + 2 w) s: data and windows' maxima are compared again, in place of a stored position of each
// maximum, which would take 4 w written and read. Windows that overlap are read from the caches. The limit on paper is
// the copy bandwidth; measured share of the copy bandwidth: still to be measured.
// Plainly: tests/emulator/reference/pooling.cuh. It is more by constants in place of divisions, by packs, and by going
// from an element to the few windows that hold it, where the plain gradient looks through all.
#pragma once
#include "each.cuh"
#include "functors.cuh"

// Windows on one axis: COUNT of them over SIZE elements, the first at -PAD.
template <int SIZE, int COUNT, int KERNEL, int STRIDE, int PAD> struct hn_windows {
    static constexpr int size = SIZE, count = COUNT, kernel = KERNEL;
    // The elements of window w: from begin to below end.
    static __device__ inline int begin(int w) { return hn_max(w * STRIDE - PAD, 0); }
    static __device__ inline int end(int w) { return hn_min(w * STRIDE - PAD + KERNEL, SIZE); }
    static __device__ inline bool any(int w) { return begin(w) < end(w); }
    // The element at place k of window w, the nearest of the data where that lies in the padding.
    static __device__ inline int near(int w, int k) { return hn_max(hn_min(w * STRIDE - PAD + k, SIZE - 1), 0); }
    static __device__ inline bool holds(int w, int k) { return near(w, k) == w * STRIDE - PAD + k; }
    // The windows that hold element i: from first to below last.
    static __device__ inline int first(int i) { return (hn_max(i + PAD - KERNEL + 1, 0) + STRIDE - 1) / STRIDE; }
    static __device__ inline int last(int i) { return hn_min((i + PAD) / STRIDE + 1, COUNT); }
    // What a mean of the window is divided by; PADDED: the padding counts.
    template <bool PADDED> static __device__ inline int divisor(int w) {
        const int stop = hn_min(w * STRIDE - PAD + KERNEL, PADDED ? SIZE + PAD : SIZE);
        return hn_max(stop - (PADDED ? w * STRIDE - PAD : begin(w)), 1);
    }
};

// 1 / n for n of 1 and above, to the last bit but one: a division proper is a call, for which registers are spilled.
__device__ inline float hn_reciprocal(float n) {
#ifndef CUEMU
    float x;
    asm("rcp.approx.f32 %0, %1;" : "=f"(x) : "f"(n));
    return x;
#else
    return 1.f / n;
#endif
}
__device__ inline double hn_reciprocal(double n) { return 1. / n; }

enum hn_divide { HN_SUM, HN_MEAN_WITH_PADDING, HN_MEAN_OF_DATA };

// Places in the data and among the windows, and the walks between them.
template <class Index_, int WIDTH_, int INNER, class A, class B, class C> struct hn_pool {
    typedef Index_ Index;
    static constexpr int WIDTH = WIDTH_;
    struct Place { Index outer; int a, b, c, inner; };

    static __device__ inline Place taken_apart(Index i, int a, int b, int c) {
        constexpr int packs = INNER / WIDTH;
        Place p;
        p.inner = static_cast<int>(i % packs) * WIDTH;
        i /= packs;
        p.c = static_cast<int>(i % c);
        i /= c;
        p.b = static_cast<int>(i % b);
        i /= b;
        p.a = static_cast<int>(i % a);
        p.outer = i / a;
        return p;
    }
    static __device__ inline Place of_data(Index i) { return taken_apart(i, A::size, B::size, C::size); }
    static __device__ inline Place of_windows(Index i) { return taken_apart(i, A::count, B::count, C::count); }
    static __device__ inline Index data(const Place& p, int a, int b, int c) {
        return (((p.outer * A::size + a) * B::size + b) * C::size + c) * INNER + p.inner;
    }
    static __device__ inline Index nearest(const Place& w) { return data(w, A::near(w.a, 0), B::near(w.b, 0), C::near(w.c, 0)); }
    static __device__ inline Index window(const Place& p) {
        return (((p.outer * A::count + p.a) * B::count + p.b) * C::count + p.c) * INNER + p.inner;
    }

    // To the next place of a box. One loop and selections in place of three loops, which would make threads part more often.
    static __device__ __forceinline__ void advance(Place& at, const Place& from, const Place& to) {
        ++at.c;
        const bool next_b = at.c == to.c;
        at.c = next_b ? from.c : at.c;
        at.b += next_b;
        const bool next_a = at.b == to.b;
        at.b = next_a ? from.b : at.b;
        at.a += next_a;
    }
    // visit(offset, inside) for every place in the kernel, for those of the padding with the nearest element of the data:
    // without branches, so that loads of several places are under way.
    template <class Visit> static __device__ __forceinline__ void places(const Place& w, Visit visit) {
        for (int a = 0; a < A::kernel; ++a)
            for (int b = 0; b < B::kernel; ++b)
#pragma unroll(C::kernel < 8 ? C::kernel : 4)
                for (int c = 0; c < C::kernel; ++c)
                    visit(data(w, A::near(w.a, a), B::near(w.b, b), C::near(w.c, c)), A::holds(w.a, a) && B::holds(w.b, b) && C::holds(w.c, c));
    }
    static __device__ inline bool any(const Place& w) { return A::any(w.a) && B::any(w.b) && C::any(w.c); }
    // visit(offset) for the elements of a window that has any, in their order, until it says false.
    template <class Visit> static __device__ __forceinline__ void elements(const Place& w, Visit visit) {
        Place at = {w.outer, A::begin(w.a), B::begin(w.b), C::begin(w.c), w.inner};
        const Place from = at, to = {0, A::end(w.a), B::end(w.b), C::end(w.c), 0};
        while (at.a < to.a && visit(data(at, at.a, at.b, at.c))) advance(at, from, to);
    }
    // visit(place) for the windows that hold an element.
    template <class Visit> static __device__ __forceinline__ void holders(const Place& element, Visit visit) {
        Place at = {element.outer, A::first(element.a), B::first(element.b), C::first(element.c), element.inner};
        const Place from = at, to = {0, A::last(element.a), B::last(element.b), C::last(element.c), 0};
        if (from.b >= to.b || from.c >= to.c) return;
        for (; at.a < to.a; advance(at, from, to)) visit(at);
    }
    // What a window's sum is multiplied by.
    template <int DIVIDE, class T> static __device__ __forceinline__ T weight(const Place& w) {
        constexpr bool padded = DIVIDE == HN_MEAN_WITH_PADDING;
        if (DIVIDE == HN_SUM) return 1;
        return hn_reciprocal(static_cast<T>(A::template divisor<padded>(w.a)) * B::template divisor<padded>(w.b) * C::template divisor<padded>(w.c));
    }
};

// A bit for each element of two packs that are equal.
template <class T, int WIDTH> __device__ inline unsigned hn_equal_in(const hn_pack<T, WIDTH>& a, const hn_pack<T, WIDTH>& b) {
    unsigned equal = 0;
#pragma unroll
    for (int e = 0; e < WIDTH; ++e) equal |= static_cast<unsigned>(a[e] == b[e]) << e;
    return equal;
}

// y: the maximum of each window of x, `empty` where a window lies beyond the data.
template <class Pool, typename Pool::Index COUNT, class T> __device__ inline void hn_max_pool(T* y, const T* x, double empty) {
    typedef typename Pool::Index Index;
    constexpr int WIDTH = Pool::WIDTH;
    hn_fill_once<Index, COUNT, WIDTH>(y, [=](Index i) {
        const auto w = Pool::of_windows(i);
        hn_pack<T, WIDTH> best = hn_load<WIDTH>(x + Pool::nearest(w));
        Pool::places(w, [&](Index at, bool) {
            const hn_pack<T, WIDTH> pack = hn_load<WIDTH>(x + at);
#pragma unroll
            for (int e = 0; e < WIDTH; ++e) best.set(e, hn_max(best[e], pack[e]));
        });
#pragma unroll
        for (int e = 0; e < WIDTH; ++e)
            if (!Pool::any(w)) best.set(e, static_cast<typename hn_type<T>::compute>(empty));
        return best;
    });
}

// dx: each window's gradient g where x has the window's maximum y for the first time, added up.
template <class Pool, typename Pool::Index COUNT, class T>
__device__ inline void hn_max_pool_grad(T* dx, const T* g, const T* x, const T* y) {
    typedef typename Pool::Index Index;
    constexpr int WIDTH = Pool::WIDTH;
    hn_fill_once<Index, COUNT, WIDTH>(dx, [=](Index i) {
        const auto element = Pool::of_data(i);
        const Index mine = Pool::data(element, element.a, element.b, element.c);
        const hn_pack<T, WIDTH> value = hn_load<WIDTH>(x + mine);
        hn_sums<T, WIDTH> sums;
        Pool::holders(element, [&](auto w) {
            const Index at = Pool::window(w);
            const hn_pack<T, WIDTH> maximum = hn_load<WIDTH>(y + at), given = hn_load<WIDTH>(g + at);
            unsigned won = hn_equal_in(value, maximum);
            if (!won) return;
            Pool::elements(w, [&](Index before) {
                if (before == mine) return false;
                won &= ~hn_equal_in(hn_load<WIDTH>(x + before), maximum);
                return won != 0;
            });
#pragma unroll
            for (int e = 0; e < WIDTH; ++e) sums.at[e] += won >> e & 1 ? given[e] : 0;
        });
        return sums.stored();
    });
}

// y: the elements of h where the windows of x have their maxima m for the first time.
template <class Pool, typename Pool::Index COUNT, class T>
__device__ inline void hn_max_pool_gather(T* y, const T* h, const T* x, const T* m) {
    typedef typename Pool::Index Index;
    constexpr int WIDTH = Pool::WIDTH;
    hn_fill_once<Index, COUNT, WIDTH>(y, [=](Index i) {
        const auto w = Pool::of_windows(i);
        const hn_pack<T, WIDTH> maximum = hn_load<WIDTH>(m + i * WIDTH);
        hn_sums<T, WIDTH> found;
        unsigned open = (1u << WIDTH) - 1;
        if (Pool::any(w)) Pool::elements(w, [&](Index at) {
            const unsigned hit = open & hn_equal_in(hn_load<WIDTH>(x + at), maximum);
            if (hit) {
                const hn_pack<T, WIDTH> pack = hn_load<WIDTH>(h + at);
#pragma unroll
                for (int e = 0; e < WIDTH; ++e) found.at[e] = hit >> e & 1 ? pack[e] : found.at[e];
            }
            return (open &= ~hit) != 0;
        });
        return found.stored();
    });
}

// y: the sum or mean of each window of x.
template <class Pool, typename Pool::Index COUNT, int DIVIDE, class T> __device__ inline void hn_sum_pool(T* y, const T* x) {
    typedef typename Pool::Index Index;
    constexpr int WIDTH = Pool::WIDTH;
    hn_fill_once<Index, COUNT, WIDTH>(y, [=](Index i) {
        const auto w = Pool::of_windows(i);
        hn_sums<T, WIDTH> sums;
        Pool::places(w, [&](Index at, bool inside) {
            const hn_pack<T, WIDTH> pack = hn_load<WIDTH>(x + at);
#pragma unroll
            for (int e = 0; e < WIDTH; ++e) sums.at[e] += inside ? pack[e] : 0;
        });
        const auto weight = Pool::template weight<DIVIDE, typename hn_type<T>::compute>(w);
#pragma unroll
        for (int e = 0; e < WIDTH; ++e) sums.at[e] *= weight;
        return sums.stored();
    });
}

// dx: the gradients g of the windows that hold each element, divided as the windows were, added up.
template <class Pool, typename Pool::Index COUNT, int DIVIDE, class T> __device__ inline void hn_sum_pool_grad(T* dx, const T* g) {
    typedef typename Pool::Index Index;
    constexpr int WIDTH = Pool::WIDTH;
    hn_fill_once<Index, COUNT, WIDTH>(dx, [=](Index i) {
        hn_sums<T, WIDTH> sums;
        Pool::holders(Pool::of_data(i), [&](auto w) {
            const hn_pack<T, WIDTH> pack = hn_load<WIDTH>(g + Pool::window(w));
            const auto weight = Pool::template weight<DIVIDE, typename hn_type<T>::compute>(w);
#pragma unroll
            for (int e = 0; e < WIDTH; ++e) sums.at[e] += pack[e] * weight;
        });
        return sums.stored();
    });
}
