// A thread per four columns of a row, or per column where rows cannot be read in fours: one chain of fused
// multiply-adds a column over the row's indices as they stand, several of the rows that they name under way at once.
#include "launch.h"
#include "rcekd/propagate.h"

namespace rcekd {
namespace cuda {
namespace {

constexpr int kAhead = 8;

__device__ inline float add_scaled(float scale, float x, float sum) { return fmaf(scale, x, sum); }
__device__ inline float4 add_scaled(float scale, const float4& x, const float4& sum) {
    return {fmaf(scale, x.x, sum.x), fmaf(scale, x.y, sum.y), fmaf(scale, x.z, sum.z), fmaf(scale, x.w, sum.w)};
}

__device__ inline float finished(const rcekd_propagate_args& a, float row_scale, float sum, float base) {
    return a.factor * fmaf(row_scale, sum, base);
}
__device__ inline float4 finished(const rcekd_propagate_args& a, float row_scale, const float4& sum,
                                  const float4& base) {
    return {finished(a, row_scale, sum.x, base.x), finished(a, row_scale, sum.y, base.y),
            finished(a, row_scale, sum.z, base.z), finished(a, row_scale, sum.w, base.w)};
}

// Columns: float, or float4; `columns` of them make a row, `stripe` are taken at once.
template <class Columns>
__global__ void propagate_kernel(rcekd_propagate_args a, int64_t columns, int64_t stripe) {
    const Columns *x = (const Columns*)a.x, *base = (const Columns*)a.base;
    const int64_t left = (int64_t)blockIdx.y * stripe, width = columns - left < stripe ? columns - left : stripe;
    for (int64_t work = first_index(); work < a.rows * width; work += index_step()) {
        const int64_t row = work / width, column = left + work % width, end = a.indptr[row + 1];
        Columns sum = {};
        for (int64_t first = a.indptr[row]; first < end; first += kAhead) {
            float scale[kAhead];
            Columns value[kAhead];
            RCEKD_UNROLL(kAhead)
            for (int j = 0; j < kAhead; ++j) {
                const int64_t index = a.indices[first + j < end ? first + j : first];
                scale[j] = a.column_scale[index];
                value[j] = x[index * columns + column];
            }
            RCEKD_UNROLL(kAhead)
            for (int j = 0; j < kAhead; ++j)
                if (first + j < end) sum = add_scaled(scale[j], value[j], sum);
        }
        const int64_t at = row * columns + column;
        ((Columns*)a.y)[at] = finished(a, a.row_scale[row], sum, base ? base[at] : Columns{});
    }
}

template <class Columns>
void launch(const rcekd_propagate_args& a, int64_t columns, void* stream) {
    constexpr int64_t kStripe = 128 * sizeof(float) / sizeof(Columns);
    const int64_t stripes = ceil_div(columns, kStripe), stripe = ceil_div(columns, stripes);
    const dim3 grid(blocks_of(a.rows * stripe), (unsigned)stripes);
    RCEKD_LAUNCH(propagate_kernel<Columns>, grid, kThreads, stream, a, columns, stripe);
}

}  // namespace
}  // namespace cuda
}  // namespace rcekd

extern "C" int64_t rcekd_cuda_propagate_workspace(const rcekd_propagate_args*) { return 0; }

extern "C" int rcekd_cuda_propagate(const rcekd_propagate_args* a, const rcekd_cuda_call* call) {
    using namespace rcekd::cuda;
    if (const int error = begin(call)) return error;
    const bool fours = a->width % 4 == 0 && ((uintptr_t)a->x | (uintptr_t)a->y | (uintptr_t)a->base) % 16 == 0;
    if (a->rows == 0 || a->width == 0) return 0;
    if (fours)
        launch<float4>(*a, a->width / 4, call->stream);
    else
        launch<float>(*a, a->width, call->stream);
    return (int)cudaGetLastError();
}
