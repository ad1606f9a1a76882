// rotary on gpu(0): 1,482,240 bytes of arena
//    copy_arguments<<<(91, 1), 256>>>(made0, made1, arena, arena+737280, arena+491520)
//    arange_1<<<(1, 1), 256>>>(arena+737792)
//    multiply_exp_1<<<(1, 1), 256>>>(arena+737792, arena+737792)
//    cast_1<<<(1, 1), 256>>>(arena+737280, arena+737536)
//    multiply_cos_sin_negative_1<<<(2, 1), 256>>>(arena+737536, arena+737792, arena+1474560, arena+1013760, arena+1021440)
//    concatenate_1<<<(4, 1), 256>>>(arena+983040, arena+1021440, arena+1013760)
//    concatenate_2<<<(15, 1), 256>>>(arena+998400, arena+1021440, arena+1013760)
//    cast_multiply_add_1<<<(480, 1), 256>>>(arena+1024, arena+1474560, arena+1026, arena+998400, arena+737280)
//    cast_multiply_add_2<<<(60, 1), 256>>>(arena, arena+1474560, arena+64, arena+983040, arena+737280, arena+737280)
//    concatenate_2<<<(15, 1), 256>>>(arena, arena+1013760, arena+1021440)
//    concatenate_1<<<(4, 1), 256>>>(arena+15360, arena+1013760, arena+1021440)
//    cast_multiply_add_3<<<(60, 1), 256>>>(arena+491520, arena+1474560, arena+491584, arena+15360, arena+983040)
//    cast_multiply_add_4<<<(480, 1), 256>>>(arena+491520, arena+1474560, arena+491522, arena, arena+1228800)
//    concatenate_3<<<(120, 1), 256>>>(arena, arena+983040, arena+1228800)
//    copy_results<<<(90, 1), 256>>>(made0, made2, arena+737280, arena)

#include "functors.cuh"
#include "vector.cuh"
#include "reduce.cuh"
#include "random.cuh"
#include "creation.cu"
#include "joining.cu"
#include "staged.cuh"

extern "C" __global__ void __launch_bounds__(256) arange_1(float* y0)
{
    hn_arange<int, 8, 4, long long>(y0, 0ll, 1ll);
}

static __device__ inline void multiply_exp_1_element(float x0, float& y0)
{
    const float v2 = (x0 * (-0.28782314f));
    const float v3 = exp(v2);
    y0 = v3;
}

extern "C" __global__ void __launch_bounds__(256) multiply_exp_1(const float* x0, float* y0)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 8; i += step) {
        const hn_pack<float, 4> a0 = hn_load<4>(x0 + i * 4);
        hn_pack<float, 4> b0;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            multiply_exp_1_element(a0[e], r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i * 4, b0);
    }
}

static __device__ inline void cast_1_element(int x0, float& y0)
{
    const float v1 = hn_cast<float>(x0);
    y0 = v1;
}

extern "C" __global__ void __launch_bounds__(256) cast_1(const int* x0, float* y0)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 15; i += step) {
        const hn_pack<int, 4> a0 = hn_load<4>(x0 + i * 4);
        hn_pack<float, 4> b0;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            cast_1_element(a0[e], r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i * 4, b0);
    }
}

static __device__ inline void multiply_cos_sin_negative_1_element(float x0, float x1, float& y0, float& y1, float& y2)
{
    const float v2 = (x0 * x1);
    const float v3 = cos(v2);
    const float v4 = sin(v2);
    const float v5 = (-v4);
    y0 = v3;
    y1 = v4;
    y2 = v5;
}

extern "C" __global__ void __launch_bounds__(256) multiply_cos_sin_negative_1(const float* x0, const float* x1, float* y0, float* y1, float* y2)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 480; i += step) {
        const int i1 = i % 8;
        const int i0 = i / 8;
        const hn_pack<float, 1> a0 = hn_load<1>(x0 + i0);
        const hn_pack<float, 4> a1 = hn_load<4>(x1 + i1 * 4);
        hn_pack<float, 4> b0;
        hn_pack<float, 4> b1;
        hn_pack<float, 4> b2;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            float r0;
            float r1;
            float r2;
            multiply_cos_sin_negative_1_element(a0[0], a1[e], r0, r1, r2);
            b0.set_exact(e, r0);
            b1.set_exact(e, r1);
            b2.set_exact(e, r2);
        }
        hn_store(y0 + i1 * 4 + i0 * 32, b0);
        hn_store(y1 + i1 * 4 + i0 * 32, b1);
        hn_store(y2 + i1 * 4 + i0 * 32, b2);
    }
}

extern "C" __global__ void __launch_bounds__(256) concatenate_1(float* y0, const float* x0, const float* x1)
{
    hn_concatenate<int, 960, 4, 16, hn_list<8, 8>>(y0, x0, x1);
}

extern "C" __global__ void __launch_bounds__(256) concatenate_2(float* y0, const float* x0, const float* x1)
{
    hn_concatenate<int, 3840, 1, 2, hn_list<1, 1>>(y0, x0, x1);
}

