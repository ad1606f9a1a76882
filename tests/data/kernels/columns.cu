// columns on gpu(0): 793,088 bytes of arena
//    copy_arguments<<<(94, 1), 256>>>(made0, made1, arena)
//    multiply_sum_1<<<(1, 31), 256>>>(arena, arena+781056)
//    multiply_sum_2<<<(3, 1), 256>>>(arena+781056, arena+780032)
//    max_1<<<(1, 31), 256>>>(arena, arena+768000)
//    max_2<<<(3, 1), 256>>>(arena+768000, arena+780544)
//    copy_results<<<(2, 1), 256>>>(made0, made2, arena+780032, arena+780544)

#include "functors.cuh"
#include "vector.cuh"
#include "reduce.cuh"
#include "random.cuh"
#include "staged.cuh"

extern "C" __global__ void __launch_bounds__(256) multiply_sum_1(const float* x0, float* y0)
{
    HN_SHARED(scratch);
    const int lane = threadIdx.x / 32;
    const int place = blockIdx.x * 32 + threadIdx.x % 32;
    const bool active = place <= 23;
    const int row = active ? place : 23;
    float r0[4];
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        r0[e] = hn_reduce_add::start<float>();
    }
    for (int batch = 0; batch < 9; batch += 3) {
        hn_pack<float, 4> a0[3];
#pragma unroll
        for (int k = 0; k < 3; ++k) {
            const int c = blockIdx.y * 72 + (batch + k) * 8 + lane;
            if (c < 2000) {
                a0[k] = hn_load<4>(x0 + row * 4 + c * 96);
            }
        }
#pragma unroll
        for (int k = 0; k < 3; ++k) {
            const int c = blockIdx.y * 72 + (batch + k) * 8 + lane;
            if (c < 2000) {
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    const float v1 = (a0[k][e] * a0[k][e]);
                    r0[e] = hn_reduce_add::combine(r0[e], v1);
                }
            }
        }
    }
    hn_reduce_columns<hn_reduce_add, 32, 8>(r0, scratch);
    hn_pack<float, 4> b0;
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        b0.set_exact(e, r0[e]);
    }
    if (lane == 0 && active) hn_store(y0 + row * 4 + blockIdx.y * 96, b0);
}

extern "C" __global__ void __launch_bounds__(256) multiply_sum_2(const float* x0, float* y0)
{
    HN_SHARED(scratch);
    const int lane = threadIdx.x / 8;
    const int place = blockIdx.x * 8 + threadIdx.x % 8;
    const int row = place;
    float r0[4];
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        r0[e] = hn_reduce_add::start<float>();
    }
    {
        hn_pack<float, 4> a0[1];
#pragma unroll
        for (int k = 0; k < 1; ++k) {
            const int c = k * 32 + lane;
            if (c < 31) {
                a0[k] = hn_load<4>(x0 + row * 4 + c * 96);
            }
        }
#pragma unroll
        for (int k = 0; k < 1; ++k) {
            const int c = k * 32 + lane;
            if (c < 31) {
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    r0[e] = hn_reduce_add::combine(r0[e], a0[k][e]);
                }
            }
        }
    }
    hn_reduce_columns<hn_reduce_add, 8, 32>(r0, scratch);
    hn_pack<float, 4> b0;
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        b0.set_exact(e, r0[e]);
    }
    if (lane == 0) hn_store(y0 + row * 4, b0);
}

extern "C" __global__ void __launch_bounds__(256) max_1(const float* x0, float* y0)
{
    HN_SHARED(scratch);
    const int lane = threadIdx.x / 32;
    const int place = blockIdx.x * 32 + threadIdx.x % 32;
    const bool active = place <= 23;
    const int row = active ? place : 23;
    float r0[4];
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        r0[e] = hn_reduce_max::start<float>();
    }
    for (int batch = 0; batch < 9; batch += 3) {
        hn_pack<float, 4> a0[3];
#pragma unroll
        for (int k = 0; k < 3; ++k) {
            const int c = blockIdx.y * 72 + (batch + k) * 8 + lane;
            if (c < 2000) {
                a0[k] = hn_load<4>(x0 + row * 4 + c * 96);
            }
        }
#pragma unroll
        for (int k = 0; k < 3; ++k) {
            const int c = blockIdx.y * 72 + (batch + k) * 8 + lane;
            if (c < 2000) {
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    r0[e] = hn_reduce_max::combine(r0[e], a0[k][e]);
                }
            }
        }
    }
    hn_reduce_columns<hn_reduce_max, 32, 8>(r0, scratch);
    hn_pack<float, 4> b0;
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        b0.set_exact(e, r0[e]);
    }
    if (lane == 0 && active) hn_store(y0 + row * 4 + blockIdx.y * 96, b0);
}

extern "C" __global__ void __launch_bounds__(256) max_2(const float* x0, float* y0)
{
    HN_SHARED(scratch);
    const int lane = threadIdx.x / 8;
    const int place = blockIdx.x * 8 + threadIdx.x % 8;
    const int row = place;
    float r0[4];
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        r0[e] = hn_reduce_max::start<float>();
    }
    {
        hn_pack<float, 4> a0[1];
#pragma unroll
        for (int k = 0; k < 1; ++k) {
            const int c = k * 32 + lane;
            if (c < 31) {
                a0[k] = hn_load<4>(x0 + row * 4 + c * 96);
            }
        }
#pragma unroll
        for (int k = 0; k < 1; ++k) {
            const int c = k * 32 + lane;
            if (c < 31) {
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    r0[e] = hn_reduce_max::combine(r0[e], a0[k][e]);
                }
            }
        }
    }
    hn_reduce_columns<hn_reduce_max, 8, 32>(r0, scratch);
    hn_pack<float, 4> b0;
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        b0.set_exact(e, r0[e]);
    }
    if (lane == 0) hn_store(y0 + row * 4, b0);
}

extern "C" __global__ void put_places(long long* table, long long p0, long long p1, long long p2)
{
    if (threadIdx.x > 0) return;
    table[0] = p0;
    table[1] = p1;
    table[2] = p2;
}

extern "C" __global__ void __launch_bounds__(256) copy_arguments(const long long* table, const long long* sizes, unsigned char* a0)
{
    int chunk = static_cast<int>(blockIdx.x);
    if (hn_copy_chunk<256>(a0, reinterpret_cast<const unsigned char*>(table[0]), sizes[0], chunk)) return;
}

extern "C" __global__ void __launch_bounds__(256) copy_results(const long long* table, const long long* sizes, const unsigned char* a0, const unsigned char* a1)
{
    int chunk = static_cast<int>(blockIdx.x);
    if (hn_copy_chunk<256>(reinterpret_cast<unsigned char*>(table[1]), a0, sizes[0], chunk)) return;
    if (hn_copy_chunk<256>(reinterpret_cast<unsigned char*>(table[2]), a1, sizes[1], chunk)) return;
}
