// mixed_precision_step on gpu(0): 11,264 bytes of arena
//    copy_arguments<<<(2, 1), 256>>>(made2, made3, arena, arena+8704)
//    cast_1<<<(1, 1), 256>>>(arena, arena+6144)
//    matmul_bias: cuBLASLt 1 × 40×33×16 bfloat16 bias(arena+6144, in36, in37, arena+4864)
//    maximum_1<<<(1, 1), 256>>>(arena+4864, arena+4864)
//    matmul_bias: cuBLASLt 1 × 24×40×16 bfloat16 bias(arena+4864, in38, in39, arena+1280)
//    maximum_2<<<(1, 1), 256>>>(arena+1280, arena+1280)
//    matmul_bias: cuBLASLt 1 × 10×24×16 bfloat16 bias(arena+1280, in40, in41, arena+10752)
//    softmax_cross_entropy_both_1<<<(1, 1), 256>>>(arena+10752, arena+8704, made0, made0, arena+8448, arena+10752)
//    sum_1<<<(1, 1), 256>>>(arena+10752, arena+8960)
//    matmul: cuBLASLt 1 × 24×10×16 bfloat16(arena+10752, in40, arena)
//    matmul: cuBLASLt 1 × 24×16×10 bfloat16(arena+10752, arena+1280, arena+7424)
//    greater_where_sum_1<<<(1, 1), 256>>>(arena+1280, arena, arena+1280, arena+8704)
//    matmul: cuBLASLt 1 × 40×24×16 bfloat16(arena+1280, in38, arena)
//    matmul: cuBLASLt 1 × 40×16×24 bfloat16(arena+1280, arena+4864, arena+2816)
//    greater_where_sum_2<<<(1, 1), 256>>>(arena+4864, arena, arena+4864, arena+8192)
//    matmul: cuBLASLt 1 × 33×16×40 bfloat16(arena+4864, arena+6144, arena)
//    add_power_subtract_sqrt_multiply_true_di_1<<<(1, 1), 256>>>(in14, in15, in16, in17, in18, in19, in24, in25, in14, arena+9216, arena+9472, arena+9728, arena+9984, arena+10240)
//    sum_true_divide_1<<<(1, 1), 256>>>(arena+8448, arena+10496)
//    cast_multiply_add_square_sqrt_true_divid_1<<<(6, 1), 256>>>(made1, in21, arena+9216, in23, arena+9472, arena+9728, arena+9984, arena+10240)
//    copy_results<<<(1, 1), 256>>>(made2, made4, arena+10496)

#include "functors.cuh"
#include "vector.cuh"
#include "reduce.cuh"
#include "random.cuh"
#include "cross_entropy.cu"
#include "staged.cuh"

static __device__ inline void cast_1_element(float x0, float& y0)
{
    const float v1 = hn_cast<hn_bfloat16>(x0);
    y0 = v1;
}

extern "C" __global__ void __launch_bounds__(256) cast_1(const float* x0, hn_bfloat16* y0)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 66; i += step) {
        const hn_pack<float, 8> a0 = hn_load<8>(x0 + i * 8);
        hn_pack<hn_bfloat16, 8> b0;
#pragma unroll
        for (int e = 0; e < 8; ++e) {
            float r0;
            cast_1_element(a0[e], r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i * 8, b0);
    }
}

static __device__ inline void maximum_1_element(float x0, float& y0)
{
    const float v2 = hn_cast<hn_bfloat16>(hn_max(x0, 0.0f));
    y0 = v2;
}

extern "C" __global__ void __launch_bounds__(256) maximum_1(const hn_bfloat16* x0, hn_bfloat16* y0)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 80; i += step) {
        const hn_pack<hn_bfloat16, 8> a0 = hn_load<8>(x0 + i * 8);
        hn_pack<hn_bfloat16, 8> b0;
#pragma unroll
        for (int e = 0; e < 8; ++e) {
            float r0;
            maximum_1_element(a0[e], r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i * 8, b0);
    }
}

static __device__ inline void maximum_2_element(float x0, float& y0)
{
    const float v2 = hn_cast<hn_bfloat16>(hn_max(x0, 0.0f));
    y0 = v2;
}

extern "C" __global__ void __launch_bounds__(256) maximum_2(const hn_bfloat16* x0, hn_bfloat16* y0)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 48; i += step) {
        const hn_pack<hn_bfloat16, 8> a0 = hn_load<8>(x0 + i * 8);
        hn_pack<hn_bfloat16, 8> b0;
#pragma unroll
        for (int e = 0; e < 8; ++e) {
            float r0;
            maximum_2_element(a0[e], r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i * 8, b0);
    }
}

