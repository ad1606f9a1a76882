// What the plain kernels share. Each is one thread an element of the result, in the order of memory, summing in double from
// left to right: what a kernel of kernels/ computes, without anything that makes it fast.
#pragma once
#include "types.cuh"

// The number of this thread, which is that of its element.
__device__ inline long long ref_thread() { return static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x; }

template <class T> __device__ inline double ref_load(T x) { return static_cast<double>(hn_type<T>::load(x)); }
template <class T> __device__ inline void ref_store(T& place, double x) { place = hn_type<T>::store(x); }
