// layer_norm on gpu(0): 3,700,736 bytes of arena
//    layer_norm_1<<<(150, 1), 128>>>(arena, arena+3686400, arena+3689472, arena+1843200, arena+3695616, arena+3698176)
//    layer_norm_grad_1<<<(150, 1), 128>>>(arena+921600, arena, arena+3695616, arena+3698176, arena+3686400, arena+921600, arena+2764800, arena+3225600)
//    layer_norm_grad_2<<<(24, 2), 512>>>(arena+2764800, arena+3225600, arena+3689472, arena+3692544)

#include "functors.cuh"
#include "vector.cuh"
#include "reduce.cuh"
#include "random.cuh"
#include "layer_norm.cu"

extern "C" __global__ void __launch_bounds__(128) layer_norm_1(const hn_bfloat16* x0, const float* x1, const float* x2, hn_bfloat16* y0, float* y1, float* y2)
{
    hn_layer_norm<hn_bfloat16, hn_bfloat16, float, 128, 32, 8, 3, true>(x0, x1, x2, y0, y1, y2, 600, 768, 1e-05);
}

extern "C" __global__ void __launch_bounds__(128, 4) layer_norm_grad_1(const hn_bfloat16* x0, const hn_bfloat16* x1, const float* x2, const float* x3, const float* x4, hn_bfloat16* y0, float* t0, float* t1)
{
    hn_layer_norm_grad<hn_bfloat16, hn_bfloat16, float, float, 128, 32, 8, 3, true>(x0, x1, x2, x3, x4, y0, t0, t1, 600, 768, 1e-05);
}

extern "C" __global__ void __launch_bounds__(512) layer_norm_grad_2(float* t0, float* t1, float* y1, float* y2)
{
    hn_add_partials<float, float>(t0, t1, y1, y2, 150, 768);
}