extern "C" __global__ void __launch_bounds__(256) softmax_cross_entropy_both_1(const hn_bfloat16* x0, const int* x1, const float* x2, const float* x3, float* y0, hn_bfloat16* y1)
{
    hn_cross_entropy_both<hn_bfloat16, float, int, 256, 2, 4>(x0, x1, x2, x3, y0, y1, 16, 10);
}

extern "C" __global__ void __launch_bounds__(256) sum_1(const hn_bfloat16* x0, hn_bfloat16* y0)
{
    const int lane = threadIdx.x % 16;
    const int place = blockIdx.x * 16 + threadIdx.x / 16;
    const bool active = place <= 9;
    const int row = active ? place : 9;
    float r0 = hn_reduce_add::start<float>();
    {
        hn_pack<hn_bfloat16, 1> a0[1];
#pragma unroll
        for (int k = 0; k < 1; ++k) {
            const int c = k * 16 + lane;
            a0[k] = hn_load<1>(x0 + row + c * 10);
        }
#pragma unroll
        for (int k = 0; k < 1; ++k) {
            r0 = hn_reduce_add::combine(r0, a0[k][0]);
        }
    }
    const float t0 = hn_cast<hn_bfloat16>(hn_reduce_lanes<hn_reduce_add, 16>(r0));
    if (lane == 0 && active) *(y0 + row) = hn_type<hn_bfloat16>::store(t0);
}

extern "C" __global__ void __launch_bounds__(256) greater_where_sum_1(const hn_bfloat16* x0, const hn_bfloat16* x1, hn_bfloat16* y0, hn_bfloat16* y1)
{
    HN_SHARED(scratch);
    const int lane = threadIdx.x / 16;
    const int place = blockIdx.x * 16 + threadIdx.x % 16;
    const bool active = place <= 11;
    const int row = active ? place : 11;
    float r0[2];
#pragma unroll
    for (int e = 0; e < 2; ++e) {
        r0[e] = hn_reduce_add::start<float>();
    }
    {
        hn_pack<hn_bfloat16, 2> a0[1];
        hn_pack<hn_bfloat16, 2> a1[1];
#pragma unroll
        for (int k = 0; k < 1; ++k) {
            const int c = k * 16 + lane;
            a0[k] = hn_load<2>(x0 + row * 2 + c * 24);
            a1[k] = hn_load<2>(x1 + row * 2 + c * 24);
        }
#pragma unroll
        for (int k = 0; k < 1; ++k) {
            const int c = k * 16 + lane;
            hn_pack<hn_bfloat16, 2> b0;
#pragma unroll
            for (int e = 0; e < 2; ++e) {
                const bool v3 = (a0[k][e] > 0.0f);
                const float v4 = hn_cast<hn_bfloat16>((v3 ? a1[k][e] : 0.0f));
                r0[e] = hn_reduce_add::combine(r0[e], v4);
                b0.set_exact(e, v4);
            }
            if (active) hn_store(y0 + row * 2 + c * 24, b0);
        }
    }
    hn_reduce_columns<hn_reduce_add, 16, 16>(r0, scratch);
#pragma unroll
    for (int e = 0; e < 2; ++e) {
        r0[e] = hn_cast<hn_bfloat16>(r0[e]);
    }
    hn_pack<hn_bfloat16, 2> b1;
#pragma unroll
    for (int e = 0; e < 2; ++e) {
        b1.set_exact(e, r0[e]);
    }
    if (lane == 0 && active) hn_store(y1 + row * 2, b1);
}

extern "C" __global__ void __launch_bounds__(256) greater_where_sum_2(const hn_bfloat16* x0, const hn_bfloat16* x1, hn_bfloat16* y0, hn_bfloat16* y1)
{
    HN_SHARED(scratch);
    const int lane = threadIdx.x / 16;
    const int place = blockIdx.x * 16 + threadIdx.x % 16;
    const bool active = place <= 9;
    const int row = active ? place : 9;
    float r0[4];
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        r0[e] = hn_reduce_add::start<float>();
    }
    {
        hn_pack<hn_bfloat16, 4> a0[1];
        hn_pack<hn_bfloat16, 4> a1[1];
#pragma unroll
        for (int k = 0; k < 1; ++k) {
            const int c = k * 16 + lane;
            a0[k] = hn_load<4>(x0 + row * 4 + c * 40);
            a1[k] = hn_load<4>(x1 + row * 4 + c * 40);
        }
#pragma unroll
        for (int k = 0; k < 1; ++k) {
            const int c = k * 16 + lane;
            hn_pack<hn_bfloat16, 4> b0;
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const bool v3 = (a0[k][e] > 0.0f);
                const float v4 = hn_cast<hn_bfloat16>((v3 ? a1[k][e] : 0.0f));
                r0[e] = hn_reduce_add::combine(r0[e], v4);
                b0.set_exact(e, v4);
            }
            if (active) hn_store(y0 + row * 4 + c * 40, b0);
        }
    }
    hn_reduce_columns<hn_reduce_add, 16, 16>(r0, scratch);
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        r0[e] = hn_cast<hn_bfloat16>(r0[e]);
    }
    hn_pack<hn_bfloat16, 4> b1;
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        b1.set_exact(e, r0[e]);
    }
    if (lane == 0 && active) hn_store(y1 + row * 4, b1);
}

