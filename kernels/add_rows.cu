// Sums of the rows that have the same number: the gradients of taking by indices (an embedding's above all).
//
// g: COUNT rows (positions) of INNER elements; the number of each follows from arrays of indices (hn_place). y: for every
// number the sum of its rows, zeros where there is none. Positions are sorted by their numbers, stably, by radix: eight
// bits at a time, a launch that counts digits in each block's tile, and one that puts positions where they belong. Then
// runs of equal numbers are summed in the order of positions: the sorted list is cut into chunks; a chunk stores the runs that
// begin in it, or, where the last one goes on behind it, that sum's beginning (tails), and what belongs to a run from before
// it (heads); a last launch adds up heads behind their tail. No atomics on floats, and an order of additions that depends on
// nothing but the indices. Long runs (padding, a vocabulary of two) are spread over as many chunks as they fill. 16-bit
// numbers are summed in float.
//
// Bytes moved, with n numbers and m positions of r bytes a row: n r for the zeros, m r read, at most m r written; sorting
// takes about 28 bytes a position and pass. An embedding of 50257 rows of 768 float32 and 8192 positions: 154 MB of zeros,
// 25 MB read, at most 25 MB written, 0.5 MB to sort. The limit on paper is the copy bandwidth; measured share of the copy bandwidth:
// still to be measured. Variant not taken: a warp for each number that looks through all positions (n m comparisons).
// Plainly: tests/emulator/reference/add_rows.cuh. It is more because each thread there looks through
// all positions: sorted first, every row of g is read once, and the order of additions is the same every time.
#pragma once
#include "each.cuh"

constexpr int HN_RADIX = 256;                    // digits, and threads of a block, which has one for each
constexpr int HN_SORT_ROUNDS = 8;                // of 32 positions that a warp takes, one after another
constexpr int HN_SORT_TILE = HN_RADIX * HN_SORT_ROUNDS;  // positions of a block

// numbers: the row of y that every position belongs to.
template <class Index, Index COUNT, class Axes, class Tables, long long START, class... I>
__device__ inline void hn_row_numbers(int* numbers, const I*... tables) {
    hn_each<Index, COUNT>([=](Index i) { return static_cast<int>(hn_place<Axes, Tables, START>(i, tables...)); },
                          [=](Index i, int row) { numbers[i] = row; });
}

// The place in the list that a thread takes in a round: warps take pieces of 32 * HN_SORT_ROUNDS, lane by lane.
__device__ inline int hn_sort_place(int round) {
    return blockIdx.x * HN_SORT_TILE + (threadIdx.x / 32 * HN_SORT_ROUNDS + round) * 32 + threadIdx.x % 32;
}
// The position there; before the first pass all stand in their own places.
template <bool FIRST> __device__ inline int hn_position(const int* order, int place) {
    if constexpr (FIRST) return place;
    else return order[place];
}

// counts: how often every digit (the eight bits from SHIFT on) comes in each block's tile, a block's 256 counts one after another.
template <int COUNT, int SHIFT, bool FIRST> __device__ inline void hn_count_digits(int* counts, const int* numbers, const int* order) {
    HN_SHARED(shared);
    int* const found = reinterpret_cast<int*>(shared);
    found[threadIdx.x] = 0;
    __syncthreads();
#pragma unroll
    for (int round = 0; round < HN_SORT_ROUNDS; ++round) {
        const int place = hn_sort_place(round);
        if (place < COUNT) atomicAdd(found + (numbers[hn_position<FIRST>(order, place)] >> SHIFT) % HN_RADIX, 1);
    }
    __syncthreads();
    counts[blockIdx.x * HN_RADIX + threadIdx.x] = found[threadIdx.x];
}

// The lanes of a warp (of those in `active`) with the same digit as this one.
__device__ inline unsigned hn_same_digit(unsigned active, int digit) {
    unsigned same = active;
#pragma unroll
    for (int bit = 0; bit < 8; ++bit) {
        const unsigned ones = __ballot_sync(0xffffffffu, digit >> bit & 1);
        same &= digit >> bit & 1 ? ones : ~ones;
    }
    return same;
}

// The sum of the values of all threads before this one, in a block of HN_RADIX.
__device__ inline int hn_sum_before(int value, int* scratch) {
    int sum = value;
#pragma unroll
    for (int distance = 1; distance < 32; distance *= 2) {
        const int before = __shfl_up_sync(0xffffffffu, sum, distance);
        if (static_cast<int>(threadIdx.x % 32) >= distance) sum += before;
    }
    if (threadIdx.x % 32 == 31) scratch[threadIdx.x / 32] = sum;
    __syncthreads();
    for (int warp = 0; warp < static_cast<int>(threadIdx.x / 32); ++warp) sum += scratch[warp];
    return sum - value;
}

