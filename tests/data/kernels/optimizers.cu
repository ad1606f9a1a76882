// optimizers on gpu(0): 10,240 bytes of arena
//    copy_arguments<<<(1, 1), 256>>>(made5, made6, arena+7424)
//    copy_1<<<(1, 1), 256>>>(arena+7424, arena+5376)
//    copy_2<<<(1, 1), 256>>>(arena+7424, arena+6656)
//    copy_3<<<(2, 1), 256>>>(arena+7424, arena)
//    multiply_square_sum_1<<<(3, 1), 256>>>(made0, arena+9472)
//    multiply_square_sum_2<<<(3, 1), 64>>>(made0, arena+9472)
//    add_sqrt_true_divide_minimum_1<<<(1, 1), 256>>>(arena+7680, arena+7424, arena+9216, arena+7680, arena+7424)
//    add_power_subtract_cast_1<<<(1, 1), 256>>>(in7, in8, in9, in10, in7, arena+7168, arena+7936, arena+8192)
//    square_sum_1<<<(3, 1), 256>>>(made1, arena+9984)
//    square_sum_2<<<(3, 1), 64>>>(made1, arena+9984)
//    multiply_add_square_true_divide_sqrt_sum_1<<<(3, 1), 256>>>(made2, arena+7424, in12, in13, in15, in16, arena+7936, arena+8192, in17, in18, arena+6912)
//    multiply_add_square_true_divide_sqrt_sum_2<<<(3, 1), 64>>>(made2, arena+6912)
//    sqrt_minimum_greater_true_divide_where_m_1<<<(3, 1), 256>>>(made3, arena+7168)
//    multiply_subtract_1<<<(3, 1), 256>>>(made4)
//    copy_results<<<(1, 1), 256>>>(made5, made7, arena+7680)

#include "functors.cuh"
#include "vector.cuh"
#include "reduce.cuh"
#include "random.cuh"
#include "staged.cuh"

static __device__ inline void copy_1_element(float x0, float& y0)
{
    const float v1 = x0;
    y0 = v1;
}

extern "C" __global__ void __launch_bounds__(256) copy_1(const float* x0, float* y0)
{
    const float s0 = hn_load<1>(x0)[0];
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 70; i += step) {
        hn_pack<float, 4> b0;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            copy_1_element(s0, r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i * 4, b0);
    }
}

static __device__ inline void copy_2_element(float x0, float& y0)
{
    const float v1 = x0;
    y0 = v1;
}

extern "C" __global__ void __launch_bounds__(256) copy_2(const float* x0, float* y0)
{
    const float s0 = hn_load<1>(x0)[0];
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 10; i += step) {
        hn_pack<float, 4> b0;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            copy_2_element(s0, r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i * 4, b0);
    }
}

static __device__ inline void copy_3_element(float x0, float& y0)
{
    const float v1 = x0;
    y0 = v1;
}

extern "C" __global__ void __launch_bounds__(256) copy_3(const float* x0, float* y0)
{
    const float s0 = hn_load<1>(x0)[0];
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 330; i += step) {
        hn_pack<float, 4> b0;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            copy_3_element(s0, r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i * 4, b0);
    }
}

static __device__ inline void multiply_square_sum_1_element(float x0, float x1, float& y0, float& y1)
{
    const float v3 = (x0 * 2.0f);
    const float v4 = (v3 * x1);
    const float v5 = (v4 * v4);
    const float v6 = hn_cast<float>(v5);
    y0 = v4;
    y1 = v6;
}

extern "C" __global__ void __launch_bounds__(256) multiply_square_sum_1(const long long* table, float* p0)
{
    HN_SHARED(scratch);
    const long long* const chunk = table + 18 + 2 * blockIdx.x;
    const long long* const member = table + chunk[0] * 6;
    const long long start = chunk[1], left = member[0] - start;
    const int count = left < 2048 ? static_cast<int>(left) : 2048;
    const float* const x0 = reinterpret_cast<const float*>(member[2]) + start;
    const float* const x1 = reinterpret_cast<const float*>(member[3]) + start;
    float* const y0 = reinterpret_cast<float*>(member[4]) + start;
    float t0 = hn_reduce_add::start<float>();
    const int packs = (member[2] | member[3] | member[4]) % 16 == 0 ? count / 4 : 0;
#pragma unroll 1
    for (int i = threadIdx.x; i < packs; i += 256) {
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i * 4);
        const hn_pack<float, 4> a1 = hn_load<4>(x1 + i * 4);
        hn_pack<float, 4> b0;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            float r1;
            multiply_square_sum_1_element(a0[e], a1[e], r0, r1);
            b0.set_exact(e, r0);
            t0 = hn_reduce_add::combine(t0, r1);
        }
        hn_store(y0 + i * 4, b0);
    }
