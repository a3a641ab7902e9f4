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

constexpr int kScanUsers = 128, kScanItems = 128, kScanThreads = 256;
constexpr int kChunk = 64, kStride = kChunk + 8;  // halves of a row in shared memory at once; the pad avoids conflicts
constexpr int kStaged = 2048, kStagedEach = kStaged / kScanThreads;

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
    int64_t first_row;  // of the call, for bad_row
    uint32_t* largest;  // [2]: bits of the largest |factor| of these users and of the items
    uint16_t* user_half;  // [rows up to a whole tile, width]
    uint16_t* item_half;  // [n_items up to a whole tile, width]
    Margin* margin;       // [rows]
    float* tile_norm;     // [tiles of items]: the longest item of each, scaled
    int64_t width;        // d up to a multiple of 16, filled up with zeros
};

RCEKD_HD int64_t scan_width(int64_t d) { return ceil_div(d > 0 ? d : 1, 16) * 16; }
RCEKD_HD int64_t scan_tiles(int64_t n, int64_t tile) { return ceil_div(n, tile); }

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

// One row in halves, by a warp; returns its length, a little more rather than less.
__device__ inline float round_row(const float* row, int64_t d, int64_t width, int exponent, uint16_t* half) {
    float square = 0.0f;
    for (int64_t k = threadIdx.x % kWarp; k < width; k += kWarp) {
        const float x = row && k < d ? ldexpf(row[k], exponent) : 0.0f;
        half[k] = half_of(x);
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
        const float norm = round_row(row, t.tables.d, t.width, exponent, t.item_half + i * t.width);
        if (threadIdx.x % kWarp == 0) atomicMax((uint32_t*)t.tile_norm + i / kScanItems, __float_as_uint(norm));
    }
}

// A warp per user. With |u| and |v| the lengths of the scaled user and item and e = 2^-11 the rounding of a half, a
// product differs by (2 e + e²) |u_k v_k|, and by 2^-25 (|u_k| + |v_k|) + 2^-50 where halves are subnormal; the FMA chain
// is off by d 2^-24 Σ |u_k v_k|, and the tensor cores by 2^-21 a product at most, however they add. Σ |u_k v_k| ≤ |u| |v|.
static __global__ void round_users_kernel(ScanTask t) {
    if (!is_tame(t)) return;
    const int64_t padded = scan_tiles(t.tables.rows, kScanUsers) * kScanUsers, d = t.tables.d;
    const int item_exponent = scale_of(__uint_as_float(t.largest[1]));
    for (int64_t r = first_index() / kWarp; r < padded; r += index_step() / kWarp) {
        const float* row = r < t.tables.rows ? t.tables.user_row(r) : nullptr;
        float largest = 0.0f;
        for (int64_t k = threadIdx.x % kWarp; row && k < d; k += kWarp) largest = fmaxf(largest, fabsf(row[k]));
        const int exponent = scale_of(largest_in_warp(largest));
        const float norm = round_row(row, d, t.width, exponent, t.user_half + r * t.width);
        if (row && threadIdx.x % kWarp == 0) {
            const float relative = 0.0011f + 6e-7f * (float)d, tiny = 6e-8f * sqrtf((float)d);
            const float offset = tiny * norm + 2e-15f * (float)d + 1e-30f;
            t.margin[r] = {ldexpf(1.0f, exponent + item_exponent), relative * norm + tiny, offset};
        }
    }
}

// ---- the pass ------------------------------------------------------------------------------------------------------

// What a block holds in shared memory.
struct ScanRoom {
    uint16_t user[kScanUsers * kStride], item[kScanItems * kStride];
    uint32_t staged[kStaged];  // what came near: (tile since the last flush, user, item)
    float cut[kScanUsers], slope[kScanUsers], threshold[kScanUsers];
    int32_t found[kScanUsers], base[kScanUsers];  // since the last flush; where they go
    int32_t n_staged, left;
};

// 16 bytes are eight halves; each thread moves four times eight of a chunk of 128 rows.
constexpr int kMoves = kScanUsers * kChunk / 8 / kScanThreads;

__device__ inline void fetch(const uint16_t* half, int64_t first, int64_t width, int64_t k, uint4* held) {
    for (int m = 0; m < kMoves; ++m) {
        const int e = (int)threadIdx.x + m * kScanThreads, row = e / (kChunk / 8), at = e % (kChunk / 8) * 8;
        held[m] = k + at < width ? *(const uint4*)(half + (first + row) * width + k + at) : uint4{0, 0, 0, 0};
    }
}

__device__ inline void put(const uint4* held, uint16_t* into) {
    for (int m = 0; m < kMoves; ++m) {
        const int e = (int)threadIdx.x + m * kScanThreads, row = e / (kChunk / 8), at = e % (kChunk / 8) * 8;
        *(uint4*)(into + row * kStride + at) = held[m];
    }
}

