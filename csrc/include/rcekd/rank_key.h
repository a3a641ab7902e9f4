// The one order in which items are ranked: higher score first, equal scores by lowest id, packed into one integer.
#pragma once
#include <string.h>

#include "rcekd/common.h"

// A word that orders as the numbers do. They must not be NaN; -0 counts as +0.
RCEKD_HD uint32_t rcekd_ordered_word(float x) {
    const float positive_zero = x + 0.0f;
    uint32_t bits;
    memcpy(&bits, &positive_zero, sizeof bits);
    return bits ^ ((bits >> 31) ? 0xFFFFFFFFu : 0x80000000u);
}

// Larger key, better rank. Scores must not be NaN; -0 counts as +0.
RCEKD_HD uint64_t rcekd_rank_key(float score, int32_t id) {
    return ((uint64_t)rcekd_ordered_word(score) << 32) | (uint32_t)~id;
}

RCEKD_HD float rcekd_rank_score(uint64_t key) {
    uint32_t bits = (uint32_t)(key >> 32);
    bits ^= (bits >> 31) ? 0x80000000u : 0xFFFFFFFFu;
    float score;
    memcpy(&score, &bits, sizeof score);
    return score;
}

RCEKD_HD int32_t rcekd_rank_id(uint64_t key) { return (int32_t)~(uint32_t)key; }
