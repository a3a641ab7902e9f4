// Scores of a tile of users with a tile of items, each one FMA chain in ascending dimension: four users and four items
// a thread in registers, the factors sixteen dimensions at a time through shared memory.
#pragma once
#include "launch.h"

namespace rcekd {
namespace cuda {

struct Tables {
    const float* user_factor;  // [*, d]
    const int32_t* user;       // [rows] which rows of user_factor
    const float* item_factor;  // [*, d]
    const int32_t* item;       // [n_items] which rows of item_factor; null: the first n_items
    int64_t rows, n_items, d;

    __device__ const float* user_row(int64_t row) const { return user_factor + (int64_t)user[row] * d; }
    __device__ const float* item_row(int64_t i) const { return item_factor + (item ? (int64_t)item[i] : i) * d; }
};

constexpr int kTileUsers = 32, kTileItems = 64, kDepth = 16, kEach = 4;
constexpr int kItemGroups = kTileItems / kEach, kTileThreads = kTileUsers / kEach * kItemGroups;

// Which user and item of the tile accumulator [r][c] of this thread is for.
__device__ inline int tile_user(int r) { return (int)threadIdx.x / kItemGroups * kEach + r; }
__device__ inline int tile_item(int c) { return (int)threadIdx.x % kItemGroups + c * kItemGroups; }

__device__ inline void load_tile(const Tables& t, int64_t first_row, int64_t first_item, int64_t k,
                                 float (*user)[kTileUsers + 1], float (*item)[kTileItems + 1]) {
    for (int e = (int)threadIdx.x; e < kTileUsers * kDepth; e += kTileThreads) {
        const int r = e / kDepth, i = e % kDepth;
        user[i][r] = first_row + r < t.rows && k + i < t.d ? t.user_row(first_row + r)[k + i] : 0.0f;
    }
    for (int e = (int)threadIdx.x; e < kTileItems * kDepth; e += kTileThreads) {
        const int c = e / kDepth, i = e % kDepth;
        item[i][c] = first_item + c < t.n_items && k + i < t.d ? t.item_row(first_item + c)[k + i] : 0.0f;
    }
}

// Called by a whole block of kTileThreads.
__device__ inline void score_tile(const Tables& t, int64_t first_row, int64_t first_item, float (*score)[kEach]) {
    __shared__ float user[kDepth][kTileUsers + 1], item[kDepth][kTileItems + 1];
    for (int r = 0; r < kEach; ++r)
        for (int c = 0; c < kEach; ++c) score[r][c] = 0.0f;
    for (int64_t k = 0; k < t.d; k += kDepth) {
        load_tile(t, first_row, first_item, k, user, item);
        __syncthreads();
        const int depth = t.d - k < kDepth ? (int)(t.d - k) : kDepth;
        for (int i = 0; i < depth; ++i) {
            float u[kEach], v[kEach];
            for (int r = 0; r < kEach; ++r) u[r] = user[i][tile_user(r)];
            for (int c = 0; c < kEach; ++c) v[c] = item[i][tile_item(c)];
            for (int r = 0; r < kEach; ++r)
                for (int c = 0; c < kEach; ++c) score[r][c] = fmaf(u[r], v[c], score[r][c]);
        }
        __syncthreads();
    }
}

// One score, read in words of four numbers where both rows begin at one.
__device__ inline float chain(const float* user, const float* item, int64_t d) {
    float s = 0.0f;
    int64_t k = 0;
    if ((((uintptr_t)user | (uintptr_t)item) & 15) == 0) {
        const float4 *u = (const float4*)user, *v = (const float4*)item;
        RCEKD_UNROLL(4)
        for (int64_t q = 0; q < d / 4; ++q) {
            const float4 a = u[q], b = v[q];
            s = fmaf(a.x, b.x, s);
            s = fmaf(a.y, b.y, s);
            s = fmaf(a.z, b.z, s);
            s = fmaf(a.w, b.w, s);
        }
        k = d / 4 * 4;
    }
    RCEKD_UNROLL(4)
    for (; k < d; ++k) s = fmaf(user[k], item[k], s);
    return s;
}

static __device__ RCEKD_APART float chain_apart(const float* user, const float* item, int64_t d) {
    return chain(user, item, d);
}

__device__ inline bool is_finite(float x) { return fabsf(x) <= FLT_MAX; }  // false for NaN

__device__ inline void note_bad_row(int64_t* bad_row, int64_t row) {
    atomicMin((unsigned long long*)bad_row, (unsigned long long)row);
}

}  // namespace cuda
}  // namespace rcekd
