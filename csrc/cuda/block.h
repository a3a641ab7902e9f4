// What all threads of a block do together: each function is to be called by all of them, and may be called again at
// once.
#pragma once
#include "warp.h"

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
__device__ inline void pick_digit(const int32_t* count, int32_t rank, int* digit, int32_t* above) {
    constexpr int kOwn = 8;
    const int lane = (int)threadIdx.x, top = 255 - kOwn * lane;
    int32_t own = 0;
    for (int i = 0; i < kOwn; ++i) own += count[top - i];
    const int32_t sum = sum_up_to_lane(own);
    int32_t before = sum - own;
    if (before >= rank || sum < rank) return;
    int at = top;
    while (before + count[at] < rank) before += count[at--];
    *digit = at;
    *above = before;
}

// Elements that a thread asks memory for before it looks at the first: of a list, and of a whole catalogue.
constexpr int kAtOnce = 4, kManyAtOnce = 16;

// visit(i, element(i)) for i = 0 … n − 1 by all threads of a block, and visit(i, anything) for some i beyond: every
// lane of a warp takes part in every visit. n is at most 2^31.
template <int kBatch = kAtOnce, class Element, class Visit>
__device__ inline void for_all(int64_t n, Element element, Visit visit) {
    const uint32_t end = (uint32_t)n, threads = blockDim.x;
    for (uint32_t first = 0; first < end; first += kBatch * threads) {
        decltype(element(0u)) held[kBatch];
        RCEKD_UNROLL(kBatch)
        for (uint32_t m = 0; m < kBatch; ++m) {
            const uint32_t i = first + m * threads + threadIdx.x;
            held[m] = element(i < end ? i : end - 1);
        }
        RCEKD_UNROLL(kBatch)
        for (uint32_t m = 0; m < kBatch; ++m)
            if (first + m * threads < end) visit(first + m * threads + threadIdx.x, held[m]);
    }
}

// Of the lanes that want one each the next places of a list, −1 for the others; a whole warp calls it.
__device__ inline int32_t next_place(bool wanted, int32_t* count) {
    const unsigned all = __ballot_sync(kAllLanes, wanted);
    if (all == 0) return -1;
    const int lane = (int)threadIdx.x % kWarp, leader = __ffs((int)all) - 1;
    int32_t base = 0;
    if (lane == leader) base = atomicAdd(count, __popc(all));
    base = __shfl_sync(kAllLanes, base, leader);
    return wanted ? base + __popc(all & ((1u << lane) - 1)) : -1;
}

// Appends those of `from` that are wanted to `into`, in any order; `count` lies in shared memory, and a barrier must
// follow before it is read.
template <int kBatch = kAtOnce, class T, class Wanted>
__device__ inline void append_wanted(const T* from, int64_t n, Wanted wanted, T* into, int32_t* count) {
    for_all<kBatch>(
        n, [from](uint32_t i) { return from[i]; },
        [&](uint32_t i, const T& one) {
            const int32_t place = next_place(i < n && wanted(one), count);
            if (place >= 0) into[place] = one;
        });
}

// What range_of and kth_largest_of hold in shared memory: one place, for they never run side by side.
struct SelectRoom {
    int32_t count[256];
    uint64_t low[kWarp], high[kWarp], prefix;
    int32_t rank;
    int settled;
};

__device__ inline SelectRoom& select_room() {
    __shared__ SelectRoom room;
    return room;
}

// The smallest and the largest of key(0) … key(n − 1), for all threads.
template <int kBatch = kAtOnce, class Key>
__device__ inline void range_of(Key key, int64_t n, uint64_t* lowest, uint64_t* highest) {
    SelectRoom& room = select_room();
    uint64_t least = ~(uint64_t)0, most = 0;
    for_all<kBatch>(n, key, [&](uint32_t, uint64_t one) {
        least = one < least ? one : least;
        most = one > most ? one : most;
    });
    for (int by = kWarp / 2; by > 0; by /= 2) {
        const uint64_t less = __shfl_xor_sync(kAllLanes, least, by), more = __shfl_xor_sync(kAllLanes, most, by);
        least = less < least ? less : least;
        most = more > most ? more : most;
    }
    __syncthreads();
    if (threadIdx.x % kWarp == 0) room.low[threadIdx.x / kWarp] = least, room.high[threadIdx.x / kWarp] = most;
    __syncthreads();
    for (int w = 0; w < (int)blockDim.x / kWarp; ++w) {
        least = room.low[w] < least ? room.low[w] : least;
        most = room.high[w] > most ? room.high[w] : most;
    }
    *lowest = least;
    *highest = most;
}

