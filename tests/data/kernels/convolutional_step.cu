// convolutional_step on gpu(0): 301,056 bytes of arena
//    copy_arguments<<<(3, 1), 256>>>(made3, made4, arena+213760, arena+200192)
//    convolution: cuDNN eng0_k2=0(arena+213760, in2, arena)
//    moments_1<<<(8, 1), 256>>>(arena, arena+246528, arena+246784)
//    add_sqrt_true_divide_multiply_subtract_1<<<(1, 1), 256>>>(arena+246784, in3, arena+246528, in4, arena+247040, arena+247296, arena+247552)
//    multiply_add_maximum_1<<<(16, 1), 256>>>(arena, arena+247296, arena+247552, arena+82688)
//    max_pool_1<<<(16, 1), 256>>>(arena+65536, arena+82688)
//    convolution: cuDNN eng0_k2=0(arena+65536, in7, arena+249344)
//    add_maximum_sum_multiply_1<<<(4, 1), 256>>>(arena+249344, in8, arena+248320)
//    matmul_bias: cuBLASLt 1 × 10×8×8 float32 bias(arena+248320, in9, in10, arena+248832)
//    softmax_cross_entropy_both_1<<<(1, 1), 256>>>(arena+248832, arena+200192, made0, made0, arena+247552, arena+248832)
//    sum_1<<<(1, 1), 256>>>(arena+248832, in11)
//    matmul: cuBLASLt 1 × 8×10×8 float32(arena+248832, in9, arena+82432)
//    matmul: cuBLASLt 1 × 8×8×10 float32(arena+248832, arena+248320, in12)
//    add_maximum_greater_multiply_where_sum_1<<<(1, 1), 256>>>(arena+249344, in8, arena+82432, arena+249344, in13)
//    convolution_data_grad: cuDNN eng0_k2=0(arena+249344, in7, arena+230144)
//    convolution_weight_grad: cuDNN eng0_k2=0(arena+65536, arena+249344, in14)
//    max_pool_grad_1<<<(64, 1), 256>>>(arena+148224, arena+230144, arena+82688, arena+65536)
//    greater_where_1<<<(16, 1), 256>>>(arena+82688, arena+148224, arena+82688)
//    centred_sums_1<<<(8, 1), 256>>>(arena+82688, arena, arena+246528, in15, arena+199936)
//    multiply_add_true_divide_negative_subtra_1<<<(1, 1), 256>>>(in15, arena+247296, arena+199936, arena+246784, arena+247040, arena+246528, in16, arena+199936, arena+247040)
//    multiply_add_1<<<(16, 1), 256>>>(arena+82688, arena+247296, arena, arena+247040, arena+199936, arena+82688)
//    convolution_weight_grad: cuDNN eng0_k2=0(arena+213760, arena+82688, in17)
//    add_cast_1<<<(1, 1), 256>>>(in18, in19, in18, arena+247808)
//    sum_true_divide_1<<<(1, 1), 256>>>(arena+247552, arena+248064)
//    multiply_add_2<<<(2, 1), 256>>>(made1)
//    multiply_add_subtract_1<<<(7, 1), 256>>>(made2, in20, in22, arena+247808)
//    copy_results<<<(1, 1), 256>>>(made3, made5, arena+248064)

#include "functors.cuh"
#include "vector.cuh"
#include "reduce.cuh"
#include "random.cuh"
#include "batch_norm.cu"
#include "pooling.cu"
#include "cross_entropy.cu"
#include "staged.cuh"

extern "C" __global__ void __launch_bounds__(256) moments_1(const float* x0, float* y0, float* y1)
{
    hn_moments_over_planes<float, 4, 256, 4, false>(x0, y0, y1, 512, 8, 64, 512);
}

