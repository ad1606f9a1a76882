// rows_in_a_warp on gpu(0): 160,000 bytes of arena
//    copy_arguments<<<(20, 1), 256>>>(made0, made1, arena)
//    absolute_sum_true_divide_1<<<(63, 1), 256>>>(arena, arena)
//    copy_results<<<(20, 1), 256>>>(made0, made2, arena)

#include "functors.cuh"
#include "vector.cuh"
#include "reduce.cuh"
#include "random.cuh"
#include "staged.cuh"

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

extern "C" __global__ void put_places(long long* table, long long p0, long long p1)
{
    if (threadIdx.x > 0) return;
    table[0] = p0;
    table[1] = p1;
}

extern "C" __global__ void __launch_bounds__(256) copy_arguments(const long long* table, const long long* sizes, unsigned char* a0)
{
    int chunk = static_cast<int>(blockIdx.x);
    if (hn_copy_chunk<256>(a0, reinterpret_cast<const unsigned char*>(table[0]), sizes[0], chunk)) return;
}

extern "C" __global__ void __launch_bounds__(256) copy_results(const long long* table, const long long* sizes, const unsigned char* a0)
{
    int chunk = static_cast<int>(blockIdx.x);
    if (hn_copy_chunk<256>(reinterpret_cast<unsigned char*>(table[1]), a0, sizes[0], chunk)) return;
}
