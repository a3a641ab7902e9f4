// A few hundred random items, the same for every user of a call, from which each user's threshold is read: the score
// above which about as many items lie as the closure pass wants to look at one by one.
#pragma once
#include "rcekd/philox.h"
#include "scan.h"
#include "select.h"

namespace rcekd {
namespace RCEKD_ISA {

// How many items a user's buffer is made for, and how the threshold is found. The same on every instruction set.
struct PilotPlan {
    int64_t size;    // pilot items, a multiple of every instruction set's panel; 0: every item is high
    double share;    // pilot items per item
    int64_t k;       // fewer high items than this cost a second look at the whole catalogue
    int64_t wanted;  // high items per user that leave few draws to wait for
    int64_t limit;   // a user with more above the threshold is treated alone

    PilotPlan(int64_t n_items, int64_t k, int64_t draws) : k(k) {
        constexpr int64_t kStep = 48;
        wanted = k + 2 * draws + 32;
        size = std::min<int64_t>(11, n_items / 1024) * kStep;
        share = (double)size / (double)n_items;
        limit = size == 0 ? n_items : (int64_t)((double)(2 * rank(0) + 6) / share);
        if (2 * limit > n_items) size = 0, limit = n_items;
    }
    // The pilot item whose score is the threshold, counted from the best: `wanted` items above it on average, and
    // hardly ever fewer than k. Seen items lie above it too, at worst.
    int64_t rank(int64_t seen) const {
        const double needed = (double)(k + seen) * share;
        const double safe = needed + 3.0 * ::sqrt(needed) + 1.5, enough = (double)(wanted + seen) * share + 0.5;
        return (int64_t)(safe > enough ? safe : enough) + 1;
    }
};

// One item from each of `size` equal stretches of the catalogue.
inline void choose_pilot(uint64_t key, int64_t n_items, int64_t size, int32_t* item) {
    for (int64_t p = 0; p < size; ++p) {
        const int64_t from = p * n_items / size, to = (p + 1) * n_items / size;
        const rcekd_u32x4 word = rcekd_philox(key, (uint32_t)p, 0, 0, 0);
        item[p] = (int32_t)(from + rcekd_below(word.v[0], word.v[1], (uint32_t)(to - from)));
    }
}

// Scores of every pilot item for the group: score[row * pilot.n + p].
inline void score_pilot(const Panels& pilot, const Group& g, float* score) {
    for (int64_t p = 0; p < pilot.count(); ++p)
        for (int64_t t = 0; t * kTileUsers < g.rows; ++t) {
            Tile tile;
            multiply(g.user + t * pilot.d * kTileUsers, pilot.data + p * kPanel * pilot.d, pilot.d, &tile);
            for (int r = 0; r < kTileUsers; ++r)
                for (int v = 0; v < kPanelVecs; ++v)
                    tile.score[r][v].store(score + (t * kTileUsers + r) * pilot.n + p * kPanel + v * Vec::width);
        }
}

}  // namespace RCEKD_ISA
}  // namespace rcekd