static __device__ inline void add_sqrt_true_divide_multiply_subtract_1_element(float x0, float x1, float x2, float x3, float& y0, float& y1, float& y2)
{
    const float v5 = (x0 + 1e-05f);
    const float v6 = sqrt(v5);
    const float v8 = (1.0f / v6);
    const float v9 = (v8 * x1);
    const float v10 = (x2 * v9);
    const float v11 = (x3 - v10);
    y0 = v8;
    y1 = v9;
    y2 = v11;
}

extern "C" __global__ void __launch_bounds__(256) add_sqrt_true_divide_multiply_subtract_1(const float* x0, const float* x1, const float* x2, const float* x3, float* y0, float* y1, float* y2)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 2; i += step) {
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i * 4);
        const hn_pack<float, 4> a1 = hn_load<4>(x1 + i * 4);
        const hn_pack<float, 4> a2 = hn_load<4>(x2 + i * 4);
        const hn_pack<float, 4> a3 = hn_load<4>(x3 + i * 4);
        hn_pack<float, 4> b0;
        hn_pack<float, 4> b1;
        hn_pack<float, 4> b2;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            float r1;
            float r2;
            add_sqrt_true_divide_multiply_subtract_1_element(a0[e], a1[e], a2[e], a3[e], r0, r1, r2);
            b0.set_exact(e, r0);
            b1.set_exact(e, r1);
            b2.set_exact(e, r2);
        }
        hn_store(y0 + i * 4, b0);
        hn_store(y1 + i * 4, b1);
        hn_store(y2 + i * 4, b2);
    }
}

static __device__ inline void multiply_add_maximum_1_element(float x0, float x1, float x2, float& y0)
{
    const float v3 = (x0 * x1);
    const float v4 = (v3 + x2);
    const float v6 = hn_max(v4, 0.0f);
    y0 = v6;
}

extern "C" __global__ void __launch_bounds__(256) multiply_add_maximum_1(const float* x0, const float* x1, const float* x2, float* y0)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 4096; i += step) {
        const int i2 = i % 64;
        const int i1 = i / 64 % 8;
        const int i0 = i / 512;
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i2 * 4 + i1 * 256 + i0 * 2048);
        const hn_pack<float, 1> a1 = hn_load<1>(x1 + i1);
        const hn_pack<float, 1> a2 = hn_load<1>(x2 + i1);
        hn_pack<float, 4> b0;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            multiply_add_maximum_1_element(a0[e], a1[0], a2[0], r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i2 * 4 + i1 * 256 + i0 * 2048, b0);
    }
}

extern "C" __global__ void __launch_bounds__(256) max_pool_1(float* y0, const float* x0)
{
    hn_max_pool<hn_pool<int, 1, 1, hn_windows<1, 1, 1, 1, 0>, hn_windows<16, 8, 2, 2, 0>, hn_windows<16, 8, 2, 2, 0>>, 4096>(y0, x0, -3.4028234663852886e+38);
}

extern "C" __global__ void __launch_bounds__(256) add_maximum_sum_multiply_1(const float* x0, const float* x1, float* y0)
{
    const int lane = threadIdx.x % 16;
    const int place = blockIdx.x * 16 + threadIdx.x / 16;
    const int row = place;
    const int row1 = row % 8;
    const int row0 = row / 8;
    const float s1 = hn_load<1>(x1 + row1)[0];
    float r0 = hn_reduce_add::start<float>();
    {
        hn_pack<float, 4> a0[1];
#pragma unroll
        for (int k = 0; k < 1; ++k) {
            const int c = k * 16 + lane;
            a0[k] = hn_load<4>(x0 + row1 * 64 + row0 * 512 + c * 4);
        }
#pragma unroll
        for (int k = 0; k < 1; ++k) {
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const float v4 = (a0[k][e] + s1);
                const float v5 = hn_max(v4, 0.0f);
                r0 = hn_reduce_add::combine(r0, v5);
            }
        }
    }
    const float t0 = hn_reduce_lanes<hn_reduce_add, 16>(r0);
    const float v4 = (t0 * 0.015625f);
    if (lane == 0) *(y0 + row1 + row0 * 8) = hn_type<float>::store(v4);
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

