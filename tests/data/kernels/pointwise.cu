// pointwise on gpu(0): 66,560 bytes of arena
//    copy_arguments<<<(9, 1), 256>>>(made0, made1, arena, arena+65536)
//    add_tanh_multiply_1<<<(16, 1), 256>>>(arena, arena+65536, arena)
//    copy_results<<<(8, 1), 256>>>(made0, made2, arena)

#include "functors.cuh"
#include "vector.cuh"
#include "reduce.cuh"
#include "random.cuh"
#include "staged.cuh"

static __device__ inline void add_tanh_multiply_1_element(float x0, float x1, float& y0)
{
    const float v2 = (x0 + x1);
    const float v3 = tanh(v2);
    const float v4 = (v3 * x0);
    y0 = v4;
}

extern "C" __global__ void __launch_bounds__(256) add_tanh_multiply_1(const float* x0, const float* x1, float* y0)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 4096; i += step) {
        const int i1 = i % 64;
        const int i0 = i / 64;
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i1 * 4 + i0 * 256);
        const hn_pack<float, 4> a1 = hn_load<4>(x1 + i1 * 4);
        hn_pack<float, 4> b0;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            add_tanh_multiply_1_element(a0[e], a1[e], r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i1 * 4 + i0 * 256, b0);
    }
}

extern "C" __global__ void put_places(long long* table, long long p0, long long p1, long long p2)
{
    if (threadIdx.x > 0) return;
    table[0] = p0;
    table[1] = p1;
    table[2] = p2;
}

extern "C" __global__ void __launch_bounds__(256) copy_arguments(const long long* table, const long long* sizes, unsigned char* a0, unsigned char* a1)
{
    int chunk = static_cast<int>(blockIdx.x);
    if (hn_copy_chunk<256>(a0, reinterpret_cast<const unsigned char*>(table[0]), sizes[0], chunk)) return;
    if (hn_copy_chunk<256>(a1, reinterpret_cast<const unsigned char*>(table[1]), sizes[1], chunk)) return;
}

extern "C" __global__ void __launch_bounds__(256) copy_results(const long long* table, const long long* sizes, const unsigned char* a0)
{
    int chunk = static_cast<int>(blockIdx.x);
    if (hn_copy_chunk<256>(reinterpret_cast<unsigned char*>(table[2]), a0, sizes[0], chunk)) return;
}
