// recurrent_step on gpu(0): 44,544 bytes of arena
//    matmul_bias: cuBLASLt 1 × 96×12×24 float32 bias(arena+35328, in2, in3, arena)
//    matmul_bias: cuBLASLt 1 × 96×24×8 float32 bias(made0, in4, in5, arena+18432)
//    add_multiply_tanh_1<<<(1, 1), 256>>>(arena, arena+18432, arena+96, arena+18528, arena+192, arena+18624, arena+288, arena+18720, arena+9312, arena+9216, arena+9408, arena+23040, arena+9504, arena+39936)
//    matmul_bias: cuBLASLt 1 × 96×24×8 float32 bias(arena+39936, in4, in5, arena+18432)
//    add_multiply_tanh_2<<<(1, 1), 256>>>(arena+3072, arena+18432, arena+3168, arena+18528, arena+3264, arena+18624, arena+3360, arena+18720, arena+23040, arena+12384, arena+12288, arena+12480, arena+23808, arena+12576, arena+40704)
//    matmul_bias: cuBLASLt 1 × 96×24×8 float32 bias(arena+40704, in4, in5, arena+18432)
//    add_multiply_tanh_2<<<(1, 1), 256>>>(arena+6144, arena+18432, arena+6240, arena+18528, arena+6336, arena+18624, arena+6432, arena+18720, arena+23808, arena+15456, arena+15360, arena+15552, arena+24576, arena+15648, arena+41472)
//    matmul_bias: cuBLASLt 1 × 10×24×8 float32 bias(arena+41472, in6, in7, arena+38656)
//    softmax_cross_entropy_both_1<<<(1, 1), 256>>>(arena+38656, arena+36608, made1, made1, arena+37632, arena+38656)
//    sum_1<<<(1, 1), 256>>>(arena+38656, in8)
//    matmul: cuBLASLt 1 × 24×10×8 float32(arena+38656, in6, arena+36864)
//    matmul: cuBLASLt 1 × 24×8×10 float32(arena+38656, arena+41472, in9)
//    slice_grad_1<<<(1, 1), 256>>>(arena+18432, arena+36864)
//    concatenate_1<<<(1, 1), 256>>>(arena+25344, made2, arena+39936)
//    concatenate_1<<<(1, 1), 256>>>(arena+42240, made2, arena+23040)
//    multiply_subtract_1<<<(1, 1), 256>>>(arena+9408, arena+9216, arena+20736)
//    multiply_subtract_2<<<(1, 1), 256>>>(arena+42240, arena+9312, arena+42240)
//    multiply_subtract_3<<<(1, 1), 256>>>(arena+9408, arena+9216, arena+27648)
//    tanh_multiply_subtract_1<<<(1, 1), 256>>>(arena+23040, arena+9504, arena+23040, arena+29952)
//    multiply_add_1<<<(1, 1), 256>>>(arena+19968, arena+31488, arena+22272, arena+43776, arena+29184, arena+39168, arena+6144, arena+6240, arena+6336)
//    multiply_1<<<(1, 1), 256>>>(arena+19968, arena+24576, arena+6432)
//    matmul: cuBLASLt 1 × 24×96×8 float32(arena+6144, in4, arena+36608)
//    add_multiply_1<<<(1, 1), 256>>>(arena+39168, arena+15456, arena+19200, arena+36608, arena+30720, arena+21504, arena+43008, arena+28416, arena+23808, arena+39168, arena+3072, arena+3168, arena+3264, arena+3360)
//    matmul: cuBLASLt 1 × 24×96×8 float32(arena+3072, in4, arena+36608)
//    multiply_add_2<<<(1, 1), 256>>>(arena+39168, arena+12384, arena+18432, arena+36608, arena+29952, arena+20736, arena+42240, arena+27648, arena+23040, arena, arena+96, arena+192, arena+288)
//    matmul: cuBLASLt 1 × 24×24×96 float32(arena, arena+25344, in11)
//    sum_2<<<(3, 1), 256>>>(arena, in10)
//    matmul: cuBLASLt 1 × 12×24×96 float32(arena, arena+35328, in13)
//    add_1<<<(1, 1), 256>>>(in14, in14)
//    multiply_cast_1<<<(1, 1), 256>>>(in15, arena+37888)
//    multiply_subtract_4<<<(1, 1), 256>>>(in10, arena+37888, in5, in5)
//    multiply_subtract_4<<<(1, 1), 256>>>(in10, arena+37888, in3, in3)
//    sum_true_divide_1<<<(1, 1), 256>>>(arena+37632, arena+38144)
//    multiply_subtract_5<<<(5, 1), 256>>>(made3, arena+37888)
//    copy_1<<<(1, 1), 256>>>(in10, in12)