extern "C" __global__ void __launch_bounds__(256) add_maximum_greater_multiply_where_sum_1(const float* x0, const float* x1, const float* x2, float* y0, float* y1)
{
    const int lane = threadIdx.x % 32;
    const int place = blockIdx.x * 8 + threadIdx.x / 32;
    const int row = place;
    const float s1 = hn_load<1>(x1 + row)[0];
    float r0 = hn_reduce_add::start<float>();
    {
        hn_pack<float, 4> a0[4];
        hn_pack<float, 1> a2[4];
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            const int c = k * 32 + lane;
            const int c1 = c % 16;
            const int c0 = c / 16;
            a0[k] = hn_load<4>(x0 + row * 64 + c1 * 4 + c0 * 512);
            a2[k] = hn_load<1>(x2 + row + c0 * 8);
        }
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            const int c = k * 32 + lane;
            const int c1 = c % 16;
            const int c0 = c / 16;
            hn_pack<float, 4> b0;
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const float v5 = (a0[k][e] + s1);
                const float v6 = hn_max(v5, 0.0f);
                const bool v7 = (v6 > 0.0f);
                const float v8 = (a2[k][0] * 0.015625f);
                const float v9 = (v7 ? v8 : 0.0f);
                r0 = hn_reduce_add::combine(r0, v9);
                b0.set_exact(e, v9);
            }
            hn_store(y0 + row * 64 + c1 * 4 + c0 * 512, b0);
        }
    }
    const float t0 = hn_reduce_lanes<hn_reduce_add, 32>(r0);
    if (lane == 0) *(y1 + row) = hn_type<float>::store(t0);
}

extern "C" __global__ void __launch_bounds__(256) max_pool_grad_1(float* y0, const float* x0, const float* x1, const float* x2)
{
    hn_max_pool_grad<hn_pool<int, 1, 1, hn_windows<1, 1, 1, 1, 0>, hn_windows<16, 8, 2, 2, 0>, hn_windows<16, 8, 2, 2, 0>>, 16384>(y0, x0, x1, x2);
}

static __device__ inline void greater_where_1_element(float x0, float x1, float& y0)
{
    const bool v3 = (x0 > 0.0f);
    const float v4 = (v3 ? x1 : 0.0f);
    y0 = v4;
}

extern "C" __global__ void __launch_bounds__(256) greater_where_1(const float* x0, const float* x1, float* y0)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 4096; i += step) {
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i * 4);
        const hn_pack<float, 4> a1 = hn_load<4>(x1 + i * 4);
        hn_pack<float, 4> b0;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            greater_where_1_element(a0[e], a1[e], r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i * 4, b0);
    }
}

extern "C" __global__ void __launch_bounds__(256) centred_sums_1(const float* x0, const float* x1, const float* x2, float* y0, float* y1)
{
    hn_sums_over_planes<float, 4, 256, 4>(x0, x1, x2, y0, y1, 512, 8, 64, 512);
}

static __device__ inline void multiply_add_true_divide_negative_subtra_1_element(float x0, float x1, float x2, float x3, float x4, float x5, float& y0, float& y1, float& y2)
{
    const float v6 = (x0 * x1);
    const float v7 = (x2 * x1);
    const float v9 = (x3 + 1e-05f);
    const float v11 = ((-0.5f) / v9);
    const float v12 = (v7 * v11);
    const float v13 = (x2 * x4);
    const float v14 = (-v6);
    const float v16 = (v14 / 2048.0f);
    const float v18 = (v12 * 0.0009765625f);
    const float v19 = (x5 * v18);
    const float v20 = (v16 - v19);
    y0 = v13;
    y1 = v20;
    y2 = v18;
}

