// Draws weighted by the gap between two ranks: what one request asks for, and the law of its weights.
#pragma once
#include "rcekd/common.h"
#include "rcekd/race.h"

enum rcekd_gap_flags {
    RCEKD_GAP_EXPONENTIAL = 1,  // weight e^{eps gap}; else tanh(max(eps gap, 0))
    RCEKD_GAP_OVER = 2,         // gap = other rank − own rank; else own − other
    RCEKD_GAP_REPLACEMENT = 4,
    RCEKD_GAP_IN_ORDER = 8,  // pool_gap_draws: by place in the pool, not in order of drawing
};

typedef struct rcekd_gap_request {
    int64_t draws;
    int flags;
    double eps;
    uint64_t key;
    int32_t* item;  // out [rows, draws] in order of drawing unless a flag says otherwise, -1 padded
} rcekd_gap_request;

// The third word of the counters.
enum rcekd_gap_purpose { RCEKD_GAP_PROPOSE = 0, RCEKD_GAP_RACE = 1, RCEKD_GAP_REPLACE = 2 };

// tanh x for x >= 0. Below 1e-4 two terms of the series are exact to the last bit, above 20 it rounds to 1.
RCEKD_HD double rcekd_tanh(double x) {
    if (x < 1e-4) return x - x * x * x / 3.0;
    if (x > 20.0) return 1.0;
    const double e = rcekd_exp_nonpositive(-2.0 * x);
    return (1.0 - e) / (1.0 + e);
}

// The weight of a gap, at most 1 while no gap is above `highest` (which only the exponential needs).
RCEKD_HD double rcekd_gap_weight(int flags, double eps, int32_t gap, int32_t highest) {
    if (flags & RCEKD_GAP_EXPONENTIAL) return rcekd_exp_nonpositive(eps * (double)(gap - highest));
    return gap > 0 ? rcekd_tanh(eps * (double)gap) : 0.0;
}

// Its logarithm, without a shift; the weight must be above 0.
RCEKD_HD double rcekd_gap_log_weight(int flags, double eps, int32_t gap) {
    return flags & RCEKD_GAP_EXPONENTIAL ? eps * (double)gap : rcekd_log(rcekd_tanh(eps * (double)gap));
}
