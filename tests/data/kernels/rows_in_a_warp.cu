// rows_in_a_warp on gpu(0): 160,000 bytes of arena
//    absolute_sum_true_divide_1<<<(63, 1), 256>>>(arena, arena)

#include "functors.cuh"
#include "vector.cuh"
#include "reduce.cuh"
#include "random.cuh"

extern "C" __global__ void __launch_bounds__(256) absolute_sum_true_divide_1(const float* x0, float* y0)
{
    const int lane = threadIdx.x % 16;
    const int place = blockIdx.x * 16 + threadIdx.x / 16;
    const bool active = place <= 999;
    const int row = active ? place : 999;
    hn_pack<float, 4> a0[1];
#pragma unroll
    for (int k = 0; k < 1; ++k) {
        const int c = k * 16 + lane;
        if (c < 10) {
            a0[k] = hn_load<4>(x0 + row * 40 + c * 4);
        }
    }
    float r0 = hn_reduce_add::start<float>();
#pragma unroll
    for (int k = 0; k < 1; ++k) {
        const int c = k * 16 + lane;
        if (c < 10) {
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const float v1 = hn_abs(a0[k][e]);
                r0 = hn_reduce_add::combine(r0, v1);
            }
        }
    }
    const float t0 = hn_reduce_lanes<hn_reduce_add, 16>(r0);
#pragma unroll
    for (int k = 0; k < 1; ++k) {
        const int c = k * 16 + lane;
        if (c < 10) {
            hn_pack<float, 4> b0;
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const float v2 = (a0[k][e] / t0);
                b0.set_exact(e, v2);
            }
            if (active) hn_store(y0 + row * 40 + c * 4, b0);
        }
    }
}
