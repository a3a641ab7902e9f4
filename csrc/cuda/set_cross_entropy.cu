// A row's scores, loss and weights by sixteen lanes, which also count the entries of its items and of its user; then
// its share of its user's gradient, a thread a number; then the gradient tables, a group of entries per row (groups.h).
// A slot is an item of a row's set. Rows take their slots in whatever order they come; entries are ordered by row and
// place.
#include "demand.h"
#include "group_sums.h"
#include "rcekd/float_maths.h"
#include "rcekd/maths.h"
#include "rcekd/set_cross_entropy.h"

namespace rcekd {
namespace cuda {
namespace {

struct Task {
    rcekd_set_cross_entropy_args a;
    uint32_t* offset;  // [rows]: first slot of each row
    float* slot;       // [slots]: score, then d loss / d score
    float* row_loss;   // [rows]
    float* user_part;  // [rows, width]: a row's share of its user's gradient
    Groups groups;
    int64_t items, of_items;  // how many of the groups' ids, and of their entries, are items'

    __device__ int64_t first(int64_t row) const { return a.indptr[a.set[row]]; }
    __device__ int64_t length(int64_t row) const { return a.indptr[a.set[row] + 1] - first(row); }
};

// A row that lies where it should. One beyond the last has no items, and its lanes take part with nothing.
struct Row {
    int64_t at, first, length;
    int32_t user;
};

__device__ inline Row read_row(const Task& t, int64_t row) {
    if (row >= t.a.rows) return {row, 0, 0, 0};
    const int32_t user = t.a.user[row];
    demand(is_id(user, t.a.users), "user_R must lie in [0, users)");
    demand(is_id(t.a.set[row], t.a.sets), "set_R must lie in [0, sets)");
    const int64_t first = t.first(row), end = t.a.indptr[t.a.set[row] + 1];
    demand(first >= 0 && first <= end && end <= t.a.entries,
           "sets.indptr must run from 0 to the number of sets.items and never decrease");
    return {row, first, end - first, user};
}

// First slots of the warp's two rows, the next that are free.
__device__ inline uint32_t take_slots(const Task& t, const Row& row) {
    const int lane = (int)threadIdx.x % kWarp;
    const int64_t low = __shfl_sync(kAllLanes, row.length, 0), both = low + __shfl_sync(kAllLanes, row.length, kLanes);
    uint32_t first = 0;
    if (lane == 0) {
        first = atomicAdd(&t.groups.counter[Groups::kSlots], (uint32_t)both);
        demand((int64_t)first + both <= t.a.slots, "the rows' sets must hold no more items than `slots` says");
    }
    return __shfl_sync(kAllLanes, first, 0) + (lane < kLanes ? 0 : (uint32_t)low);
}

// Scores / τ of this lane's items into their slots; returns the largest. Counts the items' entries.
__device__ inline float score_items(const Task& t, const Row& row, uint32_t offset, bool quads) {
    const int32_t* item = t.a.item + row.first;
    const float inverse_tau = 1.0f / t.a.tau;
    float top = -INFINITY;
    for (int64_t i = (int)threadIdx.x % kLanes; i < row.length; i += kChains * kLanes) {
        int32_t id[kChains];
        uint32_t rank[kChains];
        const float* vector[kChains];
        float score[kChains];
        bool sound = true;
        RCEKD_UNROLL(kChains)
        for (int j = 0; j < kChains; ++j) id[j] = item[i + j * kLanes < row.length ? i + j * kLanes : i];
        RCEKD_UNROLL(kChains)
        for (int j = 0; j < kChains; ++j) sound = sound && is_id(id[j], t.a.items);
        demand(sound, "sets.items must lie in [0, items)");
        RCEKD_UNROLL(kChains)
        for (int j = 0; j < kChains; ++j) {
            vector[j] = t.a.item_factor + id[j] * t.a.width;
            rank[j] = t.a.item_grad && i + j * kLanes < row.length ? t.groups.join(id[j]) : 0;
        }
        chains(t.a.user_factor + row.user * t.a.width, vector, t.a.width, quads, score);
        RCEKD_UNROLL(kChains)
        for (int j = 0; j < kChains; ++j) {
            if (i + j * kLanes >= row.length) continue;
            const uint32_t slot = offset + (uint32_t)(i + j * kLanes);
            t.slot[slot] = score[j] * inverse_tau;
            top = score[j] * inverse_tau > top ? score[j] * inverse_tau : top;
            if (t.a.item_grad) t.groups.rank[slot] = rank[j];
        }
    }
    return top;
}

// Loss of a row; its slots get weight / τ · (Σp · softmax − p).
__device__ inline void weigh_items(const Task& t, const Row& row, uint32_t offset, float top) {
    const int lane = (int)threadIdx.x % kLanes;
    const int64_t n = row.length;
    const float* prob = t.a.prob + row.first;
    float *s = t.slot + offset, total = 0.0f, mass = 0.0f, bent = 0.0f;
    RCEKD_UNROLL(4)
    for (int64_t i = lane; i < n; i += kLanes) {
        const float p = __ldg(prob + i), below = s[i] - top, e = rcekd_exp_nonpositive_float(below);
        total = total + e;
        mass = mass + p;
        bent = bent - p * below;
        s[i] = e;
    }
    total = sum_lanes(total);
    mass = sum_lanes(mass);
    bent = sum_lanes(bent);
    const bool there = row.at < t.a.rows;
    const float weight = there ? t.a.weight[row.at] : 0.0f, scale = weight / t.a.tau, rate = scale * mass / total;
    RCEKD_UNROLL(4)
    for (int64_t i = lane; i < n; i += kLanes) s[i] = fmaf(rate, s[i], -scale * __ldg(prob + i));
    if (there && lane == 0) t.row_loss[row.at] = n ? weight * (bent + mass * (float)rcekd_log((double)total)) : 0.0f;
}

__global__ void rows_kernel(Task t) {
    const bool quads = in_quads(t.a.user_factor, t.a.width) && in_quads(t.a.item_factor, t.a.width);
    const int64_t step = index_step() / kLanes, rounds = ceil_div(t.a.rows, step);
    for (int64_t round = 0; round < rounds; ++round) {
        const Row row = read_row(t, first_index() / kLanes + round * step);
        const uint32_t offset = take_slots(t, row);
        const bool speaks = row.at < t.a.rows && threadIdx.x % kLanes == 0;
        const uint32_t rank = speaks && t.a.user_grad ? t.groups.join(t.items + row.user) : 0;
        weigh_items(t, row, offset, largest_lane(score_items(t, row, offset, quads)));
        if (speaks) t.offset[row.at] = offset;
        if (speaks && t.a.user_grad) t.groups.rank[t.of_items + row.at] = rank;  // last, so that nothing waits for it
    }
}

// The loss by the first block, the places of the groups by the others.
__global__ void place_kernel(Task t) {
    if (blockIdx.x == 0)
        sum_losses(t.row_loss, t.a.rows, t.a.loss);
    else
        place(t.groups, blockIdx.x - 1);
}

__device__ inline void fill_part(const Task& t, int64_t i) {
    const int64_t row = i / t.a.width;
    t.user_part[i] = weighted_items(t.a.item + t.first(row), t.slot + t.offset[row], t.length(row), t.a.item_factor,
                                    t.a.width, i % t.a.width);
}

// Sixteen lanes a row.
__device__ inline void put_row(const Task& t, int64_t row) {
    const int lane = (int)threadIdx.x % kLanes;
    const uint32_t offset = t.offset[row], of_row = (uint32_t)row, user = (uint32_t)t.a.user[row];
    const int64_t n = t.length(row), first = t.first(row);
    for (int64_t i = t.a.item_grad ? lane : n; i < n; i += kChains * kLanes) {
        uint32_t at[kChains];
        float weight[kChains];
        RCEKD_UNROLL(kChains)
        for (int j = 0; j < kChains; ++j) {
            const int64_t place = i + j * kLanes < n ? i + j * kLanes : i;
            weight[j] = t.slot[offset + place];
            at[j] = t.groups.start[t.a.item[first + place]] + t.groups.rank[offset + place];
        }
        RCEKD_UNROLL(kChains)
        for (int j = 0; j < kChains; ++j)
            if (i + j * kLanes < n) t.groups.entry[at[j]] = {of_row, (uint32_t)(i + j * kLanes), weight[j], user};
    }
    if (t.a.user_grad && lane == 0)
        t.groups.put(t.items + user, t.groups.rank[t.of_items + row], {of_row, 0, 1.0f, of_row});
}

// The users' parts by the first so many blocks, the entries by the others.
__global__ void parts_kernel(Task t, unsigned blocks) {
    if (blockIdx.x < blocks) {
        for (int64_t i = first_index(); i < t.a.rows * t.a.width; i += (int64_t)blocks * kThreads) fill_part(t, i);
        return;
    }
    const int64_t first = ((int64_t)(blockIdx.x - blocks) * kThreads + threadIdx.x) / kLanes;
    const int64_t step = (int64_t)(gridDim.x - blocks) * kThreads / kLanes;
    for (int64_t row = first; row < t.a.rows; row += step) put_row(t, row);
}

__global__ void __launch_bounds__(kSumThreads) sums_kernel(Groups groups, Sums to) { sum_groups(groups, to); }

Task lay_out(const rcekd_set_cross_entropy_args& a, Carver* carver) {
    Task t;
    t.a = a;
    t.offset = carver->take<uint32_t>(a.rows);
    t.slot = carver->take<float>(a.slots);
    t.row_loss = carver->take<float>(a.rows);
    t.user_part = carver->take<float>(a.user_grad ? a.rows * a.width : 0);
    t.items = a.item_grad ? a.items : 0;
    t.of_items = a.item_grad ? a.slots : 0;
    t.groups = carve_groups(t.items + (a.user_grad ? a.users : 0), t.of_items + (a.user_grad ? a.rows : 0), carver);
    return t;
}

}  // namespace
}  // namespace cuda
}  // namespace rcekd

