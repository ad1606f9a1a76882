// Bytes from and to places that a table in memory names: arguments of a program, which lie elsewhere at each call, and its results.
//
// Each array is cut into chunks, a block each; a place of 0 stands for an array that is copied otherwise. How many bytes an array has
// stands in memory too, so that programs of other lengths are the same text.
// Bytes moved: those of the arrays, read and written, 16 to an access where both ends allow it. They are few: it is the launch that counts,
// one in place of one an array. Measured: still to be measured.
#pragma once
#include "vector.cuh"

constexpr int HN_STAGED_CHUNK = 8192;  // bytes of a block: two accesses of each of 256 threads

template <int WIDTH, int THREADS> __device__ inline void hn_copy_packs(unsigned char* to, const unsigned char* from, int begin, int end) {
    for (int i = begin + static_cast<int>(threadIdx.x) * WIDTH; i < end; i += THREADS * WIDTH) hn_store(to + i, hn_load<WIDTH>(from + i));
}

// Copies the chunk of that number, of an array of so many bytes; if it has fewer chunks, counts them off for the next array, and says so.
template <int THREADS> __device__ inline bool hn_copy_chunk(unsigned char* to, const unsigned char* from, long long bytes, int& chunk) {
    const int size = static_cast<int>(bytes), chunks = (size + HN_STAGED_CHUNK - 1) / HN_STAGED_CHUNK;
    if (chunk >= chunks) {
        chunk -= chunks;
        return false;
    }
    if (to == nullptr || from == nullptr) return true;
    const int begin = chunk * HN_STAGED_CHUNK, end = size - begin < HN_STAGED_CHUNK ? size : begin + HN_STAGED_CHUNK;
    const unsigned long long places = reinterpret_cast<unsigned long long>(to) | reinterpret_cast<unsigned long long>(from);
    const int width = places % 16 == 0 ? 16 : places % 4 == 0 ? 4 : 1, packed = begin + (end - begin) / width * width;
    if (width == 16) hn_copy_packs<16, THREADS>(to, from, begin, packed);
    if (width == 4) hn_copy_packs<4, THREADS>(to, from, begin, packed);
    hn_copy_packs<1, THREADS>(to, from, width == 1 ? begin : packed, end);
    return true;
}
