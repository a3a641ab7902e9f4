// A block per row forward, a block per item backward; the other table passes by in chunks, a score per thread, and each
// number of a result is summed by one thread in the order of csrc/cpu/rest_log_sum.cpp.
#include "rcekd/float_maths.h"
#include "rcekd/maths.h"
#include "rcekd/rest_log_sum.h"
#include "seen.h"
#include "tile.h"

namespace rcekd {
namespace cuda {
namespace {

constexpr int kChunk = RCEKD_REST_CHUNK;
static_assert(kChunk <= kThreads, "a thread per score");

__device__ inline float score_of(const rcekd_rest_log_sum_args& a, int64_t row, int64_t item) {
    const Seen left_out = {a.left_indptr, a.left_item};
    if (left_out.has(a.user[row], (int32_t)item)) return -INFINITY;
    return chain(a.user_factor + row * a.width, a.item_factor + item * a.width, a.width);
}

// Of the chunk's n scores and the maximum before; a NaN is passed over.
__device__ inline float largest_of(const float* score, int n, float top) {
    for (int j = 0; j < n; ++j) top = score[j] > top ? score[j] : top;
    return top;
}

// mean_k = mean_k · keep + Σ_j e_j · number k of item begin + j.
__device__ inline void add_items(const rcekd_rest_log_sum_args& a, const float* e, int n, int64_t begin, float keep,
                                 float* mean) {
    for (int64_t k = threadIdx.x; k < a.width; k += kThreads) {
        float here = 0.0f;
        for (int j = 0; j < n; ++j) here = fmaf(e[j], a.item_factor[(begin + j) * a.width + k], here);
        mean[k] = fmaf(begin ? mean[k] : 0.0f, keep, here);
    }
}

__device__ inline void finish_row(const rcekd_rest_log_sum_args& a, int64_t row, float top, float sum) {
    if (threadIdx.x == 0)
        a.sum[row] = sum == 0.0f ? -INFINITY : sum <= FLT_MAX ? (float)((double)top + rcekd_log((double)sum)) : NAN;
    const float whole = sum == 0.0f ? 1.0f : sum;
    for (int64_t k = threadIdx.x; a.mean && k < a.width; k += kThreads)
        a.mean[row * a.width + k] = (a.items ? a.mean[row * a.width + k] : 0.0f) / whole;
}

__global__ void sums_kernel(rcekd_rest_log_sum_args a) {
    __shared__ float score[kChunk], share[kChunk];
    const int me = (int)threadIdx.x;
    for (int64_t row = blockIdx.x; row < a.rows; row += gridDim.x) {
        float top = -FLT_MAX, sum = 0.0f;  // every thread's own copy of the row's
        for (int64_t begin = 0; begin < a.items; begin += kChunk) {
            const int n = (int)(a.items - begin < kChunk ? a.items - begin : kChunk);
            if (me < n) score[me] = score_of(a, row, begin + me);
            __syncthreads();
            const float before = top;
            top = largest_of(score, n, top);
            if (me < n) share[me] = rcekd_exp_nonpositive_float(score[me] - top);
            __syncthreads();
            const float keep = rcekd_exp_nonpositive_float(before - top);
            float here = 0.0f;
            for (int j = 0; j < n; ++j) here = here + share[j];
            sum = fmaf(sum, keep, here);
            if (a.mean) add_items(a, share, n, begin, keep, a.mean + row * a.width);
        }
        finish_row(a, row, top, sum);
    }
}

__global__ void item_kernel(rcekd_rest_log_sum_args a) {
    __shared__ float share[kChunk];
    const int me = (int)threadIdx.x;
    for (int64_t item = blockIdx.x; item < a.items; item += gridDim.x) {
        float* grad = a.item_grad + item * a.width;
        for (int64_t k = me; k < a.width; k += kThreads) grad[k] = 0.0f;
        for (int64_t begin = 0; begin < a.rows; begin += kChunk) {
            const int n = (int)(a.rows - begin < kChunk ? a.rows - begin : kChunk);
            if (me < n) {
                const float sum = a.sum[begin + me], shift = sum == -INFINITY ? 0.0f : sum;
                share[me] = rcekd_exp_nonpositive_float(score_of(a, begin + me, item) - shift);
            }
            __syncthreads();
            for (int64_t k = me; k < a.width; k += kThreads) {
                float here = 0.0f;
                for (int j = 0; j < n; ++j)
                    here = fmaf(share[j], a.grad[begin + j] * a.user_factor[(begin + j) * a.width + k], here);
                grad[k] = fmaf(grad[k], 1.0f, here);
            }
            __syncthreads();
        }
    }
}

}  // namespace
}  // namespace cuda
}  // namespace rcekd

extern "C" int64_t rcekd_cuda_rest_log_sum_workspace(const rcekd_rest_log_sum_args*) { return 0; }

extern "C" int rcekd_cuda_rest_log_sum(const rcekd_rest_log_sum_args* a, const rcekd_cuda_call* call) {
    using namespace rcekd::cuda;
    if (const int error = begin(call)) return error;
    if (a->item_grad)
        RCEKD_LAUNCH(item_kernel, blocks_for(a->items), kThreads, call->stream, *a);
    else
        RCEKD_LAUNCH(sums_kernel, blocks_for(a->rows), kThreads, call->stream, *a);
    return (int)cudaGetLastError();
}