#include "functors.cuh"
#include "vector.cuh"
#include "reduce.cuh"
#include "random.cuh"
#include "cross_entropy.cu"
#include "joining.cu"

static __device__ inline void add_multiply_tanh_1_element(float x0, float x1, float x2, float x3, float x4, float x5, float x6, float x7, float& y0, float& y1, float& y2, float& y3, float& y4, float& y5)
{
    const float v8 = (x0 + x1);
    const float v9 = (x2 + x3);
    const float v10 = (x4 + x5);
    const float v11 = (x6 + x7);
    const float v13 = (v9 * 0.5f);
    const float v14 = tanh(v13);
    const float v15 = (v14 * 0.5f);
    const float v16 = (v15 + 0.5f);
    const float v17 = (v8 * 0.5f);
    const float v18 = tanh(v17);
    const float v19 = (v18 * 0.5f);
    const float v20 = (v19 + 0.5f);
    const float v21 = tanh(v10);
    const float v22 = (v20 * v21);
    const float v24 = (v16 * 0.0f);
    const float v25 = (v24 + v22);
    const float v26 = (v11 * 0.5f);
    const float v27 = tanh(v26);
    const float v28 = (v27 * 0.5f);
    const float v29 = (v28 + 0.5f);
    const float v30 = tanh(v25);
    const float v31 = (v29 * v30);
    y0 = v16;
    y1 = v20;
    y2 = v21;
    y3 = v25;
    y4 = v29;
    y5 = v31;
}

extern "C" __global__ void __launch_bounds__(256) add_multiply_tanh_1(const float* x0, const float* x1, const float* x2, const float* x3, const float* x4, const float* x5, const float* x6, const float* x7, float* y0, float* y1, float* y2, float* y3, float* y4, float* y5)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 48; i += step) {
        const int i1 = i % 6;
        const int i0 = i / 6;
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i1 * 4 + i0 * 96);
        const hn_pack<float, 4> a1 = hn_load<4>(x1 + i1 * 4 + i0 * 96);
        const hn_pack<float, 4> a2 = hn_load<4>(x2 + i1 * 4 + i0 * 96);
        const hn_pack<float, 4> a3 = hn_load<4>(x3 + i1 * 4 + i0 * 96);
        const hn_pack<float, 4> a4 = hn_load<4>(x4 + i1 * 4 + i0 * 96);
        const hn_pack<float, 4> a5 = hn_load<4>(x5 + i1 * 4 + i0 * 96);
        const hn_pack<float, 4> a6 = hn_load<4>(x6 + i1 * 4 + i0 * 96);
        const hn_pack<float, 4> a7 = hn_load<4>(x7 + i1 * 4 + i0 * 96);
        hn_pack<float, 4> b0;
        hn_pack<float, 4> b1;
        hn_pack<float, 4> b2;
        hn_pack<float, 4> b3;
        hn_pack<float, 4> b4;
        hn_pack<float, 4> b5;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            float r1;
            float r2;
            float r3;
            float r4;
            float r5;
            add_multiply_tanh_1_element(a0[e], a1[e], a2[e], a3[e], a4[e], a5[e], a6[e], a7[e], r0, r1, r2, r3, r4, r5);
            b0.set_exact(e, r0);
            b1.set_exact(e, r1);
            b2.set_exact(e, r2);
            b3.set_exact(e, r3);
            b4.set_exact(e, r4);
            b5.set_exact(e, r5);
        }
        hn_store(y0 + i1 * 4 + i0 * 96, b0);
        hn_store(y1 + i1 * 4 + i0 * 96, b1);
        hn_store(y2 + i1 * 4 + i0 * 96, b2);
        hn_store(y3 + i1 * 4 + i0 * 24, b3);
        hn_store(y4 + i1 * 4 + i0 * 96, b4);
        hn_store(y5 + i1 * 4 + i0 * 24, b5);
    }
}

