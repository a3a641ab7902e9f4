// A warp per row, a lane per item.
#include "rcekd/pair_scores.h"
#include "tile.h"

namespace rcekd {
namespace cuda {
namespace {

__global__ void pair_scores_kernel(rcekd_pair_scores_args a) {
    for (int64_t row = first_index() / kWarp; row < a.rows; row += index_step() / kWarp)
        for (int64_t e = a.indptr[row] + threadIdx.x % kWarp; e < a.indptr[row + 1]; e += kWarp)
            a.score[e] = chain(a.user_factor + a.user[row] * a.width, a.item_factor + a.item[e] * a.width, a.width);
}

}  // namespace
}  // namespace cuda
}  // namespace rcekd

extern "C" int64_t rcekd_cuda_pair_scores_workspace(const rcekd_pair_scores_args*) { return 0; }

extern "C" int rcekd_cuda_pair_scores(const rcekd_pair_scores_args* a, const rcekd_cuda_call* call) {
    using namespace rcekd::cuda;
    if (const int error = begin(call)) return error;
    RCEKD_LAUNCH(pair_scores_kernel, blocks_of(a->rows * kWarp), kThreads, call->stream, *a);
    return (int)cudaGetLastError();
}
