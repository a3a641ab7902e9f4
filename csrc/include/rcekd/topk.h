// Streaming top-K by inner product: one pass over the items per group of users, no score matrix.
#pragma once
#include "rcekd/common.h"

typedef struct rcekd_topk_args {
    const float* user_factor;    // [*, d]
    const float* item_factor;    // [n_items, d]
    const int32_t* user;         // [rows] which rows of user_factor
    const int64_t* seen_indptr;  // [n_users + 1], or null: nothing is left out
    const int32_t* seen_item;    // per user
    int64_t rows, n_items, d, k;
    int32_t* item;    // out [rows, k], best first, -1 beyond the candidates
    float* score;     // out [rows, k], -inf beyond the candidates
    int64_t bad_row;  // out: the first row with a NaN or infinite score, when RCEKD_NAN is returned
    int threads;
} rcekd_topk_args;

#ifdef __cplusplus
extern "C" {
#endif
int rcekd_topk(rcekd_topk_args* args);
#ifdef __cplusplus
}
#endif
