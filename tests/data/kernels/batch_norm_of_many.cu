// batch_norm_of_many on gpu(0): 2,453,760 bytes of arena
//    copy_arguments<<<(87, 1), 256>>>(made4, made5, arena+1397760, arena+2099968, arena+1747200)
//    _6<<<(1, 1), 256>>>(arena+2451712)
//    cast_1<<<(172, 1), 256>>>(made0)
//    moments_parts_multiply_sum_true_divide_s_1<<<(1, 21), 256>>>(arena+1397760, arena+2099968, arena+2096640, arena+2098176, arena+2099712, arena+2451968, arena+2452224, arena+2452480, arena+2452736, made1)
//    multiply_add_cast_maximum_1<<<(86, 1), 256>>>(arena, arena+2452480, arena+2452736, arena+2096640)
//    centred_parts_sum_multiply_add_true_divi_1<<<(1, 42), 256>>>(arena+1747200, arena+1397760, arena+2451968, arena+2452480, arena+2452736, arena+2452224, arena+2446080, arena+2448896, arena+2452992, arena+2453248, arena+2453504, made2)
//    multiply_add_cast_greater_where_1<<<(86, 1), 256>>>(arena+698880, arena+2452480, arena+2452736, arena+1747200, arena, arena+2453504, arena+2453248, arena+1747200)
//    multiply_add_1<<<(2, 1), 256>>>(made3)
//    copy_results<<<(88, 1), 256>>>(made4, made6, arena+2096640, arena+1747200, arena+2451712, arena+2452992)

#include "functors.cuh"
#include "vector.cuh"
#include "reduce.cuh"
#include "random.cuh"
#include "batch_norm.cu"
#include "staged.cuh"

static __device__ inline void cast_1_element(float x0, float& y0)
{
    const float v1 = hn_cast<float>(x0);
    y0 = v1;
}

extern "C" __global__ void __launch_bounds__(256) cast_1(const long long* table)
{
    const long long* const chunk = table + 8 + 2 * blockIdx.x;
    const long long* const member = table + chunk[0] * 4;
    const long long start = chunk[1], left = member[0] - start;
    const int count = left < 2048 ? static_cast<int>(left) : 2048;
    const hn_bfloat16* const x0 = reinterpret_cast<const hn_bfloat16*>(member[2]) + start;
    float* const y0 = reinterpret_cast<float*>(member[3]) + start;
    const int packs = (member[2] | member[3]) % 16 == 0 ? count / 8 : 0;
#pragma unroll 1
    for (int i = threadIdx.x; i < packs; i += 2 * 256) {
        hn_pack<hn_bfloat16, 8> a0[2];
#pragma unroll
        for (int u = 0; u < 2; ++u) {
            const int j = i + u * 256;
            if (j < packs) {
                a0[u] = hn_load<8>(x0 + j * 8);
            }
        }
#pragma unroll
        for (int u = 0; u < 2; ++u) {
            const int j = i + u * 256;
            if (j < packs) {
                hn_pack<float, 8> b0;
#pragma unroll
                for (int e = 0; e < 8; ++e) {
                    float r0;
                    cast_1_element(a0[u][e], r0);
                    b0.set_exact(e, r0);
                }
                hn_store(y0 + j * 8, b0);
            }
        }
    }
#pragma unroll 1
    for (int i = packs * 8 + threadIdx.x; i < count; i += 256) {
        const hn_pack<hn_bfloat16, 1> a0 = hn_load<1>(x0 + i);
        hn_pack<float, 1> b0;
        float r0;
        cast_1_element(a0[0], r0);
        b0.set_exact(0, r0);
        hn_store(y0 + i, b0);
    }
}

