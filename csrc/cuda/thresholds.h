// The raising scores of one user, sorted, and how many of them lie below a score: the z of equation 8.
#pragma once
#include "block.h"
#include "rcekd/race.h"

namespace rcekd {
namespace cuda {

struct Thresholds {
    float* value;  // ascending, filled up to `size` with +infinity
    int32_t size, limit;

    __device__ int32_t z(float score) const {
        const int32_t n = rcekd_count_below(value, size, score);
        return n < limit ? n : limit;
    }
};

// Floats needed for up to k raising scores.
RCEKD_HD int64_t thresholds_room(int64_t k) {
    int64_t size = 16;
    while (size <= k) size *= 2;
    return size;
}

// What a raising score becomes among the thresholds.
__device__ inline float as_threshold(float score, int inclusive) {
    return inclusive ? rcekd_float_below(score) : score;
}

// Makes thresholds of n values in any order; called by a whole block. A negative clip is no bound.
__device__ inline Thresholds close_thresholds(float* value, int64_t n, int64_t clip) {
    sort(value, n, Ascending());
    int64_t size = 16;
    while (size <= n) size *= 2;
    for (int64_t i = n + threadIdx.x; i < size; i += blockDim.x) value[i] = INFINITY;
    __syncthreads();
    return {value, (int32_t)size, (int32_t)(clip >= 0 && clip < n ? clip : n)};
}

}  // namespace cuda
}  // namespace rcekd
