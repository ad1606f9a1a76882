// pointwise_16_bits on gpu(0): 144,384 bytes of arena
//    copy_arguments<<<(7, 1), 256>>>(made0, made1, arena+96000, arena+144128)
//    exp_cast_multiply_1<<<(12, 1), 256>>>(arena+96000, arena+144128, arena)
//    copy_results<<<(12, 1), 256>>>(made0, made2, arena)

#include "functors.cuh"
#include "vector.cuh"
#include "reduce.cuh"
#include "random.cuh"
#include "staged.cuh"

static __device__ inline void exp_cast_multiply_1_element(float x0, float x1, float& y0)
{
    const float v2 = hn_cast<hn_bfloat16>(exp(x0));
    const float v3 = hn_cast<float>(v2);
    const float v4 = (v3 * x1);
    y0 = v4;
}

extern "C" __global__ void __launch_bounds__(256) exp_cast_multiply_1(const hn_bfloat16* x0, const float* x1, float* y0)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 2997; i += step) {
        const int i1 = i % 3;
        const int i0 = i / 3;
        const hn_pack<hn_bfloat16, 8> a0 = hn_load<8>(x0 + i1 * 8 + i0 * 24);
        const hn_pack<float, 8> a1 = hn_load<8>(x1 + i1 * 8);
        hn_pack<float, 8> b0;
#pragma unroll
        for (int e = 0; e < 8; ++e) {
            float r0;
            exp_cast_multiply_1_element(a0[e], a1[e], r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i1 * 8 + i0 * 24, b0);
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
