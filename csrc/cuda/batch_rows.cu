// Sixteen lanes an interaction: they count those of the batch that come before it and those of the same user, which
// says where its rows stand and what they weigh. That is quadratic in the batch, and for batches of thousands a
// microsecond or two, where sorting would be several kernels one after the other.
#include "demand.h"
#include "rcekd/batch_rows.h"
#include "segments.h"

namespace rcekd {
namespace cuda {
namespace {

struct Standing {
    int32_t before, earlier, same;  // smaller users; of this user, earlier in the batch; of this user
};

// A row beyond the last compares with nothing.
__device__ inline Standing stand(const rcekd_batch_rows_args& a, int64_t row, int32_t user) {
    Standing s = {0, 0, 0};
    const int64_t n = row < a.batch ? a.batch : 0;
    RCEKD_UNROLL(8)
    for (int64_t b = (int)threadIdx.x % kLanes; b < n; b += kLanes) {
        const int32_t other = a.user[b];
        s.before += other < user;
        s.same += other == user;
        s.earlier += other == user && b < row;
    }
    for (int by = kLanes / 2; by > 0; by /= 2) {
        s.before += __shfl_xor_sync(kAllLanes, s.before, by);
        s.same += __shfl_xor_sync(kAllLanes, s.same, by);
        s.earlier += __shfl_xor_sync(kAllLanes, s.earlier, by);
    }
    return s;
}

// Both halves of a warp stay together, so that all lanes take part in every exchange.
__global__ void batch_rows_kernel(rcekd_batch_rows_args a) {
    const int64_t step = index_step() / kLanes, rounds = ceil_div(a.batch, step);
    for (int64_t round = 0; round < rounds; ++round) {
        const int64_t row = first_index() / kLanes + round * step;
        const int32_t user = row < a.batch ? a.user[row] : 0;
        demand(row >= a.batch || is_id(user, a.users), "user_B must lie in [0, users)");
        const Standing s = stand(a, row, user);
        if (row >= a.batch) continue;
        const float count = (float)s.same, weight = a.share ? count * a.share[user] : count;
        for (int64_t list = (int)threadIdx.x % kLanes; list < a.lists; list += kLanes) {
            const int64_t at = list * a.batch + s.before + s.earlier;
            a.row_user[at] = user;
            a.row_set[at] = (int32_t)(list * a.users + user);
            a.row_weight[at] = (s.earlier == 0 ? weight : 0.0f) * a.scale[list * a.users + user];
        }
    }
}

}  // namespace
}  // namespace cuda
}  // namespace rcekd

extern "C" int64_t rcekd_cuda_batch_rows_workspace(const rcekd_batch_rows_args*) { return 0; }

extern "C" int rcekd_cuda_batch_rows(const rcekd_batch_rows_args* a, const rcekd_cuda_call* call) {
    using namespace rcekd::cuda;
    if (const int error = begin(call)) return error;
    RCEKD_LAUNCH(batch_rows_kernel, blocks_of(a->batch * kLanes), kThreads, call->stream, *a);
    return (int)cudaGetLastError();
}