// sorted: the positions in `order` by the eight bits of their numbers from SHIFT on, equal ones in the order in which they were.
template <int COUNT, int SHIFT, bool FIRST>
__device__ inline void hn_place_digits(int* sorted, const int* counts, const int* numbers, const int* order) {
    constexpr int WARPS = HN_RADIX / 32, BLOCKS = (COUNT + HN_SORT_TILE - 1) / HN_SORT_TILE;
    HN_SHARED(shared);
    int* const next = reinterpret_cast<int*>(shared);  // for each warp and digit, where the next position goes
    int* const scratch = next + WARPS * HN_RADIX;
    int *const mine = next + threadIdx.x / 32 * HN_RADIX, position[HN_SORT_ROUNDS], digit[HN_SORT_ROUNDS];
    for (int w = 0; w < WARPS; ++w) next[w * HN_RADIX + threadIdx.x] = 0;
    __syncthreads();
#pragma unroll
    for (int round = 0; round < HN_SORT_ROUNDS; ++round) {
        const int place = hn_sort_place(round);
        position[round] = place < COUNT ? hn_position<FIRST>(order, place) : 0;
        digit[round] = (numbers[position[round]] >> SHIFT) % HN_RADIX;
        if (place < COUNT) atomicAdd(mine + digit[round], 1);
    }
    // This thread's digit: those of all blocks before this one's, and of all smaller digits.
    int total = 0, before = 0;
    for (int b = 0; b < BLOCKS; ++b) {
        const int n = counts[b * HN_RADIX + threadIdx.x];
        before += b < static_cast<int>(blockIdx.x) ? n : 0;
        total += n;
    }
    int start = before + hn_sum_before(total, scratch);  // its barrier also ends the counting
    for (int w = 0; w < WARPS; ++w) {
        const int n = next[w * HN_RADIX + threadIdx.x];
        next[w * HN_RADIX + threadIdx.x] = start;
        start += n;
    }
    __syncthreads();
#pragma unroll
    for (int round = 0; round < HN_SORT_ROUNDS; ++round) {
        const bool there = hn_sort_place(round) < COUNT;
        const unsigned same = hn_same_digit(__ballot_sync(0xffffffffu, there), digit[round]);
        const int rank = __popc(same & ((1u << threadIdx.x % 32) - 1)), first = mine[digit[round]];
        __syncwarp();
        if (there) {
            sorted[first + rank] = position[round];
            if (rank == 0) mine[digit[round]] = first + __popc(same);
        }
        __syncwarp();
    }
}

// Which chunk of the sorted list, and which pack of its rows, a thread has: LANES neighbours share a chunk.
template <int COUNT, int CHUNK, int LANES, int WIDTH, class Index, Index INNER> struct hn_run_share {
    static constexpr int chunks = (COUNT + CHUNK - 1) / CHUNK, packs = static_cast<int>(INNER / WIDTH), groups = (packs + LANES - 1) / LANES;
    int chunk, from, to, column;
    __device__ inline hn_run_share() {
        const long long team = (static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x) / LANES;
        chunk = static_cast<int>(team / groups);
        column = (static_cast<int>(team % groups) * LANES + static_cast<int>(threadIdx.x % LANES)) * WIDTH;
        from = chunk * CHUNK;
        to = COUNT - from < CHUNK ? COUNT : from + CHUNK;
    }
    __device__ inline bool idle() const { return chunk >= chunks || column >= INNER; }
};

// y: the sums of runs that begin and end in a chunk; heads, tails: see above.
template <class Share, int COUNT, int CHUNK, int WIDTH, class Index, Index INNER, class T, class C>
__device__ inline void hn_add_runs(T* y, C* heads, C* tails, const T* g, const int* numbers, const int* order) {
    constexpr int AT_ONCE = 4;  // loads under way
    const Share share;
    if (share.idle()) return;
    const int from = share.from, to = share.to, chunk = share.chunk, column = share.column;
    int current = numbers[order[from]];
    bool head = from > 0 && numbers[order[from - 1]] == current;
    hn_sums<T, WIDTH> sums;
    for (int j = from; j < to; j += AT_ONCE) {
        hn_pack<T, WIDTH> packs[AT_ONCE];
        int rows[AT_ONCE];
#pragma unroll
        for (int u = 0; u < AT_ONCE; ++u) {
            const int position = order[j + u < to ? j + u : to - 1];
            rows[u] = numbers[position];
            packs[u] = hn_load<WIDTH>(g + position * INNER + column);
        }
#pragma unroll
        for (int u = 0; u < AT_ONCE; ++u) {
            if (j + u >= to) break;
            if (rows[u] != current) {
                if (head) hn_store(heads + chunk * INNER + column, sums.unrounded());
                else hn_store(y + current * INNER + column, sums.stored());
                current = rows[u];
                head = false;
                sums = hn_sums<T, WIDTH>();
            }
#pragma unroll
            for (int e = 0; e < WIDTH; ++e) sums.at[e] += packs[u][e];
        }
    }
    if (head) hn_store(heads + chunk * INNER + column, sums.unrounded());
    else if (to < COUNT && numbers[order[to]] == current) hn_store(tails + chunk * INNER + column, sums.unrounded());
    else hn_store(y + current * INNER + column, sums.stored());
}

// y: the sums of runs that begin in a chunk and go on behind it.
template <class Share, int COUNT, int CHUNK, int WIDTH, class Index, Index INNER, class T, class C>
__device__ inline void hn_join_runs(T* y, const C* heads, const C* tails, const int* numbers, const int* order) {
    const Share share;
    if (share.idle() || share.to == COUNT) return;
    const int from = share.from, current = numbers[order[share.to - 1]], column = share.column;
    if (numbers[order[share.to]] != current) return;
    if (from > 0 && numbers[order[from]] == current && numbers[order[from - 1]] == current) return;  // began before
    hn_sums<T, WIDTH> sums;
    const hn_pack<C, WIDTH> tail = hn_load<WIDTH>(tails + share.chunk * INNER + column);
#pragma unroll
    for (int e = 0; e < WIDTH; ++e) sums.at[e] = tail[e];
    for (int chunk = share.chunk + 1; chunk < Share::chunks && numbers[order[chunk * CHUNK]] == current; ++chunk) {
        const hn_pack<C, WIDTH> head = hn_load<WIDTH>(heads + chunk * INNER + column);
#pragma unroll
        for (int e = 0; e < WIDTH; ++e) sums.at[e] += head[e];
    }
    hn_store(y + current * INNER + column, sums.stored());
}
