// Some hundred random items, the same for every user of a call, from which each user's threshold is read: the score
// above which about as many items lie as the closure pass wants to look at one by one.
#pragma once
#include "rcekd/closure_plan.h"
#include "scan.h"
#include "select.h"
#include "thresholds.h"

namespace rcekd {
namespace RCEKD_ISA {

// See rcekd/closure_plan.h. Uses up `score`, as long as the pilot, and `spare`.
inline float choose_threshold(const rcekd_closure_plan& plan, const Thresholds& thresholds, const double* accept,
                              int64_t seen, int64_t draws, int64_t d, const float* pilot_score, float* score,
                              float* spare) {
    float best = -INFINITY;
    for (int64_t p = 0; p < plan.size; ++p) best = pilot_score[p] > best ? pilot_score[p] : best;
    const int32_t top = thresholds.z(best);  // about what the student misses: weights are relative to it
    double mean = 0.0;
    for (int64_t p = 0; p + Thresholds::kLanes <= plan.size; p += 4 * Thresholds::kLanes) {
        int32_t z[Thresholds::kLanes];
        thresholds.z(pilot_score + p, z);
        for (int l = 0; l < Thresholds::kLanes; ++l) mean += accept[z[l] < top ? top - z[l] : 0];
    }
    mean /= (double)((plan.size / Thresholds::kLanes + 3) / 4 * Thresholds::kLanes);
    return rcekd_choose_threshold(
        plan, accept, seen, draws, d, top, mean, [&](float s) { return thresholds.z(s); },
        [&](int64_t rank) {
            for (int64_t p = 0; p < plan.size; ++p) score[p] = pilot_score[p];
            return kth_largest(score, spare, plan.size, rank);
        });
}

inline void choose_pilot(uint64_t key, int64_t n_items, int64_t size, int32_t* item) {
    for (int64_t p = 0; p < size; ++p) item[p] = rcekd_pilot_item(p, n_items, size, key);
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
