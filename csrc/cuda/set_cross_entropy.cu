// A row's scores, loss and weights by sixteen lanes; then its share of its user's gradient, a thread a number; then the
// gradient tables, summed over slots and rows in ascending order (segments.h).
#include "rcekd/float_maths.h"
#include "rcekd/maths.h"
#include "rcekd/set_cross_entropy.h"
#include "segments.h"
#include "tile.h"

namespace rcekd {
namespace cuda {
namespace {

struct Task {
    rcekd_set_cross_entropy_args a;
    const int64_t* offset;  // [rows + 1]: first slot of each row
    float* slot;            // [slots]: score, then d loss / d score
    float* row_loss;        // [rows]
    float* user_part;       // [rows, width]: a row's share of its user's gradient

    __device__ int64_t first(int64_t row) const { return a.indptr[a.set[row]]; }
    __device__ int64_t length(int64_t row) const { return offset[row + 1] - offset[row]; }
};

// Loss of a row; its slots get weight / τ · (Σp · softmax − p). Rows beyond the last take part with nothing.
__device__ inline void visit_row(const Task& t, int64_t row) {
    const int lane = (int)threadIdx.x % kLanes;
    const bool there = row < t.a.rows;
    const int64_t n = there ? t.length(row) : 0, first = there ? t.first(row) : 0;
    const int32_t* item = t.a.item + first;
    const float* prob = t.a.prob + first;
    const float* user = t.a.user_factor + (there ? t.a.user[row] : 0) * t.a.width;
    float* s = t.slot + (there ? t.offset[row] : 0);
    const float inverse_tau = 1.0f / t.a.tau;
    float top = -INFINITY;
    for (int64_t i = lane; i < n; i += kLanes) {
        s[i] = chain(user, t.a.item_factor + item[i] * t.a.width, t.a.width) * inverse_tau;
        top = s[i] > top ? s[i] : top;
    }
    top = largest_lane(top);
    float total = 0.0f, mass = 0.0f, bent = 0.0f;
    for (int64_t i = lane; i < n; i += kLanes) {
        const float below = s[i] - top, e = rcekd_exp_nonpositive_float(below);
        total = total + e;
        mass = mass + prob[i];
        bent = bent - prob[i] * below;
        s[i] = e;
    }
    total = sum_lanes(total);
    mass = sum_lanes(mass);
    bent = sum_lanes(bent);
    const float weight = there ? t.a.weight[row] : 0.0f, scale = weight / t.a.tau, rate = scale * mass / total;
    for (int64_t i = lane; i < n; i += kLanes) s[i] = fmaf(rate, s[i], -scale * prob[i]);
    if (there && lane == 0) t.row_loss[row] = n ? weight * (bent + mass * (float)rcekd_log((double)total)) : 0.0f;
}

__global__ void rows_kernel(Task t) {
    const int64_t step = index_step() / kLanes, rounds = ceil_div(t.a.rows, step);
    for (int64_t round = 0; round < rounds; ++round) visit_row(t, first_index() / kLanes + round * step);
}

__global__ void parts_kernel(Task t) {
    for (int64_t i = first_index(); i < t.a.rows * t.a.width; i += index_step()) {
        const int64_t row = i / t.a.width;
        t.user_part[i] = weighted_items(t.a.item + t.first(row), t.slot + t.offset[row], t.length(row), t.a.item_factor,
                                        t.a.width, i % t.a.width);
    }
}

__global__ void users_kernel(Task t, const int64_t* user_row, const int64_t* start) {
    for (int64_t i = first_index(); i < t.a.users * t.a.width; i += index_step()) {
        const int64_t user = i / t.a.width, k = i % t.a.width;
        float sum = 0.0f;
        for (int64_t s = start[user]; s < start[user + 1]; ++s)
            sum = fmaf(1.0f, t.user_part[user_row[s] * t.a.width + k], sum);
        t.a.user_grad[i] = sum;
    }
}

// The row of a slot, by binary search in the offsets.
__device__ inline int64_t row_of_slot(const Task& t, int64_t slot) {
    int64_t low = 0, high = t.a.rows;
    while (high - low > 1) {
        const int64_t mid = (low + high) / 2;
        if (t.offset[mid] <= slot)
            low = mid;
        else
            high = mid;
    }
    return low;
}

__global__ void items_kernel(Task t, const int64_t* item_slot, const int64_t* start) {
    const auto row_of = [&t](int64_t s) { return t.a.user_factor + t.a.user[row_of_slot(t, s)] * t.a.width; };
    sum_slots(item_slot, start, t.slot, row_of, t.a.items, t.a.width, t.a.item_grad);
}

__global__ void loss_kernel(Task t) { sum_losses(t.row_loss, t.a.rows, t.a.loss); }

}  // namespace
}  // namespace cuda
}  // namespace rcekd

// The caller knows the number of slots (the last of call->offset) and adds that many floats.
extern "C" int64_t rcekd_cuda_set_cross_entropy_workspace(const rcekd_set_cross_entropy_args* a) {
    rcekd::cuda::Carver carver(nullptr);
    carver.take<float>(a->rows);
    carver.take<float>(a->user_grad ? a->rows * a->width : 0);
    return carver.used();
}

extern "C" int rcekd_cuda_set_cross_entropy(const rcekd_set_cross_entropy_args* a, const rcekd_cuda_call* call) {
    using namespace rcekd::cuda;
    if (const int error = begin(call)) return error;
    Carver carver(call->workspace);
    float* row_loss = carver.take<float>(a->rows);
    float* user_part = carver.take<float>(a->user_grad ? a->rows * a->width : 0);
    const Task task = {*a, call->offset, carver.take<float>(0), row_loss, user_part};
    RCEKD_LAUNCH(rows_kernel, blocks_of(a->rows * kLanes), kThreads, call->stream, task);
    RCEKD_LAUNCH(loss_kernel, 1, kWarp, call->stream, task);
    if (a->user_grad) {
        RCEKD_LAUNCH(parts_kernel, blocks_of(a->rows * a->width), kThreads, call->stream, task);
        RCEKD_LAUNCH(users_kernel, blocks_of(a->users * a->width), kThreads, call->stream, task, call->user_row,
                     call->user_start);
    }
    if (a->item_grad)
        RCEKD_LAUNCH(items_kernel, blocks_of(a->items * kWarp), kThreads, call->stream, task, call->item_slot,
                     call->item_start);
    return (int)cudaGetLastError();
}
