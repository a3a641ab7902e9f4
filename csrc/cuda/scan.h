// Which items score above a threshold of each user, exactly: a pass over the whole catalogue that keeps no scores.
//
// The tensor cores multiply both tables rounded to halves. Such a score lies so near the true one (see Margin) that
// only what comes close to a user's threshold, or lies above it, has to be scored by its FMA chain: one item in a
// hundred, where thresholds are chosen well. Those that are above become rank keys in the user's list, in any order.
//
// Halves have little range, so users are scaled by a power of two each and items by one for all. Where a product of the
// two tables might overflow, or something is no number, careful_scan_kernel takes the place of scan_kernel: it looks at
// every score and notes the first row with one that is not finite. Both are launched; each finds out whose turn it is.
#pragma once
#include "half.h"
#include "rcekd/rank_key.h"
#include "tile.h"

namespace rcekd {
namespace cuda {

// A warp takes 32 users past 64 items at a time: two by eight products of 16 × 8; four warps of a block share the
// items.
constexpr int kTall = 2, kWide = 8, kWarpUsers = 16 * kTall, kScanItems = 8 * kWide;
constexpr int kScanThreads = 128, kScanWarps = kScanThreads / kWarp, kScanUsers = kScanWarps * kWarpUsers;
constexpr int kStaged = 256, kStagedEach = kStaged / kWarp;  // what came near, of a warp

// A user's rounded score is this far from the true one at most: slope · |item| + offset, in the user's scale.
struct Margin {
    float factor;  // 2^exponent makes the scaled user
    float slope, offset;
};

struct ScanTask {
    Tables tables;
    const float* threshold;  // [rows]
    int32_t* count;          // [rows]: all items above, also those that found no room
    uint64_t* survivor;      // [rows, limit] rank keys
    int64_t limit;
    int64_t* bad_row;
    int64_t first_row;    // of the call, for bad_row
    uint32_t* largest;    // [2]: bits of the largest |factor| of these users and of the items
    uint16_t* user_half;  // [rows up to a whole tile, width], in the order of user_place
    uint16_t* item_half;  // [n_items up to a whole tile, width], in the order of item_place
    Margin* margin;       // [rows]
    float* tile_norm;     // [tiles of items]: the longest item of each, scaled
    int64_t width;        // d up to a multiple of 32, filled up with zeros
};

RCEKD_HD int64_t scan_width(int64_t d) { return ceil_div(d > 0 ? d : 1, 32) * 32; }

// Halves lie as the tensor cores' operands want them (half.h), so that a warp reads 512 bytes at a time: of users what
// each lane holds of 16 users × 16 dimensions, of items what it holds of 8 items × 32 dimensions, two products' worth.
RCEKD_HD int64_t user_place(int64_t row, int64_t k, int64_t width) {
    const int64_t lane = row % 8 * 4 + k % 8 / 2, part = row % 16 / 8 + k % 16 / 8 * 2;
    return ((row / 16 * (width / 16) + k / 16) * kWarp + lane) * 8 + part * 2 + k % 2;
}
RCEKD_HD int64_t item_place(int64_t i, int64_t k, int64_t width) {
    const int64_t lane = i % 8 * 4 + k % 8 / 2, part = k % 32 / 8;
    return ((i / 8 * (width / 32) + k / 32) * kWarp + lane) * 8 + part * 2 + k % 2;
}
RCEKD_HD int64_t scan_tiles(int64_t n, int64_t tile) { return ceil_div(n, tile); }

// Users at once where about `fit` have room: chunks of one size, of whole tiles where they are that large.
RCEKD_HD int64_t even_chunk(int64_t rows, int64_t fit) {
    const int64_t each = ceil_div(rows, ceil_div(rows, fit) > 0 ? ceil_div(rows, fit) : 1);
    const int64_t whole = each < kScanUsers ? each : ceil_div(each, kScanUsers) * kScanUsers;
    return whole < rows ? whole : rows;
}

// Room for `rows` users at once.
RCEKD_HD void carve_scan(ScanTask* t, int64_t rows, int64_t n_items, int64_t d, Carver* carver) {
    t->width = scan_width(d);
    t->largest = carver->take<uint32_t>(2);
    t->user_half = carver->take<uint16_t>(scan_tiles(rows, kScanUsers) * kScanUsers * t->width);
    t->item_half = carver->take<uint16_t>(scan_tiles(n_items, kScanItems) * kScanItems * t->width);
    t->margin = carver->take<Margin>(rows);
    t->tile_norm = carver->take<float>(scan_tiles(n_items, kScanItems));
}

// No sum of products of factors so large is near an overflow. False for what is no number.
__device__ inline bool is_tame(const ScanTask& t) {
    const double user = __uint_as_float(t.largest[0]), item = __uint_as_float(t.largest[1]);
    return user * item * (double)(t.tables.d + 1) < 1e38;
}

// The exponent that brings a positive finite number into [1/2, 1), or as near as two scales together may go.
__device__ inline int scale_of(float x) {
    int exponent = 0;
    if (x > 0.0f) frexpf(x, &exponent);
    return -exponent < 60 ? -exponent : 60;
}

__device__ inline float largest_in_warp(float x) {
    for (int by = kWarp / 2; by > 0; by /= 2) x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, by));
    return x;
}

