// Windows of data as the columns of a matrix for each group of channels, and back. Layouts as in kernels/im2col.cu.
#pragma once
#include "windows.cuh"

// Which element of the data an entry of the columns is; -1 for padding. groups * channels are the data's channels.
template <bool LAST> __device__ inline long long ref_source(const ref_windows& by, long long entry, long long batch, long long groups, long long channels) {
    const long long columns = LAST ? by.elements() * channels : batch * by.windows(), rows = LAST ? batch * by.windows() : by.elements() * channels;
    const long long group = entry / (rows * columns), window = LAST ? entry / columns % rows : entry % columns;
    const long long part = LAST ? entry % columns : entry / columns % rows;
    const long long channel = group * channels + (LAST ? part % channels : part / by.elements());
    const long long place = by.place(window % by.windows(), LAST ? part / channels : part % by.elements());
    const long long n = window / by.windows(), all = groups * channels;
    if (place < 0) return -1;
    return LAST ? (n * by.places() + place) * all + channel : (n * all + channel) * by.places() + place;
}

template <bool LAST, class T>
__device__ inline void ref_im2col(T* y, const T* x, const long long* numbers, long long batch, long long groups, long long channels, long long count) {
    const long long i = ref_thread();
    if (i >= count) return;
    const long long from = ref_source<LAST>(*reinterpret_cast<const ref_windows*>(numbers), i, batch, groups, channels);
    ref_store(y[i], from < 0 ? 0 : ref_load(x[from]));
}

template <bool LAST, class T>
__device__ inline void ref_col2im(T* y, const T* x, const long long* numbers, long long batch, long long groups, long long channels, long long entries,
                                  long long count) {
    const long long i = ref_thread();
    if (i >= count) return;
    double sum = 0;
    for (long long entry = 0; entry < entries; ++entry)
        if (ref_source<LAST>(*reinterpret_cast<const ref_windows*>(numbers), entry, batch, groups, channels) == i) sum += ref_load(x[entry]);
    ref_store(y[i], sum);
}
