// Random times of the exponential race, host and device. Drawing one by one without replacement, each time with
// probability proportional to w, is taking the items in the order of independent arrival times E / w (E exponential).
#pragma once
#include <math.h>
#include <string.h>

#include "rcekd/maths.h"
#include "rcekd/philox.h"

// log E, E standard exponential, from two random words.
RCEKD_HD double rcekd_log_exponential(uint32_t high, uint32_t low) {
    return rcekd_log(-rcekd_log(rcekd_uniform53(high, low)));
}

// One event of the Poisson process of proposals among n items is cut from four random words: the time since the last
// event at rate 1 (word 0), the item it falls on (word 1 and half of word 3, 48 bits), and the uniform in (0, 1) its
// acceptance is held against (word 2 and the other half).
RCEKD_HD double rcekd_arrival_gap(uint32_t word0) { return -rcekd_log(((double)word0 + 0.5) * (1.0 / 4294967296.0)); }

RCEKD_HD int32_t rcekd_arrival_item(uint32_t word1, uint32_t word3, uint32_t n) {
    return (int32_t)(((uint64_t)word1 * n + (((uint64_t)(word3 >> 16) * n) >> 16)) >> 32);
}

RCEKD_HD double rcekd_arrival_uniform(uint32_t word2, uint32_t word3) {
    const double bits = (double)word2 * 65536.0 + (double)(word3 & 0xFFFFu);
    return (bits + 0.5) * (1.0 / 281474976710656.0);
}

// How many proposals are made before a new look at the whole catalogue is cheaper than waiting; they come in sixteens.
RCEKD_HD int64_t rcekd_race_proposals(int64_t want, int64_t n_items) { return 4 * want + n_items / 8 + 16; }

// e^x for x <= 0, by the Taylor series of e^r on |r| <= ln 2 / 2; 0 below -700.
RCEKD_HD double rcekd_exp_nonpositive(double x) {
    if (x < -700.0) return 0.0;
    const double k = floor(x * 1.4426950408889634 + 0.5);
    const double r = (x - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10;
    double p = 1.0;
    for (int n = 14; n > 0; --n) p = 1.0 + p * (r / n);
    const uint64_t bits = (uint64_t)((int64_t)k + 1023) << 52;
    double scale;
    memcpy(&scale, &bits, 8);
    return p * scale;
}

// The largest float below x: t <= s exactly when rcekd_float_below(t) < s.
RCEKD_HD float rcekd_float_below(float x) {
    uint32_t bits;
    x += 0.0f;  // -0 becomes +0
    memcpy(&bits, &x, 4);
    bits = bits == 0 ? 0x80000001u : (bits >> 31) ? bits + 1 : bits - 1;
    memcpy(&x, &bits, 4);
    return x;
}

// How many of the sorted thresholds lie below s; `size` is a power of two, the array filled up to it with +infinity.
RCEKD_HD int32_t rcekd_count_below(const float* threshold, int32_t size, float s) {
    int32_t n = 0;
    for (int32_t step = size >> 1; step > 0; step >>= 1) n += threshold[n + step - 1] < s ? step : 0;
    return n;
}