__device__ inline float sum_in_warp(float x) {
    for (int by = kWarp / 2; by > 0; by /= 2) x += __shfl_xor_sync(kAllLanes, x, by);
    return x;
}

// The largest |factor| of `rows` rows, as bits, which are above infinity's for NaN. largest must be zero before.
template <class RowOf>
__device__ inline void note_largest(RowOf row_of, int64_t rows, int64_t d, uint32_t* largest) {
    uint32_t mine = 0;
    for (int64_t row = first_index() / kWarp; row < rows; row += index_step() / kWarp)
        for (int64_t k = threadIdx.x % kWarp; k < d; k += kWarp) {
            const uint32_t here = __float_as_uint(row_of(row)[k]) & 0x7FFFFFFFu;
            mine = here > mine ? here : mine;
        }
    for (int by = kWarp / 2; by > 0; by /= 2) {
        const uint32_t other = __shfl_xor_sync(kAllLanes, mine, by);
        mine = other > mine ? other : mine;
    }
    if (threadIdx.x % kWarp == 0 && mine > 0) atomicMax(largest, mine);
}

static __global__ void largest_items_kernel(ScanTask t) {
    note_largest([&t](int64_t i) { return t.tables.item_row(i); }, t.tables.n_items, t.tables.d, t.largest + 1);
}

static __global__ void largest_users_kernel(ScanTask t) {
    note_largest([&t](int64_t r) { return t.tables.user_row(r); }, t.tables.rows, t.tables.d, t.largest);
}

// One row in halves, by a warp, each put where place(k) says; returns its length, a little more rather than less.
template <class Place>
__device__ inline float round_row(const float* row, int64_t d, int64_t width, int exponent, uint16_t* half,
                                  Place place) {
    float square = 0.0f;
    for (int64_t k = threadIdx.x % kWarp; k < width; k += kWarp) {
        const float x = row && k < d ? ldexpf(row[k], exponent) : 0.0f;
        half[place(k)] = half_of(x);
        square += x * x;
    }
    return 1.001f * sqrtf(sum_in_warp(square));
}

// A warp per item; a tile's norm must be zero before.
static __global__ void round_items_kernel(ScanTask t) {
    if (!is_tame(t)) return;
    const int exponent = scale_of(__uint_as_float(t.largest[1]));
    const int64_t padded = scan_tiles(t.tables.n_items, kScanItems) * kScanItems;
    for (int64_t i = first_index() / kWarp; i < padded; i += index_step() / kWarp) {
        const float* row = i < t.tables.n_items ? t.tables.item_row(i) : nullptr;
        const auto place = [i, &t](int64_t k) { return item_place(i, k, t.width); };
        const float norm = round_row(row, t.tables.d, t.width, exponent, t.item_half, place);
        if (threadIdx.x % kWarp == 0) atomicMax((uint32_t*)t.tile_norm + i / kScanItems, __float_as_uint(norm));
    }
}

// A warp per user. With |u| and |v| the lengths of the scaled user and item and e = 2^-11 the rounding of a half, a
// product differs by (2 e + e²) |u_k v_k|, and by 2^-25 (|u_k| + |v_k|) + 2^-50 where halves are subnormal; the FMA
// chain is off by d 2^-24 Σ |u_k v_k|, and the tensor cores by 2^-21 a product at most, however they add. Σ |u_k v_k| ≤
// |u| |v|. Where the chain's sums are subnormal each of its steps may be off by 2^-150, which the scale makes more of.
static __global__ void round_users_kernel(ScanTask t) {
    if (!is_tame(t)) return;
    const int64_t padded = scan_tiles(t.tables.rows, kScanUsers) * kScanUsers, d = t.tables.d;
    const int item_exponent = scale_of(__uint_as_float(t.largest[1]));
    for (int64_t r = first_index() / kWarp; r < padded; r += index_step() / kWarp) {
        const float* row = r < t.tables.rows ? t.tables.user_row(r) : nullptr;
        float largest = 0.0f;
        for (int64_t k = threadIdx.x % kWarp; row && k < d; k += kWarp) largest = fmaxf(largest, fabsf(row[k]));
        const int exponent = scale_of(largest_in_warp(largest));
        const auto place = [r, &t](int64_t k) { return user_place(r, k, t.width); };
        const float norm = round_row(row, d, t.width, exponent, t.user_half, place);
        if (row && threadIdx.x % kWarp == 0) {
            const float relative = 0.0011f + 6e-7f * (float)d, tiny = 6e-8f * sqrtf((float)d);
            const float underflow = ldexpf((float)d, exponent + item_exponent - 149);
            const float offset = tiny * norm + 2e-15f * (float)d + underflow + 1e-30f;
            t.margin[r] = {ldexpf(1.0f, exponent + item_exponent), relative * norm + tiny, offset};
        }
    }
}

