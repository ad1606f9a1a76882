// batch_norm on gpu(0): 886,784 bytes of arena
//    _7<<<(1, 1), 256>>>(arena+884992)
//    moments_1<<<(16, 1), 256>>>(arena, arena+885248, arena+885504)
//    add_sqrt_true_divide_multiply_subtract_1<<<(1, 1), 256>>>(arena+885504, arena+885248, arena+884736, arena+884736, arena+886528)
//    multiply_add_1<<<(72, 1), 256>>>(arena, arena+884736, arena+886528, arena+589824)
//    centred_sums_1<<<(16, 1), 256>>>(arena+294912, arena, arena+885248, arena+885760, arena+886016)
//    multiply_add_true_divide_negative_subtra_1<<<(1, 1), 256>>>(arena+885760, arena+884736, arena+886016, arena+885504, arena+885248, arena+886016, arena+886272)
//    multiply_add_2<<<(72, 1), 256>>>(arena+294912, arena+884736, arena, arena+886272, arena+886016, arena+294912)
//    multiply_add_3<<<(2, 1), 256>>>(made0)

#include "functors.cuh"
#include "vector.cuh"
#include "reduce.cuh"
#include "random.cuh"
#include "batch_norm.cu"

extern "C" __global__ void __launch_bounds__(256) moments_1(const float* x0, float* y0, float* y1)
{
    hn_moments_over_planes<float, 4, 256, 4, false>(x0, y0, y1, 1152, 16, 36, 1152);
}

static __device__ inline void add_sqrt_true_divide_multiply_subtract_1_element(float x0, float x1, float x2, float& y0, float& y1)
{
    const float v4 = (x0 + 0.001f);
    const float v5 = sqrt(v4);
    const float v7 = (1.0f / v5);
    const float v8 = (x1 * v7);
    const float v9 = (x2 - v8);
    y0 = v7;
    y1 = v9;
}

extern "C" __global__ void __launch_bounds__(256) add_sqrt_true_divide_multiply_subtract_1(const float* x0, const float* x1, const float* x2, float* y0, float* y1)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 4; i += step) {
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i * 4);
        const hn_pack<float, 4> a1 = hn_load<4>(x1 + i * 4);
        const hn_pack<float, 4> a2 = hn_load<4>(x2 + i * 4);
        hn_pack<float, 4> b0;
        hn_pack<float, 4> b1;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            float r1;
            add_sqrt_true_divide_multiply_subtract_1_element(a0[e], a1[e], a2[e], r0, r1);
            b0.set_exact(e, r0);
            b1.set_exact(e, r1);
        }
        hn_store(y0 + i * 4, b0);
        hn_store(y1 + i * 4, b1);
    }
}

static __device__ inline void multiply_add_1_element(float x0, float x1, float x2, float& y0)
{
    const float v3 = (x0 * x1);
    const float v4 = (v3 + x2);
    y0 = v4;
}

extern "C" __global__ void __launch_bounds__(256) multiply_add_1(const float* x0, const float* x1, const float* x2, float* y0)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 18432; i += step) {
        const int i2 = i % 36;
        const int i1 = i / 36 % 16;
        const int i0 = i / 576;
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i2 * 4 + i1 * 144 + i0 * 2304);
        const hn_pack<float, 1> a1 = hn_load<1>(x1 + i1);
        const hn_pack<float, 1> a2 = hn_load<1>(x2 + i1);
        hn_pack<float, 4> b0;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            multiply_add_1_element(a0[e], a1[0], a2[0], r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i2 * 4 + i1 * 144 + i0 * 2304, b0);
    }
}

extern "C" __global__ void __launch_bounds__(256) centred_sums_1(const float* x0, const float* x1, const float* x2, float* y0, float* y1)
{
    hn_sums_over_planes<float, 4, 256, 4>(x0, x1, x2, y0, y1, 1152, 16, 36, 1152);
}

static __device__ inline void multiply_add_true_divide_negative_subtra_1_element(float x0, float x1, float x2, float x3, float x4, float& y0, float& y1)
{
    const float v5 = (x0 * x1);
    const float v6 = (x2 * x1);
    const float v8 = (x3 + 0.001f);
    const float v10 = ((-0.5f) / v8);
    const float v11 = (v6 * v10);
    const float v12 = (-v5);
    const float v14 = (v12 / 4608.0f);
    const float v16 = (v11 * 0.00043402778f);
    const float v17 = (x4 * v16);
    const float v18 = (v14 - v17);
    y0 = v18;
    y1 = v16;
}

extern "C" __global__ void __launch_bounds__(256) multiply_add_true_divide_negative_subtra_1(const float* x0, const float* x1, const float* x2, const float* x3, const float* x4, float* y0, float* y1)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 4; i += step) {
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i * 4);
        const hn_pack<float, 4> a1 = hn_load<4>(x1 + i * 4);
        const hn_pack<float, 4> a2 = hn_load<4>(x2 + i * 4);
        const hn_pack<float, 4> a3 = hn_load<4>(x3 + i * 4);
        const hn_pack<float, 4> a4 = hn_load<4>(x4 + i * 4);
        hn_pack<float, 4> b0;
        hn_pack<float, 4> b1;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            float r1;
            multiply_add_true_divide_negative_subtra_1_element(a0[e], a1[e], a2[e], a3[e], a4[e], r0, r1);
            b0.set_exact(e, r0);
            b1.set_exact(e, r1);
        }
        hn_store(y0 + i * 4, b0);
        hn_store(y1 + i * 4, b1);
    }
}

static __device__ inline void multiply_add_2_element(float x0, float x1, float x2, float x3, float x4, float& y0)
{
    const float v5 = (x0 * x1);
    const float v6 = (x2 * x3);
    const float v7 = (v6 + x4);
    const float v8 = (v5 + v7);
    y0 = v8;
}

extern "C" __global__ void __launch_bounds__(256) multiply_add_2(const float* x0, const float* x1, const float* x2, const float* x3, const float* x4, float* y0)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 18432; i += step) {
        const int i2 = i % 36;
        const int i1 = i / 36 % 16;
        const int i0 = i / 576;
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i2 * 4 + i1 * 144 + i0 * 2304);
        const hn_pack<float, 1> a1 = hn_load<1>(x1 + i1);
        const hn_pack<float, 4> a2 = hn_load<4>(x2 + i2 * 4 + i1 * 144 + i0 * 2304);
        const hn_pack<float, 1> a3 = hn_load<1>(x3 + i1);
        const hn_pack<float, 1> a4 = hn_load<1>(x4 + i1);
        hn_pack<float, 4> b0;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            multiply_add_2_element(a0[e], a1[0], a2[e], a3[0], a4[0], r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i2 * 4 + i1 * 144 + i0 * 2304, b0);
    }
}

static __device__ inline void multiply_add_3_element(float x0, float x1, float& y0)
{
    const float v3 = (x0 * 0.9f);
    const float v5 = (x1 * 0.1f);
    const float v6 = (v3 + v5);
    y0 = v6;
}

extern "C" __global__ void __launch_bounds__(256) multiply_add_3(const long long* table)
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
            multiply_add_3_element(a0[e], a1[e], r0);
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
        multiply_add_3_element(a0[0], a1[0], r0);
        b0.set_exact(0, r0);
        hn_store(y0 + i, b0);
    }
}

static __device__ inline void _7_element(float& y0)
{
    y0 = 0.0f;
}

extern "C" __global__ void __launch_bounds__(256) _7(float* y0)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 4; i += step) {
        hn_pack<float, 4> b0;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            _7_element(r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i * 4, b0);
    }
}
