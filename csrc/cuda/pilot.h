// Scores of a sample of the catalogue, from which a user's threshold is guessed.
#pragma once
#include "block.h"
#include "rcekd/closure_plan.h"
#include "rcekd/rank_key.h"
#include "tile.h"

namespace rcekd {
namespace cuda {

static __global__ void pilot_items_kernel(int32_t* item, int64_t size, int64_t n_items, uint64_t key) {
    for (int64_t i = first_index(); i < size; i += index_step()) item[i] = rcekd_pilot_item(i, n_items, size, key);
}

// score [rows, n_items] of tables whose items are the pilot's.
static __global__ void __launch_bounds__(kTileThreads) pilot_scores_kernel(Tables t, float* score) {
    const int64_t row0 = (int64_t)blockIdx.x * kTileUsers, item0 = (int64_t)blockIdx.y * kTileItems;
    float tile[kEach][kEach];
    score_tile(t, row0, item0, tile);
    for (int r = 0; r < kEach; ++r)
        for (int c = 0; c < kEach; ++c) {
            const int64_t row = row0 + tile_user(r), item = item0 + tile_item(c);
            if (row < t.rows && item < t.n_items) score[row * t.n_items + item] = tile[r][c];
        }
}

inline void launch_pilot_scores(const Tables& t, float* score, void* stream) {
    if (t.rows == 0 || t.n_items == 0) return;
    const dim3 grid((unsigned)ceil_div(t.rows, kTileUsers), (unsigned)ceil_div(t.n_items, kTileItems));
    RCEKD_LAUNCH(pilot_scores_kernel, grid, kTileThreads, stream, t, score);
}

// The best `ranks` of `size` pilot scores, best first, as rank keys into `best`, which has room for them.
// Called by a whole block; returns how many there are.
__device__ inline int64_t best_of_pilot(const float* score, int64_t size, int64_t ranks, uint64_t* best) {
    __shared__ int32_t n;
    const auto key = [score](uint32_t i) { return rcekd_rank_key(score[i], (int32_t)i); };
    if (ranks > size) ranks = size;
    const uint64_t last = ranks < size && ranks > 0 ? kth_largest_of(key, size, ranks, false) : 0;
    if (threadIdx.x == 0) n = 0;
    __syncthreads();
    for_all(ranks > 0 ? size : 0, key, [&](uint32_t i, uint64_t one) {
        const int32_t place = next_place(i < size && one >= last, &n);
        if (place >= 0) best[place] = one;
    });
    __syncthreads();
    const int64_t found = publish(n);
    sort_distinct(best, found, Descending());
    return found;
}

}  // namespace cuda
}  // namespace rcekd