extern "C" __global__ void __launch_bounds__(256) multiply_add_true_divide_negative_subtra_1(const float* x0, const float* x1, const float* x2, const float* x3, const float* x4, const float* x5, float* y0, float* y1, float* y2)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 2; i += step) {
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i * 4);
        const hn_pack<float, 4> a1 = hn_load<4>(x1 + i * 4);
        const hn_pack<float, 4> a2 = hn_load<4>(x2 + i * 4);
        const hn_pack<float, 4> a3 = hn_load<4>(x3 + i * 4);
        const hn_pack<float, 4> a4 = hn_load<4>(x4 + i * 4);
        const hn_pack<float, 4> a5 = hn_load<4>(x5 + i * 4);
        hn_pack<float, 4> b0;
        hn_pack<float, 4> b1;
        hn_pack<float, 4> b2;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            float r1;
            float r2;
            multiply_add_true_divide_negative_subtra_1_element(a0[e], a1[e], a2[e], a3[e], a4[e], a5[e], r0, r1, r2);
            b0.set_exact(e, r0);
            b1.set_exact(e, r1);
            b2.set_exact(e, r2);
        }
        hn_store(y0 + i * 4, b0);
        hn_store(y1 + i * 4, b1);
        hn_store(y2 + i * 4, b2);
    }
}

static __device__ inline void multiply_add_1_element(float x0, float x1, float x2, float x3, float x4, float& y0)
{
    const float v5 = (x0 * x1);
    const float v6 = (x2 * x3);
    const float v7 = (v6 + x4);
    const float v8 = (v5 + v7);
    y0 = v8;
}

extern "C" __global__ void __launch_bounds__(256) multiply_add_1(const float* x0, const float* x1, const float* x2, const float* x3, const float* x4, float* y0)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 4096; i += step) {
        const int i2 = i % 64;
        const int i1 = i / 64 % 8;
        const int i0 = i / 512;
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i2 * 4 + i1 * 256 + i0 * 2048);
        const hn_pack<float, 1> a1 = hn_load<1>(x1 + i1);
        const hn_pack<float, 4> a2 = hn_load<4>(x2 + i2 * 4 + i1 * 256 + i0 * 2048);
        const hn_pack<float, 1> a3 = hn_load<1>(x3 + i1);
        const hn_pack<float, 1> a4 = hn_load<1>(x4 + i1);
        hn_pack<float, 4> b0;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            multiply_add_1_element(a0[e], a1[0], a2[e], a3[0], a4[0], r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i2 * 4 + i1 * 256 + i0 * 2048, b0);
    }
}

static __device__ inline void add_cast_1_element(double x0, double x1, double& y0, float& y1)
{
    const double v3 = (x0 + 1.0);
    const float v4 = hn_cast<float>(x1);
    y0 = v3;
    y1 = v4;
}

extern "C" __global__ void __launch_bounds__(256) add_cast_1(const double* x0, const double* x1, double* y0, float* y1)
{
    const double s0 = hn_load<1>(x0)[0];
    const double s1 = hn_load<1>(x1)[0];
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 1; i += step) {
        hn_pack<double, 1> b0;
        hn_pack<float, 1> b1;
        double r0;
        float r1;
        add_cast_1_element(s0, s1, r0, r1);
        b0.set_exact(0, r0);
        b1.set_exact(0, r1);
        hn_store(y0, b0);
        hn_store(y1, b1);
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

static __device__ inline void multiply_add_2_element(float x0, float x1, float& y0)
{
    const float v3 = (x0 * 0.9f);
    const float v5 = (x1 * 0.1f);
    const float v6 = (v3 + v5);
    y0 = v6;
}

extern "C" __global__ void __launch_bounds__(256) multiply_add_2(const long long* table)
{
    const long long* const chunk = table + 10 + 2 * blockIdx.x;
    const long long* const member = table + chunk[0] * 5;
    const long long start = chunk[1], left = member[0] - start;
    const int count = left < 2048 ? static_cast<int>(left) : 2048;
    const float* const x0 = reinterpret_cast<const float*>(member[2]) + start;
    const float* const x1 = reinterpret_cast<const float*>(member[3]) + start;
    float* const y0 = reinterpret_cast<float*>(member[4]) + start;
    const int packs = (member[2] | member[3] | member[4]) % 16 == 0 ? count / 4 : 0;
#pragma unroll 1
    for (int i = threadIdx.x; i < packs; i += 256) {
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i * 4);
        const hn_pack<float, 4> a1 = hn_load<4>(x1 + i * 4);
        hn_pack<float, 4> b0;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            multiply_add_2_element(a0[e], a1[e], r0);
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
        multiply_add_2_element(a0[0], a1[0], r0);
        b0.set_exact(0, r0);
        hn_store(y0 + i, b0);
    }
}

