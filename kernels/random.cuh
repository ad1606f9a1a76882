// Random variates: one function for each primitive draw (hybridnet/ops/random/draws.py). An element is a pure function of
// the draw (seed and counter), its number within the draw's array, and the parameters; see philox.cuh.
//
// T is the stored type of the result. Work on paper: a Philox block is some 70 instructions, shared by 8 elements
// (dropout, 16-bit uniforms), 4 (32-bit uniforms, normals, exponentials) or 2 (64-bit ones, integers). At 4.8 TB/s
// a GPU of 132 multiprocessors has 24 instructions for each 4 bytes: uniforms and dropout are near that limit, and
// normals, with a logarithm, a root and a cosine, beyond it. Measured shares: still to be measured.
#pragma once
#include "philox.cuh"
#include "types.cuh"

// A product that stays one, whatever it is added to: else the number would depend on the kernel it stands in.
__device__ inline float hn_product(float a, float b) { return __fmul_rn(a, b); }
__device__ inline double hn_product(double a, double b) { return __dmul_rn(a, b); }

// In (0, 1], in the middle of the interval that the bits stand for, as near as T comes to it.
__device__ inline float hn_above_zero(unsigned bits) { return static_cast<float>(bits) * 0x1p-32f + 0x1p-33f; }
__device__ inline double hn_above_zero(unsigned long long bits) { return static_cast<double>(bits >> 11) * 0x1p-53 + 0x1p-54; }

template <class T> struct hn_digits { static constexpr int value = 8; };
template <> struct hn_digits<hn_half> { static constexpr int value = 11; };

// -- without parameters -----------------------------------------------------------------------

template <class T, class I> __device__ inline typename hn_type<T>::compute hn_random_uniform(hn_draw draw, hn_number<I> i) {
    if constexpr (sizeof(T) == 8) return static_cast<double>(draw.bits64(i) >> 11) * 0x1p-53;
    else if constexpr (sizeof(T) == 4) return hn_uniform(draw.bits32(i));
    // Rounding to 16 bits must not reach 1, so only as many bits are kept as the type holds.
    else return static_cast<float>(draw.bits16(i) >> (16 - hn_digits<T>::value)) / (1 << hn_digits<T>::value);
}

// Two numbers from two (Box and Muller 1958): the radius from one, the angle, in turns, from the other.
template <class T, class I> __device__ inline typename hn_type<T>::compute hn_random_normal(hn_draw draw, hn_number<I> i) {
    if constexpr (sizeof(T) == 8) {
        const uint4 b = draw.block(i.template block<2>());
        const double radius = sqrt(-2 * log(hn_above_zero(hn_draw::joined(b.x, b.y))));
        const double turns = 2 * (static_cast<double>(hn_draw::joined(b.z, b.w) >> 11) * 0x1p-53);
        return hn_product(radius, i.template within<2>() ? sinpi(turns) : cospi(turns));
    } else {
        const uint4 b = draw.block(i.template block<4>());
        const unsigned at = i.template within<4>();
        const bool second = at / 2;
        const float radius = sqrtf(-2 * logf(hn_above_zero(second ? b.z : b.x)));
        const float turns = 2 * hn_uniform(second ? b.w : b.y);
        return hn_product(radius, at % 2 ? sinpif(turns) : cospif(turns));
    }
}

template <class T, class I> __device__ inline typename hn_type<T>::compute hn_random_exponential(hn_draw draw, hn_number<I> i) {
    if constexpr (sizeof(T) == 8) return 0 - log(hn_above_zero(draw.bits64(i)));
    else return 0 - logf(hn_above_zero(draw.bits32(i)));
}

// p in 65536ths, to nearest, ties to even, but below 1; computed while compiling: a device is slow at it.
__device__ constexpr unsigned hn_in_16_bits(double p) {
    const unsigned below = static_cast<unsigned>(p * 65536);
    const double rest = p * 65536 - below;
    const unsigned nearest = below + (rest > 0.5 || (rest == 0.5 && below % 2 == 1));
    return nearest < 65535 ? nearest : 65535;
}

// Dropout's mask: 0 with probability p, to 1 / 65536 (LIMIT: hn_in_16_bits(p)), else 1 / (1 - p).
template <class T, unsigned LIMIT, class I>
__device__ inline typename hn_type<T>::compute hn_dropout_mask(hn_draw draw, hn_number<I> i, double p) {
    typedef typename hn_type<T>::compute Result;
    const bool kept = draw.bits16(i) >= LIMIT;
    return kept && p < 1 ? static_cast<Result>(1 / (1 - p)) : Result(0);
}

// In [low, high): the upper half of the product of 64 bits and the range.
template <class I> __device__ inline long long hn_random_randint(hn_draw draw, hn_number<I> i, long long low, long long high) {
    const unsigned long long range = static_cast<unsigned long long>(high) - static_cast<unsigned long long>(low);
    return static_cast<long long>(static_cast<unsigned long long>(low) + __umul64hi(draw.bits64(i), range));
}

// -- by rejection -----------------------------------------------------------------------------

// Each attempt of an element has a block of its own: elements are fewer than 2^40, and so are 16 million attempts.
struct hn_attempts {
    hn_draw draw;
    unsigned long long number;

