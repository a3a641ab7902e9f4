// Number by number the update of csrc/cpu/adam.cpp; rows without an entry in a sparse gradient have gradient zero. The
// lazy variant first marks the rows whose gradient is not zero, then updates those alone.
#include "launch.h"
#include "rcekd/adam.h"

namespace rcekd {
namespace cuda {
namespace {

// The gradient of element i of the table.
__device__ inline float gradient(const rcekd_adam_args& a, int64_t i) {
    if (a.entries < 0) return a.grad[i];
    const int64_t row = i / a.width;
    int64_t low = 0, high = a.entries;
    while (low < high) {
        const int64_t mid = (low + high) / 2;
        if (a.row[mid] < row)
            low = mid + 1;
        else
            high = mid;
    }
    return low < a.entries && a.row[low] == row ? a.grad[low * a.width + i % a.width] : 0.0f;
}

__device__ inline void update(const rcekd_adam_args& a, int64_t i, float grad) {
    const float p = a.param[i], m0 = a.exp_avg[i], v0 = a.exp_avg_sq[i];
    const float g = fmaf(a.weight_decay, p, grad);
    const float m = fmaf(a.take, g - m0, m0);
    const float v = fmaf(a.take_sq * g, g, a.keep_sq * v0);
    a.exp_avg[i] = m;
    a.exp_avg_sq[i] = v;
    const float rate = a.rates ? a.rates[0] : a.rate, eps = a.rates ? a.rates[1] : a.eps;
    a.param[i] = fmaf(-rate, m / (sqrtf(v) + eps), p);
}

__global__ void adam_kernel(rcekd_adam_args a) {
    for (int64_t i = first_index(); i < a.rows * a.width; i += index_step()) update(a, i, gradient(a, i));
}

RCEKD_HD int64_t gradient_rows(const rcekd_adam_args& a) { return a.entries < 0 ? a.rows : a.entries; }

__global__ void mark_kernel(rcekd_adam_args a, uint8_t* moves) {
    for (int64_t r = first_index(); r < gradient_rows(a); r += index_step()) {
        uint8_t any = 0;
        for (int64_t k = 0; k < a.width; ++k) any |= a.grad[r * a.width + k] != 0.0f;
        moves[r] = any;
    }
}

__global__ void lazy_kernel(rcekd_adam_args a, const uint8_t* moves) {
    for (int64_t i = first_index(); i < gradient_rows(a) * a.width; i += index_step()) {
        const int64_t r = i / a.width;
        if (moves[r]) update(a, (a.entries < 0 ? r : a.row[r]) * a.width + i % a.width, a.grad[i]);
    }
}

}  // namespace
}  // namespace cuda
}  // namespace rcekd

extern "C" int64_t rcekd_cuda_adam_workspace(const rcekd_adam_args* a) {
    return a->lazy ? rcekd::cuda::gradient_rows(*a) : 0;
}

extern "C" int rcekd_cuda_adam(const rcekd_adam_args* a, const rcekd_cuda_call* call) {
    using namespace rcekd::cuda;
    if (const int error = begin(call)) return error;
    if (a->lazy) {
        uint8_t* moves = (uint8_t*)call->workspace;
        const int64_t rows = gradient_rows(*a);
        RCEKD_LAUNCH(mark_kernel, blocks_of(rows), kThreads, call->stream, *a, moves);
        RCEKD_LAUNCH(lazy_kernel, blocks_of(rows * a->width), kThreads, call->stream, *a, moves);
        return (int)cudaGetLastError();
    }
    RCEKD_LAUNCH(adam_kernel, blocks_of(a->rows * a->width), kThreads, call->stream, *a);
    return (int)cudaGetLastError();
}
