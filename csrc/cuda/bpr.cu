// Losses and weights a thread per sample, which also counts the entries of the samples' users and items; then the
// gradient tables, whole, a group of entries per row (groups.h). A slot is b · (1 + N) for the positive of sample b,
// then its N negatives; each is an entry of its item's and, behind all of those, one of its user's.
#include "demand.h"
#include "group_sums.h"
#include "rcekd/bpr.h"
#include "rcekd/float_maths.h"

namespace rcekd {
namespace cuda {
namespace {

struct Batch {
    rcekd_bpr_args a;
    float* weight;  // [batch · (1 + N)]: d loss / d score
    float* loss;    // [batch]
    Groups groups;
    int64_t items, of_items;  // how many of the groups' ids, and of their entries, are items'

    __device__ int64_t slots() const { return 1 + a.negatives; }
    __device__ int32_t item(int64_t b, int64_t j) const {
        return j == 0 ? a.positive[b] : a.negative[b * a.negatives + j - 1];
    }
};

// Scores of sample b with its items `first` and those behind, as many as there are; counts their entries.
__device__ inline void scores(const Batch& t, int64_t b, int64_t first, bool quads, float* score) {
    const int here = t.slots() - first < kChains ? (int)(t.slots() - first) : kChains;
    const float* vector[kChains];
    int32_t item[kChains];
    uint32_t of_item[kChains];
    bool sound = true;
    RCEKD_UNROLL(kChains)
    for (int j = 0; j < kChains; ++j) item[j] = t.item(b, j < here ? first + j : first);
    RCEKD_UNROLL(kChains)
    for (int j = 0; j < kChains; ++j) {
        sound = sound && is_id(item[j], t.a.item_rows);
        vector[j] = t.a.item_factor + item[j] * t.a.width;
    }
    demand(sound, "positive_B and negative_BN must lie in [0, items)");
    const uint32_t of_user = t.a.user_grad ? t.groups.join(t.items + t.a.user[b], here) : 0;
    RCEKD_UNROLL(kChains)
    for (int j = 0; j < kChains; ++j) of_item[j] = t.a.item_grad && j < here ? t.groups.join(item[j]) : 0;
    chains(t.a.user_factor + t.a.user[b] * t.a.width, vector, t.a.width, quads, score);
    RCEKD_UNROLL(kChains)
    for (int j = 0; j < kChains; ++j) {
        const int64_t slot = b * t.slots() + first + j;
        if (t.a.item_grad && j < here) t.groups.rank[slot] = of_item[j];
        if (t.a.user_grad && j < here) t.groups.rank[t.of_items + slot] = of_user + (uint32_t)j;
    }
}

__device__ inline void visit_sample(const Batch& t, int64_t b, bool quads) {
    demand(is_id(t.a.user[b], t.a.user_rows), "user_B must lie in [0, users)");
    const float share = 1.0f / (float)t.a.negatives;
    float positive = 0.0f, loss = 0.0f, total = 0.0f;
    for (int64_t first = 0; first < t.slots(); first += kChains) {
        float score[kChains];
        scores(t, b, first, quads, score);
        if (first == 0) positive = score[0];
        RCEKD_UNROLL(kChains)
        for (int j = 0; j < kChains; ++j) {
            if (first + j == 0 || first + j >= t.slots()) continue;
            const float x = score[j] - positive;
            const float e = rcekd_exp_nonpositive_float(0.0f - fabsf(x)), inverse = 1.0f / (e + 1.0f);
            const float g = (x < 0.0f ? e * inverse : inverse) * share;
            loss = loss + ((0.0f > x ? 0.0f : x) + rcekd_log1p_unit_float(e));
            total = total + g;
            t.weight[b * t.slots() + first + j] = g;
        }
    }
    t.weight[b * t.slots()] = -total;
    t.loss[b] = loss * share;
}

__global__ void samples_kernel(Batch t) {
    const bool quads = in_quads(t.a.user_factor, t.a.width) && in_quads(t.a.item_factor, t.a.width);
    for (int64_t b = first_index(); b < t.a.batch; b += index_step()) visit_sample(t, b, quads);
}

// The loss by the first block, the places of the groups by the others.
__global__ void place_kernel(Batch t) {
    if (blockIdx.x == 0)
        sum_losses(t.loss, t.a.batch, t.a.loss);
    else
        place(t.groups, blockIdx.x - 1);
}

__global__ void put_kernel(Batch t) {
    for (int64_t slot = first_index(); slot < t.a.batch * t.slots(); slot += index_step()) {
        const uint32_t b = (uint32_t)(slot / t.slots()), j = (uint32_t)(slot % t.slots());
        const uint32_t user = (uint32_t)t.a.user[b], item = (uint32_t)t.item(b, j);
        const float weight = t.weight[slot];
        if (t.a.item_grad) t.groups.put(item, t.groups.rank[slot], {b, j, weight, user});
        if (t.a.user_grad) t.groups.put(t.items + user, t.groups.rank[t.of_items + slot], {b, j, weight, item});
    }
}

__global__ void __launch_bounds__(kSumThreads) sums_kernel(Groups groups, Sums to) { sum_groups(groups, to); }

Batch lay_out(const rcekd_bpr_args& a, Carver* carver) {
    const int64_t slots = a.batch * (1 + a.negatives);
    Batch t;
    t.a = a;
    t.weight = carver->take<float>(slots);
    t.loss = carver->take<float>(a.batch);
    t.items = a.item_grad ? a.item_rows : 0;
    t.of_items = a.item_grad ? slots : 0;
    t.groups = carve_groups(t.items + (a.user_grad ? a.user_rows : 0), t.of_items + (a.user_grad ? slots : 0), carver);
    return t;
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
    const Groups& groups = batch.groups;
    const Sums to = {batch.items, a->width, a->batch, a->user_factor, a->item_grad, a->item_factor, a->user_grad};
    clear(groups, call->stream);
    RCEKD_LAUNCH(samples_kernel, blocks_of(a->batch), kThreads, call->stream, batch);
    RCEKD_LAUNCH(place_kernel, 1 + blocks_to_place(groups), kThreads, call->stream, batch);
    if (groups.ids == 0) return (int)cudaGetLastError();
    RCEKD_LAUNCH(put_kernel, blocks_of(a->batch * (1 + a->negatives)), kThreads, call->stream, batch);
    RCEKD_LAUNCH(sums_kernel, blocks_to_sum(groups), kSumThreads, call->stream, groups, to);
    return (int)cudaGetLastError();
}