    __device__ inline uint4 next() {
        const uint4 block = draw.block(number);
        number += 1ull << 40;
        return block;
    }
};

// Marsaglia and Tsang: "A simple method for generating gamma variables", ACM TOMS 26 (2000). Below 1 by their remark:
// a variate of alpha + 1 times u^(1 / alpha).
template <class T, class I> __device__ inline T hn_gamma_of(hn_draw draw, hn_number<I> i, T alpha) {
    if (!(alpha > 0)) return alpha == 0 ? T(0) : hn_limits<T>::nan();
    if (alpha == hn_limits<T>::highest()) return alpha;
    hn_attempts attempts{draw, i.template block<1>()};
    const T d = (alpha < 1 ? alpha + 1 : alpha) - T(1) / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        const uint4 b = attempts.next();
        const T x = sqrtf(-2 * logf(hn_above_zero(b.x))) * cospif(2 * hn_uniform(b.y));
        const T t = 1 + c * x, v = t * t * t;
        if (t <= 0 || log(static_cast<T>(hn_above_zero(b.z))) >= T(0.5) * x * x + d - d * v + d * log(v)) continue;
        return alpha < 1 ? d * v * pow(static_cast<T>(hn_above_zero(b.w)), 1 / alpha) : d * v;
    }
}
template <class T, class I> __device__ inline typename hn_type<T>::compute hn_random_gamma(hn_draw draw, hn_number<I> i, double alpha) {
    return hn_gamma_of<typename hn_type<T>::compute>(draw, i, static_cast<typename hn_type<T>::compute>(alpha));
}

// Two uniform numbers of an attempt: one around 0, one in (0, 1].
struct hn_point {
    double u, v, depth;  // depth: how far u is from the ends

    __device__ inline explicit hn_point(uint4 b)
        : u(hn_above_zero(hn_draw::joined(b.x, b.y)) - 0.5), v(hn_above_zero(hn_draw::joined(b.z, b.w))), depth(0.5 - fabs(u)) {}
};

// Small means by counting arrivals in unit time; others by transformed rejection, PTRS in W. Hörmann: "The
// transformed rejection method for generating Poisson random variables", Insurance: Mathematics and Economics 12 (1993).
template <class I> __device__ inline double hn_random_poisson(hn_draw draw, hn_number<I> i, double mean) {
    if (!(mean >= 0) || mean == hn_limits<double>::highest()) return hn_limits<double>::nan();
    hn_attempts attempts{draw, i.template block<1>()};
    if (mean < 10) {
        double count = 0, time = 0;
        for (;; count += 1) {
            time -= log(hn_point(attempts.next()).v);
            if (time > mean) return count;
        }
    }
    const double root = sqrt(mean), b = 0.931 + 2.53 * root, a = -0.059 + 0.02483 * b;
    const double scale = 1.1239 + 1.1328 / (b - 3.4), limit = 0.9277 - 3.6224 / (b - 2);
    for (;;) {
        const hn_point p(attempts.next());
        const double k = floor((2 * a / p.depth + b) * p.u + mean + 0.43);
        if (p.depth >= 0.07 && p.v <= limit) return k;
        if (k < 0 || (p.depth < 0.013 && p.v > p.depth)) continue;
        if (log(p.v * scale / (a / (p.depth * p.depth) + b)) <= k * log(mean) - mean - lgamma(k + 1)) return k;
    }
}

// Few successes by the waiting times between them, which are geometric; others by transformed rejection, BTRS in
// W. Hörmann: "The generation of binomial random variates", J. Statistical Computation and Simulation 46 (1993).
template <class I> __device__ inline double hn_random_binomial(hn_draw draw, hn_number<I> i, double trials, double probability) {
    const double n = floor(trials), p = probability > 0.5 ? 1 - probability : probability;
    if (!(n >= 0 && p >= 0)) return hn_limits<double>::nan();
    hn_attempts attempts{draw, i.template block<1>()};
    double k = 0;
    if (n * p < 10) {
        const double each = log1p(-p);
        for (double passed = 0;; k += 1) {
            passed += p > 0 ? floor(log(hn_point(attempts.next()).v) / each) + 1 : n + 1;
            if (passed > n) break;
        }
    } else {
        const double q = 1 - p, spread = sqrt(n * p * q), b = 1.15 + 2.53 * spread, a = -0.0873 + 0.0248 * b + 0.01 * p;
        const double limit = 0.92 - 4.2 / b, alpha = (2.83 + 5.1 / b) * spread, mode = floor((n + 1) * p), odds = log(p / q);
        const double top = lgamma(mode + 1) + lgamma(n - mode + 1);
        for (;;) {
            const hn_point at(attempts.next());
            k = floor((2 * a / at.depth + b) * at.u + n * p + 0.5);
            if (k < 0 || k > n) continue;
            if (at.depth >= 0.07 && at.v <= limit) break;
            const double rest = top - lgamma(k + 1) - lgamma(n - k + 1) + (k - mode) * odds;
            if (log(at.v * alpha / (a / (at.depth * at.depth) + b)) <= rest) break;
        }
    }
    return probability > 0.5 ? n - k : k;
}
