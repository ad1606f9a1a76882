// Philox 4x32-10: counter-based random bits, a pure function of (counter, key).
// Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011; the constants are theirs.
//
// A draw is named by a seed (the key) and a counter (the upper half of Philox's); the lower half numbers the
// blocks of 128 bits that the draw owns. An element finds its bits by its number in the draw's array alone, so
// that it is the same in every kernel.
#pragma once

__device__ inline uint4 hn_philox(uint4 counter, uint2 key) {
#pragma unroll
    for (int round = 0; round < 10; ++round) {
        const unsigned high0 = __umulhi(0xD2511F53u, counter.x), low0 = 0xD2511F53u * counter.x;
        const unsigned high1 = __umulhi(0xCD9E8D57u, counter.z), low1 = 0xCD9E8D57u * counter.z;
        counter = make_uint4(high1 ^ counter.y ^ key.x, low1, high0 ^ counter.w ^ key.y, low0);
        key.x += 0x9E3779B9u;
        key.y += 0xBB67AE85u;
    }
    return counter;
}

// The upper 24 bits as a float in [0, 1): every value exact.
__device__ inline float hn_uniform(unsigned bits) { return static_cast<float>(bits >> 8) * (1.f / 16777216.f); }

// An element by the number of its pack's first one, and which of the pack it is. Packs begin at multiples of their
// length, which is a power of two: so the compiler, having unrolled the loop over e, sees which elements share a
// block, and computes that once.
template <class I> struct hn_number {
    I first;  // unsigned, of 32 or 64 bits
    unsigned e;

    template <int EACH> __device__ inline unsigned long long block() const { return first / EACH + (first % EACH + e) / EACH; }
    template <int EACH> __device__ inline unsigned within() const { return (first % EACH + e) % EACH; }
};

struct hn_draw {
    unsigned long long seed, counter;

    __device__ inline uint4 block(unsigned long long number) const {
        const uint4 place = make_uint4(static_cast<unsigned>(number), static_cast<unsigned>(number >> 32), static_cast<unsigned>(counter),
                                       static_cast<unsigned>(counter >> 32));
        return hn_philox(place, make_uint2(static_cast<unsigned>(seed), static_cast<unsigned>(seed >> 32)));
    }

    // An element's bits, where elements take 16, 32 or 64 each.
    template <class I> __device__ inline unsigned bits16(hn_number<I> i) const {
        const unsigned at = i.template within<8>();
        return word(block(i.template block<8>()), at / 2) >> (at % 2 * 16) & 0xffff;
    }
    template <class I> __device__ inline unsigned bits32(hn_number<I> i) const {
        return word(block(i.template block<4>()), i.template within<4>());
    }
    template <class I> __device__ inline unsigned long long bits64(hn_number<I> i) const {
        const uint4 b = block(i.template block<2>());
        return i.template within<2>() ? joined(b.z, b.w) : joined(b.x, b.y);
    }

    static __device__ inline unsigned word(uint4 b, unsigned i) { return i / 2 ? (i % 2 ? b.w : b.z) : (i % 2 ? b.y : b.x); }
    static __device__ inline unsigned long long joined(unsigned low, unsigned high) {
        return low | static_cast<unsigned long long>(high) << 32;
    }
};