static __device__ inline void add_multiply_tanh_2_element(float x0, float x1, float x2, float x3, float x4, float x5, float x6, float x7, float x8, float& y0, float& y1, float& y2, float& y3, float& y4, float& y5)
{
    const float v9 = (x0 + x1);
    const float v10 = (x2 + x3);
    const float v11 = (x4 + x5);
    const float v12 = (x6 + x7);
    const float v14 = (v10 * 0.5f);
    const float v15 = tanh(v14);
    const float v16 = (v15 * 0.5f);
    const float v17 = (v16 + 0.5f);
    const float v18 = (v17 * x8);
    const float v19 = (v9 * 0.5f);
    const float v20 = tanh(v19);
    const float v21 = (v20 * 0.5f);
    const float v22 = (v21 + 0.5f);
    const float v23 = tanh(v11);
    const float v24 = (v22 * v23);
    const float v25 = (v18 + v24);
    const float v26 = (v12 * 0.5f);
    const float v27 = tanh(v26);
    const float v28 = (v27 * 0.5f);
    const float v29 = (v28 + 0.5f);
    const float v30 = tanh(v25);
    const float v31 = (v29 * v30);
    y0 = v17;
    y1 = v22;
    y2 = v23;
    y3 = v25;
    y4 = v29;
    y5 = v31;
}

extern "C" __global__ void __launch_bounds__(256) add_multiply_tanh_2(const float* x0, const float* x1, const float* x2, const float* x3, const float* x4, const float* x5, const float* x6, const float* x7, const float* x8, float* y0, float* y1, float* y2, float* y3, float* y4, float* y5)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 48; i += step) {
        const int i1 = i % 6;
        const int i0 = i / 6;
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i1 * 4 + i0 * 96);
        const hn_pack<float, 4> a1 = hn_load<4>(x1 + i1 * 4 + i0 * 96);
        const hn_pack<float, 4> a2 = hn_load<4>(x2 + i1 * 4 + i0 * 96);
        const hn_pack<float, 4> a3 = hn_load<4>(x3 + i1 * 4 + i0 * 96);
        const hn_pack<float, 4> a4 = hn_load<4>(x4 + i1 * 4 + i0 * 96);
        const hn_pack<float, 4> a5 = hn_load<4>(x5 + i1 * 4 + i0 * 96);
        const hn_pack<float, 4> a6 = hn_load<4>(x6 + i1 * 4 + i0 * 96);
        const hn_pack<float, 4> a7 = hn_load<4>(x7 + i1 * 4 + i0 * 96);
        const hn_pack<float, 4> a8 = hn_load<4>(x8 + i1 * 4 + i0 * 24);
        hn_pack<float, 4> b0;
        hn_pack<float, 4> b1;
        hn_pack<float, 4> b2;
        hn_pack<float, 4> b3;
        hn_pack<float, 4> b4;
        hn_pack<float, 4> b5;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            float r1;
            float r2;
            float r3;
            float r4;
            float r5;
            add_multiply_tanh_2_element(a0[e], a1[e], a2[e], a3[e], a4[e], a5[e], a6[e], a7[e], a8[e], r0, r1, r2, r3, r4, r5);
            b0.set_exact(e, r0);
            b1.set_exact(e, r1);
            b2.set_exact(e, r2);
            b3.set_exact(e, r3);
            b4.set_exact(e, r4);
            b5.set_exact(e, r5);
        }
        hn_store(y0 + i1 * 4 + i0 * 96, b0);
        hn_store(y1 + i1 * 4 + i0 * 96, b1);
        hn_store(y2 + i1 * 4 + i0 * 96, b2);
        hn_store(y3 + i1 * 4 + i0 * 24, b3);
        hn_store(y4 + i1 * 4 + i0 * 96, b4);
        hn_store(y5 + i1 * 4 + i0 * 24, b5);
    }
}