static __device__ inline void cast_multiply_add_1_element(float x0, float x1, float x2, float x3, float& y0)
{
    const float v4 = hn_cast<float>(x0);
    const float v5 = (v4 * x1);
    const float v6 = hn_cast<float>(x2);
    const float v7 = (v6 * x3);
    const float v8 = (v5 + v7);
    const float v9 = hn_cast<hn_bfloat16>(v8);
    y0 = v9;
}

extern "C" __global__ void __launch_bounds__(256) cast_multiply_add_1(const hn_bfloat16* x0, const float* x1, const hn_bfloat16* x2, const float* x3, hn_bfloat16* y0)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 122880; i += step) {
        const int i4 = i % 2;
        const int i3 = i / 2 % 32;
        const int i2 = i / 64 % 8;
        const int i1 = i / 512 % 60;
        const int i0 = i / 30720;
        const hn_pack<hn_bfloat16, 1> a0 = hn_load<1>(x0 + i4 + i3 * 2 + i2 * 64 + i1 * 1024 + i0 * 61440);
        const hn_pack<float, 1> a1 = hn_load<1>(x1 + i3 + i1 * 32);
        const hn_pack<hn_bfloat16, 1> a2 = hn_load<1>(x2 + i4 * -1 + i3 * 2 + i2 * 64 + i1 * 1024 + i0 * 61440);
        const hn_pack<float, 1> a3 = hn_load<1>(x3 + i4 + i3 * 2 + i1 * 64);
        hn_pack<hn_bfloat16, 1> b0;
        float r0;
        cast_multiply_add_1_element(a0[0], a1[0], a2[0], a3[0], r0);
        b0.set_exact(0, r0);
        hn_store(y0 + i4 + i3 * 2 + i2 * 64 + i1 * 512 + i0 * 30720, b0);
    }
}

static __device__ inline void cast_multiply_add_2_element(float x0, float x1, float x2, float x3, float x4, float& y0)
{
    const float v5 = hn_cast<float>(x0);
    const float v6 = (v5 * x1);
    const float v7 = hn_cast<float>(x2);
    const float v8 = (v7 * x3);
    const float v9 = (v6 + v8);
    const float v10 = hn_cast<hn_bfloat16>(v9);
    const float v11 = hn_cast<hn_bfloat16>((v10 + x4));
    y0 = v11;
}

extern "C" __global__ void __launch_bounds__(256) cast_multiply_add_2(const hn_bfloat16* x0, const float* x1, const hn_bfloat16* x2, const float* x3, const hn_bfloat16* x4, hn_bfloat16* y0)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 15360; i += step) {
        const int i4 = i % 4;
        const int i3 = i / 4 % 2;
        const int i2 = i / 8 % 8;
        const int i1 = i / 64 % 60;
        const int i0 = i / 3840;
        const hn_pack<hn_bfloat16, 8> a0 = hn_load<8>(x0 + i4 * 8 + i3 * 32 + i2 * 64 + i1 * 1024 + i0 * 61440);
        const hn_pack<float, 8> a1 = hn_load<8>(x1 + i4 * 8 + i1 * 32);
        const hn_pack<hn_bfloat16, 8> a2 = hn_load<8>(x2 + i4 * 8 + i3 * -32 + i2 * 64 + i1 * 1024 + i0 * 61440);
        const hn_pack<float, 8> a3 = hn_load<8>(x3 + i4 * 8 + i3 * 32 + i1 * 64);
        const hn_pack<hn_bfloat16, 8> a4 = hn_load<8>(x4 + i4 * 8 + i3 * 32 + i2 * 64 + i1 * 512 + i0 * 30720);
        hn_pack<hn_bfloat16, 8> b0;
#pragma unroll
        for (int e = 0; e < 8; ++e) {
            float r0;
            cast_multiply_add_2_element(a0[e], a1[e], a2[e], a3[e], a4[e], r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i4 * 8 + i3 * 32 + i2 * 64 + i1 * 512 + i0 * 30720, b0);
    }
}

static __device__ inline void cast_multiply_add_3_element(float x0, float x1, float x2, float x3, float& y0)
{
    const float v4 = hn_cast<float>(x0);
    const float v5 = (v4 * x1);
    const float v6 = hn_cast<float>(x2);
    const float v7 = (v6 * x3);
    const float v8 = (v5 + v7);
    const float v9 = hn_cast<hn_bfloat16>(v8);
    const float v11 = hn_cast<hn_bfloat16>((v9 + 0.0f));
    y0 = v11;
}

