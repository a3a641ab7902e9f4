// A thread per row, with a table of its own in the workspace for the places its shuffle touches.
#include "launch.h"
#include "rcekd/unseen_draws.h"

namespace rcekd {
namespace cuda {
namespace {

int64_t table_room(const rcekd_unseen_draws_args& a) {
    return rcekd_places_room(a.draws < a.n_items ? a.draws : a.n_items);
}

unsigned block_count(const rcekd_unseen_draws_args& a) {
    const int64_t blocks = ceil_div(a.batch, kThreads);
    return blocks_for(at_once(blocks, kThreads * table_room(a) * 8));
}

__global__ void unseen_kernel(rcekd_unseen_draws_args a, int32_t* table, int64_t room) {
    int32_t* mine = table + first_index() * 2 * room;
    const rcekd_places places = {mine, mine + room, (uint32_t)(room - 1)};
    for (int64_t b = first_index(); b < a.batch; b += index_step()) rcekd_draw_unseen(a, b, places);
}

}  // namespace
}  // namespace cuda
}  // namespace rcekd

extern "C" int64_t rcekd_cuda_unseen_draws_workspace(const rcekd_unseen_draws_args* a) {
    using namespace rcekd::cuda;
    return (int64_t)block_count(*a) * kThreads * table_room(*a) * 8;
}

extern "C" int rcekd_cuda_unseen_draws(const rcekd_unseen_draws_args* a, const rcekd_cuda_call* call) {
    using namespace rcekd::cuda;
    if (const int error = begin(call)) return error;
    RCEKD_LAUNCH(unseen_kernel, block_count(*a), kThreads, call->stream, *a, (int32_t*)call->workspace, table_room(*a));
    return (int)cudaGetLastError();
}
