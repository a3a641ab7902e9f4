// Sixteen lanes a set.
#include "rcekd/float_maths.h"
#include "rcekd/set_softmax.h"
#include "segments.h"

namespace rcekd {
namespace cuda {
namespace {

__device__ inline void softmax(const float* score, float* prob, int64_t n, float tau) {
    const int lane = (int)threadIdx.x % kLanes;
    float top = -INFINITY;
    for (int64_t i = lane; i < n; i += kLanes) top = score[i] > top ? score[i] : top;
    top = largest_lane(top);
    const float scale = 1.0f / tau;
    float total = 0.0f;
    for (int64_t i = lane; i < n; i += kLanes) {
        prob[i] = rcekd_exp_nonpositive_float((score[i] - top) * scale);
        total = total + prob[i];
    }
    const float inverse = 1.0f / sum_lanes(total);
    for (int64_t i = lane; i < n; i += kLanes) prob[i] = prob[i] * inverse;
}

// Both halves of a warp stay together, so that all lanes take part in every exchange.
__global__ void set_softmax_kernel(rcekd_set_softmax_args a) {
    const int64_t step = index_step() / kLanes, rounds = ceil_div(a.rows, step);
    for (int64_t round = 0; round < rounds; ++round) {
        const int64_t row = first_index() / kLanes + round * step;
        const int64_t begin = row < a.rows ? a.indptr[row] : 0, end = row < a.rows ? a.indptr[row + 1] : 0;
        softmax(a.score + begin, a.prob + begin, end - begin, a.tau);
    }
}

}  // namespace
}  // namespace cuda
}  // namespace rcekd

extern "C" int64_t rcekd_cuda_set_softmax_workspace(const rcekd_set_softmax_args*) { return 0; }

extern "C" int rcekd_cuda_set_softmax(const rcekd_set_softmax_args* a, const rcekd_cuda_call* call) {
    using namespace rcekd::cuda;
    if (const int error = begin(call)) return error;
    RCEKD_LAUNCH(set_softmax_kernel, blocks_of(a->rows * kLanes), kThreads, call->stream, *a);
    return (int)cudaGetLastError();
}
