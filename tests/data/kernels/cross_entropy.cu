// cross_entropy on gpu(0): 289,024 bytes of arena
//    add_1<<<(1, 1), 256>>>(arena+288256, arena+288512)
//    softmax_cross_entropy_both_1<<<(48, 1), 1024>>>(arena, arena+288000, arena+288256, arena+288512, arena+288768, arena)

#include "functors.cuh"
#include "vector.cuh"
#include "reduce.cuh"
#include "random.cuh"
#include "cross_entropy.cu"

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
