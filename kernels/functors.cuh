// One function for each scalar operator that is more than a C++ operator or a function of CUDA's math
// library; operators' records name them (Op.cuda). They mean what NumPy's functions mean: NaN goes
// through, division of integers by zero gives 0, remainders have the divisor's sign.
//
// T is the type that values are computed in (float for the 16-bit types): see types.cuh.
#pragma once
#include "types.cuh"

// -- larger and smaller -----------------------------------------------------------------------

template <class T> __device__ inline T hn_max(T a, T b) { return a >= b || a != a ? a : b; }
template <class T> __device__ inline T hn_min(T a, T b) { return a <= b || a != a ? a : b; }
template <class T> __device__ inline T hn_fmax(T a, T b) { return a >= b || b != b ? a : b; }
template <class T> __device__ inline T hn_fmin(T a, T b) { return a <= b || b != b ? a : b; }

struct hn_none {};  // an absent bound

// A bound as a value of T: of integers the nearest in range, cut to a whole number.
template <class T> __device__ inline T hn_bound(double bound) {
    if constexpr (!hn_is_floating<T>::value) {
        if (bound <= static_cast<double>(hn_limits<T>::lowest())) return hn_limits<T>::lowest();
        if (bound >= static_cast<double>(hn_limits<T>::highest())) return hn_limits<T>::highest();
    }
    return static_cast<T>(bound);
}
template <> __device__ inline bool hn_bound(double bound) { return bound != 0; }  // as NumPy converts it
template <class T> __device__ inline T hn_above(T x, double low) { return hn_max(x, hn_bound<T>(low)); }
template <class T> __device__ inline T hn_above(T x, hn_none) { return x; }
template <class T> __device__ inline T hn_below(T x, double high) { return hn_min(x, hn_bound<T>(high)); }
template <class T> __device__ inline T hn_below(T x, hn_none) { return x; }
template <class T, class Low, class High> __device__ inline T hn_clip(T x, Low low, High high) { return hn_below(hn_above(x, low), high); }

// -- signs ------------------------------------------------------------------------------------

template <class T> __device__ inline T hn_abs(T x) {
    if constexpr (hn_is_floating<T>::value) return fabs(x);
    else return x < T(0) ? T(-x) : x;
}
template <class T> __device__ inline T hn_sign(T x) { return x != x ? x : T((x > T(0)) - (x < T(0))); }

// -- division ---------------------------------------------------------------------------------

// Of integers: b = -1 apart, since the lowest number divided by it overflows (and traps on a CPU).
template <class T> __device__ inline T hn_floor_divide(T a, T b) {
    if constexpr (hn_is_floating<T>::value) {
        if (b == T(0)) return a / b;
        const T rest = fmod(a, b);
        const T quotient = rint((a - rest) / b) - T(rest != T(0) && (rest < T(0)) != (b < T(0)));
        return quotient == T(0) ? T(copysign(T(0), a / b)) : quotient;
    } else {
        if (b == T(0)) return T(0);
        if (hn_limits<T>::is_signed && b == T(-1)) return T(0ull - a);
        return T(a / b - (a % b != 0 && (a < T(0)) != (b < T(0))));
    }
}

template <class T> __device__ inline T hn_mod(T a, T b) {
    if constexpr (hn_is_floating<T>::value) {
        const T rest = fmod(a, b);
        if (rest == T(0)) return copysign(T(0), b);
        return (rest < T(0)) != (b < T(0)) ? rest + b : rest;
    } else {
        if (b == T(0) || (hn_limits<T>::is_signed && b == T(-1))) return T(0);
        const T rest = a % b;
        return rest != T(0) && (rest < T(0)) != (b < T(0)) ? T(rest + b) : rest;
    }
}

template <class T> __device__ inline T hn_fmod(T a, T b) {
    if constexpr (hn_is_floating<T>::value) return fmod(a, b);
    else return b == T(0) || (hn_limits<T>::is_signed && b == T(-1)) ? T(0) : T(a % b);
}

// Of gradients: g / slope and g * slope, and g where that is 0 and the slope has no number to give (0, infinite, NaN).
template <class T> __device__ inline T hn_slope(T g, T found) { return g == T(0) && found != found ? g : found; }
template <class T> __device__ inline T hn_gradient_quotient(T g, T slope) { return hn_slope(g, T(g / slope)); }
template <class T> __device__ inline T hn_gradient_product(T g, T slope) { return hn_slope(g, T(g * slope)); }

// -- integers ---------------------------------------------------------------------------------