static __device__ inline void multiply_add_subtract_1_element(float x0, float x1, float x2, float x3, float x4, float x5, float& y0, float& y1)
{
    const float v7 = (x0 * 0.125f);
    const float v8 = (x1 * x3);
    const float v9 = (v7 + v8);
    const float v10 = (x2 * x4);
    const float v11 = (v9 * x5);
    const float v12 = (v10 - v11);
    const float v13 = (x1 + v12);
    y0 = v12;
    y1 = v13;
}

extern "C" __global__ void __launch_bounds__(256) multiply_add_subtract_1(const long long* table, const float* x3, const float* x4, const float* x5)
{
    const long long* const chunk = table + 49 + 2 * blockIdx.x;
    const long long* const member = table + chunk[0] * 7;
    const long long start = chunk[1], left = member[0] - start;
    const int count = left < 2048 ? static_cast<int>(left) : 2048;
    const float* const x0 = reinterpret_cast<const float*>(member[2]) + start;
    const float* const x1 = reinterpret_cast<const float*>(member[3]) + start;
    const float* const x2 = reinterpret_cast<const float*>(member[4]) + start;
    float* const y0 = reinterpret_cast<float*>(member[5]) + start;
    float* const y1 = reinterpret_cast<float*>(member[6]) + start;
    const float s3 = hn_load<1>(x3)[0];
    const float s4 = hn_load<1>(x4)[0];
    const float s5 = hn_load<1>(x5)[0];
    const int packs = (member[2] | member[3] | member[4] | member[5] | member[6]) % 16 == 0 ? count / 4 : 0;
#pragma unroll 1
    for (int i = threadIdx.x; i < packs; i += 256) {
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i * 4);
        const hn_pack<float, 4> a1 = hn_load<4>(x1 + i * 4);
        const hn_pack<float, 4> a2 = hn_load<4>(x2 + i * 4);
        hn_pack<float, 4> b0;
        hn_pack<float, 4> b1;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            float r1;
            multiply_add_subtract_1_element(a0[e], a1[e], a2[e], s3, s4, s5, r0, r1);
            b0.set_exact(e, r0);
            b1.set_exact(e, r1);
        }
        hn_store(y0 + i * 4, b0);
        hn_store(y1 + i * 4, b1);
    }
#pragma unroll 1
    for (int i = packs * 4 + threadIdx.x; i < count; i += 256) {
        const hn_pack<float, 1> a0 = hn_load<1>(x0 + i);
        const hn_pack<float, 1> a1 = hn_load<1>(x1 + i);
        const hn_pack<float, 1> a2 = hn_load<1>(x2 + i);
        hn_pack<float, 1> b0;
        hn_pack<float, 1> b1;
        float r0;
        float r1;
        multiply_add_subtract_1_element(a0[0], a1[0], a2[0], s3, s4, s5, r0, r1);
        b0.set_exact(0, r0);
        b1.set_exact(0, r1);
        hn_store(y0 + i, b0);
        hn_store(y1 + i, b1);
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
