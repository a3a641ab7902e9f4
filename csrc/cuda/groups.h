// Entries grouped by the item or the user that they are summed for. Atomics count the entries of an id and hand out
// their places, in whatever order threads come; whoever sums a group sorts it first (group_sums.h), so that nobody sees
// that order. Where a group lies is nobody's business either, so there is neither a sort of all entries nor a scan of
// all ids.
//
// In turn, each by a kernel of its own: clear(); join() for every entry, whose rank is kept; place() for all ids; put()
// every entry; the sums.
#pragma once
#include "warp.h"

namespace rcekd {
namespace cuda {

// One summand of an id's sum, `weight` times row `vector` of a table.
struct alignas(16) Entry {
    uint32_t row, place;  // in which order: rows ascending, within a row places
    float weight;
    uint32_t vector;

    __device__ uint64_t order() const { return (uint64_t)row << 32 | place; }
};

constexpr int kSmall = kWarp;  // entries that a group has at most to be summed by one warp

struct Groups {
    enum Counter { kTaken, kLarge, kSlots, kCounters };

    int64_t ids, entries;
    uint32_t* counter;  // [kCounters]: entries that have a place, large groups, and one that the operation may use
    uint32_t* count;    // [ids], behind the counters
    uint32_t* start;    // [ids]: where a group's entries begin
    uint32_t* large;    // ids of the groups of more than kSmall, in any order
    uint32_t* rank;     // [entries]: which of its group an entry is, in any order
    Entry* entry;       // [entries]
    Entry* sorted;      // [entries]: room for large groups in order

    // The rank of an entry that joins the group of an id, or of the first of several; the others' follow.
    __device__ uint32_t join(int64_t id, int several = 1) const { return atomicAdd(&count[id], (uint32_t)several); }
    __device__ void put(int64_t id, uint32_t rank, const Entry& one) const { entry[start[id] + rank] = one; }
};

inline Groups carve_groups(int64_t ids, int64_t entries, Carver* carver) {
    Groups g;
    g.ids = ids;
    g.entries = ids ? entries : 0;
    g.counter = carver->take<uint32_t>(Groups::kCounters + ids);
    g.count = g.counter + Groups::kCounters;
    g.start = carver->take<uint32_t>(ids);
    g.large = carver->take<uint32_t>(g.entries / (kSmall + 1));
    g.rank = carver->take<uint32_t>(g.entries);
    g.entry = carver->take<Entry>(g.entries);
    g.sorted = carver->take<Entry>(g.entries);
    return g;
}

inline void clear(const Groups& g, void* stream) {
    const size_t bytes = sizeof(uint32_t) * (size_t)(Groups::kCounters + g.ids);
    (void)cudaMemsetAsync(g.counter, 0, bytes, (cudaStream_t)stream);
}

// Blocks of kThreads that place() wants.
inline unsigned blocks_to_place(const Groups& g) { return (unsigned)ceil_div(g.ids, kThreads); }

// Gives the groups of the block's ids their places, all of them at once; called by a whole block of kThreads.
__device__ inline void place(const Groups& g, int64_t block) {
    __shared__ uint32_t of_warp[kThreads / kWarp], taken;
    const int lane = (int)threadIdx.x % kWarp, warp = (int)threadIdx.x / kWarp;
    const int64_t id = block * kThreads + threadIdx.x;
    const uint32_t mine = id < g.ids ? g.count[id] : 0, upto = sum_up_to_lane(mine);
    if (lane == kWarp - 1) of_warp[warp] = upto;
    __syncthreads();
    uint32_t before = upto - mine;
    for (int w = 0; w < warp; ++w) before += of_warp[w];
    if (threadIdx.x == kThreads - 1) taken = atomicAdd(&g.counter[Groups::kTaken], before + mine);
    __syncthreads();
    if (id < g.ids) g.start[id] = taken + before;
    if (mine > kSmall) g.large[atomicAdd(&g.counter[Groups::kLarge], 1u)] = (uint32_t)id;
}

}  // namespace cuda
}  // namespace rcekd
