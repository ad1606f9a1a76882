// embedding on gpu(0): 269,824 bytes of arena
//    index_1<<<(2, 1), 256>>>(arena+132096, arena+141824, arena+128000)
//    index_add_1<<<(2, 1), 256>>>(arena+134144, arena+128000)
//    index_add_2<<<(1, 1), 256>>>(arena+140288, arena+134144)
//    index_add_3<<<(1, 1), 256>>>(arena+136192, arena+140288, arena+134144)
//    index_add_4<<<(1, 1), 256>>>(arena+140288, arena+134144, arena+136192)
//    index_add_5<<<(1, 1), 256>>>(arena+138240, arena+140288, arena+134144, arena+136192)
//    index_add_6<<<(32, 1), 256>>>(arena)
//    index_add_7<<<(1, 1), 256>>>(arena, arena+141312, arena+141568, arena+130048, arena+134144, arena+138240)
//    index_add_8<<<(1, 1), 256>>>(arena, arena+141312, arena+141568, arena+134144, arena+138240)

#include "functors.cuh"
#include "vector.cuh"
#include "reduce.cuh"
#include "random.cuh"
#include "gather.cu"
#include "add_rows.cu"

extern "C" __global__ void __launch_bounds__(256) index_1(float* y0, const float* x0, const int* x1)
{
    hn_gather<int, 480, 1, hn_axes<hn_axis<480, 0, 1>>, hn_tables<hn_table<32000, 1>>, 0>(y0, x0, x1);
}

extern "C" __global__ void __launch_bounds__(256) index_add_1(int* t0, const int* x1)
{
    hn_row_numbers<int, 480, hn_axes<hn_axis<480, 0, 1>>, hn_tables<hn_table<32000, 1>>, 0>(t0, x1);
}

extern "C" __global__ void __launch_bounds__(256) index_add_2(int* t3, int* t0)
{
    hn_count_digits<480, 0, true>(t3, t0, t0);
}

extern "C" __global__ void __launch_bounds__(256) index_add_3(int* t1, int* t3, int* t0)
{
    hn_place_digits<480, 0, true>(t1, t3, t0, t0);
}

extern "C" __global__ void __launch_bounds__(256) index_add_4(int* t3, int* t0, int* t1)
{
    hn_count_digits<480, 8, false>(t3, t0, t1);
}

extern "C" __global__ void __launch_bounds__(256) index_add_5(int* t2, int* t3, int* t0, int* t1)
{
    hn_place_digits<480, 8, false>(t2, t3, t0, t1);
}

extern "C" __global__ void __launch_bounds__(256) index_add_6(float* y0)
{
    hn_fill_with<int, 8000, 4, float>(y0, 0);
}

extern "C" __global__ void __launch_bounds__(256) index_add_7(float* y0, float* t4, float* t5, const float* x0, int* t0, int* t2)
{
    hn_add_runs<hn_run_share<480, 16, 1, 1, int, 1>, 480, 16, 1, int, 1, float>(y0, t4, t5, x0, t0, t2);
}

extern "C" __global__ void __launch_bounds__(256) index_add_8(float* y0, float* t4, float* t5, int* t0, int* t2)
{
    hn_join_runs<hn_run_share<480, 16, 1, 1, int, 1>, 480, 16, 1, int, 1, float>(y0, t4, t5, t0, t2);
}
