// Streaming top-K: a block takes 32 users past the whole catalogue, 64 items at a time. Scores above a user's running
// threshold go to the user's buffer; when it could not take another tile, it is cut down to the K best, whose worst is
// the new threshold.
#include "block.h"
#include "rcekd/rank_key.h"
#include "rcekd/topk.h"
#include "seen.h"
#include "tile.h"

namespace rcekd {
namespace cuda {
namespace {

// Room for K, for the survivors between two cuts, and for a tile.
int64_t buffer_capacity(int64_t k) { return k + (k > 64 ? k : 64) + kTileItems; }

// Blocks at once, each with buffers for its users.
unsigned block_count(const rcekd_topk_args& a) {
    constexpr int64_t kMost = 1024;
    return blocks_for(ceil_div(a.rows, kTileUsers), at_once(kMost, kTileUsers * buffer_capacity(a.k) * 8));
}

struct Scan {
    rcekd_topk_args a;
    Tables tables;
    Seen seen;
    uint64_t* buffer;  // [blocks][kTileUsers][capacity] rank keys
    int64_t capacity;
    int64_t* bad_row;
};

// Leaves the best k; from then on only better scores count. Later items have higher ids, so one that only equals the
// k-th score cannot displace it.
__device__ inline void tighten(const Scan& s, uint64_t* key, int32_t* count, float* threshold) {
    const int64_t n = publish(*count);
    if (n < s.a.k) return;
    const uint64_t last = kth_largest(key, n, s.a.k);
    const int64_t kept = keep_if(key, n, [last](uint64_t one) { return one >= last; });
    if (threadIdx.x == 0) *count = (int32_t)kept, *threshold = rcekd_rank_score(last);
    __syncthreads();
}

__device__ inline void append_tile(const Scan& s, int64_t first_row, int64_t first_item, float (*score)[kEach],
                                   uint64_t* buffer, int32_t* count, const float* threshold, int* full) {
    for (int r = 0; r < kEach; ++r) {
        const int64_t row = first_row + tile_user(r);
        if (row >= s.a.rows) continue;
        for (int c = 0; c < kEach; ++c) {
            const int64_t item = first_item + tile_item(c);
            if (item >= s.a.n_items) continue;
            if (!is_finite(score[r][c])) note_bad_row(s.bad_row, row);
            if (!(score[r][c] > threshold[tile_user(r)]) || s.seen.has(s.a.user[row], (int32_t)item)) continue;
            const int32_t slot = atomicAdd(&count[tile_user(r)], 1);
            buffer[tile_user(r) * s.capacity + slot] = rcekd_rank_key(score[r][c], (int32_t)item);
            if (slot >= s.capacity - kTileItems) *full = 1;
        }
    }
}

__device__ inline void write_lists(const Scan& s, int64_t first_row, uint64_t* buffer, int32_t* count,
                                   float* threshold) {
    for (int u = 0; u < kTileUsers && first_row + u < s.a.rows; ++u) {
        uint64_t* key = buffer + u * s.capacity;
        tighten(s, key, &count[u], &threshold[u]);
        const int64_t n = publish(count[u]);
        sort(key, n, Descending());
        for (int64_t i = threadIdx.x; i < s.a.k; i += blockDim.x) {
            const int64_t at = (first_row + u) * s.a.k + i;
            s.a.item[at] = i < n ? rcekd_rank_id(key[i]) : -1;
            s.a.score[at] = i < n ? rcekd_rank_score(key[i]) : -INFINITY;
        }
        __syncthreads();
    }
}

__global__ void __launch_bounds__(kTileThreads) topk_kernel(Scan s) {
    __shared__ int32_t count[kTileUsers];
    __shared__ float threshold[kTileUsers];
    __shared__ int full;  // some buffer could not take another tile
    uint64_t* buffer = s.buffer + blockIdx.x * kTileUsers * s.capacity;
    for (int64_t first = (int64_t)blockIdx.x * kTileUsers; first < s.a.rows; first += (int64_t)gridDim.x * kTileUsers) {
        if (threadIdx.x < kTileUsers) count[threadIdx.x] = 0, threshold[threadIdx.x] = -INFINITY;
        __syncthreads();
        for (int64_t item = 0; item < s.a.n_items; item += kTileItems) {
            float score[kEach][kEach];
            score_tile(s.tables, first, item, score);
            if (threadIdx.x == 0) full = 0;
            __syncthreads();
            append_tile(s, first, item, score, buffer, count, threshold, &full);
            if (!publish(full)) continue;
            for (int u = 0; u < kTileUsers; ++u)
                if (publish(count[u]) > s.capacity - kTileItems)
                    tighten(s, buffer + u * s.capacity, &count[u], &threshold[u]);
        }
        write_lists(s, first, buffer, count, threshold);
    }
}

}  // namespace
}  // namespace cuda
}  // namespace rcekd

extern "C" int64_t rcekd_cuda_topk_workspace(const rcekd_topk_args* a) {
    using namespace rcekd::cuda;
    return (int64_t)block_count(*a) * kTileUsers * buffer_capacity(a->k) * 8;
}

extern "C" int rcekd_cuda_topk(const rcekd_topk_args* a, const rcekd_cuda_call* call) {
    using namespace rcekd::cuda;
    if (const int error = begin(call)) return error;
    if (a->rows == 0) return 0;
    const Scan scan{*a,
                    {a->user_factor, a->user, a->item_factor, a->rows, a->n_items, a->d},
                    {a->seen_indptr, a->seen_item},
                    (uint64_t*)call->workspace,
                    buffer_capacity(a->k),
                    call->bad_row};
    RCEKD_LAUNCH(topk_kernel, block_count(*a), kTileThreads, call->stream, scan);
    return (int)cudaGetLastError();
}
