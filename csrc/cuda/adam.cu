// Number by number the update of csrc/cpu/adam.cpp; rows without an entry in a sparse gradient have gradient zero.
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

__global__ void adam_kernel(rcekd_adam_args a) {
    for (int64_t i = first_index(); i < a.rows * a.width; i += index_step()) {
        const float p = a.param[i], m0 = a.exp_avg[i], v0 = a.exp_avg_sq[i];
        const float g = fmaf(a.weight_decay, p, gradient(a, i));
        const float m = fmaf(a.take, g - m0, m0);
        const float v = fmaf(a.take_sq * g, g, a.keep_sq * v0);
        a.exp_avg[i] = m;
        a.exp_avg_sq[i] = v;
        a.param[i] = fmaf(-a.rate, m / (sqrtf(v) + a.eps), p);
    }
}

}  // namespace
}  // namespace cuda
}  // namespace rcekd

extern "C" int64_t rcekd_cuda_adam_workspace(const rcekd_adam_args*) { return 0; }

extern "C" int rcekd_cuda_adam(const rcekd_adam_args* a, const rcekd_cuda_call* call) {
    using namespace rcekd::cuda;
    begin(call);
    RCEKD_LAUNCH(adam_kernel, blocks_of(a->rows * a->width), kThreads, call->stream, *a);
    return (int)cudaGetLastError();
}