__device__ inline void moments_parts_multiply_sum_true_divide_s_1_end(const float* x0, const float* x1, const float* x2, const float* x3, float* y0, float* y1, float* y2, float* y3)
{
    HN_SHARED(scratch);
    const int lane = threadIdx.x / 16;
    const int place = blockIdx.x * 16 + threadIdx.x % 16;
    const int row = place;
    const hn_pack<float, 1> s3 = hn_load<1>(x3 + row);
    float r0[1];
    r0[0] = hn_reduce_add::start<float>();
    {
        hn_pack<float, 1> a0[2];
        hn_pack<float, 1> a2[2];
#pragma unroll
        for (int k = 0; k < 2; ++k) {
            const int c = k * 16 + lane;
            if (c < 21) {
                a0[k] = hn_load<1>(x0 + row + c * 16);
                a2[k] = hn_load<1>(x2 + c);
            }
        }
#pragma unroll
        for (int k = 0; k < 2; ++k) {
            const int c = k * 16 + lane;
            if (c < 21) {
                const float v6 = (a0[k][0] * a2[k][0]);
                r0[0] = hn_reduce_add::combine(r0[0], v6);
            }
        }
    }
    hn_reduce_columns<hn_reduce_add, 16, 16>(r0, scratch);
    float v5[1];
    v5[0] = (r0[0] / 10920.0f);
    hn_pack<float, 1> b0;
    b0.set_exact(0, v5[0]);
    if (lane == 0) hn_store(y0 + row, b0);
    float r1[1];
    r1[0] = hn_reduce_add::start<float>();
    {
        hn_pack<float, 1> a0[2];
        hn_pack<float, 1> a1[2];
        hn_pack<float, 1> a2[2];
#pragma unroll
        for (int k = 0; k < 2; ++k) {
            const int c = k * 16 + lane;
            if (c < 21) {
                a0[k] = hn_load<1>(x0 + row + c * 16);
                a1[k] = hn_load<1>(x1 + row + c * 16);
                a2[k] = hn_load<1>(x2 + c);
            }
        }
#pragma unroll
        for (int k = 0; k < 2; ++k) {
            const int c = k * 16 + lane;
            if (c < 21) {
                const float v9 = (a0[k][0] - v5[0]);
                const float v10 = (v9 * v9);
                const float v11 = (v10 * a2[k][0]);
                const float v12 = (a1[k][0] + v11);
                r1[0] = hn_reduce_add::combine(r1[0], v12);
            }
        }
    }
    hn_reduce_columns<hn_reduce_add, 16, 16>(r1, scratch);
    float v7[1];
    float v8[1];
    float v9[1];
    float v10[1];
    float v11[1];
    float v12[1];
    v7[0] = (r1[0] / 10920.0f);
    v8[0] = (v7[0] + 0.001f);
    v9[0] = sqrt(v8[0]);
    v10[0] = (1.0f / v9[0]);
    v11[0] = (v5[0] * v10[0]);
    v12[0] = (s3[0] - v11[0]);
    hn_pack<float, 1> b1;
    b1.set_exact(0, v7[0]);
    if (lane == 0) hn_store(y1 + row, b1);
    hn_pack<float, 1> b2;
    b2.set_exact(0, v10[0]);
    if (lane == 0) hn_store(y2 + row, b2);
    hn_pack<float, 1> b3;
    b3.set_exact(0, v12[0]);
    if (lane == 0) hn_store(y3 + row, b3);
}

extern "C" __global__ void __launch_bounds__(256, 4) moments_parts_multiply_sum_true_divide_s_1(const hn_bfloat16* x0, const float* x1, float* y0, float* y1, float* y2, float* y3, float* y4, float* y5, float* y6, int* y7)
{
    hn_moments_parts_over_rows<hn_bfloat16, 8, 2, 128, 4>(x0, y0, y1, y2, 10920, 16, 520);
    if (hn_is_last(y7 + blockIdx.x, gridDim.y)) moments_parts_multiply_sum_true_divide_s_1_end(y0, y1, y2, x1, y3, y4, y5, y6);
}

static __device__ inline void multiply_add_cast_maximum_1_element(float x0, float x1, float x2, float& y0)
{
    const float v3 = (x0 * x1);
    const float v4 = (v3 + x2);
    const float v5 = hn_cast<hn_bfloat16>(v4);
    const float v7 = hn_cast<hn_bfloat16>(hn_max(v5, 0.0f));
    y0 = v7;
}

extern "C" __global__ void __launch_bounds__(256) multiply_add_cast_maximum_1(const float* x0, const float* x1, const float* x2, hn_bfloat16* y0)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 21840; i += step) {
        const int i1 = i % 2;
        const int i0 = i / 2;
        const hn_pack<float, 8> a0 = hn_load<8>(x0 + i1 * 8 + i0 * 16);
        const hn_pack<float, 8> a1 = hn_load<8>(x1 + i1 * 8);
        const hn_pack<float, 8> a2 = hn_load<8>(x2 + i1 * 8);
        hn_pack<hn_bfloat16, 8> b0;
#pragma unroll
        for (int e = 0; e < 8; ++e) {
            float r0;
            multiply_add_cast_maximum_1_element(a0[e], a1[e], a2[e], r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i1 * 8 + i0 * 16, b0);
    }
}

