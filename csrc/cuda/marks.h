// A set of item ids as one bit each, in global memory, shared by a block.
#pragma once
#include "launch.h"

namespace rcekd {
namespace cuda {

struct Marks {
    unsigned* word;

    __host__ __device__ static int64_t words(int64_t n_items) { return n_items / 32 + 1; }

    // Called by a whole block, as clear and add_all are; a barrier must follow before anyone asks.
    __device__ void clear(int64_t n_items) const {
        for (int64_t i = threadIdx.x; i < n_items / 32 + 1; i += blockDim.x) word[i] = 0;
    }
    __device__ void add_all(const int32_t* from, const int32_t* to) const {
        for (const int32_t* item = from + threadIdx.x; item < to; item += blockDim.x) add(*item);
    }
    // True when it was not there yet: of several threads, for one.
    __device__ bool add(int32_t id) const { return !(atomicOr(&word[id >> 5], 1u << (id & 31)) >> (id & 31) & 1); }
    __device__ void drop(int32_t id) const { atomicAnd(&word[id >> 5], ~(1u << (id & 31))); }
    __device__ bool has(int32_t id) const { return word[id >> 5] >> (id & 31) & 1; }
};

}  // namespace cuda
}  // namespace rcekd