#pragma unroll 1
    for (int i = packs * 4 + threadIdx.x; i < count; i += 256) {
        const hn_pack<float, 1> a0 = hn_load<1>(x0 + i);
        const hn_pack<float, 1> a1 = hn_load<1>(x1 + i);
        hn_pack<float, 1> b0;
        float r0;
        float r1;
        multiply_square_sum_1_element(a0[0], a1[0], r0, r1);
        b0.set_exact(0, r0);
        t0 = hn_reduce_add::combine(t0, r1);
        hn_store(y0 + i, b0);
    }
    t0 = hn_reduce_block<hn_reduce_add, 256>(t0, scratch);
    if (threadIdx.x == 0) p0[blockIdx.x] = t0;
}

extern "C" __global__ void __launch_bounds__(64) multiply_square_sum_2(const long long* table, const float* p0)
{
    HN_SHARED(scratch);
    const long long* const member = table + blockIdx.x * 6;
    const long long first = member[1], end = first + (member[0] + 2047) / 2048;
    float t0 = hn_reduce_add::start<float>();
    for (long long c = first + threadIdx.x; c < end; c += 64) t0 = hn_reduce_add::combine(t0, p0[c]);
    t0 = hn_reduce_block<hn_reduce_add, 64>(t0, scratch);
    if (threadIdx.x == 0) *reinterpret_cast<float*>(member[5]) = hn_type<float>::store(t0);
}

static __device__ inline void add_sqrt_true_divide_minimum_1_element(float x0, float x1, float x2, float& y0, float& y1)
{
    const float v3 = (x0 + x1);
    const float v4 = (v3 + x2);
    const float v5 = sqrt(v4);
    const float v7 = (v5 + 1e-08f);
    const float v9 = (0.5f / v7);
    const float v11 = hn_min(v9, 1.0f);
    y0 = v5;
    y1 = v11;
}

extern "C" __global__ void __launch_bounds__(256) add_sqrt_true_divide_minimum_1(const float* x0, const float* x1, const float* x2, float* y0, float* y1)
{
    const float s0 = hn_load<1>(x0)[0];
    const float s1 = hn_load<1>(x1)[0];
    const float s2 = hn_load<1>(x2)[0];
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 1; i += step) {
        hn_pack<float, 1> b0;
        hn_pack<float, 1> b1;
        float r0;
        float r1;
        add_sqrt_true_divide_minimum_1_element(s0, s1, s2, r0, r1);
        b0.set_exact(0, r0);
        b1.set_exact(0, r1);
        hn_store(y0, b0);
        hn_store(y1, b1);
    }
}

static __device__ inline void add_power_subtract_cast_1_element(double x0, double x1, double x2, double x3, double& y0, float& y1, float& y2, float& y3)
{
    const double v5 = (x0 + 1.0);
    const double v6 = hn_power(x1, v5);
    const double v7 = (1.0 - v6);
    const double v8 = hn_power(x2, v5);
    const double v9 = (1.0 - v8);
    const float v10 = hn_cast<float>(x3);
    const float v11 = hn_cast<float>(v7);
    const float v12 = hn_cast<float>(v9);
    y0 = v5;
    y1 = v10;
    y2 = v11;
    y3 = v12;
}