extern "C" __global__ void __launch_bounds__(256) softmax_cross_entropy_both_1(const float* x0, const int* x1, const float* x2, const float* x3, float* y0, float* y1)
{
    hn_cross_entropy_both<float, float, int, 256, 4, 4>(x0, x1, x2, x3, y0, y1, 8, 10);
}

extern "C" __global__ void __launch_bounds__(256) sum_1(const float* x0, float* y0)
{
    const int lane = threadIdx.x % 8;
    const int place = blockIdx.x * 32 + threadIdx.x / 8;
    const bool active = place <= 9;
    const int row = active ? place : 9;
    float r0 = hn_reduce_add::start<float>();
    {
        hn_pack<float, 1> a0[1];
#pragma unroll
        for (int k = 0; k < 1; ++k) {
            const int c = k * 8 + lane;
            a0[k] = hn_load<1>(x0 + row + c * 10);
        }
#pragma unroll
        for (int k = 0; k < 1; ++k) {
            r0 = hn_reduce_add::combine(r0, a0[k][0]);
        }
    }
    const float t0 = hn_reduce_lanes<hn_reduce_add, 8>(r0);
    if (lane == 0 && active) *(y0 + row) = hn_type<float>::store(t0);
}

extern "C" __global__ void __launch_bounds__(256) slice_grad_1(float* y0, const float* x0)
{
    hn_place_slice<int, 144, 4, hn_cuts<hn_cut<144, 96, 1, 48, 4>>, 0, 1>(y0, x0);
}

extern "C" __global__ void __launch_bounds__(256) concatenate_1(float* y0, const float* x0, const float* x1)
{
    hn_concatenate<int, 144, 4, 144, hn_list<48, 96>>(y0, x0, x1);
}

static __device__ inline void multiply_subtract_1_element(float x0, float x1, float& y0)
{
    const float v2 = (x0 * x1);
    const float v4 = (1.0f - x1);
    const float v5 = (v2 * v4);
    y0 = v5;
}

extern "C" __global__ void __launch_bounds__(256) multiply_subtract_1(const float* x0, const float* x1, float* y0)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 144; i += step) {
        const int i1 = i % 6;
        const int i0 = i / 6;
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i1 * 4 + i0 * 96);
        const hn_pack<float, 4> a1 = hn_load<4>(x1 + i1 * 4 + i0 * 96);
        hn_pack<float, 4> b0;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            multiply_subtract_1_element(a0[e], a1[e], r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i1 * 4 + i0 * 24, b0);
    }
}

static __device__ inline void multiply_subtract_2_element(float x0, float x1, float& y0)
{
    const float v2 = (x0 * x1);
    const float v4 = (1.0f - x1);
    const float v5 = (v2 * v4);
    y0 = v5;
}

extern "C" __global__ void __launch_bounds__(256) multiply_subtract_2(const float* x0, const float* x1, float* y0)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 144; i += step) {
        const int i1 = i % 6;
        const int i0 = i / 6;
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i1 * 4 + i0 * 24);
        const hn_pack<float, 4> a1 = hn_load<4>(x1 + i1 * 4 + i0 * 96);
        hn_pack<float, 4> b0;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            multiply_subtract_2_element(a0[e], a1[e], r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i1 * 4 + i0 * 24, b0);
    }
}