static __device__ inline void add_power_subtract_sqrt_multiply_true_di_1_element(double x0, double x1, double x2, double x3, double x4, double x5, float x6, float x7, double& y0, float& y1, float& y2, float& y3, float& y4, float& y5)
{
    const double v9 = (x0 + 1.0);
    const double v10 = hn_power(x1, v9);
    const double v11 = (1.0 - v10);
    const double v12 = sqrt(v11);
    const double v13 = (x2 * v12);
    const double v14 = hn_power(x3, v9);
    const double v15 = (1.0 - v14);
    const double v16 = (v13 / v15);
    const double v18 = (x4 * 0.0625);
    const double v20 = (x5 * 0.00390625);
    const float v21 = hn_cast<float>(v18);
    const float v22 = hn_cast<float>(v20);
    const float v23 = hn_cast<float>(x2);
    const float v24 = hn_cast<float>(v16);
    const float v25 = hn_cast<float>(v12);
    const float v26 = (x6 * v25);
    const float v27 = (v23 * x7);
    y0 = v9;
    y1 = v21;
    y2 = v22;
    y3 = v24;
    y4 = v26;
    y5 = v27;
}

extern "C" __global__ void __launch_bounds__(256) add_power_subtract_sqrt_multiply_true_di_1(const double* x0, const double* x1, const double* x2, const double* x3, const double* x4, const double* x5, const float* x6, const float* x7, double* y0, float* y1, float* y2, float* y3, float* y4, float* y5)
{
    const double s0 = hn_load<1>(x0)[0];
    const double s1 = hn_load<1>(x1)[0];
    const double s2 = hn_load<1>(x2)[0];
    const double s3 = hn_load<1>(x3)[0];
    const double s4 = hn_load<1>(x4)[0];
    const double s5 = hn_load<1>(x5)[0];
    const float s6 = hn_load<1>(x6)[0];
    const float s7 = hn_load<1>(x7)[0];
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 1; i += step) {
        hn_pack<double, 1> b0;
        hn_pack<float, 1> b1;
        hn_pack<float, 1> b2;
        hn_pack<float, 1> b3;
        hn_pack<float, 1> b4;
        hn_pack<float, 1> b5;
        double r0;
        float r1;
        float r2;
        float r3;
        float r4;
        float r5;
        add_power_subtract_sqrt_multiply_true_di_1_element(s0, s1, s2, s3, s4, s5, s6, s7, r0, r1, r2, r3, r4, r5);
        b0.set_exact(0, r0);
        b1.set_exact(0, r1);
        b2.set_exact(0, r2);
        b3.set_exact(0, r3);
        b4.set_exact(0, r4);
        b5.set_exact(0, r5);
        hn_store(y0, b0);
        hn_store(y1, b1);
        hn_store(y2, b2);
        hn_store(y3, b3);
        hn_store(y4, b4);
        hn_store(y5, b5);
    }
}