extern "C" int64_t rcekd_cuda_set_cross_entropy_workspace(const rcekd_set_cross_entropy_args* a) {
    rcekd::cuda::Carver carver(nullptr);
    rcekd::cuda::lay_out(*a, &carver);
    return carver.used();
}

extern "C" int rcekd_cuda_set_cross_entropy(const rcekd_set_cross_entropy_args* a, const rcekd_cuda_call* call) {
    using namespace rcekd::cuda;
    if (const int error = begin(call)) return error;
    Carver carver(call->workspace);
    const Task task = lay_out(*a, &carver);
    const Groups& groups = task.groups;
    const Sums to = {task.items, a->width, a->rows, a->user_factor, a->item_grad, task.user_part, a->user_grad};
    clear(groups, call->stream);
    RCEKD_LAUNCH(rows_kernel, blocks_of(a->rows * kLanes), kThreads, call->stream, task);
    RCEKD_LAUNCH(place_kernel, 1 + blocks_to_place(groups), kThreads, call->stream, task);
    if (groups.ids == 0) return (int)cudaGetLastError();
    const unsigned parts = a->user_grad ? blocks_of(a->rows * a->width) : 0;
    RCEKD_LAUNCH(parts_kernel, parts + blocks_of(a->rows * kLanes), kThreads, call->stream, task, parts);
    RCEKD_LAUNCH(sums_kernel, blocks_to_sum(groups), kSumThreads, call->stream, groups, to);
    return (int)cudaGetLastError();
}