static __device__ inline void multiply_subtract_3_element(float x0, float x1, float& y0)
{
    const float v2 = (x0 * x0);
    const float v4 = (1.0f - v2);
    const float v5 = (x1 * v4);
    y0 = v5;
}

extern "C" __global__ void __launch_bounds__(256) multiply_subtract_3(const float* x0, const float* x1, float* y0)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 144; i += step) {
        const int i1 = i % 6;
        const int i0 = i / 6;
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i1 * 4 + i0 * 96);
        const hn_pack<float, 4> a1 = hn_load<4>(x1 + i1 * 4 + i0 * 96);
        hn_pack<float, 4> b0;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            multiply_subtract_3_element(a0[e], a1[e], r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i1 * 4 + i0 * 24, b0);
    }
}

static __device__ inline void tanh_multiply_subtract_1_element(float x0, float x1, float& y0, float& y1)
{
    const float v2 = tanh(x0);
    const float v3 = (v2 * x1);
    const float v5 = (1.0f - x1);
    const float v6 = (v3 * v5);
    const float v7 = (v2 * v2);
    const float v8 = (1.0f - v7);
    const float v9 = (x1 * v8);
    y0 = v6;
    y1 = v9;
}

extern "C" __global__ void __launch_bounds__(256) tanh_multiply_subtract_1(const float* x0, const float* x1, float* y0, float* y1)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 144; i += step) {
        const int i1 = i % 6;
        const int i0 = i / 6;
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i1 * 4 + i0 * 24);
        const hn_pack<float, 4> a1 = hn_load<4>(x1 + i1 * 4 + i0 * 96);
        hn_pack<float, 4> b0;
        hn_pack<float, 4> b1;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            float r1;
            tanh_multiply_subtract_1_element(a0[e], a1[e], r0, r1);
            b0.set_exact(e, r0);
            b1.set_exact(e, r1);
        }
        hn_store(y0 + i1 * 4 + i0 * 24, b0);
        hn_store(y1 + i1 * 4 + i0 * 24, b1);
    }
}

static __device__ inline void multiply_add_1_element(float x0, float x1, float x2, float x3, float x4, float& y0, float& y1, float& y2, float& y3)
{
    const float v5 = (x0 * x1);
    const float v7 = (0.0f + v5);
    const float v8 = (v7 * x2);
    const float v9 = (v7 * x3);
    const float v10 = (v7 * x4);
    y0 = v5;
    y1 = v8;
    y2 = v9;
    y3 = v10;
}

extern "C" __global__ void __launch_bounds__(256) multiply_add_1(const float* x0, const float* x1, const float* x2, const float* x3, const float* x4, float* y0, float* y1, float* y2, float* y3)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 48; i += step) {
        const int i1 = i % 6;
        const int i0 = i / 6;
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i1 * 4 + i0 * 24);
        const hn_pack<float, 4> a1 = hn_load<4>(x1 + i1 * 4 + i0 * 24);
        const hn_pack<float, 4> a2 = hn_load<4>(x2 + i1 * 4 + i0 * 24);
        const hn_pack<float, 4> a3 = hn_load<4>(x3 + i1 * 4 + i0 * 24);
        const hn_pack<float, 4> a4 = hn_load<4>(x4 + i1 * 4 + i0 * 24);
        hn_pack<float, 4> b0;
        hn_pack<float, 4> b1;
        hn_pack<float, 4> b2;
        hn_pack<float, 4> b3;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            float r1;
            float r2;
            float r3;
            multiply_add_1_element(a0[e], a1[e], a2[e], a3[e], a4[e], r0, r1, r2, r3);
            b0.set_exact(e, r0);
            b1.set_exact(e, r1);
            b2.set_exact(e, r2);
            b3.set_exact(e, r3);
        }
        hn_store(y0 + i1 * 4 + i0 * 24, b0);
        hn_store(y1 + i1 * 4 + i0 * 96, b1);
        hn_store(y2 + i1 * 4 + i0 * 96, b2);
        hn_store(y3 + i1 * 4 + i0 * 96, b3);
    }
}