extern "C" __global__ void __launch_bounds__(256) add_power_subtract_cast_1(const double* x0, const double* x1, const double* x2, const double* x3, double* y0, float* y1, float* y2, float* y3)
{
    const double s0 = hn_load<1>(x0)[0];
    const double s1 = hn_load<1>(x1)[0];
    const double s2 = hn_load<1>(x2)[0];
    const double s3 = hn_load<1>(x3)[0];
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 1; i += step) {
        hn_pack<double, 1> b0;
        hn_pack<float, 1> b1;
        hn_pack<float, 1> b2;
        hn_pack<float, 1> b3;
        double r0;
        float r1;
        float r2;
        float r3;
        add_power_subtract_cast_1_element(s0, s1, s2, s3, r0, r1, r2, r3);
        b0.set_exact(0, r0);
        b1.set_exact(0, r1);
        b2.set_exact(0, r2);
        b3.set_exact(0, r3);
        hn_store(y0, b0);
        hn_store(y1, b1);
        hn_store(y2, b2);
        hn_store(y3, b3);
    }
}

static __device__ inline void square_sum_1_element(float x0, float& y0)
{
    const float v1 = (x0 * x0);
    const float v2 = hn_cast<float>(v1);
    y0 = v2;
}

extern "C" __global__ void __launch_bounds__(256) square_sum_1(const long long* table, float* p0)
{
    HN_SHARED(scratch);
    const long long* const chunk = table + 12 + 2 * blockIdx.x;
    const long long* const member = table + chunk[0] * 4;
    const long long start = chunk[1], left = member[0] - start;
    const int count = left < 2048 ? static_cast<int>(left) : 2048;
    const float* const x0 = reinterpret_cast<const float*>(member[2]) + start;
    float t0 = hn_reduce_add::start<float>();
    const int packs = (member[2]) % 16 == 0 ? count / 4 : 0;
#pragma unroll 1
    for (int i = threadIdx.x; i < packs; i += 2 * 256) {
        hn_pack<float, 4> a0[2];
#pragma unroll
        for (int u = 0; u < 2; ++u) {
            const int j = i + u * 256;
            if (j < packs) {
                a0[u] = hn_load<4>(x0 + j * 4);
            }
        }
#pragma unroll
        for (int u = 0; u < 2; ++u) {
            const int j = i + u * 256;
            if (j < packs) {
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    float r0;
                    square_sum_1_element(a0[u][e], r0);
                    t0 = hn_reduce_add::combine(t0, r0);
                }
            }
        }
    }
#pragma unroll 1
    for (int i = packs * 4 + threadIdx.x; i < count; i += 256) {
        const hn_pack<float, 1> a0 = hn_load<1>(x0 + i);
        float r0;
        square_sum_1_element(a0[0], r0);
        t0 = hn_reduce_add::combine(t0, r0);
    }
    t0 = hn_reduce_block<hn_reduce_add, 256>(t0, scratch);
    if (threadIdx.x == 0) p0[blockIdx.x] = t0;
}

extern "C" __global__ void __launch_bounds__(64) square_sum_2(const long long* table, const float* p0)
{
    HN_SHARED(scratch);
    const long long* const member = table + blockIdx.x * 4;
    const long long first = member[1], end = first + (member[0] + 2047) / 2048;
    float t0 = hn_reduce_add::start<float>();
    for (long long c = first + threadIdx.x; c < end; c += 64) t0 = hn_reduce_add::combine(t0, p0[c]);
    t0 = hn_reduce_block<hn_reduce_add, 64>(t0, scratch);
    if (threadIdx.x == 0) *reinterpret_cast<float*>(member[3]) = hn_type<float>::store(t0);
}

static __device__ inline void multiply_add_square_true_divide_sqrt_sum_1_element(float x0, float x1, float x2, float x3, float x4, float x5, float x6, float x7, float x8, float x9, float x10, float x11, float x12, float& y0, float& y1, float& y2, float& y3, float& y4)
{
    const float v13 = (x0 * x4);
    const float v14 = (x1 * x5);
    const float v15 = (v13 * x6);
    const float v16 = (v14 + v15);
    const float v17 = (v13 * v13);
    const float v18 = (x2 * x7);
    const float v19 = (v17 * x8);
    const float v20 = (v18 + v19);
    const float v21 = (v16 / x9);
    const float v22 = (v20 / x10);
    const float v23 = sqrt(v22);
    const float v24 = (v23 + x11);
    const float v25 = (v21 / v24);
    const float v26 = (x3 * x12);
    const float v27 = (v25 + v26);
    const float v28 = (v27 * v27);
    const float v29 = hn_cast<float>(v28);
    y0 = v13;
    y1 = v16;
    y2 = v20;
    y3 = v27;
    y4 = v29;
}