__device__ inline void centred_parts_sum_multiply_add_true_divi_3_end(const float* x0, const float* x1, const float* x2, const float* x3, const float* x4, float* y0, float* y1, float* y2)
{
    HN_SHARED(scratch);
    const int lane = threadIdx.x / 16;
    const int place = blockIdx.x * 16 + threadIdx.x % 16;
    const int row = place;
    const hn_pack<float, 1> s2 = hn_load<1>(x2 + row);
    const hn_pack<float, 1> s3 = hn_load<1>(x3 + row);
    const hn_pack<float, 1> s4 = hn_load<1>(x4 + row);
    float v7[1];
    float v8[1];
    v7[0] = (s4[0] + 0.001f);
    v8[0] = ((-0.5f) / v7[0]);
    float r0[1];
    float r1[1];
    r0[0] = hn_reduce_add::start<float>();
    r1[0] = hn_reduce_add::start<float>();
    {
        hn_pack<float, 1> a0[3];
        hn_pack<float, 1> a1[3];
#pragma unroll
        for (int k = 0; k < 3; ++k) {
            const int c = k * 16 + lane;
            if (c < 42) {
                a0[k] = hn_load<1>(x0 + row + c * 16);
                a1[k] = hn_load<1>(x1 + row + c * 16);
            }
        }
#pragma unroll
        for (int k = 0; k < 3; ++k) {
            const int c = k * 16 + lane;
            if (c < 42) {
                r0[0] = hn_reduce_add::combine(r0[0], a0[k][0]);
                r1[0] = hn_reduce_add::combine(r1[0], a1[k][0]);
            }
        }
    }
    hn_reduce_columns<hn_reduce_add, 16, 16>(r0, scratch);
    hn_reduce_columns<hn_reduce_add, 16, 16>(r1, scratch);
    float v11[1];
    float v12[1];
    float v13[1];
    float v14[1];
    float v15[1];
    float v16[1];
    float v17[1];
    float v18[1];
    v11[0] = (r0[0] * s3[0]);
    v12[0] = (r1[0] * s3[0]);
    v13[0] = (v12[0] * v8[0]);
    v14[0] = (-v11[0]);
    v15[0] = (v14[0] / 10920.0f);
    v16[0] = (v13[0] * 0.00018315019f);
    v17[0] = (s2[0] * v16[0]);
    v18[0] = (v15[0] - v17[0]);
    hn_pack<float, 1> b0;
    b0.set_exact(0, r0[0]);
    if (lane == 0) hn_store(y0 + row, b0);
    hn_pack<float, 1> b2;
    b2.set_exact(0, v16[0]);
    if (lane == 0) hn_store(y2 + row, b2);
    hn_pack<float, 1> b1;
    b1.set_exact(0, v18[0]);
    if (lane == 0) hn_store(y1 + row, b1);
}

extern "C" __global__ void __launch_bounds__(256, 4) centred_parts_sum_multiply_add_true_divi_1(const hn_bfloat16* x0, const hn_bfloat16* x1, const float* x2, const float* x3, const float* x4, const float* x5, float* y0, float* y1, float* y2, float* y3, float* y4, int* y5)
{
    hn_gated_sums_over_rows<hn_bfloat16, 8, 2, 128, 1>(x0, x1, x2, x3, x4, y0, y1, 10920, 16, 260);
    if (hn_is_last(y5 + blockIdx.x, gridDim.y)) centred_parts_sum_multiply_add_true_divi_3_end(y0, y1, x2, x3, x5, y2, y3, y4);
}

static __device__ inline void multiply_add_cast_greater_where_1_element(float x0, float x1, float x2, float x3, float x4, float x5, float x6, float& y0)
{
    const float v7 = (x0 * x1);
    const float v8 = (v7 + x2);
    const float v9 = hn_cast<hn_bfloat16>(v8);
    const bool v11 = (v9 > 0.0f);
    const float v12 = hn_cast<hn_bfloat16>((v11 ? x3 : 0.0f));
    const float v13 = hn_cast<float>(v12);
    const float v14 = (v13 * x1);
    const float v15 = (x4 * x5);
    const float v16 = (v15 + x6);
    const float v17 = (v14 + v16);
    const float v18 = hn_cast<hn_bfloat16>(v17);
    y0 = v18;
}