static __device__ inline void multiply_1_element(float x0, float x1, float& y0)
{
    const float v2 = (x0 * x1);
    y0 = v2;
}

extern "C" __global__ void __launch_bounds__(256) multiply_1(const float* x0, const float* x1, float* y0)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 48; i += step) {
        const int i1 = i % 6;
        const int i0 = i / 6;
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i1 * 4 + i0 * 24);
        const hn_pack<float, 4> a1 = hn_load<4>(x1 + i1 * 4 + i0 * 24);
        hn_pack<float, 4> b0;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            multiply_1_element(a0[e], a1[e], r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i1 * 4 + i0 * 96, b0);
    }
}

static __device__ inline void add_multiply_1_element(float x0, float x1, float x2, float x3, float x4, float x5, float x6, float x7, float x8, float& y0, float& y1, float& y2, float& y3, float& y4)
{
    const float v10 = (0.0f + x0);
    const float v11 = (v10 * x1);
    const float v12 = (x2 + x3);
    const float v13 = (v12 * x4);
    const float v14 = (0.0f + v11);
    const float v15 = (v14 + v13);
    const float v16 = (v15 * x5);
    const float v17 = (v15 * x6);
    const float v18 = (v15 * x7);
    const float v19 = (v12 * x8);
    y0 = v15;
    y1 = v16;
    y2 = v17;
    y3 = v18;
    y4 = v19;
}

extern "C" __global__ void __launch_bounds__(256) add_multiply_1(const float* x0, const float* x1, const float* x2, const float* x3, const float* x4, const float* x5, const float* x6, const float* x7, const float* x8, float* y0, float* y1, float* y2, float* y3, float* y4)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 48; i += step) {
        const int i1 = i % 6;
        const int i0 = i / 6;
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i1 * 4 + i0 * 24);
        const hn_pack<float, 4> a1 = hn_load<4>(x1 + i1 * 4 + i0 * 96);
        const hn_pack<float, 4> a2 = hn_load<4>(x2 + i1 * 4 + i0 * 24);
        const hn_pack<float, 4> a3 = hn_load<4>(x3 + i1 * 4 + i0 * 24);
        const hn_pack<float, 4> a4 = hn_load<4>(x4 + i1 * 4 + i0 * 24);
        const hn_pack<float, 4> a5 = hn_load<4>(x5 + i1 * 4 + i0 * 24);
        const hn_pack<float, 4> a6 = hn_load<4>(x6 + i1 * 4 + i0 * 24);
        const hn_pack<float, 4> a7 = hn_load<4>(x7 + i1 * 4 + i0 * 24);
        const hn_pack<float, 4> a8 = hn_load<4>(x8 + i1 * 4 + i0 * 24);
        hn_pack<float, 4> b0;
        hn_pack<float, 4> b1;
        hn_pack<float, 4> b2;
        hn_pack<float, 4> b3;
        hn_pack<float, 4> b4;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            float r1;
            float r2;
            float r3;
            float r4;
            add_multiply_1_element(a0[e], a1[e], a2[e], a3[e], a4[e], a5[e], a6[e], a7[e], a8[e], r0, r1, r2, r3, r4);
            b0.set_exact(e, r0);
            b1.set_exact(e, r1);
            b2.set_exact(e, r2);
            b3.set_exact(e, r3);
            b4.set_exact(e, r4);
        }
        hn_store(y0 + i1 * 4 + i0 * 24, b0);
        hn_store(y1 + i1 * 4 + i0 * 96, b1);
        hn_store(y2 + i1 * 4 + i0 * 96, b2);
        hn_store(y3 + i1 * 4 + i0 * 96, b3);
        hn_store(y4 + i1 * 4 + i0 * 96, b4);
    }
}