// A warp has 32 users and 64 items of the tile: two by eight products of 16 × 8.
constexpr int kTall = 2, kWide = 8;
__device__ inline int warp_user() { return (int)threadIdx.x / kWarp / 2 * 32; }
__device__ inline int warp_item() { return (int)threadIdx.x / kWarp % 2 * 64; }

__device__ inline uint32_t two_halves(const uint16_t* at) { return *(const uint32_t*)at; }

__device__ inline void multiply_chunk(const ScanRoom& room, int steps, float (*sum)[kWide][4]) {
    const int lane = (int)threadIdx.x % kWarp, row = lane / 4, column = 2 * (lane % 4);
    const uint16_t* user = room.user + (warp_user() + row) * kStride + column;
    const uint16_t* item = room.item + (warp_item() + row) * kStride + column;
    for (int step = 0; step < steps; ++step) {
        uint32_t a[kTall][4];
#pragma unroll
        for (int i = 0; i < kTall; ++i)
#pragma unroll
            for (int part = 0; part < 4; ++part)
                a[i][part] = two_halves(user + (16 * i + 8 * (part & 1)) * kStride + 16 * step + 8 * (part / 2));
#pragma unroll
        for (int j = 0; j < kWide; ++j) {
            const uint16_t* here = item + 8 * j * kStride + 16 * step;
            const uint32_t b[2] = {two_halves(here), two_halves(here + 8)};
#pragma unroll
            for (int i = 0; i < kTall; ++i) multiply_halves(sum[i][j], a[i], b);
        }
    }
}

// Which of this thread's scores come near their user's threshold: bit 4 j + i of word t for sum[t][j][i].
__device__ inline void mark_near(const ScanRoom& room, float norm, float (*sum)[kWide][4], uint32_t* near) {
    const int row = warp_user() + (int)threadIdx.x % kWarp / 4;
#pragma unroll
    for (int t = 0; t < kTall; ++t) {
        const int upper = row + 16 * t, lower = upper + 8;
        const float cut[2] = {room.cut[upper] - room.slope[upper] * norm, room.cut[lower] - room.slope[lower] * norm};
        uint32_t bits = 0;
#pragma unroll
        for (int j = 0; j < kWide; ++j)
#pragma unroll
            for (int i = 0; i < 4; ++i) bits |= sum[t][j][i] > cut[i / 2] ? 1u << (4 * j + i) : 0u;
        near[t] = bits;
    }
}

__device__ inline uint32_t staged_entry(int t, int bit, int64_t tile) {
    const int lane = (int)threadIdx.x % kWarp, i = bit & 3;
    const int user = warp_user() + 16 * t + 8 * (i / 2) + lane / 4;
    const int item = warp_item() + 8 * (bit / 4) + 2 * (lane % 4) + (i & 1);
    return (uint32_t)tile << 14 | (uint32_t)(user << 7 | item);
}

// Appends what is near to the block's list, as far as there is room; what is left over stays marked.
__device__ inline void stage(ScanRoom* room, uint32_t* near, int64_t tile) {
    const int lane = (int)threadIdx.x % kWarp, own = __popc(near[0]) + __popc(near[1]);
    int upto = own;
    for (int by = 1; by < kWarp; by *= 2) {
        const int other = __shfl_up_sync(kAllLanes, upto, by);
        if (lane >= by) upto += other;
    }
    const int all = __shfl_sync(kAllLanes, upto, kWarp - 1);
    if (all == 0) return;
    int begin = 0;
    if (lane == 0) begin = atomicAdd(&room->n_staged, all);
    int at = __shfl_sync(kAllLanes, begin, 0) + upto - own;
#pragma unroll
    for (int t = 0; t < kTall; ++t)
        for (; near[t] && at < kStaged; near[t] &= near[t] - 1)
            room->staged[at++] = staged_entry(t, __ffs((int)near[t]) - 1, tile);
    if (near[0] | near[1]) room->left = 1;
}

