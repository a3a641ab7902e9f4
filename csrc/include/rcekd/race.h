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

// One event of the Poisson process of proposals among n items: the time since the last at rate 1, the item it falls
// on, and the log of a uniform against which its acceptance is held.
typedef struct {
    double gap, log_uniform;
    int32_t item;
} rcekd_arrival;

RCEKD_HD rcekd_arrival rcekd_split_arrival(rcekd_u32x4 word, uint32_t n) {
    rcekd_arrival a;
    a.gap = -rcekd_log(((double)word.v[0] + 0.5) * (1.0 / 4294967296.0));
    const uint64_t place = ((uint64_t)word.v[1] << 16) | (word.v[3] >> 16);  // 48 bits each
    const uint64_t chance = ((uint64_t)word.v[2] << 16) | (word.v[3] & 0xFFFFu);
    a.item = (int32_t)(((place >> 16) * n + (((place & 0xFFFFu) * n) >> 16)) >> 32);
    a.log_uniform = rcekd_log(((double)chance + 0.5) * (1.0 / 281474976710656.0));
    return a;
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
