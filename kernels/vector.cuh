// Packs: N neighbouring elements that travel in the widest accesses there are, 16 bytes each.
#pragma once
#include "types.cuh"

template <int BYTES> struct hn_word { typedef uint4 type; };  // what one access moves
template <> struct hn_word<8> { typedef uint2 type; };
template <> struct hn_word<4> { typedef unsigned type; };
template <> struct hn_word<2> { typedef unsigned short type; };
template <> struct hn_word<1> { typedef unsigned char type; };

// A device refuses what a CPU puts up with.
__device__ inline void hn_check_aligned(const void* p, int bytes) {
#ifdef CUEMU
    if (reinterpret_cast<uintptr_t>(p) % bytes) cuemu::stop("an access that is not aligned to its size");
#endif
}

template <class T, int N> struct hn_pack {
    static constexpr int bytes = N * sizeof(T);
    static constexpr int word = bytes < 16 ? bytes : 16;
    alignas(word) T at[N];

    __device__ inline typename hn_type<T>::compute operator[](int i) const { return hn_type<T>::load(at[i]); }
    __device__ inline void set(int i, typename hn_type<T>::compute x) { at[i] = hn_type<T>::store(x); }
    __device__ inline void set_exact(int i, typename hn_type<T>::compute x) { at[i] = hn_type<T>::exact(x); }  // x has been rounded to T
};

// N elements from p on, which must be aligned to min(16, N * sizeof(T)) bytes.
template <int N, class T> __device__ inline hn_pack<T, N> hn_load(const T* p) {
    typedef hn_pack<T, N> Pack;
    typedef typename hn_word<Pack::word>::type Word;
    hn_check_aligned(p, Pack::word);
    Pack pack;
#pragma unroll
    for (int i = 0; i < Pack::bytes / Pack::word; ++i) reinterpret_cast<Word*>(pack.at)[i] = reinterpret_cast<const Word*>(p)[i];
    return pack;
}

template <int N, class T> __device__ inline void hn_store(T* p, const hn_pack<T, N>& pack) {
    typedef hn_pack<T, N> Pack;
    typedef typename hn_word<Pack::word>::type Word;
    hn_check_aligned(p, Pack::word);
#pragma unroll
    for (int i = 0; i < Pack::bytes / Pack::word; ++i) reinterpret_cast<Word*>(p)[i] = reinterpret_cast<const Word*>(pack.at)[i];
}

// Have a pack take no more registers than its bytes need: without this the compiler would keep its elements as the
// numbers that they were converted to, for a later use of them.
template <class T, int N> __device__ inline void hn_stay_packed(hn_pack<T, N>& pack) {
#ifndef CUEMU
    if constexpr (sizeof(T) == 2 && N == 1) asm volatile("" : "+h"(pack.at[0].bits));
    if constexpr (sizeof(T) == 2 && N > 1)
#pragma unroll
        for (int i = 0; i < N / 2; ++i) asm volatile("" : "+r"(reinterpret_cast<unsigned*>(pack.at)[i]));
#endif
}

// Loads that are written after this come after it, so that not all of them take registers at the same time.
__device__ inline void hn_in_order() {
#ifndef CUEMU
    asm volatile("" ::: "memory");
#endif
}

// Ask for a line of 128 bytes to be brought near, in the cache that all multiprocessors share: a later load waits less.
__device__ inline void hn_prefetch(const void* p) {
#ifndef CUEMU
    asm volatile("prefetch.global.L2 [%0];" ::"l"(p));
#endif
}