// Scores what is staged by its chain; what is above its threshold goes to its user's list.
__device__ inline void flush(const ScanTask& t, ScanRoom* room, int64_t row0, int64_t tile0, int64_t tile_step) {
    __syncthreads();
    const int n = room->n_staged < kStaged ? room->n_staged : kStaged;
    uint64_t key[kStagedEach];
    int place[kStagedEach];
#pragma unroll
    for (int m = 0; m < kStagedEach; ++m) {
        place[m] = -1;
        const int e = (int)threadIdx.x + m * kScanThreads;
        if (e >= n) continue;
        const uint32_t entry = room->staged[e];
        const int user = (int)(entry >> 7 & 127);
        const int64_t item = (tile0 + (entry >> 14) * tile_step) * kScanItems + (entry & 127);
        if (item >= t.tables.n_items) continue;
        const float score = chain(t.tables.user_row(row0 + user), t.tables.item_row(item), t.tables.d);
        if (!(score > room->threshold[user])) continue;
        key[m] = rcekd_rank_key(score, (int32_t)item);
        place[m] = user << 16 | atomicAdd(&room->found[user], 1);
    }
    __syncthreads();
    if (threadIdx.x < kScanUsers) {
        const int mine = room->found[threadIdx.x];
        if (mine > 0) room->base[threadIdx.x] = atomicAdd(&t.count[row0 + threadIdx.x], mine);
        room->found[threadIdx.x] = 0;
    }
    if (threadIdx.x == 0) room->n_staged = 0, room->left = 0;
    __syncthreads();
#pragma unroll
    for (int m = 0; m < kStagedEach; ++m) {
        if (place[m] < 0) continue;
        const int user = place[m] >> 16;
        const int64_t slot = (int64_t)room->base[user] + (place[m] & 0xFFFF);
        if (slot < t.limit) t.survivor[(row0 + user) * t.limit + slot] = key[m];
    }
}

__device__ inline void enter_users(const ScanTask& t, int64_t row0, ScanRoom* room) {
    if (threadIdx.x < kScanUsers) {
        const int u = (int)threadIdx.x;
        const bool there = row0 + u < t.tables.rows;
        const Margin margin = there ? t.margin[row0 + u] : Margin{1.0f, 0.0f, 0.0f};
        const float threshold = there ? t.threshold[row0 + u] : INFINITY;
        room->threshold[u] = threshold;
        room->cut[u] = threshold * margin.factor - margin.offset;
        room->slope[u] = margin.slope;
        room->found[u] = 0;
    }
    if (threadIdx.x == 0) room->n_staged = 0, room->left = 0;
}

// A block takes 128 users past every gridDim.y-th tile of items.
static __global__ void __launch_bounds__(kScanThreads, 2) scan_kernel(ScanTask t) {
    __shared__ ScanRoom room;
    if (!is_tame(t)) return;
    const int64_t row0 = (int64_t)blockIdx.x * kScanUsers, tiles = scan_tiles(t.tables.n_items, kScanItems);
    const int64_t step = gridDim.y, chunks = ceil_div(t.width, kChunk);
    constexpr int64_t kMostTiles = (1 << 18) - 1;  // that a staged entry can tell apart
    enter_users(t, row0, &room);
    int64_t tile = blockIdx.y, flushed = tile;  // the first tile of what is staged
    uint4 item[kMoves];
    if (tile < tiles) fetch(t.item_half, tile * kScanItems, t.width, 0, item);
    for (; tile < tiles; tile += step) {
        float sum[kTall][kWide][4] = {};
        for (int64_t chunk = 0; chunk < chunks; ++chunk) {
            __syncthreads();
            put(item, room.item);
            if (chunks > 1 || tile == blockIdx.y) {
                fetch(t.user_half, row0, t.width, chunk * kChunk, item);
                put(item, room.user);
            }
            __syncthreads();
            const bool more = chunk + 1 < chunks;
            const int64_t next = more ? tile : tile + step, k = more ? (chunk + 1) * kChunk : 0;
            if (next < tiles) fetch(t.item_half, next * kScanItems, t.width, k, item);
            const int64_t depth = t.width - chunk * kChunk;
            multiply_chunk(room, (int)((depth < kChunk ? depth : kChunk) / 16), sum);
        }
        uint32_t near[kTall];
        mark_near(room, t.tile_norm[tile], sum, near);
        const bool last = tile + step >= tiles || (tile - flushed) / step == kMostTiles;
        for (bool again = true; again;) {
            stage(&room, near, (tile - flushed) / step);
            __syncthreads();
            again = room.left != 0;
            if (!again && !last && room.n_staged < kStaged / 2) break;
            flush(t, &room, row0, flushed, step);
            if (!again) flushed = tile + step;
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
    const int64_t across = ceil_div(rows, users_a_block), stripes = 1024 / across + 1;
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
    RCEKD_LAUNCH(scan_kernel, scan_grid(t.tables.rows, kScanUsers, scan_tiles(t.tables.n_items, kScanItems)),
                 kScanThreads, stream, t);
    RCEKD_LAUNCH(careful_scan_kernel, scan_grid(t.tables.rows, kTileUsers, ceil_div(t.tables.n_items, kTileItems)),
                 kTileThreads, stream, t);
}

}  // namespace cuda
}  // namespace rcekd
