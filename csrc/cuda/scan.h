// Which items score above a threshold of each user, exactly: a pass over the whole catalogue that keeps no scores.
//
// The tensor cores multiply both tables rounded to halves. Such a score lies so near the true one (see Margin in
// scan_halves.h) that only what comes close to a user's threshold, or lies above it, has to be scored by its FMA chain:
// one item in a hundred, where thresholds are chosen well. Those that are above become rank keys in the user's list, in
// any order.
//
// Where a product of the two tables might overflow, or something is no number, careful_scan_kernel takes the place of
// scan_kernel: it looks at every score and notes the first row with one that is not finite. Both are launched; each
// finds out whose turn it is.
#pragma once
#include "rcekd/rank_key.h"
#include "scan_halves.h"

namespace rcekd {
namespace cuda {

// What a warp holds in shared memory.
struct WarpRoom {
    uint32_t staged[kStaged];                     // what came near: (tile since the last flush, user, item)
    int32_t found[kWarpUsers], base[kWarpUsers];  // since the last flush; where they go
};

// The users' operands of a product. With kSteps the warp holds all dimensions, 16 · kSteps; with 0 it reads them anew.
template <int kSteps>
struct UserOperands {
    uint4 held[kTall][kSteps > 0 ? kSteps : 1];
    const uint4* from;  // of this lane
    int64_t steps;

    __device__ UserOperands(const ScanTask& t, int64_t row0) : steps(t.width / 16) {
        from = (const uint4*)t.user_half + row0 / 16 * steps * kWarp + threadIdx.x % kWarp;
        RCEKD_UNROLL()
        for (int i = 0; i < kTall; ++i) {
            RCEKD_UNROLL()
            for (int s = 0; s < kSteps; ++s) held[i][s] = from[(i * steps + s) * kWarp];
        }
    }
    __device__ uint4 get(int i, int64_t s) const { return kSteps > 0 ? held[i][s] : from[(i * steps + s) * kWarp]; }
};

// Products of the users with the items of half a tile, over 32 dimensions from step 2 · pair.
template <int kSteps>
__device__ inline void multiply_pair(const UserOperands<kSteps>& user, const uint4* item, int64_t pairs, int64_t pair,
                                     float (*sum)[kWide][4], int first) {
    uint4 v[kWide / 2];
    RCEKD_UNROLL()
    for (int j = 0; j < kWide / 2; ++j) v[j] = item[((first + j) * pairs + pair) * kWarp];
    RCEKD_UNROLL()
    for (int i = 0; i < kTall; ++i) {
        const uint4 u[2] = {user.get(i, 2 * pair), user.get(i, 2 * pair + 1)};
        const uint32_t a[2][4] = {{u[0].x, u[0].y, u[0].z, u[0].w}, {u[1].x, u[1].y, u[1].z, u[1].w}};
        RCEKD_UNROLL()
        for (int j = 0; j < kWide / 2; ++j) {
            const uint32_t b[2][2] = {{v[j].x, v[j].y}, {v[j].z, v[j].w}};
            multiply_halves(sum[i][first + j], a[0], b[0]);
            multiply_halves(sum[i][first + j], a[1], b[1]);
        }
    }
}

template <int kSteps>
__device__ inline void multiply_tile(const ScanTask& t, const UserOperands<kSteps>& user, int64_t tile,
                                     float (*sum)[kWide][4]) {
    const int64_t pairs = t.width / 32;
    const uint4* item = (const uint4*)t.item_half + tile * kWide * pairs * kWarp + threadIdx.x % kWarp;
    if (kSteps > 0) {
        RCEKD_UNROLL()
        for (int first = 0; first < kWide; first += kWide / 2) {
            RCEKD_UNROLL()
            for (int pair = 0; pair < kSteps / 2; ++pair) multiply_pair(user, item, kSteps / 2, pair, sum, first);
        }
    } else {
        for (int64_t pair = 0; pair < pairs; ++pair) {
            RCEKD_UNROLL()
            for (int first = 0; first < kWide; first += kWide / 2) multiply_pair(user, item, pairs, pair, sum, first);
        }
    }
}

// The users that this thread's scores are of: of sum[t][j][i] user[t][i / 2]; its thresholds are theirs.
struct Cuts {
    float cut[kTall][2], slope[kTall][2];