extern "C" __global__ void __launch_bounds__(256) multiply_add_square_true_divide_sqrt_sum_1(const long long* table, const float* x4, const float* x5, const float* x6, const float* x7, const float* x8, const float* x9, const float* x10, const float* x11, const float* x12, float* p0)
{
    HN_SHARED(scratch);
    const long long* const chunk = table + 33 + 2 * blockIdx.x;
    const long long* const member = table + chunk[0] * 11;
    const long long start = chunk[1], left = member[0] - start;
    const int count = left < 2048 ? static_cast<int>(left) : 2048;
    const float* const x0 = reinterpret_cast<const float*>(member[2]) + start;
    const float* const x1 = reinterpret_cast<const float*>(member[3]) + start;
    const float* const x2 = reinterpret_cast<const float*>(member[4]) + start;
    const float* const x3 = reinterpret_cast<const float*>(member[5]) + start;
    float* const y0 = reinterpret_cast<float*>(member[6]) + start;
    float* const y1 = reinterpret_cast<float*>(member[7]) + start;
    float* const y2 = reinterpret_cast<float*>(member[8]) + start;
    float* const y3 = reinterpret_cast<float*>(member[9]) + start;
    const float s4 = hn_load<1>(x4)[0];
    const float s5 = hn_load<1>(x5)[0];
    const float s6 = hn_load<1>(x6)[0];
    const float s7 = hn_load<1>(x7)[0];
    const float s8 = hn_load<1>(x8)[0];
    const float s9 = hn_load<1>(x9)[0];
    const float s10 = hn_load<1>(x10)[0];
    const float s11 = hn_load<1>(x11)[0];
    const float s12 = hn_load<1>(x12)[0];
    float t0 = hn_reduce_add::start<float>();
    const int packs = (member[2] | member[3] | member[4] | member[5] | member[6] | member[7] | member[8] | member[9]) % 16 == 0 ? count / 4 : 0;
#pragma unroll 1
    for (int i = threadIdx.x; i < packs; i += 256) {
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i * 4);
        const hn_pack<float, 4> a1 = hn_load<4>(x1 + i * 4);
        const hn_pack<float, 4> a2 = hn_load<4>(x2 + i * 4);
        const hn_pack<float, 4> a3 = hn_load<4>(x3 + i * 4);
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
            float r4;
            multiply_add_square_true_divide_sqrt_sum_1_element(a0[e], a1[e], a2[e], a3[e], s4, s5, s6, s7, s8, s9, s10, s11, s12, r0, r1, r2, r3, r4);
            b0.set_exact(e, r0);
            b1.set_exact(e, r1);
            b2.set_exact(e, r2);
            b3.set_exact(e, r3);
            t0 = hn_reduce_add::combine(t0, r4);
        }
        hn_store(y0 + i * 4, b0);
        hn_store(y1 + i * 4, b1);
        hn_store(y2 + i * 4, b2);
        hn_store(y3 + i * 4, b3);
    }
#pragma unroll 1
    for (int i = packs * 4 + threadIdx.x; i < count; i += 256) {
        const hn_pack<float, 1> a0 = hn_load<1>(x0 + i);
        const hn_pack<float, 1> a1 = hn_load<1>(x1 + i);
        const hn_pack<float, 1> a2 = hn_load<1>(x2 + i);
        const hn_pack<float, 1> a3 = hn_load<1>(x3 + i);
        hn_pack<float, 1> b0;
        hn_pack<float, 1> b1;
        hn_pack<float, 1> b2;
        hn_pack<float, 1> b3;
        float r0;
        float r1;
        float r2;
        float r3;
        float r4;
        multiply_add_square_true_divide_sqrt_sum_1_element(a0[0], a1[0], a2[0], a3[0], s4, s5, s6, s7, s8, s9, s10, s11, s12, r0, r1, r2, r3, r4);
        b0.set_exact(0, r0);
        b1.set_exact(0, r1);
        b2.set_exact(0, r2);
        b3.set_exact(0, r3);
        t0 = hn_reduce_add::combine(t0, r4);
        hn_store(y0 + i, b0);
        hn_store(y1 + i, b1);
        hn_store(y2 + i, b2);
        hn_store(y3 + i, b3);
    }
    t0 = hn_reduce_block<hn_reduce_add, 256>(t0, scratch);
    if (threadIdx.x == 0) p0[blockIdx.x] = t0;
}

