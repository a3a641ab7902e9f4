// Draws weighted by the gap between the ranks two models give an item.
#pragma once
#include "rcekd/gap.h"

typedef struct rcekd_rank_gap_draws_args {
    const float *user_factor, *item_factor;              // [*, d], [n_items, d]
    const float *other_user_factor, *other_item_factor;  // [*, other_d], [n_items, other_d]
    const int32_t* user;         // [rows] which rows of the user tables; the draws are keyed by it
    const int64_t* seen_indptr;  // [n_users + 1], or null: nothing is left out
    const int32_t* seen_item;    // ascending without repeats within a row
    int64_t rows, n_items, d, other_d;
    const rcekd_gap_request* request;
    int64_t requests;
    int64_t bad_row;  // out: the first row with a NaN or infinite score, when RCEKD_NAN is returned
    int threads;
} rcekd_rank_gap_draws_args;

// How many proposals are made before all weights are computed instead.
RCEKD_HD int64_t rcekd_gap_proposals(int64_t unseen, int64_t draws) { return (4 * draws + unseen / 2 + 15) / 16 * 16; }

#ifdef __cplusplus
extern "C" {
#endif
int rcekd_rank_gap_draws(rcekd_rank_gap_draws_args* args);
#ifdef __cplusplus
}
#endif
