// max_pool on gpu(0): 81,920 bytes of arena
//    copy_arguments<<<(5, 1), 256>>>(made0, made1, arena, arena+65536)
//    max_pool_1<<<(8, 1), 256>>>(arena+73728, arena)
//    max_pool_grad_1<<<(32, 1), 256>>>(arena+32768, arena+65536, arena, arena+73728)
//    copy_results<<<(5, 1), 256>>>(made0, made2, arena+73728, arena+32768)

#include "functors.cuh"
#include "vector.cuh"
#include "reduce.cuh"
#include "random.cuh"
#include "pooling.cu"
#include "staged.cuh"

extern "C" __global__ void __launch_bounds__(256) max_pool_1(float* y0, const float* x0)
{
    hn_max_pool<hn_pool<int, 1, 1, hn_windows<1, 1, 1, 1, 0>, hn_windows<16, 8, 3, 2, 1>, hn_windows<16, 8, 3, 2, 1>>, 2048>(y0, x0, -3.4028234663852886e+38);
}

extern "C" __global__ void __launch_bounds__(256) max_pool_grad_1(float* y0, const float* x0, const float* x1, const float* x2)
{
    hn_max_pool_grad<hn_pool<int, 1, 1, hn_windows<1, 1, 1, 1, 0>, hn_windows<16, 8, 3, 2, 1>, hn_windows<16, 8, 3, 2, 1>>, 8192>(y0, x0, x1, x2);
}

extern "C" __global__ void put_places(long long* table, long long p0, long long p1, long long p2, long long p3)
{
    if (threadIdx.x > 0) return;
    table[0] = p0;
    table[1] = p1;
    table[2] = p2;
    table[3] = p3;
}

extern "C" __global__ void __launch_bounds__(256) copy_arguments(const long long* table, const long long* sizes, unsigned char* a0, unsigned char* a1)
{
    int chunk = static_cast<int>(blockIdx.x);
    if (hn_copy_chunk<256>(a0, reinterpret_cast<const unsigned char*>(table[0]), sizes[0], chunk)) return;
    if (hn_copy_chunk<256>(a1, reinterpret_cast<const unsigned char*>(table[1]), sizes[1], chunk)) return;
}

extern "C" __global__ void __launch_bounds__(256) copy_results(const long long* table, const long long* sizes, const unsigned char* a0, const unsigned char* a1)
{
    int chunk = static_cast<int>(blockIdx.x);
    if (hn_copy_chunk<256>(reinterpret_cast<unsigned char*>(table[2]), a0, sizes[0], chunk)) return;
    if (hn_copy_chunk<256>(reinterpret_cast<unsigned char*>(table[3]), a1, sizes[1], chunk)) return;
}