// In unsigned numbers, which hold the size of the lowest number as well.
template <class T> __device__ inline unsigned long long hn_size(T x) { return x < T(0) ? 0ull - x : static_cast<unsigned long long>(x); }
__device__ inline unsigned long long hn_gcd_of_sizes(unsigned long long a, unsigned long long b) {
    while (b != 0) {
        const unsigned long long rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}
template <class T> __device__ inline T hn_gcd(T a, T b) { return static_cast<T>(hn_gcd_of_sizes(hn_size(a), hn_size(b))); }
template <class T> __device__ inline T hn_lcm(T a, T b) {
    const unsigned long long divisor = hn_gcd_of_sizes(hn_size(a), hn_size(b));
    return divisor == 0 ? T(0) : static_cast<T>(hn_size(a) / divisor * hn_size(b));
}

template <class T> __device__ inline T hn_invert(T x) { return T(~x); }
template <> __device__ inline bool hn_invert(bool x) { return !x; }

// Shifts by the width of the type and more, and by negative counts, leave nothing but the sign.
template <class T> __device__ inline T hn_left_shift(T a, T b) { return static_cast<unsigned long long>(b) < 8 * sizeof(T) ? T(a << b) : T(0); }
template <class T> __device__ inline T hn_right_shift(T a, T b) {
    if (static_cast<unsigned long long>(b) < 8 * sizeof(T)) return T(a >> b);
    return a < T(0) ? T(-1) : T(0);
}

// -- powers and logarithms --------------------------------------------------------------------

// Of integers by squaring, wrapping around; exponents are not negative (NumPy refuses those).
template <class T> __device__ inline T hn_power(T base, T exponent) {
    if constexpr (hn_is_floating<T>::value) {
        return pow(base, exponent);
    } else {
        T result = 1;
        for (; exponent > T(0); exponent = exponent / 2) {
            if (exponent % 2 != 0) result = T(result * base);
            base = T(base * base);
        }
        return result;
    }
}

template <class T> __device__ inline T hn_logaddexp(T a, T b) {
    if (a == b) return a + T(0.69314718055994530942);  // infinities as well
    const T difference = a - b;
    return (difference > T(0) ? a : b) + log1p(exp(-fabs(difference)));
}

// -- the gamma function's logarithm and derivatives -------------------------------------------

template <class T> __device__ inline T hn_gammaln(T x) { return x == hn_limits<T>::lowest() ? x : lgamma(x); }  // as SciPy has it at -infinity

// The derivatives are computed in double: few programs use them, and the recurrences lose digits.

// Digamma: psi(x) = psi(x + 1) - 1 / x up to x >= 10, then the asymptotic series (DLMF 5.11.2);
// below 0 the reflection psi(1 - x) - psi(x) = pi / tan(pi x) (DLMF 5.5.4).
__device__ inline double hn_digamma_double(double x) {
    const double pi = 3.14159265358979323846;
    if (x == 0) return -copysign(hn_limits<double>::highest(), x);
    double shift = 0;
    if (x < 0) {
        if (x == floor(x)) return hn_limits<double>::nan();
        shift = -pi / tan(pi * (x - floor(x)));
        x = 1 - x;
    }
    for (; x < 10; x += 1) shift -= 1 / x;
    const double s = 1 / (x * x);
    const double series = s * (1. / 12 - s * (1. / 120 - s * (1. / 252 - s * (1. / 240 - s * (1. / 132 - s * (691. / 32760 - s / 12))))));
    return shift + log(x) - 0.5 / x - series;
}
template <class T> __device__ inline T hn_digamma(T x) { return static_cast<T>(hn_digamma_double(x)); }

// The Hurwitz zeta function for whole s >= 2: the first terms, then Euler-Maclaurin (DLMF 2.10.1).
__device__ inline double hn_zeta(int s, double q) {
    if (q <= 0 && q == floor(q)) return hn_limits<double>::highest();
    if (q < -100000) return hn_limits<double>::nan();  // as many terms as that
    double sum = 0;
    for (int i = 0; i < 10 || q < 10; ++i, q += 1) sum += pow(q, static_cast<double>(-s));
    const double last = pow(q, static_cast<double>(-s));
    sum += pow(q, 1. - s) / (s - 1) + last / 2;
    // B(2k) / (2k)!
    const double bernoulli[8] = {1. / 12, -1. / 720, 1. / 30240, -1. / 1209600, 1. / 47900160, -691. / 1307674368000., 1. / 74724249600., -3617. / 10670622842880000.};
    double term = s * last / q;
    for (int k = 0; k < 8; ++k) {
        sum += bernoulli[k] * term;
        term *= (s + 2. * k + 1) * (s + 2. * k + 2) / (q * q);
    }
    return sum;
}

// The n-th derivative of digamma: (-1)^(n+1) n! zeta(n + 1, x) (DLMF 5.15.1).
template <class T> __device__ inline T hn_polygamma(int n, T x) {
    const double size = tgamma(n + 1.) * hn_zeta(n + 1, x);
    return static_cast<T>(n % 2 ? size : -size);
}
