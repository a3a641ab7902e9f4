// A scan's two tables in half precision, and how far a product of them may be from the true score.
//
// Halves have little range, so users are scaled by a power of two each and items by one for all.
#pragma once
#include "half.h"
#include "tile.h"
#include "warp.h"

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

// Users at once where about `fit` have room: chunks of one size, of whole tiles where they are that large.
RCEKD_HD int64_t even_chunk(int64_t rows, int64_t fit) {
    if (rows == 0) return 0;
    const int64_t each = ceil_div(rows, ceil_div(rows, fit));
    const int64_t whole = each < kScanUsers ? each : ceil_div(each, kScanUsers) * kScanUsers;
    return whole < rows ? whole : rows;
}

// Room for `rows` users at once.
RCEKD_HD void carve_scan(ScanTask* t, int64_t rows, int64_t n_items, int64_t d, Carver* carver) {
    t->width = scan_width(d);
    t->largest = carver->take<uint32_t>(2);
    t->user_half = carver->take<uint16_t>(ceil_div(rows, kScanUsers) * kScanUsers * t->width);
    t->item_half = carver->take<uint16_t>(ceil_div(n_items, kScanItems) * kScanItems * t->width);
    t->margin = carver->take<Margin>(rows);
    t->tile_norm = carver->take<float>(ceil_div(n_items, kScanItems));
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
    const int64_t padded = ceil_div(t.tables.n_items, kScanItems) * kScanItems;
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
    const int64_t padded = ceil_div(t.tables.rows, kScanUsers) * kScanUsers, d = t.tables.d;
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

// Once a call, before the first scan: the items, in halves.
inline void launch_scan_items(const ScanTask& t, void* stream) {
    (void)cudaMemsetAsync(t.largest, 0, 2 * sizeof(uint32_t), (cudaStream_t)stream);
    const int64_t tiles = ceil_div(t.tables.n_items, kScanItems);
    if (tiles == 0) return;
    (void)cudaMemsetAsync(t.tile_norm, 0, (size_t)tiles * sizeof(float), (cudaStream_t)stream);
    RCEKD_LAUNCH(largest_items_kernel, blocks_for(ceil_div(t.tables.n_items, 4), 4096), kThreads, stream, t);
    RCEKD_LAUNCH(round_items_kernel, blocks_of(tiles * kScanItems * kWarp), kThreads, stream, t);
}

// Once a chunk: its users, in halves, and their margins.
inline void launch_scan_users(const ScanTask& t, void* stream) {
    (void)cudaMemsetAsync(t.largest, 0, sizeof(uint32_t), (cudaStream_t)stream);
    RCEKD_LAUNCH(largest_users_kernel, blocks_for(ceil_div(t.tables.rows, 4), 4096), kThreads, stream, t);
    RCEKD_LAUNCH(round_users_kernel, blocks_of((t.tables.rows + kScanUsers) * kWarp), kThreads, stream, t);
}

}  // namespace cuda
}  // namespace rcekd
