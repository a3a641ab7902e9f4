// How the closure pass guesses each user's threshold from some pilot items: shared by host and device, so that
// both look at the same items one by one and draw the same bytes.
#pragma once
#include <math.h>

#include "rcekd/philox.h"

struct rcekd_closure_plan {
    int64_t size;       // pilot items, a multiple of every instruction set's panel; 0: every item is high
    double share;       // pilot items per item
    int64_t k, wanted;  // high items a user must have; high items that leave few draws to wait for
    int64_t choices;    // ranks considered, each twice the one before
    int64_t limit;      // a user with more above the threshold is treated alone
};

// The first pilot item considered as threshold, counted from the best: `wanted` items above it on average, and hardly
// ever fewer than k. Seen items lie above it too, at worst.
RCEKD_HD int64_t rcekd_closure_rank(const rcekd_closure_plan& plan, int64_t seen) {
    const double needed = (double)(plan.k + seen) * plan.share;
    const double safe = needed + 3.0 * sqrt(needed) + 1.5, enough = (double)(plan.wanted + seen) * plan.share + 0.5;
    return (int64_t)(safe > enough ? safe : enough) + 1;
}

// Hardly ever more items than this lie above the last rank considered.
RCEKD_HD int64_t rcekd_closure_reach(const rcekd_closure_plan& plan) {
    const double last = (double)(rcekd_closure_rank(plan, 0) << (plan.choices - 1));
    return (int64_t)((last + 4.0 * sqrt(last) + 6.0) / plan.share);
}

// Pilot items are a multiple of this, and at most that many.
constexpr int64_t kRcekdPilotStep = 48, kRcekdMostPilot = 40 * kRcekdPilotStep;

// One in twenty of a small catalogue, 528 up to some 200,000 items, then so many that they stay a third of a percent:
// the rank read off them cannot be finer than the items that each stands for.
RCEKD_HD int64_t rcekd_pilot_size(int64_t n_items) {
    constexpr int64_t kUsual = 11 * kRcekdPilotStep;
    const int64_t few = n_items / 1024 * kRcekdPilotStep, many = n_items / 16384 * kRcekdPilotStep;
    const int64_t size = few < kUsual ? few : many > kUsual ? many : kUsual;
    return size < kRcekdMostPilot ? size : kRcekdMostPilot;
}

RCEKD_HD rcekd_closure_plan rcekd_make_closure_plan(int64_t n_items, int64_t k, int64_t draws) {
    const int64_t size = rcekd_pilot_size(n_items);
    rcekd_closure_plan plan = {size, (double)size / (double)n_items, k, k + 2 * draws + 32, 4, 0};
    while (plan.size > 0 && 2 * (plan.limit = rcekd_closure_reach(plan)) > n_items)
        if (--plan.choices == 0) plan.size = 0;
    if (plan.size == 0) plan.limit = n_items;
    return plan;
}

// The item of pilot place p: one from each of `size` equal stretches of the catalogue.
RCEKD_HD int32_t rcekd_pilot_item(int64_t p, int64_t n_items, int64_t size, uint64_t key) {
    const int64_t from = p * n_items / size, to = (p + 1) * n_items / size;
    const rcekd_u32x4 word = rcekd_philox(key, (uint32_t)p, 0, 0, 0);
    return (int32_t)(from + rcekd_below(word.v[0], word.v[1], (uint32_t)(to - from)));
}

// The threshold that promises the least work: high items are looked at one by one, low ones are proposed at the rate of
// the weight at the threshold until the draws are done. Only speed depends on it. `top` is z of the best pilot item,
// `mean` the pilot's mean weight relative to that one's; z(score) counts thresholds, kth(rank) gives the pilot score of
// a rank, and accept[j] is e^{-j / tau}.
template <class Z, class Kth>
RCEKD_HD float rcekd_choose_threshold(const rcekd_closure_plan& plan, const double* accept, int64_t seen, int64_t draws,
                                      int64_t d, int32_t top, double mean, Z&& z, Kth&& kth) {
    const double proposal = 1.0 + (double)d / 64.0;  // in high items
    const double items = (double)plan.size / plan.share;
    double duration = 0.0, least = 0.0;
    float threshold = 0.0f;
    for (int64_t c = 0; c < plan.choices; ++c) {
        const int64_t doubled = rcekd_closure_rank(plan, seen) << c, rank = doubled < plan.size ? doubled : plan.size;
        const float here = kth(rank);
        const int32_t below = z(here);
        const double weight = accept[below < top ? top - below : 0];
        // The draws are done when twice as many items as wanted have half arrived, or the mean weight has supplied
        // them.
        if (c == 0) {
            const double half = 0.7 / weight, supplied = (double)draws / (mean * items);
            duration = supplied < half ? supplied : half;
        }
        const double high = (double)rank / plan.share, low = proposal * weight * duration * items;
        if (c > 0 && !(high + low < 0.8 * least)) break;  // the estimates are rough: only a clear gain counts
        least = high + low;
        threshold = here;
        if (low < 0.5 * high) break;
    }
    return threshold;
}