extern "C" __global__ void __launch_bounds__(256) cast_multiply_add_3(const hn_bfloat16* x0, const float* x1, const hn_bfloat16* x2, const float* x3, hn_bfloat16* y0)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 15360; i += step) {
        const int i4 = i % 4;
        const int i3 = i / 4 % 2;
        const int i2 = i / 8 % 8;
        const int i1 = i / 64 % 60;
        const int i0 = i / 3840;
        const hn_pack<hn_bfloat16, 8> a0 = hn_load<8>(x0 + i4 * 8 + i3 * 32 + i2 * 64 + i1 * 512 + i0 * 30720);
        const hn_pack<float, 8> a1 = hn_load<8>(x1 + i4 * 8 + i1 * 32);
        const hn_pack<hn_bfloat16, 8> a2 = hn_load<8>(x2 + i4 * 8 + i3 * -32 + i2 * 64 + i1 * 512 + i0 * 30720);
        const hn_pack<float, 8> a3 = hn_load<8>(x3 + i4 * 8 + i3 * 32 + i1 * 64);
        hn_pack<hn_bfloat16, 8> b0;
#pragma unroll
        for (int e = 0; e < 8; ++e) {
            float r0;
            cast_multiply_add_3_element(a0[e], a1[e], a2[e], a3[e], r0);
            b0.set_exact(e, r0);
        }
        hn_store(y0 + i4 * 8 + i3 * 32 + i2 * 64 + i1 * 512 + i0 * 30720, b0);
    }
}

static __device__ inline void cast_multiply_add_4_element(float x0, float x1, float x2, float x3, float& y0)
{
    const float v4 = hn_cast<float>(x0);
    const float v5 = (v4 * x1);
    const float v6 = hn_cast<float>(x2);
    const float v7 = (v6 * x3);
    const float v8 = (v5 + v7);
    const float v9 = hn_cast<hn_bfloat16>(v8);
    const float v11 = hn_cast<hn_bfloat16>((v9 + 0.0f));
    y0 = v11;
}

extern "C" __global__ void __launch_bounds__(256) cast_multiply_add_4(const hn_bfloat16* x0, const float* x1, const hn_bfloat16* x2, const float* x3, hn_bfloat16* y0)
{
    const int step = gridDim.x * 256, first = blockIdx.x * 256 + threadIdx.x;
#pragma unroll 1
    for (int i = first; i < 122880; i += step) {
        const int i4 = i % 2;
        const int i3 = i / 2 % 32;
        const int i2 = i / 64 % 8;
        const int i1 = i / 512 % 60;
        const int i0 = i / 30720;
        const hn_pack<hn_bfloat16, 1> a0 = hn_load<1>(x0 + i4 + i3 * 2 + i2 * 64 + i1 * 512 + i0 * 30720);
        const hn_pack<float, 1> a1 = hn_load<1>(x1 + i3 + i1 * 32);
        const hn_pack<hn_bfloat16, 1> a2 = hn_load<1>(x2 + i4 * -1 + i3 * 2 + i2 * 64 + i1 * 512 + i0 * 30720);
        const hn_pack<float, 1> a3 = hn_load<1>(x3 + i4 + i3 * 2 + i1 * 64);
        hn_pack<hn_bfloat16, 1> b0;
        float r0;
        cast_multiply_add_4_element(a0[0], a1[0], a2[0], a3[0], r0);
        b0.set_exact(0, r0);
        hn_store(y0 + i4 + i3 * 2 + i2 * 64 + i1 * 512 + i0 * 30720, b0);
    }
}

extern "C" __global__ void __launch_bounds__(256) concatenate_3(hn_bfloat16* y0, const hn_bfloat16* x0, const hn_bfloat16* x1)
{
    hn_concatenate<int, 30720, 8, 128, hn_list<64, 64>>(y0, x0, x1);
}

extern "C" __global__ void put_places(long long* table, long long p0, long long p1, long long p2, long long p3, long long p4)
{
    if (threadIdx.x > 0) return;
    table[0] = p0;
    table[1] = p1;
    table[2] = p2;
    table[3] = p3;
    table[4] = p4;
}

extern "C" __global__ void __launch_bounds__(256) copy_arguments(const long long* table, const long long* sizes, unsigned char* a0, unsigned char* a1, unsigned char* a2)
{
    int chunk = static_cast<int>(blockIdx.x);
    if (hn_copy_chunk<256>(a0, reinterpret_cast<const unsigned char*>(table[0]), sizes[0], chunk)) return;
    if (hn_copy_chunk<256>(a1, reinterpret_cast<const unsigned char*>(table[1]), sizes[1], chunk)) return;
    if (hn_copy_chunk<256>(a2, reinterpret_cast<const unsigned char*>(table[2]), sizes[2], chunk)) return;
}

extern "C" __global__ void __launch_bounds__(256) copy_results(const long long* table, const long long* sizes, const unsigned char* a0, const unsigned char* a1)
{
    int chunk = static_cast<int>(blockIdx.x);
    if (hn_copy_chunk<256>(reinterpret_cast<unsigned char*>(table[3]), a0, sizes[0], chunk)) return;
    if (hn_copy_chunk<256>(reinterpret_cast<unsigned char*>(table[4]), a1, sizes[1], chunk)) return;
}
