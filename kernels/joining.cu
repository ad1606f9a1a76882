// Arrays put together: concatenation, and a slice written into an array, or into zeros (the gradient of a slice).
//
// Each goes over its result, in packs of 16 bytes where the parts' lengths allow it, and finds where each pack comes from.
// Concatenation: the result as rows, each a piece of every operand one after another; finding a pack's operand takes a
// comparison for every operand before it. Slices: for each axis of the array, where the slice begins, how far apart its places
// are, how many there are, and the stride of the written value along it.
//
// Bytes moved: those of the result, written, and as many read (for zeros, only the slice; in place, the slice alone is moved). The limit on paper is the copy
// bandwidth; measured share of the copy bandwidth: still to be measured.
// Plainly: tests/emulator/reference/joining.cuh. It is more by packs of 16 bytes, by one launch for all operands,
// and by asking for each element what lies there rather than looking through the slice.
#pragma once
#include "each.cuh"

// The pack at `column` of a row that is made up of operands LENGTH packs long.
template <int WIDTH, class Index, class T, long long LENGTH, long long... LENGTHS, class... Rest>
__device__ inline hn_pack<T, WIDTH> hn_part(hn_list<LENGTH, LENGTHS...>, Index row, Index column, const T* x, Rest... rest) {
    if constexpr (sizeof...(Rest) > 0) {
        if (column >= LENGTH) return hn_part<WIDTH>(hn_list<LENGTHS...>{}, row, static_cast<Index>(column - LENGTH), rest...);
    }
    return hn_load<WIDTH>(x + (row * Index(LENGTH) + column) * WIDTH);
}

// y: rows of ROW packs, the parts joined.
template <class Index, Index COUNT, int WIDTH, Index ROW, class Lengths, class T, class... Rest>
__device__ inline void hn_concatenate(T* y, const T* x, Rest... rest) {
    hn_fill<Index, COUNT, WIDTH>(y, [=](Index i) { return hn_part<WIDTH>(Lengths{}, static_cast<Index>(i / ROW), static_cast<Index>(i % ROW), x, rest...); });
}

// What a slice takes of an axis of length N: COUNT places from START on, STEP apart (above 0); STRIDE: of the value.
template <long long N, long long START, long long STEP, long long COUNT, long long STRIDE> struct hn_cut {};
// Axes, the innermost first.
template <class... Cuts> struct hn_cuts {};

// Whether the element of number i lies in the slice; `offset` gains where its value lies.
template <class Index> __device__ inline bool hn_inside(hn_cuts<>, Index, Index&) { return true; }
template <class Index, long long N, long long START, long long STEP, long long COUNT, long long STRIDE, class... Outer>
__device__ inline bool hn_inside(hn_cuts<hn_cut<N, START, STEP, COUNT, STRIDE>, Outer...>, Index i, Index& offset) {
    const Index at = (sizeof...(Outer) == 0 ? i : i % Index(N)) - Index(START), k = at / Index(STEP);
    if (at < 0 || at % Index(STEP) != 0 || k >= Index(COUNT)) return false;
    offset += k * Index(STRIDE);
    return sizeof...(Outer) == 0 || hn_inside(hn_cuts<Outer...>{}, static_cast<Index>(i / Index(N)), offset);
}

// The pack of number i as the value sets it, whose elements along the innermost axis lie STEP (0 or 1) apart, or zeros.
template <class T, int WIDTH, class Cuts, long long START, int STEP, class Index, class V>
__device__ inline hn_set_pack<T, WIDTH> hn_cut_out(const V* value, Index i) {
    Index at = Index(START);
    if (!hn_inside(Cuts{}, i, at)) return {hn_sums<T, WIDTH>().stored(), false};
    return {hn_converted<T, WIDTH, STEP>(value + at), true};
}

// y: x with the slice that Cuts say set to the value; x may be y.
template <class Index, Index COUNT, int WIDTH, class Cuts, long long START, int STEP, class T, class V>
__device__ inline void hn_set_slice(T* y, const T* x, const V* value) {
    hn_set_some<Index, COUNT, WIDTH>(y, x, [=](Index i) { return hn_cut_out<T, WIDTH, Cuts, START, STEP>(value, i); });
}

// y: zeros with the slice set.
template <class Index, Index COUNT, int WIDTH, class Cuts, long long START, int STEP, class T, class V>
__device__ inline void hn_place_slice(T* y, const V* value) {
    hn_fill<Index, COUNT, WIDTH>(y, [=](Index i) { return hn_cut_out<T, WIDTH, Cuts, START, STEP>(value, i).pack; });
}