static __device__ inline void multiply_add_2_element(float x0, float x1, float x2, float x3, float x4, float x5, float x6, float x7, float x8, float& y0, float& y1, float& y2, float& y3)
{
    const float v9 = (x0 * x1);
    const float v10 = (x2 + x3);
    const float v11 = (v10 * x4);
    const float v13 = (0.0f + v9);
    const float v14 = (v13 + v11);
    const float v15 = (v14 * x5);
    const float v16 = (v14 * x6);
    const float v17 = (v14 * x7);
    const float v18 = (v10 * x8);
    y0 = v15;
    y1 = v16;
    y2 = v17;
    y3 = v18;
}

extern "C" __global__ void __launch_bounds__(256) multiply_add_2(const float* x0, const float* x1, const float* x2, const float* x3, const float* x4, const float* x5, const float* x6, const float* x7, const float* x8, float* y0, float* y1, float* y2, float* y3)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 48; i += step) {
        const int i1 = i % 6;
        const int i0 = i / 6;
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i1 * 4 + i0 * 24);
        const hn_pack<float, 4> a1 = hn_load<4>(x1 + i1 * 4 + i0 * 96);
        const hn_pack<float, 4> a2 = hn_load<4>(x2 + i1 * 4 + i0 * 24);
        const hn_pack<float, 4> a3 = hn_load<4>(x3 + i1 * 4 + i0 * 24);
        const hn_pack<float, 4> a4 = hn_load<4>(x4 + i1 * 4 + i0 * 24);
        const hn_pack<float, 4> a5 = hn_load<4>(x5 + i1 * 4 + i0 * 24);
        const hn_pack<float, 4> a6 = hn_load<4>(x6 + i1 * 4 + i0 * 24);
        const hn_pack<float, 4> a7 = hn_load<4>(x7 + i1 * 4 + i0 * 24);
        const hn_pack<float, 4> a8 = hn_load<4>(x8 + i1 * 4 + i0 * 24);
        hn_pack<float, 4> b0;
        hn_pack<float, 4> b1;
        hn_pack<float, 4> b2;
        hn_pack<float, 4> b3;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            float r1;
            float r2;
            float r3;
            multiply_add_2_element(a0[e], a1[e], a2[e], a3[e], a4[e], a5[e], a6[e], a7[e], a8[e], r0, r1, r2, r3);
            b0.set_exact(e, r0);
            b1.set_exact(e, r1);
            b2.set_exact(e, r2);
            b3.set_exact(e, r3);
        }
        hn_store(y0 + i1 * 4 + i0 * 96, b0);
        hn_store(y1 + i1 * 4 + i0 * 96, b1);
        hn_store(y2 + i1 * 4 + i0 * 96, b2);
        hn_store(y3 + i1 * 4 + i0 * 96, b3);
    }
}

extern "C" __global__ void __launch_bounds__(256) sum_2(const float* x0, float* y0)
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
            if (c < 24) {
                a0[k] = hn_load<4>(x0 + row * 4 + c * 96);
            }
        }
#pragma unroll
        for (int k = 0; k < 1; ++k) {
            const int c = k * 32 + lane;
            if (c < 24) {
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

static __device__ inline void add_1_element(double x0, double& y0)
{
    const double v2 = (x0 + 1.0);
    y0 = v2;
}

extern "C" __global__ void __launch_bounds__(256) add_1(const double* x0, double* y0)
{
    const double s0 = hn_load<1>(x0)[0];
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 1; i += step) {
        hn_pack<double, 1> b0;
        double r0;
        add_1_element(s0, r0);
        b0.set_exact(0, r0);
        hn_store(y0, b0);
    }
}

static __device__ inline void multiply_cast_1_element(double x0, float& y0)
{
    const double v2 = (x0 * 0.125);
    const float v3 = hn_cast<float>(v2);
    y0 = v3;
}

extern "C" __global__ void __launch_bounds__(256) multiply_cast_1(const double* x0, float* y0)
{
    const double s0 = hn_load<1>(x0)[0];
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 1; i += step) {
        hn_pack<float, 1> b0;
        float r0;
        multiply_cast_1_element(s0, r0);
        b0.set_exact(0, r0);
        hn_store(y0, b0);
    }
}

