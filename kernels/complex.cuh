// Complex numbers: two real ones side by side, as NumPy and CuPy have them in memory.
//
// A struct of our own, and not CuPy's `complex<T>` or CUDA's: NVRTC and the emulator's g++ compile these files alone, without headers
// of either; generated kernels load, shuffle and reduce values of any type by the same templates, which need conversions from
// 0 and 1, explicit ones to other types, and overloads of the shuffles; and products and quotients are to be NumPy's, which
// C++'s library defines otherwise for infinities. An infinite or NaN part goes through as the formulas have it.
//
// Only units that hold such values include this file. Functions are found by their argument, so that functors of
// real numbers (`exp({0})`, `({0} * {1})`) are those of complex ones as well.
#pragma once
#include "types.cuh"

template <class T> struct alignas(2 * sizeof(T)) hn_complex {
    T re, im;

    hn_complex() = default;
    __device__ inline hn_complex(T real, T imaginary = 0) : re(real), im(imaginary) {}
    template <class S> explicit __device__ inline hn_complex(hn_complex<S> z) : re(static_cast<T>(z.re)), im(static_cast<T>(z.im)) {}

    // As NumPy casts: the real part; whether the number is 0.
    template <class S> explicit __device__ inline operator S() const { return static_cast<S>(re); }
    explicit __device__ inline operator bool() const { return re != T(0) || im != T(0); }

    __device__ inline hn_complex& operator+=(hn_complex z) { return *this = {re + z.re, im + z.im}; }
    friend __device__ inline hn_complex operator-(hn_complex z) { return {-z.re, -z.im}; }
    friend __device__ inline hn_complex operator+(hn_complex a, hn_complex b) { return {a.re + b.re, a.im + b.im}; }
    friend __device__ inline hn_complex operator-(hn_complex a, hn_complex b) { return {a.re - b.re, a.im - b.im}; }
    friend __device__ inline hn_complex operator*(hn_complex a, hn_complex b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
    // By the larger part of the divisor (R. L. Smith, Algorithm 116, 1962), as NumPy divides.
    friend __device__ inline hn_complex operator/(hn_complex a, hn_complex b) {
        if (fabs(b.re) >= fabs(b.im)) {
            if (b.re == T(0) && b.im == T(0)) return {a.re / fabs(b.re), a.im / fabs(b.re)};
            const T ratio = b.im / b.re, scale = T(1) / (b.re + b.im * ratio);
            return {(a.re + a.im * ratio) * scale, (a.im - a.re * ratio) * scale};
        }
        const T ratio = b.re / b.im, scale = T(1) / (b.im + b.re * ratio);
        return {(a.re * ratio + a.im) * scale, (a.im * ratio - a.re) * scale};
    }
    friend __device__ inline bool operator==(hn_complex a, hn_complex b) { return a.re == b.re && a.im == b.im; }
    friend __device__ inline bool operator!=(hn_complex a, hn_complex b) { return a.re != b.re || a.im != b.im; }
};

// -- parts, of real numbers too -----------------------------------------------------------------

template <class T> __device__ inline T hn_real(T x) { return x; }
template <class T> __device__ inline T hn_real(hn_complex<T> z) { return z.re; }
template <class T> __device__ inline T hn_imag(T) { return T(0); }
template <class T> __device__ inline T hn_imag(hn_complex<T> z) { return z.im; }
template <class T> __device__ inline hn_complex<T> hn_joined(T re, T im) { return {re, im}; }
template <class T> __device__ inline T hn_conjugate(T x) { return x; }
template <class T> __device__ inline hn_complex<T> hn_conjugate(hn_complex<T> z) { return {z.re, -z.im}; }
template <class T> __device__ inline T hn_abs(hn_complex<T> z) { return hypot(z.re, z.im); }
template <class T> __device__ inline hn_complex<T> hn_times_i(hn_complex<T> z) { return {-z.im, z.re}; }
template <class T> __device__ inline hn_complex<T> hn_over_i(hn_complex<T> z) { return {z.im, -z.re}; }
template <class T> __device__ inline hn_complex<T> hn_scaled(hn_complex<T> z, T by) { return {z.re * by, z.im * by}; }

template <class T> __device__ inline bool isnan(hn_complex<T> z) { return z.re != z.re || z.im != z.im; }
template <class T> __device__ inline bool isinf(hn_complex<T> z) { return isinf(z.re) || isinf(z.im); }
template <class T> __device__ inline bool isfinite(hn_complex<T> z) { return isfinite(z.re) && isfinite(z.im); }

// -- powers and logarithms ----------------------------------------------------------------------

template <class T> __device__ inline hn_complex<T> sqrt(hn_complex<T> z) {
    if (isinf(z.im)) return {fabs(z.im), z.im};
    if (z.re == T(0) && z.im == T(0)) return {T(0), z.im};
    // In quarters, so that the sum under the root does not overflow.
    const T root = T(2) * sqrt((fabs(z.re) / 8 + hypot(z.re / 8, z.im / 8)));
    if (z.re >= T(0)) return {root, z.im / (2 * root)};
    return {fabs(z.im) / (2 * root), copysign(root, z.im)};
}
template <class T> __device__ inline hn_complex<T> exp(hn_complex<T> z) {
    const T size = exp(z.re);
    if (z.im == T(0)) return {size, z.im};
    return {size * cos(z.im), size * sin(z.im)};
}
template <class T> __device__ inline hn_complex<T> exp2(hn_complex<T> z) { return exp(hn_scaled(z, T(0.69314718055994530942))); }
template <class T> __device__ inline hn_complex<T> expm1(hn_complex<T> z) {
    const T half = sin(z.im / 2);
    return {expm1(z.re) * cos(z.im) - 2 * half * half, exp(z.re) * sin(z.im)};
}
template <class T> __device__ inline hn_complex<T> log(hn_complex<T> z) { return {log(hypot(z.re, z.im)), atan2(z.im, z.re)}; }
template <class T> __device__ inline hn_complex<T> log2(hn_complex<T> z) { return hn_scaled(log(z), T(1.44269504088896340736)); }
template <class T> __device__ inline hn_complex<T> log10(hn_complex<T> z) { return hn_scaled(log(z), T(0.43429448190325182765)); }
template <class T> __device__ inline hn_complex<T> log1p(hn_complex<T> z) { return {log(hypot(z.re + 1, z.im)), atan2(z.im, z.re + 1)}; }

// Small whole exponents by squaring, others by the logarithm; 0 to a power with a positive real part is 0, and 1 to the power of 0.
template <class T> __device__ inline hn_complex<T> hn_power(hn_complex<T> base, hn_complex<T> exponent) {
    if (exponent == hn_complex<T>(0)) return {1};
    if (base == hn_complex<T>(0)) return exponent.re > T(0) && exponent.im == T(0) ? hn_complex<T>(0) : hn_complex<T>(hn_limits<T>::nan(), hn_limits<T>::nan());
    if (exponent.im == T(0) && exponent.re == rint(exponent.re) && fabs(exponent.re) < T(100)) {
        hn_complex<T> result(1);
        for (int n = static_cast<int>(fabs(exponent.re)); n > 0; n /= 2, base = base * base)
            if (n % 2) result = result * base;
        return exponent.re < T(0) ? hn_complex<T>(1) / result : result;
    }
    return exp(exponent * log(base));
}

// -- trigonometric and hyperbolic functions -----------------------------------------------------

template <class T> __device__ inline hn_complex<T> sinh(hn_complex<T> z) { return {sinh(z.re) * cos(z.im), cosh(z.re) * sin(z.im)}; }
template <class T> __device__ inline hn_complex<T> cosh(hn_complex<T> z) { return {cosh(z.re) * cos(z.im), sinh(z.re) * sin(z.im)}; }
template <class T> __device__ inline hn_complex<T> tanh(hn_complex<T> z) {
    const T s = sin(z.im), c = cos(z.im);
    if (fabs(z.re) > T(20)) return {copysign(T(1), z.re), 4 * s * c * exp(-2 * fabs(z.re))};  // where cosh² is beyond the type
    const T h = sinh(z.re), scale = T(1) / (h * h + c * c);
    return {h * cosh(z.re) * scale, s * c * scale};
}
template <class T> __device__ inline hn_complex<T> sin(hn_complex<T> z) { return hn_over_i(sinh(hn_times_i(z))); }
template <class T> __device__ inline hn_complex<T> cos(hn_complex<T> z) { return cosh(hn_times_i(z)); }
template <class T> __device__ inline hn_complex<T> tan(hn_complex<T> z) { return hn_over_i(tanh(hn_times_i(z))); }

// W. Kahan, Branch Cuts for Complex Elementary Functions, 1987: no cancellation near the cuts, and their signs of zero.
template <class T> __device__ inline hn_complex<T> asin(hn_complex<T> z) {
    const hn_complex<T> below = sqrt(hn_complex<T>(1 - z.re, -z.im)), above = sqrt(hn_complex<T>(1 + z.re, z.im));
    return {atan2(z.re, below.re * above.re - below.im * above.im), asinh(below.re * above.im - below.im * above.re)};
}
template <class T> __device__ inline hn_complex<T> acos(hn_complex<T> z) {
    const hn_complex<T> below = sqrt(hn_complex<T>(1 - z.re, -z.im)), above = sqrt(hn_complex<T>(1 + z.re, z.im));
    return {2 * atan2(below.re, above.re), asinh(above.re * below.im - above.im * below.re)};
}
template <class T> __device__ inline hn_complex<T> acosh(hn_complex<T> z) {
    const hn_complex<T> below = sqrt(hn_complex<T>(z.re - 1, z.im)), above = sqrt(hn_complex<T>(z.re + 1, z.im));
    return {asinh(below.re * above.re + below.im * above.im), 2 * atan2(below.im, above.re)};
}
template <class T> __device__ inline hn_complex<T> atanh(hn_complex<T> z) {
    const T rest = 1 - z.re;
    return {log1p(4 * z.re / (rest * rest + z.im * z.im)) / 4, atan2(2 * z.im, rest * (1 + z.re) - z.im * z.im) / 2};
}
template <class T> __device__ inline hn_complex<T> asinh(hn_complex<T> z) { return hn_over_i(asin(hn_times_i(z))); }
template <class T> __device__ inline hn_complex<T> atan(hn_complex<T> z) { return hn_over_i(atanh(hn_times_i(z))); }

// -- between threads ----------------------------------------------------------------------------

template <class T> __device__ inline hn_complex<T> __shfl_sync(unsigned mask, hn_complex<T> z, int lane) {
    return {__shfl_sync(mask, z.re, lane), __shfl_sync(mask, z.im, lane)};
}
template <class T> __device__ inline hn_complex<T> __shfl_xor_sync(unsigned mask, hn_complex<T> z, int distance) {
    return {__shfl_xor_sync(mask, z.re, distance), __shfl_xor_sync(mask, z.im, distance)};
}
template <class T> __device__ inline hn_complex<T> __shfl_up_sync(unsigned mask, hn_complex<T> z, int distance) {
    return {__shfl_up_sync(mask, z.re, distance), __shfl_up_sync(mask, z.im, distance)};
}