// ---- the pass ------------------------------------------------------------------------------------------------------

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
        for (int i = 0; i < kTall; ++i) RCEKD_UNROLL()
        for (int s = 0; s < kSteps; ++s) held[i][s] = from[(i * steps + s) * kWarp];
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
        for (int first = 0; first < kWide; first += kWide / 2) RCEKD_UNROLL()
        for (int pair = 0; pair < kSteps / 2; ++pair) multiply_pair(user, item, kSteps / 2, pair, sum, first);
    } else {
        for (int64_t pair = 0; pair < pairs; ++pair) RCEKD_UNROLL()
        for (int first = 0; first < kWide; first += kWide / 2) multiply_pair(user, item, pairs, pair, sum, first);
    }
}

// The users that this thread's scores are of: of sum[t][j][i] user[t][i / 2]; its thresholds are theirs.
struct Cuts {
    float cut[kTall][2], slope[kTall][2];

    __device__ Cuts(const ScanTask& t, int64_t row0) {
        RCEKD_UNROLL()
        for (int i = 0; i < kTall; ++i) RCEKD_UNROLL()
        for (int lower = 0; lower < 2; ++lower) {
            const int64_t row = row0 + 16 * i + 8 * lower + threadIdx.x % kWarp / 4;
            const bool there = row < t.tables.rows;
            const Margin margin = there ? t.margin[row] : Margin{1.0f, 0.0f, 0.0f};
            cut[i][lower] = there ? t.threshold[row] * margin.factor - margin.offset : INFINITY;
            slope[i][lower] = margin.slope;
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
        for (int j = 0; j < kWide; ++j) RCEKD_UNROLL()
        for (int i = 0; i < 4; ++i) bits |= sum[t][j][i] > cut[i / 2] ? 1u << (4 * j + i) : 0u;
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
    const int lane = (int)threadIdx.x % kWarp, own = __popc(near[0]) + __popc(near[1]);
    int upto = own;
    for (int by = 1; by < kWarp; by *= 2) {
        const int other = __shfl_up_sync(kAllLanes, upto, by);
        if (lane >= by) upto += other;
    }
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
    const int64_t tiles = scan_tiles(t.tables.n_items, kScanItems);
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

// Once a call, before the first scan: the items, in halves.
inline void launch_scan_items(const ScanTask& t, void* stream) {
    (void)cudaMemsetAsync(t.largest, 0, 2 * sizeof(uint32_t), (cudaStream_t)stream);
    const int64_t tiles = scan_tiles(t.tables.n_items, kScanItems);
    if (tiles == 0) return;
    (void)cudaMemsetAsync(t.tile_norm, 0, (size_t)tiles * sizeof(float), (cudaStream_t)stream);
    RCEKD_LAUNCH(largest_items_kernel, blocks_for(ceil_div(t.tables.n_items, 4), 4096), kThreads, stream, t);
    RCEKD_LAUNCH(round_items_kernel, blocks_of(tiles * kScanItems * kWarp), kThreads, stream, t);
}

// Counts must be zero, thresholds set.
inline void launch_scan(const ScanTask& t, void* stream) {
    if (t.tables.rows == 0 || t.tables.n_items == 0) return;
    (void)cudaMemsetAsync(t.largest, 0, sizeof(uint32_t), (cudaStream_t)stream);
    RCEKD_LAUNCH(largest_users_kernel, blocks_for(ceil_div(t.tables.rows, 4), 4096), kThreads, stream, t);
    RCEKD_LAUNCH(round_users_kernel, blocks_of((t.tables.rows + kScanUsers) * kWarp), kThreads, stream, t);
    const dim3 grid = scan_grid(t.tables.rows, kScanUsers, scan_tiles(t.tables.n_items, kScanItems));
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
