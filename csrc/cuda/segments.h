// Sums that follow one order: gradients of factor tables from slots, a slot being a weight on an item of a row's list.
// Each number of a table is one thread's, which adds up its slots as csrc/cpu/owners.h does; no atomics.
#pragma once
#include "launch.h"

namespace rcekd {
namespace cuda {

// table[id] = Σ weight[slot] · row_of(slot) over the slots of each id, ascending. A warp per id, a lane per column.
template <class RowOf>
__device__ inline void sum_slots(const int64_t* slot, const int64_t* start, const float* weight, RowOf row_of,
                                 int64_t ids, int64_t width, float* table) {
    for (int64_t id = first_index() / kWarp; id < ids; id += index_step() / kWarp)
        for (int64_t k = threadIdx.x % kWarp; k < width; k += kWarp) {
            float sum = 0.0f;
            for (int64_t s = start[id]; s < start[id + 1]; ++s) sum = fmaf(weight[slot[s]], row_of(slot[s])[k], sum);
            table[id * width + k] = sum;
        }
}

// Column k of Σ weight · item row over a list, even and odd places apart; an item −1 is nothing.
__device__ inline float weighted_items(const int32_t* item, const float* weight, int64_t length,
                                       const float* item_factor, int64_t width, int64_t k) {
    float sum[2] = {0.0f, 0.0f};
    for (int64_t i = 0; i < length; ++i)
        if (item[i] >= 0) sum[i & 1] = fmaf(weight[i], item_factor[item[i] * width + k], sum[i & 1]);
    return fmaf(1.0f, sum[1], sum[0]);
}

// Σ of n floats in double precision, in order, rounded once; called by one warp.
__device__ inline void sum_losses(const float* loss, int64_t n, float* into) {
    const int lane = (int)threadIdx.x % kWarp;
    double total = 0.0;
    for (int64_t first = 0; first < n; first += kWarp) {
        const float mine = first + lane < n ? loss[first + lane] : 0.0f;
        for (int l = 0; l < kWarp; ++l) {
            const float one = __shfl_sync(kAllLanes, mine, l);
            if (first + l < n) total += one;
        }
    }
    if (lane == 0) *into = (float)total;
}

// Sixteen lanes work on one row, so that sums follow the order of csrc/cpu/lanes.h.
constexpr int kLanes = 16;

__device__ inline float sum_lanes(float x) {
    for (int by = kLanes / 2; by > 0; by /= 2) x = x + __shfl_xor_sync(kAllLanes, x, by);
    return x;
}

// The largest lane, NaN passed over.
__device__ inline float largest_lane(float x) {
    for (int by = kLanes / 2; by > 0; by /= 2) {
        const float other = __shfl_xor_sync(kAllLanes, x, by);
        x = other > x ? other : x;
    }
    return x;
}

}  // namespace cuda
}  // namespace rcekd