    __device__ Cuts(const ScanTask& t, int64_t row0) {
        RCEKD_UNROLL()
        for (int i = 0; i < kTall; ++i) {
            RCEKD_UNROLL()
            for (int lower = 0; lower < 2; ++lower) {
                const int64_t row = row0 + 16 * i + 8 * lower + threadIdx.x % kWarp / 4;
                const bool there = row < t.tables.rows;
                const Margin margin = there ? t.margin[row] : Margin{1.0f, 0.0f, 0.0f};
                cut[i][lower] = there ? t.threshold[row] * margin.factor - margin.offset : INFINITY;
                slope[i][lower] = margin.slope;
            }
        }
    }
};

// Which of this thread's scores come near their user's threshold: bit 4 j + i of word t for sum[t][j][i].
__device__ inline void mark_near(const Cuts& cuts, float norm, float (*sum)[kWide][4], uint32_t* near) {
    RCEKD_UNROLL()
    for (int t = 0; t < kTall; ++t) {
        const float cut[2] = {cuts.cut[t][0] - cuts.slope[t][0] * norm, cuts.cut[t][1] - cuts.slope[t][1] * norm};
        uint32_t bits = 0;
        RCEKD_UNROLL()
        for (int j = 0; j < kWide; ++j) {
            RCEKD_UNROLL()
            for (int i = 0; i < 4; ++i) bits |= sum[t][j][i] > cut[i / 2] ? 1u << (4 * j + i) : 0u;
        }
        near[t] = bits;
    }
}

constexpr int kItemBits = 6, kUserBits = 5, kTileBits = 32 - kItemBits - kUserBits;

__device__ inline uint32_t staged_entry(int t, int bit, int tile) {
    const int lane = (int)threadIdx.x % kWarp, i = bit & 3;
    const int user = 16 * t + 8 * (i / 2) + lane / 4, item = 8 * (bit / 4) + 2 * (lane % 4) + (i & 1);
    return (uint32_t)tile << (kItemBits + kUserBits) | (uint32_t)(user << kItemBits | item);
}

// Appends what is near to the warp's `n` entries, as far as there is room; what is left over stays marked. Returns how
// many there would be.
__device__ inline int stage(WarpRoom* room, int n, uint32_t* near, int tile) {
    const int own = __popc(near[0]) + __popc(near[1]);
    const int upto = sum_up_to_lane(own);
    int at = n + upto - own;
    RCEKD_UNROLL()
    for (int t = 0; t < kTall; ++t)
        for (; near[t] && at < kStaged; near[t] &= near[t] - 1)
            room->staged[at++] = staged_entry(t, __ffs((int)near[t]) - 1, tile);
    return n + __shfl_sync(kAllLanes, upto, kWarp - 1);
}

// Scores the n staged entries by their chains; what is above its threshold goes to its user's list.
__device__ inline void flush(const ScanTask& t, WarpRoom* room, int n, int64_t row0, int64_t tile0, int64_t tile_step) {
    const int lane = (int)threadIdx.x % kWarp;
    uint64_t key[kStagedEach];
    int place[kStagedEach];
    room->found[lane] = 0;
    __syncwarp();
    RCEKD_UNROLL()
    for (int m = 0; m < kStagedEach; ++m) {
        place[m] = -1;
        const int e = lane + m * kWarp;
        if (e >= n) continue;
        const uint32_t entry = room->staged[e];
        const int user = (int)(entry >> kItemBits & (kWarpUsers - 1));
        const int64_t tile = tile0 + (int64_t)(entry >> (kItemBits + kUserBits)) * tile_step;
        const int64_t item = tile * kScanItems + (entry & (kScanItems - 1));
        if (item >= t.tables.n_items) continue;
        const float score = chain(t.tables.user_row(row0 + user), t.tables.item_row(item), t.tables.d);
        if (!(score > t.threshold[row0 + user])) continue;
        key[m] = rcekd_rank_key(score, (int32_t)item);
        place[m] = user << 16 | atomicAdd(&room->found[user], 1);
    }
    __syncwarp();
    const int mine = room->found[lane];
    if (mine > 0) room->base[lane] = atomicAdd(&t.count[row0 + lane], mine);
    __syncwarp();
    RCEKD_UNROLL()
    for (int m = 0; m < kStagedEach; ++m) {
        if (place[m] < 0) continue;
        const int user = place[m] >> 16;
        const int64_t slot = (int64_t)room->base[user] + (place[m] & 0xFFFF);
        if (slot < t.limit) t.survivor[(row0 + user) * t.limit + slot] = key[m];
    }
    __syncwarp();
}

// A block takes 128 users past every gridDim.y-th tile of items; its warps never wait for each other.
template <int kSteps>
static __global__ void __launch_bounds__(kScanThreads, 4) scan_kernel(ScanTask t) {
    __shared__ WarpRoom rooms[kScanWarps];
    static_assert(kWarpUsers == kWarp && kWarpUsers == 1 << kUserBits && kScanItems == 1 << kItemBits, "a lane a user");
    constexpr int kMostTiles = (1 << kTileBits) - 1;  // that a staged entry can tell apart
    if (!is_tame(t)) return;
    WarpRoom* room = &rooms[threadIdx.x / kWarp];
    const int64_t row0 = (int64_t)blockIdx.x * kScanUsers + threadIdx.x / kWarp * kWarpUsers, step = gridDim.y;
    const int64_t tiles = ceil_div(t.tables.n_items, kScanItems);
    if (row0 >= t.tables.rows) return;
    const UserOperands<kSteps> user(t, row0);
    const Cuts cuts(t, row0);
    int n = 0, ordinal = 0;        // staged entries; tiles since the last flush
    int64_t flushed = blockIdx.y;  // the first of these tiles
    for (int64_t tile = blockIdx.y; tile < tiles; tile += step, ++ordinal) {
        const float norm = t.tile_norm[tile];
        float sum[kTall][kWide][4] = {};
        multiply_tile(t, user, tile, sum);
        uint32_t near[kTall];
        mark_near(cuts, norm, sum, near);
        const bool last = tile + step >= tiles || ordinal == kMostTiles;
        for (;;) {
            if (__any_sync(kAllLanes, (near[0] | near[1]) != 0)) n = stage(room, n, near, ordinal);
            if (n < kStaged / 2 && !last) break;
            const bool all = n <= kStaged;
            __syncwarp();
            flush(t, room, all ? n : kStaged, row0, flushed, step);
            n = 0;
            if (!all) continue;
            flushed = tile + step;
            ordinal = -1;
            break;
        }
    }
}

// Every score looked at, for tables that are not tame.
static __global__ void __launch_bounds__(kTileThreads) careful_scan_kernel(ScanTask t) {
    if (is_tame(t)) return;
    const int64_t row0 = (int64_t)blockIdx.x * kTileUsers, step = (int64_t)gridDim.y * kTileItems;
    for (int64_t item0 = (int64_t)blockIdx.y * kTileItems; item0 < t.tables.n_items; item0 += step) {
        float score[kEach][kEach];
        score_tile(t.tables, row0, item0, score);
        for (int r = 0; r < kEach; ++r) {
            const int64_t row = row0 + tile_user(r);
            for (int c = 0; c < kEach && row < t.tables.rows; ++c) {
                const int64_t item = item0 + tile_item(c);
                if (item >= t.tables.n_items) continue;
                if (!is_finite(score[r][c])) note_bad_row(t.bad_row, t.first_row + row);
                if (!(score[r][c] > t.threshold[row])) continue;
                const int32_t slot = atomicAdd(&t.count[row], 1);
                if (slot < t.limit) t.survivor[row * t.limit + slot] = rcekd_rank_key(score[r][c], (int32_t)item);
            }
        }
    }
}

// Stripes of the catalogue, so that there are a few thousand blocks however few the users.
inline dim3 scan_grid(int64_t rows, int64_t users_a_block, int64_t tiles) {
    const int64_t across = ceil_div(rows, users_a_block), stripes = 2048 / across + 1;
    return dim3((unsigned)across, (unsigned)(tiles < 1 ? 1 : tiles < stripes ? tiles : stripes));
}

// Counts must be zero, thresholds set.
inline void launch_scan(const ScanTask& t, void* stream) {
    if (t.tables.rows == 0 || t.tables.n_items == 0) return;
    launch_scan_users(t, stream);
    const dim3 grid = scan_grid(t.tables.rows, kScanUsers, ceil_div(t.tables.n_items, kScanItems));
    if (t.width <= 32)
        RCEKD_LAUNCH(scan_kernel<2>, grid, kScanThreads, stream, t);
    else if (t.width <= 64)
        RCEKD_LAUNCH(scan_kernel<4>, grid, kScanThreads, stream, t);
    else
        RCEKD_LAUNCH(scan_kernel<0>, grid, kScanThreads, stream, t);
    RCEKD_LAUNCH(careful_scan_kernel, scan_grid(t.tables.rows, kTileUsers, ceil_div(t.tables.n_items, kTileItems)),
                 kTileThreads, stream, t);
}

}  // namespace cuda
}  // namespace rcekd