extern "C" __global__ void __launch_bounds__(64) multiply_add_square_true_divide_sqrt_sum_2(const long long* table, const float* p0)
{
    HN_SHARED(scratch);
    const long long* const member = table + blockIdx.x * 11;
    const long long first = member[1], end = first + (member[0] + 2047) / 2048;
    float t0 = hn_reduce_add::start<float>();
    for (long long c = first + threadIdx.x; c < end; c += 64) t0 = hn_reduce_add::combine(t0, p0[c]);
    t0 = hn_reduce_block<hn_reduce_add, 64>(t0, scratch);
    if (threadIdx.x == 0) *reinterpret_cast<float*>(member[10]) = hn_type<float>::store(t0);
}

static __device__ inline void sqrt_minimum_greater_true_divide_where_m_1_element(float x0, float x1, float x2, float& y0)
{
    const float v3 = sqrt(x0);
    const float v4 = sqrt(x1);
    const float v5 = hn_min(v3, v4);
    const bool v7 = (v5 > 0.0f);
    const float v8 = (v3 / v4);
    const float v10 = (v7 ? v8 : 1.0f);
    const float v11 = (v10 * x2);
    y0 = v11;
}

extern "C" __global__ void __launch_bounds__(256) sqrt_minimum_greater_true_divide_where_m_1(const long long* table, const float* x2)
{
    const long long* const chunk = table + 15 + 2 * blockIdx.x;
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
            sqrt_minimum_greater_true_divide_where_m_1_element(a0[e], a1[e], s2, r0);
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
        sqrt_minimum_greater_true_divide_where_m_1_element(a0[0], a1[0], s2, r0);
        b0.set_exact(0, r0);
        hn_store(y0 + i, b0);
    }
}

static __device__ inline void multiply_subtract_1_element(float x0, float x1, float x2, float& y0)
{
    const float v3 = (x0 * x2);
    const float v4 = (x1 - v3);
    y0 = v4;
}

extern "C" __global__ void __launch_bounds__(256) multiply_subtract_1(const long long* table)
{
    const long long* const chunk = table + 18 + 2 * blockIdx.x;
    const long long* const member = table + chunk[0] * 6;
    const long long start = chunk[1], left = member[0] - start;
    const int count = left < 2048 ? static_cast<int>(left) : 2048;
    const float* const x0 = reinterpret_cast<const float*>(member[2]) + start;
    const float* const x1 = reinterpret_cast<const float*>(member[3]) + start;
    const float* const x2 = reinterpret_cast<const float*>(member[4]);
    float* const y0 = reinterpret_cast<float*>(member[5]) + start;
    const float s2 = hn_load<1>(x2)[0];
    const int packs = (member[2] | member[3] | member[5]) % 16 == 0 ? count / 4 : 0;
#pragma unroll 1
    for (int i = threadIdx.x; i < packs; i += 256) {
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i * 4);
        const hn_pack<float, 4> a1 = hn_load<4>(x1 + i * 4);
        hn_pack<float, 4> b0;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            multiply_subtract_1_element(a0[e], a1[e], s2, r0);
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
        multiply_subtract_1_element(a0[0], a1[0], s2, r0);
        b0.set_exact(0, r0);
        hn_store(y0 + i, b0);
    }
}

extern "C" __global__ void put_places(long long* table, long long p0, long long p1)
{
    if (threadIdx.x > 0) return;
    table[0] = p0;
    table[1] = p1;
}

extern "C" __global__ void __launch_bounds__(256) copy_arguments(const long long* table, const long long* sizes, unsigned char* a0)
{
    int chunk = static_cast<int>(blockIdx.x);
    if (hn_copy_chunk<256>(a0, reinterpret_cast<const unsigned char*>(table[0]), sizes[0], chunk)) return;
}

extern "C" __global__ void __launch_bounds__(256) copy_results(const long long* table, const long long* sizes, const unsigned char* a0)
{
    int chunk = static_cast<int>(blockIdx.x);
    if (hn_copy_chunk<256>(reinterpret_cast<unsigned char*>(table[1]), a0, sizes[0], chunk)) return;
}
