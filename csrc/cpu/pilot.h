// A few hundred random items, the same for every user of a call, from which each user's threshold is read: the score
// above which about as many items lie as the closure pass wants to look at one by one.
#pragma once
#include "rcekd/philox.h"
#include "scan.h"
#include "select.h"
#include "thresholds.h"

namespace rcekd {
namespace RCEKD_ISA {

// How many items a user's buffer is made for, and which thresholds are considered. The same on every instruction set.
struct PilotPlan {
    int64_t size;       // pilot items, a multiple of every instruction set's panel; 0: every item is high
    double share;       // pilot items per item
    int64_t k, wanted;  // high items a user must have; high items that leave few draws to wait for
    int64_t choices;    // ranks considered, each twice the one before
    int64_t limit;      // a user with more above the threshold is treated alone

    PilotPlan(int64_t n_items, int64_t k, int64_t draws) : k(k), wanted(k + 2 * draws + 32), choices(4) {
        constexpr int64_t kStep = 48;
        size = std::min<int64_t>(11, n_items / 1024) * kStep;
        share = (double)size / (double)n_items;
        while (size > 0 && 2 * (limit = reach()) > n_items)
            if (--choices == 0) size = 0;
        if (size == 0) limit = n_items;
    }
    // The first pilot item considered as threshold, counted from the best: `wanted` items above it on average, and
    // hardly ever fewer than k. Seen items lie above it too, at worst.
    int64_t rank(int64_t seen) const {
        const double needed = (double)(k + seen) * share;
        const double safe = needed + 3.0 * ::sqrt(needed) + 1.5, enough = (double)(wanted + seen) * share + 0.5;
        return (int64_t)(safe > enough ? safe : enough) + 1;
    }

  private:
    // Hardly ever more items than this lie above the last rank considered.
    int64_t reach() const {
        const double last = (double)(rank(0) << (choices - 1));
        return (int64_t)((last + 4.0 * ::sqrt(last) + 6.0) / share);
    }
};

// The threshold that promises the least work: high items are looked at one by one, low ones are proposed at the rate of
// the weight at the threshold until the draws are done. Only speed depends on it. Uses up `score`, as long as the
// pilot, and `spare`; `accept[j]` is e^{-j / tau}.
inline float choose_threshold(const PilotPlan& plan, const Thresholds& thresholds, const double* accept, int64_t seen,
                              int64_t draws, int64_t d, const float* pilot_score, float* score, float* spare) {
    const double proposal = 1.0 + (double)d / 64.0;  // in high items
    const double items = (double)plan.size / plan.share;
    float best = -INFINITY;
    for (int64_t p = 0; p < plan.size; ++p) best = pilot_score[p] > best ? pilot_score[p] : best;
    const int32_t top = thresholds.z(best);  // about what the student misses: weights are relative to it
    double mean = 0.0, duration = 0.0, least = 0.0;
    for (int64_t p = 0; p + Thresholds::kLanes <= plan.size; p += 4 * Thresholds::kLanes) {
        int32_t z[Thresholds::kLanes];
        thresholds.z(pilot_score + p, z);
        for (int l = 0; l < Thresholds::kLanes; ++l) mean += accept[z[l] < top ? top - z[l] : 0];
    }
    mean /= (double)((plan.size / Thresholds::kLanes + 3) / 4 * Thresholds::kLanes);
    float threshold = 0.0f;
    for (int64_t c = 0; c < plan.choices; ++c) {
        const int64_t rank = std::min(plan.rank(seen) << c, plan.size);
        for (int64_t p = 0; p < plan.size; ++p) score[p] = pilot_score[p];
        const float here = kth_largest(score, spare, plan.size, rank);
        const int32_t z = thresholds.z(here);
        const double weight = accept[z < top ? top - z : 0];
        // The draws are done when twice as many items as wanted have half arrived, or the mean weight has supplied
        // them.
        if (c == 0) duration = std::min(0.7 / weight, (double)draws / (mean * items));
        const double high = (double)rank / plan.share, low = proposal * weight * duration * items;
        if (c > 0 && !(high + low < 0.8 * least)) break;  // the estimates are rough: only a clear gain counts
        least = high + low;
        threshold = here;
        if (low < 0.5 * high) break;
    }
    return threshold;
}

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
