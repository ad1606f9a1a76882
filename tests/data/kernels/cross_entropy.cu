// cross_entropy on gpu(0): 289,024 bytes of arena
//    softmax_cross_entropy_1<<<(48, 1), 1024>>>(arena, arena+288000, arena+288512, arena+288768)
//    softmax_cross_entropy_grad_1<<<(48, 1), 1024>>>(arena, arena+288000, arena+288768, arena+288256, arena+288256, arena)

#include "functors.cuh"
#include "vector.cuh"
#include "reduce.cuh"
#include "random.cuh"
#include "cross_entropy.cu"

extern "C" __global__ void __launch_bounds__(1024) softmax_cross_entropy_1(const hn_bfloat16* x0, const int* x1, float* y0, float* y1)
{
    hn_cross_entropy<hn_bfloat16, int, 1024, 1024, 4>(x0, x1, y0, y1, 48, 3000);
}

extern "C" __global__ void __launch_bounds__(1024) softmax_cross_entropy_grad_1(const hn_bfloat16* x0, const int* x1, const float* x2, const float* x3, const float* x4, hn_bfloat16* y0)
{
    hn_cross_entropy_grad<hn_bfloat16, float, int, 1024, 1024, 4>(x0, x1, x2, x3, x4, y0, 48, 3000);
}
