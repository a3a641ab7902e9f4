// The scan every catalogue operation shares: a group of users against all items, one compare per score against the
// user's threshold, and the few scores above it appended to the user's buffer.
//
// Items lie in panels [panel][d][kPanel], users in tiles [tile][d][kTileUsers]: a tile of scores is kTileUsers x
// kPanelVecs accumulators in registers, each one FMA chain in ascending dimension. A user meets items in ascending id.
#pragma once
#include <float.h>
#include <stddef.h>
#include <stdint.h>

#include <algorithm>

#include "arena.h"
#include "simd.h"

namespace rcekd {
namespace RCEKD_ISA {

constexpr int kPanelVecs = 3;
constexpr int kPanel = kPanelVecs * Vec::width;
#if defined(__AVX512F__)
constexpr int kTileUsers = 8;
#elif defined(__AVX2__)
constexpr int kTileUsers = 4;
#else
constexpr int kTileUsers = 2;
#endif

inline int64_t round_up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

struct Panels {
    const float* data;
    int64_t n;  // items; the last panel is filled up with zeros, whose ids are n and above
    int64_t d;
    int64_t count() const { return round_up(n, kPanel) / kPanel; }
};

inline int64_t panels_size(int64_t n, int64_t d) { return round_up(n, kPanel) * d; }

// Lays panel p out; `id` names the rows of item_factor to take (null: rows 0..n).
inline void pack_panel(const float* item_factor, const int32_t* id, int64_t n, int64_t d, int64_t p, float* data) {
    float* out = data + p * kPanel * d;
    for (int64_t i = 0; i < kPanel; ++i) {
        const int64_t item = p * kPanel + i;
        const float* row = item < n ? item_factor + (id ? id[item] : item) * d : nullptr;
        for (int64_t k = 0; k < d; ++k) out[k * kPanel + i] = row ? row[k] : 0.0f;
    }
}

inline void pack_panels(const float* item_factor, const int32_t* id, int64_t n, int64_t d, int threads, float* data) {
    const int64_t count = round_up(n, kPanel) / kPanel;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t p = 0; p < count; ++p) pack_panel(item_factor, id, n, d, p, data);
}

struct Group {
    int64_t rows;      // users; the arrays below are padded to whole tiles with users above whose threshold no score is
    int64_t capacity;  // survivors a user's buffer holds
    float* user;       // [tile][d][kTileUsers]
    float* threshold;  // a score survives when it is greater
    int32_t* count;
    float* score;  // [row][capacity]
    int32_t* id;
};

inline Group make_group(int64_t rows, int64_t d, int64_t capacity, Arena* arena) {
    Group g;
    g.rows = 0;
    g.capacity = capacity;
    g.user = arena->take<float>(rows * d);
    g.threshold = arena->take<float>(rows);
    g.count = arena->take<int32_t>(rows);
    g.score = arena->take<float>(rows * capacity);
    g.id = arena->take<int32_t>(rows * capacity);
    return g;
}

// Takes rows [first, first + rows) of the call into the group, buffers empty.
inline void load_users(const float* user_factor, const int32_t* user, int64_t first, int64_t rows, int64_t d,
                       Group* g) {
    g->rows = rows;
    for (int64_t r = 0; r < round_up(rows, kTileUsers); ++r) {
        float* out = g->user + (r / kTileUsers) * d * kTileUsers + r % kTileUsers;
        const float* row = r < rows ? user_factor + (int64_t)user[first + r] * d : nullptr;
        for (int64_t k = 0; k < d; ++k) out[k * kTileUsers] = row ? row[k] : 0.0f;
        g->threshold[r] = row ? -INFINITY : INFINITY;
        g->count[r] = 0;
    }
}

// Orders rank keys best first.
struct Better {
    bool operator()(uint64_t a, uint64_t b) const { return a > b; }
    static uint64_t word(uint64_t key) { return ~key; }
};

struct Tile {
    Vec score[kTileUsers][kPanelVecs];
};

inline __attribute__((always_inline)) void multiply(const float* user, const float* panel, int64_t d, Tile* tile) {
    Vec acc[kTileUsers][kPanelVecs];
#pragma GCC unroll 8
    for (int r = 0; r < kTileUsers; ++r)
#pragma GCC unroll 3
        for (int v = 0; v < kPanelVecs; ++v) acc[r][v] = Vec::fill(0.0f);
    for (int64_t k = 0; k < d; ++k) {
        Vec item[kPanelVecs];
#pragma GCC unroll 3
        for (int v = 0; v < kPanelVecs; ++v) item[v] = Vec::load(panel + k * kPanel + v * Vec::width);
#pragma GCC unroll 8
        for (int r = 0; r < kTileUsers; ++r) {
            const Vec u = Vec::fill(user[k * kTileUsers + r]);
#pragma GCC unroll 3
            for (int v = 0; v < kPanelVecs; ++v) acc[r][v] = fma(u, item[v], acc[r][v]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < kTileUsers; ++r)
#pragma GCC unroll 3
        for (int v = 0; v < kPanelVecs; ++v) tile->score[r][v] = acc[r][v];
}

// Streams every item past the group. on_full(row) is called when a buffer could not take another panel: it must make
// room, or set the user's threshold to +infinity and give the buffer up.
template <class OnFull>
inline void scan(const Panels& items, Group* g, OnFull&& on_full) {
    const int64_t room = g->capacity - kPanel, tiles = round_up(g->rows, kTileUsers) / kTileUsers;
    for (int64_t p = 0; p < items.count(); ++p) {
        const float* panel = items.data + p * kPanel * items.d;
        const int64_t size = p + 1 < items.count() ? kPanel * items.d : 0;
        for (int64_t t = 0; t < tiles; ++t) {
            // The next panel comes from far away; each tile sends for its part of it.
            for (int64_t i = t * size / tiles; i < (t + 1) * size / tiles; i += 16)
                __builtin_prefetch(panel + size + i);
            Tile tile;
            multiply(g->user + t * items.d * kTileUsers, panel, items.d, &tile);
#pragma GCC unroll 8
            for (int r = 0; r < kTileUsers; ++r) {
                const int64_t row = t * kTileUsers + r;
                const Vec threshold = Vec::fill(g->threshold[row]);
                uint32_t above[kPanelVecs], any = 0;
#pragma GCC unroll 3
                for (int v = 0; v < kPanelVecs; ++v) any |= above[v] = greater(tile.score[r][v], threshold);
                if (__builtin_expect(any == 0, 1)) continue;
                int64_t end = row * g->capacity + g->count[row];
#pragma GCC unroll 3
                for (int v = 0; v < kPanelVecs; ++v)
                    end += append(g->score + end, g->id + end, tile.score[r][v], (int32_t)(p * kPanel + v * Vec::width),
                                  above[v]);
                g->count[row] = (int32_t)(end - row * g->capacity);
                if (g->count[row] > room) on_full(row);
            }
        }
    }
}

// Scores of `count` items at once, so that one chain does not wait for another's additions.
template <int count>
inline void chains(const float* user, const float* item_factor, const int32_t* item, int64_t d, float* score) {
    const float* row[count];
    float s[count];
    for (int c = 0; c < count; ++c) row[c] = item_factor + item[c] * d, s[c] = 0.0f;
    for (int64_t k = 0; k < d; ++k)
        for (int c = 0; c < count; ++c) s[c] = fmaf(user[k], row[c][k], s[c]);
    for (int c = 0; c < count; ++c) score[c] = s[c];
}

inline bool all_finite(const float* user, const float* item_factor, int64_t n, int64_t d) {
    for (int64_t i = 0; i < n; ++i)
        if (!(fabsf(chain(user, item_factor + i * d, d)) <= FLT_MAX)) return false;
    return true;
}

// The first row with a NaN or infinite score, or `rows` when there is none. Scores are computed only for users whose
// factors are so large that no bound excludes it: no partial sum exceeds max |v| times the sum of |u_k|.
inline int64_t first_bad_row(const float* user_factor, const int32_t* user, int64_t rows, const float* item_factor,
                             int64_t n, int64_t d, int threads) {
    if (rows == 0 || n == 0) return rows;
    float largest = 0.0f;
    bool items_finite = true;
    for (int64_t i = 0; i < n * d; ++i) {
        const float size = fabsf(item_factor[i]);
        items_finite &= size <= FLT_MAX;
        largest = size > largest ? size : largest;
    }
    if (!items_finite) return 0;  // an infinite factor makes every user's score infinite or NaN
    int64_t bad = rows;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 64) reduction(min : bad)
    for (int64_t b = 0; b < rows; ++b) {
        const float* u = user_factor + (int64_t)user[b] * d;
        double sum = 0.0;
        for (int64_t k = 0; k < d; ++k) sum += fabs((double)u[k]);
        const bool surely_finite = sum * (double)largest < 1e38;  // NaN: false
        if (!surely_finite && !all_finite(u, item_factor, n, d)) bad = std::min(bad, b);
    }
    return bad;
}

// Users per group: enough to reuse a panel while it is in the nearest cache, few enough for every thread to have work
// and for the buffers to stay within 32 MiB a thread. Most of a buffer is never touched; too few users a group would
// cost more, for each group streams the whole catalogue past.
inline int64_t group_size(int64_t rows, int threads, int64_t capacity) {
    const int64_t by_memory = ((int64_t)1 << 22) / capacity, by_work = rows / ((int64_t)threads * 4);
    return round_up(std::max<int64_t>(1, std::min<int64_t>({64, by_memory, by_work})), kTileUsers);
}

}  // namespace RCEKD_ISA
}  // namespace rcekd