extern "C" __global__ void __launch_bounds__(256) sum_true_divide_1(const float* x0, float* y0)
{
    const int lane = threadIdx.x % 4;
    const int place = blockIdx.x * 64 + threadIdx.x / 4;
    const bool active = place <= 0;
    float r0 = hn_reduce_add::start<float>();
    {
        hn_pack<float, 4> a0[1];
#pragma unroll
        for (int k = 0; k < 1; ++k) {
            const int c = k * 4 + lane;
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
    const float t0 = hn_reduce_lanes<hn_reduce_add, 4>(r0);
    const float v2 = (t0 / 16.0f);
    if (lane == 0 && active) *(y0) = hn_type<float>::store(v2);
}

static __device__ inline void cast_multiply_add_square_sqrt_true_divid_1_element(float x0, float x1, float x2, float x3, float x4, float x5, float x6, float x7, float x8, float x9, float x10, float& y0, float& y1, float& y2, float& y3, float& y4)
{
    const float v11 = hn_cast<float>(x0);
    const float v12 = (x1 * x4);
    const float v13 = (v11 * x5);
    const float v14 = (v12 + v13);
    const float v15 = (v11 * v11);
    const float v16 = (x2 * x6);
    const float v17 = (v15 * x7);
    const float v18 = (v16 + v17);
    const float v19 = (v14 * x8);
    const float v20 = sqrt(v18);
    const float v21 = (v20 + x9);
    const float v22 = (v19 / v21);
    const float v23 = (x3 * x10);
    const float v24 = (v22 + v23);
    const float v25 = (x3 - v24);
    const float v26 = hn_cast<hn_bfloat16>(v25);
    y0 = v11;
    y1 = v14;
    y2 = v18;
    y3 = v25;
    y4 = v26;
}

extern "C" __global__ void __launch_bounds__(256) cast_multiply_add_square_sqrt_true_divid_1(const long long* table, const float* x4, const float* x5, const float* x6, const float* x7, const float* x8, const float* x9, const float* x10)
{
    const long long* const chunk = table + 66 + 2 * blockIdx.x;
    const long long* const member = table + chunk[0] * 11;
    const long long start = chunk[1], left = member[0] - start;
    const int count = left < 2048 ? static_cast<int>(left) : 2048;
    const hn_bfloat16* const x0 = reinterpret_cast<const hn_bfloat16*>(member[2]) + start;
    const float* const x1 = reinterpret_cast<const float*>(member[3]) + start;
    const float* const x2 = reinterpret_cast<const float*>(member[4]) + start;
    const float* const x3 = reinterpret_cast<const float*>(member[5]) + start;
    float* const y0 = reinterpret_cast<float*>(member[6]) + start;
    float* const y1 = reinterpret_cast<float*>(member[7]) + start;
    float* const y2 = reinterpret_cast<float*>(member[8]) + start;
    float* const y3 = reinterpret_cast<float*>(member[9]) + start;
    hn_bfloat16* const y4 = reinterpret_cast<hn_bfloat16*>(member[10]) + start;
    const float s4 = hn_load<1>(x4)[0];
    const float s5 = hn_load<1>(x5)[0];
    const float s6 = hn_load<1>(x6)[0];
    const float s7 = hn_load<1>(x7)[0];
    const float s8 = hn_load<1>(x8)[0];
    const float s9 = hn_load<1>(x9)[0];
    const float s10 = hn_load<1>(x10)[0];
    const int packs = (member[2] | member[3] | member[4] | member[5] | member[6] | member[7] | member[8] | member[9] | member[10]) % 16 == 0 ? count / 8 : 0;
#pragma unroll 1
    for (int i = threadIdx.x; i < packs; i += 256) {
        const hn_pack<hn_bfloat16, 8> a0 = hn_load<8>(x0 + i * 8);
        const hn_pack<float, 8> a1 = hn_load<8>(x1 + i * 8);
        const hn_pack<float, 8> a2 = hn_load<8>(x2 + i * 8);
        const hn_pack<float, 8> a3 = hn_load<8>(x3 + i * 8);
        hn_pack<float, 8> b0;
        hn_pack<float, 8> b1;
        hn_pack<float, 8> b2;
        hn_pack<float, 8> b3;
        hn_pack<hn_bfloat16, 8> b4;
#pragma unroll
        for (int e = 0; e < 8; ++e) {
            float r0;
            float r1;
            float r2;
            float r3;
            float r4;
            cast_multiply_add_square_sqrt_true_divid_1_element(a0[e], a1[e], a2[e], a3[e], s4, s5, s6, s7, s8, s9, s10, r0, r1, r2, r3, r4);
            b0.set_exact(e, r0);
            b1.set_exact(e, r1);
            b2.set_exact(e, r2);
            b3.set_exact(e, r3);
            b4.set_exact(e, r4);
        }
        hn_store(y0 + i * 8, b0);
        hn_store(y1 + i * 8, b1);
        hn_store(y2 + i * 8, b2);
        hn_store(y3 + i * 8, b3);
        hn_store(y4 + i * 8, b4);
    }
#pragma unroll 1
    for (int i = packs * 8 + threadIdx.x; i < count; i += 256) {
        const hn_pack<hn_bfloat16, 1> a0 = hn_load<1>(x0 + i);
        const hn_pack<float, 1> a1 = hn_load<1>(x1 + i);
        const hn_pack<float, 1> a2 = hn_load<1>(x2 + i);
        const hn_pack<float, 1> a3 = hn_load<1>(x3 + i);
        hn_pack<float, 1> b0;
        hn_pack<float, 1> b1;
        hn_pack<float, 1> b2;
        hn_pack<float, 1> b3;
        hn_pack<hn_bfloat16, 1> b4;
        float r0;
        float r1;
        float r2;
        float r3;
        float r4;
        cast_multiply_add_square_sqrt_true_divid_1_element(a0[0], a1[0], a2[0], a3[0], s4, s5, s6, s7, s8, s9, s10, r0, r1, r2, r3, r4);
        b0.set_exact(0, r0);
        b1.set_exact(0, r1);
        b2.set_exact(0, r2);
        b3.set_exact(0, r3);
        b4.set_exact(0, r4);
        hn_store(y0 + i, b0);
        hn_store(y1 + i, b1);
        hn_store(y2 + i, b2);
        hn_store(y3 + i, b3);
        hn_store(y4 + i, b4);
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
