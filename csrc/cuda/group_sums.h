// Σ weight · row of a table over every group of groups.h, in ascending order, one chain of fused multiply-adds from
// zero for each number, as csrc/cpu/owners.h adds. Most groups are small: a warp sorts and sums one. A popular item's
// chain is long and goes through one thread per column; a block of its own sorts the group and brings the rows to that
// thread.
#pragma once
#include "groups.h"
#include "segments.h"

#if !defined(RCEKD_EMULATED)
#include <cuda_pipeline.h>
#endif

namespace rcekd {
namespace cuda {

// Whose sums go where: ids below `items` into item_grad, the others, less `items`, into user_grad.
struct Sums {
    int64_t items, width, rows;  // rows: what every Entry::row lies below
    const float* of_item;        // the table that an item's groups take rows of
    float* item_grad;            // [items, width]
    const float* of_user;
    float* user_grad;

    __device__ const float* table(int64_t id) const { return id < items ? of_item : of_user; }
    __device__ float* into(int64_t id) const {
        return id < items ? item_grad + id * width : user_grad + (id - items) * width;
    }
};

constexpr int kSumThreads = 256, kSumWarps = kSumThreads / kWarp;
constexpr int kNeighbours = 4;  // ids that a warp takes at once

inline unsigned blocks_to_sum(const Groups& g) { return blocks_for(ceil_div(g.ids, kSumWarps * kNeighbours)); }

// --- small groups ---

// One group by a warp, a lane having one of its n entries: each finds out how many come before; then it has a column.
__device__ inline void sum_small(const Sums& to, int64_t id, const Entry& mine, int n) {
    constexpr int kAhead = 8;  // rows under way at once
    const int lane = (int)threadIdx.x % kWarp;
    int rank = 0;
    for (int l = 0; l < n; ++l) rank += __shfl_sync(kAllLanes, mine.order(), l) < mine.order();
    rank = lane < n ? rank : kWarp;
    const float* table = to.table(id);
    for (int64_t first = 0; first < to.width; first += kWarp) {
        const bool there = first + lane < to.width;
        const float* column = table + first + lane;
        float sum = 0.0f;
        for (int s = 0; s < n; s += kAhead) {
            float weight[kAhead], value[kAhead];
            RCEKD_UNROLL(kAhead)
            for (int j = 0; j < kAhead; ++j) {
                weight[j] = value[j] = 0.0f;
                if (s + j >= n) continue;
                const int from = __ffs((int)__ballot_sync(kAllLanes, rank == s + j)) - 1;
                weight[j] = __shfl_sync(kAllLanes, mine.weight, from);
                const uint32_t vector = __shfl_sync(kAllLanes, mine.vector, from);
                value[j] = there ? column[vector * to.width] : 0.0f;
            }
            RCEKD_UNROLL(kAhead)
            for (int j = 0; j < kAhead; ++j)
                if (s + j < n) sum = fmaf(weight[j], value[j], sum);
        }
        if (there) to.into(id)[first + lane] = sum;
    }
}

// Neighbouring ids by a warp, large groups left out; what says where their entries are is read for all at once, and so
// are the entries.
__device__ inline void sum_neighbours(const Groups& g, const Sums& to, int64_t first) {
    const int lane = (int)threadIdx.x % kWarp;
    const bool there = lane < kNeighbours && first + lane < g.ids;
    const uint32_t count = there ? g.count[first + lane] : kSmall + 1, start = there ? g.start[first + lane] : 0;
    Entry mine[kNeighbours];
    uint32_t n[kNeighbours];
    RCEKD_UNROLL(kNeighbours)
    for (int i = 0; i < kNeighbours; ++i) {
        n[i] = __shfl_sync(kAllLanes, count, i);
        const uint32_t begin = __shfl_sync(kAllLanes, start, i);
        mine[i] = {0, 0, 0.0f, 0};
        if (n[i] <= kSmall && lane < (int)n[i]) mine[i] = g.entry[begin + lane];
    }
    RCEKD_UNROLL(kNeighbours)
    for (int i = 0; i < kNeighbours; ++i)
        if (n[i] <= kSmall) sum_small(to, first + i, mine[i], (int)n[i]);
}

// --- large groups ---

constexpr int kBins = 4096, kStages = 4, kStage = kBins / kStages * 2, kMostSlots = 128, kColumns = 64;
static_assert(kStage / kColumns <= kMostSlots && kSumThreads * sizeof(uint64_t) <= kBins * sizeof(uint32_t), "room");

// Shared memory: first for sorting, then stages of rows on their way to the chains.
struct Room {
    float4 row[kStages][kStage / 4];
    float weight[kStages][kMostSlots];
    uint32_t of_warp[kSumWarps];
};
static_assert(sizeof(Room::row) >= kBins * sizeof(uint32_t), "room for the bins");

// Up to kSumThreads entries: each counts those before it.
__device__ inline void sort_by_counting(const Entry* entry, int n, Entry* sorted, uint64_t* order) {
    const int me = (int)threadIdx.x;
    Entry mine = {0, 0, 0.0f, 0};
    if (me < n) mine = entry[me], order[me] = mine.order();
    __syncthreads();
    int rank = 0;
    for (int i = 0; i < n; ++i) rank += order[i] < mine.order();
    if (me < n) sorted[rank] = mine;
    __syncthreads();
}

// bin[i] = Σ_{j < i} bin[j].
__device__ inline void sum_bins_before(uint32_t* bin, uint32_t* of_warp) {
    constexpr int kOwn = kBins / kSumWarps;
    const int lane = (int)threadIdx.x % kWarp, warp = (int)threadIdx.x / kWarp;
    uint32_t* mine = bin + warp * kOwn + lane;
    uint32_t carry = 0;
    for (int i = 0; i < kOwn; i += kWarp) {
        const uint32_t here = mine[i], upto = carry + sum_up_to_lane(here);
        mine[i] = upto - here;
        carry = __shfl_sync(kAllLanes, upto, kWarp - 1);
    }
    if (lane == 0) of_warp[warp] = carry;
    __syncthreads();
    uint32_t before = 0;
    for (int w = 0; w < warp; ++w) before += of_warp[w];
    for (int i = 0; i < kOwn; i += kWarp) mine[i] += before;
    __syncthreads();
}

__device__ inline void sort_alone(Entry* a, int64_t n) {
    for (int64_t i = 1; i < n; ++i) {
        const Entry one = a[i];
        int64_t at = i;
        for (; at > 0 && one.order() < a[at - 1].order(); --at) a[at] = a[at - 1];
        a[at] = one;
    }
}

// Any number of entries: by bins of neighbouring rows, then each bin, of few entries, by one thread.
__device__ inline void sort_by_bins(const Entry* entry, int64_t n, int64_t rows, Entry* sorted, uint32_t* bin,
                                    uint32_t* of_warp) {
    int shift = 0;
    while ((rows - 1) >> shift >= kBins) ++shift;
    for (int b = (int)threadIdx.x; b < kBins; b += kSumThreads) bin[b] = 0;
    __syncthreads();
    for (int64_t i = threadIdx.x; i < n; i += kSumThreads) atomicAdd(&bin[entry[i].row >> shift], 1u);
    __syncthreads();
    sum_bins_before(bin, of_warp);
    constexpr int kBatch = 4;
    for (int64_t i = threadIdx.x; i < n; i += kBatch * kSumThreads) {
        Entry one[kBatch];
        RCEKD_UNROLL(kBatch)
        for (int j = 0; j < kBatch; ++j) one[j] = entry[i + j * kSumThreads < n ? i + j * kSumThreads : i];
        RCEKD_UNROLL(kBatch)
        for (int j = 0; j < kBatch; ++j)
            if (i + j * kSumThreads < n) sorted[atomicAdd(&bin[one[j].row >> shift], 1u)] = one[j];
    }
    __syncthreads();  // each bin says now where it ends
    for (int b = (int)threadIdx.x; b < kBins; b += kSumThreads) {
        const uint32_t begin = b ? bin[b - 1] : 0;
        sort_alone(sorted + begin, (int64_t)bin[b] - begin);
    }
    __syncthreads();
}

// Starts bringing `columns` numbers of the rows of n entries, and their weights, to shared memory; `me` of `crew`
// threads takes every crew-th piece. T is what is copied at once.
template <class T>
__device__ inline void fetch(const Entry* entry, int n, const float* table, int64_t width, int columns, T* row,
                             float* weight, int me, int crew) {
    constexpr unsigned kEach = sizeof(T) / sizeof(float), kBatch = 4;
    const unsigned pieces = (unsigned)columns / kEach, all = (unsigned)n * pieces, step = (unsigned)crew;
    for (unsigned first = (unsigned)me; first < all; first += kBatch * step) {
        const float* from[kBatch];
        RCEKD_UNROLL(kBatch)
        for (unsigned j = 0; j < kBatch; ++j) {
            const unsigned i = first + j * step < all ? first + j * step : first;
            from[j] = table + entry[i / pieces].vector * width + i % pieces * kEach;
        }
        RCEKD_UNROLL(kBatch)
        for (unsigned j = 0; j < kBatch; ++j)
            if (first + j * step < all) __pipeline_memcpy_async(row + first + j * step, from[j], sizeof(T));
    }
    for (int s = me; s < n; s += crew) __pipeline_memcpy_async(weight + s, &entry[s].weight, sizeof(float));
}

// The chains of up to kColumns columns of a group in order. The first warps add, the others fetch, three stages ahead.
template <class T>
__device__ inline void chain_columns(const Entry* entry, int64_t n, const float* table, int64_t width, int columns,
                                     float* into, Room& room) {
    const int adding = (columns + kWarp - 1) / kWarp * kWarp, me = (int)threadIdx.x;
    const int slots = kStage / columns < kMostSlots ? kStage / columns : kMostSlots;
    const int64_t turns = ceil_div(n, slots);
    const auto slots_of = [n, slots](int64_t turn) {
        return (int)(n - turn * slots < slots ? n - turn * slots : slots);
    };
    const auto start = [&](int64_t turn) {
        const int stage = (int)(turn % kStages);
        if (turn < turns)
            fetch(entry + turn * slots, slots_of(turn), table, width, columns, (T*)room.row[stage], room.weight[stage],
                  me - adding, kSumThreads - adding);
        __pipeline_commit();
    };
    if (me >= adding)
        for (int turn = 0; turn < kStages - 1; ++turn) start(turn);
    float sum = 0.0f;
    for (int64_t turn = 0; turn < turns; ++turn) {
        if (me >= adding) __pipeline_wait_prior(kStages - 2);
        __syncthreads();  // this turn's stage is there, and that of the turn before is free
        if (me >= adding) start(turn + kStages - 1);
        if (me >= columns) continue;
        const float *value = (const float*)room.row[turn % kStages] + me, *weight = room.weight[turn % kStages];
        const int here = slots_of(turn);
        RCEKD_UNROLL(8)
        for (int s = 0; s < here; ++s) sum = fmaf(weight[s], value[s * columns], sum);
    }
    if (me < columns) into[me] = sum;
    __syncthreads();
}

__device__ inline void sum_large(const Groups& g, const Sums& to, int64_t id, Room& room) {
    const int64_t n = g.count[id], start = g.start[id];
    Entry* sorted = g.sorted + start;
    if (n <= kSumThreads)
        sort_by_counting(g.entry + start, (int)n, sorted, (uint64_t*)room.row);
    else
        sort_by_bins(g.entry + start, n, to.rows, sorted, (uint32_t*)room.row, room.of_warp);
    const float* table = to.table(id);
    const bool quads = in_quads(table, to.width);
    for (int64_t first = 0; first < to.width; first += kColumns) {
        const int columns = (int)(to.width - first < kColumns ? to.width - first : kColumns);
        if (quads)
            chain_columns<float4>(sorted, n, table + first, to.width, columns, to.into(id) + first, room);
        else
            chain_columns<float>(sorted, n, table + first, to.width, columns, to.into(id) + first, room);
    }
}

// All groups; called by whole blocks of kSumThreads, blocks_to_sum() of them. Every number of the tables is written.
__device__ inline void sum_groups(const Groups& g, const Sums& to) {
    __shared__ Room room;
    const int64_t large = g.counter[Groups::kLarge];  // these first, as they take longest
    for (int64_t i = blockIdx.x; i < large; i += gridDim.x) sum_large(g, to, g.large[i], room);
    for (int64_t warp = first_index() / kWarp; warp * kNeighbours < g.ids; warp += index_step() / kWarp)
        sum_neighbours(g, to, warp * kNeighbours);
}

}  // namespace cuda
}  // namespace rcekd
