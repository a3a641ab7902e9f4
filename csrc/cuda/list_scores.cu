// Forward a thread per score; backward a thread per number of the rows' gradients, and the items' table by groups.
#include "group_sums.h"
#include "rcekd/list_scores.h"
#include "tile.h"

namespace rcekd {
namespace cuda {
namespace {

__global__ void list_scores_kernel(rcekd_list_scores_args a) {
    for (int64_t i = first_index(); i < a.rows * a.listed; i += index_step()) {
        const int64_t row = i / a.listed;
        a.score[i] =
            a.item[i] < 0 ? 0.0f : chain(a.user_factor + row * a.width, a.item_factor + a.item[i] * a.width, a.width);
    }
}

__global__ void list_user_kernel(rcekd_list_scores_args a) {
    for (int64_t i = first_index(); i < a.rows * a.width; i += index_step()) {
        const int64_t row = i / a.width;
        a.user_grad[i] = weighted_items(a.item + row * a.listed, a.grad + row * a.listed, a.listed, a.item_factor,
                                        a.width, i % a.width);
    }
}

__global__ void join_kernel(rcekd_list_scores_args a, Groups groups) {
    for (int64_t i = first_index(); i < groups.entries; i += index_step())
        if (a.item[i] >= 0) groups.rank[i] = groups.join(a.item[i]);
}

__global__ void place_kernel(Groups groups) { place(groups, blockIdx.x); }

__global__ void put_kernel(rcekd_list_scores_args a, Groups groups) {
    for (int64_t i = first_index(); i < groups.entries; i += index_step()) {
        const uint32_t row = (uint32_t)(i / a.listed);
        if (a.item[i] >= 0) groups.put(a.item[i], groups.rank[i], {row, (uint32_t)(i % a.listed), a.grad[i], row});
    }
}

__global__ void __launch_bounds__(kSumThreads) sums_kernel(Groups groups, Sums to) { sum_groups(groups, to); }

Groups lay_out(const rcekd_list_scores_args& a, Carver* carver) {
    return carve_groups(a.item_grad ? a.items : 0, a.rows * a.listed, carver);
}

void fill_items(const rcekd_list_scores_args& a, const Groups& groups, void* stream) {
    const Sums to = {a.items, a.width, a.rows, a.user_factor, a.item_grad, nullptr, nullptr};
    clear(groups, stream);
    RCEKD_LAUNCH(join_kernel, blocks_of(groups.entries), kThreads, stream, a, groups);
    RCEKD_LAUNCH(place_kernel, blocks_to_place(groups), kThreads, stream, groups);
    RCEKD_LAUNCH(put_kernel, blocks_of(groups.entries), kThreads, stream, a, groups);
    RCEKD_LAUNCH(sums_kernel, blocks_to_sum(groups), kSumThreads, stream, groups, to);
}

}  // namespace
}  // namespace cuda
}  // namespace rcekd

extern "C" int64_t rcekd_cuda_list_scores_workspace(const rcekd_list_scores_args* a) {
    rcekd::cuda::Carver carver(nullptr);
    rcekd::cuda::lay_out(*a, &carver);
    return carver.used();
}

extern "C" int rcekd_cuda_list_scores(const rcekd_list_scores_args* a, const rcekd_cuda_call* call) {
    using namespace rcekd::cuda;
    if (const int error = begin(call)) return error;
    if (a->score) RCEKD_LAUNCH(list_scores_kernel, blocks_of(a->rows * a->listed), kThreads, call->stream, *a);
    if (a->user_grad) RCEKD_LAUNCH(list_user_kernel, blocks_of(a->rows * a->width), kThreads, call->stream, *a);
    Carver carver(call->workspace);
    const Groups groups = lay_out(*a, &carver);
    if (groups.ids) fill_items(*a, groups, call->stream);
    return (int)cudaGetLastError();
}