static __device__ inline void multiply_subtract_4_element(float x0, float x1, float x2, float& y0)
{
    const float v3 = (x0 * x1);
    const float v4 = (x2 - v3);
    y0 = v4;
}

extern "C" __global__ void __launch_bounds__(256) multiply_subtract_4(const float* x0, const float* x1, const float* x2, float* y0)
{
    const float s1 = hn_load<1>(x1)[0];
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 24; i += step) {
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i * 4);
        const hn_pack<float, 4> a2 = hn_load<4>(x2 + i * 4);
        hn_pack<float, 4> b0;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            multiply_subtract_4_element(a0[e], s1, a2[e], r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i * 4, b0);
    }
}

extern "C" __global__ void __launch_bounds__(256) sum_true_divide_1(const float* x0, float* y0)
{
    const int lane = threadIdx.x % 2;
    const int place = blockIdx.x * 128 + threadIdx.x / 2;
    const bool active = place <= 0;
    float r0 = hn_reduce_add::start<float>();
    {
        hn_pack<float, 4> a0[1];
#pragma unroll
        for (int k = 0; k < 1; ++k) {
            const int c = k * 2 + lane;
            a0[k] = hn_load<4>(x0 + c * 4);
        }
#pragma unroll
        for (int k = 0; k < 1; ++k) {
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                r0 = hn_reduce_add::combine(r0, a0[k][e]);
            }
        }
    }
    const float t0 = hn_reduce_lanes<hn_reduce_add, 2>(r0);
    const float v2 = (t0 / 8.0f);
    if (lane == 0 && active) *(y0) = hn_type<float>::store(v2);
}

static __device__ inline void multiply_subtract_5_element(float x0, float x1, float x2, float& y0)
{
    const float v3 = (x0 * x2);
    const float v4 = (x1 - v3);
    y0 = v4;
}

extern "C" __global__ void __launch_bounds__(256) multiply_subtract_5(const long long* table, const float* x2)
{
    const long long* const chunk = table + 20 + 2 * blockIdx.x;
    const long long* const member = table + chunk[0] * 5;
    const long long start = chunk[1], left = member[0] - start;
    const int count = left < 2048 ? static_cast<int>(left) : 2048;
    const float* const x0 = reinterpret_cast<const float*>(member[2]) + start;
    const float* const x1 = reinterpret_cast<const float*>(member[3]) + start;
    float* const y0 = reinterpret_cast<float*>(member[4]) + start;
    const float s2 = hn_load<1>(x2)[0];
    const int packs = (member[2] | member[3] | member[4]) % 16 == 0 ? count / 4 : 0;
#pragma unroll 1
    for (int i = threadIdx.x; i < packs; i += 256) {
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i * 4);
        const hn_pack<float, 4> a1 = hn_load<4>(x1 + i * 4);
        hn_pack<float, 4> b0;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            multiply_subtract_5_element(a0[e], a1[e], s2, r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i * 4, b0);
    }
#pragma unroll 1
    for (int i = packs * 4 + threadIdx.x; i < count; i += 256) {
        const hn_pack<float, 1> a0 = hn_load<1>(x0 + i);
        const hn_pack<float, 1> a1 = hn_load<1>(x1 + i);
        hn_pack<float, 1> b0;
        float r0;
        multiply_subtract_5_element(a0[0], a1[0], s2, r0);
        b0.set_exact(0, r0);
        hn_store(y0 + i, b0);
    }
}

static __device__ inline void copy_1_element(float x0, float& y0)
{
    const float v1 = x0;
    y0 = v1;
}

extern "C" __global__ void __launch_bounds__(256) copy_1(const float* x0, float* y0)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 24; i += step) {
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i * 4);
        hn_pack<float, 4> b0;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            copy_1_element(a0[e], r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i * 4, b0);
    }
}