extern "C" __global__ void __launch_bounds__(256) multiply_add_cast_greater_where_1(const float* x0, const float* x1, const float* x2, const hn_bfloat16* x3, const float* x4, const float* x5, const float* x6, hn_bfloat16* y0)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 21840; i += step) {
        const int i1 = i % 2;
        const int i0 = i / 2;
        const hn_pack<float, 8> a0 = hn_load<8>(x0 + i1 * 8 + i0 * 16);
        const hn_pack<float, 8> a1 = hn_load<8>(x1 + i1 * 8);
        const hn_pack<float, 8> a2 = hn_load<8>(x2 + i1 * 8);
        const hn_pack<hn_bfloat16, 8> a3 = hn_load<8>(x3 + i1 * 8 + i0 * 16);
        const hn_pack<float, 8> a4 = hn_load<8>(x4 + i1 * 8 + i0 * 16);
        const hn_pack<float, 8> a5 = hn_load<8>(x5 + i1 * 8);
        const hn_pack<float, 8> a6 = hn_load<8>(x6 + i1 * 8);
        hn_pack<hn_bfloat16, 8> b0;
#pragma unroll
        for (int e = 0; e < 8; ++e) {
            float r0;
            multiply_add_cast_greater_where_1_element(a0[e], a1[e], a2[e], a3[e], a4[e], a5[e], a6[e], r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i1 * 8 + i0 * 16, b0);
    }
}

static __device__ inline void multiply_add_1_element(float x0, float x1, float& y0)
{
    const float v3 = (x0 * 0.9f);
    const float v5 = (x1 * 0.1f);
    const float v6 = (v3 + v5);
    y0 = v6;
}

extern "C" __global__ void __launch_bounds__(256) multiply_add_1(const long long* table)
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
            multiply_add_1_element(a0[e], a1[e], r0);
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
        multiply_add_1_element(a0[0], a1[0], r0);
        b0.set_exact(0, r0);
        hn_store(y0 + i, b0);
    }
}

static __device__ inline void _6_element(float& y0)
{
    y0 = 0.0f;
}

extern "C" __global__ void __launch_bounds__(256) _6(float* y0)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 4; i += step) {
        hn_pack<float, 4> b0;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            _6_element(r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i * 4, b0);
    }
}

extern "C" __global__ void put_places(long long* table, long long p0, long long p1, long long p2, long long p3, long long p4, long long p5, long long p6)
{
    if (threadIdx.x > 0) return;
    table[0] = p0;
    table[1] = p1;
    table[2] = p2;
    table[3] = p3;
    table[4] = p4;
    table[5] = p5;
    table[6] = p6;
}

extern "C" __global__ void __launch_bounds__(256) copy_arguments(const long long* table, const long long* sizes, unsigned char* a0, unsigned char* a1, unsigned char* a2)
{
    int chunk = static_cast<int>(blockIdx.x);
    if (hn_copy_chunk<256>(a0, reinterpret_cast<const unsigned char*>(table[0]), sizes[0], chunk)) return;
    if (hn_copy_chunk<256>(a1, reinterpret_cast<const unsigned char*>(table[1]), sizes[1], chunk)) return;
    if (hn_copy_chunk<256>(a2, reinterpret_cast<const unsigned char*>(table[2]), sizes[2], chunk)) return;
}

extern "C" __global__ void __launch_bounds__(256) copy_results(const long long* table, const long long* sizes, const unsigned char* a0, const unsigned char* a1, const unsigned char* a2, const unsigned char* a3)
{
    int chunk = static_cast<int>(blockIdx.x);
    if (hn_copy_chunk<256>(reinterpret_cast<unsigned char*>(table[3]), a0, sizes[0], chunk)) return;
    if (hn_copy_chunk<256>(reinterpret_cast<unsigned char*>(table[4]), a1, sizes[1], chunk)) return;
    if (hn_copy_chunk<256>(reinterpret_cast<unsigned char*>(table[5]), a2, sizes[2], chunk)) return;
    if (hn_copy_chunk<256>(reinterpret_cast<unsigned char*>(table[6]), a3, sizes[3], chunk)) return;
}
