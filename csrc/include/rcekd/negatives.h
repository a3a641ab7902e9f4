// Uniform negatives outside each user's row of seen items.
#pragma once
#include "rcekd/common.h"
#include "rcekd/philox.h"
#include "rcekd/unseen.h"

typedef struct {
    const int32_t* user;         // [batch]
    const int64_t* seen_indptr;  // [users + 1]
    const int32_t* seen_item;    // ascending without repeats within a row, never all items
    int64_t batch, negatives;
    int64_t n_items;
    uint64_t key;
    uint64_t first;  // position of user[0] in its epoch
    int32_t* item;   // [batch, negatives]
    int threads;
} rcekd_negatives_args;

// The item of one (position, slot): the r-th item outside the ascending `seen`, r uniform in [0, n_items − n). Nothing
// is rejected.
RCEKD_HD int32_t rcekd_negative(uint64_t key, uint64_t position, uint32_t slot, const int32_t* seen, int64_t n,
                                int64_t n_items) {
    const rcekd_u32x4 word = rcekd_philox(key, (uint32_t)position, (uint32_t)(position >> 32), slot, 0);
    return rcekd_nth_unseen(seen, n, (int32_t)rcekd_below(word.v[0], word.v[1], (uint32_t)(n_items - n)));
}

#ifdef __cplusplus
extern "C" {
#endif
int rcekd_negatives(rcekd_negatives_args* args);
#ifdef __cplusplus
}
#endif
