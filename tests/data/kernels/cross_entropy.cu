// cross_entropy on gpu(0): 289,024 bytes of arena
//    copy_arguments<<<(38, 1), 256>>>(made0, made1, arena, arena+288000, arena+288256)
//    add_1<<<(1, 1), 256>>>(arena+288256, arena+288512)
//    softmax_cross_entropy_both_1<<<(48, 1), 1024>>>(arena, arena+288000, arena+288256, arena+288512, arena+288768, arena)
//    copy_results<<<(37, 1), 256>>>(made0, made2, arena+288768, arena)

#include "functors.cuh"
#include "vector.cuh"
#include "reduce.cuh"
#include "random.cuh"
#include "cross_entropy.cu"
#include "staged.cuh"

static __device__ inline void add_1_element(float x0, float& y0)
{
    const float v2 = (x0 + 0.0f);
    y0 = v2;
}

extern "C" __global__ void __launch_bounds__(256) add_1(const float* x0, float* y0)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 12; i += step) {
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i * 4);
        hn_pack<float, 4> b0;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            add_1_element(a0[e], r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i * 4, b0);
    }
}

extern "C" __global__ void __launch_bounds__(1024) softmax_cross_entropy_both_1(const hn_bfloat16* x0, const int* x1, const float* x2, const float* x3, float* y0, hn_bfloat16* y1)
{
    hn_cross_entropy_both<hn_bfloat16, float, int, 1024, 1024, 4>(x0, x1, x2, x3, y0, y1, 48, 3000);
}

extern "C" __global__ void put_places(long long* table, long long p0, long long p1, long long p2, long long p3, long long p4)
{
    if (threadIdx.x > 0) return;
    table[0] = p0;
    table[1] = p1;
    table[2] = p2;
    table[3] = p3;
    table[4] = p4;
}

extern "C" __global__ void __launch_bounds__(256) copy_arguments(const long long* table, const long long* sizes, unsigned char* a0, unsigned char* a1, unsigned char* a2)
{
    int chunk = static_cast<int>(blockIdx.x);
    if (hn_copy_chunk<256>(a0, reinterpret_cast<const unsigned char*>(table[0]), sizes[0], chunk)) return;
    if (hn_copy_chunk<256>(a1, reinterpret_cast<const unsigned char*>(table[1]), sizes[1], chunk)) return;
    if (hn_copy_chunk<256>(a2, reinterpret_cast<const unsigned char*>(table[2]), sizes[2], chunk)) return;
}

extern "C" __global__ void __launch_bounds__(256) copy_results(const long long* table, const long long* sizes, const unsigned char* a0, const unsigned char* a1)
{
    int chunk = static_cast<int>(blockIdx.x);
    if (hn_copy_chunk<256>(reinterpret_cast<unsigned char*>(table[3]), a0, sizes[0], chunk)) return;
    if (hn_copy_chunk<256>(reinterpret_cast<unsigned char*>(table[4]), a1, sizes[1], chunk)) return;
}
