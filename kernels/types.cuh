// Element types: how values of each are stored and what they are computed in.
//
// 16-bit floating values are stored as bits, computed as float and rounded (to nearest, ties to even)
// where a graph's value has that type; every other type is computed in itself. No CUDA header is
// needed, so that NVRTC compiles these files alone. Raw PTX stands behind #ifndef CUEMU, with the
// same conversion in plain C++ for the emulator (tests/emulator/cuemu.h).
#pragma once

struct alignas(2) hn_half { unsigned short bits; };
struct alignas(2) hn_bfloat16 { unsigned short bits; };

__device__ inline hn_half hn_to_half(float x) {
#ifndef CUEMU
    hn_half h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h.bits) : "f"(x));
    return h;
#else
    return {cuemu::half_bits(x)};
#endif
}

__device__ inline float hn_from_half(hn_half h) {
#ifndef CUEMU
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(h.bits));
    return x;
#else
    return cuemu::half_value(h.bits);
#endif
}

__device__ inline hn_bfloat16 hn_to_bfloat16(float x) {
#ifndef CUEMU
    hn_bfloat16 b;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(b.bits) : "f"(x));
    return b;
#else
    return {cuemu::bfloat16_bits(x)};
#endif
}

// The upper half of a float is the bfloat16 nearest to zero from it.
__device__ inline float hn_from_bfloat16(hn_bfloat16 b) { return __uint_as_float(static_cast<unsigned>(b.bits) << 16); }

template <class T> struct hn_type {
    typedef T compute;
    static __device__ inline T load(T x) { return x; }
    template <class S> static __device__ inline T store(S x) { return static_cast<T>(x); }
    static __device__ inline T exact(T x) { return x; }  // a value that has been rounded to T
};
template <> struct hn_type<hn_half> {
    typedef float compute;
    static __device__ inline float load(hn_half x) { return hn_from_half(x); }
    template <class S> static __device__ inline hn_half store(S x) { return hn_to_half(static_cast<float>(x)); }
    static __device__ inline hn_half exact(float x) { return hn_to_half(x); }
};
template <> struct hn_type<hn_bfloat16> {
    typedef float compute;
    static __device__ inline float load(hn_bfloat16 x) { return hn_from_bfloat16(x); }
    template <class S> static __device__ inline hn_bfloat16 store(S x) { return hn_to_bfloat16(static_cast<float>(x)); }
    static __device__ inline hn_bfloat16 exact(float x) { return {static_cast<unsigned short>(__float_as_uint(x) >> 16)}; }
};

// x as a value of type T, in the type that T is computed in: hn_cast<hn_half>(x) rounds a float to 16 bits.
template <class T, class S> __device__ inline typename hn_type<T>::compute hn_cast(S x) { return hn_type<T>::load(hn_type<T>::store(x)); }

// The ends of a type's range, infinite for floating types; what maxima and minima start from.
template <class T> struct hn_limits {
    static constexpr bool is_signed = T(-1) < T(0);
    static constexpr T top = is_signed ? T((1ull << (8 * sizeof(T) - 1)) - 1) : T(~0ull);
    static __device__ inline T highest() { return top; }
    static __device__ inline T lowest() { return T(~top); }
};
template <> struct hn_limits<bool> {
    static __device__ inline bool highest() { return true; }
    static __device__ inline bool lowest() { return false; }
};
template <> struct hn_limits<float> {
    static __device__ inline float highest() { return __int_as_float(0x7f800000); }
    static __device__ inline float lowest() { return -highest(); }
    static __device__ inline float nan() { return __int_as_float(0x7fc00000); }
};
template <> struct hn_limits<double> {
    static __device__ inline double highest() { return __longlong_as_double(0x7ff0000000000000ll); }
    static __device__ inline double lowest() { return -highest(); }
    static __device__ inline double nan() { return __longlong_as_double(0x7ff8000000000000ll); }
};

template <class T> struct hn_is_floating { static constexpr bool value = false; };
template <> struct hn_is_floating<float> { static constexpr bool value = true; };
template <> struct hn_is_floating<double> { static constexpr bool value = true; };

// Shared memory whose bytes are given at launch. One declaration for all: within a kernel, which is extern "C", and within
// a function, which is not, it would be two variables of one name.
#ifndef CUEMU
extern __shared__ __align__(16) unsigned char hn_shared_memory[];
#define HN_SHARED(name) unsigned char* const name = hn_shared_memory
#endif
