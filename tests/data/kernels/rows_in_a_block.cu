// rows_in_a_block on gpu(0): 3,000,064 bytes of arena
//    cast_max_subtract_exp_sum_true_divide_1<<<(300, 1), 256>>>(arena, arena)

#include "functors.cuh"
#include "vector.cuh"
#include "reduce.cuh"
#include "random.cuh"

extern "C" __global__ void __launch_bounds__(256) cast_max_subtract_exp_sum_true_divide_1(const hn_half* x0, hn_half* y0)
{
    HN_SHARED(scratch);
    const int lane = threadIdx.x;
    const int place = blockIdx.x;
    const int row = place;
    hn_pack<hn_half, 8> a0[3];
#pragma unroll
    for (int k = 0; k < 3; ++k) {
        const int c = k * 256 + lane;
        if (c < 625) {
            a0[k] = hn_load<8>(x0 + row * 5000 + c * 8);
        }
    }
    float r0 = hn_reduce_max::start<float>();
#pragma unroll
    for (int k = 0; k < 3; ++k) {
        const int c = k * 256 + lane;
        if (c < 625) {
#pragma unroll
            for (int e = 0; e < 8; ++e) {
                const float v1 = hn_cast<float>(a0[k][e]);
                r0 = hn_reduce_max::combine(r0, v1);
            }
        }
    }
    const float t0 = hn_reduce_block<hn_reduce_max, 256>(r0, scratch);
    float r1 = hn_reduce_add::start<float>();
#pragma unroll
    for (int k = 0; k < 3; ++k) {
        const int c = k * 256 + lane;
        if (c < 625) {
#pragma unroll
            for (int e = 0; e < 8; ++e) {
                const float v2 = hn_cast<float>(a0[k][e]);
                const float v3 = (v2 - t0);
                const float v4 = exp(v3);
                r1 = hn_reduce_add::combine(r1, v4);
            }
        }
    }
    const float t1 = hn_reduce_block<hn_reduce_add, 256>(r1, scratch);
#pragma unroll
    for (int k = 0; k < 3; ++k) {
        const int c = k * 256 + lane;
        if (c < 625) {
            hn_pack<hn_half, 8> b0;
#pragma unroll
            for (int e = 0; e < 8; ++e) {
                const float v3 = hn_cast<float>(a0[k][e]);
                const float v4 = (v3 - t0);
                const float v5 = exp(v4);
                const float v6 = (v5 / t1);
                const float v7 = hn_cast<hn_half>(v6);
                b0.set_exact(e, v7);
            }
            hn_store(y0 + row * 5000 + c * 8, b0);
        }
    }
}
