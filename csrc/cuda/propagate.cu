// A warp per row, a lane per column: one chain of fused multiply-adds over the row's indices as they stand.
#include "launch.h"
#include "rcekd/propagate.h"

namespace rcekd {
namespace cuda {
namespace {

__global__ void propagate_kernel(rcekd_propagate_args a) {
    for (int64_t row = first_index() / kWarp; row < a.rows; row += index_step() / kWarp)
        for (int64_t k = threadIdx.x % kWarp; k < a.width; k += kWarp) {
            float sum = 0.0f;
            for (int64_t p = a.indptr[row]; p < a.indptr[row + 1]; ++p)
                sum = fmaf(a.column_scale[a.indices[p]], a.x[a.indices[p] * a.width + k], sum);
            const int64_t at = row * a.width + k;
            a.y[at] = a.factor * fmaf(a.row_scale[row], sum, a.base ? a.base[at] : 0.0f);
        }
}

}  // namespace
}  // namespace cuda
}  // namespace rcekd

extern "C" int64_t rcekd_cuda_propagate_workspace(const rcekd_propagate_args*) { return 0; }

extern "C" int rcekd_cuda_propagate(const rcekd_propagate_args* a, const rcekd_cuda_call* call) {
    using namespace rcekd::cuda;
    if (const int error = begin(call)) return error;
    RCEKD_LAUNCH(propagate_kernel, blocks_of(a->rows * kWarp), kThreads, call->stream, *a);
    return (int)cudaGetLastError();
}
