// For each element (or pack of neighbours) of a result: where it comes from, as an index that is taken apart.
//
// Kernels that only move elements, or look at a few near ones, are all of this form: a grid that strides over the
// result, and a map from the number of a pack to offsets in the operands. The map is a type: extents and strides are
// constants, so that the compiler turns divisions into multiplications.
#pragma once
#include "vector.cuh"

// put(i, make(i)) for i below COUNT. What two calls of `make` load is under way before the first is put anywhere.
template <class Index, Index COUNT, class Make, class Put> __device__ inline void hn_each(Make make, Put put) {
    const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
#pragma unroll 1
    for (Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; i < COUNT; i += 2 * step) {
        const auto first = make(i);
        if (i + step < COUNT) {
            const auto second = make(static_cast<Index>(i + step));
            put(static_cast<Index>(i + step), second);
        }
        put(i, first);
    }
}

// As many packs, one after another in y.
template <class Index, Index COUNT, int WIDTH, class T, class Make> __device__ inline void hn_fill(T* y, Make make) {
    hn_each<Index, COUNT>(make, [=](Index i, const hn_pack<T, WIDTH>& pack) { hn_store(y + i * WIDTH, pack); });
}

// The same by a grid that has a thread for each pack: where `make` loads much by itself.
template <class Index, Index COUNT, int WIDTH, class T, class Make> __device__ inline void hn_fill_once(T* y, Make make) {
    const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i < COUNT) hn_store(y + i * WIDTH, make(i));
}

// The same number in every place.
template <class Index, Index COUNT, int WIDTH, class T> __device__ inline void hn_fill_with(T* y, double number) {
    hn_pack<T, WIDTH> pack;
#pragma unroll
    for (int e = 0; e < WIDTH; ++e) pack.set(e, static_cast<typename hn_type<T>::compute>(number));
    hn_fill<Index, COUNT, WIDTH>(y, [=](Index) { return pack; });
}

// Sums for a pack, in the type that T is computed in.
template <class T, int WIDTH> struct hn_sums {
    typename hn_type<T>::compute at[WIDTH];
    __device__ inline hn_sums() {
#pragma unroll
        for (int e = 0; e < WIDTH; ++e) at[e] = 0;
    }
    __device__ inline hn_pack<typename hn_type<T>::compute, WIDTH> unrounded() const {
        hn_pack<typename hn_type<T>::compute, WIDTH> pack;
#pragma unroll
        for (int e = 0; e < WIDTH; ++e) pack.at[e] = at[e];
        return pack;
    }
    __device__ inline hn_pack<T, WIDTH> stored() const {
        hn_pack<T, WIDTH> pack;
#pragma unroll
        for (int e = 0; e < WIDTH; ++e) pack.set(e, at[e]);
        return pack;
    }
};

// WIDTH elements of another type from p on, STEP (0 or 1) apart.
template <class T, int WIDTH, int STEP, class V> __device__ inline hn_pack<T, WIDTH> hn_converted(const V* p) {
    constexpr int loaded = STEP ? WIDTH : 1;
    const hn_pack<V, loaded> given = hn_load<loaded>(p);
    hn_pack<T, WIDTH> pack;
#pragma unroll
    for (int e = 0; e < WIDTH; ++e) pack.set(e, static_cast<typename hn_type<T>::compute>(given[e * STEP]));
    return pack;
}

// A pack that is set to something, or left as it was.
template <class T, int WIDTH> struct hn_set_pack {
    hn_pack<T, WIDTH> pack;
    bool set;
};

// y: x with the packs set that set(i) says, of which no more is touched if x lies in the same place.
template <class Index, Index COUNT, int WIDTH, class T, class Set> __device__ inline void hn_set_some(T* y, const T* x, Set set) {
    const bool in_place = x == y;
    const auto make = [=](Index i) {
        hn_set_pack<T, WIDTH> made = set(i);
        if (!made.set && !in_place) made.pack = hn_load<WIDTH>(x + i * WIDTH);
        return made;
    };
    hn_each<Index, COUNT>(make, [=](Index i, const hn_set_pack<T, WIDTH>& made) {
        if (made.set || !in_place) hn_store(y + i * WIDTH, made.pack);
    });
}

template <long long... NUMBERS> struct hn_list {
    static constexpr int size = sizeof...(NUMBERS);
    static __device__ constexpr long long at(int i) {
        const long long numbers[] = {NUMBERS..., 0};
        return numbers[i];
    }
};

// An axis of what a kernel goes over: how far it goes, and each operand's stride along it.
template <long long EXTENT, long long... STRIDES> struct hn_axis {};
// Axes, the innermost first.
template <class... Axes> struct hn_axes {};

// Where operand K has the element of number i.
template <int K, class Index> __device__ inline Index hn_offset(hn_axes<>, Index) { return 0; }
template <int K, class Index, long long N, long long... STRIDES, class... Outer>
__device__ inline Index hn_offset(hn_axes<hn_axis<N, STRIDES...>, Outer...>, Index i) {
    constexpr Index stride = hn_list<STRIDES...>::at(K);
    if constexpr (sizeof...(Outer) == 0) return i * stride;
    else return i % Index(N) * stride + hn_offset<K>(hn_axes<Outer...>{}, static_cast<Index>(i / Index(N)));
}

// An index into an axis of length N: a negative one counts from the end, and one out of range goes around.
template <long long N, class I> __device__ inline long long hn_wrapped(I index) {
    long long i = static_cast<long long>(index);
    if (i < 0) i += N;
    if (static_cast<unsigned long long>(i) >= static_cast<unsigned long long>(N)) {
        i %= N;
        if (i < 0) i += N;
    }
    return i;
}

// Offsets that depend on arrays of indices: operand 0 is what they index, operand K + 1 is table K, whose
// indices go over LENGTH places that lie STRIDE apart in operand 0.
template <long long LENGTH, long long STRIDE> struct hn_table {};
template <class... Tables> struct hn_tables {};

template <int K, class Index, class Axes> __device__ inline Index hn_looked_up(Axes, hn_tables<>, Index) { return 0; }
template <int K, class Index, class Axes, long long LENGTH, long long STRIDE, class... Tables, class I, class... Rest>
__device__ inline Index hn_looked_up(Axes axes, hn_tables<hn_table<LENGTH, STRIDE>, Tables...>, Index i, const I* table, Rest... rest) {
    const Index here = static_cast<Index>(hn_wrapped<LENGTH>(table[hn_offset<K>(axes, i)])) * Index(STRIDE);
    return here + hn_looked_up<K + 1>(axes, hn_tables<Tables...>{}, i, rest...);
}

// Where the element of number i lies in the array that tables index; START is the offset of the first one.
template <class Axes, class Tables, long long START, class Index, class... I> __device__ inline Index hn_place(Index i, const I*... tables) {
    return Index(START) + hn_offset<0>(Axes{}, i) + hn_looked_up<1>(Axes{}, Tables{}, i, tables...);
}
