// Draws weighted by rank gaps, without replacement: the method, and every number drawn, are those of
// csrc/cpu/gap_race.h. A block races one row.
#pragma once
#include "race.h"
#include "rcekd/gap.h"

namespace rcekd {
namespace cuda {

// The first `draws` arrivals among those of 0 ... n − 1 for whom runs() holds, in order, go into `timed`, which has
// room for n; returns how many.
template <class Runs, class Gap>
__device__ inline int64_t race_gaps(const rcekd_gap_request& q, uint32_t row, int64_t n, int64_t draws, Runs runs,
                                    Gap gap, Arrival* timed) {
    __shared__ int32_t found;
    if (threadIdx.x == 0) found = 0;
    __syncthreads();
    for (int64_t at = threadIdx.x; at < n; at += blockDim.x) {
        if (!runs(at)) continue;
        const rcekd_u32x4 word = rcekd_philox(q.key, (uint32_t)at, row, RCEKD_GAP_RACE, 0);
        const double log_time =
            rcekd_log_exponential(word.v[0], word.v[1]) - rcekd_gap_log_weight(q.flags, q.eps, gap(at));
        timed[atomicAdd(&found, 1)] = {log_time, (int32_t)at, 0.0f};
    }
    int64_t left = publish(found);
    const int64_t want = left < draws ? left : draws;
    if (want == 0) return 0;
    const Arrival* arrival = timed;
    const auto late = [arrival](uint32_t i) { return ~time_order(arrival[i].log_time); };
    const uint64_t last = ~kth_largest_of(late, left, want);
    left = keep_if(timed, left, [last](const Arrival& one) { return time_order(one.log_time) <= last; });
    sort(timed, left, Earlier());
    return want;
}

}  // namespace cuda
}  // namespace rcekd