// The k-th largest of key(0) … key(n − 1), 1 ≤ k ≤ n: a radix selection of their distances from the smallest, eight
// bits a turn, from the highest that any of them has, until nobody else shares the digits found. With `exact` not set
// the answer is the number with these digits: what is at least that number are the k largest all the same.
template <int kBatch = kAtOnce, class Key>
__device__ inline uint64_t kth_largest_of(Key key, int64_t n, int64_t k, bool exact = true) {
    SelectRoom& room = select_room();
    uint64_t lowest, highest;
    range_of<kBatch>(key, n, &lowest, &highest);
    if (threadIdx.x == 0) room.prefix = 0, room.rank = (int32_t)k, room.settled = 0;
    for (int bits = 64 - __clzll((long long)(highest - lowest)); bits > 0;) {
        const int above_bits = bits, width = bits < 8 ? bits : 8;
        bits -= width;
        for (int i = (int)threadIdx.x; i < 256; i += (int)blockDim.x) room.count[i] = 0;
        __syncthreads();
        const uint64_t fixed = room.prefix;
        if (room.settled) break;
        for_all<kBatch>(n, key, [&](uint32_t i, uint64_t one) {
            const uint64_t here = one - lowest;
            if (i < n && (above_bits == 64 || (here ^ fixed) >> above_bits == 0))
                atomicAdd(&room.count[here >> bits & ((1u << width) - 1)], 1);
        });
        __syncthreads();
        if (threadIdx.x < kWarp) {
            int digit = -1;
            int32_t above = 0;
            pick_digit(room.count, room.rank, &digit, &above);
            __syncwarp();
            if (digit >= 0) {
                room.prefix |= (uint64_t)digit << bits, room.rank -= above;
                room.settled = room.count[digit] == room.rank;
            }
        }
        __syncthreads();
    }
    const uint64_t reached = lowest + publish(room.prefix);
    if (!exact) return reached;
    const auto at_least = [key, reached](uint32_t i) {
        const uint64_t one = key(i);
        return one >= reached ? one : ~(uint64_t)0;
    };
    range_of<kBatch>(at_least, n, &lowest, &highest);
    return lowest;
}

// Of keys as they stand.
template <int kBatch = kAtOnce>
__device__ RCEKD_APART uint64_t kth_largest(const uint64_t* key, int64_t n, int64_t k, bool exact) {
    return kth_largest_of<kBatch>([key](uint32_t i) { return key[i]; }, n, k, exact);
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

// Sorts in place what every thread can hold two of: each goes to the place that it counts. Equal elements, where there
// may be some, keep their order.
template <class T, class Before>
__device__ RCEKD_APART void sort_few(T* a, int n, Before before, bool distinct) {
    constexpr int kOwn = 2;
    const int me = (int)threadIdx.x, threads = (int)blockDim.x;
    T own[kOwn];
    int place[kOwn];
    RCEKD_UNROLL(kOwn)
    for (int m = 0; m < kOwn; ++m) {
        const int mine = me + m * threads;
        if (mine >= n) continue;
        own[m] = a[mine];
        place[m] = 0;
        RCEKD_UNROLL(4)
        for (int i = 0; i < n; ++i) {
            const T other = a[i];
            place[m] += before(other, own[m]) || (!distinct && i < mine && !before(own[m], other)) ? 1 : 0;
        }
    }
    __syncthreads();
    RCEKD_UNROLL(kOwn)
    for (int m = 0; m < kOwn; ++m)
        if (me + m * threads < n) a[place[m]] = own[m];
    __syncthreads();
}

// Sorts in place by a bitonic network whose comparisons all point the same way, so that elements beyond n, which would
// be last, need not exist.
template <class T, class Before>
__device__ RCEKD_APART void sort_many(T* a, uint32_t n, Before before) {
    for (uint32_t size = 2; size < 2 * n; size *= 2) {
        const uint32_t pairs = (n + size - 1) / size * (size / 2);
        for (uint32_t stride = size / 2; stride > 0; stride /= 2) {
            for (uint32_t p = threadIdx.x; p < pairs; p += blockDim.x) {
                const uint32_t at = p & (stride - 1), low = (p - at) * 2, i = low + at;
                const uint32_t j = stride == size / 2 ? low + size - 1 - at : i + stride;
                if (j >= n || !before(a[j], a[i])) continue;
                const T swap = a[i];
                a[i] = a[j];
                a[j] = swap;
            }
            __syncthreads();
        }
    }
}

// Sorts in place; n is at most 2^30.
template <class T, class Before>
__device__ inline void sort(T* a, int64_t n, Before before, bool distinct = false) {
    __syncthreads();
    if (n <= 2 * (int64_t)blockDim.x)
        sort_few(a, (int)n, before, distinct);
    else
        sort_many(a, (uint32_t)n, before);
}

// The same where no two elements are equal.
template <class T, class Before>
__device__ inline void sort_distinct(T* a, int64_t n, Before before) {
    sort(a, n, before, true);
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
