// strided on gpu(0): 36,864 bytes of arena
//    copy_arguments<<<(5, 1), 256>>>(made0, made1, arena, arena+24576)
//    exp_add_1<<<(3, 1), 256>>>(arena, arena+24576, arena+24576)
//    copy_results<<<(2, 1), 256>>>(made0, made2, arena+24576)

#include "functors.cuh"
#include "vector.cuh"
#include "reduce.cuh"
#include "random.cuh"
#include "staged.cuh"

static __device__ inline void exp_add_1_element(float x0, float x1, float& y0)
{
    const float v2 = exp(x0);
    const float v3 = (v2 + x1);
    y0 = v3;
}

extern "C" __global__ void __launch_bounds__(256) exp_add_1(const float* x0, const float* x1, float* y0)
{
    HN_SHARED(scratch);
    float* const tile0 = reinterpret_cast<float*>(scratch + 0);
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int left = blockIdx.x % 1 * 32;
    const int top = blockIdx.x / 1 % 3 * 32;
    hn_pack<float, 1> a0[4];
    hn_pack<float, 1> a1[4];
#pragma unroll
    for (int u = 0; u < 4; ++u) {
        const int in_i = warp + u / 1 * 8;
        const int in_j = lane + u % 1 * 32;
        const int i = left + in_i;
        const int j = top + in_j;
        a0[u] = hn_load<1>(x0 + i * 192 + j);
    }
#pragma unroll
    for (int u = 0; u < 4; ++u) {
        const int in_i = lane + u % 1 * 32;
        const int in_j = warp + u / 1 * 8;
        const int i = left + in_i;
        const int j = top + in_j;
        a1[u] = hn_load<1>(x1 + i + j * 32);
    }
#pragma unroll
    for (int u = 0; u < 4; ++u) {
        const int in_i = warp + u / 1 * 8;
        const int in_j = lane + u % 1 * 32;
        tile0[in_j * 33 + in_i] = a0[u].at[0];
    }
    __syncthreads();
#pragma unroll
    for (int u = 0; u < 4; ++u) {
        const int in_i = lane + u % 1 * 32;
        const int in_j = warp + u / 1 * 8;
        const int i = left + in_i;
        const int j = top + in_j;
        a0[u].at[0] = tile0[in_j * 33 + in_i];
        hn_pack<float, 1> b0;
        float r0;
        exp_add_1_element(a0[u][0], a1[u][0], r0);
        b0.set_exact(0, r0);
        hn_store(y0 + i + j * 32, b0);
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
