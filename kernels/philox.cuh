// Philox 4x32-10: counter-based random bits, a pure function of (counter, key).
// Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011; the constants are theirs.
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
