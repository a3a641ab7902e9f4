// What the lanes of a warp do together: all of them are to call each function.
#pragma once
#include "launch.h"

namespace rcekd {
namespace cuda {

__device__ inline float largest_in_warp(float x) {
    for (int by = kWarp / 2; by > 0; by /= 2) x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, by));
    return x;
}

__device__ inline float sum_in_warp(float x) {
    for (int by = kWarp / 2; by > 0; by /= 2) x += __shfl_xor_sync(kAllLanes, x, by);
    return x;
}

// The values of all lanes up to this one together.
template <class T>
__device__ inline T sum_up_to_lane(T value) {
    const int lane = (int)threadIdx.x % kWarp;
    for (int by = 1; by < kWarp; by *= 2) {
        const T other = __shfl_up_sync(kAllLanes, value, by);
        if (lane >= by) value += other;
    }
    return value;
}

}  // namespace cuda
}  // namespace rcekd
