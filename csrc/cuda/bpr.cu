// Losses and weights a thread per sample, then the gradient tables, whole, summed in ascending order of samples and
// slots (segments.h). A slot is b · (1 + N) for the positive of sample b, then its N negatives.
#include "rcekd/bpr.h"
#include "rcekd/float_maths.h"
#include "segments.h"
#include "tile.h"

namespace rcekd {
namespace cuda {
namespace {

struct Batch {
    rcekd_bpr_args a;
    float* weight;  // [batch · (1 + N)]: d loss / d score
    float* loss;    // [batch]

    __device__ int64_t slots() const { return 1 + a.negatives; }
    __device__ const float* user(int64_t b) const { return a.user_factor + a.user[b] * a.width; }
    __device__ const float* item(int64_t b, int64_t j) const {
        return a.item_factor + (j == 0 ? a.positive[b] : a.negative[b * a.negatives + j - 1]) * a.width;
    }
};

__global__ void samples_kernel(Batch t) {
    const float share = 1.0f / (float)t.a.negatives;
    for (int64_t b = first_index(); b < t.a.batch; b += index_step()) {
        const float positive = chain(t.user(b), t.item(b, 0), t.a.width);
        float loss = 0.0f, total = 0.0f;
        for (int64_t n = 1; n <= t.a.negatives; ++n) {
            const float x = chain(t.user(b), t.item(b, n), t.a.width) - positive;
            const float e = rcekd_exp_nonpositive_float(0.0f - fabsf(x)), inverse = 1.0f / (e + 1.0f);
            const float g = (x < 0.0f ? e * inverse : inverse) * share;
            loss = loss + ((0.0f > x ? 0.0f : x) + rcekd_log1p_unit_float(e));
            total = total + g;
            t.weight[b * t.slots() + n] = g;
        }
        t.weight[b * t.slots()] = -total;
        t.loss[b] = loss * share;
    }
}

__global__ void users_kernel(Batch t, const int64_t* sample, const int64_t* start, int64_t users) {
    for (int64_t i = first_index(); i < users * t.a.width; i += index_step()) {
        const int64_t user = i / t.a.width, k = i % t.a.width;
        float sum = 0.0f;
        for (int64_t s = start[user]; s < start[user + 1]; ++s)
            for (int64_t j = 0; j < t.slots(); ++j)
                sum = fmaf(t.weight[sample[s] * t.slots() + j], t.item(sample[s], j)[k], sum);
        t.a.user_grad[i] = sum;
    }
}

__global__ void items_kernel(Batch t, const int64_t* slot, const int64_t* start, int64_t items) {
    const auto row_of = [&t](int64_t s) { return t.user(s / t.slots()); };
    sum_slots(slot, start, t.weight, row_of, items, t.a.width, t.a.item_grad);
}

__global__ void loss_kernel(Batch t) { sum_losses(t.loss, t.a.batch, t.a.loss); }

Batch lay_out(const rcekd_bpr_args& a, Carver* carver) {
    float* weight = carver->take<float>(a.batch * (1 + a.negatives));
    return {a, weight, carver->take<float>(a.batch)};
}

}  // namespace
}  // namespace cuda
}  // namespace rcekd

extern "C" int64_t rcekd_cuda_bpr_workspace(const rcekd_bpr_args* a) {
    rcekd::cuda::Carver carver(nullptr);
    rcekd::cuda::lay_out(*a, &carver);
    return carver.used();
}

// user_rows and item_rows, which the CPU operation returns, say here how many rows the tables have.
extern "C" int rcekd_cuda_bpr(const rcekd_bpr_args* a, const rcekd_cuda_call* call) {
    using namespace rcekd::cuda;
    if (const int error = begin(call)) return error;
    Carver carver(call->workspace);
    const Batch batch = lay_out(*a, &carver);
    RCEKD_LAUNCH(samples_kernel, blocks_of(a->batch), kThreads, call->stream, batch);
    RCEKD_LAUNCH(loss_kernel, 1, kWarp, call->stream, batch);
    if (a->user_grad)
        RCEKD_LAUNCH(users_kernel, blocks_of(a->user_rows * a->width), kThreads, call->stream, batch, call->user_row,
                     call->user_start, a->user_rows);
    if (a->item_grad)
        RCEKD_LAUNCH(items_kernel, blocks_of(a->item_rows * kWarp), kThreads, call->stream, batch, call->item_slot,
                     call->item_start, a->item_rows);
    return (int)cudaGetLastError();
}
