// What all threads of a block do together: each function is to be called by all of them, and may be called again at
// once.
#pragma once
#include "launch.h"

namespace rcekd {
namespace cuda {

// The value that one thread has put into shared memory, for all, who may then write there again.
template <class T>
__device__ inline T publish(const T& shared) {
    __syncthreads();
    const T value = shared;
    __syncthreads();
    return value;
}

// Of 256 counts the largest digit with at least `rank` elements of this digit and above, and how many of these are
// above. Called by the first warp: lane l holds digits 255 − 8 l and the seven below.
__device__ inline void pick_digit(const int32_t* count, int64_t rank, int* digit, int64_t* above) {
    constexpr int kOwn = 8;
    const int lane = (int)threadIdx.x, top = 255 - kOwn * lane;
    int64_t own = 0;
    for (int i = 0; i < kOwn; ++i) own += count[top - i];
    int64_t sum = own;
    for (int by = 1; by < kWarp; by *= 2) {
        const int64_t other = __shfl_up_sync(kAllLanes, sum, by);
        if (lane >= by) sum += other;
    }
    int64_t before = sum - own;
    if (before >= rank || sum < rank) return;
    int at = top;
    while (before + count[at] < rank) before += count[at--];
    *digit = at;
    *above = before;
}

// The k-th largest of key(0) … key(n − 1), 1 ≤ k ≤ n: a radix selection, eight bits a turn. With `exact` not set it may
// stop early, at a lower number that no further key reaches: what is at least that number are the k largest all the same.
template <class Key>
__device__ inline uint64_t kth_largest_of(Key key, int64_t n, int64_t k, bool exact = true) {
    __shared__ int32_t count[256];
    __shared__ uint64_t prefix;
    __shared__ int64_t rank;
    __shared__ int settled;
    if (threadIdx.x == 0) prefix = 0, rank = k, settled = 0;
    for (int shift = 56; shift >= 0; shift -= 8) {
        for (int i = (int)threadIdx.x; i < 256; i += (int)blockDim.x) count[i] = 0;
        __syncthreads();
        const uint64_t high = prefix;
        if (settled && !exact) break;
        for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
            const uint64_t here = key(i);
            if (shift == 56 || (here ^ high) >> (shift + 8) == 0) atomicAdd(&count[here >> shift & 255], 1);
        }
        __syncthreads();
        if (threadIdx.x < kWarp) {
            int digit = -1;
            int64_t above = 0;
            pick_digit(count, rank, &digit, &above);
            __syncwarp();
            if (digit >= 0) {
                prefix |= (uint64_t)digit << shift, rank -= above;
                settled = count[digit] == rank;
            }
        }
        __syncthreads();
    }
    return publish(prefix);
}

__device__ inline uint64_t kth_largest(const uint64_t* key, int64_t n, int64_t k) {
    return kth_largest_of([key](int64_t i) { return key[i]; }, n, k);
}

// Leaves the elements that are wanted, in any order; returns how many.
template <class T, class Wanted>
__device__ inline int64_t keep_if(T* a, int64_t n, Wanted wanted) {
    __shared__ int32_t kept;
    if (threadIdx.x == 0) kept = 0;
    for (int64_t first = 0; first < n; first += blockDim.x) {
        const int64_t i = first + threadIdx.x;
        const T mine = a[i < n ? i : 0];
        __syncthreads();  // what is written below lies before what the next turn reads
        if (i < n && wanted(mine)) a[atomicAdd(&kept, 1)] = mine;
    }
    return publish(kept);
}

// Sorts in place what every thread can hold one of: each goes to the place that it counts.
template <class T, class Before>
__device__ inline void sort_few(T* a, int n, Before before) {
    if (n == 0) return;
    const int mine = (int)threadIdx.x;
    const T own = a[mine < n ? mine : 0];
    int place = 0;
    for (int i = 0; mine < n && i < n; ++i) {
        const T other = a[i];
        place += before(other, own) || (i < mine && !before(own, other)) ? 1 : 0;
    }
    __syncthreads();
    if (mine < n) a[place] = own;
    __syncthreads();
}

// Sorts in place: few elements by counting, many by a bitonic network whose comparisons all point the same way, so that
// elements beyond n, which would be last, need not exist.
template <class T, class Before>
__device__ inline void sort(T* a, int64_t n, Before before) {
    __syncthreads();
    if (n <= blockDim.x) return sort_few(a, (int)n, before);
    for (int64_t size = 2; size < 2 * n; size *= 2) {
        const int64_t pairs = ceil_div(n, size) * (size / 2);
        for (int64_t stride = size / 2; stride > 0; stride /= 2) {
            for (int64_t p = threadIdx.x; p < pairs; p += blockDim.x) {
                const int64_t low = p / stride * 2 * stride, at = p % stride, i = low + at;
                const int64_t j = stride == size / 2 ? low + size - 1 - at : i + stride;
                if (j >= n || !before(a[j], a[i])) continue;
                const T swap = a[i];
                a[i] = a[j];
                a[j] = swap;
            }
            __syncthreads();
        }
    }
}

struct Ascending {
    template <class T>
    __device__ bool operator()(const T& a, const T& b) const {
        return a < b;
    }
};

struct Descending {
    template <class T>
    __device__ bool operator()(const T& a, const T& b) const {
        return a > b;
    }
};

}  // namespace cuda
}  // namespace rcekd
