// Scores and sums of a row's list in the CPU's order: each number is one thread's, or sixteen lanes' that add up as
// csrc/cpu/lanes.h does.
#pragma once
#include "launch.h"
#include "rcekd/loss_sum.h"

namespace rcekd {
namespace cuda {

// Column k of Σ weight · item row over a list, even and odd places apart; an item −1 is nothing.
__device__ inline float weighted_items(const int32_t* item, const float* weight, int64_t length,
                                       const float* item_factor, int64_t width, int64_t k) {
    constexpr int kAhead = 8;  // rows under way at once; even
    float sum[2] = {0.0f, 0.0f};
    for (int64_t first = 0; first < length; first += kAhead) {
        int32_t id[kAhead];
        float one[kAhead], value[kAhead];
        RCEKD_UNROLL(kAhead)
        for (int j = 0; j < kAhead; ++j) {
            const bool there = first + j < length;
            id[j] = there ? item[first + j] : -1;
            one[j] = there ? weight[first + j] : 0.0f;
        }
        RCEKD_UNROLL(kAhead)
        for (int j = 0; j < kAhead; ++j) value[j] = id[j] >= 0 ? item_factor[id[j] * width + k] : 0.0f;
        RCEKD_UNROLL(kAhead)
        for (int j = 0; j < kAhead; ++j)
            if (id[j] >= 0) sum[j & 1] = fmaf(one[j], value[j], sum[j & 1]);
    }
    return fmaf(1.0f, sum[1], sum[0]);
}

// The sum of a batch's losses as rcekd_sum_losses makes it; called by a whole block of kThreads.
__device__ inline void sum_losses(const float* loss, int64_t n, float* into) {
    static_assert(kThreads == RCEKD_LOSS_LANES, "a lane a thread");
    __shared__ double lane[kThreads];
    const int me = (int)threadIdx.x;
    double sum = 0.0;
    RCEKD_UNROLL(8)
    for (int64_t i = me; i < n; i += kThreads) sum += (double)loss[i];
    lane[me] = sum;
    __syncthreads();
    for (int by = kThreads / 2; by > 0; by /= 2) {
        if (me < by) lane[me] += lane[me + by];
        __syncthreads();
    }
    if (me == 0) *into = (float)lane[0];
}

constexpr int kChains = 4;  // chains that one thread works on at once

// Scores of a user with kChains items, each one FMA chain in ascending dimension. `quads`: every row can be read four
// numbers at a time.
__device__ inline void chains(const float* user, const float* const* item, int64_t width, bool quads, float* score) {
    for (int j = 0; j < kChains; ++j) score[j] = 0.0f;
    if (!quads) {
        for (int64_t k = 0; k < width; ++k)
            for (int j = 0; j < kChains; ++j) score[j] = fmaf(user[k], item[j][k], score[j]);
        return;
    }
    for (int64_t k = 0; k < width; k += 4) {
        const float4 u = *(const float4*)(user + k);
        RCEKD_UNROLL(kChains)
        for (int j = 0; j < kChains; ++j) {
            const float4 v = *(const float4*)(item[j] + k);
            score[j] = fmaf(u.w, v.w, fmaf(u.z, v.z, fmaf(u.y, v.y, fmaf(u.x, v.x, score[j]))));
        }
    }
}

// Whether rows of this table can be read four numbers at a time.
__device__ inline bool in_quads(const float* table, int64_t width) {
    return width % 4 == 0 && (uintptr_t)table % sizeof(float4) == 0;
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
