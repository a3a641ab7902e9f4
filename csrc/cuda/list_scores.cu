// Forward a thread per score; backward a thread per number of the gradient tables (segments.h).
#include "rcekd/list_scores.h"
#include "segments.h"
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

__global__ void list_item_kernel(rcekd_list_scores_args a, const int64_t* slot, const int64_t* start) {
    const auto row_of = [&a](int64_t s) { return a.user_factor + s / a.listed * a.width; };
    sum_slots(slot, start, a.grad, row_of, a.items, a.width, a.item_grad);
}

}  // namespace
}  // namespace cuda
}  // namespace rcekd

extern "C" int64_t rcekd_cuda_list_scores_workspace(const rcekd_list_scores_args*) { return 0; }

extern "C" int rcekd_cuda_list_scores(const rcekd_list_scores_args* a, const rcekd_cuda_call* call) {
    using namespace rcekd::cuda;
    if (const int error = begin(call)) return error;
    if (a->score) RCEKD_LAUNCH(list_scores_kernel, blocks_of(a->rows * a->listed), kThreads, call->stream, *a);
    if (a->user_grad) RCEKD_LAUNCH(list_user_kernel, blocks_of(a->rows * a->width), kThreads, call->stream, *a);
    if (a->item_grad)
        RCEKD_LAUNCH(list_item_kernel, blocks_of(a->items * kWarp), kThreads, call->stream, *a, call->item_slot,
                     call->item_start);
    return (int)cudaGetLastError();
}
